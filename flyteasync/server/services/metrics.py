"""GetExecutionMetrics: what an execution spent its time on, as a tree of spans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import betterproto2

from ...idl import admin, core, methods
from .. import validation
from ..columns import Entity
from ..failures import internal
from ..rows import ExecutionRow, NodeExecutionRow, TaskExecutionRow
from ..text import proto_text
from . import entities
from .context import Context, Route
from .executions import find_execution

START, END = "start-node", "end-node"

_NEVER = datetime.fromtimestamp(0, UTC)

Nodes = Mapping[str, NodeExecutionRow]
"""The nodes of one level, by their ids in the workflow."""


class MetricsService:
    """Breaks executions down; the deeper, the more rows are read."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {methods.GET_EXECUTION_METRICS.path: self.get}

    def get(self, request: admin.WorkflowExecutionGetMetricsRequest) -> admin.WorkflowExecutionGetMetricsResponse:
        """The span of an execution with `depth` levels below it; 0 is the execution alone."""
        row = find_execution(self._context, validation.check_execution_id(request.id))
        return admin.WorkflowExecutionGetMetricsResponse(span=self._execution(row, request.depth))

    def _execution(self, row: ExecutionRow, depth: int) -> core.Span:
        closure = row.closure
        identifier = core.WorkflowExecutionIdentifier(
            project=row.execution_project, domain=row.execution_domain, name=row.execution_name
        )
        spans = list(self._workflow_spans(row, depth)) if depth else []
        return core.Span(
            start_time=closure.created_at, end_time=closure.updated_at, workflow_id=identifier, spans=spans
        )

    def _workflow_spans(self, row: ExecutionRow, depth: int) -> Iterator[core.Span]:
        closure, nodes = row.closure, self._nodes(row.key, None)
        if START not in nodes:
            yield _operation(closure.created_at, closure.updated_at, "WORKFLOW_SETUP")
            return
        workflow = self._store.workflows.by_id(row.workflow_id)
        assert workflow is not None, "an execution is stored with the id of its workflow, and workflows stay"
        yield _operation(closure.created_at, nodes[START].closure.updated_at, "WORKFLOW_SETUP")
        yield from self._level_spans(nodes, workflow.compiled, depth - 1)
        yield from _teardown(_latest(END, workflow.compiled, nodes), closure.updated_at, "WORKFLOW_TEARDOWN")

    def _nodes(self, execution: tuple[str, str, str], parent: int | None) -> Nodes:
        rows = self._store.node_executions.group((execution, parent))
        return {row.metadata.spec_node_id: row for row in rows}

    def _children(self, row: NodeExecutionRow) -> Nodes:
        return self._nodes(row.key[:3], row.id)

    def _level_spans(self, nodes: Nodes, compiled: core.CompiledWorkflowClosure, depth: int) -> Iterator[core.Span]:
        template = _template(compiled)
        known = {node.id: node for node in template.nodes}
        for row in sorted(nodes.values(), key=lambda row: row.closure.created_at or _NEVER):
            spec_node_id = row.metadata.spec_node_id
            if spec_node_id in (START, END):
                continue
            if spec_node_id not in known:
                where = proto_text(template.id)
                raise internal(f"failed to discover workflow node '{spec_node_id}' in workflow '{where}'")
            span = self._node(row, known[spec_node_id], depth)
            before = _latest(spec_node_id, compiled, nodes)
            if before is not None:
                span.spans.insert(0, _operation(before.closure.updated_at, row.closure.created_at, "NODE_TRANSITION"))
            yield span

    def _node(self, row: NodeExecutionRow, node: core.Node, depth: int) -> core.Span:
        closure = row.closure
        spans = list(self._node_spans(row, node, depth)) if depth else []
        return core.Span(
            start_time=closure.created_at, end_time=closure.updated_at, node_id=row.message.id, spans=spans
        )

    def _node_spans(self, row: NodeExecutionRow, node: core.Node, depth: int) -> Iterator[core.Span]:
        match betterproto2.which_one_of(node, "target"):
            case _, core.BranchNode() as branch:
                return self._branch_spans(row, branch, depth - 1)
            case _, core.GateNode():
                return _gate_spans(row)
            case _, core.TaskNode():
                return self._task_spans(row, depth - 1)
            case _, core.WorkflowNode() as workflow if workflow.launchplan_ref is not None:
                return self._child_spans(row, depth - 1)
            case _, core.WorkflowNode() as workflow if workflow.sub_workflow_ref is not None:
                return self._sub_workflow_spans(row, workflow.sub_workflow_ref, depth - 1)
            case _:
                # The real server has nothing to say about array nodes.
                return iter(())

    def _branch_spans(self, row: NodeExecutionRow, branch: core.BranchNode, depth: int) -> Iterator[core.Span]:
        children = list(self._children(row).values())
        if not children:
            yield _setup(row, row.closure.updated_at)
            return
        if len(children) > 1:
            found = f"found {len(children)} node execution(s)"
            raise internal(f"invalid branch node execution: expected 1 but {found}")
        [child] = children
        node = _arm(branch, child.metadata.spec_node_id)
        if node is None:
            raise internal(
                "failed to identify branch node final node definition for nodeID "
                f"'{child.metadata.spec_node_id}' and branchNode '{proto_text(branch)}'"
            )
        yield _setup(row, child.closure.created_at)
        yield self._node(child, node, depth)
        yield from _teardown(child, row.closure.updated_at, "NODE_TEARDOWN")

    def _task_spans(self, row: NodeExecutionRow, depth: int) -> Iterator[core.Span]:
        children = self._children(row)
        attempts = sorted(
            self._store.task_executions.group(row.key), key=lambda attempt: attempt.closure.created_at or _NEVER
        )
        if not attempts:
            yield _setup(row, row.closure.updated_at)
            return
        yield _setup(row, attempts[0].closure.created_at)
        yield from _attempt_spans(attempts, depth)
        dynamic = row.metadata.is_parent_node or bool(children)
        if not dynamic or not children:
            yield from _teardown(attempts[-1], row.closure.updated_at, "NODE_RESET" if dynamic else "NODE_TEARDOWN")
            return
        started = children[START].closure.updated_at if START in children else None
        yield _operation(attempts[-1].closure.updated_at, started, "NODE_RESET")
        compiled = row.dynamic_workflow or core.CompiledWorkflowClosure()
        yield from self._level_spans(children, compiled, depth)
        yield from _teardown(_latest(END, compiled, children), row.closure.updated_at, "NODE_TEARDOWN")

    def _child_spans(self, row: NodeExecutionRow, depth: int) -> Iterator[core.Span]:
        launched = row.closure.workflow_node_metadata
        if launched is None or launched.execution_id is None:
            yield _setup(row, row.closure.updated_at)
            return
        child = find_execution(self._context, launched.execution_id)
        yield _setup(row, child.closure.created_at)
        yield self._execution(child, depth)
        yield from _teardown(child, row.closure.updated_at, "NODE_TEARDOWN")

    def _sub_workflow_spans(self, row: NodeExecutionRow, reference: core.Identifier, depth: int) -> Iterator[core.Span]:
        children = self._children(row)
        if not children:
            yield _setup(row, row.closure.updated_at)
            return
        yield _setup(row, children[START].closure.updated_at if START in children else None)
        compiled = entities.find(self._store.workflows, reference, Entity.WORKFLOW).compiled
        yield from self._level_spans(children, compiled, depth)
        yield from _teardown(_latest(END, compiled, children), row.closure.updated_at, "NODE_TEARDOWN")


def _operation(start: datetime | None, end: datetime | None, name: str) -> core.Span:
    return core.Span(start_time=start, end_time=end, operation_id=name)


def _setup(row: NodeExecutionRow, end: datetime | None) -> core.Span:
    return _operation(row.closure.created_at, end, "NODE_SETUP")


def _teardown(
    last: ExecutionRow | NodeExecutionRow | TaskExecutionRow | None, end: datetime | None, name: str
) -> Iterator[core.Span]:
    """The time after the last thing inside, unless that ended later."""
    if last is None:
        return
    start = last.closure.updated_at
    if (end or _NEVER) >= (start or _NEVER):
        yield _operation(start, end, name)


def _latest(node_id: str, compiled: core.CompiledWorkflowClosure, nodes: Nodes) -> NodeExecutionRow | None:
    """The node that the given one had to wait for longest."""
    connections = None if compiled.primary is None else compiled.primary.connections
    upstream = None if connections is None else connections.upstream.get(node_id)
    rows = [nodes[source] for source in (upstream.ids if upstream is not None else ()) if source in nodes]
    return max(rows, key=lambda row: row.closure.updated_at or _NEVER, default=None)


def _template(compiled: core.CompiledWorkflowClosure) -> core.WorkflowTemplate:
    template = None if compiled.primary is None else compiled.primary.template
    return template or core.WorkflowTemplate()


def _arm(branch: core.BranchNode, node_id: str) -> core.Node | None:
    block = branch.if_else or core.IfElseBlock()
    arms = [block.case, *block.other]
    nodes = [arm.then_node for arm in arms if arm is not None] + [block.else_node]
    return next((node for node in nodes if node is not None and node.id == node_id), None)


def _gate_spans(row: NodeExecutionRow) -> Iterator[core.Span]:
    closure = row.closure
    if closure.started_at is None:
        yield _setup(row, closure.updated_at)
        return
    yield _setup(row, closure.started_at)
    if not closure.duration:
        yield _operation(closure.started_at, closure.updated_at, "NODE_IDLE")
        return
    ended = closure.started_at + closure.duration
    yield _operation(closure.started_at, ended, "NODE_IDLE")
    yield _operation(ended, closure.updated_at, "NODE_TEARDOWN")


def _attempt_spans(attempts: Sequence[TaskExecutionRow], depth: int) -> Iterator[core.Span]:
    for index, attempt in enumerate(attempts):
        if index:
            yield _operation(attempts[index - 1].closure.updated_at, attempt.closure.created_at, "NODE_RESET")
        if depth:
            yield _attempt(attempt)


def _attempt(row: TaskExecutionRow) -> core.Span:
    closure = row.closure
    started, ended = closure.started_at, None
    spans = [_operation(closure.created_at, started or closure.updated_at, "TASK_SETUP")]
    if started is not None:
        ended = started + closure.duration if closure.duration else None
        spans.append(_operation(started, ended or closure.updated_at, "TASK_RUNTIME"))
    if ended is not None and (closure.updated_at or _NEVER) >= ended:
        spans.append(_operation(ended, closure.updated_at, "TASK_TEARDOWN"))
    return core.Span(start_time=closure.created_at, end_time=closure.updated_at, task_id=row.message.id, spans=spans)
