"""Branch nodes: of several nodes one runs, and its outputs are those of the branch."""

from __future__ import annotations

from ...idl import core
from ..compiler.references import arm_ids, arm_nodes
from . import failures
from .conditions import BranchFailed, decide
from .failures import NodeFailed
from .node import Attempt, Literals, NodeRun, Outcome


async def run_branch(node: NodeRun, attempt: Attempt) -> Literals:
    """Run the arm whose condition holds.

    Raises:
        NodeFailed: there is none, or it failed.
    """
    block = None if node.node.branch_node is None else node.node.branch_node.if_else
    if block is None:
        raise NodeFailed(failures.bad_specification(node.node.id, "is a branch without conditions"))
    try:
        taken = decide(block, attempt.inputs)
    except BranchFailed as failed:
        raise NodeFailed(failures.branch_failed(failed.code, str(failed))) from failed
    node.book.running(attempt.began)
    for arm in arm_nodes(block):
        if arm is not taken:
            node.scope.arms_decided([arm.id, *arm_ids(arm)])
    return await _run_arm(node, attempt, taken)


async def _run_arm(node: NodeRun, attempt: Attempt, arm: core.Node) -> Literals:
    wait, ended = node.shared.wait(), list[Outcome]()

    def on_end(run: NodeRun, outcome: Outcome) -> None:
        ended.append(outcome)
        wait.settle(None)

    # The arm's data is where the branch's is: one stands for the other.
    started = node.scope.start_node(arm, on_end, place=node.below(attempt), directory=node.directory)
    attempt.on_abort(started.abort)
    await wait
    outcome = ended[0]
    node.scope.arm_ended(arm.id, outcome)
    if isinstance(outcome, NodeFailed):
        raise outcome
    return outcome
