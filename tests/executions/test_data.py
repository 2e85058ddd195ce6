"""Values that are not in the server's answers: fetched from URLs and URIs, or told why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from flyteasync import FlyteRemote, FlyteWorkflowExecution, codec
from flyteasync.errors import FlyteAssertion
from flyteasync.executions.base import Data
from flyteasync.executions.data import CONCURRENT_FETCHES, FETCH_LIMIT, MAX_VALUES_BYTES, DataLoader, Expected
from flyteasync.idl import admin, core
from flyteasync.literals import Access, FlyteFile
from flyteasync.storage import Storage
from tests.server import build
from tests.server.build import literal
from tests.support.backend import Backend, remote_of
from tests.support.http import HttpServer, answering, hanging, reply
from tests.support.loop import clock
from tests.support.wire import Call, Relay, Wire

SECRET = "?X-Amz-Signature=5ec2e7"
VALUES = core.LiteralMap(literals={"n": literal(3), "names": literal(["a", "b"])})
CONTENT = codec.encode(VALUES)


@dataclass
class Answered:
    """What a Get...Data RPC answers."""

    full_inputs: core.LiteralMap | None = None
    full_outputs: core.LiteralMap | None = None
    inputs: admin.UrlBlob | None = None
    outputs: admin.UrlBlob | None = None


async def load(answer: Answered, *, uri: str = "", store: Storage | None = None, **expected: Any) -> Data:
    access = Access(store or Storage())
    return await DataLoader(access).load(answer, Expected(succeeded=True, outputs_uri=uri, **expected))


def blob(url: str, size: int = len(CONTENT)) -> admin.UrlBlob:
    return admin.UrlBlob(url=url, bytes=size)


def offloaded(path: Path | str, size: int = 0) -> core.Literal:
    return core.Literal(offloaded_metadata=core.LiteralOffloadedMetadata(uri=str(path), size_bytes=size))


# The fall-backs ...


async def test_what_the_server_shows_is_fetched_from_nowhere(tmp_path: Path) -> None:
    data = await load(Answered(VALUES, VALUES, blob("http://x/"), blob("http://x/")), uri=str(tmp_path / "nothing"))
    assert dict(data.inputs or {}) == dict(data.outputs or {}) == {"n": 3, "names": ["a", "b"]}


async def test_values_are_fetched_from_signed_urls() -> None:
    async with HttpServer(answering(reply(CONTENT))) as server:
        url = f"{server.url}/outputs.pb{SECRET}"
        data = await load(Answered(inputs=blob(url), outputs=blob(url)))
    assert dict(data.inputs or {}) == dict(data.outputs or {}) == {"n": 3, "names": ["a", "b"]}


async def test_outputs_are_fetched_from_where_the_closure_says_that_they_are(tmp_path: Path) -> None:
    path = tmp_path / "outputs.pb"
    path.write_bytes(CONTENT)
    data = await load(Answered(core.LiteralMap(), core.LiteralMap()), uri=path.as_uri())
    assert dict(data.outputs or {}) == {"n": 3, "names": ["a", "b"]}
    assert data.inputs == {}


async def test_outputs_that_are_stored_and_empty_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "outputs.pb"
    path.write_bytes(b"")
    data = await load(Answered(), uri=str(path))
    assert data.outputs == {}
    assert data.unreadable is None


async def test_outputs_that_the_interface_does_not_have_are_not_looked_for() -> None:
    data = await load(Answered(), uri="s3://b/outputs.pb", outputs={})
    assert data.outputs == {}


async def test_after_an_expired_url_the_uri_is_tried(tmp_path: Path) -> None:
    path = tmp_path / "outputs.pb"
    path.write_bytes(CONTENT)
    async with HttpServer(answering(reply(status="403 Forbidden"))) as server:
        data = await load(Answered(outputs=blob(server.url)), uri=str(path))
        assert len(server.requests) == 1
    assert dict(data.outputs or {}) == {"n": 3, "names": ["a", "b"]}


async def test_a_url_of_nothing_is_not_read() -> None:
    data = await load(Answered(outputs=blob("http://127.0.0.1:9/", size=0)))
    assert data.outputs == {}


# What goes wrong ...


async def test_values_that_cannot_be_read_are_told_with_all_their_places(tmp_path: Path) -> None:
    async with HttpServer(answering(reply(status="403 Forbidden"))) as server:
        url = f"{server.url}/outputs.pb"
        data = await load(Answered(inputs=blob(url + SECRET), outputs=blob(url + SECRET)), uri=str(tmp_path / "none"))
    assert data.inputs is None
    assert data.outputs is None
    assert data.unreadable == (
        f"{url}: HTTP status 403 Forbidden; a signed URL may have expired; {tmp_path / 'none'} does not exist"
    )
    assert data.unreadable_inputs is not None
    assert "5ec2e7" not in data.unreadable_inputs


async def test_bytes_that_are_no_values_are_told_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "outputs.pb"
    path.write_bytes(b"\x0a\x05abc")
    data = await load(Answered(), uri=str(path))
    assert data.outputs is None
    assert (data.unreadable or "").startswith(f"{path}: ")


async def test_a_store_that_could_not_be_reached_is_not_asked_again() -> None:
    async with HttpServer(answering(reply(status="503 Slow Down"))) as server:
        loader = DataLoader(Access(Storage()))
        texts: list[str] = []
        for _ in range(3):
            data = await loader.load(Answered(outputs=blob(f"{server.url}/k")), Expected(succeeded=True))
            texts.append(data.unreadable or "")
        assert len(server.requests) == 3, "one read, with its own attempts"
    assert [f"{server.url}/k: not tried after" in text for text in texts] == [False, True, True]


async def test_fetching_takes_no_longer_than_its_limit() -> None:
    async with HttpServer(hanging) as server:
        loading = asyncio.ensure_future(load(Answered(outputs=blob(server.url)), store=Storage(timeout=10_000)))
        await server.arrived.wait()
        await clock().advance(FETCH_LIMIT + 1)
        data = await loading
    assert data.unreadable == "the values were not fetched within 60 s"


async def test_more_than_the_bound_is_not_fetched(tmp_path: Path) -> None:
    path = tmp_path / "outputs.pb"
    with path.open("wb") as file:
        file.truncate(MAX_VALUES_BYTES + 1)  # takes no room on the disk
    data = await load(Answered(full_inputs=VALUES), uri=str(path))
    assert dict(data.inputs or {}) == {"n": 3, "names": ["a", "b"]}
    assert data.outputs is None
    assert str(path) in (data.unreadable or "")
    assert str(MAX_VALUES_BYTES) in (data.unreadable or "")


async def test_bytes_that_do_not_match_their_checksum_are_no_values() -> None:
    async with HttpServer(answering(reply(CONTENT, content_md5="AAAAAAAAAAAAAAAAAAAAAA=="))) as server:
        data = await load(Answered(outputs=blob(f"{server.url}/outputs.pb{SECRET}")))
    assert data.outputs is None
    assert data.unreadable == (
        f"{server.url}/outputs.pb: the bytes do not match their MD5, they were changed on the way"
    )


# Inputs ...


async def test_inputs_that_the_interface_has_are_fetched_from_where_they_are_stored(tmp_path: Path) -> None:
    path = tmp_path / "inputs.pb"
    path.write_bytes(CONTENT)
    variables = build.variables({"n": int, "names": list[str]}).variables
    data = await load(Answered(), inputs_uri=str(path), inputs=variables)
    assert dict(data.inputs or {}) == {"n": 3, "names": ["a", "b"]}


async def test_inputs_of_an_unknown_interface_are_none_if_the_server_shows_none() -> None:
    data = await load(Answered(), inputs_uri="s3://b/inputs.pb")
    assert data.inputs == {}
    assert data.unreadable_inputs is None


async def test_inputs_that_cannot_be_fetched_are_told_with_their_place(tmp_path: Path) -> None:
    place = str(tmp_path / "none")
    data = await load(Answered(), inputs_uri=place, inputs=build.variables({"n": int}).variables)
    assert data.inputs is None
    assert data.unreadable_inputs == f"{place} does not exist"


# What was read before ...


async def test_values_of_the_same_places_are_known_without_asking_again() -> None:
    loader = DataLoader(Access(Storage()))
    expected = Expected(succeeded=True, inputs_uri="s3://b/i", outputs_uri="s3://b/o")
    assert loader.recall(expected) is None
    await loader.load(Answered(VALUES, VALUES), expected)
    data = loader.recall(replace(expected, inputs=build.variables({"n": int, "names": list[str]}).variables))
    assert data is not None
    assert data.inputs is not None
    assert data.inputs.variable_map is not None, "they have the types that are expected now"
    assert dict(data.inputs) == dict(data.outputs or {}) == {"n": 3, "names": ["a", "b"]}
    assert loader.recall(replace(expected, outputs_uri="s3://b/other")) is None
    assert loader.recall(replace(expected, inputs_uri="")) is None


async def test_outputs_of_what_did_not_succeed_are_not_recalled() -> None:
    loader = DataLoader(Access(Storage()))
    expected = Expected(succeeded=True, inputs_uri="s3://b/i", outputs_uri="s3://b/o")
    await loader.load(Answered(VALUES, VALUES), expected)
    data = loader.recall(replace(expected, succeeded=False))
    assert data is not None
    assert data.outputs is None


async def test_what_has_no_values_by_its_interface_is_not_asked_for_them() -> None:
    data = DataLoader(Access(Storage())).recall(Expected(succeeded=True, inputs={}, outputs={}))
    assert data is not None
    assert (data.inputs, data.outputs) == ({}, {})


async def test_values_that_the_server_does_not_show_are_not_taken_for_none() -> None:
    loader = DataLoader(Access(Storage()))
    expected = Expected(succeeded=False, inputs_uri="s3://b/i")
    await loader.load(Answered(), expected)
    assert loader.recall(expected) is None


# Offloaded literals ...


async def test_offloaded_literals_are_fetched_wherever_they_are(tmp_path: Path) -> None:
    content = codec.encode(literal([1, 2]))
    path = tmp_path / "literal.pb"
    path.write_bytes(content)
    uri = path.as_uri()
    values = {
        "plain": literal("x"),
        "top": offloaded(uri, len(content)),
        "list": core.Literal(collection=core.LiteralCollection(literals=[literal([0]), offloaded(uri)])),
        "map": core.Literal(map=core.LiteralMap(literals={"k": offloaded(uri)})),
        "union": core.Literal(scalar=core.Scalar(union=core.Union(value=offloaded(uri)))),
    }
    answer = codec.decode(core.LiteralMap, codec.encode(core.LiteralMap(literals=values)))
    data = await load(Answered(answer, answer))
    expected = {"plain": "x", "top": [1, 2], "list": [[0], [1, 2]], "map": {"k": [1, 2]}, "union": [1, 2]}
    assert dict(data.inputs or {}) == dict(data.outputs or {}) == expected


async def test_an_offloaded_literal_at_a_local_path_is_fetched(tmp_path: Path) -> None:
    path = tmp_path / "literal.pb"
    path.write_bytes(codec.encode(literal(5)))
    data = await load(Answered(full_outputs=core.LiteralMap(literals={"x": offloaded(path)})))
    assert dict(data.outputs or {}) == {"x": 5}


async def test_an_offloaded_literal_that_is_too_large_is_not_fetched(tmp_path: Path) -> None:
    path = tmp_path / "literal.pb"
    with path.open("wb") as file:
        file.truncate(MAX_VALUES_BYTES + 1)
    data = await load(Answered(full_outputs=core.LiteralMap(literals={"x": offloaded(path)})))
    assert data.outputs is None
    assert str(MAX_VALUES_BYTES) in (data.unreadable or "")


async def test_offloaded_literals_are_fetched_a_bounded_number_at_a_time() -> None:
    release, most, reading = asyncio.Event(), 0, 0

    async def answer(target: str, writer: asyncio.StreamWriter) -> None:
        nonlocal most, reading
        reading += 1
        most = max(most, reading)
        if reading == CONCURRENT_FETCHES:
            release.set()
        await release.wait()
        await answering(reply(codec.encode(literal(5))))(target, writer)
        reading -= 1

    async with HttpServer(answer) as server:
        values = {f"x{index}": offloaded(f"{server.url}/{index}") for index in range(3 * CONCURRENT_FETCHES)}
        data = await load(Answered(full_outputs=core.LiteralMap(literals=values)))
    assert data.outputs == dict.fromkeys(values, 5)
    assert most == CONCURRENT_FETCHES


async def test_an_offloaded_literal_of_another_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "literal.pb"
    path.write_bytes(codec.encode(literal(5)))
    data = await load(Answered(full_outputs=core.LiteralMap(literals={"x": offloaded(path, 1000)})))
    assert data.outputs is None
    assert data.unreadable == f"x: {path} has {path.stat().st_size} bytes, not the 1000 that were stored"


async def test_an_offloaded_literal_that_leads_on_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "literal.pb"
    path.write_bytes(codec.encode(offloaded(path)))
    data = await load(Answered(full_outputs=core.LiteralMap(literals={"x": offloaded(path)})))
    assert data.unreadable == f"x: {path} holds a literal that is stored elsewhere again"


# Through a remote ...


@pytest.fixture
async def relayed(backend: Backend) -> AsyncGenerator[tuple[Wire, FlyteRemote]]:
    """A wire that passes everything on to the backend, and a remote of it."""
    relay = Relay(backend.server.endpoint)
    async with Wire(relay) as wire, remote_of(wire.endpoint) as remote:
        yield wire, remote
    await relay.aclose()


def instead(wire: Wire, method: str, answer: Any) -> None:
    """Have an RPC answer something else."""
    passed_on = wire.answer

    async def changed(call: Call) -> bytes:
        return codec.encode(answer) if call.method == method else await passed_on(call)

    wire.answer = changed


async def finished(remote: FlyteRemote) -> FlyteWorkflowExecution:
    execution = await remote.execute(await remote.fetch_launch_plan(name="demo.report"), {"n": 2, "name": "x"})
    return await execution.wait()


async def test_an_execution_has_the_outputs_that_a_url_leads_to(relayed: tuple[Wire, FlyteRemote]) -> None:
    wire, remote = relayed
    async with HttpServer(answering(reply(CONTENT))) as server:
        instead(wire, "GetExecutionData", admin.WorkflowExecutionGetDataResponse(outputs=blob(server.url + SECRET)))
        execution = await finished(remote)
    assert execution.outputs["n"] == 3
    assert execution.outputs.get("names", list[str]) == ["a", "b"]


async def test_outputs_that_cannot_be_fetched_fail_no_wait_and_are_tried_again(
    relayed: tuple[Wire, FlyteRemote],
) -> None:
    wire, remote = relayed
    async with HttpServer(answering(reply(status="403 Forbidden"), reply(CONTENT))) as server:
        answer = admin.WorkflowExecutionGetDataResponse(full_inputs=VALUES, outputs=blob(server.url + SECRET))
        instead(wire, "GetExecutionData", answer)
        execution = await finished(remote)
        assert execution.is_successful
        with pytest.raises(FlyteAssertion, match="could not be read: http://127") as caught:
            _ = execution.outputs
        assert "5ec2e7" not in str(caught.value)
        await execution.sync()
        assert execution.outputs["n"] == 3


async def test_inputs_that_cannot_be_fetched_are_told(relayed: tuple[Wire, FlyteRemote]) -> None:
    wire, remote = relayed
    answer = admin.WorkflowExecutionGetDataResponse(inputs=blob("http://127.0.0.1:9/inputs.pb"), full_outputs=VALUES)
    instead(wire, "GetExecutionData", answer)
    execution = await finished(remote)
    assert execution.outputs["n"] == 3
    with pytest.raises(FlyteAssertion, match=r"the inputs of .* could not be read: http://127.0.0.1:9/inputs.pb"):
        _ = execution.inputs


async def test_files_among_the_outputs_are_read_through_the_remote(
    relayed: tuple[Wire, FlyteRemote], tmp_path: Path
) -> None:
    wire, remote = relayed
    (tmp_path / "model.bin").write_bytes(b"weights")
    async with HttpServer(answering(reply(b"weights"))) as server:
        file = core.Literal(scalar=core.Scalar(blob=core.Blob(uri=f"{server.url}/model.bin")))
        full = core.LiteralMap(literals={"file": file})
        instead(wire, "GetExecutionData", admin.WorkflowExecutionGetDataResponse(full_outputs=full))
        execution = await finished(remote)
        handle = execution.outputs.get("file", FlyteFile)
        assert await handle.read() == b"weights"
        await handle.download(tmp_path / "copy.bin")
    assert (tmp_path / "copy.bin").read_bytes() == b"weights"
    assert handle.path == str(tmp_path / "copy.bin")


async def test_nodes_and_tasks_have_the_outputs_that_their_closures_lead_to(
    relayed: tuple[Wire, FlyteRemote], backend: Backend, tmp_path: Path
) -> None:
    wire, remote = relayed
    execution = await finished(remote)
    (tmp_path / "outputs.pb").write_bytes(CONTENT)
    for rows in (backend.server.store.node_executions, backend.server.store.task_executions):
        for row in rows.rows():
            if row.closure.output_uri:
                row.closure.output_uri = str(tmp_path / "outputs.pb")
    instead(wire, "GetNodeExecutionData", admin.NodeExecutionGetDataResponse())
    instead(wire, "GetTaskExecutionData", admin.TaskExecutionGetDataResponse())
    await execution.sync(sync_nodes=True)
    nodes = execution.node_executions
    assert dict(nodes["start-node"].outputs) == {"n": 3, "names": ["a", "b"]}
    node = next(node for name, node in nodes.items() if name not in ("start-node", "end-node"))
    assert dict(node.outputs) == {"n": 3, "names": ["a", "b"]}
    assert dict(node.task_executions[0].outputs) == {"n": 3, "names": ["a", "b"]}
