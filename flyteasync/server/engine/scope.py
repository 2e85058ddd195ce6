"""The nodes of one workflow, in the order of their dependencies: an execution's, a sub-workflow's, a dynamic's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from ...errors import FlyteValueException
from ...idl import admin, core
from ..compiler import END, START
from ..compiler.references import arm_ids
from ..rows import ExecutionKey, ExecutionRow
from . import failures
from .bindings import resolve_all
from .books import Book, NodeBook
from .definitions import Definitions, Graph
from .failures import NodeFailed
from .names import data_directory, inputs_uri, output_directory, outputs_uri, unique_node_id
from .node import Kind, Literals, NodeRun, Outcome
from .places import Place
from .records import NodePhase
from .recovery import Recovery
from .slots import Slots
from .surroundings import Surroundings


class Owner(Protocol):
    """The execution that a scope is part of."""

    @property
    def shared(self) -> Surroundings:
        """What all executions share."""
        ...

    @property
    def row(self) -> ExecutionRow:
        """The execution's row."""
        ...

    @property
    def key(self) -> ExecutionKey:
        """The execution's key."""
        ...

    @property
    def name(self) -> str:
        """The execution's key as a text."""
        ...

    @property
    def identifier(self) -> core.WorkflowExecutionIdentifier:
        """The execution's id."""
        ...

    @property
    def slots(self) -> Slots:
        """The places that its nodes run in."""
        ...

    @property
    def recovery(self) -> Recovery:
        """What it takes over from another execution."""
        ...

    @property
    def fails_immediately(self) -> bool:
        """Whether a node's failure ends the others."""
        ...

    @property
    def interruptible(self) -> bool:
        """Whether its nodes may be interrupted if they do not say."""
        ...

    @property
    def overwrites_cache(self) -> bool:
        """Whether it uses no outputs of earlier runs."""
        ...

    @property
    def kind_of(self) -> Callable[[core.Node, Definitions], Kind]:
        """Tells what is particular to a node."""
        ...


class Scope:
    """Walks a workflow.

    Args:
        run: the execution.
        definitions: what nodes refer to.
        graph: the workflow.
        place: under what it runs.
        inputs: the workflow's inputs.

    Attributes:
        outputs: of finished nodes, by their id.
        result: the workflow's outputs, once it has succeeded.
        output_uri: where they are; empty if there are none.
        failure: why it failed, if it has.
    """

    def __init__(self, run: Owner, definitions: Definitions, graph: Graph, place: Place, inputs: Literals) -> None:
        self.run = run
        self.definitions = definitions
        self.graph = graph
        self.place = place
        self.outputs: dict[str, Literals] = {START: inputs}
        self.result: Literals = {}
        self.output_uri = ""
        self.failure: NodeFailed | None = None
        self._waiting = dict(graph.upstream)
        self._not_run: set[str] = set()
        """Nodes that failed or were skipped: what comes after them is skipped, too."""
        self._failures: dict[str, NodeFailed] = {}
        self._finished: list[str] = []
        self._running: dict[str, NodeRun] = {}
        self._ended: deque[str] = deque()
        """Nodes whose end has not been told to those that wait for them."""
        self._done: Callable[[], object] | None = None

    def start(self, start_uri: str, done: Callable[[], object]) -> None:
        """Begin.

        Args:
            start_uri: where the workflow's inputs are; empty if it has none.
            done: is called once, when all nodes have ended that will, unless the scope is aborted.
        """
        self._done = done
        self._book(core.Node(id=START), Kind(_cannot_run)).ended(NodePhase.SUCCEEDED, output_uri=start_uri or None)
        self._release(START)
        self._check_done()

    def abort(self, reason: str) -> None:
        """End all nodes that have not ended."""
        self._done = None
        running, self._running = list(self._running.values()), {}
        for node in running:
            node.abort(reason)

    def start_node(
        self,
        node: core.Node,
        on_end: Callable[[NodeRun, Outcome], object],
        *,
        kind: Kind | None = None,
        place: Place | None = None,
        directory: str | None = None,
        inputs: Literals | None = None,
        slots: Slots | None = None,
        book: Book | None = None,
    ) -> NodeRun:
        """Begin to run a node of the workflow, or one that runs under such a node."""
        kind = kind or self.run.kind_of(node, self.definitions)
        place = place or self.place
        directory = directory or data_directory(place.directory, node.id)
        started = NodeRun(
            self,
            node,
            kind,
            book or self._book(node, kind, place, directory),
            unique_id=unique_node_id(node.id, place.unique_id, place.attempt),
            place=place,
            directory=directory,
            on_end=on_end,
            slots=slots or self.run.slots,
            inputs=inputs,
        )
        started.start()
        return started

    def _book(self, node: core.Node, kind: Kind, place: Place | None = None, directory: str | None = None) -> NodeBook:
        place = place or self.place
        return NodeBook(
            self.run.shared.store,
            self.run.shared.clock,
            self.run.row,
            unique_node_id(node.id, place.unique_id, place.attempt),
            place,
            admin.NodeExecutionMetaData(
                spec_node_id=node.id,
                retry_group=place.retry_group,
                is_parent_node=kind.is_parent,
                is_array=kind.is_array,
            ),
            "" if directory is None else inputs_uri(directory),
        )

    # The order of nodes...

    def arms_decided(self, not_taken: Iterable[str]) -> None:
        """Arms of a branch will not run: what waits for them is skipped."""
        for node_id in not_taken:
            self._not_run.add(node_id)
            self._release(node_id)

    def arm_ended(self, node_id: str, outcome: Outcome) -> None:
        """The arm of a branch that was taken ended."""
        if isinstance(outcome, Mapping):
            self._release(node_id)

    def _release(self, node_id: str) -> None:
        """A node ended: start, or skip, what waited for nothing but it, and what waited for that."""
        self._ended.append(node_id)
        if len(self._ended) == 1:
            # A chain of nodes that are skipped may be longer than Python's stack is high.
            while self._ended:
                self._tell_end(self._ended[0])
                self._ended.popleft()

    def _tell_end(self, node_id: str) -> None:
        for target in self.graph.downstream.get(node_id, ()):
            if target not in self._waiting:
                continue
            if node_id in self._not_run:
                self._not_run.add(target)
            self._waiting[target] -= 1
            if self._waiting[target] == 0:
                self._reach(target)

    def _reach(self, node_id: str) -> None:
        if node_id in self._not_run:
            self._skip(self.graph.nodes[node_id])
        elif node_id == END:
            self._end()
        else:
            self._running[node_id] = self.start_node(self.graph.nodes[node_id], self._node_ended)

    def _skip(self, node: core.Node) -> None:
        directory = data_directory(self.place.directory, node.id)
        self._book(node, self._kind_of(node), directory=directory).ended(NodePhase.SKIPPED)
        self._finished.append(node.id)
        self._release(node.id)
        self.arms_decided(arm_ids(node))

    def _kind_of(self, node: core.Node) -> Kind:
        return Kind(_cannot_run) if node.id == END else self.run.kind_of(node, self.definitions)

    def _node_ended(self, ended: NodeRun, outcome: Outcome) -> None:
        if self._done is None:
            return
        node_id = ended.node.id
        del self._running[node_id]
        self._finished.append(node_id)
        match outcome:
            case NodeFailed():
                self._failures[node_id] = outcome
                self._not_run.add(node_id)
                # Only a workflow that goes on comes to skip what depends on the node.
                if self._running and not self.run.fails_immediately:
                    self._release(node_id)
            case outputs:
                self.outputs[node_id] = outputs
                self._release(node_id)
        self._check_done()

    def _end(self) -> None:
        """All nodes ended that the workflow's end waits for."""
        run, graph = self.run, self.graph
        directory = data_directory(self.place.directory, END)
        data = run.shared.store.data
        try:
            outputs = resolve_all(graph.template.outputs, self.outputs, graph.outputs)
        except FlyteValueException as error:
            failure = NodeFailed(failures.binding_error(END, str(error)))
            self._failures[END] = failure
            self._finished.append(END)
            self._book(core.Node(id=END), Kind(_cannot_run), directory=directory).ended(
                NodePhase.FAILED, error=failure.error
            )
            return
        book = self._book(core.Node(id=END), Kind(_cannot_run), directory=directory if outputs else None)
        if outputs:
            self.output_uri = outputs_uri(output_directory(directory, 0))
            data[inputs_uri(directory)] = data[self.output_uri] = core.LiteralMap(literals=outputs)
        book.queued()
        book.ended(NodePhase.SUCCEEDED, output_uri=self.output_uri or None)
        self.result = outputs
        self._finished.append(END)

    def _check_done(self) -> None:
        if self._done is None or (self._running and not (self._failures and self.run.fails_immediately)):
            return
        self.failure = self._first_failure() if self.run.fails_immediately else self._last_failure()
        done, self._done = self._done, None
        done()

    def _first_failure(self) -> NodeFailed | None:
        return next(iter(self._failures.values()), None)

    def _last_failure(self) -> NodeFailed | None:
        """The failure that the propeller finds last, going down from the start, and not below a failed node."""
        found: dict[str, NodeFailed] = {}
        for node_id in [*reversed(self._finished), START]:
            failure = self._failures.get(node_id)
            if failure is None:
                for target in self.graph.downstream.get(node_id, ()):
                    failure = found.get(target, failure)
            if failure is not None:
                found[node_id] = failure
        return found.get(START)

    def start_failure_node(self, failure: NodeFailed, done: Callable[[NodeFailed], object]) -> None:
        """Run the workflow's failure node, if it has one; `done` is told why the workflow has failed after that."""
        node = self.graph.template.failure_node
        if node is None:
            done(failure)
            return

        def on_end(run: NodeRun, outcome: Outcome) -> None:
            self._running.pop(node.id, None)
            done(outcome if isinstance(outcome, NodeFailed) else failure)

        kind = self.run.kind_of(node, self.definitions)
        try:
            inputs = _with_error(resolve_all(node.inputs, self.outputs, kind.inputs), node.id, kind, failure.error)
        except FlyteValueException as error:
            done(NodeFailed(failures.binding_error(node.id, str(error))))
            return
        self._running[node.id] = self.start_node(node, on_end, kind=kind, inputs=inputs)


async def _cannot_run(node: NodeRun, attempt: object) -> Literals:
    raise AssertionError("start and end nodes are not run")


def _with_error(
    inputs: dict[str, core.Literal], node_id: str, kind: Kind, error: core.ExecutionError
) -> dict[str, core.Literal]:
    """The inputs of a failure node: those that are of the type of errors get this one."""
    value = core.Literal(scalar=core.Scalar(error=core.Error(failed_node_id=node_id, message=error.message)))
    for name, variable in kind.inputs.items():
        declared = variable.type or core.LiteralType()
        if declared.simple == core.SimpleType.ERROR:
            inputs[name] = value
        elif declared.union_type is not None:
            for variant in declared.union_type.variants:
                if variant.simple == core.SimpleType.ERROR:
                    inputs[name] = core.Literal(scalar=core.Scalar(union=core.Union(value=value, type=variant)))
    return inputs
