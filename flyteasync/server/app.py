"""The gRPC server: bytes in, one handler, bytes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, cast

import grpc
import grpc.aio

from .. import codec
from ..codec.lazy import touch
from ..errors import FlyteDecodeError, FlyteError, FlyteSystemUnavailableException, FlyteUsageError, Status
from ..idl.methods import METHODS
from .clock import Clock
from .config import ServerConfig
from .control import Control
from .engine import Engine, Handler
from .engine.skipping import PATIENCE
from .failures import internal, shorten, status_bytes, unimplemented
from .faults import Fault, Faults
from .health import HEALTH_CHECK, check_health
from .listening import refusal
from .objects import Objects
from .rows import ProjectRow
from .services import Context, Route, build_routes
from .signing import Signer
from .stats import Stats
from .store import MemoryStore, Store
from .web import Web

logger = logging.getLogger(__name__)

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

_NOT_REGISTERED = ("AuthMetadataService", "IdentityService")
"""Services that flyteadmin does not have unless it runs with authentication."""

CALLS_END_WITHIN: Final = 1.0
"""Seconds that calls which were cut off are given to end when the server stops."""

ServicerContext = grpc.aio.ServicerContext[bytes, bytes]


class Server:
    """An embedded flyteadmin in the caller's event loop.

    Start it with `await start()` and end it with `await stop()`, or use it as an async context manager.

    Args:
        config: the settings.
        handlers: a function per task name; see `flyteasync.server.engine.Handler`.
        store: where the state is kept; in memory if it is None.

    Attributes:
        config: the settings.
        endpoint: `host:port` once it listens.
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
        self.config = config or ServerConfig()
        self.stats = Stats()
        self.faults = Faults(self.config.faults)
        self.endpoint = ""
        self._clock = Clock()
        self.store = store or MemoryStore(self._clock)
        self._handlers = dict(handlers or {})
        self._server: grpc.aio.Server | None = None
        self._engine: Engine | None = None
        self._web: Web | None = None
        self._routes: Mapping[str, Route] = {}
        self._calls: set[asyncio.Task[Any]] = set()
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
        if self._server is not None:
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
        control = Control(self.faults, self.stats, self.store, engine, self._clock)
        self._server = server = grpc.aio.server(
            options=[
                # Two servers on one port would share its connections at random.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", config.max_receive_bytes),
                ("grpc.max_send_message_length", -1),
            ]
        )
        server.add_generic_rpc_handlers((_Dispatcher(self._call, control, self._calls),))
        try:
            port = server.add_insecure_port(f"{config.host}:{config.port}")
        except RuntimeError:
            reason = refusal(config.host, config.port)
            raise FlyteSystemUnavailableException(f"cannot listen on {config.host}:{config.port}: {reason}") from None
        if config.http_port is not None:
            web.start()
        await server.start()
        self.endpoint = f"{config.host}:{port}"
        return self.endpoint

    @property
    def http_endpoint(self) -> str:
        """`host:port` of signed URLs and `/healthcheck`; empty until the server listens there."""
        return "" if self._web is None else self._web.endpoint

    async def stop(self, grace: float = 0.0) -> None:
        """Refuse new calls, give those in flight `grace` seconds, and end everything."""
        self._stopping.set()
        if self._server is not None:
            await self._server.stop(grace)
            if self._calls:
                # gRPC does not wait for them, and who closes the loop now would leave them behind.
                await asyncio.wait(self._calls, timeout=CALLS_END_WITHIN)
        if self._web is not None:
            await self._web.stop()
        if self._engine is not None:
            await self._engine.aclose()

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

    async def _call(self, path: str, payload: bytes) -> bytes:
        """Answer one RPC; raises a FlyteError with the status to answer with."""
        name = path.rpartition("/")[2]
        self.stats.in_flight += 1
        self.stats.bytes_in += len(payload)
        status = Status.CANCELLED
        try:
            fault = self.faults.draw(name)
            if fault is not None:
                self.stats.hits[name] += 1
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

    async def _misbehave(self, fault: Fault, path: str, payload: bytes) -> bytes:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.kind == "hang":
            # gRPC cancels this when the client goes away.
            await self._stopping.wait()
            raise FlyteError("the server is stopping", status=Status.UNAVAILABLE)
        reply = b"" if fault.kind == "error" else self._answer(path, payload)
        if fault.kind == "delay":
            return reply
        raise FlyteError(fault.details, status=fault.status)

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


class _Dispatcher(grpc.GenericRpcHandler):
    """Finds what answers a path, and keeps the tasks of the calls that are in flight."""

    def __init__(
        self, call: Callable[[str, bytes], Awaitable[bytes]], control: Control, calls: set[asyncio.Task[Any]]
    ) -> None:
        self._call = call
        self._control = control
        self._calls = calls

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of a path, or None, which gRPC answers with UNIMPLEMENTED."""
        path = handler_call_details.method
        if path in METHODS:
            handle = self._call
        elif path == HEALTH_CHECK:
            handle = _immediate(lambda path, payload: check_health(payload))
        elif self._control.handles(path):
            handle = self._control.call
        else:
            return None

        async def behaviour(payload: bytes, context: ServicerContext) -> bytes:
            self._remember(asyncio.current_task())
            try:
                return await handle(path, payload)
            except FlyteError as error:
                failure = shorten(error)
            await _abort(context, failure)
            raise AssertionError("abort never returns")

        return cast("Any", grpc.unary_unary_rpc_method_handler)(behaviour)

    def _remember(self, task: asyncio.Task[Any] | None) -> None:
        assert task is not None, "gRPC runs every call in a task of its own"
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)


def _immediate(answer: Callable[[str, bytes], bytes]) -> Callable[[str, bytes], Awaitable[bytes]]:
    async def handle(path: str, payload: bytes) -> bytes:
        return answer(path, payload)

    return handle


async def _abort(context: ServicerContext, error: FlyteError) -> None:
    status = Status.UNKNOWN if error.status is None else error.status
    trailing = (("grpc-status-details-bin", status_bytes(error)),) if error.details else ()
    await context.abort(_CODES[int(status)], str(error), trailing)
