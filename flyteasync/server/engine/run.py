"""The progress of one execution: nodes in dependency order, independent ones at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import betterproto2

from ...errors import FlyteValueException
from ...idl import core
from ..clock import Clock
from ..compiler import END, START, entity_key
from ..inputs import literals_of, variables_of
from ..rows import EntityKey, ExecutionRow, NodeExecutionRow
from ..store import Store
from . import failures, records
from .bindings import resolve_all
from .handlers import Handlers
from .names import node_input_uri, node_output_uri, unique_node_id
from .records import NodePhase, TaskPhase, WorkflowPhase

logger = logging.getLogger(__name__)

Unregistered = Literal["fail", "hang"]
"""What becomes of a task without a handler: its execution fails at once, or the attempt runs until it is aborted."""

AUTO_ABORT = "Some node execution failed, auto-abort."

_KINDS = {
    "workflow_node": "workflow node",
    "branch_node": "branch node",
    "gate_node": "gate node",
    "array_node": "array node",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all runs of an engine share."""

    store: Store
    clock: Clock
    handlers: Handlers
    unregistered: Unregistered
    phase_delay: float
    abort_delay: float
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    """Starts a task that the engine ends when it is closed."""


class Run:
    """Walks the compiled workflow of one execution."""

    def __init__(
        self,
        surroundings: Surroundings,
        execution: ExecutionRow,
        compiled: core.CompiledWorkflowClosure,
        inputs: core.LiteralMap,
    ) -> None:
        assert compiled.primary is not None
        assert compiled.primary.template is not None
        self._shared = surroundings
        self._execution = execution
        self._template = compiled.primary.template
        self._tasks: dict[EntityKey, core.TaskTemplate] = {
            entity_key(task.template.id): task.template
            for task in compiled.tasks
            if task.template is not None and task.template.id is not None
        }
        edges = compiled.primary.connections or core.ConnectionSet()
        self._downstream = {node_id: targets.ids for node_id, targets in edges.downstream.items()}
        self._waiting = {node_id: set(sources.ids) for node_id, sources in edges.upstream.items()}
        self._nodes = {node.id: node for node in self._template.nodes}
        self._outputs: dict[str, dict[str, core.Literal]] = {START: literals_of(inputs)}
        self._rows: dict[str, NodeExecutionRow] = {}
        self._running: dict[asyncio.Task[None], str] = {}
        self._error: core.ExecutionError | None = None
        self._abort: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ended = False
        width = execution.spec.max_parallelism
        self._slots = asyncio.Semaphore(width) if width else contextlib.nullcontext()

    def abort(self, cause: str) -> None:
        """End the run soon: what still runs becomes ABORTED, and then the execution."""
        if not self._abort.done():
            self._abort.set_result(cause)

    async def run(self) -> None:
        """Bring the execution to its end."""
        try:
            await self._walk()
        except Exception as error:
            logger.exception("execution %s failed inside of the engine", "/".join(self._execution.key))
            self._fail(failures.engine_error(error))
        finally:
            self._ended = True
            for task in self._running:
                task.cancel()

    async def _walk(self) -> None:
        if self._abort.done():
            await self._finish_aborted(self._abort.result())
            return
        self._begin()
        while self._running and not self._abort.done():
            # The future ends the wait as soon as somebody terminates the execution.
            await asyncio.wait([*self._running, self._abort], return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._running if task.done()]:
                self._collect(task)
            if self._error is not None and self._fails_immediately():
                break
        if self._abort.done():
            await self._finish_aborted(self._abort.result())
        elif self._error is not None:
            self._fail(self._error)
        else:
            self._succeed()

    def _begin(self) -> None:
        store, now = self._shared.store, self._shared.clock.now
        records.set_execution_phase(store, self._execution, WorkflowPhase.RUNNING, now())
        records.add_node(
            store,
            self._execution,
            node_id=START,
            spec_node_id=START,
            phase=NodePhase.SUCCEEDED,
            at=now(),
            output_uri=self._execution.inputs_uri,
        )
        self._start(self._released_by(START))

    def _released_by(self, node_id: str) -> list[str]:
        """The nodes that waited for nothing but this one."""
        released: list[str] = []
        for target in self._downstream.get(node_id, ()):
            self._waiting[target].discard(node_id)
            if not self._waiting[target] and target != END:
                released.append(target)
        return released

    def _start(self, node_ids: Iterable[str]) -> None:
        for node_id in node_ids:
            task = self._shared.spawn(self._run_node(self._nodes[node_id]))
            self._running[task] = node_id

    def _collect(self, task: asyncio.Task[None]) -> None:
        node_id = self._running.pop(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, failures.NodeFailed):
            self._error = self._error or error.error
        elif error is not None:
            raise RuntimeError(f"node {node_id!r}: {error!r}") from error
        elif not task.cancelled():
            self._start(self._released_by(node_id))

    def _fails_immediately(self) -> bool:
        metadata = self._template.metadata
        policy = core.WorkflowMetadataOnFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
        return metadata is None or metadata.on_failure != policy

    def _succeed(self) -> None:
        store, now, key = self._shared.store, self._shared.clock.now, self._execution.key
        try:
            outputs = resolve_all(self._template.outputs, self._outputs, self._declared_outputs())
        except FlyteValueException as error:
            self._fail(failures.binding_error(END, str(error)))
            return
        output_uri = node_output_uri(key, END, 0) if outputs else ""
        if outputs:
            store.data[node_input_uri(key, END)] = store.data[output_uri] = core.LiteralMap(literals=outputs)
        row = records.add_node(
            store,
            self._execution,
            node_id=END,
            spec_node_id=END,
            phase=NodePhase.QUEUED,
            at=now(),
            input_uri=node_input_uri(key, END) if outputs else "",
        )
        records.set_node_phase(store, row, NodePhase.SUCCEEDED, now(), output_uri=output_uri or None)
        records.set_execution_phase(store, self._execution, WorkflowPhase.SUCCEEDING, now())
        records.set_execution_phase(store, self._execution, WorkflowPhase.SUCCEEDED, now(), output_uri=output_uri)

    def _declared_outputs(self) -> dict[str, core.Variable]:
        interface = self._template.interface
        return {} if interface is None else variables_of(interface.outputs)

    def _fail(self, error: core.ExecutionError) -> None:
        store, now = self._shared.store, self._shared.clock.now
        records.set_execution_phase(store, self._execution, WorkflowPhase.FAILING, now(), error=error)
        self._abort_nodes(AUTO_ABORT)
        records.set_execution_phase(store, self._execution, WorkflowPhase.FAILED, now(), error=error)

    async def _finish_aborted(self, cause: str) -> None:
        self._ended = True
        for task in self._running:
            task.cancel()
        if self._shared.abort_delay:
            await self._shared.clock.sleep(self._shared.abort_delay)
        self._abort_nodes(cause)
        now = self._shared.clock.now()
        records.set_execution_phase(self._shared.store, self._execution, WorkflowPhase.ABORTED, now)

    def _abort_nodes(self, reason: str) -> None:
        """Mark what has not ended; their tasks find out that the run is over when they go on."""
        self._ended = True
        store, now, error = self._shared.store, self._shared.clock.now, failures.aborted(reason)
        for row in self._rows.values():
            for attempt in store.task_executions.group(row.key):
                if attempt.closure.phase not in records.TERMINAL_TASK:
                    records.set_task_phase(store, attempt, TaskPhase.ABORTED, now(), error=error)
            if row.closure.phase not in records.TERMINAL_NODE:
                records.set_node_phase(store, row, NodePhase.ABORTED, now(), error=error)

    async def _run_node(self, node: core.Node) -> None:
        """Bring one node to its end.

        Raises:
            NodeFailed: it failed for good.
        """
        store, now, key = self._shared.store, self._shared.clock.now, self._execution.key
        node_id = unique_node_id(node.id)
        row = self._rows[node.id] = records.add_node(
            store,
            self._execution,
            node_id=node_id,
            spec_node_id=node.id,
            phase=NodePhase.QUEUED,
            at=now(),
            input_uri=node_input_uri(key, node_id),
        )
        try:
            async with self._slots:
                self._outputs[node.id] = await self._execute(node, row)
        except failures.NodeFailed as failed:
            if not self._ended:
                records.set_node_phase(store, row, NodePhase.FAILED, now(), error=failed.error)
            raise

    async def _execute(self, node: core.Node, row: NodeExecutionRow) -> dict[str, core.Literal]:
        kind, target = betterproto2.which_one_of(node, "target")
        if not isinstance(target, core.TaskNode) or target.reference_id is None:
            raise failures.NodeFailed(failures.unsupported_node(node.id, _KINDS.get(kind, "node without a target")))
        template = self._tasks[entity_key(target.reference_id)]
        interface = template.interface or core.TypedInterface()
        try:
            inputs = resolve_all(node.inputs, self._outputs, variables_of(interface.inputs))
        except FlyteValueException as error:
            raise failures.NodeFailed(failures.binding_error(node.id, str(error))) from error
        self._shared.store.data[row.input_uri] = core.LiteralMap(literals=inputs)
        records.set_node_phase(self._shared.store, row, NodePhase.RUNNING, self._shared.clock.now())
        return await self._run_attempts(node, row, template, inputs)

    async def _run_attempts(
        self, node: core.Node, row: NodeExecutionRow, template: core.TaskTemplate, inputs: dict[str, core.Literal]
    ) -> dict[str, core.Literal]:
        store, now = self._shared.store, self._shared.clock.now
        attempts = _retries(node, template) + 1
        error: core.ExecutionError | None = None
        for attempt in range(attempts):
            task = records.add_task(store, row, template, attempt, now())
            records.set_task_phase(store, task, TaskPhase.RUNNING, now())
            try:
                outputs = await self._call(template, inputs)
            except failures.NodeFailed as failed:
                self._check_alive()
                records.set_task_phase(store, task, TaskPhase.FAILED, now(), error=failed.error)
                raise
            except Exception as raised:  # whatever a handler raises is the error of its attempt  # noqa: BLE001
                self._check_alive()
                error = failures.handler_error(raised)
                records.set_task_phase(store, task, TaskPhase.FAILED, now(), error=error)
                continue
            self._check_alive()
            uri = node_output_uri(self._execution.key, row.node_id, attempt) if outputs else None
            if uri is not None:
                store.data[uri] = core.LiteralMap(literals=outputs)
            records.set_task_phase(store, task, TaskPhase.SUCCEEDED, now(), output_uri=uri)
            records.set_node_phase(store, row, NodePhase.SUCCEEDED, now(), output_uri=uri)
            return outputs
        assert error is not None
        raise failures.NodeFailed(failures.retries_exhausted(error, attempts, attempts))

    async def _call(self, template: core.TaskTemplate, inputs: dict[str, core.Literal]) -> dict[str, core.Literal]:
        shared = self._shared
        if shared.phase_delay:
            await shared.clock.sleep(shared.phase_delay)
        task_id = template.id or core.Identifier()
        handler = shared.handlers.get(task_id.name)
        if handler is not None:
            return await shared.handlers.call(handler, template, inputs)
        if shared.unregistered == "hang":
            await asyncio.get_running_loop().create_future()
        raise failures.NodeFailed(failures.unregistered_task(task_id, shared.handlers.names))

    def _check_alive(self) -> None:
        """A handler that swallows its cancellation must not change what was recorded."""
        if self._ended:
            raise asyncio.CancelledError


def _retries(node: core.Node, template: core.TaskTemplate) -> int:
    """How often a failed attempt is repeated: the node's word goes before its task's."""
    if node.metadata is not None and node.metadata.retries is not None:
        return node.metadata.retries.retries
    if template.metadata is not None and template.metadata.retries is not None:
        return template.metadata.retries.retries
    return 0
