"""Which kind a node is of."""

from __future__ import annotations

from functools import partial

import betterproto2

from ...idl import core
from ..compiler import entity_key
from ..inputs import variables_of
from . import failures
from .arrays import run_array
from .branches import run_branch
from .children import run_launch_plan
from .definitions import Definitions
from .failures import NodeFailed
from .gates import run_gate
from .node import Attempt, Kind, Literals, NodeRun
from .subworkflows import run_sub_workflow
from .tasks import run_task


def kind_of(node: core.Node, definitions: Definitions) -> Kind:
    """What is particular to a node."""
    match betterproto2.which_one_of(node, "target"):
        case _, core.TaskNode(reference_id=core.Identifier() as task_id) if entity_key(task_id) in definitions.tasks:
            template = definitions.tasks[entity_key(task_id)]
            return Kind(run_task, template=template, slot="wait", inputs=_inputs(template.interface))
        case _, core.WorkflowNode(sub_workflow_ref=core.Identifier() as workflow_id) if (
            entity_key(workflow_id) in definitions.sub_workflows
        ):
            graph = definitions.sub_workflows[entity_key(workflow_id)]
            return Kind(partial(run_sub_workflow, graph), is_parent=True, inputs=_inputs(graph.template.interface))
        case _, core.WorkflowNode(launchplan_ref=core.Identifier() as plan_id):
            return Kind(partial(run_launch_plan, plan_id), slot="wait")
        case _, core.BranchNode():
            return Kind(run_branch)
        case _, core.GateNode():
            return Kind(run_gate)
        case _, core.ArrayNode(node=core.Node() as inner) as array:
            of_element = kind_of(inner, definitions)
            # Elements that are executions of their own are nodes; those that are tasks are only entries.
            is_parent = of_element.template is None
            return Kind(partial(run_array, array, of_element), slot="take", is_parent=is_parent, is_array=True)
        case _:
            return Kind(_cannot_run)


def _inputs(interface: core.TypedInterface | None) -> dict[str, core.Variable]:
    return {} if interface is None else variables_of(interface.inputs)


async def _cannot_run(node: NodeRun, attempt: Attempt) -> Literals:
    raise NodeFailed(failures.bad_specification(node.node.id, "has nothing to run"))
