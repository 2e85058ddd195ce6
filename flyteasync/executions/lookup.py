"""Reads one node of an execution, by where it is."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from ..errors import FlyteEntityNotExistException
from ..idl import admin
from .drafts import ExecutionDraft, Level, NodeDraft, finish_all
from .node import FlyteNodeExecution
from .scope import spec_id, unique_id
from .snapshot import Snapshot
from .sync import TreeReader
from .tree import plan_node


class NodeFinder(TreeReader):
    """Lists levels for a node, and reads it with what is below it and no other; once."""

    _wanted: str | None = None
    """The id that is searched for; None when all nodes of a level are to be read."""

    _seen: dict[str, None]
    _found: admin.NodeExecution | None

    async def find(self, snapshot: Snapshot, path: Sequence[str]) -> FlyteNodeExecution:
        """The node with all below it.

        Args:
            snapshot: what is known of the execution.
            path: ids as in the workflow, of the nodes from the top down.

        Raises:
            FlyteEntityNotExistException: there is no such node, or it has not begun.
        """
        root = ExecutionDraft.of(snapshot, snapshot, 0)
        root.workflow = await self._workflow_of(root)
        self._visited.add((root.name, ""))
        level = root.level
        for wanted in path[:-1]:
            level = await self._inside(await self._search(level, wanted))
        draft = await self._search(level, path[-1])
        name = unique_id(draft.model)
        await self._guarded(draft, self._node)
        await self._workers.run()
        return finish_all({name: level.nodes[name]}, self._make)[name]

    async def _search(self, level: Level, wanted: str) -> NodeDraft:
        """Find a node of a level; of several of that id, the one that began last: its parent was run again."""
        self._wanted, self._seen, self._found = wanted, {}, None
        await self._level(level)
        self._wanted = None
        draft = None if self._found is None else level.admit(self._found)
        if draft is None:
            where = f"node {level.parent} of execution {level.execution}" if level.parent else str(level.execution)
            raise FlyteEntityNotExistException(
                f"{where} has no node {wanted}, or it has not begun; it has {', '.join(self._seen) or 'none'}",
                identifier=str(level.execution),
            )
        return draft

    @override
    def _admit(self, level: Level, model: admin.NodeExecution) -> None:
        if self._wanted is None:
            super()._admit(level, model)
            return
        self._seen[spec_id(model)] = None
        if self._wanted in (spec_id(model), unique_id(model)):
            self._found = model

    async def _inside(self, draft: NodeDraft) -> Level:
        """The level below a node; the top of the execution that it launched, if it did."""
        await self._describe(draft)
        draft.take_over()
        plan = plan_node(draft.model, draft.definition, draft.known)
        if plan.launched is None:
            if plan.generated:
                await self._values(draft, plan)
            return draft.below
        model = await self._admin.get_execution(admin.WorkflowExecutionGetRequest(id=plan.launched))
        shown = Snapshot(model, existing=True)
        child = ExecutionDraft.of(shown, shown, draft.level.depth)
        child.workflow = await self._workflow_of(child)
        return child.level
