"""Compiling a workflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ... import codec
from ...idl import core
from ..text import proto_text
from .graph import Graph
from .references import (
    LaunchPlanInterface,
    References,
    all_nodes,
    entity_key,
    launch_plan_id,
    task_id,
    unique_references,
)
from .report import CompileError, report
from .words import END, START


def compile_workflow(
    template: core.WorkflowTemplate,
    sub_workflows: Sequence[core.WorkflowTemplate],
    find_task: Callable[[core.Identifier], core.TaskTemplate],
    find_launch_plan: Callable[[core.Identifier], LaunchPlanInterface],
) -> core.CompiledWorkflowClosure:
    """Compile a workflow with everything that it refers to.

    Raises:
        CompileError: it cannot run.
        FlyteEntityNotExistException: a task or launch plan that it refers to does not exist.
    """
    nodes = [node for part in (template, *sub_workflows) for node in all_nodes(part)]
    tasks = {entity_key(item): find_task(item) for item in unique_references(nodes, task_id)}
    plan_ids = unique_references(nodes, launch_plan_id)
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
                template=core.LaunchPlanTemplate(id=identifier, interface=plans[entity_key(identifier)].interface)
            )
            for identifier in plan_ids
        ],
    )


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
    graph = Graph(references, errors)
    graph.add_ends(interface)
    graph.add_nodes(user)
    for node in [*user, end]:
        graph.connect(node)
    if template.failure_node is not None:
        graph.add_failure_node(template.failure_node)
    graph.connect_loose_ends([node.id for node in user])
    graph.check_reachable()
    return core.CompiledWorkflow(template=template, connections=graph.connections())
