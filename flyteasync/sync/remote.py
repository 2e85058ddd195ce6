"""`FlyteRemote` for programs without an event loop."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from typing_extensions import Unpack

from ..config import Config
from ..deadline import Duration
from ..remote import FlyteRemote as AioRemote
from ..remote.connection import Connector
from ..remote.remote import Readiness, RemoteOptions
from ..rpc import UNSET, CallStats, RetryPolicy, Unset
from .launch import Launching
from .portal import portal


class _Lifetime:
    """Lives as long as anything refers to a remote: the facade, its views, and their executions."""


class _HeldRemote(AioRemote):
    """An async remote whose connection is closed when nothing refers to it any more.

    Legacy callers make a remote a request and never close it, and some keep an execution longer than its remote.
    """

    def __init__(
        self,
        config: Config,
        default_project: str | None,
        default_domain: str | None,
        **options: Unpack[RemoteOptions],
    ) -> None:
        super().__init__(config, default_project, default_domain, **options)
        self._lifetime = _Lifetime()  # views share it
        # The loop thread itself ends at exit.
        weakref.finalize(self._lifetime, _release, self._connector).atexit = False


class FlyteRemote(Launching):
    """A Flyte backend; every verb blocks until it is done.

    The verbs, their parameters and what they raise are those of `flyteasync.FlyteRemote`, which does the work in an
    event loop thread of its own. Differences, all as in flytekit: `execute` shows how far the execution is at once, and
    adopts one that has the name already; `fetch_execution` loads values and workflow; `wait` ends with a sync of the
    nodes. Any thread may use it. Ctrl-C ends a call, and leaves the remote usable.
    """

    def __init__(
        self,
        config: Config,
        default_project: str | None = None,
        default_domain: str | None = None,
        **options: Unpack[RemoteOptions],
    ) -> None:
        """Describe the backend; no I/O, no thread.

        Args:
            config: where the backend is, and how to talk to it.
            default_project: the project of calls that name none.
            default_domain: the domain of calls that name none.
            options: those of `flyteasync.FlyteRemote`: `transport`, `options`, `max_concurrent_rpcs`, `tokens`,
                `storage`, `allow_pickle`, `instrumentation`.

        Raises:
            FlyteTypeException: a config that is none, or options that are no CallOptions.
            FlyteInvalidInputException: an endpoint or option that cannot be.
        """
        self._aio: AioRemote = _HeldRemote(config, default_project, default_domain, **options)

    @property
    def config(self) -> Config:
        """The configuration that the remote was made with."""
        return self._aio.config

    @property
    def default_project(self) -> str | None:
        """The project of calls that name none."""
        return self._aio.default_project

    @property
    def default_domain(self) -> str | None:
        """The domain of calls that name none."""
        return self._aio.default_domain

    @property
    def health(self) -> bool:
        """Whether this remote can be used, told without I/O: False once it is closed."""
        return self._aio.health

    @property
    def stats(self) -> CallStats:
        """Counters of the RPCs of this remote and its views."""
        return self._aio.stats

    def metrics(self) -> dict[str, float]:
        """Numbers about this remote and its views, by flat names; see `flyteasync.FlyteRemote.metrics`."""
        return self._aio.metrics()

    def ping(self) -> Readiness:
        """Ask the backend for its version: one GetVersion, not repeated on failure.

        Raises:
            FlyteError: the backend is not ready; `http_status` says how to pass that on.
        """
        return portal().run(self._aio.ping())

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
        view = object.__new__(type(self))
        vars(view).update(vars(self))
        view._aio = self._aio.with_options(
            timeout=timeout, attempt_timeout=attempt_timeout, retry=retry, metadata=metadata, token=token
        )
        return view

    def aclose(self, grace: Duration = 1.0) -> None:
        """The same as `close`, under the name that async code knows."""
        portal().run(self._aio.aclose(grace))

    def close(self, grace: Duration = 1.0) -> None:
        """Close the connection of this remote and all its views; closing twice is no error.

        What still waits, in whatever thread, fails with FlyteRemoteClosed.

        Args:
            grace: seconds or a timedelta that calls under way have to end.
        """
        self.aclose(grace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.aclose(0 if kind is not None else 1.0)

    def __repr__(self) -> str:
        return repr(self._aio)


def _release(connector: Connector) -> None:
    if connector.connected:
        portal().submit(connector.aclose(0))
