"""Reads the tree of node executions: breadth first, a bounded number of nodes at a time, nothing twice.

What to ask about a node is decided in `tree.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..deadline import NEVER, Deadline
from ..entities import FlyteWorkflow, TypedInterface
from ..errors import FlyteDecodeError, FlyteError
from ..idl import admin, core
from ..watcher import Name
from ..watcher.nodes import next_token
from ..watcher.patience import limits_rate
from ..watcher.plan import Phase
from .base import Data
from .concurrent import Workers
from .context import Context
from .data import DataLoader, Expected
from .drafts import ExecutionDraft, Level, Make, NodeDraft
from .scope import unique_id
from .snapshot import Snapshot
from .task import FlyteTaskExecution
from .tree import (
    MAX_DEPTH,
    Kind,
    NodePlan,
    carried,
    concerns_one_node,
    expected_of_node,
    expected_of_task,
    is_settled,
    is_task_settled,
    plan_node,
)

logger = logging.getLogger("flyteasync.executions")

CONCURRENCY = 64
"""Nodes that are read at the same time."""

PAGE = 200
"""Items that one list call asks for."""

_OLDEST_FIRST = admin.Sort(key="created_at", direction=admin.SortDirection.ASCENDING)


async def load_values(
    context: Context,
    snapshot: Snapshot,
    interface: TypedInterface | None,
    hints: Mapping[str, Any] | None,
    loader: DataLoader | None = None,
    deadline: Deadline = NEVER,
) -> Data:
    """The inputs and outputs of an execution; costs one GetExecutionData, which gives up at the deadline.

    A refusal of these values only is no failure: it is told when they are read.
    """
    request = admin.WorkflowExecutionGetDataRequest(id=snapshot.execution.id)
    try:
        answer = await context.admin.get_execution_data(request, deadline=deadline)
    except FlyteError as error:
        if not concerns_one_node(error) or limits_rate(error):
            raise
        name = Name.of(snapshot.execution.id)
        logger.info("the values of execution %s could not be read: %s", name, error, extra=name.extra())
        return _with_reason(Data(), error)
    expected = Expected(
        succeeded=snapshot.phase is Phase.SUCCEEDED,
        outputs_uri=_outputs_uri(snapshot),
        inputs=None if interface is None else interface.inputs,
        outputs=None if interface is None else interface.outputs,
        hints=hints,
    )
    return await (loader or DataLoader(context.access)).load(answer, expected, Name.of(snapshot.execution.id))


class TreeReader:
    """Reads one execution with all below it, once."""

    def __init__(self, context: Context, make: Make) -> None:
        """Make a reader; costs nothing.

        Args:
            context: what it asks through.
            make: makes the objects of launched executions.
        """
        self._context = context
        self._admin = context.admin
        self._make = make
        self._loader = DataLoader(context.access)
        self._workers = Workers(CONCURRENCY)
        self._visited: set[tuple[Name, str]] = set()
        self._wondered: set[Name] = set()

    async def read(
        self, snapshot: Snapshot, known: Snapshot, interface: TypedInterface | None, hints: Mapping[str, Any] | None
    ) -> Snapshot:
        """The snapshot with its values and its node tree.

        What of `known` had ended and was read whole is taken over, and costs nothing but its line in a list. A node
        that cannot be read is kept with what is known of it, and logged.

        Args:
            snapshot: the execution's message, and what is known of its values.
            known: what was shown before.
            interface: the types of inputs and outputs; None takes the workflow's.
            hints: Python types of inputs and outputs, by name.

        Raises:
            FlyteError: the execution itself could not be read, or the server could not be reached.
        """
        root = ExecutionDraft.of(snapshot, known, 0)
        root.workflow = await self._workflow_of(root)
        if not root.data.is_whole(succeeded=snapshot.phase is Phase.SUCCEEDED):
            interface = interface or (None if root.workflow is None else root.workflow.interface)
            root.data = await load_values(self._context, snapshot, interface, hints, self._loader)
        self._loader.remember(_outputs_uri(snapshot), root.data.outputs)
        self._visited.add((root.name, ""))
        if not known.nodes_final:
            self._workers.add(partial(self._level, root.level))
        await self._workers.run()
        return root.finish(self._make)

    # Executions ...

    async def _workflow_of(self, draft: ExecutionDraft) -> FlyteWorkflow | None:
        """What an execution runs; a tree without it is better than none."""
        identifier = draft.snapshot.closure.workflow_id
        if draft.known.workflow is not None or identifier is None:
            return draft.known.workflow
        try:
            return await self._context.workflows.get(self._admin, identifier)
        except FlyteError as error:
            if not concerns_one_node(error):
                raise
            logger.warning(
                "workflow %s of execution %s could not be read; its nodes are shown without their types: %s",
                identifier.name,
                draft.name,
                error,
                extra=draft.name.extra(),
            )
            return None

    async def _launched(self, draft: NodeDraft, identifier: core.WorkflowExecutionIdentifier) -> None:
        """Read the execution that a node launched."""
        child = draft.launch(identifier)
        if (child.name, "") in self._visited:
            logger.warning(
                "%s launched %s, which is in the tree already", _text(draft), child.name, extra=_extra(draft)
            )
            return
        self._visited.add((child.name, ""))
        if not child.known.done:
            model = await self._admin.get_execution(admin.WorkflowExecutionGetRequest(id=identifier))
            shown = replace(child.known, execution=model, existing=True)
            text = "%s launched %s, which is %s"
            logger.debug(text, _text(draft), child.name, shown.phase.name, extra=_extra(draft))
            child.snapshot = shown
        child.workflow = await self._workflow_of(child)
        if not child.known.nodes_final and self._may_descend(draft):
            self._workers.add(partial(self._guarded, draft, lambda _: self._level(child.level)))
        if not child.data.is_whole(succeeded=child.snapshot.phase is Phase.SUCCEEDED):
            interface = None if child.workflow is None else child.workflow.interface
            child.data = await load_values(self._context, child.snapshot, interface, None, self._loader)

    # Nodes ...

    async def _level(self, level: Level) -> None:
        """List the nodes that have the same parent, and have each of them read."""
        token, tokens = "", {""}
        while True:
            answer = await self._admin.list_node_executions(
                admin.NodeExecutionListRequest(
                    workflow_execution_id=level.execution.identifier(),
                    limit=PAGE,
                    token=token,
                    unique_parent_id=level.parent,
                    sort_by=_OLDEST_FIRST,
                )
            )
            for model in answer.node_executions:
                self._admit(level, model)
            token = next_token(answer.token, tokens)
            if not token:
                return

    def _admit(self, level: Level, model: admin.NodeExecution) -> None:
        """Have a node read."""
        try:
            draft = level.admit(model)
        except FlyteDecodeError as error:
            text, extra = "a node of execution %s has no readable id: %s", level.execution.extra()
            logger.warning(text, level.execution, error, extra=extra)
            return
        if draft is not None:
            self._workers.add(partial(self._guarded, draft, self._node))

    async def _node(self, draft: NodeDraft) -> None:
        """Read a node; what is below it is read by others. One that is known as it will ever be is taken over."""
        await self._guarded(draft, self._describe)
        if draft.known is not None and is_settled(draft.model, draft.known):
            draft.level.nodes[unique_id(draft.model)] = draft.known
            return
        draft.take_over()
        self._loader.remember(draft.model.input_uri, draft.data.inputs)
        plan = plan_node(draft.model, draft.definition, draft.known)
        if plan.kind is Kind.UNKNOWN and draft.level.scope.is_known:
            self._wonder(draft)
        if plan.error:
            await self._guarded(draft, self._whole_error)
        if plan.launched is not None:
            await self._guarded(draft, partial(self._launched, identifier=plan.launched))
        if plan.values or plan.generated:
            await self._guarded(draft, partial(self._values, plan=plan))
        if plan.nodes and self._may_descend(draft):
            self._visited.add((draft.level.execution, unique_id(draft.model)))
            self._workers.add(partial(self._guarded, draft, lambda draft: self._level(draft.below)))
        if plan.tasks:
            await self._guarded(draft, partial(self._tasks, plan=plan))

    def _wonder(self, draft: NodeDraft) -> None:
        """Log a node of a kind that is not known; of an execution that is full of them, the first one is enough."""
        level = logging.DEBUG if draft.level.execution in self._wondered else logging.WARNING
        self._wondered.add(draft.level.execution)
        text = "%s is of a kind that is not known, and kept with what is known of it"
        logger.log(level, text, _text(draft), extra=_extra(draft))

    async def _describe(self, draft: NodeDraft) -> None:
        """Note what the workflow tells of a node."""
        scope = draft.level.scope
        draft.definition = scope.definition(draft.model)
        draft.interface = scope.interface(draft.model)
        draft.known = carried(draft.known, draft.definition)

    async def _guarded(self, draft: NodeDraft, read: Callable[[NodeDraft], Awaitable[None]]) -> None:
        """Have a failure lose no more than it must."""
        try:
            await read(draft)
        except FlyteError as error:
            if not concerns_one_node(error):
                raise
            draft.failures.append(str(error))
            logger.warning("%s could not be read: %s", _text(draft), error, extra=_extra(draft))

    def _may_descend(self, draft: NodeDraft) -> bool:
        """Whether what is below a node is to be read: not if it was met before, as in a circle, or lies too deep."""
        if (draft.level.execution, unique_id(draft.model)) in self._visited:
            logger.warning("%s is in the tree already", _text(draft), extra=_extra(draft))
            return False
        if draft.level.depth >= MAX_DEPTH:
            draft.failures.append(f"more than {MAX_DEPTH} levels of nodes")
            text = "%s: what is below more than %d levels is not read"
            logger.warning(text, _text(draft), MAX_DEPTH, extra=_extra(draft))
            return False
        return True

    async def _whole_error(self, draft: NodeDraft) -> None:
        """Put in the whole text of an error, which lists cut."""
        model = draft.model
        full = await self._admin.get_node_execution(admin.NodeExecutionGetRequest(id=model.id))
        # What the list tells of the node's children, Get does not.
        draft.model = admin.NodeExecution(
            id=model.id, input_uri=model.input_uri, closure=full.closure, metadata=model.metadata
        )

    async def _values(self, draft: NodeDraft, plan: NodePlan) -> None:
        """Read inputs, outputs, and what a dynamic node generated."""
        expected = expected_of_node(draft.model, plan.kind, draft.interface)
        known = _of_launched(draft, expected) or (None if plan.generated else self._loader.recall(expected))
        if known is not None:
            draft.data = known
            return
        try:
            answer = await self._admin.get_node_execution_data(admin.NodeExecutionGetDataRequest(id=draft.model.id))
            if plan.values:
                draft.data = await self._loader.load(answer, expected, draft.level.execution)
            if answer.dynamic_workflow is not None and answer.dynamic_workflow.compiled_workflow is not None:
                draft.workflow = FlyteWorkflow.promote_from_closure(answer.dynamic_workflow.compiled_workflow)
        except FlyteError as error:
            draft.data = _with_reason(draft.data, error)
            raise

    # Attempts ...

    async def _tasks(self, draft: NodeDraft, plan: NodePlan) -> None:
        """Read all attempts of a node's task."""
        token, tokens = "", {""}
        while True:
            request = admin.TaskExecutionListRequest(
                node_execution_id=draft.model.id, limit=PAGE, token=token, sort_by=_OLDEST_FIRST
            )
            answer = await self._admin.list_task_executions(request)
            for model in answer.task_executions:
                await self._guarded(draft, partial(self._task, model=model, plan=plan))
            token = next_token(answer.token, tokens)
            if not token:
                return

    async def _task(self, draft: NodeDraft, model: admin.TaskExecution, plan: NodePlan) -> None:
        """Read an attempt with its values, which mostly are its node's."""
        identifier = model.id or core.TaskExecutionIdentifier()
        known = draft.tasks.get(identifier.retry_attempt)
        if known is not None and is_task_settled(model, known):
            return
        task = draft.level.scope.task(identifier.task_id)
        interface = draft.interface if task is None or plan.kind is Kind.ARRAY else task.interface
        expected, before = expected_of_task(model, interface), Data() if known is None else known.data
        data = before if before.is_whole(succeeded=expected.succeeded) else self._loader.recall(expected)
        try:
            if data is None:
                answer = await self._admin.get_task_execution_data(admin.TaskExecutionGetDataRequest(id=model.id))
                data = await self._loader.load(answer, expected, draft.level.execution)
        except FlyteError as error:
            draft.tasks[identifier.retry_attempt] = FlyteTaskExecution(model, _with_reason(before, error), task)
            raise
        draft.tasks[identifier.retry_attempt] = FlyteTaskExecution(model, data, task)


def _outputs_uri(snapshot: Snapshot) -> str:
    outputs = snapshot.closure.outputs
    return (outputs.uri or "") if outputs is not None else ""


def _of_launched(draft: NodeDraft, expected: Expected) -> Data | None:
    """The values of a node that launched an execution are those of the execution."""
    child = draft.launched
    if child is None:
        return None
    if child.workflow is not None:
        draft.interface = child.workflow.interface
    data = Data(child.data.inputs, child.data.outputs if expected.succeeded else None)
    return data if data.is_whole(succeeded=expected.succeeded) else None


def _with_reason(data: Data, error: FlyteError) -> Data:
    """Values that could not be read, for that reason, unless they were read before."""
    return replace(data, unreadable=str(error), unreadable_inputs=str(error))


def _text(draft: NodeDraft) -> str:
    return f"node {unique_id(draft.model)} of execution {draft.level.execution}"


def _extra(draft: NodeDraft) -> dict[str, str]:
    """What a record about a node carries beside its text."""
    return draft.level.execution.extra()
