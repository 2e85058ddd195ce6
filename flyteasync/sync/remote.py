"""`FlyteRemote` for programs without an event loop."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from ..config import Config
from ..deadline import Duration
from ..errors import FlyteError, FlyteTypeException
from ..executions import FlyteWorkflowExecution as AioExecution
from ..remote import FlyteRemote as AioRemote
from ..remote.connection import Connector
from ..rpc import CallStats
from ..watcher import Name
from .blocking import blocking, delegating
from .executions import FlyteWorkflowExecution, facade_of, looked_at
from .many import Runs
from .portal import portal

logger = logging.getLogger("flyteasync.sync")


async def fetch_execution(
    self: AioRemote, project: str | None = None, domain: str | None = None, name: str | None = None
) -> AioExecution:
    """Read an execution as flytekit does, with its values and its workflow.

    Costs one GetExecution, one GetExecutionData, and one GetWorkflow unless the workflow is remembered.

    Raises:
        FlyteEntityNotExistException: there is no such execution.
        FlyteInvalidInputException: no name, project or domain.
    """
    execution = await self.execution(name, project=project, domain=domain).sync()
    try:
        await execution.fetch_workflow()
    except FlyteError as error:
        extra = Name.of(execution.id).extra()
        logger.warning("the workflow of %s could not be fetched: %s", execution.short_string(), error, extra=extra)
    return execution


class _Lifetime:
    """Lives as long as anything refers to a remote: the facade, its views, and their executions."""


class _HeldRemote(AioRemote):
    """An async remote whose connection is closed when nothing refers to it any more.

    Legacy callers make a remote a request and never close it, and some keep an execution longer than its remote.
    """

    def __init__(self, config: Config, default_project: str | None, default_domain: str | None, **options: Any) -> None:
        super().__init__(config, default_project, default_domain, **options)
        self._lifetime = _Lifetime()  # views share it
        # The loop thread itself ends at exit.
        weakref.finalize(self._lifetime, _release, self._connector).atexit = False


class FlyteRemote:
    """A Flyte backend; every verb blocks until it is done.

    The verbs, their parameters and what they raise are those of `flyteasync.FlyteRemote`, which does the work in an
    event loop thread of its own. Differences, all as in flytekit: `execute` shows how far the execution is at once, and
    adopts one that has the name already; `fetch_execution` loads values and workflow; `wait` ends with a sync of the
    nodes.
    """

    def __init__(
        self,
        config: Config,
        default_project: str | None = None,
        default_domain: str | None = None,
        **options: Any,
    ) -> None:
        """Describe the backend; no I/O, no thread. Options are those of `flyteasync.FlyteRemote`."""
        self._aio: AioRemote = _HeldRemote(config, default_project, default_domain, **options)

    fetch_task = blocking(AioRemote.fetch_task)
    fetch_workflow = blocking(AioRemote.fetch_workflow)
    fetch_launch_plan = blocking(AioRemote.fetch_launch_plan)
    fetch_execution = blocking(fetch_execution, facade_of)
    execute = blocking(AioRemote.execute, facade_of, then=looked_at, defaults={"on_conflict": "adopt"})
    execute_many = delegating(AioRemote.execute_many, Runs)
    ping = blocking(AioRemote.ping)
    aclose = blocking(AioRemote.aclose)

    @property
    def aio(self) -> AioRemote:
        """The async remote that does the work; it belongs to the facade's own event loop."""
        return self._aio

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

    def wait_all(
        self,
        executions: Iterable[FlyteWorkflowExecution],
        timeout: Duration | None = None,
        poll_interval: Duration | None = None,
    ) -> list[FlyteWorkflowExecution]:
        """Wait until all executions are finished; see `flyteasync.FlyteRemote.wait_all`."""
        everything = _executions(executions)
        portal().run(self._aio.wait_all([each.aio for each in everything], timeout, poll_interval))
        return everything

    def execution(
        self, name: str | None, *, project: str | None = None, domain: str | None = None
    ) -> FlyteWorkflowExecution:
        """A handle of an execution by its name, without any RPC; see `flyteasync.FlyteRemote.execution`."""
        return facade_of(self._aio.execution(name, project=project, domain=domain))

    def sync(self, execution: FlyteWorkflowExecution, *, sync_nodes: bool = False) -> FlyteWorkflowExecution:
        """Renew an execution; see `flyteasync.FlyteWorkflowExecution.sync`."""
        execution.aio.attach(self._aio)
        return execution.sync(sync_nodes=sync_nodes)

    def wait(
        self,
        execution: FlyteWorkflowExecution,
        timeout: Duration | None = None,
        poll_interval: Duration | None = None,
        sync_nodes: bool = True,
    ) -> FlyteWorkflowExecution:
        """Wait for an execution; see `flyteasync.FlyteWorkflowExecution.wait`."""
        execution.aio.attach(self._aio)
        return execution.wait(timeout, poll_interval, sync_nodes)

    def terminate(self, execution: FlyteWorkflowExecution, cause: str) -> None:
        """Ask for an execution to be aborted; see `flyteasync.FlyteWorkflowExecution.terminate`."""
        execution.aio.attach(self._aio)
        execution.terminate(cause)

    def with_options(self, **options: Any) -> Self:
        """A view of this remote whose calls have other options; see `flyteasync.FlyteRemote.with_options`."""
        view = object.__new__(type(self))
        vars(view).update(vars(self))
        view._aio = self._aio.with_options(**options)
        return view

    def close(self, grace: Duration = 1.0) -> None:
        """Close the connection of this remote and all its views; see `flyteasync.FlyteRemote.aclose`."""
        self.aclose(grace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.aclose(0 if kind is not None else 1.0)

    def __repr__(self) -> str:
        return repr(self._aio)


def _executions(executions: Iterable[FlyteWorkflowExecution]) -> list[FlyteWorkflowExecution]:
    everything = list(executions)
    for execution in everything:
        if not isinstance(execution, FlyteWorkflowExecution):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise FlyteTypeException(f"executions of flyteasync.sync are needed, got {type(execution).__name__}")
    return everything


def _release(connector: Connector) -> None:
    if connector.connected:
        portal().submit(connector.aclose(0))
