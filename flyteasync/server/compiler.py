"""From a workflow template to what the engine runs: start and end node, connections, and everything checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import betterproto2

from .. import codec
from ..idl import core
from .bindcheck import END, START, BindingCheck, CompileError, report
from .inputs import variables_of
from .rows import EntityKey
from .text import proto_text


@dataclass(frozen=True, slots=True)
class References:
    """Everything that nodes may refer to."""

    tasks: Mapping[EntityKey, core.TaskTemplate]
    launch_plans: Mapping[EntityKey, core.TypedInterface]
    sub_workflows: Mapping[EntityKey, core.WorkflowTemplate]


def entity_key(identifier: core.Identifier) -> EntityKey:
    """Project, domain, name and version."""
    return (identifier.project, identifier.domain, identifier.name, identifier.version)


def compile_workflow(
    template: core.WorkflowTemplate,
    sub_workflows: Sequence[core.WorkflowTemplate],
    find_task: Callable[[core.Identifier], core.TaskTemplate],
    find_launch_plan: Callable[[core.Identifier], core.TypedInterface],
) -> core.CompiledWorkflowClosure:
    """Compile a workflow with everything that it refers to.

    Raises:
        CompileError: it cannot run.
        FlyteEntityNotExistException: a task or launch plan that it refers to does not exist.
    """
    nodes = [node for part in (template, *sub_workflows) for node in _all_nodes(part)]
    tasks = {entity_key(item): find_task(item) for item in _references(nodes, _task_id)}
    plan_ids = list(_references(nodes, _launch_plan_id))
    plans = {entity_key(item): find_launch_plan(item) for item in plan_ids}
    known = {entity_key(part.id): part for part in sub_workflows if part.id is not None}
    references = References(tasks, plans, known)
    errors: list[str] = []
    primary = _compile(template, references, errors)
    parts = [_compile(part, references, errors) for part in sub_workflows]
    if errors:
        raise CompileError(errors)
    return core.CompiledWorkflowClosure(
        primary=primary,
        sub_workflows=[part for part in parts if part is not None],
        tasks=[core.CompiledTask(template=task) for task in tasks.values()],
        launch_plans=[
            core.CompiledLaunchPlan(
                template=core.LaunchPlanTemplate(id=identifier, interface=plans[entity_key(identifier)])
            )
            for identifier in plan_ids
        ],
    )


def _all_nodes(template: core.WorkflowTemplate) -> Iterator[core.Node]:
    failure = [] if template.failure_node is None else [template.failure_node]
    for node in [*template.nodes, *failure]:
        yield from _with_inner_nodes(node)


def _with_inner_nodes(node: core.Node) -> Iterator[core.Node]:
    yield node
    if node.array_node is not None and node.array_node.node is not None:
        yield from _with_inner_nodes(node.array_node.node)
    if node.branch_node is not None and node.branch_node.if_else is not None:
        block = node.branch_node.if_else
        arms = [arm.then_node for arm in [block.case, *block.other] if arm is not None]
        for inner in [*arms, block.else_node]:
            if inner is not None:
                yield from _with_inner_nodes(inner)


def _task_id(node: core.Node) -> core.Identifier | None:
    return None if node.task_node is None else node.task_node.reference_id


def _launch_plan_id(node: core.Node) -> core.Identifier | None:
    return None if node.workflow_node is None else node.workflow_node.launchplan_ref


def _references(
    nodes: Iterable[core.Node], identifier_of: Callable[[core.Node], core.Identifier | None]
) -> Iterator[core.Identifier]:
    """Every identifier once, in the order of first use."""
    found: dict[EntityKey, core.Identifier] = {}
    for node in nodes:
        identifier = identifier_of(node)
        if identifier is not None:
            found.setdefault(entity_key(identifier), identifier)
    return iter(found.values())


def _compile(
    template: core.WorkflowTemplate, references: References, errors: list[str]
) -> core.CompiledWorkflow | None:
    # The compiler fills in node ids, and what the request brought must stay as it came.
    template = codec.decode(core.WorkflowTemplate, codec.encode(template))
    if not template.nodes:
        name = "" if template.id is None else proto_text(template.id)
        report(errors, "NoNodesFound", name, f"Can't find any nodes in workflow [{name}].")
        return None
    interface = template.interface or core.TypedInterface()
    interface.inputs = interface.inputs or core.VariableMap()
    interface.outputs = interface.outputs or core.VariableMap()
    template.interface = interface
    start = core.Node(id=START)
    end = core.Node(id=END, inputs=template.outputs)
    user = [node for node in template.nodes if node.id not in (START, END)]
    template.nodes = [start, end, *user]
    graph = _Graph(references, errors)
    graph.interfaces[START] = core.TypedInterface(outputs=interface.inputs)
    graph.interfaces[END] = core.TypedInterface(inputs=interface.outputs)
    graph.add_nodes(user)
    for node in [*user, end]:
        graph.connect(node)
    if template.failure_node is not None:
        graph.add_failure_node(template.failure_node)
    graph.connect_loose_ends([node.id for node in user])
    graph.check_reachable()
    return core.CompiledWorkflow(template=template, connections=graph.connections())


@dataclass(slots=True)
class _Graph:
    """The nodes of one workflow and the edges between them."""

    references: References
    errors: list[str]
    interfaces: dict[str, core.TypedInterface | None] = field(default_factory=dict[str, core.TypedInterface | None])
    """By node id; None is an interface that is not known, against which nothing is checked."""
    upstream: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    downstream: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def report(self, code: str, node_id: str, description: str) -> None:
        report(self.errors, code, node_id, description)

    def add_nodes(self, nodes: Iterable[core.Node]) -> None:
        for node in nodes:
            if not node.id:
                self.report("ValueRequired", node.id, "Value required [Id].")
            elif node.id in self.interfaces:
                self.report("DuplicateId", node.id, "Trying to insert two nodes with the same id.")
            else:
                self.interfaces[node.id] = self.interface_of(node)

    def interface_of(self, node: core.Node) -> core.TypedInterface | None:
        match betterproto2.which_one_of(node, "target"):
            case _, core.TaskNode(reference_id=core.Identifier() as identifier):
                return self.references.tasks[entity_key(identifier)].interface or core.TypedInterface()
            case _, core.WorkflowNode(launchplan_ref=core.Identifier() as identifier):
                return self.references.launch_plans[entity_key(identifier)]
            case _, core.WorkflowNode(sub_workflow_ref=core.Identifier() as identifier):
                return self._sub_workflow_interface(node, identifier)
            case _, core.BranchNode() | core.GateNode() | core.ArrayNode():
                return None
            case _:
                self.report("ValueRequired", node.id, "Value required [Target].")
                return None

    def _sub_workflow_interface(self, node: core.Node, identifier: core.Identifier) -> core.TypedInterface | None:
        template = self.references.sub_workflows.get(entity_key(identifier))
        if template is None:
            text = f"Referenced Workflow [{proto_text(identifier)}] not found."
            self.report("WorkflowReferenceNotFound", node.id, text)
            return None
        return template.interface or core.TypedInterface()

    def connect(self, node: core.Node) -> None:
        """Add a node's edges, explicit and by its bindings, and check the bindings."""
        for upstream in node.upstream_node_ids:
            if (upstream or START) in self.interfaces:
                self.add_edge(upstream or START, node.id)
            else:
                self.report("NodeReferenceNotFound", node.id, f"Referenced node [{upstream}] not found.")
        for upstream in self.check_bindings(node):
            self.add_edge(upstream, node.id)

    def add_failure_node(self, node: core.Node) -> None:
        """A failure node waits for nobody: it has no edges, only bindings."""
        self.interfaces[node.id] = self.interface_of(node)
        self.check_bindings(node)

    def add_edge(self, upstream: str, downstream: str) -> None:
        self.upstream.setdefault(downstream, set()).add(upstream)
        self.downstream.setdefault(upstream, set()).add(downstream)

    def check_bindings(self, node: core.Node) -> set[str]:
        """The nodes whose outputs a node uses."""
        interface = self.interfaces.get(node.id)
        params = None if interface is None else variables_of(interface.inputs)
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
                check = BindingCheck(self.interfaces, self.errors, node.id, binding.var)
                upstream |= check.check(binding.binding, expected)
        for name, variable in (params or {}).items():
            if name not in bound and not _is_optional(variable):
                self.report("ParameterNotBound", node.id, f"Parameter not bound [{name}].")
        return upstream

    def connect_loose_ends(self, node_ids: Iterable[str]) -> None:
        """Nodes that wait for nobody start with the workflow; it ends after nodes that nobody waits for."""
        for node_id in node_ids:
            if node_id not in self.upstream:
                self.add_edge(START, node_id)
            if node_id not in self.downstream:
                self.add_edge(node_id, END)

    def check_reachable(self) -> None:
        path: list[str] = []
        done: set[str] = set()
        cycle = self._find_cycle(START, path, done)
        if cycle is not None:
            text = f"A cycle has been detected while traversing the Workflow [{'>'.join(cycle)}]."
            self.report("CycleDetected", START, text)
            return
        failure_nodes = {node_id for node_id in self.interfaces if node_id not in self.upstream}
        unreachable = set(self.interfaces) - done - failure_nodes - {END}
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
        def lists(edges: Mapping[str, set[str]]) -> dict[str, core.ConnectionSetIdList]:
            return {node_id: core.ConnectionSetIdList(ids=sorted(ids)) for node_id, ids in sorted(edges.items())}

        return core.ConnectionSet(downstream=lists(self.downstream), upstream=lists(self.upstream))


def _is_optional(variable: core.Variable) -> bool:
    union = None if variable.type is None else variable.type.union_type
    return union is not None and any(variant.simple == core.SimpleType.NONE for variant in union.variants)
