"""Real flytekit's FlyteRemote, unmodified, drives the embedded server."""

import asyncio
import hashlib
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import flyteasync
from flyteasync.cli.demo_workflow import NAME, VERSION, register
from flyteasync.server import ServerConfig
from flyteasync.server.host import serve_in_process, serve_in_thread
from tests.support.backend import DOMAIN, PROJECT

pytest.importorskip("flytekit.remote")
# flytekit warns about its own dependencies, at any time.
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from flytekit.configuration import Config
    from flytekit.exceptions.user import FlyteEntityNotExistException
    from flytekit.models.core.execution import NodeExecutionPhase, TaskExecutionPhase, WorkflowExecutionPhase
    from flytekit.remote import FlyteRemote

INPUTS = {"n": 5, "name": "flytekit"}
OUTPUTS = {"text": "hello flytekit: 5 squares", "total": 30, "roots": [0, 1, 4, 9, 16]}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server that takes a moment for each task, with the demo's workflow, registered by our own client."""
    settings = ServerConfig(phase_delay=0.3)
    with serve_in_process(settings, "flyteasync.cli.demo_workflow:HANDLERS") as host:
        asyncio.run(register_demo(host.endpoint))
        yield host.endpoint


async def register_demo(endpoint: str) -> None:
    async with our_remote(endpoint) as remote:
        await register(remote.admin, PROJECT, DOMAIN)


def our_remote(endpoint: str) -> flyteasync.FlyteRemote:
    return flyteasync.FlyteRemote(flyteasync.Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN)


def their_remote(endpoint: str) -> FlyteRemote:
    return FlyteRemote(Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN)


@pytest.fixture
def remote(endpoint: str) -> FlyteRemote:
    return their_remote(endpoint)


def test_flytekit_fetches_executes_waits_and_reads_the_outputs(remote: FlyteRemote) -> None:
    workflow = remote.fetch_workflow(name=NAME, version=VERSION)
    assert [node.id for node in workflow.flyte_nodes] == ["n0", "n1", "n2"]
    execution = remote.execute(workflow, inputs=INPUTS)
    assert not execution.is_done
    execution = remote.wait(execution, timeout=30, poll_interval=1)
    assert execution.is_successful
    assert execution.error is None
    types = {"text": str, "total": int, "roots": list[int]}
    assert {name: execution.outputs.get(name, kind) for name, kind in types.items()} == OUTPUTS
    assert execution.inputs.get("n", int) == 5


def test_flytekit_syncs_the_nodes_and_their_tasks(remote: FlyteRemote) -> None:
    execution = remote.execute(remote.fetch_workflow(name=NAME), inputs=INPUTS)
    execution = remote.wait(execution, timeout=30, poll_interval=1, sync_nodes=True)
    nodes = execution.node_executions
    assert set(nodes) == {"start-node", "n0", "n1", "n2", "end-node"}
    assert all(node.closure.phase == NodeExecutionPhase.SUCCEEDED for node in nodes.values())
    report = nodes["n2"]
    assert report.inputs.get("squares", list[int]) == OUTPUTS["roots"]
    assert report.inputs.get("greeting", str) == "hello flytekit"
    assert report.outputs.get("o1", int) == 30
    assert report.closure.started_at <= report.closure.updated_at
    (task,) = report.task_executions
    assert task.closure.phase == TaskExecutionPhase.SUCCEEDED
    assert task.id.task_id.name == "demo.report_lines"
    assert task.outputs.get("o0", str) == OUTPUTS["text"]


def test_flytekit_executes_a_launch_plan_under_a_given_name(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name=NAME)
    first = remote.execute(plan, inputs=INPUTS, execution_name="named-by-flytekit")
    assert remote.wait(first, timeout=30, poll_interval=1).outputs["total"] == 30
    again = remote.execute(plan, inputs=INPUTS, execution_name="named-by-flytekit")
    assert again.id == first.id


def test_flytekit_executes_a_single_task(remote: FlyteRemote) -> None:
    task = remote.fetch_task(name="demo.squares")
    execution = remote.wait(remote.execute(task, inputs={"n": 3}), timeout=30, poll_interval=1)
    assert execution.outputs.get("o0", list[int]) == [0, 1, 4]


def test_flytekit_terminates_an_execution(remote: FlyteRemote) -> None:
    execution = remote.execute(remote.fetch_launch_plan(name=NAME), inputs=INPUTS)
    remote.terminate(execution, "not wanted")
    execution = remote.wait(execution, timeout=30, poll_interval=1)
    assert execution.closure.phase == WorkflowExecutionPhase.ABORTED
    assert execution.closure.abort_metadata.cause == "not wanted"


def test_flytekit_lists_executions_newest_first(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name=NAME)
    launched = [remote.execute(plan, inputs=INPUTS).id.name for _ in range(3)]
    listed = [execution.id.name for execution in remote.recent_executions(limit=3)]
    assert listed == launched[::-1]


def test_flytekit_is_told_of_what_does_not_exist(remote: FlyteRemote) -> None:
    with pytest.raises(FlyteEntityNotExistException):
        remote.fetch_execution(name="nosuch")
    with pytest.raises(FlyteEntityNotExistException):
        remote.fetch_workflow(name=NAME, version="nosuch")


def failing(n: int) -> list[int]:
    raise ValueError(f"no squares below {n}")


def test_flytekit_reads_the_error_of_a_failed_execution() -> None:
    with serve_in_thread(handlers={"demo.squares": failing, "demo.greet": str}) as host:
        asyncio.run(register_demo(host.endpoint))
        remote = their_remote(host.endpoint)
        execution = remote.execute(remote.fetch_workflow(name=NAME), inputs=INPUTS)
        execution = remote.wait(execution, timeout=30, poll_interval=1)
        assert execution.closure.phase == WorkflowExecutionPhase.FAILED
        assert "no squares below 5" in execution.error.message
        assert execution.node_executions["n0"].closure.phase == NodeExecutionPhase.FAILED


def test_our_client_reads_what_flytekit_launched(remote: FlyteRemote, endpoint: str) -> None:
    name = remote.execute(remote.fetch_workflow(name=NAME), inputs=INPUTS).id.name

    async def read() -> dict[str, object]:
        async with our_remote(endpoint) as ours:
            return dict((await ours.execution(name).wait(30)).outputs)

    assert asyncio.run(read()) == OUTPUTS


def test_flytekit_uploads_a_file_and_downloads_it(remote: FlyteRemote, tmp_path: Path) -> None:
    source = tmp_path / "some data.txt"
    source.write_bytes(b"data" * 5000)
    digest, url = remote.upload_file(source)
    assert digest == hashlib.md5(source.read_bytes()).digest()
    location = remote.client.get_download_signed_url(native_url=url)
    with urllib.request.urlopen(location.signed_url) as reply:
        assert reply.read() == source.read_bytes()


def test_flytekit_resolves_tiny_urls(remote: FlyteRemote) -> None:
    execution = remote.execute(remote.fetch_workflow(name=NAME), inputs=INPUTS)
    execution = remote.wait(execution, timeout=30, poll_interval=1)
    outputs = remote.get(f"flyte://v1/{PROJECT}/{DOMAIN}/{execution.id.name}/n2/o")
    assert outputs.get("o1", int) == 30
    assert remote.get(f"flyte://v1/{PROJECT}/{DOMAIN}/{execution.id.name}/n2/0/o/o1").scalar.primitive.integer == 30


def test_flytekit_explains_what_an_execution_spent_its_time_on(
    remote: FlyteRemote, capsys: pytest.CaptureFixture[str]
) -> None:
    execution = remote.execute(remote.fetch_workflow(name=NAME), inputs=INPUTS)
    execution = remote.wait(execution, timeout=30, poll_interval=1)
    remote.get_execution_metrics(execution.id, depth=3).explain()
    printed = capsys.readouterr().out
    for name in ("WORKFLOW_SETUP", "NODE_TRANSITION", "TASK_RUNTIME", "n0", "n1", "n2"):
        assert name in printed


def test_flytekit_relaunches_and_recovers(remote: FlyteRemote) -> None:
    execution = remote.execute(remote.fetch_workflow(name=NAME), inputs=INPUTS)
    execution = remote.wait(execution, timeout=30, poll_interval=1)
    for again in (remote.client.relaunch_execution, remote.client.recover_execution):
        copy = remote.fetch_execution(name=again(execution.id).name)
        assert remote.wait(copy, timeout=30, poll_interval=1).outputs["total"] == 30
