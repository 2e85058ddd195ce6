"""What a caller sees of a call that failed."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest

from flyteasync import CallOptions, Config, FlyteRemote, codec, errors
from flyteasync.errors import FlyteError, Status
from flyteasync.idl import admin, core, methods
from flyteasync.interop import pb2_of
from flyteasync.rpc.status import identify
from flyteasync.server import Fault
from flyteasync.transport import TransportName
from tests.codec.fill import fill
from tests.server.build import execution_id
from tests.support.backend import Backend, remote_of
from tests.support.loop import eventually
from tests.support.wire import Wire, always, refuse

CLASSES = {
    Status.CANCELLED: errors.FlyteSystemException,
    Status.UNKNOWN: errors.FlyteSystemException,
    Status.INVALID_ARGUMENT: errors.FlyteInvalidInputException,
    Status.DEADLINE_EXCEEDED: errors.FlyteDeadlineExceeded,
    Status.NOT_FOUND: errors.FlyteEntityNotExistException,
    Status.ALREADY_EXISTS: errors.FlyteEntityAlreadyExistsException,
    Status.PERMISSION_DENIED: errors.FlytePermissionDenied,
    Status.RESOURCE_EXHAUSTED: errors.FlyteResourceExhausted,
    Status.FAILED_PRECONDITION: errors.FlytePreconditionFailed,
    Status.ABORTED: errors.FlyteSystemException,
    Status.OUT_OF_RANGE: errors.FlyteSystemException,
    Status.UNIMPLEMENTED: errors.FlyteNotImplementedException,
    Status.INTERNAL: errors.FlyteSystemException,
    Status.UNAVAILABLE: errors.FlyteSystemUnavailableException,
    Status.DATA_LOSS: errors.FlyteSystemException,
    Status.UNAUTHENTICATED: errors.FlyteAuthenticationException,
}

RETRYABLE = {Status.CANCELLED, Status.UNKNOWN, Status.DEADLINE_EXCEEDED, Status.INTERNAL, Status.UNAVAILABLE}


def test_every_status_but_ok_is_in_the_table() -> None:
    assert set(CLASSES) == set(Status) - {Status.OK}


@pytest.mark.parametrize("status", CLASSES, ids=lambda status: status.name)
async def test_every_status_becomes_an_error_of_its_class(bare: Backend, status: Status) -> None:
    bare.misbehave(Fault(method="CreateExecution", status=status, details="the server's words"))
    with pytest.raises(CLASSES[status]) as caught:
        await bare.remote.admin.create_execution(
            admin.ExecutionCreateRequest(project="p", domain="d", name="run-1", spec=admin.ExecutionSpec())
        )
    error = caught.value
    assert type(error) is CLASSES[status]
    assert error.status is status
    assert error.retryable is (status in RETRYABLE)
    assert error.method == "AdminService/CreateExecution"
    assert error.identifier == "p/d/run-1"
    for word in (
        "the server's words",
        "AdminService/CreateExecution",
        "p/d/run-1",
        bare.server.endpoint,
        status.name,
    ):
        assert word in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__, "no exception of the transport is shown"


NODE = core.NodeExecutionIdentifier(execution_id=execution_id("run"), node_id="n0")
TASK = core.Identifier(project="p", domain="d", name="t", version="v")


@pytest.mark.parametrize(
    ("method", "request_", "identifier"),
    [
        ("get_execution", admin.WorkflowExecutionGetRequest(id=execution_id("run")), "flytesnacks/development/run"),
        ("get_task", admin.ObjectGetRequest(id=TASK), "p/d/t/v"),
        ("list_tasks", admin.ResourceListRequest(id=admin.NamedEntityIdentifier(project="p", domain="d")), "p/d"),
        ("get_node_execution", admin.NodeExecutionGetRequest(id=NODE), "flytesnacks/development/run/n0"),
        (
            "list_node_executions",
            admin.NodeExecutionListRequest(workflow_execution_id=execution_id("run")),
            "flytesnacks/development/run",
        ),
        (
            "list_task_executions",
            admin.TaskExecutionListRequest(node_execution_id=NODE),
            "flytesnacks/development/run/n0",
        ),
        (
            "get_task_execution",
            admin.TaskExecutionGetRequest(
                id=core.TaskExecutionIdentifier(task_id=TASK, node_execution_id=NODE, retry_attempt=2)
            ),
            "flytesnacks/development/run/n0/2",
        ),
        ("get_version", admin.GetVersionRequest(), None),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_errors_name_what_the_call_was_about(
    bare: Backend, method: str, request_: object, identifier: str | None
) -> None:
    bare.misbehave(Fault(method="*", status=Status.NOT_FOUND))
    with pytest.raises(errors.FlyteEntityNotExistException) as caught:
        await getattr(bare.remote.admin, method)(request_)
    assert caught.value.identifier == identifier
    assert (identifier or bare.server.endpoint) in str(caught.value)


@pytest.mark.parametrize("path", methods.METHODS)
def test_whatever_a_request_holds_it_can_be_told_what_it_is_about(path: str) -> None:
    kind = methods.METHODS[path].request
    chance = random.Random(path)
    for share in (0.0, 0.3, 0.7, 1.0, 1.0):
        filled = fill(pb2_of(kind()), chance, share)
        target = identify(codec.decode(kind, filled.SerializeToString()))
        assert target is None or (isinstance(target, str) and target)


async def test_a_project_that_is_there_already_is_named(bare: Backend) -> None:
    request = admin.ProjectRegisterRequest(project=admin.Project(id="twice", name="Twice"))
    await bare.remote.admin.register_project(request)
    with pytest.raises(errors.FlyteEntityAlreadyExistsException, match="of twice at") as caught:
        await bare.remote.admin.register_project(request)
    assert caught.value.identifier == "twice"


async def test_details_that_the_server_attached_are_decoded(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    execution = await backend.remote.execute(plan, execution_name="done", wait=True)
    with pytest.raises(errors.FlytePreconditionFailed) as caught:
        await backend.remote.admin.terminate_execution(admin.ExecutionTerminateRequest(id=execution.id, cause="x"))
    (detail,) = caught.value.details
    assert isinstance(detail, admin.EventFailureReason)
    assert detail.already_in_terminal_state is not None
    assert detail.already_in_terminal_state.current_phase == "SUCCEEDED"


async def test_a_reply_that_is_no_message_is_an_error_that_names_the_method() -> None:
    async with Wire(always(b"\xff" * 11)) as wire, remote_of(wire.endpoint) as remote:
        with pytest.raises(errors.FlyteDecodeError) as caught:
            await remote.execution("run-1").sync()
    assert caught.value.method == "AdminService/GetExecution"
    for word in ("AdminService/GetExecution", "flytesnacks/development/run-1", wire.endpoint):
        assert word in str(caught.value)
    assert caught.value.retryable is False


async def test_an_endpoint_where_nobody_listens_is_named_and_does_not_take_longer_than_the_deadline() -> None:
    async with Wire(always(b"")) as wire:
        endpoint = wire.endpoint
    async with remote_of(endpoint) as remote:
        view = remote.with_options(timeout=0.3)
        with pytest.raises(errors.FlyteSystemUnavailableException, match=endpoint) as caught:
            await view.fetch_execution(name="run-1")
    assert caught.value.status is Status.UNAVAILABLE
    assert caught.value.retryable
    assert caught.value.http_status == 503


async def test_a_remote_that_is_closed_under_a_call_says_so(bare: Backend) -> None:
    bare.misbehave(Fault(method="GetExecution", kind="hang"))
    task = asyncio.ensure_future(bare.remote.fetch_execution(name="run-1"))
    await eventually(lambda: bare.server.stats.in_flight)
    await bare.remote.aclose(grace=0)
    with pytest.raises(errors.FlyteRemoteClosed, match="GetExecution") as caught:
        await task
    assert isinstance(caught.value, FlyteError)
    assert caught.value.http_status == 503


@pytest.mark.parametrize("transport", ["grpc_aio", "grpclib"])
async def test_tls_to_a_server_that_speaks_plain_text_says_so(backend: Backend, transport: TransportName) -> None:
    config = Config.for_endpoint(backend.server.endpoint)
    async with FlyteRemote(config, transport=transport, options=CallOptions(timeout=0.3)) as remote:
        with pytest.raises(errors.FlyteSystemUnavailableException, match="speak plain text: insecure=True"):
            await remote.ping()


@pytest.mark.parametrize("transport", ["grpc_aio", "grpclib"])
async def test_a_server_that_was_never_reached_is_told_of_once(
    caplog: pytest.LogCaptureFixture, transport: TransportName
) -> None:
    async with Wire(always(b"")) as gone:
        endpoint = gone.endpoint
    async with remote_of(endpoint, transport=transport) as remote:
        for _ in range(2):
            with pytest.raises(errors.FlyteSystemUnavailableException):
                await remote.with_options(timeout=0.3).ping()
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.name == "flyteasync.rpc"
    assert f"no connection to {endpoint} yet" in record.getMessage()


async def test_a_server_that_was_reached_before_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async with Wire(refuse(Status.NOT_FOUND)) as wire:
        remote = remote_of(wire.endpoint)
        with pytest.raises(errors.FlyteEntityNotExistException):
            await remote.fetch_task(name="none", version="1")
    async with remote:
        with pytest.raises(errors.FlyteSystemUnavailableException):
            await remote.with_options(timeout=0.3).fetch_task(name="none", version="1")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
