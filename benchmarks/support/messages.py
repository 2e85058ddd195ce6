"""The messages that benchmarks send, as upb (the official protobuf package) makes them."""

from __future__ import annotations

from typing import Any

from flyteidl.admin import execution_pb2, node_execution_pb2  # pyright: ignore[reportMissingTypeStubs]
from flyteidl.core import compiler_pb2, literals_pb2  # pyright: ignore[reportMissingTypeStubs]


def execution(index: int = 1) -> Any:
    """An execution that runs; 470 bytes."""
    message: Any = execution_pb2.Execution()
    message.id.project, message.id.domain, message.id.name = "flytesnacks", "development", f"f{index:019x}"
    plan = message.spec.launch_plan
    plan.resource_type, plan.project, plan.domain = 3, "flytesnacks", "development"
    plan.name, plan.version = "my.module.workflow", "abcdefgh1234"
    message.spec.metadata.principal = "user@example.com"
    message.spec.metadata.system_metadata.execution_cluster = "default"
    message.spec.metadata.system_metadata.namespace = "flytesnacks-development"
    for label in range(5):
        message.spec.labels.values[f"label{label}"] = f"value{label}"
    message.spec.security_context.run_as.k8s_service_account = "default"
    message.spec.raw_output_data_config.output_location_prefix = "s3://bucket/x"
    closure = message.closure
    closure.phase = 2
    for moment in (closure.created_at, closure.started_at, closure.updated_at):
        moment.seconds, moment.nanos = 1732220000 + index, 123456000
    closure.duration.seconds = 33
    closure.workflow_id.CopyFrom(plan)
    closure.state_change_details.principal = "user"
    closure.outputs.uri = "s3://my-s3-bucket/metadata/propeller/x/outputs.pb"
    return message


def execution_list(size: int = 100) -> Any:
    """A page of executions."""
    return execution_pb2.ExecutionList(executions=[execution(index) for index in range(size)])


def node_execution_list(size: int = 100) -> Any:
    """A page of node executions that have succeeded."""
    message: Any = node_execution_pb2.NodeExecutionList()
    for index in range(size):
        node = message.node_executions.add()
        folder = f"s3://my-s3-bucket/metadata/propeller/flytesnacks-development-f0001/n{index}/data"
        node.id.node_id = node.metadata.spec_node_id = f"n{index}"
        run = node.id.execution_id
        run.project, run.domain, run.name = "flytesnacks", "development", "f0000000000001"
        node.input_uri = f"{folder}/inputs.pb"
        closure = node.closure
        closure.phase = 3
        for moment in (closure.created_at, closure.started_at, closure.updated_at):
            moment.seconds, moment.nanos = 1732220000 + index, 123456000
        closure.duration.seconds = 33
        closure.output_uri, closure.deck_uri = f"{folder}/0/outputs.pb", f"{folder}/0/deck.html"
        closure.task_node_metadata.checkpoint_uri = "s3://my-s3-bucket/checkpoint"
        closure.task_node_metadata.catalog_key.dataset_id.name = "dataset"
    return message


def workflow(nodes: int = 100) -> Any:
    """A compiled workflow, one task a node."""
    message: Any = compiler_pb2.CompiledWorkflowClosure()
    template = message.primary.template
    template.id.resource_type, template.id.project, template.id.domain = 2, "flytesnacks", "development"
    template.id.name, template.id.version = "workflow", "v1"
    for index in range(nodes):
        node = template.nodes.add(id=f"n{index}")
        node.metadata.name, node.metadata.timeout.seconds = f"task_{index}", 3600
        node.inputs.add(var="x").binding.scalar.primitive.integer = index
        task = node.task_node.reference_id
        task.resource_type, task.project, task.domain = 1, "flytesnacks", "development"
        task.name, task.version = f"tasks.t{index}", "v1"
        message.primary.connections.downstream[f"n{index}"].ids.append(f"n{index + 1}")
        compiled = message.tasks.add().template
        compiled.id.CopyFrom(task)
        compiled.type, compiled.container.image = "python-task", "ghcr.io/flyteorg/x:latest"
        compiled.container.args.extend(["pyflyte-execute", "--inputs", "{{.input}}"])
        compiled.interface.inputs.variables["x"].type.simple = 1
    return message


def literal_map(size: int = 1000) -> Any:
    """Many ints by name."""
    message = literals_pb2.LiteralMap()
    for index in range(size):
        message.literals[f"k{index}"].scalar.primitive.integer = index
    return message


def create_request() -> Any:
    """A launch with five inputs."""
    message: Any = execution_pb2.ExecutionCreateRequest(project="flytesnacks", domain="development", name="f" * 20)
    message.spec.launch_plan.CopyFrom(execution().spec.launch_plan)
    message.spec.metadata.principal = "user@example.com"
    message.inputs.CopyFrom(literal_map(5))
    return message


def get_request() -> Any:
    """A question for one execution."""
    message = execution_pb2.WorkflowExecutionGetRequest()
    message.id.CopyFrom(execution().id)
    return message
