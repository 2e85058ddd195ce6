"""Where the events of a node go: into rows of its own, or into an entry of the array node that it is an element of."""

from __future__ import annotations

from typing import Protocol

from ...idl import admin, core, event
from ..clock import Clock
from ..rows import ExecutionRow, NodeExecutionRow, TaskExecutionRow
from ..store import Store
from . import records
from .failures import node_aborted, task_aborted
from .names import external_id, generated_name
from .places import Place
from .records import NodePhase, TaskPhase

InstanceClass = event.TaskExecutionMetadataInstanceClass

ARRAY_TASK_TYPE = "container_array"
ARRAY_PLUGIN = "k8s-array"
TASK_PLUGIN = "container"


class Book(Protocol):
    """Takes the events of one node."""

    @property
    def row(self) -> NodeExecutionRow | None:
        """The node's row; None if it has none (yet)."""
        ...

    def queued(self) -> None:
        """The node waits to run."""
        ...

    def running(self, since: float) -> None:
        """The node runs since a time of the clock; nothing happens if it did before."""
        ...

    def ended(
        self,
        phase: NodePhase,
        *,
        output_uri: str | None = None,
        error: core.ExecutionError | None = None,
        cache: admin.TaskNodeMetadata | None = None,
    ) -> None:
        """The node is in its last phase; if that is its first event, it is its only one."""
        ...

    def aborted(self, reason: str) -> None:
        """The node was ended from outside; nothing happens if it had no event."""
        ...

    def begin_task(self, task: core.TaskTemplate, attempt: int, *, interruptible: bool) -> None:
        """An attempt of the node's task is queued."""
        ...

    def task_running(self) -> None:
        """The attempt runs."""
        ...

    def task_ended(
        self, phase: TaskPhase, *, output_uri: str | None = None, error: core.ExecutionError | None = None
    ) -> None:
        """The attempt is in its last phase."""
        ...

    def task_aborted(self, reason: str) -> None:
        """The attempt was ended from outside; nothing happens if it had ended."""
        ...


class NodeBook:
    """The events of a node with a row of its own.

    Args:
        store: where the rows are.
        clock: tells the events' time.
        execution: whose node it is.
        node_id: its unique id.
        place: under what it runs.
        metadata: its flags and its id in the workflow.
        input_uri: where its inputs are.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        execution: ExecutionRow,
        node_id: str,
        place: Place,
        metadata: admin.NodeExecutionMetaData,
        input_uri: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._execution = execution
        self._node_id = node_id
        self._place = place
        self._metadata = metadata
        self._input_uri = input_uri
        self._row: NodeExecutionRow | None = None
        self._task: TaskExecutionRow | None = None

    @property
    def row(self) -> NodeExecutionRow | None:
        """The node's row; None before its first event."""
        return self._row

    def _insert(
        self, phase: NodePhase, output_uri: str | None = None, error: core.ExecutionError | None = None
    ) -> NodeExecutionRow:
        self._row = records.add_node(
            self._store,
            self._execution,
            node_id=self._node_id,
            metadata=self._metadata,
            phase=phase,
            at=self._clock.now(),
            parent_id=self._place.row_id,
            input_uri=self._input_uri,
            output_uri=output_uri,
            error=error,
        )
        return self._row

    def queued(self) -> None:
        """The node waits to run."""
        self._insert(NodePhase.QUEUED)

    def running(self, since: float) -> None:
        """The node runs since a time of the clock; nothing happens if it did before."""
        row = self._known()
        if row.closure.phase == NodePhase.QUEUED:
            records.set_node_phase(self._store, row, NodePhase.RUNNING, self._clock.moment(since))

    def _known(self) -> NodeExecutionRow:
        assert self._row is not None, "a node is queued before anything else happens to it"
        return self._row

    def ended(
        self,
        phase: NodePhase,
        *,
        output_uri: str | None = None,
        error: core.ExecutionError | None = None,
        cache: admin.TaskNodeMetadata | None = None,
    ) -> None:
        """The node is in its last phase; if that is its first event, it is its only one."""
        if self._row is None:
            row = self._insert(phase, output_uri, error)
        else:
            row = self._row
            records.set_node_phase(self._store, row, phase, self._clock.now(), output_uri=output_uri, error=error)
        if cache is not None:
            row.closure.task_node_metadata = cache

    def aborted(self, reason: str) -> None:
        """The node was ended from outside; nothing happens if it had no event."""
        if self._row is not None and self._row.closure.phase not in records.TERMINAL_NODE:
            self.ended(NodePhase.ABORTED, error=node_aborted(reason))

    def launched(self, child: core.WorkflowExecutionIdentifier, since: float) -> None:
        """The node started an execution, of which it is told from its second event on, and runs."""
        self.running(since)
        self._known().closure.workflow_node_metadata = admin.WorkflowNodeMetadata(execution_id=child)

    def dynamic_running(self, compiled: core.CompiledWorkflowClosure, spec_uri: str) -> None:
        """The node runs the workflow that its task generated."""
        row = self._known()
        row.dynamic_workflow = compiled
        row.closure.dynamic_job_spec_uri = spec_uri
        row.metadata.is_dynamic = row.metadata.is_parent_node = True
        records.set_node_phase(self._store, row, NodePhase.DYNAMIC_RUNNING, self._clock.now())

    def begin_task(self, task: core.TaskTemplate, attempt: int, *, interruptible: bool) -> None:
        """An attempt of the node's task is queued."""
        name = generated_name(self._execution.execution_name, self._node_id, attempt)
        self._task = records.add_task(
            self._store,
            self._known(),
            task.id or core.Identifier(),
            attempt,
            self._clock.now(),
            task_type=task.type,
            metadata=event.TaskExecutionMetadata(
                generated_name=name,
                plugin_identifier=TASK_PLUGIN,
                instance_class=InstanceClass.INTERRUPTIBLE if interruptible else InstanceClass.DEFAULT,
            ),
        )

    def task_running(self) -> None:
        """The attempt runs."""
        assert self._task is not None, "an attempt is queued before it runs"
        records.set_task_phase(self._store, self._task, TaskPhase.RUNNING, self._clock.now())

    def task_ended(
        self, phase: TaskPhase, *, output_uri: str | None = None, error: core.ExecutionError | None = None
    ) -> None:
        """The attempt is in its last phase."""
        assert self._task is not None, "an attempt is queued before it ends"
        records.set_task_phase(self._store, self._task, phase, self._clock.now(), output_uri=output_uri, error=error)

    def task_aborted(self, reason: str) -> None:
        """The attempt was ended from outside; nothing happens if it had ended."""
        if self._task is not None and self._task.closure.phase not in records.TERMINAL_TASK:
            self.task_ended(TaskPhase.ABORTED, error=task_aborted(reason))


class ArrayBook:
    """The one task execution of an array node, with an entry for each attempt of each element.

    Args:
        store: where the row is.
        clock: tells the events' time.
        node: the array node's row.
        task_id: the id of the task that the elements run.
        size: how many elements there are; without any there is no task execution.
    """

    def __init__(self, store: Store, clock: Clock, node: NodeExecutionRow, task_id: core.Identifier, size: int) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._entries: dict[tuple[int, int], event.ExternalResourceInfo] = {}
        self._row: TaskExecutionRow | None = None
        if size:
            metadata = event.TaskExecutionMetadata(plugin_identifier=ARRAY_PLUGIN)
            self._row = records.add_task(
                store, node, task_id, 0, clock.now(), task_type=ARRAY_TASK_TYPE, metadata=metadata
            )
            for index in range(size):
                self.entry(index, 0)

    def entry(self, index: int, attempt: int) -> event.ExternalResourceInfo:
        """The entry of an attempt of an element, which is made if there is none."""
        found = self._entries.get((index, attempt))
        if found is None:
            assert self._row is not None, "an array node without elements has no task execution"
            name = external_id(self._node.execution_name, self._node.node_id, index, attempt)
            found = event.ExternalResourceInfo(external_id=name, index=index, retry_attempt=attempt)
            self._entries[index, attempt] = found
            metadata = self._row.closure.metadata
            assert metadata is not None
            metadata.external_resources.append(found)
        return found

    def set_phase(self, phase: TaskPhase, output_uri: str | None = None) -> None:
        """The array node's task came into a phase; nothing happens if it had ended."""
        if self._row is not None and self._row.closure.phase not in records.TERMINAL_TASK:
            records.set_task_phase(self._store, self._row, phase, self._clock.now(), output_uri=output_uri)

    def touch(self) -> None:
        """An entry changed."""
        if self._row is not None:
            self._row.phase_version += 1
            self._row.closure.updated_at = self._clock.now()
            self._store.task_executions.touch(self._row)


class ElementBook:
    """The events of an element of an array node.

    Args:
        array: the array node's.
        index: which element it is.
    """

    row = None

    def __init__(self, array: ArrayBook, index: int) -> None:
        self._array = array
        self._index = index
        self._attempt = 0

    def queued(self) -> None:
        """The array node's task execution has said so."""

    def running(self, since: float) -> None:
        """Shows by the attempt."""

    def ended(
        self,
        phase: NodePhase,
        *,
        output_uri: str | None = None,
        error: core.ExecutionError | None = None,
        cache: admin.TaskNodeMetadata | None = None,
    ) -> None:
        """Shows by the last attempt, unless no attempt was needed."""
        entry = self._array.entry(self._index, self._attempt)
        if cache is not None:
            entry.cache_status = cache.cache_status
        if phase == NodePhase.SUCCEEDED:
            entry.phase = TaskPhase.SUCCEEDED
        elif phase == NodePhase.FAILED and entry.phase not in records.TERMINAL_TASK:
            entry.phase = TaskPhase.FAILED
        self._array.touch()

    def aborted(self, reason: str) -> None:
        """The element was ended from outside."""
        self.task_aborted(reason)

    def begin_task(self, task: core.TaskTemplate, attempt: int, *, interruptible: bool) -> None:
        """An attempt is queued."""
        self._attempt = attempt
        self._set(TaskPhase.QUEUED)

    def task_running(self) -> None:
        """The attempt runs."""
        self._set(TaskPhase.RUNNING)

    def task_ended(
        self, phase: TaskPhase, *, output_uri: str | None = None, error: core.ExecutionError | None = None
    ) -> None:
        """The attempt is in its last phase."""
        self._set(phase)

    def task_aborted(self, reason: str) -> None:
        """The attempt was ended from outside; nothing happens if it had ended."""
        entry = self._array.entry(self._index, self._attempt)
        if entry.phase not in (*records.TERMINAL_TASK, TaskPhase.UNDEFINED):
            self._set(TaskPhase.ABORTED)

    def _set(self, phase: TaskPhase) -> None:
        self._array.entry(self._index, self._attempt).phase = phase
        self._array.touch()
