"""The web service of the examples, in a process of its own, over real HTTP."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from flyteasync import FlyteFile
from flyteasync.errors import Status
from flyteasync.server import Fault
from flyteasync.server.host import serve_in_process
from flyteasync.testing import Environment
from tests.support.backend import Backend
from tests.support.command import LIMIT, environment, started
from tests.support.loop import eventually

APP = Path(__file__).parents[2] / "examples" / "fastapi_service" / "app.py"

PROMPT = 5.0
"""Seconds within which the service ends; its own bound for requests that do not wait is 20."""


@contextmanager
def serving(flyte: str, launch_plan: str = "demo.report") -> Generator[tuple[subprocess.Popen[str], str]]:
    """The service as a process that fails on any warning, and its URL."""
    env = {"FLYTE_PLATFORM_URL": flyte, "FLYTE_PLATFORM_INSECURE": "true", "LAUNCH_PLAN": launch_plan, "PORT": "0"}
    with started(sys.executable, "-W", "error", str(APP), env=env) as process:
        assert process.stderr is not None
        said = ""
        while not (running := re.search(r"running on (http://[\w.:]+)", said)):
            line = process.stderr.readline()
            assert line, f"the service ended: {said}"
            said += line
        yield process, running[1]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A service with a Flyte that runs the demo's workflow."""
    with serve_in_process(handlers="flyteasync.cli.demo_workflow:HANDLERS") as flyte:
        register(flyte.endpoint)
        with serving(flyte.endpoint) as (_, url):
            yield url


def register(flyte: str) -> None:
    """Run the example's registration as its README says."""
    env = {"FLYTE_PLATFORM_URL": flyte, "FLYTE_PLATFORM_INSECURE": "true"}
    subprocess.run([sys.executable, APP.with_name("register.py")], env=environment(env), check=True, timeout=LIMIT)


@pytest.fixture
def client(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as client:
        yield client


def test_a_launched_execution_can_be_waited_for_and_polled(client: httpx2.Client) -> None:
    launched = client.post("/executions", json={"n": 4, "name": "you"})
    assert launched.status_code == 202
    assert launched.json()["done"] is False
    where = launched.headers["location"]
    assert where == f"/executions/{launched.json()['name']}"
    waited = client.get(f"{where}/wait")
    assert waited.status_code == 200
    assert waited.json() == {
        "name": launched.json()["name"],
        "phase": "SUCCEEDED",
        "done": True,
        "outputs": {"text": "hello you: 4 squares", "total": 14, "roots": [0, 1, 4, 9]},
        "error": None,
    }
    polled = client.get(where)
    assert (polled.status_code, polled.json()) == (200, waited.json())


def test_a_named_launch_can_be_repeated(client: httpx2.Client) -> None:
    answers = [client.post("/executions", params={"name": "again"}, json={"n": 3, "name": "x"}) for _ in range(2)]
    assert [(answer.status_code, answer.json()["name"]) for answer in answers] == [(202, "again")] * 2
    other = client.post("/executions", params={"name": "again"}, json={"n": 5, "name": "x"})
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "USER:EntityAlreadyExists"
    assert "the input n" in other.json()["error"]["message"]


@pytest.mark.parametrize(
    ("name", "inputs", "status", "code", "message"),
    [
        ("ok", {"n": 5}, 422, "USER:InvalidFields", "name: is required"),
        ("NOT-ok", {"n": 5, "name": "x"}, 400, "USER:InvalidInput", "'NOT-ok' is not valid"),
        ("ok", {"n": "5", "name": "x"}, 422, "USER:InvalidFields", "n: expected int, got str"),
        (
            "ok",
            {"n": "5", "name": 7},
            422,
            "USER:InvalidFields",
            "got string; name: expected str, got number",
        ),
        ("ok", {"n": 5, "name": "x", "extra": 1}, 422, "USER:InvalidFields", "extra: there is no input of that name"),
    ],
)
def test_a_launch_that_cannot_be_is_refused_with_the_reason(
    client: httpx2.Client, name: str, inputs: dict[str, object], status: int, code: str, message: str
) -> None:
    answer = client.post("/executions", params={"name": name}, json=inputs)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/executions/nosuch", "/executions/nosuch/wait?timeout=5"])
def test_an_execution_that_does_not_exist_is_not_found(client: httpx2.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "USER:EntityNotExist"


@pytest.mark.parametrize("timeout", ["-1", "61", "nan", "soon"])
def test_a_wait_that_cannot_be_is_refused(client: httpx2.Client, timeout: str) -> None:
    assert client.get("/executions/any/wait", params={"timeout": timeout}).status_code == 422


def test_an_answer_carries_the_id_of_its_request(client: httpx2.Client) -> None:
    sent = {"x-request-id": "from-outside"}
    assert client.get("/readyz", headers=sent).headers["x-request-id"] == "from-outside"
    assert client.get("/executions/nosuch", headers=sent).headers["x-request-id"] == "from-outside"
    made = [client.get("/readyz").headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]


def test_an_id_that_cannot_be_passed_on_is_refused(client: httpx2.Client) -> None:
    assert client.get("/readyz", headers={"x-request-id": "two words"}).status_code == 422


def test_a_ready_service_says_so(client: httpx2.Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["flyte"]


def test_without_flyte_the_service_lives_and_is_not_ready() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        endpoint = f"127.0.0.1:{closed.getsockname()[1]}"
        with serving(endpoint) as (_, url), httpx2.Client(base_url=url, timeout=30) as client:
            assert client.get("/healthz").status_code == 200
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "SYSTEM:Unavailable"
            assert answer.headers["retry-after"] == "1"
            assert client.get("/executions/any").status_code == 503


async def test_values_that_json_does_not_have_go_in_and_out() -> None:
    async with await Environment.start({"keep": lambda when, file: (when, file)}, where="thread") as flyte:
        kinds = {"when": datetime, "file": FlyteFile}
        await flyte.register("keep", kinds, {"o0": datetime, "o1": FlyteFile})
        with serving(flyte.endpoint, "keep") as (_, url):
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                inputs = {"when": "2024-05-06T07:08:09Z", "file": "s3://bucket/one.csv"}
                launched = await client.post("/executions", json=inputs)
                assert launched.status_code == 202, launched.text
                state = (await client.get(f"{launched.headers['location']}/wait")).json()
                refused = await client.post("/executions", json={"when": "soon"})
    assert datetime.fromisoformat(state["outputs"]["o0"]) == datetime.fromisoformat(inputs["when"])
    assert "s3://bucket/one.csv" in json.dumps(state["outputs"]["o1"])
    assert refused.status_code == 422
    assert {"when", "file"} <= set(re.findall(r"(\w+):", refused.json()["error"]["message"]))


async def test_a_launch_that_fails_tells_the_name_under_which_it_may_be_repeated() -> None:
    async with Backend() as backend:
        with serving(backend.server.endpoint, "nothing") as (_, url):
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                backend.misbehave(
                    Fault(method="CreateExecution", kind="lost_reply"),
                    # The look before the launch is answered, and the one after it is not.
                    Fault(method="GetExecution", status=Status.PERMISSION_DENIED, calls=range(2, 3)),
                )
                failed = await client.post("/executions", json={})
                assert failed.status_code == 503
                assert "retry-after" not in failed.headers
                backend.misbehave()
                name = failed.json()["name"]
                answer = await client.post("/executions", params={"name": name}, json={})
        assert (answer.status_code, answer.json()["name"]) == (202, name)
        assert [item.id.name for item in await backend.executions() if item.id] == [name]


async def test_registering_twice_is_no_error() -> None:
    async with Backend() as backend:
        for _ in range(2):
            await asyncio.to_thread(register, backend.server.endpoint)


async def test_the_error_of_a_failed_execution_is_told() -> None:
    async with Backend() as backend:
        with serving(backend.server.endpoint, "fail") as (_, url):
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                where = (await client.post("/executions", json={"text": "out of cheese"})).headers["location"]
                state = (await client.get(f"{where}/wait")).json()
    assert (state["phase"], state["done"], state["outputs"]) == ("FAILED", True, None)
    assert "out of cheese" in state["error"]["message"]


async def test_a_wait_ends_with_its_timeout_and_shows_how_far_the_execution_is() -> None:
    async with Backend() as backend:
        with serving(backend.server.endpoint, "hold") as (_, url):
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                where = (await client.post("/executions", json={"name": "x"})).headers["location"]
                await eventually(lambda: backend.held)
                answer = await client.get(f"{where}/wait", params={"timeout": 0.3})
                assert (answer.status_code, answer.json()["phase"]) == (200, "RUNNING")
                waiting = asyncio.create_task(client.get(f"{where}/wait", params={"timeout": 30}))
                backend.gate.set()
                assert (await waiting).json()["outputs"] == {"o0": "x"}


def read_events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, or of what has arrived of it."""
    found: list[dict[str, Any]] = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            content = json.loads(fields["data"])
            assert (fields["id"], fields["event"]) == (content["id"], content["kind"])
            found.append(content)
    return found


async def read_until(chunks: AsyncIterator[str], condition: Callable[[list[dict[str, Any]]], bool]) -> Any:
    """Read a stream until its events meet a condition."""
    text = ""
    async for chunk in chunks:
        text += chunk
        if condition(read_events(text)):
            return read_events(text)
    raise AssertionError(f"the stream ended: {text}")


def test_the_events_of_an_execution_are_streamed_to_the_last_one(client: httpx2.Client) -> None:
    where = client.post("/executions", json={"n": 3, "name": "you"}).headers["location"]
    answer = client.get(f"{where}/events", params={"nodes": True}, headers={"x-request-id": "from-outside"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-request-id"] == "from-outside"
    told = read_events(answer.text)
    assert (told[-1]["kind"], told[-1]["phase"]) == ("execution", "SUCCEEDED")
    ended = {event["spec_node_id"] for event in told if event["kind"] == "node" and event["phase"] == "SUCCEEDED"}
    assert {"start-node", "n0", "end-node"} <= ended
    middle = told[len(told) // 2]
    rest = client.get(f"{where}/events", params={"nodes": True}, headers={"last-event-id": middle["id"]})
    shown = [event["id"] for event in read_events(rest.text)]
    assert shown[-1] == told[-1]["id"]
    assert not {event["id"] for event in told[: told.index(middle) + 1]} & set(shown)
    nothing = client.get(f"{where}/events", headers={"last-event-id": told[-1]["id"]})
    assert (nothing.status_code, nothing.text) == (200, "")


def test_events_that_cannot_be_are_refused(client: httpx2.Client) -> None:
    assert client.get("/executions/nosuch/events").status_code == 404
    where = client.post("/executions", json={"n": 3, "name": "you"}).headers["location"]
    assert client.get(f"{where}/events", headers={"last-event-id": "soon"}).status_code == 400


async def test_a_client_that_leaves_a_stream_leaves_no_watch_behind() -> None:
    async with Backend() as backend:
        with serving(backend.server.endpoint, "hold") as (_, url):
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                where = (await client.post("/executions", json={"name": "x"})).headers["location"]
                await eventually(lambda: backend.held)
                async with client.stream("GET", f"{where}/events") as answer:
                    chunks = answer.aiter_text()
                    (event,) = await read_until(chunks, bool)
                    assert event["phase"] == "RUNNING"
                    # A look that hangs ends before its ten seconds only if nobody watches any more.
                    backend.misbehave(Fault(method="GetExecution", kind="hang", times=1))
                    await eventually(lambda: backend.server.stats.in_flight == 1)
                await eventually(lambda: backend.server.stats.in_flight == 0)
                rest = asyncio.create_task(client.get(f"{where}/events", headers={"last-event-id": event["id"]}))
                backend.gate.set()
                assert [event["phase"] for event in read_events((await rest).text)] == ["SUCCEEDED"]


async def test_sigterm_ends_streams() -> None:
    async with Backend() as backend:
        with serving(backend.server.endpoint, "hold") as (process, url):
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                where = (await client.post("/executions", json={"name": "x"})).headers["location"]
                async with client.stream("GET", f"{where}/events") as answer:
                    chunks = answer.aiter_text()
                    await read_until(chunks, bool)
                    began = time.monotonic()
                    process.send_signal(signal.SIGTERM)
                    assert [chunk async for chunk in chunks if "SUCCEEDED" in chunk] == []
                await eventually(lambda: process.poll() is not None, limit=30)
                assert time.monotonic() - began < PROMPT
        assert process.returncode == 0


async def test_sigterm_ends_waits_and_the_service_and_leaves_executions_running() -> None:
    async with Backend() as backend:
        with serving(backend.server.endpoint, "hold") as (process, url):
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                launched = (await client.post("/executions", json={"name": "x"})).json()
                await eventually(lambda: backend.held)
                asked = backend.calls("GetExecution")
                waiting = asyncio.create_task(
                    client.get(f"/executions/{launched['name']}/wait", params={"timeout": 60})
                )
                await eventually(lambda: backend.calls("GetExecution") > asked)
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                answer = await waiting
                await eventually(lambda: process.poll() is not None, limit=30)
                took = time.monotonic() - began
        assert (answer.status_code, answer.json()["phase"], answer.json()["done"]) == (200, "RUNNING", False)
        assert process.returncode == 0
        assert took < PROMPT
        execution = await backend.remote.execution(launched["name"]).sync()
        assert not execution.is_done
        backend.gate.set()
        assert (await execution.wait()).outputs["o0"] == "x"


async def test_sigterm_lets_a_launch_under_way_finish() -> None:
    async with Backend() as backend:
        with serving(backend.server.endpoint, "nothing") as (process, url):
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                backend.misbehave(Fault(method="CreateExecution", kind="delay", delay=1.0))
                launching = asyncio.create_task(client.post("/executions", json={}))
                await eventually(lambda: backend.server.stats.hits["CreateExecution"])
                process.send_signal(signal.SIGTERM)
                answer = await launching
                await eventually(lambda: process.poll() is not None, limit=30)
        assert answer.status_code == 202
        assert process.returncode == 0
        assert [item.id.name for item in await backend.executions() if item.id] == [answer.json()["name"]]


async def test_a_client_that_goes_away_leaves_no_wait_behind() -> None:
    async with Backend() as backend:
        with serving(backend.server.endpoint, "hold") as (_, url):
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                where = (await client.post("/executions", json={"name": "x"})).headers["location"]
                # A look that hangs ends before its ten seconds only if nobody waits for it any more.
                backend.misbehave(Fault(method="GetExecution", kind="hang", times=1))
                waiting = asyncio.create_task(client.get(f"{where}/wait", params={"timeout": 60}))
                await eventually(lambda: backend.server.stats.in_flight == 1)
                waiting.cancel()
                await eventually(lambda: backend.server.stats.in_flight == 0)
                assert (await client.get(where)).json()["done"] is False
