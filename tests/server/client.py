"""A client that knows nothing but gRPC: bytes out, bytes in, and errors as they came."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from flyteasync import codec
from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from flyteasync.idl.google.protobuf import Any as AnyMessage
from flyteasync.idl.message_pool import default_message_pool
from flyteasync.server import Server
from tests.server import build

TERMINAL = {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"}


class RpcFailed(Exception):
    """A status that is not OK."""

    def __init__(self, status: Status, text: str, details: list[codec.Message]) -> None:
        super().__init__(f"{status.name}: {text}")
        self.status = status
        self.text = text
        self.details = details


@dataclass
class Failure:
    """Where `client.fails` leaves what it saw."""

    status: Status
    text: str
    details: list[codec.Message]


class Client:
    """A channel to one server."""

    def __init__(self, endpoint: str, server: Server | None = None) -> None:
        self.endpoint = endpoint
        self.server = server
        self.channel = grpc.aio.insecure_channel(
            endpoint, options=[("grpc.max_receive_message_length", -1), ("grpc.max_metadata_size", 64 * 1024)]
        )

    async def aclose(self) -> None:
        await self.channel.close()

    async def raw(self, path: str, payload: bytes, timeout: float | None = 30) -> bytes:
        call = self.channel.unary_unary(path)(payload, timeout=timeout)
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            trailing = dict(error.trailing_metadata() or ())
            details = _details(trailing.get("grpc-status-details-bin"))
            raise RpcFailed(Status(error.code().value[0]), error.details() or "", details) from None

    async def call(self, method: methods.Method[Any, Any], request: codec.Message, timeout: float | None = 30) -> Any:
        return codec.decode(method.reply, await self.raw(method.path, codec.encode(request), timeout))

    async def fails(self, method: methods.Method[Any, Any], request: codec.Message) -> Failure:
        try:
            reply = await self.call(method, request)
        except RpcFailed as error:
            return Failure(error.status, error.text, error.details)
        raise AssertionError(f"{method.name} answered {reply!r}")

    async def control(self, name: str, payload: object = None) -> Any:
        path = f"/flyteasync.server.Control/{name}"
        return json.loads(await self.raw(path, json.dumps(payload).encode()))

    async def in_flight(self, number: int) -> None:
        """Ask until so many calls are in flight."""
        async with asyncio.timeout(20):
            while True:
                if (await self.control("GetStats"))["in_flight"] == number:
                    return
                await asyncio.sleep(0.002)

    # What tests do all the time...

    async def register(
        self,
        template: core.WorkflowTemplate,
        tasks: list[core.TaskTemplate],
        plan: admin.LaunchPlanSpec | None = None,
    ) -> core.Identifier:
        """Register tasks, a workflow and its launch plan of the same name; return the launch plan's id."""
        for task in tasks:
            assert task.id is not None
            await self.call(
                methods.CREATE_TASK, admin.TaskCreateRequest(id=task.id, spec=admin.TaskSpec(template=task))
            )
        assert template.id is not None
        await self.call(
            methods.CREATE_WORKFLOW,
            admin.WorkflowCreateRequest(id=template.id, spec=admin.WorkflowSpec(template=template)),
        )
        plan = plan or admin.LaunchPlanSpec()
        plan.workflow_id = template.id
        plan_id = build.identifier(template.id.name, core.ResourceType.LAUNCH_PLAN, template.id.version)
        await self.call(methods.CREATE_LAUNCH_PLAN, admin.LaunchPlanCreateRequest(id=plan_id, spec=plan))
        return plan_id

    async def launch(
        self, target: core.Identifier, name: str = "", inputs: dict[str, Any] | None = None, **spec: Any
    ) -> core.WorkflowExecutionIdentifier:
        request = build.execution(target, name, inputs, **spec)
        reply = await self.call(methods.CREATE_EXECUTION, request)
        assert reply.id is not None
        return reply.id

    async def get(self, identifier: core.WorkflowExecutionIdentifier) -> admin.Execution:
        return await self.call(methods.GET_EXECUTION, admin.WorkflowExecutionGetRequest(id=identifier))

    async def finish(self, identifier: core.WorkflowExecutionIdentifier) -> admin.Execution:
        """Ask until the execution has ended."""
        async with asyncio.timeout(20):
            while True:
                execution = await self.get(identifier)
                if execution.closure.phase.name in TERMINAL:
                    return execution
                await asyncio.sleep(0.005)

    async def outputs(self, identifier: core.WorkflowExecutionIdentifier) -> dict[str, Any]:
        request = admin.WorkflowExecutionGetDataRequest(id=identifier)
        reply = await self.call(methods.GET_EXECUTION_DATA, request)
        return build.values(reply.full_outputs)

    async def nodes(self, identifier: core.WorkflowExecutionIdentifier) -> dict[str, admin.NodeExecution]:
        request = admin.NodeExecutionListRequest(workflow_execution_id=identifier, limit=100)
        reply = await self.call(methods.LIST_NODE_EXECUTIONS, request)
        return {node.metadata.spec_node_id: node for node in reply.node_executions}

    async def node(
        self,
        identifier: core.WorkflowExecutionIdentifier,
        spec_node_id: str,
        phase: core.NodeExecutionPhase | None = None,
    ) -> admin.NodeExecution:
        """Ask until the node has been reached, and is in that phase."""
        async with asyncio.timeout(20):
            while True:
                nodes = await self.nodes(identifier)
                found = nodes.get(spec_node_id)
                if found is not None and phase in (None, found.closure.phase):
                    return found
                await asyncio.sleep(0.005)

    async def attempts(self, identifier: core.WorkflowExecutionIdentifier, node_id: str) -> list[admin.TaskExecution]:
        node = core.NodeExecutionIdentifier(node_id=node_id, execution_id=identifier)
        request = admin.TaskExecutionListRequest(node_execution_id=node, limit=100)
        return (await self.call(methods.LIST_TASK_EXECUTIONS, request)).task_executions


def _details(data: bytes | None) -> list[codec.Message]:
    """Read a google.rpc.Status: field 3 holds the details, each an Any."""
    if data is None:
        return []
    result: list[codec.Message] = []
    for number, value in _fields(data):
        if number == 3:
            packed = codec.decode(AnyMessage, value)
            result.append(codec.decode(default_message_pool.url_to_type[packed.type_url], packed.value))
    return result


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    result: list[tuple[int, bytes]] = []
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            result.append((tag >> 3, varint().to_bytes(8, "big")))
            continue
        length = varint()
        result.append((tag >> 3, data[at : at + length]))
        at += length
    return result
