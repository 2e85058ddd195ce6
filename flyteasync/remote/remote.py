"""`FlyteRemote` itself: construction, views, readiness and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, TypedDict

import anyio

from ..config import Config, parse_endpoint
from ..deadline import Duration, seconds
from ..errors import FlyteInvalidInputException, FlyteTypeException
from ..idl import admin
from ..literals import Store
from ..rpc import UNSET, CallOptions, CallStats, Instrumentation, RetryPolicy, TokenSource, Unset
from ..transport import Transport, TransportName, TransportOptions, check_name, make_transport
from .base import Values
from .checks import check_config
from .connection import Connector
from .many import Many
from .metrics import metrics_of

MAX_CONCURRENT_RPCS = 200

CLOSING_LIMIT = 5.0
"""Seconds after its grace at which leaving an `async with` block no longer waits for the connection to close."""


@dataclass(frozen=True)
class Readiness:
    """What `ping` found.

    Attributes:
        version: of the control plane.
        latency: seconds from request to reply.
    """

    version: str
    latency: float


class RemoteOptions(TypedDict, total=False):
    """The keyword arguments of `FlyteRemote`, for what passes them on; they are described there."""

    transport: TransportName
    options: CallOptions | None
    max_concurrent_rpcs: int
    tokens: TokenSource | None
    storage: Store | None
    allow_pickle: bool | None
    instrumentation: Instrumentation | None


class FlyteRemote(Many):
    """A Flyte backend, seen from an async program.

    Constructing one opens nothing, starts nothing and warns about nothing; the connection is made by the first call,
    and belongs to the event loop of that call. `aclose` it, or use it as an async context manager.
    """

    def __init__(
        self,
        config: Config,
        default_project: str | None = None,
        default_domain: str | None = None,
        *,
        transport: TransportName = "grpc_aio",
        options: CallOptions | None = None,
        max_concurrent_rpcs: int = MAX_CONCURRENT_RPCS,
        tokens: TokenSource | None = None,
        storage: Store | None = None,
        allow_pickle: bool | None = None,
        instrumentation: Instrumentation | None = None,
    ) -> None:
        """Describe the backend; no I/O.

        Args:
            config: where the backend is, and how to talk to it.
            default_project: the project of calls that name none.
            default_domain: the domain of calls that name none.
            transport: what carries the calls: `grpc_aio`, or `grpclib`, which is pure Python and survives a fork.
            options: time limits, retries and metadata of every call; 10 s an attempt and 60 s in all if not given.
            max_concurrent_rpcs: calls in flight at the most, 1 or more; the rest queue. Eight of them, or a quarter if
                that is less, are kept for the poller.
            tokens: where bearer tokens come from; none are sent without.
            storage: reads files, datasets and values too large for messages; made of the configuration if not given.
            allow_pickle: read pickled values without being asked for each; loading one runs code chosen by whoever
                wrote it. None goes by the environment variable `FLYTE_SDK_ALLOW_PICKLE`.
            instrumentation: observes calls and waits, for example `flyteasync.rpc.otel.OpenTelemetry()`.

        Raises:
            FlyteTypeException: a config that is none.
            FlyteInvalidInputException: an endpoint or option that cannot be.
            FlyteTypeException: options that are no CallOptions.
        """
        check_config(config)
        check_name(transport)
        if options is not None and not isinstance(options, CallOptions):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise FlyteTypeException(f"options must be CallOptions, got {type(options).__name__}")
        self._config = config
        self._default_project = default_project
        self._default_domain = default_domain
        self._options = options or CallOptions()
        self._values = Values(config, storage, allow_pickle)
        settings = _transport_options(config)

        def connect() -> Transport:
            return make_transport(transport, settings)

        self._connector = Connector(
            connect,
            self._options,
            max_concurrent_rpcs=max_concurrent_rpcs,
            tokens=tokens,
            instrumentation=instrumentation,
        )

    def with_options(
        self,
        *,
        timeout: Duration | Unset | None = UNSET,
        attempt_timeout: Duration | None = None,
        retry: RetryPolicy | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
        token: str | Unset | None = UNSET,
    ) -> Self:
        """A view of this remote whose calls have other options; it shares connection and poller, and costs nothing.

        What is not given stays as it is.

        Args:
            timeout: seconds or a timedelta for each call with its retries; None is no limit.
            attempt_timeout: seconds or a timedelta for each attempt; more than zero.
            retry: how to repeat; `RetryPolicy(max_attempts=1)` switches it off.
            metadata: sent with every call, in addition to what this remote sends: request ids, tenants. Values are
                ASCII text, or bytes under a name that ends in `-bin`.
            token: a bearer token to send, for example that of the user on whose behalf a service acts; None sends those
                of the remote's own source again. Waits and watches are polled for with those of the remote anyway,
                since they share the poller: whether the user may see an execution, `sync` tells.

        Raises:
            FlyteInvalidInputException: a duration that makes no sense, metadata or a token that cannot be sent.
            FlyteTypeException: a retry that is no RetryPolicy.
        """
        options = self._options
        if timeout is not UNSET:
            options = replace(options, timeout=None if timeout is None else seconds(timeout))
        if attempt_timeout is not None:
            options = replace(options, attempt_timeout=seconds(attempt_timeout, "attempt_timeout"))
        if retry is not None:
            options = replace(options, retry=retry)
        if metadata is not None:
            if not isinstance(metadata, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise FlyteInvalidInputException(f"metadata must be a mapping, got {type(metadata).__name__}")
            pairs = tuple((str(key).lower(), value) for key, value in metadata.items())
            options = replace(options, metadata=(*options.metadata, *pairs))
        if token is not UNSET:
            options = replace(options, token=token)
        view = object.__new__(type(self))
        vars(view).update(vars(self))
        view._options = options
        return view

    @property
    def stats(self) -> CallStats:
        """Counters of the RPCs of this remote and its views."""
        return self._connector.stats

    def metrics(self) -> dict[str, float]:
        """Numbers about this remote and its views, by flat names that stay; no I/O, from any thread.

        Counters since the remote was made: `launched`, `adopted` (executions that were there already),
        `rpcs.<method>.<status>` such as `rpcs.GetExecution.OK`, `retries` and `retries.<method>`. Counters since the
        poller's connection was made: `polls`, and `done` (executions that were seen to end). What is now:
        `rpcs.in_flight`, `waiting` (executions that are awaited), `lag` (seconds for which a question of the poller
        that is due was not asked).
        """
        return metrics_of(self._connector)

    async def ping(self) -> Readiness:
        """Ask the backend for its version: one GetVersion, not repeated on failure.

        Raises:
            FlyteError: the backend is not ready; `http_status` says how to pass that on.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        once = self.with_options(retry=RetryPolicy(max_attempts=1))
        answer = await once.admin.get_version(admin.GetVersionRequest())
        version = answer.control_plane_version
        return Readiness(version.version if version is not None else "", loop.time() - began)

    @property
    def health(self) -> bool:
        """Whether this remote can be used, told without I/O: False once it is closed."""
        return not self._connector.closed

    @property
    def connected(self) -> bool:
        """Whether there is a connection to close."""
        return self._connector.connected

    async def aclose(self, grace: Duration = 1.0) -> None:
        """Close the connection of this remote and all its views; closing twice is no error.

        What still waits fails with FlyteRemoteClosed.

        Args:
            grace: seconds or a timedelta that calls under way have to end.
        """
        await self._connector.aclose(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Nobody is left to receive the replies of a block that failed or was cancelled.
        grace = 0.0 if kind is not None else 1.0
        with anyio.move_on_after(grace + CLOSING_LIMIT, shield=True):
            await self.aclose(grace)

    def __repr__(self) -> str:
        scope = "/".join(part for part in (self._default_project, self._default_domain) if part)
        return f"<FlyteRemote {self._config.platform.endpoint}{f' {scope}' if scope else ''}>"


def _transport_options(config: Config) -> TransportOptions:
    platform = config.platform
    endpoint = parse_endpoint(platform.endpoint, insecure=platform.insecure)
    return TransportOptions(
        endpoint=endpoint.target,
        insecure=endpoint.insecure,
        insecure_skip_verify=platform.insecure_skip_verify,
        ca_cert_file=platform.ca_cert_file_path,
    )
