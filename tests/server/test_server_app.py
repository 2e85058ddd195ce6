"""The gRPC server itself: what is there, what is not, and what it does with bad bytes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import grpc.aio
import pytest

from flyteasync import codec
from flyteasync.errors import (
    FlyteInvalidInputException,
    FlyteSystemUnavailableException,
    FlyteUsageError,
    Status,
)
from flyteasync.idl import admin, core, methods
from flyteasync.server import Fault, RelayConfig, Server, ServerConfig
from flyteasync.server.failures import MAX_MESSAGE_BYTES, invalid, shorten
from tests.server.build import execution, execution_id, identifier, task
from tests.server.client import Client, RpcFailed
from tests.server.conftest import Connect
from tests.support.backend import remote_of
from tests.support.loop import settle

IMPLEMENTED = {
    "GetExecutionMetrics",
    "CreateUploadLocation CreateDownloadLocation CreateDownloadLink GetData",
    "RelaunchExecution RecoverExecution GetDynamicNodeWorkflow ListNodeExecutionsForTask",
    "CreateWorkflowEvent CreateNodeEvent CreateTaskEvent",
    "GetOrCreateSignal ListSignals SetSignal",
    "ListNamedEntities GetNamedEntity UpdateNamedEntity GetDescriptionEntity ListDescriptionEntities",
    "UpdateProjectAttributes GetProjectAttributes DeleteProjectAttributes",
    "UpdateProjectDomainAttributes GetProjectDomainAttributes DeleteProjectDomainAttributes",
    "UpdateWorkflowAttributes GetWorkflowAttributes DeleteWorkflowAttributes ListMatchableAttributes",
    "RegisterProject UpdateProject GetProject ListProjects GetDomains GetVersion",
    "CreateTask GetTask ListTasks ListTaskIds",
    "CreateWorkflow GetWorkflow ListWorkflows ListWorkflowIds",
    "CreateLaunchPlan GetLaunchPlan ListLaunchPlans ListLaunchPlanIds",
    "GetActiveLaunchPlan ListActiveLaunchPlans UpdateLaunchPlan",
    "CreateExecution GetExecution ListExecutions GetExecutionData UpdateExecution TerminateExecution",
    "GetNodeExecution ListNodeExecutions GetNodeExecutionData",
    "GetTaskExecution ListTaskExecutions GetTaskExecutionData",
}
PLAIN = {Status.OK, Status.INVALID_ARGUMENT, Status.NOT_FOUND}
NAMES = {name for line in IMPLEMENTED for name in line.split()}
MISSING = [method for method in methods.METHODS.values() if method.name not in NAMES]


@pytest.mark.parametrize("method", MISSING, ids=lambda method: method.name)
async def test_a_method_that_is_not_there_is_unimplemented_and_says_so(
    connect: Connect, method: methods.Method[Any, Any]
) -> None:
    client = await connect()
    failure = await client.fails(method, method.request())
    assert failure.status == Status.UNIMPLEMENTED
    if "AuthMetadata" in method.path or "Identity" in method.path:
        assert failure.text == f"unknown service {method.path.split('/')[1]}"
    else:
        assert failure.text == f"the embedded server does not implement {method.name} yet"


async def status_of(client: Client, method: methods.Method[Any, Any]) -> Status:
    try:
        await client.call(method, method.request())
    except RpcFailed as error:
        return error.status
    return Status.OK


async def test_every_other_method_is_there(connect: Connect) -> None:
    client = await connect()
    there = [method for method in methods.METHODS.values() if method.name in NAMES]
    assert len(there) == len(NAMES)
    for method in there:
        # The real server cannot sign the URL of nothing either.
        expected = {Status.INTERNAL} if method is methods.CREATE_DOWNLOAD_LOCATION else PLAIN
        assert await status_of(client, method) in expected, method.name


async def test_the_documentation_lists_what_is_not_there() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "server.md").read_text()
    _, _, rest = page.partition("## Not there yet")
    section = rest.partition("\n## ")[0]
    for method in MISSING:
        assert f"`{method.name}`" in section, method.name
    for name in NAMES:
        assert f"`{name}`" not in section, name


async def test_an_unknown_path_is_unimplemented(connect: Connect) -> None:
    client = await connect()
    with pytest.raises(RpcFailed) as caught:
        await client.raw("/flyteidl.service.AdminService/Nope", b"")
    assert caught.value.status == Status.UNIMPLEMENTED


@pytest.mark.parametrize("payload", [b"\x0a\xff", b"\x07", b"\xff" * 20, b"\x0a\x05ab"])
async def test_bytes_that_are_no_request_are_an_internal_error(connect: Connect, payload: bytes) -> None:
    client = await connect()
    with pytest.raises(RpcFailed) as caught:
        await client.raw(methods.GET_EXECUTION.path, payload)
    assert caught.value.status in (Status.INTERNAL, Status.INVALID_ARGUMENT)
    await client.call(methods.GET_VERSION, admin.GetVersionRequest())


async def test_a_garbled_request_says_what_it_should_have_been(connect: Connect) -> None:
    client = await connect()
    with pytest.raises(RpcFailed) as caught:
        await client.raw(methods.GET_EXECUTION.path, b"\x0a\xff")
    assert caught.value.status == Status.INTERNAL
    assert caught.value.text.startswith("grpc: error unmarshalling request: ")


async def test_what_is_garbled_deep_inside_is_found_before_anything_is_done(connect: Connect) -> None:
    client = await connect()
    cut = b"\x0a\x7f"
    plan = identifier("nope", core.ResourceType.LAUNCH_PLAN)
    attributes = b"\x0a\x0bflytesnacks\x12" + bytes((len(cut),)) + cut
    for path, payload in [
        (methods.CREATE_EXECUTION.path, codec.encode(execution(plan)) + b"\x2a" + bytes((len(cut),)) + cut),
        (methods.UPDATE_PROJECT_ATTRIBUTES.path, b"\x0a" + bytes((len(attributes),)) + attributes),
    ]:
        with pytest.raises(RpcFailed) as caught:
            await client.raw(path, payload)
        assert caught.value.status == Status.INTERNAL
        assert caught.value.text.startswith("grpc: error unmarshalling request: ")


async def test_unknown_fields_and_enum_values_are_no_error(connect: Connect) -> None:
    client = await connect()
    request = codec.encode(admin.ObjectGetRequest(id=identifier("t", core.ResourceType(77)))) + b"\xfa\x3e\x01x"
    with pytest.raises(RpcFailed) as caught:
        await client.raw(methods.GET_TASK.path, request)
    assert caught.value.status == Status.INVALID_ARGUMENT
    assert caught.value.text.startswith("unexpected resource type 77 for identifier [resource_type:77 ")


async def test_a_request_that_is_too_long_is_resource_exhausted(connect: Connect) -> None:
    client = await connect(max_receive_bytes=2000)
    template = task("t")
    template.type = "x" * 3000
    request = admin.TaskCreateRequest(id=template.id, spec=admin.TaskSpec(template=template))
    failure = await client.fails(methods.CREATE_TASK, request)
    assert failure.status == Status.RESOURCE_EXHAUSTED
    assert "larger than max" in failure.text


async def test_a_reply_may_be_longer_than_a_request(connect: Connect) -> None:
    client = await connect(max_receive_bytes=60_000)
    for index in range(8):
        template = task(f"t{index}")
        template.type = "x" * 50_000
        request = admin.TaskCreateRequest(id=template.id, spec=admin.TaskSpec(template=template))
        await client.call(methods.CREATE_TASK, request)
    scope = admin.NamedEntityIdentifier(project="flytesnacks", domain="development")
    reply = await client.call(methods.LIST_TASKS, admin.ResourceListRequest(id=scope, limit=100))
    assert len(reply.tasks) == 8


async def test_a_long_error_text_is_cut_and_loses_its_details(connect: Connect) -> None:
    client = await connect(projects=("p",))
    name = "a" * 40_000
    request = admin.WorkflowExecutionGetRequest(id=core.WorkflowExecutionIdentifier("p", "d", name))
    failure = await client.fails(methods.GET_EXECUTION, request)
    assert failure.status == Status.NOT_FOUND
    assert len(failure.text) == MAX_MESSAGE_BYTES
    assert failure.details == []


def test_a_text_is_cut_at_a_whole_character() -> None:
    cut = shorten(invalid("€" * 20_000, admin.InactiveProject(id="p")))
    assert str(cut) == "€" * (MAX_MESSAGE_BYTES // 3)
    assert (cut.status, cut.details) == (Status.INVALID_ARGUMENT, ())
    short = invalid("short", admin.InactiveProject(id="p"))
    assert shorten(short) is short


async def test_texts_of_any_characters_arrive_as_they_are(connect: Connect) -> None:
    client = await connect()
    request = admin.WorkflowExecutionGetRequest(
        id=core.WorkflowExecutionIdentifier("p", "d", "100% ü\n\t€ \U0001f600 \x00")
    )
    failure = await client.fails(methods.GET_EXECUTION, request)
    assert failure.text.endswith('name:"100% ü\\n\\t€ \U0001f600 \\u0000"')


async def test_the_health_service_is_serving(connect: Connect) -> None:
    client = await connect()
    check = "/grpc.health.v1.Health/Check"
    assert await client.raw(check, b"") == b"\x08\x01"
    assert await client.raw(check, b"\x0a\x0aflyteadmin") == b"\x08\x01"
    with pytest.raises(RpcFailed) as caught:
        await client.raw(check, b"\x0a\x05other")
    assert (caught.value.status, caught.value.text) == (Status.NOT_FOUND, "unknown service")


async def test_a_server_is_a_context_manager_in_the_callers_loop() -> None:
    async with Server(ServerConfig(projects=("p",))) as server:
        host, _, port = server.endpoint.rpartition(":")
        assert host == "127.0.0.1"
        assert int(port) > 0
        client = Client(server.endpoint)
        assert (await client.call(methods.GET_PROJECT, admin.ProjectGetRequest(id="p"))).id == "p"
        await client.aclose()


async def test_a_port_is_listened_on_once(connect: Connect) -> None:
    client = await connect()
    port = int(client.endpoint.rpartition(":")[2])
    server = Server(ServerConfig(port=port))
    with pytest.raises(FlyteSystemUnavailableException, match=f"cannot listen on 127.0.0.1:{port}"):
        await server.start()
    await server.stop()


async def test_a_server_is_started_once_and_may_be_stopped_often() -> None:
    server = Server()
    await server.start()
    with pytest.raises(FlyteUsageError, match="started before"):
        await server.start()
    await server.stop()
    await server.stop()
    await Server().stop()


async def test_calls_in_flight_are_given_their_grace(connect: Connect) -> None:
    client = await connect(faults=(Fault(method="GetVersion", kind="delay", delay=0.1),))
    call = asyncio.ensure_future(client.call(methods.GET_VERSION, admin.GetVersionRequest()))
    await client.in_flight(1)
    assert client.server is not None
    await client.server.stop(grace=10)
    assert (await call).control_plane_version is not None


async def test_a_server_that_stops_leaves_none_of_its_calls_behind() -> None:
    before = asyncio.all_tasks()
    for _ in range(10):
        server = Server(ServerConfig(faults=(Fault(method="GetVersion", kind="hang"),)))
        client = Client(await server.start(), server)
        calls = [asyncio.create_task(client.fails(methods.GET_VERSION, admin.GetVersionRequest())) for _ in range(50)]
        await client.in_flight(len(calls))
        for call in calls:
            call.cancel()
        await client.aclose()
        await server.stop()
        assert not asyncio.all_tasks() - before - set(calls)
        await asyncio.wait(calls)


async def test_a_handler_must_be_callable() -> None:
    server = Server(handlers={"t": 5})  # type: ignore[dict-item]
    with pytest.raises(FlyteInvalidInputException, match="the handler of task 't' must be a function, got int"):
        await server.start()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"port": 70000}, "port must be from 0 to 65535, got 70000"),
        ({"unregistered": "run"}, "unregistered must be one of fail, hang, echo, external, got 'run'"),
        ({"max_threads": 0}, "max_threads must be at least 1, got 0"),
        ({"retry_backoff": -1}, "retry_backoff must be zero or more seconds, got -1"),
        ({"max_receive_bytes": -1}, "max_receive_bytes must be zero or more, got -1"),
        ({"max_workflow_nodes": -1}, "max_workflow_nodes must be zero or more, got -1"),
        ({"max_parallelism": -1}, "max_parallelism must be zero or more, got -1"),
        (
            {"resource_limits": {"CPU": "many"}},
            "resource_limits['CPU']: quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$', got 'many'",
        ),
        ({"phase_delay": -1}, "phase_delay must be zero or more seconds, got -1"),
        ({"abort_delay": float("nan")}, "abort_delay must be zero or more seconds, got nan"),
    ],
)
def test_settings_that_make_no_sense_are_rejected(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(FlyteInvalidInputException) as caught:
        ServerConfig(**settings)
    assert str(caught.value) == text


def test_settings_travel_as_json() -> None:
    config = ServerConfig(projects=("a",), faults=(Fault(method="M", calls={1}),), resource_limits={"CPU": None})
    again = ServerConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again.to_dict() == config.to_dict()
    assert ServerConfig.from_dict({}) == ServerConfig()
    with pytest.raises(FlyteInvalidInputException, match="unknown settings of a server: prot"):
        ServerConfig.from_dict({"prot": 1})


async def test_an_unknown_execution_is_found_by_grpcs_own_status_reader(connect: Connect) -> None:
    client = await connect()
    call = client.channel.unary_unary(methods.GET_EXECUTION.path)
    request = codec.encode(admin.WorkflowExecutionGetRequest(id=execution_id("nope")))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(request)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert dict(caught.value.trailing_metadata() or ()).get("grpc-status-details-bin") is None


async def test_a_restart_ends_calls_that_take_longer_than_its_grace(connect: Connect) -> None:
    client = await connect(faults=(Fault(method="GetVersion", kind="hang", times=1),))
    hanging = asyncio.ensure_future(client.call(methods.GET_VERSION, admin.GetVersionRequest()))
    await client.in_flight(1)
    assert client.server is not None
    await client.server.restart(grace=0.05)
    with pytest.raises(RpcFailed):
        await hanging
    await client.call(methods.GET_VERSION, admin.GetVersionRequest())


async def test_a_server_that_is_stopped_while_it_restarts_does_not_come_back(connect: Connect) -> None:
    client = await connect()
    server = client.server
    assert server is not None
    restart = asyncio.ensure_future(server.restart(downtime=3600))
    again = asyncio.ensure_future(server.restart())
    await settle()
    await server.stop()
    async with asyncio.timeout(10):
        await asyncio.gather(restart, again)
    other = Server(ServerConfig(port=int(server.endpoint.rpartition(":")[2])))
    await other.start()
    await other.stop()


async def test_a_server_that_was_not_started_cannot_be_restarted() -> None:
    with pytest.raises(FlyteUsageError, match="not started"):
        await Server().restart()


async def test_a_relay_needs_the_port_that_clients_know(connect: Connect) -> None:
    client = await connect()
    port = int(client.endpoint.rpartition(":")[2])
    server = Server(ServerConfig(port=port, relay=RelayConfig()))
    with pytest.raises(FlyteSystemUnavailableException, match=f"cannot listen on 127.0.0.1:{port}: Address already"):
        await server.start()


@pytest.mark.parametrize(
    ("method", "payload", "text"),
    [
        ("SetRelay", {"mode": "off"}, "mode of a relay must be one of open, stall, refuse, down, got 'off'"),
        ("SetRelay", {"kill_every": "x"}, "kill_every of a relay must be a number of seconds"),
        ("SetRelay", {"kill": 1}, "SetRelay takes mode and kill_every; unknown kill"),
        ("SetRelay", 5, "SetRelay takes an object"),
        ("PlanOutages", {"seconds": 1}, "PlanOutages takes a list of objects"),
        ("PlanOutages", [{"after": 1}], "an outage has seconds, and perhaps after and mode; got {'after': 1}"),
        ("KillConnections", {"most": -1}, "most must be a number of connections, or null for all, got -1"),
        ("Restart", {"downtime": -1}, "downtime must be zero or more seconds, got -1"),
        ("Restart", {"now": True}, "Restart takes grace and downtime; unknown now"),
        ("GetStats", [], "GetStats takes an object"),
    ],
)
async def test_what_makes_no_sense_to_the_control_api_is_rejected(
    connect: Connect, method: str, payload: object, text: str
) -> None:
    client = await connect(relay=RelayConfig())
    with pytest.raises(RpcFailed) as caught:
        await client.control(method, payload)
    assert caught.value.status == Status.INVALID_ARGUMENT
    assert caught.value.text.startswith(text)


@pytest.mark.parametrize(("method", "payload"), [("SetRelay", {}), ("PlanOutages", []), ("KillConnections", None)])
async def test_what_needs_a_relay_says_so(connect: Connect, method: str, payload: object) -> None:
    client = await connect()
    with pytest.raises(RpcFailed) as caught:
        await client.control(method, payload)
    assert caught.value.status == Status.FAILED_PRECONDITION
    assert caught.value.text.startswith("this server has no relay")


async def test_connections_that_calls_came_over_are_counted(connect: Connect) -> None:
    client = await connect()
    for transport in ("grpc_aio", "grpclib"):
        async with remote_of(client.endpoint, transport=transport) as remote:
            await remote.ping()
            await remote.ping()
    assert (await client.control("GetStats", {"reset": True}))["connections"] == 2
    assert (await client.control("GetStats"))["connections"] == 0


@pytest.mark.parametrize("relay", [None, RelayConfig()], ids=["directly", "through a relay"])
async def test_a_server_listens_on_version_6_of_the_protocol_too(connect: Connect, relay: RelayConfig | None) -> None:
    client = await connect(host="[::1]", relay=relay)
    assert client.endpoint.startswith("[::1]:")
    async with remote_of(client.endpoint) as remote:
        assert (await remote.ping()).version
