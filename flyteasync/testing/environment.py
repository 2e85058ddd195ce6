"""A Flyte backend for tests and laptops: the embedded server, or a cluster, behind the same object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio
from typing_extensions import Unpack

from ..config import Config, parse_endpoint
from ..errors import FlyteEntityAlreadyExistsException, FlyteInvalidInputException, FlyteUsageError
from ..remote import FlyteRemote
from ..remote.remote import RemoteOptions
from ..server import Fault, RelayConfig, ServerConfig
from ..server.control_client import ControlClient
from ..server.controls import Controls
from ..server.host import HandlersReference, Host, serve_in_process, serve_in_thread
from .registration import Place, registration

if TYPE_CHECKING:
    from ..sync import FlyteRemote as SyncRemote

CLOSING_LIMIT = 10.0
"""Seconds at which leaving an `async with` block no longer waits for the backend to end."""

Where = Literal["process", "thread"]


def make_host(
    handlers: HandlersReference | None = None,
    *,
    where: Where = "process",
    server: ServerConfig | None = None,
    faults: Iterable[Fault] = (),
    relay: bool | RelayConfig | None = None,
) -> tuple[Host, ServerConfig]:
    """The host of an embedded server, which is still to be started, and the settings; see `Environment.start`."""
    if where not in ("process", "thread"):
        raise FlyteInvalidInputException(f"a server runs in a 'process' or a 'thread', not in {where!r}")
    config = server or ServerConfig()
    config = replace(config, faults=(*config.faults, *faults))
    if relay is not None:
        config = replace(config, relay=RelayConfig() if relay is True else relay or None)
    serve = serve_in_process if where == "process" else serve_in_thread
    return serve(config, handlers), config


class Environment(Controls):
    """A backend to test against; an async context manager that ends what it started.

        async with await Environment.start(handlers={"my.task": function}, where="thread") as environment:
            remote = environment.remote()

    What makes the server misbehave, or its time pass, works with every embedded server, whoever started it; with a
    cluster it raises FlyteUsageError.
    """

    def __init__(
        self, config: Config, host: Host | None = None, project: str | None = None, domain: str | None = None
    ) -> None:
        self._config = config
        self._host = host
        self._project = project
        self._domain = domain
        self._direct = "" if host is None else host.direct
        self._remotes: list[FlyteRemote] = []

    @classmethod
    async def start(
        cls,
        handlers: HandlersReference | None = None,
        *,
        where: Where = "process",
        server: ServerConfig | None = None,
        faults: Iterable[Fault] = (),
        relay: bool | RelayConfig | None = None,
    ) -> Self:
        """Start an embedded server.

        Args:
            handlers: what runs the tasks: functions by task name, or where to import them from, `module:attribute`.
            where: in a process of its own, which can import its handlers only, or in a thread of this process, which
                takes any function.
            server: its settings.
            faults: what goes wrong from the start, after what the settings say.
            relay: puts a relay in front of the server, which `outage` and `kill_connections` need, and perhaps says how
                it behaves; None leaves it to the settings, which have none by default.

        Raises:
            FlyteInvalidInputException: handlers that cannot be imported in a process of their own, or settings that
                make no sense.
            FlyteSystemUnavailableException: the server did not start.
        """
        host, config = make_host(handlers, where=where, server=server, faults=faults, relay=relay)
        await host.start_async()
        return cls.of(host, config)

    @classmethod
    def of(cls, host: Host, server: ServerConfig) -> Self:
        """The environment of a server that a host has started with these settings, and whom `aclose` stops."""
        project, domain = (next(iter(choices), None) for choices in (server.projects, server.domains))
        return cls(Config.for_endpoint(host.endpoint, insecure=True), host, project, domain)

    @classmethod
    def connect(cls, backend: Config | str) -> Self:
        """Use a backend that runs already; costs nothing until it is used.

        Args:
            backend: how to reach it; or `host:port`, which is spoken to in plain text, as embedded servers are.

        Raises:
            FlyteInvalidInputException: an endpoint that cannot be.
        """
        config = Config.for_endpoint(backend, insecure=True) if isinstance(backend, str) else backend
        parse_endpoint(config.platform.endpoint, insecure=config.platform.insecure)
        return cls(config)

    @property
    def config(self) -> Config:
        """How a remote reaches the backend."""
        return self._config

    @property
    def endpoint(self) -> str:
        """Where the backend listens."""
        return self._config.platform.endpoint

    @property
    def project(self) -> str | None:
        """The first project of a server that was started here; None of another one."""
        return self._project

    @property
    def domain(self) -> str | None:
        """The first domain of a server that was started here; None of another one."""
        return self._domain

    def remote(
        self,
        default_project: str | None = None,
        default_domain: str | None = None,
        **options: Unpack[RemoteOptions],
    ) -> FlyteRemote:
        """A remote for the backend, which is closed together with the environment.

        Args:
            default_project: `project` if not given.
            default_domain: `domain` if not given.
            options: those of `FlyteRemote`.
        """
        remote = FlyteRemote(self._config, default_project or self._project, default_domain or self._domain, **options)
        # An environment may live as long as a whole suite.
        self._remotes = [*(each for each in self._remotes if each.health), remote]
        return remote

    def sync_remote(
        self,
        default_project: str | None = None,
        default_domain: str | None = None,
        **options: Unpack[RemoteOptions],
    ) -> SyncRemote:
        """A remote for the backend whose verbs block, a `flyteasync.sync.FlyteRemote`; for code without an event loop.

        It closes its connection when nothing refers to it any more, and can be closed, or used as a context manager.
        Arguments are those of `remote`.
        """
        from ..sync import FlyteRemote as SyncRemote  # most tests are async

        return SyncRemote(self._config, default_project or self._project, default_domain or self._domain, **options)

    async def register(
        self,
        name: str,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        *,
        retries: int = 0,
        version: str = "v1",
        project: str | None = None,
        domain: str | None = None,
    ) -> None:
        """Register a task, a workflow that runs it once, and a launch plan, all of that name; three RPCs.

        What runs it is the handler of that name. What is registered already, and just so, is no error.

        Args:
            name: of all three.
            inputs: Python types by name.
            outputs: the same.
            retries: how often a failed attempt is repeated.
            version: of all three.
            project: where; the first of a server that was started here.
            domain: the same.

        Raises:
            FlyteTypeException: a type that Flyte has no type for.
            FlyteInvalidInputException: something else has that name and version.
            FlyteUsageError: no project or domain, of a server that was not started here.
        """
        project = project or self._project
        domain = domain or self._domain
        if not project or not domain:
            raise FlyteUsageError(f"name the project and the domain to register {name} in")
        requests = registration(Place(project, domain, name, version), inputs or {}, outputs or {}, retries)
        async with FlyteRemote(self._config) as remote:
            with suppress(FlyteEntityAlreadyExistsException):
                await remote.admin.create_task(requests.task)
            with suppress(FlyteEntityAlreadyExistsException):
                await remote.admin.create_workflow(requests.workflow)
            with suppress(FlyteEntityAlreadyExistsException):
                await remote.admin.create_launch_plan(requests.launch_plan)

    async def aclose(self) -> None:
        """Close the remotes that were made here, and end the server if it was started here."""
        try:
            while self._remotes:
                await self._remotes.pop().aclose(grace=0)
        finally:
            if self._host is not None:
                await self._host.stop_async()

    async def _control_endpoint(self) -> str:
        if not self._direct:
            platform = self._config.platform
            endpoint = parse_endpoint(platform.endpoint, insecure=platform.insecure)
            if not endpoint.insecure:
                raise FlyteUsageError(f"{self.endpoint} is no embedded server, so it cannot be told what to do")
            async with ControlClient(endpoint.target) as control:
                self._direct = await control.direct()
        return self._direct

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.move_on_after(CLOSING_LIMIT, shield=True):
            await self.aclose()
