"""The nodes of a workflow and the edges between them, with everything checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import betterproto2

from ...idl import core
from ..inputs import variables_of
from .binder import Binder, binding_type
from .interfaces import UNKNOWN, NodeInterface, Variables, interface_of
from .references import References, arm_nodes, if_blocks
from .report import report
from .words import END, START


@dataclass(slots=True)
class Graph:
    """The nodes of one workflow and the edges between them."""

    references: References
    errors: list[str]
    interfaces: dict[str, NodeInterface] = field(default_factory=dict[str, NodeInterface])
    """By node id, of all nodes that others may use outputs of."""
    nodes: dict[str, core.Node] = field(default_factory=dict[str, core.Node])
    arms: dict[str, core.Node] = field(default_factory=dict[str, core.Node])
    """The nodes inside of branches, which others may wait for, but whose outputs are those of their branch."""
    failure_id: str = ""
    upstream: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    downstream: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def report(self, code: str, node_id: str, description: str) -> None:
        """Note that something is wrong with a node."""
        report(self.errors, code, node_id, description)

    def with_own_errors(self) -> Graph:
        """The same graph, for an attempt whose errors may not matter."""
        return replace(self, errors=[])

    def declares(self, node_id: str) -> bool:
        """Whether the types of a node's outputs are known."""
        interface = self.interfaces[node_id]
        return interface.outputs is not None and not interface.passes_on

    def add_ends(self, interface: core.TypedInterface) -> None:
        """Add the start node, which returns what the workflow takes, and the end node, which takes what it returns."""
        self.interfaces[START] = NodeInterface(outputs=variables_of(interface.inputs))
        self.interfaces[END] = NodeInterface(inputs=variables_of(interface.outputs))

    def add_nodes(self, nodes: Iterable[core.Node]) -> None:
        """Add nodes, and number those inside of branches."""
        for node in nodes:
            if not node.id:
                self.report("ValueRequired", node.id, "Value required [Id].")
            elif node.id in self.interfaces:
                self.report("DuplicateId", node.id, "Trying to insert two nodes with the same id.")
            else:
                self.nodes[node.id] = node
                self._add_arms(node)
                self.interfaces[node.id] = interface_of(node, self.references, self.errors)

    def _add_arms(self, node: core.Node) -> None:
        """The ids inside of a branch are unique there alone: they get the branch's before them."""
        block = None if node.branch_node is None else node.branch_node.if_else
        for arm in [] if block is None else arm_nodes(block):
            arm.id = f"{node.id}-{arm.id}"
            self.arms[arm.id] = arm
            self._add_arms(arm)

    def connect(self, node: core.Node) -> None:
        """Add a node's edges, explicit and by its bindings, and check the bindings."""
        for upstream in node.upstream_node_ids:
            if (upstream or START) in self.interfaces or upstream in self.arms:
                self.add_edge(upstream or START, node.id)
            else:
                self.report("NodeReferenceNotFound", node.id, f"Referenced node [{upstream}] not found.")
        for upstream in self.check_bindings(node, self.interfaces.get(node.id, UNKNOWN)):
            self.add_edge(upstream, node.id)
        self._connect_arms(node)

    def _connect_arms(self, node: core.Node) -> None:
        """Nodes inside of a branch know whom they need, but it is their branch that starts them."""
        block = None if node.branch_node is None else node.branch_node.if_else
        if block is None:
            return
        bound = {binding.var for binding in node.inputs}
        for arm in if_blocks(block):
            self._check_condition(node.id, arm.condition, bound)
        for arm in arm_nodes(block):
            interface = interface_of(arm, self.references, self.errors)
            if upstream := self.check_bindings(arm, interface):
                self.upstream.setdefault(arm.id, set()).update(upstream)
            self._connect_arms(arm)

    def _check_condition(self, node_id: str, condition: core.BooleanExpression | None, bound: set[str]) -> None:
        match None if condition is None else betterproto2.which_one_of(condition, "expr")[1]:
            case core.ComparisonExpression() as comparison:
                sides = (("LeftValue", comparison.left_value), ("RightValue", comparison.right_value))
                for side, operand in sides:
                    self._check_operand(node_id, side, operand, bound)
            case core.ConjunctionExpression() as conjunction:
                self._check_condition(node_id, conjunction.left_expression, bound)
                self._check_condition(node_id, conjunction.right_expression, bound)
            case _:
                self.report("BranchNodeHasNoCondition", node_id, "One of the branches on the node has no condition.")

    def _check_operand(self, node_id: str, side: str, operand: core.Operand | None, bound: set[str]) -> None:
        kind, value = ("", None) if operand is None else betterproto2.which_one_of(operand, "val")
        if value is None or value == "":
            self.report("ValueRequired", node_id, f"Value required [{side}].")
        elif kind == "var" and value not in bound:
            self.report("VariableNameNotFound", node_id, f"Variable [{value}] not found on node [{node_id}].")

    def add_failure_node(self, node: core.Node) -> None:
        """A failure node needs others, but nobody starts it and nobody waits for it."""
        self.failure_id = node.id
        self._add_arms(node)
        if upstream := self.check_bindings(node, interface_of(node, self.references, self.errors)):
            self.upstream.setdefault(node.id, set()).update(upstream)
        self._connect_arms(node)

    def add_edge(self, upstream: str, downstream: str) -> None:
        """A node waits for another one."""
        self.upstream.setdefault(downstream, set()).add(upstream)
        self.downstream.setdefault(upstream, set()).add(downstream)

    def check_bindings(self, node: core.Node, interface: NodeInterface) -> set[str]:
        """The nodes whose outputs a node uses."""
        params = interface.inputs
        bound: set[str] = set()
        upstream: set[str] = set()
        for binding in node.inputs:
            param = None if params is None else params.get(binding.var)
            if params is not None and param is None:
                text = f"Variable [{binding.var}] not found on node [{node.id}]."
                self.report("VariableNameNotFound", node.id, text)
            elif binding.binding is None:
                self.report("ValueRequired", node.id, "Value required [Binding].")
            elif binding.var in bound:
                text = f"Input [{binding.var}] is bound more than once."
                self.report("ParameterBoundMoreThanOnce", node.id, text)
            else:
                bound.add(binding.var)
                expected = None if param is None else param.type
                upstream |= Binder(self, node, binding.var).check(binding.binding, expected)
        self._check_all_bound(node.id, params or {}, bound | interface.optional)
        return upstream

    def _check_all_bound(self, node_id: str, params: Variables, bound: Iterable[str]) -> None:
        for name, variable in params.items():
            if name not in bound and not _is_optional(variable):
                self.report("ParameterNotBound", node_id, f"Parameter not bound [{name}].")

    def output_type(self, node_id: str, name: str) -> tuple[bool, core.LiteralType | None]:
        """Whether a node may have an output of that name, and of which type, if that can be told."""
        interface = self.interfaces[node_id]
        for _ in self.interfaces:
            # What only passes its inputs on has the types of what is bound; gates may follow gates.
            if not interface.passes_on:
                break
            bound = next((item.binding for item in self.nodes[node_id].inputs if item.var == name), None)
            promise = None if bound is None else bound.promise
            if bound is None or promise is None or (promise.node_id or START) not in self.interfaces:
                return bound is not None, None if bound is None else binding_type(bound)
            if promise.attr_path:
                return True, None
            node_id, name = promise.node_id or START, promise.var
            interface = self.interfaces[node_id]
        if interface.outputs is None:
            return True, None
        variable = interface.outputs.get(name)
        return variable is not None, None if variable is None else variable.type

    def connect_loose_ends(self, node_ids: Iterable[str]) -> None:
        """Nodes that wait for nobody start with the workflow; it ends after nodes that nobody waits for."""
        for node_id in node_ids:
            if node_id not in self.upstream:
                self.add_edge(START, node_id)
            if node_id not in self.downstream:
                self.add_edge(node_id, END)

    def check_reachable(self) -> None:
        """No node may wait for itself, and every node must be started by another one."""
        path: list[str] = []
        done: set[str] = set()
        cycle = self._find_cycle(START, path, done)
        if cycle is not None:
            text = f"A cycle has been detected while traversing the Workflow [{'>'.join(cycle)}]."
            self.report("CycleDetected", START, text)
            return
        unreachable = set(self.interfaces) - done - {END}
        if unreachable:
            text = f"The Workflow contain unreachable nodes [{','.join(sorted(unreachable))}]."
            self.report("UnreachableNodes", START, text)

    def _find_cycle(self, start: str, path: list[str], done: set[str]) -> list[str] | None:
        """Depth first with a stack of its own: a chain may be longer than Python's recursion limit."""
        stack = [(start, iter(sorted(self.downstream.get(start, ()))))]
        path.append(start)
        while stack:
            node_id, following = stack[-1]
            step = next(following, None)
            if step is None:
                stack.pop()
                path.pop()
                done.add(node_id)
            elif step in path:
                return [*path[path.index(step) :], step]
            elif step not in done:
                path.append(step)
                stack.append((step, iter(sorted(self.downstream.get(step, ())))))
        return None

    def connections(self) -> core.ConnectionSet:
        """The edges as the compiled workflow has them."""

        def lists(edges: Mapping[str, set[str]]) -> dict[str, core.ConnectionSetIdList]:
            return {node_id: core.ConnectionSetIdList(ids=sorted(ids)) for node_id, ids in sorted(edges.items())}

        return core.ConnectionSet(downstream=lists(self.downstream), upstream=lists(self.upstream))


def _is_optional(variable: core.Variable) -> bool:
    union = None if variable.type is None else variable.type.union_type
    return union is not None and any(variant.simple == core.SimpleType.NONE for variant in union.variants)
