"""Which names are taken already, asked for many at a time."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterable, Sequence

from ..errors import FlyteDecodeError, FlyteEntityNotExistException, FlyteError, FlyteResourceExhausted
from ..idl import admin
from ..idl.services import AdminService
from ..watcher import Name
from ..watcher.patience import limits_rate
from .holds import is_outage

FRESH = 10.0
"""Seconds for which an answer is relied on: creating an execution that another process has created meanwhile would
overwrite its inputs."""


class Lookup:
    """Looks up names of one project and domain, those that are needed soon together with the one that is needed now.

    Costs one ListExecutions for as many names as are expected, and one more for what is left of them every time that
    an answer has grown old.
    """

    def __init__(self, service: AdminService, project: str, domain: str) -> None:
        self._admin = service
        self._project = project
        self._domain = domain
        self._expected: list[str] = []
        self._answers: dict[str, admin.Execution | FlyteError | None] = {}
        self._asked_at = 0.0

    def expect(self, names: Iterable[str]) -> None:
        """Tell which names will be looked up next, in order."""
        self._expected = list(names)
        self._answers = {}

    @property
    def fresh_until(self) -> float:
        """When the last answer grows old, on the loop's clock."""
        return self._asked_at + FRESH

    async def find(self, name: str) -> admin.Execution | None:
        """The execution of a name, as lists show it; None if there is none.

        Raises:
            FlyteError: the server could not be asked. One that may pass is not remembered: the next look asks again.
        """
        now = asyncio.get_running_loop().time()
        if name not in self._answers or now > self.fresh_until:
            names = self._expected[self._expected.index(name) :] if name in self._expected else [name]
            self._asked_at = now
            self._answers = {}
            try:
                found = await self._ask(names)
            except FlyteError as error:
                if is_outage(error):
                    raise
                self._answers = dict.fromkeys(names, error)  # none of them is asked for again at once
            else:
                self._answers = {each: found.get(each) for each in names}
        answer = self._answers[name]
        if isinstance(answer, FlyteError):
            answer = copy.copy(answer)  # a raised exception collects the traceback of its raiser
            answer.identifier = str(Name(self._project, self._domain, name))
            raise answer
        return answer

    async def look(self, name: str) -> admin.Execution | None:
        """The execution of a name as it is now; None if there is none."""
        return (await self._ask_singly(name)).get(name)

    async def _ask(self, names: Sequence[str]) -> dict[str, admin.Execution]:
        if len(names) == 1:
            return await self._ask_singly(names[0])
        request = admin.ResourceListRequest(
            id=admin.NamedEntityIdentifier(project=self._project, domain=self._domain),
            limit=len(names) + 1,
            filters=f"value_in(execution_name,{';'.join(names)})+value_in(state,0;1)",
        )
        try:
            answer = await self._admin.list_executions(request)
        except (FlyteResourceExhausted, FlyteDecodeError) as error:
            if limits_rate(error):  # asking for halves would be asking more often
                raise
            middle = len(names) // 2
            return await self._ask(names[:middle]) | await self._ask(names[middle:])
        return {Name.of(execution.id).name: execution for execution in answer.executions}

    async def _ask_singly(self, name: str) -> dict[str, admin.Execution]:
        identifier = Name(self._project, self._domain, name).identifier()
        try:
            return {name: await self._admin.get_execution(admin.WorkflowExecutionGetRequest(id=identifier))}
        except FlyteEntityNotExistException:
            return {}
