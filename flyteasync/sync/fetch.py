"""Reading what is registered and what runs, for programs without an event loop."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..deadline import Duration
from ..errors import FlyteError
from ..executions import FlyteWorkflowExecution as AioExecution
from ..remote import FlyteRemote as AioRemote
from ..remote.checks import check_execution
from ..watcher import Name
from .executions import EXECUTION, FlyteWorkflowExecution, facade_of
from .portal import portal

if TYPE_CHECKING:
    from ..entities import FlyteLaunchPlan, FlyteTask, FlyteWorkflow

logger = logging.getLogger("flyteasync.sync")


class Fetching:
    """The part of the blocking FlyteRemote that reads, and deals with single executions."""

    _aio: AioRemote

    @property
    def aio(self) -> AioRemote:
        """The async remote that does the work; it belongs to the facade's own event loop."""
        return self._aio

    def fetch_task(
        self,
        project: str | None = None,
        domain: str | None = None,
        name: str | None = None,
        version: str | None = None,
    ) -> FlyteTask:
        """Read a task.

        Costs one GetTask, after one ListTasks if no version is given.

        Args:
            project: the remote's default if not given.
            domain: the remote's default if not given.
            name: of the task.
            version: the newest if not given.

        Raises:
            FlyteEntityNotExistException: there is no such task.
            FlyteInvalidInputException: no name, project or domain.
        """
        return portal().run(self._aio.fetch_task(project, domain, name, version))

    def fetch_workflow(
        self,
        project: str | None = None,
        domain: str | None = None,
        name: str | None = None,
        version: str | None = None,
    ) -> FlyteWorkflow:
        """Read a workflow with the tasks that it uses.

        Costs one GetWorkflow, after one ListWorkflows if no version is given. Arguments and errors as `fetch_task`.
        """
        return portal().run(self._aio.fetch_workflow(project, domain, name, version))

    def fetch_launch_plan(
        self,
        project: str | None = None,
        domain: str | None = None,
        name: str | None = None,
        version: str | None = None,
    ) -> FlyteLaunchPlan:
        """Read a launch plan with its interface.

        Costs one GetLaunchPlan, after one ListLaunchPlans if no version is given. Arguments and errors as `fetch_task`.
        """
        return portal().run(self._aio.fetch_launch_plan(project, domain, name, version))

    def fetch_execution(
        self, project: str | None = None, domain: str | None = None, name: str | None = None
    ) -> FlyteWorkflowExecution:
        """Read an execution as flytekit does, with its values and its workflow.

        Costs one GetExecution, one GetExecutionData, and one GetWorkflow unless the workflow is remembered.

        Raises:
            FlyteEntityNotExistException: there is no such execution.
            FlyteInvalidInputException: no name, project or domain.
        """
        return facade_of(portal().run(_fetched(self._aio, project, domain, name)))

    def execution(
        self, name: str | None, *, project: str | None = None, domain: str | None = None
    ) -> FlyteWorkflowExecution:
        """A handle of an execution by its name, without any RPC: whether it exists shows when it is synced or awaited.

        Raises:
            FlyteInvalidInputException: no name, project or domain.
        """
        return facade_of(self._aio.execution(name, project=project, domain=domain))

    def sync(self, execution: FlyteWorkflowExecution, *, sync_nodes: bool = False) -> FlyteWorkflowExecution:
        """Renew an execution; see `FlyteWorkflowExecution.sync`. One that was made without a remote gets this one.

        Raises:
            FlyteTypeException: it is no execution of `flyteasync.sync`; and what else its `sync` raises.
        """
        return self._own(execution).sync(sync_nodes)

    def wait(
        self,
        execution: FlyteWorkflowExecution,
        timeout: Duration | None = None,
        poll_interval: Duration | None = None,
        sync_nodes: bool = True,
    ) -> FlyteWorkflowExecution:
        """Wait for an execution; see `FlyteWorkflowExecution.wait`. One made without a remote gets this one.

        Raises:
            FlyteTypeException: it is no execution of `flyteasync.sync`; and what else its `wait` raises.
        """
        return self._own(execution).wait(timeout, poll_interval, sync_nodes)

    def terminate(self, execution: FlyteWorkflowExecution, cause: str) -> None:
        """Ask for an execution to be aborted; see `FlyteWorkflowExecution.terminate`.

        Raises:
            FlyteTypeException: it is no execution of `flyteasync.sync`; and what else its `terminate` raises.
        """
        self._own(execution).terminate(cause)

    def _own(self, execution: FlyteWorkflowExecution) -> FlyteWorkflowExecution:
        check_execution(execution, FlyteWorkflowExecution, EXECUTION).aio.attach(self._aio)
        return execution


async def _fetched(remote: AioRemote, project: str | None, domain: str | None, name: str | None) -> AioExecution:
    handle = remote.execution(name, project=project, domain=domain)
    execution = await handle.sync()
    try:
        await execution.fetch_workflow()
    except FlyteError as error:
        extra = Name.of(execution.id).extra()
        logger.warning("the workflow of %s could not be fetched: %s", execution.short_string(), error, extra=extra)
    return execution
