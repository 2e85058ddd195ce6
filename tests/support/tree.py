"""Scripted servers of node trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flyteasync import codec
from flyteasync.codec import Message
from flyteasync.errors import Status
from flyteasync.idl import admin, core
from tests.server.build import execution_id, identifier, literal, task, workflow
from tests.server.build import node as spec_node
from tests.support.wire import Call, Refusal

NodePhase = core.NodeExecutionPhase
TaskPhase = core.TaskExecutionPhase
Phase = core.WorkflowExecutionPhase

WORKFLOW = identifier("wf", core.ResourceType.WORKFLOW)
STEP = task("step", {"x": int}, {"o0": int})
TEMPLATE = workflow("wf", [spec_node("n0", "step"), spec_node("n1", "step")], {"x": int})
COMPILED = core.CompiledWorkflowClosure(
    primary=core.CompiledWorkflow(template=TEMPLATE), tasks=[core.CompiledTask(template=STEP)]
)
INPUTS, OUTPUTS = (core.LiteralMap(literals={name: literal(7)}) for name in ("x", "o0"))


def node(name: str, execution: str = "e1", **metadata: Any) -> admin.NodeExecution:
    return admin.NodeExecution(
        id=core.NodeExecutionIdentifier(node_id=name, execution_id=execution_id(execution)),
        input_uri=f"s3://b/{execution}/{name}/inputs.pb",
        closure=admin.NodeExecutionClosure(
            phase=NodePhase.SUCCEEDED, output_uri=f"s3://b/{execution}/{name}/outputs.pb"
        ),
        metadata=admin.NodeExecutionMetaData(spec_node_id=name, **metadata),
    )


def launching(name: str, launched: str, execution: str = "e1") -> admin.NodeExecution:
    model = node(name, execution)
    assert model.closure is not None
    model.closure.workflow_node_metadata = admin.WorkflowNodeMetadata(execution_id=execution_id(launched))
    return model


def attempt(of: admin.NodeExecution, number: int = 0, folder: str = "") -> admin.TaskExecution:
    assert of.closure is not None
    return admin.TaskExecution(
        id=core.TaskExecutionIdentifier(task_id=STEP.id, node_execution_id=of.id, retry_attempt=number),
        input_uri=of.input_uri,
        closure=admin.TaskExecutionClosure(
            phase=TaskPhase.SUCCEEDED, output_uri=f"{folder}outputs.pb" if folder else of.closure.output_uri
        ),
    )


Changed = Callable[[Any], Message | bytes]


@dataclass
class Script:
    """A server with the nodes that a test gives it; everything has ended well.

    Attributes:
        levels: the nodes by execution and parent.
        attempts: by node.
        instead: answers in place of the usual ones, by method.
    """

    levels: dict[tuple[str, str], list[admin.NodeExecution]] = field(default_factory=dict[Any, Any])
    attempts: dict[str, list[admin.TaskExecution]] = field(default_factory=dict[Any, Any])
    instead: dict[str, Changed] = field(default_factory=dict[str, Changed])

    async def __call__(self, call: Call) -> bytes:
        change = self.instead.get(call.method, self.usual)
        answer = change(call.request)
        return answer if isinstance(answer, bytes) else codec.encode(answer)

    def usual(self, request: Any) -> Message:
        match request:
            case admin.WorkflowExecutionGetRequest(id=found):
                closure = admin.ExecutionClosure(phase=Phase.SUCCEEDED, workflow_id=WORKFLOW)
                return admin.Execution(id=found, closure=closure)
            case admin.ObjectGetRequest():
                return admin.Workflow(closure=admin.WorkflowClosure(compiled_workflow=COMPILED))
            case admin.NodeExecutionListRequest(unique_parent_id=parent, workflow_execution_id=execution):
                assert execution is not None
                return admin.NodeExecutionList(node_executions=self.levels.get((execution.name, parent), []))
            case admin.TaskExecutionListRequest(node_execution_id=found):
                return admin.TaskExecutionList(task_executions=self.attempts.get(found.node_id if found else "", []))
            case admin.NodeExecutionGetDataRequest():
                return admin.NodeExecutionGetDataResponse(full_inputs=INPUTS, full_outputs=OUTPUTS)
            case admin.TaskExecutionGetDataRequest():
                return admin.TaskExecutionGetDataResponse(full_inputs=INPUTS, full_outputs=OUTPUTS)
            case _:
                return admin.WorkflowExecutionGetDataResponse(full_inputs=INPUTS, full_outputs=OUTPUTS)


def refused(_: Any) -> bytes:
    raise Refusal(Status.NOT_FOUND, "no such thing")


def where(method: Callable[[Any], bool], otherwise: Script) -> Changed:
    """A refusal for some requests."""
    return lambda request: refused(request) if method(request) else otherwise.usual(request)
