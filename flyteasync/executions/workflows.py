"""The workflows that executions run, read once each."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from ..entities.identifier import EntityKey
from ..errors import FlyteDecodeError
from ..idl import admin, core
from ..idl.services import AdminService

if TYPE_CHECKING:
    from ..entities import FlyteWorkflow

WORKFLOWS_KEPT = 32
"""Workflows that a connection remembers; the compiled form of a large one takes megabytes."""


class WorkflowCache:
    """The workflows that were read last; a registered version never changes."""

    def __init__(self, kept: int = WORKFLOWS_KEPT) -> None:
        """Make an empty one.

        Args:
            kept: how many workflows are remembered.
        """
        self._kept = kept
        self._workflows: OrderedDict[EntityKey, FlyteWorkflow] = OrderedDict()
        self._reading: WeakValueDictionary[EntityKey, asyncio.Lock] = WeakValueDictionary()

    async def get(self, service: AdminService, identifier: core.Identifier) -> FlyteWorkflow:
        """A workflow with the tasks and sub-workflows that it uses.

        Costs one GetWorkflow if it is not remembered, however many ask for it at once.

        Raises:
            FlyteEntityNotExistException: there is no such workflow.
            FlyteDecodeError: the server shows it without its compiled form.
            FlyteError: whatever else the RPC meets.
        """
        key = EntityKey.of(identifier)
        lock = self._reading.setdefault(key, asyncio.Lock())
        async with lock:
            workflow = self._workflows.get(key)
            if workflow is None:
                workflow = self._workflows[key] = await _read(service, identifier)
            self._workflows.move_to_end(key)
            while len(self._workflows) > self._kept:
                self._workflows.popitem(last=False)
            return workflow


async def _read(service: AdminService, identifier: core.Identifier) -> FlyteWorkflow:
    from ..entities import FlyteWorkflow

    reply = await service.get_workflow(admin.ObjectGetRequest(id=identifier))
    compiled = reply.closure.compiled_workflow if reply.closure is not None else None
    if compiled is None or compiled.primary is None:
        raise FlyteDecodeError(f"the server shows workflow {identifier.name} without its compiled form")
    return FlyteWorkflow.promote_from_closure(compiled)
