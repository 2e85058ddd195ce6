"""Where Flyte's console shows things."""

from __future__ import annotations

from ..config import PlatformConfig
from ..watcher import Name


def console_host(platform: PlatformConfig) -> str:
    """The console's scheme and host; the endpoint's own unless one is configured."""
    if platform.console_endpoint:
        return platform.console_endpoint.rstrip("/")
    host = platform.endpoint.removeprefix("dns:///")
    return f"{'http' if platform.insecure else 'https'}://{host}"


def execution_url(platform: PlatformConfig, name: Name) -> str:
    """The page of an execution."""
    return f"{console_host(platform)}/console/projects/{name.project}/domains/{name.domain}/executions/{name.name}"
