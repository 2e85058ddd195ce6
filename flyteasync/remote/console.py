"""Where Flyte's console shows things."""

from __future__ import annotations

from ..config import PlatformConfig, parse_endpoint
from ..watcher import Name


def console_host(platform: PlatformConfig) -> str:
    """The console's scheme and host; the endpoint's own unless one is configured."""
    if platform.console_endpoint:
        return platform.console_endpoint.rstrip("/")
    endpoint = parse_endpoint(platform.endpoint, insecure=platform.insecure)
    return f"{'http' if endpoint.insecure else 'https'}://{endpoint.target}"


def execution_url(platform: PlatformConfig, name: Name) -> str:
    """The page of an execution."""
    return f"{console_host(platform)}/console/projects/{name.project}/domains/{name.domain}/executions/{name.name}"
