"""A Flyte backend for tests and laptops: the embedded server, or a cluster, behind the same object."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Literal, Self

import anyio

from .config import Config
from .errors import FlyteInvalidInputException, FlyteUsageError
from .remote import FlyteRemote
from .server import Fault, ServerConfig
from .server.host import HandlersReference, Host, serve_in_process, serve_in_thread

__all__ = ["Environment", "Fault", "ServerConfig"]

CLOSING_LIMIT = 10.0
"""Seconds at which leaving an `async with` block no longer waits for the backend to end."""


class Environment:
    """A backend to test against; an async context manager that ends what it started.

    async with await Environment.start(handlers={"my.task": function}) as environment:
        remote = environment.remote(default_project="flytesnacks", default_domain="development")
    """

    def __init__(self, config: Config, host: Host | None = None) -> None:
        self._config = config
        self._host = host
        self._remotes: list[FlyteRemote] = []

    @classmethod
    async def start(
        cls,
        handlers: HandlersReference | None = None,
        *,
        where: Literal["process", "thread"] = "process",
        server: ServerConfig | None = None,
    ) -> Self:
        """Start an embedded server.

        Args:
            handlers: what runs the tasks: functions by task name, or where to import them from, `module:attribute`.
            where: in a process of its own, which can import its handlers only, or in a thread of this process, which
                takes any function.
            server: its settings.

        Raises:
            FlyteInvalidInputException: handlers that cannot be imported in a process of their own.
            FlyteSystemUnavailableException: the server did not start.
        """
        if where not in ("process", "thread"):
            raise FlyteInvalidInputException(f"a server runs in a 'process' or a 'thread', not in {where!r}")
        serve = serve_in_process if where == "process" else serve_in_thread
        host = serve(server, handlers)
        endpoint = await host.start_async()
        return cls(Config.for_endpoint(endpoint, insecure=True), host)

    @classmethod
    def connect(cls, config: Config) -> Self:
        """Use a backend that runs already; costs nothing until a remote is used."""
        return cls(config)

    @property
    def config(self) -> Config:
        """How a remote reaches the backend."""
        return self._config

    @property
    def endpoint(self) -> str:
        """Where the backend listens."""
        return self._config.platform.endpoint

    def remote(self, **options: Any) -> FlyteRemote:
        """A remote for the backend, which is closed together with the environment.

        Args:
            options: those of `FlyteRemote`.
        """
        remote = FlyteRemote(self._config, **options)
        self._remotes.append(remote)
        return remote

    async def set_faults(self, faults: Iterable[Fault] = ()) -> None:
        """Have the embedded server misbehave in these ways from now on, instead of what it was told before."""
        await self._embedded.set_faults(faults)

    async def stats(self, *, reset: bool = False) -> dict[str, Any]:
        """What the embedded server has counted; `reset` starts from zero afterwards."""
        return await self._embedded.stats(reset=reset)

    async def aclose(self) -> None:
        """Close the remotes that were made here, and end the server if it was started here."""
        while self._remotes:
            await self._remotes.pop().aclose(grace=0)
        if self._host is not None:
            await self._host.stop_async()

    @property
    def _embedded(self) -> Host:
        if self._host is None:
            raise FlyteUsageError(f"the backend at {self.endpoint} was not started here: it takes no faults")
        return self._host

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.move_on_after(CLOSING_LIMIT, shield=True):
            await self.aclose()
