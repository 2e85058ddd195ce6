"""A Flyte backend for tests and laptops: the embedded server, or a cluster, behind the same object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from .config import Config
from .errors import FlyteUsageError
from .remote import FlyteRemote
from .server import Fault, ServerConfig
from .server.host import Host, serve_in_process, serve_in_thread


class Environment:
    """A backend to test against; an async context manager that ends it.

    async with await Environment.start(handlers={"my.task": function}) as environment:
        remote = environment.remote(default_project="flytesnacks", default_domain="development")
    """

    def __init__(self, endpoint: str, host: Host | None = None) -> None:
        self.endpoint = endpoint
        self._host = host
        self._remotes: list[FlyteRemote] = []
