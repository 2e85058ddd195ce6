"""The gRPC server: bytes in, one handler, bytes out."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Final

from .. import codec
from ..codec.lazy import touch
from ..errors import FlyteDecodeError, FlyteError, FlyteUsageError, Status
from ..idl.methods import METHODS
from .clock import Clock
from .config import ServerConfig
from .control import Control
from .engine import Engine, Handler
from .engine.skipping import PATIENCE
from .failures import internal, unimplemented
from .faults import Fault, Faults, check_methods
from .health import HEALTH_CHECK, HEALTH_WATCH, check_health, watch_health
from .listener import Answer, Listener
from .listening import reachable
from .objects import Objects
from .relay import Relay
from .rows import ProjectRow
from .services import Context, Route, build_routes
from .signing import Signer
from .stats import Stats
from .store import MemoryStore, Store
from .web import Web

logger = logging.getLogger("flyteasync.server")

_NOT_REGISTERED: Final = ("AuthMetadataService", "IdentityService")
"""Services that flyteadmin does not have unless it runs with authentication."""


class Server:
    """An embedded flyteadmin in the caller's event loop.

    Start it with `await start()` and end it with `await stop()`, or use it as an async context manager.

    Args:
        config: the settings.
        handlers: a function per task name; see `flyteasync.server.engine.Handler`.
        store: where the state is kept; in memory if it is None.

    Attributes:
        config: the settings.
        endpoint: `host:port` once it listens; the relay's, if there is one.
        direct: `host:port` behind the relay, where the control API always answers; else the same.
        relay: what stands in front of the listener if the settings say so.
        store: the state.
        stats: what was counted.
        faults: what goes wrong; may be replaced at any time.
    """

    def __init__(
        self,
        config: ServerConfig | None = None,
        handlers: Mapping[str, Handler] | None = None,
        *,
        store: Store | None = None,
    ) -> None:
        """Set a server up.

        Raises:
            FlyteInvalidInputException: a fault of the settings names no RPC.
        """
        self.config = config or ServerConfig()
        self.stats = Stats()
        check_methods(self.config.faults)
        self.faults = Faults(self.config.faults)
        self.endpoint = ""
        self.direct = ""
        self.relay: Relay | None = None
        self._clock = Clock()
        self.store = store or MemoryStore(self._clock)
        self._handlers = dict(handlers or {})
        self._listener: Listener | None = None
        self._control: Control | None = None
        self._engine: Engine | None = None
        self._web: Web | None = None
        self._routes: Mapping[str, Route] = {}
        self._stopping = asyncio.Event()
        for project in self.config.projects:
            if self.store.projects.get(project) is None:
                self.store.projects.insert(
                    ProjectRow(identifier=project, name=project, description=f"{project} description", labels=None)
                )

    async def start(self) -> str:
        """Listen, and return the endpoint as `host:port`.

        Raises:
            FlyteSystemUnavailableException: the address cannot be listened on.
            FlyteUsageError: the server was started before.
        """
        if self._listener is not None:
            raise FlyteUsageError("this server was started before; make a new one")
        config = self.config
        engine = self._engine = Engine(
            self.store,
            self._clock,
            self._handlers,
            config.engine_settings(),
        )
        engine.set_skipping(config.skipping)
        objects = Objects(self.store, config.max_upload_bytes, config.max_stored_bytes)
        self._web = web = Web(config.host, config.http_port, objects, Signer(self._clock.now))
        self._routes = build_routes(Context(config, self.store, engine, self._clock, web))
        self._control = Control(self, engine, self._clock)
        self._listener = Listener(config, self._find)
        try:
            await self._listen(self._listener)
            if config.http_port is not None:
                web.start()
        except BaseException:
            await self.stop()
            raise
        return self.endpoint

    async def _listen(self, listener: Listener) -> None:
        host, port, relay = self.config.host, self.config.port, self.config.relay
        if relay is None:
            self.direct = self.endpoint = await listener.start(host, port)
            return
        # The relay has the port that clients know.
        self.direct = await listener.start(host, 0)
        self.relay = Relay(reachable(host), int(self.direct.rpartition(":")[2]), relay)
        self.endpoint = await self.relay.start(host, port)

    @property
    def http_endpoint(self) -> str:
        """`host:port` of signed URLs and `/healthcheck`; empty until the server listens there."""
        return "" if self._web is None else self._web.endpoint

    async def stop(self, grace: float = 0.0) -> None:
        """Refuse new calls, give those in flight `grace` seconds, and end everything."""
        self._stopping.set()
        if self._control is not None:
            await self._control.aclose()
        if self._listener is not None:
            await self._listener.stop(grace)
        if self.relay is not None:
            await self.relay.aclose()
        if self._web is not None:
            await self._web.stop()
        if self._engine is not None:
            await self._engine.aclose()

    async def restart(self, grace: float = 0.0, downtime: float = 0.0) -> None:
        """Take the listener away and bring it back on the same port, as when a deployment is rolled.

        Clients are told to go (GOAWAY), and calls in flight have `grace` seconds. The state is kept, and executions go
        on meanwhile, since the real engine is another program. Signed URLs are served all the time.

        Args:
            grace: seconds.
            downtime: seconds between the end and the beginning.

        Raises:
            FlyteUsageError: the server was not started.
            FlyteSystemUnavailableException: another program has taken the port meanwhile.
        """
        if self._listener is None:
            raise FlyteUsageError("this server was not started: it cannot be restarted")
        await self._listener.restart(grace, downtime)
        self.stats.restarts += 1

    @property
    def skipping(self) -> bool:
        """Whether time is skipped when nothing else can happen."""
        return self._running_engine.skipping

    def set_skipping(self, enabled: bool) -> None:
        """Turn skipping of time on or off.

        While it is on, and no task of the engine and no handler has anything left to do, the clock of the engine moves
        on to the next thing that is due: the end of a sleep, of a back-off, or a time limit. It does not while a gate
        waits for a signal: time then passes as it does, unless `advance` moves it on.

        Raises:
            FlyteUsageError: the server was not started.
        """
        self._running_engine.set_skipping(enabled)

    async def advance(self, seconds: float, patience: float = PATIENCE) -> None:
        """Move the engine's clock on by that many seconds, and return when all that became due has happened.

        Args:
            seconds: how far.
            patience: real seconds that handlers which are called on the way are given, at each step, to end.

        Raises:
            FlyteUsageError: the server was not started.
        """
        await self._running_engine.advance(seconds, patience)

    @property
    def _running_engine(self) -> Engine:
        if self._engine is None:
            raise FlyteUsageError("this server was not started: it has no time to move")
        return self._engine

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _find(self, path: str) -> Answer | None:
        """What answers the calls of a path."""
        if path in METHODS:
            return functools.partial(self._call, path)
        if path in (HEALTH_CHECK, HEALTH_WATCH):
            return check_health if path == HEALTH_CHECK else watch_health
        assert self._control is not None
        return functools.partial(self._control.call, path) if self._control.handles(path) else None

    async def _call(self, path: str, payload: bytes, peer: str) -> bytes:
        """Answer one RPC; raises a FlyteError with the status to answer with."""
        self.stats.peers.add(peer)
        name = path.rpartition("/")[2]
        self.stats.in_flight += 1
        self.stats.bytes_in += len(payload)
        status = Status.CANCELLED
        try:
            if self.config.latency:
                await asyncio.sleep(self.config.latency)
            fault = self.faults.draw(name)
            if fault is not None:
                self.stats.hits[name] += 1
                logger.debug("%s is hit by a fault: %s", name, fault.kind)
            reply = self._answer(path, payload) if fault is None else await self._misbehave(fault, path, payload)
            status = Status.OK
            self.stats.bytes_out += len(reply)
            return reply
        except FlyteError as error:
            status = Status.INTERNAL if error.status is None else error.status
            raise
        finally:
            self.stats.in_flight -= 1
            self.stats.ended(name, status)
            logger.debug("%s: %s", name, status.name)

    async def _misbehave(self, fault: Fault, path: str, payload: bytes) -> bytes:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.kind == "hang":
            # gRPC cancels this when the client goes away.
            await self._stopping.wait()
            raise FlyteError("the server is stopping", status=Status.UNAVAILABLE)
        reply = b"" if fault.kind == "error" else self._answer(path, payload)
        if fault.kind in ("error", "lost_reply"):
            raise FlyteError(fault.details, status=fault.status, details=fault.messages)
        return fault.spoil(METHODS[path].reply, reply)

    def _answer(self, path: str, payload: bytes) -> bytes:
        """Decode, handle and encode in one go, so that no reply shows a state that came later."""
        method, route = METHODS[path], self._routes.get(path)
        if route is None:
            raise _not_there(path)
        try:
            request = codec.decode(method.request, payload)
            # What is wrong deep inside must be found now, and not by whoever reads what was stored.
            touch(request)
        except FlyteDecodeError as error:
            raise internal(f"grpc: error unmarshalling request: {error}") from error
        try:
            return codec.encode(route(request))
        except Exception as error:
            if not isinstance(error, FlyteError) or error.status is None:
                # flyteadmin answers a panic with an empty text.
                logger.exception("%s failed", path)
                raise internal("") from error
            if error.status == Status.ALREADY_EXISTS:
                self.stats.duplicates += 1
            raise


def _not_there(path: str) -> FlyteError:
    service, _, method = path.removeprefix("/").rpartition("/")
    if service.endswith(_NOT_REGISTERED):
        return unimplemented(f"unknown service {service}")
    return unimplemented(f"the embedded server does not implement {method} yet")
