"""Reads the tree of node executions, level by level, a bounded number of nodes at a time."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anyio

from ..errors import FlyteDecodeError, FlyteError, Status
from ..idl import admin, core
from ..watcher import Name
from .base import Data, cut_short
from .concurrent import map_concurrently
from .context import Context
from .data import DataLoader, Expected
from .node import SUCCESSFUL_NODE_PHASES, Below, FlyteNodeExecution
from .task import FlyteTaskExecution, TaskPhase

logger = logging.getLogger("flyteasync.executions")

CONCURRENCY = 64
"""Nodes that are read at the same time."""

PAGE = 100
"""Items that one list call asks for."""

START_NODE = "start-node"
END_NODE = "end-node"


async def read_nodes(
    context: Context, name: Name, known: Mapping[str, FlyteNodeExecution]
) -> dict[str, FlyteNodeExecution]:
    """The node tree of an execution, by node id.

    Nodes of `known` that were finished and loaded are taken over, and cost nothing but their line in the list. One that
    cannot be read is kept with what the list tells of it, and logged.
    """
    return await _Reader(context, name).level("", known)


class _Reader:
    def __init__(self, context: Context, name: Name) -> None:
        self._admin = context.admin
        self._name = name
        self._limit = anyio.Semaphore(CONCURRENCY)
        self._loader = DataLoader(context.access)

    async def level(self, parent: str, known: Mapping[str, FlyteNodeExecution]) -> dict[str, FlyteNodeExecution]:
        """The nodes below a parent; at the top if it is empty."""

        async def read(model: admin.NodeExecution) -> FlyteNodeExecution:
            return await self.node(model, known.get(_id(model)))

        models = await self.list_nodes(parent)
        return {node.id.node_id: node for node in await map_concurrently(read, models)}

    async def node(self, model: admin.NodeExecution, known: FlyteNodeExecution | None) -> FlyteNodeExecution:
        """One node with all below it."""
        node = FlyteNodeExecution(model)
        if known is not None and known.is_done and known.is_loaded and known.closure.phase == node.closure.phase:
            return known
        try:
            return await self.read(node, known)
        except FlyteError as error:
            if not _concerns_one_node(error):
                raise
            logger.warning("node %s of execution %s could not be read: %s", node.id.node_id, self._name, error)
            return node

    async def read(self, node: FlyteNodeExecution, known: FlyteNodeExecution | None) -> FlyteNodeExecution:
        """A node with its data, its tasks and what is below it."""
        async with self._limit:
            model = await self.whole(node.to_flyte_idl())
            data = await self.node_data(node)
            tasks = () if _has_no_tasks(node) else await self.list_tasks(model)
        nodes: Mapping[str, FlyteNodeExecution] = {}
        if node.metadata.is_parent_node:
            nodes = await self.level(_id(model), known.subworkflow_node_executions if known is not None else {})
        return FlyteNodeExecution(model, data, Below(tasks, nodes))

    async def whole(self, model: admin.NodeExecution) -> admin.NodeExecution:
        """A node of a list with the whole text of its error, which lists cut."""
        if not cut_short(model.closure.error if model.closure is not None else None):
            return model
        full = await self._admin.get_node_execution(admin.NodeExecutionGetRequest(id=model.id))
        # What the list tells of the node's children, Get does not.
        return admin.NodeExecution(
            id=model.id, input_uri=model.input_uri, closure=full.closure, metadata=model.metadata
        )

    async def node_data(self, node: FlyteNodeExecution) -> Data:
        """The inputs and outputs of a node."""
        answer = await self._admin.get_node_execution_data(admin.NodeExecutionGetDataRequest(id=node.id))
        # What the start node puts out are the inputs of the execution, of which there may be none.
        uri = "" if node.id.node_id == START_NODE else node.closure.output_uri or ""
        return await self._loader.load(answer, Expected(node.closure.phase in SUCCESSFUL_NODE_PHASES, uri))

    async def task(self, model: admin.TaskExecution) -> FlyteTaskExecution:
        """One attempt with its values."""
        task = FlyteTaskExecution(model)
        answer = await self._admin.get_task_execution_data(admin.TaskExecutionGetDataRequest(id=task.id))
        expected = Expected(task.closure.phase == TaskPhase.SUCCEEDED, task.closure.output_uri or "")
        data = await self._loader.load(answer, expected)
        return FlyteTaskExecution(model, data)

    async def list_nodes(self, parent: str) -> list[admin.NodeExecution]:
        """All nodes of a level, in the order of their creation."""
        models: list[admin.NodeExecution] = []
        token = ""
        while True:
            answer = await self._admin.list_node_executions(
                admin.NodeExecutionListRequest(
                    workflow_execution_id=self._name.identifier(),
                    limit=PAGE,
                    token=token,
                    unique_parent_id=parent,
                    sort_by=_OLDEST_FIRST,
                )
            )
            models += answer.node_executions
            token = answer.token
            if not token:
                return models

    async def list_tasks(self, node: admin.NodeExecution) -> tuple[FlyteTaskExecution, ...]:
        """All attempts of a node's task."""
        models: list[admin.TaskExecution] = []
        token = ""
        while True:
            answer = await self._admin.list_task_executions(
                admin.TaskExecutionListRequest(
                    node_execution_id=node.id, limit=PAGE, token=token, sort_by=_OLDEST_FIRST
                )
            )
            models += answer.task_executions
            token = answer.token
            if not token:
                return tuple([await self.task(model) for model in models])


def _concerns_one_node(error: FlyteError) -> bool:
    """Whether a failure says nothing about the other nodes, as an outage or a closed remote does."""
    return isinstance(error, FlyteDecodeError) or error.status in _OF_ONE_NODE


_OF_ONE_NODE = {
    Status.NOT_FOUND,
    Status.INVALID_ARGUMENT,
    Status.RESOURCE_EXHAUSTED,
    Status.UNKNOWN,
    Status.INTERNAL,
    Status.DATA_LOSS,
}

_OLDEST_FIRST = admin.Sort(key="created_at", direction=admin.SortDirection.ASCENDING)


def _id(model: admin.NodeExecution) -> str:
    return (model.id or core.NodeExecutionIdentifier()).node_id


def _has_no_tasks(node: FlyteNodeExecution) -> bool:
    """Whether the node's kind never has task executions."""
    spec_id = node.metadata.spec_node_id or node.id.node_id
    static_parent = node.metadata.is_parent_node and not node.metadata.is_dynamic
    return static_parent or spec_id in (START_NODE, END_NODE)
