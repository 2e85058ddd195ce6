"""Creating an execution exactly once.

flyteadmin recognises a repeated CreateExecution by its name only, and overwrites the inputs of the execution that it
finds before it says so. So every execution is named by the client, and after a failure that leaves open whether the
execution was created, GetExecution is asked before CreateExecution is sent again.
"""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..deadline import Deadline, within
from ..errors import (
    FlyteConcurrencyLimitReached,
    FlyteEntityAlreadyExistsException,
    FlyteEntityNotExistException,
    FlyteError,
    FlyteRemoteClosed,
)
from ..executions.context import AgainRequest
from ..idl import admin, core, methods
from ..idl.services import AdminService
from ..rpc import RpcCaller
from ..rpc.retry import AMBIGUOUS, Again, Kind, may_repeat, repeat
from ..rpc.status import never_processed
from ..watcher import Name
from .base import Values
from .checks import OnConflict
from .launch_request import differences

logger = logging.getLogger("flyteasync.launch")

CreationRequest = admin.ExecutionCreateRequest | AgainRequest
"""What makes an execution; flyteadmin treats them alike once it has their inputs."""

CREATION_RACES = 3
"""So often, a first launch of a task may lose against another one's creation of what both need."""

LOOK_SHARE, LOOK_TIME = 0.2, 3.0
"""The share of the time that is left, and the seconds at the most, that an attempt leaves for the look after it."""

_METHODS: Mapping[type[CreationRequest], str] = {
    admin.ExecutionCreateRequest: methods.CREATE_EXECUTION.name,
    admin.ExecutionRelaunchRequest: methods.RELAUNCH_EXECUTION.name,
    admin.ExecutionRecoverRequest: methods.RECOVER_EXECUTION.name,
}

_LIMIT_REACHED = "concurrency limit"


class Origin(enum.Enum):
    """How an execution that was to be launched came about."""

    CREATED = "the server said that this launch created it"
    MET = "it was met after an attempt of this launch which may well have created it"
    THERE = "it was there, and this launch did not create it"


@dataclass(frozen=True, slots=True)
class Launched:
    """An execution that exists now.

    Attributes:
        origin: how it came about.
        execution: what the server has of it, if that was looked at.
    """

    origin: Origin
    execution: admin.Execution | None = None

    @property
    def adopted(self) -> bool:
        """Whether it stands for one that was to be created, and was not."""
        return self.origin is Origin.THERE


_CREATED: Final = Launched(Origin.CREATED)


class Creation:
    """Has executions exist, each exactly once.

    Attributes:
        caller: what it calls through.
    """

    def __init__(self, caller: RpcCaller, values: Values) -> None:
        self.caller = caller
        self._values = values
        self._admin = AdminService(caller)
        timeout = caller.options.timeout
        self._look_time = 0.0 if timeout is None else _look_time(timeout)
        self._attempt_time = None if timeout is None else timeout - self._look_time

    def deadline(self) -> Deadline:
        """When a launch that begins now has to be over."""
        return Deadline.after(self.caller.options.timeout)

    async def create(self, request: CreationRequest, name: Name) -> Launched:
        """Have the execution exist under a generated name: whatever has it, this launch has created."""
        attempt = Deadline.after(self._attempt_time)  # and from it the launch's, if it comes to that
        try:
            await self.send(request, attempt)
        except FlyteError as error:
            until = Deadline(attempt.at + self._look_time)
            launched = await _Pursuit(self, request, name, until).go_on(error)
            return Launched(Origin.MET, launched.execution) if launched.adopted else launched
        return _CREATED

    async def create_named(
        self, request: admin.ExecutionCreateRequest, name: Name, on_conflict: OnConflict
    ) -> Launched:
        """Have the execution exist under a name that may be taken."""
        until = self.deadline()
        taken = await self.find(name, until)
        if taken is None:
            return await self.create_absent(request, name, on_conflict, until)
        await self.accept(request, name, taken, on_conflict, until)
        return Launched(Origin.THERE, taken)

    async def create_absent(
        self,
        request: admin.ExecutionCreateRequest,
        name: Name,
        on_conflict: OnConflict,
        until: Deadline | None = None,
    ) -> Launched:
        """As `create_named`, of a name that was not taken a moment ago."""
        until = until or self.deadline()
        launched = await self.create_once(request, name, until)
        if launched.execution is None:
            return launched
        if launched.adopted:
            await self.accept(request, name, launched.execution, on_conflict, until)
            return launched
        try:
            # Ours, unless another process launched the same name at the same time.
            policy = "same" if on_conflict == "raise" else on_conflict
            await self.accept(request, name, launched.execution, policy, until)
        except FlyteEntityAlreadyExistsException:
            raise
        except FlyteError as error:
            error.identifier = str(name)
            error.add_note(f"execution {name} exists, and most likely this launch created it")
            raise
        return launched

    async def create_once(self, request: CreationRequest, name: Name, until: Deadline) -> Launched:
        """Have an execution of that name exist, and tell how it came about."""
        try:
            await self.send(request, short_of(until))
        except FlyteError as error:
            return await _Pursuit(self, request, name, until).go_on(error)
        return _CREATED

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
        until: Deadline,
    ) -> None:
        """Decide whether an execution that has the name already may stand for the one that was to be launched.

        Inputs that the server does not show cannot be compared; then the entity alone decides.

        Raises:
            FlyteEntityAlreadyExistsException: it may not.
            FlyteError: the inputs could not be asked for, and they matter.
        """
        if on_conflict == "raise":
            raise FlyteEntityAlreadyExistsException(f"execution {name} exists already", identifier=str(name))
        inputs: Mapping[str, core.Literal] | None = {}
        if request.inputs is not None and request.inputs.literals:
            try:
                inputs = await self._inputs(name, until)
            except FlyteError:
                if on_conflict == "same":
                    raise
                inputs = None
        differs = differences(request, found, inputs)
        if differs and on_conflict == "same":
            raise FlyteEntityAlreadyExistsException(
                f"execution {name} exists already and differs in {', '.join(differs)}", identifier=str(name)
            )
        if differs:
            logger.warning("adopted execution %s, which differs in %s", name, ", ".join(differs), extra=name.extra())
        elif inputs is None:
            text = "adopted execution %s, whose inputs the server does not show, so that they could not be compared"
            logger.warning(text, name, extra=name.extra())

    async def _inputs(self, name: Name, until: Deadline) -> Mapping[str, core.Literal] | None:
        """The inputs of an execution that has some; None if they are not to be had.

        flyteadmin shows none if they are larger than 2 MiB, or could not be read; it may tell where they are.
        """
        data = await self._admin.get_execution_data(
            admin.WorkflowExecutionGetDataRequest(id=name.identifier()), deadline=until
        )
        if data.full_inputs is not None and data.full_inputs.literals:
            return data.full_inputs.literals
        from ..executions.data import DataLoader, Expected

        try:
            loader = DataLoader(self._values.access)
            loaded = await within(until, loader.load(data, Expected(succeeded=False), name))
        except TimeoutError:
            return None
        return loaded.inputs.literals if loaded.inputs else None

    async def send(self, request: CreationRequest, until: Deadline) -> None:
        """Send a request once."""
        match request:
            case admin.ExecutionCreateRequest():
                await self._admin.create_execution(request, deadline=until)
            case admin.ExecutionRelaunchRequest():
                await self._admin.relaunch_execution(request, deadline=until)
            case admin.ExecutionRecoverRequest():
                await self._admin.recover_execution(request, deadline=until)


def short_of(until: Deadline) -> Deadline:
    """The deadline of an attempt that leaves some time to look what became of it."""
    return until if until.at == math.inf else Deadline(until.at - _look_time(until.remaining()))


def _look_time(left: float) -> float:
    return min(LOOK_SHARE * left, LOOK_TIME)


class _Pursuit:
    """Goes on with a creation whose first attempt failed, until it is known that the execution exists."""

    def __init__(self, creation: Creation, request: CreationRequest, name: Name, until: Deadline) -> None:
        self._creation = creation
        self._request = request
        self._name = name
        self._until = until
        self._policy = creation.caller.options.retry
        self._races = 0
        self._may_be_ours = False
        """Whether an attempt may have taken effect, or may still: a look that finds nothing is no proof for ever."""

    async def go_on(self, error: FlyteError) -> Launched:
        """Find out what became of the first attempt, and make more as long as that makes sense."""
        try:
            return await self._judge(error, 1)
        except Again as failed:
            first = failed
        name, caller = self._name, self._creation.caller
        what, extra = f"launch of {name}", name.extra()
        return await repeat(
            self._attempt, first, what=what, until=self._until, policy=self._policy, budget=caller.budget, extra=extra
        )

    async def _attempt(self, number: int) -> Launched:
        self._creation.caller.stats.retries[_METHODS[type(self._request)]] += 1
        try:
            await self._creation.send(self._request, short_of(self._until))
        except FlyteError as error:
            return await self._judge(error, number)
        return _CREATED

    async def _judge(self, error: FlyteError, number: int) -> Launched:
        """Find out what became of an attempt that failed; raises Again if it may be sent once more."""
        most = self._policy.max_attempts
        if isinstance(error, FlyteEntityAlreadyExistsException):
            return await self._judge_existing(error, last=number == most)
        if isinstance(error, FlyteRemoteClosed) and (self._may_be_ours or not never_processed(error)):
            raise self._in_doubt(error, "the remote was closed")
        if error.status is None or error.status not in AMBIGUOUS:
            raise error
        error.identifier = str(self._name)  # of a relaunch, it was that of the source
        if not never_processed(error):
            self._may_be_ours = True
        elif not self._may_be_ours:
            raise error  # nothing was launched, and the call path has repeated it as long as it may
        found = await self._look(error)
        if found is not None:
            logger.info("execution %s was created, though its reply was lost", self._name, extra=self._name.extra())
            return Launched(Origin.MET, found)
        # That it does not exist is known now, and repeating it as good as beginning.
        if not may_repeat(Kind.REPEATABLE, error.status, number, most):
            raise error
        raise Again(error) from None

    async def _judge_existing(self, error: FlyteEntityAlreadyExistsException, *, last: bool) -> Launched:
        """The server says that something exists already; it need not be the execution."""
        found = await self._look(error)
        if found is not None:
            return Launched(Origin.MET if self._may_be_ours else Origin.THERE, found)
        if _LIMIT_REACHED in str(error):
            raise FlyteConcurrencyLimitReached(
                str(error), method=error.method, status=error.status, identifier=str(self._name)
            ) from None
        self._races += 1
        if last or self._races > CREATION_RACES:
            raise error
        raise Again(error) from None

    async def _look(self, failure: FlyteError) -> admin.Execution | None:
        """Look for an execution whose creation may have succeeded in spite of the failure."""
        try:
            return await self._creation.find(self._name, self._until)
        except FlyteRemoteClosed as closed:
            raise self._in_doubt(closed, str(failure)) from None
        except FlyteError as unanswered:
            if isinstance(failure, FlyteEntityAlreadyExistsException):  # whose class would tell what is not known
                raise self._in_doubt(unanswered, str(failure)) from None
            failure.retry_after = failure.retry_after or unanswered.retry_after
            raise self._in_doubt(failure, str(unanswered)) from None

    def _in_doubt(self, error: FlyteError, why: str) -> FlyteError:
        """The error of a launch that may have happened: whoever tries again by another name may launch twice."""
        error.retryable = False
        error.identifier = str(self._name)
        error.add_note(f"whether execution {self._name} was created is not known: {why}")
        return error
