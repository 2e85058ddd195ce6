"""What has been launched: finding executions by name, and what is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..deadline import Duration
from ..idl import admin, core
from .checks import check_execution, check_name_given
from .launch import Launching

if TYPE_CHECKING:
    from ..executions import FlyteWorkflowExecution

EXECUTION = "flyteasync.FlyteWorkflowExecution"
"""What callers call the class."""


class Running(Launching):
    """The part of FlyteRemote that deals with single executions."""

    async def fetch_execution(
        self, project: str | None = None, domain: str | None = None, name: str | None = None
    ) -> FlyteWorkflowExecution:
        """Read an execution; costs one GetExecution. Inputs and outputs come with its first `sync` or `wait`.

        Raises:
            FlyteEntityNotExistException: there is no such execution.
            FlyteInvalidInputException: no name, project or domain.
        """
        from ..executions import FlyteWorkflowExecution

        handle = self.execution(name, project=project, domain=domain)
        request = admin.WorkflowExecutionGetRequest(id=handle.id)
        return FlyteWorkflowExecution.promote_from_model(await self.admin.get_execution(request), self)

    def execution(
        self, name: str | None, *, project: str | None = None, domain: str | None = None
    ) -> FlyteWorkflowExecution:
        """A handle of an execution by its name, without any RPC: whether it exists shows when it is synced or awaited.

        Raises:
            FlyteInvalidInputException: no name, project or domain.
        """
        from ..executions import FlyteWorkflowExecution  # a program that looks at none does not pay for them

        check_name_given(name, "execution", project)
        project, domain = self._scope(project, domain)
        return FlyteWorkflowExecution(
            remote=self, id=core.WorkflowExecutionIdentifier(project=project, domain=domain, name=name or "")
        )

    async def sync(self, execution: FlyteWorkflowExecution, *, sync_nodes: bool = False) -> FlyteWorkflowExecution:
        """Renew an execution; see `FlyteWorkflowExecution.sync`. One that was made without a remote gets this one.

        Raises:
            FlyteTypeException: it is no execution of the async package; and what else its `sync` raises.
        """
        return await _ours(execution).attach(self).sync(sync_nodes=sync_nodes)

    async def wait(
        self,
        execution: FlyteWorkflowExecution,
        timeout: Duration | None = None,
        poll_interval: Duration | None = None,
        sync_nodes: bool = False,
    ) -> FlyteWorkflowExecution:
        """Wait for an execution; see `FlyteWorkflowExecution.wait`. One made without a remote gets this one.

        Raises:
            FlyteTypeException: it is no execution of the async package; and what else its `wait` raises.
        """
        return await _ours(execution).attach(self).wait(timeout, poll_interval, sync_nodes)

    async def terminate(self, execution: FlyteWorkflowExecution, cause: str) -> None:
        """Ask for an execution to be aborted; see `FlyteWorkflowExecution.terminate`.

        Raises:
            FlyteTypeException: it is no execution of the async package; and what else its `terminate` raises.
        """
        await _ours(execution).attach(self).terminate(cause)


def _ours(execution: FlyteWorkflowExecution) -> FlyteWorkflowExecution:
    from ..executions import FlyteWorkflowExecution

    return check_execution(execution, FlyteWorkflowExecution, EXECUTION)
