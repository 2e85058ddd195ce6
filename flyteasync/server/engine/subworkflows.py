"""Nodes that run another workflow of the same registration under themselves."""

from __future__ import annotations

from ...idl import core
from ..compiler import START
from . import failures
from .definitions import Graph
from .failures import NodeFailed
from .names import data_directory, output_directory, outputs_uri
from .node import Attempt, Literals, NodeRun
from .scope import Scope


async def run_sub_workflow(graph: Graph, node: NodeRun, attempt: Attempt) -> Literals:
    """Run a sub-workflow, and return its outputs.

    Raises:
        NodeFailed: it failed.
    """
    node.book.running(attempt.began)
    place = node.below(attempt)
    scope = Scope(node.scope.run, node.scope.definitions, graph, place, attempt.inputs)
    attempt.on_abort(scope.abort)
    wait = node.shared.wait()
    start_uri = outputs_uri(output_directory(data_directory(place.directory, START), 0))
    node.shared.store.data[start_uri] = core.LiteralMap(literals=dict(attempt.inputs))
    scope.start(start_uri, lambda: wait.settle(None))
    await wait
    if scope.failure is not None:
        scope.abort(failures.SUB_WORKFLOW_FAILED)
        raise await _handle_failure(node, scope, scope.failure)
    return scope.result


async def _handle_failure(node: NodeRun, scope: Scope, failure: NodeFailed) -> NodeFailed:
    """Run the sub-workflow's failure node, and return why the sub-workflow has failed."""
    wait, found = node.shared.wait(), [failure]

    def done(after: NodeFailed) -> None:
        found.append(after)
        wait.settle(None)

    scope.start_failure_node(failure, done)
    await wait
    return found[-1]
