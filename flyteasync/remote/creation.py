"""Creating an execution exactly once.

flyteadmin recognises a repeated CreateExecution by its name only, and overwrites the inputs of the execution that it
finds before it says so. So every execution is named by the client, and after a failure that leaves open whether the
execution was created, GetExecution is asked before CreateExecution is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..deadline import Deadline
from ..errors import (
    FlyteConcurrencyLimitReached,
    FlyteEntityAlreadyExistsException,
    FlyteEntityNotExistException,
    FlyteError,
)
from ..executions.context import AgainRequest
from ..idl import admin, core, methods
from ..idl.services import AdminService
from ..rpc import RpcCaller
from ..rpc.retry import AMBIGUOUS, Again, Kind, may_repeat, repeat
from ..watcher import Name
from .checks import OnConflict
from .launch_request import differences

logger = logging.getLogger("flyteasync.launch")

CreationRequest = admin.ExecutionCreateRequest | AgainRequest
"""What makes an execution; flyteadmin treats them alike once it has their inputs."""

CREATION_RACES = 3
"""So often, a first launch of a task may lose against another one's creation of what both need."""

_METHODS: Mapping[type[CreationRequest], str] = {
    admin.ExecutionCreateRequest: methods.CREATE_EXECUTION.name,
    admin.ExecutionRelaunchRequest: methods.RELAUNCH_EXECUTION.name,
    admin.ExecutionRecoverRequest: methods.RECOVER_EXECUTION.name,
}

_LIMIT_REACHED = "concurrency limit"


class Creation:
    """Has executions exist, each exactly once.

    Attributes:
        caller: what it calls through.
    """

    def __init__(self, caller: RpcCaller) -> None:
        self.caller = caller
        self._admin = AdminService(caller)
        self._policy = caller.options.retry

    async def create(self, request: CreationRequest, name: Name) -> admin.Execution | None:
        """Have the execution exist under a generated name; returns it if it had to be looked for."""
        return await self._create(request, name, self._deadline())

    async def create_named(
        self, request: admin.ExecutionCreateRequest, name: Name, on_conflict: OnConflict
    ) -> admin.Execution | None:
        """Have the execution exist under a name that may be taken; returns it if it had to be looked for."""
        until = self._deadline()
        taken = await self.find(name, until)
        if taken is None:
            return await self._create_absent(request, name, on_conflict, until)
        await self.accept(request, name, taken, on_conflict, until)
        return taken

    async def create_absent(
        self, request: admin.ExecutionCreateRequest, name: Name, on_conflict: OnConflict
    ) -> admin.Execution | None:
        """As `create_named`, of a name that was not taken a moment ago."""
        return await self._create_absent(request, name, on_conflict, self._deadline())

    async def find(self, name: Name, until: Deadline) -> admin.Execution | None:
        """The execution of a name; None if there is none."""
        try:
            return await self._admin.get_execution(
                admin.WorkflowExecutionGetRequest(id=name.identifier()), deadline=until
            )
        except FlyteEntityNotExistException:
            return None

    async def accept(
        self,
        request: admin.ExecutionCreateRequest,
        name: Name,
        found: admin.Execution,
        on_conflict: OnConflict,
        until: Deadline | None = None,
    ) -> None:
        """Decide whether an execution that has the name already may stand for the one that was to be launched.

        Raises:
            FlyteEntityAlreadyExistsException: it may not.
        """
        if on_conflict == "raise":
            raise FlyteEntityAlreadyExistsException(f"execution {name} exists already", identifier=str(name))
        data = await self._admin.get_execution_data(
            admin.WorkflowExecutionGetDataRequest(id=name.identifier()), deadline=until
        )
        differs = differences(request, found, data.full_inputs or core.LiteralMap())
        if differs and on_conflict == "same":
            raise FlyteEntityAlreadyExistsException(
                f"execution {name} exists already and differs in {', '.join(differs)}", identifier=str(name)
            )
        if differs:
            logger.warning(
                "adopted execution %s, which differs in %s", name, ", ".join(differs), extra=execution_of(name)
            )

    def _deadline(self) -> Deadline:
        return Deadline.after(self.caller.options.timeout)

    async def _create_absent(
        self, request: admin.ExecutionCreateRequest, name: Name, on_conflict: OnConflict, until: Deadline
    ) -> admin.Execution | None:
        met = await self._create(request, name, until)
        if met is not None:
            # It was not there a moment ago: ours, unless another process launched the same name at the same time.
            await self.accept(request, name, met, "same" if on_conflict == "raise" else on_conflict, until)
        return met

    async def _create(self, request: CreationRequest, name: Name, until: Deadline) -> admin.Execution | None:
        """Send the request until it is known that the execution exists; returns it if it had to be looked for."""
        try:
            return await self._create_once(request, name, until, 1)
        except Again as failed:
            first = failed

        async def attempt(number: int) -> admin.Execution | None:
            self.caller.stats.retries[_METHODS[type(request)]] += 1
            return await self._create_once(request, name, until, number)

        what, budget = f"launch of {name}", self.caller.budget
        return await repeat(attempt, first, what=what, until=until, policy=self._policy, budget=budget)

    async def _create_once(
        self, request: CreationRequest, name: Name, until: Deadline, number: int
    ) -> admin.Execution | None:
        """Send the request once and find out what became of it; raises Again if it may be sent once more."""
        most = self._policy.max_attempts
        try:
            await self._send(request, until)
            return None
        except FlyteEntityAlreadyExistsException as error:
            found = await self.find(name, until)
            if found is not None:
                return found
            if _LIMIT_REACHED in str(error):
                raise FlyteConcurrencyLimitReached(
                    str(error), method=error.method, status=error.status, identifier=str(name)
                ) from None
            if number > CREATION_RACES or number == most:
                raise
            raise Again(error) from None
        except FlyteError as error:
            if error.status is None or error.status not in AMBIGUOUS:
                raise
            found = await self._verify(name, until, error)
            if found is not None:
                return found
            # That it does not exist is known now, and repeating it as good as beginning.
            if not may_repeat(Kind.REPEATABLE, error.status, number, most):
                raise
            raise Again(error) from None

    async def _send(self, request: CreationRequest, until: Deadline) -> None:
        match request:
            case admin.ExecutionCreateRequest():
                await self._admin.create_execution(request, deadline=until)
            case admin.ExecutionRelaunchRequest():
                await self._admin.relaunch_execution(request, deadline=until)
            case admin.ExecutionRecoverRequest():
                await self._admin.recover_execution(request, deadline=until)

    async def _verify(self, name: Name, until: Deadline, failure: FlyteError) -> admin.Execution | None:
        """Look for an execution whose creation may have succeeded in spite of the failure."""
        try:
            found = await self.find(name, until)
        except FlyteError as unanswered:
            if unanswered.status not in AMBIGUOUS:
                raise
            failure.add_note(f"whether execution {name} was created is not known: {unanswered}")
            raise failure from None
        if found is not None:
            logger.info("execution %s was created, though its reply was lost", name, extra=execution_of(name))
        return found


def execution_of(name: Name) -> dict[str, str]:
    """What a log record about an execution carries beside its text, as `extra`."""
    return {"execution": str(name)}
