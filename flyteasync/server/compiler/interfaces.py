"""What a node takes and returns, as far as it can be told from the node alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import betterproto2

from ...idl import core
from ..arraytypes import array_interface
from ..inputs import variables_of
from ..text import proto_text
from .references import References, arm_nodes, entity_key
from .report import report

Variables = Mapping[str, core.Variable]


@dataclass(frozen=True, slots=True)
class NodeInterface:
    """The inputs and outputs of a node.

    Attributes:
        inputs: None if it takes whatever is bound.
        outputs: None if nothing is known of them.
        passes_on: whether its outputs are its inputs.
        optional: inputs that need not be bound.
    """

    inputs: Variables | None = None
    outputs: Variables | None = None
    passes_on: bool = False
    optional: frozenset[str] = field(default_factory=frozenset[str])

    @classmethod
    def of(cls, interface: core.TypedInterface | None, optional: frozenset[str] = frozenset()) -> NodeInterface:
        """That of something with an interface."""
        interface = interface or core.TypedInterface()
        return cls(variables_of(interface.inputs), variables_of(interface.outputs), optional=optional)


UNKNOWN = NodeInterface()


def interface_of(node: core.Node, references: References, errors: list[str]) -> NodeInterface:
    """The interface of a node; reports what it refers to that is not there."""
    match betterproto2.which_one_of(node, "target"):
        case _, core.TaskNode(reference_id=core.Identifier() as identifier):
            return NodeInterface.of(references.tasks[entity_key(identifier)].interface)
        case _, core.WorkflowNode(launchplan_ref=core.Identifier() as identifier):
            plan = references.launch_plans[entity_key(identifier)]
            return NodeInterface.of(plan.interface, plan.optional)
        case _, core.WorkflowNode(sub_workflow_ref=core.Identifier() as identifier):
            return _of_sub_workflow(node, identifier, references, errors)
        case _, core.BranchNode() as branch:
            return _of_branch(node, branch, references, errors)
        case _, core.GateNode() as gate:
            return _of_gate(node, gate, errors)
        case _, core.ArrayNode() as array:
            return _of_array(node, array, references, errors)
        case _:
            report(errors, "ValueRequired", node.id, "Value required [Target].")
            return UNKNOWN


def _of_sub_workflow(
    node: core.Node, identifier: core.Identifier, references: References, errors: list[str]
) -> NodeInterface:
    template = references.sub_workflows.get(entity_key(identifier))
    if template is None:
        text = f"Referenced Workflow [{proto_text(identifier)}] not found."
        report(errors, "WorkflowReferenceNotFound", node.id, text)
        return UNKNOWN
    return NodeInterface.of(template.interface)


def _of_branch(node: core.Node, branch: core.BranchNode, references: References, errors: list[str]) -> NodeInterface:
    """A branch returns what all its arms return; what it takes is what its conditions need."""
    block = branch.if_else
    if block is None or block.case is None or block.case.then_node is None:
        missing = "Branch.IfElse" if block is None else "Branch.IfElse.Case"
        report(errors, "ValueRequired", node.id, f"Value required [{missing}].")
        return UNKNOWN
    if block.else_node is None and block.error is None:
        text = "One of branch's Default, Else or Error must be set."
        report(errors, "BranchNodeHasNoDefault", node.id, text)
    # What is wrong with an arm is reported when the arm itself is added.
    of_arms = [interface_of(arm, references, []) for arm in arm_nodes(block)]
    known = [arm.outputs for arm in of_arms if arm.outputs is not None]
    if not known:
        return UNKNOWN
    first, *others = known
    return NodeInterface(
        outputs={name: variable for name, variable in first.items() if all(name in other for other in others)}
    )


def _of_gate(node: core.Node, gate: core.GateNode, errors: list[str]) -> NodeInterface:
    signal = gate.signal
    if signal is not None:
        for missing, value in (("Type", signal.type), ("OutputVariableName", signal.output_variable_name)):
            if value is None or value == "":
                report(errors, "ValueRequired", node.id, f"Value required [GateNode.Signal.{missing}].")
        return NodeInterface({}, {signal.output_variable_name: core.Variable(type=signal.type)})
    if gate.approve is not None:
        return NodeInterface(passes_on=True)
    if gate.sleep is not None:
        return NodeInterface({}, {})
    report(errors, "NoConditionFound", node.id, f"Can't find any condition for gate node [{node.id}].")
    return UNKNOWN


def _of_array(node: core.Node, array: core.ArrayNode, references: References, errors: list[str]) -> NodeInterface:
    if array.node is None:
        report(errors, "ValueRequired", node.id, "Value required [ArrayNode.Node].")
        return UNKNOWN
    inner = interface_of(array.node, references, errors)
    if inner.inputs is None or inner.outputs is None:
        return UNKNOWN
    interface = core.TypedInterface(
        inputs=core.VariableMap(variables=dict(inner.inputs)), outputs=core.VariableMap(variables=dict(inner.outputs))
    )
    return NodeInterface.of(array_interface(interface, array), inner.optional)
