"""What nodes refer to, and the nodes inside of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ...idl import core
from ..rows import EntityKey


@dataclass(frozen=True, slots=True)
class LaunchPlanInterface:
    """What a launch plan takes and returns.

    Attributes:
        interface: all its inputs and outputs.
        optional: inputs that have a default and need not be bound.
    """

    interface: core.TypedInterface
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class References:
    """Everything that nodes may refer to."""

    tasks: Mapping[EntityKey, core.TaskTemplate]
    launch_plans: Mapping[EntityKey, LaunchPlanInterface]
    sub_workflows: Mapping[EntityKey, core.WorkflowTemplate]


def entity_key(identifier: core.Identifier) -> EntityKey:
    """Project, domain, name and version."""
    return (identifier.project, identifier.domain, identifier.name, identifier.version)


def all_nodes(template: core.WorkflowTemplate) -> Iterator[core.Node]:
    """The nodes of a workflow, those inside of branches and array nodes and the failure node included."""
    failure = [] if template.failure_node is None else [template.failure_node]
    for node in [*template.nodes, *failure]:
        yield from _with_inner_nodes(node)


def _with_inner_nodes(node: core.Node) -> Iterator[core.Node]:
    yield node
    if node.array_node is not None and node.array_node.node is not None:
        yield from _with_inner_nodes(node.array_node.node)
    if node.branch_node is not None and node.branch_node.if_else is not None:
        for inner in arm_nodes(node.branch_node.if_else):
            yield from _with_inner_nodes(inner)


def if_blocks(block: core.IfElseBlock) -> list[core.IfBlock]:
    """The arms of a branch that have a condition."""
    return [arm for arm in [block.case, *block.other] if arm is not None]


def arm_nodes(block: core.IfElseBlock) -> list[core.Node]:
    """The nodes of all arms of a branch, the default's last."""
    nodes = [*(arm.then_node for arm in if_blocks(block)), block.else_node]
    return [node for node in nodes if node is not None]


def arm_ids(node: core.Node) -> list[str]:
    """The ids of all nodes inside of a branch node, those inside of inner branches included; empty for other nodes."""
    block = None if node.branch_node is None else node.branch_node.if_else
    return [] if block is None else [found for arm in arm_nodes(block) for found in (arm.id, *arm_ids(arm))]


def task_id(node: core.Node) -> core.Identifier | None:
    """The task that a node runs, if it runs one."""
    return None if node.task_node is None else node.task_node.reference_id


def launch_plan_id(node: core.Node) -> core.Identifier | None:
    """The launch plan that a node starts, if it starts one."""
    return None if node.workflow_node is None else node.workflow_node.launchplan_ref


def unique_references(
    nodes: Iterable[core.Node], identifier_of: Callable[[core.Node], core.Identifier | None]
) -> list[core.Identifier]:
    """Every identifier once, in the order of first use."""
    found: dict[EntityKey, core.Identifier] = {}
    for node in nodes:
        identifier = identifier_of(node)
        if identifier is not None:
            found.setdefault(entity_key(identifier), identifier)
    return list(found.values())
