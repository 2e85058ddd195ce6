"""Compiled templates as they were before they were compiled.

The compiler adds a start and an end node, and has everything that uses an input of the workflow refer to the start
node. Such a template could not be registered again. Nothing that is given here is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from ..codec import Message, decode, encode
from ..idl import core

START_NODE = "start-node"
END_NODE = "end-node"

SYSTEM_NODES = frozenset({START_NODE, END_NODE})
"""The ids of the nodes that every compiled workflow has."""

INPUTS = ""
"""The id of the node that stands for the workflow's inputs where nothing is compiled."""

M = TypeVar("M", bound=Message)


def uncompiled_template(template: core.WorkflowTemplate) -> core.WorkflowTemplate:
    """A copy of a template without what the compiler added."""
    copy = _copy(template)
    copy.nodes = [node for node in copy.nodes if node.id not in SYSTEM_NODES]
    failure = [copy.failure_node] if copy.failure_node is not None else []
    for node in _with_inner([*copy.nodes, *failure]):
        _uncompile(node)
    _rename_start(copy.outputs)
    return copy


def uncompiled_node(node: core.Node) -> core.Node:
    """A copy of a node, with all inside of it, without what the compiler added."""
    copy = _copy(node)
    for inner in _with_inner([copy]):
        _uncompile(inner)
    return copy


def arms_of(block: core.IfElseBlock) -> list[core.Node]:
    """The nodes that a condition chooses from, in the order of their conditions."""
    blocks = [arm for arm in (block.case, *block.other) if arm is not None]
    nodes = [*(arm.then_node for arm in blocks), block.else_node]
    return [node for node in nodes if node is not None]


def _with_inner(nodes: Iterable[core.Node]) -> Iterator[core.Node]:
    stack = list(nodes)
    while stack:
        node = stack.pop()
        yield node
        if node.branch_node is not None and node.branch_node.if_else is not None:
            stack += arms_of(node.branch_node.if_else)
        if node.array_node is not None and node.array_node.node is not None:
            stack.append(node.array_node.node)


def _uncompile(node: core.Node) -> None:
    node.upstream_node_ids = [name for name in node.upstream_node_ids if name not in SYSTEM_NODES]
    _rename_start(node.inputs)


def _rename_start(bindings: Iterable[core.Binding]) -> None:
    stack = [binding.binding for binding in bindings]
    while stack:
        data = stack.pop()
        if data is None:
            continue
        if data.promise is not None and data.promise.node_id == START_NODE:
            data.promise.node_id = INPUTS
        if data.collection is not None:
            stack += data.collection.bindings
        if data.map is not None:
            stack += data.map.bindings.values()


def _copy(message: M) -> M:
    return decode(type(message), encode(message))
