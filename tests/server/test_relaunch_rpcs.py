"""RelaunchExecution and RecoverExecution."""

from __future__ import annotations

import pytest

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from tests.server.build import PROJECT, execution_id, node, promise, task, values, workflow
from tests.server.client import Client
from tests.server.conftest import Connect

Mode = admin.ExecutionMetadataExecutionMode
E1 = execution_id("e1")


async def with_execution(connect: Connect, **spec: object) -> Client:
    """A server with the finished execution `e1`, which doubled 3."""
    client: Client = await connect({"t": lambda x: 2 * x})
    plan = await client.register(
        workflow("wf", [node("n0", "t", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("n0.o0"))}),
        [task("t", {"x": int}, {"o0": int})],
    )
    await client.launch(plan, "e1", {"x": 3}, **spec)
    await client.finish(E1)
    return client


def relaunch(name: str = "e2", **fields: object) -> admin.ExecutionRelaunchRequest:
    return admin.ExecutionRelaunchRequest(id=E1, name=name, **fields)  # type: ignore[arg-type]


async def test_a_relaunch_runs_the_same_with_the_same_inputs_under_a_new_name(connect: Connect) -> None:
    client = await with_execution(connect)
    reply = await client.call(methods.RELAUNCH_EXECUTION, relaunch())
    assert reply.id == execution_id("e2")
    execution = await client.finish(reply.id)
    assert await client.outputs(reply.id) == {"o0": 6}
    assert (execution.spec.metadata.mode, execution.spec.metadata.reference_execution) == (Mode.RELAUNCH, E1)
    source = await client.get(E1)
    assert (source.spec.metadata.mode, source.spec.metadata.reference_execution) == (Mode.MANUAL, None)
    assert execution.spec.launch_plan == source.spec.launch_plan


async def test_a_relaunch_without_a_name_gets_one(connect: Connect) -> None:
    client = await with_execution(connect)
    reply = await client.call(methods.RELAUNCH_EXECUTION, relaunch(""))
    assert len(reply.id.name) == 20
    await client.finish(reply.id)


async def test_the_cache_is_overwritten_only_if_the_relaunch_says_so(connect: Connect) -> None:
    client = await with_execution(connect, overwrite_cache=True)
    assert (await client.get(E1)).spec.overwrite_cache
    for name, wanted in [("e2", False), ("e3", True)]:
        reply = await client.call(methods.RELAUNCH_EXECUTION, relaunch(name, overwrite_cache=wanted))
        assert (await client.finish(reply.id)).spec.overwrite_cache is wanted


async def test_a_recovery_keeps_the_cache_setting_and_says_what_it_recovers(connect: Connect) -> None:
    client = await with_execution(connect, overwrite_cache=True)
    request = admin.ExecutionRecoverRequest(id=E1, name="e2")
    execution = await client.finish((await client.call(methods.RECOVER_EXECUTION, request)).id)
    assert execution.spec.overwrite_cache
    assert (execution.spec.metadata.mode, execution.spec.metadata.reference_execution) == (Mode.RECOVERED, E1)
    assert await client.outputs(execution.id) == {"o0": 6}


async def test_of_a_recoverys_metadata_only_the_parent_counts(connect: Connect) -> None:
    client = await with_execution(connect)
    parent = core.NodeExecutionIdentifier(node_id="n0", execution_id=E1)
    metadata = admin.ExecutionMetadata(mode=Mode.SCHEDULED, nesting=7, principal="x", parent_node_execution=parent)
    request = admin.ExecutionRecoverRequest(id=E1, name="e2", metadata=metadata)
    execution = await client.finish((await client.call(methods.RECOVER_EXECUTION, request)).id)
    stored = execution.spec.metadata
    assert (stored.mode, stored.nesting, stored.principal) == (Mode.RECOVERED, 1, "")
    assert stored.parent_node_execution == parent
    # The relaunch of a child is a child again.
    again = admin.ExecutionRelaunchRequest(id=execution.id, name="e3")
    child = await client.finish((await client.call(methods.RELAUNCH_EXECUTION, again)).id)
    assert child.spec.metadata.parent_node_execution == parent


async def test_the_source_is_a_column_that_can_be_filtered_on(connect: Connect) -> None:
    client = await with_execution(connect)
    await client.finish((await client.call(methods.RELAUNCH_EXECUTION, relaunch())).id)
    scope = admin.NamedEntityIdentifier(project=PROJECT, domain="development")
    request = admin.ResourceListRequest(id=scope, limit=10, filters="gt(source_execution_id,0)")
    reply = await client.call(methods.LIST_EXECUTIONS, request)
    assert [item.id.name for item in reply.executions] == ["e2"]


async def test_a_task_launched_by_itself_can_be_relaunched(connect: Connect) -> None:
    client: Client = await connect({"t": lambda x: 2 * x})
    template = task("t", {"x": int}, {"o0": int})
    await client.call(
        methods.CREATE_TASK, admin.TaskCreateRequest(id=template.id, spec=admin.TaskSpec(template=template))
    )
    assert template.id is not None
    await client.finish(await client.launch(template.id, "e1", {"x": 4}))
    execution = await client.finish((await client.call(methods.RELAUNCH_EXECUTION, relaunch())).id)
    assert await client.outputs(execution.id) == {"o0": 8}
    request = admin.WorkflowExecutionGetDataRequest(id=execution.id)
    assert values((await client.call(methods.GET_EXECUTION_DATA, request)).full_inputs) == {"x": 4}


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        (methods.RELAUNCH_EXECUTION, admin.ExecutionRelaunchRequest),
        (methods.RECOVER_EXECUTION, admin.ExecutionRecoverRequest),
    ],
    ids=["relaunch", "recover"],
)
async def test_what_cannot_be_launched_again_says_why(
    connect: Connect, method: methods.Method, kind: type[admin.ExecutionRelaunchRequest]
) -> None:
    client = await with_execution(connect)
    unknown = execution_id("nope")
    for request, status, text in [
        (kind(), Status.INVALID_ARGUMENT, "missing id"),
        (
            kind(id=core.WorkflowExecutionIdentifier(project="p", domain="d")),
            Status.INVALID_ARGUMENT,
            "missing name",
        ),
        (
            kind(id=unknown),
            Status.NOT_FOUND,
            'missing entity of type execution with identifier project:"flytesnacks" domain:"development" name:"nope"',
        ),
        (kind(id=E1, name="x_y"), Status.INVALID_ARGUMENT, "invalid name format: x_y"),
        (
            kind(id=E1, name="e1"),
            Status.ALREADY_EXISTS,
            "value with matching executions_pkey already exists (duplicate key value violates unique constraint "
            '"executions_pkey")',
        ),
    ]:
        failure = await client.fails(method, request)
        assert (failure.status, failure.text, failure.details) == (status, text, [])


async def test_inputs_that_are_gone_are_an_internal_error(connect: Connect) -> None:
    client = await with_execution(connect)
    assert client.server is not None
    client.server.store.data.clear()
    failure = await client.fails(methods.RELAUNCH_EXECUTION, relaunch())
    assert failure.status == Status.INTERNAL
    assert failure.text.startswith("failed to read the inputs at mem://")
