"""DataProxyService, and the HTTP side of the server that its URLs lead to."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sys
from base64 import b32encode, b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from flyteasync import codec
from flyteasync.errors import FlyteInvalidInputException, FlyteSystemUnavailableException, Status
from flyteasync.idl import admin, core, methods, service
from flyteasync.server import Server, ServerConfig
from flyteasync.server.objects import Objects
from flyteasync.server.signing import Signer, object_url
from flyteasync.server.store import MemoryStore
from flyteasync.server.text import go_duration
from tests.server.build import DOMAIN, PROJECT, execution_id, literal, node, promise, task, values, workflow
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.server.events import E1, NodePhase, node_event, node_id, send, undriven

DATA = b"some bytes"
MD5 = hashlib.md5(DATA).digest()
MD5_TEXT = b64encode(MD5).decode()
HOUR = timedelta(hours=1)


async def place(client: Client, **fields: Any) -> service.CreateUploadLocationResponse:
    request = service.CreateUploadLocationRequest(**({"project": PROJECT, "domain": DOMAIN} | fields))
    return await client.call(methods.CREATE_UPLOAD_LOCATION, request)


async def download(client: Client, url: str, **fields: Any) -> service.CreateDownloadLocationResponse:
    request = service.CreateDownloadLocationRequest(native_url=url, **fields)
    return await client.call(methods.CREATE_DOWNLOAD_LOCATION, request)


async def upload(client: Client, data: bytes = DATA, **fields: Any) -> str:
    """Upload some bytes, and return their URL."""
    where = await place(client, **({"content_md5": hashlib.md5(data).digest()} | fields))
    headers = {name: value for name, value in where.headers.items() if name != "Content-Length"}
    reply = await http("PUT", where.signed_url, content=data, headers=headers)
    assert (reply.status_code, reply.text) == (200, "")
    return where.native_url


async def http(method: str, url: str, **options: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.request(method, url, **options)


async def test_what_is_uploaded_can_be_downloaded(connect: Connect) -> None:
    client = await connect()
    url = await upload(client, filename="a file.txt")
    assert url == f"flyte-local://flyte/{PROJECT}/{DOMAIN}/{b32encode(MD5).decode()}/a file.txt"
    reply = await http("GET", (await download(client, url)).signed_url)
    assert (reply.status_code, reply.content) == (200, DATA)
    assert (reply.headers["etag"], reply.headers["content-md5"]) == (f'"{MD5.hex()}"', MD5_TEXT)
    head = await http("HEAD", (await download(client, url)).signed_url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(DATA)))


async def test_an_upload_location_says_what_to_send_and_until_when(connect: Connect) -> None:
    client = await connect()
    where = await place(client, content_md5=MD5, filename="f", add_content_md5_metadata=True)
    # The length is the digest's; the real server says so, too.
    assert where.headers == {
        "Content-Length": "24",
        "Content-MD5": MD5_TEXT,
        "x-amz-meta-flyteContentMD5": MD5_TEXT,
    }
    assert HOUR - timedelta(minutes=1) < where.expires_at - datetime.now(UTC) <= HOUR
    assert (await place(client, filename_root="r", filename="f")).headers == {"Content-Length": "0"}
    sooner = await place(client, content_md5=MD5, expires_in=timedelta(minutes=1))
    assert sooner.expires_at - datetime.now(UTC) <= timedelta(minutes=1)


async def test_a_place_is_named_by_the_root_or_the_content(connect: Connect) -> None:
    client = await connect()
    base = f"flyte-local://flyte/{PROJECT}/{DOMAIN}"
    named = await place(client, filename_root="/some//root/", filename="f", content_md5=MD5)
    assert named.native_url == f"{base}/some/root/f"
    unnamed = await place(client, filename_root="root")
    assert len(unnamed.native_url.removeprefix(f"{base}/root/")) == 20
    assert (await place(client, filename_root="root")).native_url != unnamed.native_url
    # The project need not exist.
    assert (await place(client, project="nope", content_md5=MD5)).native_url.startswith("flyte-local://flyte/nope/")


async def test_a_file_of_a_name_may_only_be_written_again_with_the_same_content(connect: Connect) -> None:
    client = await connect()
    where = {"filename_root": "r", "filename": "f"}
    url = await upload(client, **where)
    assert await upload(client, **where) == url
    for md5 in (b"", hashlib.md5(b"other").digest()):
        request = service.CreateUploadLocationRequest(project=PROJECT, domain=DOMAIN, content_md5=md5, **where)
        failure = await client.fails(methods.CREATE_UPLOAD_LOCATION, request)
        assert failure.status == Status.ALREADY_EXISTS
        text = f"file already exists at location [{url}], specify a matching hash if you wish to rewrite"
        assert failure.text == text


async def test_upload_locations_that_are_refused(connect: Connect) -> None:
    client = await connect()
    for fields, text in [
        ({}, "project and domain are required parameters"),
        ({"project": "p", "content_md5": MD5}, "project and domain are required parameters"),
        ({"domain": "d", "content_md5": MD5}, "project and domain are required parameters"),
        ({"project": "p", "domain": "d", "filename": "f"}, "content_md5 or filename_root is a required parameter"),
        (
            {"project": "p", "domain": "d", "content_md5": MD5, "expires_in": timedelta(hours=1.5)},
            "expiresIn [1h30m0s] cannot exceed max allowed expiration [1h0m0s]",
        ),
        (
            {"project": "p", "domain": "d", "filename_root": "../../q"},
            "project, domain, filename_root and filename must not contain '.' or '..' as a part of a path",
        ),
    ]:
        failure = await client.fails(methods.CREATE_UPLOAD_LOCATION, service.CreateUploadLocationRequest(**fields))
        assert (failure.status, failure.text) == (Status.INVALID_ARGUMENT, text)


async def test_a_signed_url_allows_one_thing_only(connect: Connect) -> None:
    client = await connect()
    url = await upload(client, filename="f")
    put = (await place(client, content_md5=MD5, filename="f")).signed_url
    get = (await download(client, url)).signed_url
    header = {"Content-MD5": MD5_TEXT}
    other = {"Content-MD5": b64encode(hashlib.md5(b"other").digest()).decode()}
    for reply in [
        await http("GET", put),
        await http("PUT", get, content=DATA),
        await http("PUT", put, content=DATA),
        await http("PUT", put, content=b"other", headers=other),
        await http("GET", get.replace("/f?", "/g?")),
        await http("GET", get.replace("expires=", "expires=9")),
        await http("GET", get[:-1] + ("1" if get[-1] == "0" else "0")),
        await http("GET", get.partition("?")[0]),
    ]:
        assert (reply.status_code, reply.text[:13]) == (403, "the signature")
    broken = await http("PUT", put, content=b"other", headers=header)
    assert (broken.status_code, broken.text) == (400, "the Content-MD5 is not that of the body")
    assert (await http("GET", get)).content == DATA


async def test_a_signed_url_expires(connect: Connect) -> None:
    client = await connect()
    url = await upload(client)
    reply = await http("GET", (await download(client, url, expires_in=timedelta())).signed_url)
    assert (reply.status_code, reply.text) == (403, "the signed URL has expired")


def test_a_signature_is_good_until_its_time_and_with_its_own_key_only() -> None:
    now = [datetime(2024, 1, 1, tzinfo=UTC)]
    signer = Signer(lambda: now[0])
    path, _, query = signer.path("GET", "mem://a/b c", now[0] + HOUR).partition("?")
    assert path == "/data/mem/a/b%20c"
    fields = dict(pair.split("=") for pair in query.split("&"))
    assert signer.refusal("GET", "mem://a/b c", fields, "") == ""
    assert Signer(lambda: now[0]).refusal("GET", "mem://a/b c", fields, "").startswith("the signature")
    now[0] += HOUR
    assert signer.refusal("GET", "mem://a/b c", fields, "") == "the signed URL has expired"
    assert object_url("/data/mem/a/b c") == "mem://a/b c"
    assert (object_url("/data/mem/"), object_url("/other")) == ("", "")


async def test_uploads_are_limited_one_by_one_and_together(connect: Connect) -> None:
    client = await connect(max_upload_bytes=20, max_stored_bytes=30)
    await upload(client, b"x" * 20, filename_root="r", filename="a")
    for data, headers, status, text in [
        (b"x" * 21, {}, 413, "an object has at most 20 bytes"),
        (_chunks(), {}, 413, "an object has at most 20 bytes"),
        (b"x" * 11, {}, 507, "all uploads together have at most 30 bytes, with this one it would be 31"),
    ]:
        where = await place(client, filename_root="r", filename="b")
        reply = await http("PUT", where.signed_url, content=data, headers=headers)
        assert (reply.status_code, reply.text) == (status, text)
    await upload(client, b"x" * 10, filename_root="r", filename="b")


async def _chunks() -> Any:
    for _ in range(5):
        yield b"x" * 5


def test_an_upload_takes_the_place_of_the_one_before() -> None:
    objects = Objects(MemoryStore(), 20, 30)
    for _ in range(5):
        objects.put("flyte-local://a", b"x" * 20)
    objects.put("flyte-local://b", b"x" * 10)
    assert objects.get("flyte-local://c") is None


async def test_other_paths_and_methods_are_not_there(connect: Connect) -> None:
    client = await connect()
    get = (await download(client, "flyte-local://flyte/nope")).signed_url
    missing = await http("GET", get)
    assert (missing.status_code, missing.text) == (404, "there is no object flyte-local://flyte/nope")
    base = get.partition("/data/")[0]
    assert (await http("GET", f"{base}/nope")).status_code == 404
    assert (await http("POST", get)).status_code == 405
    assert (await http("PUT", f"{base}/healthcheck")).status_code == 405
    assert (await http("GET", f"{base}/healthcheck")).status_code == 200


async def test_the_health_check_is_there_from_the_start_if_a_port_is_set() -> None:
    async with Server(ServerConfig(http_port=0)) as server:
        reply = await http("GET", f"http://{server.http_endpoint}/healthcheck")
        assert (reply.status_code, reply.text) == (200, "")
    async with Server() as server:
        assert server.http_endpoint == ""
    with pytest.raises(FlyteInvalidInputException, match="http_port must be None or from 0 to 65535, got 70000"):
        ServerConfig(http_port=70000)
    with pytest.raises(FlyteInvalidInputException, match="max_stored_bytes must be zero or more, got -1"):
        ServerConfig(max_stored_bytes=-1)


async def test_an_http_port_that_is_taken_says_so(connect: Connect) -> None:
    client = await connect()
    port = int(client.endpoint.rpartition(":")[2])
    server = Server(ServerConfig(http_port=port))
    with pytest.raises(FlyteSystemUnavailableException, match=f"cannot listen on 127.0.0.1:{port}"):
        await server.start()
    await server.stop()


async def test_without_uvicorn_signed_urls_are_an_internal_error_and_all_else_works(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connect()
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    request = service.CreateUploadLocationRequest(project=PROJECT, domain=DOMAIN, content_md5=MD5)
    failure = await client.fails(methods.CREATE_UPLOAD_LOCATION, request)
    assert failure.status == Status.INTERNAL
    assert failure.text == "the HTTP side of the embedded server needs uvicorn: install flyteasync[server]"
    await client.call(methods.GET_VERSION, admin.GetVersionRequest())


async def test_signatures_are_not_logged(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = await connect()
    where = await place(client, content_md5=MD5)
    await http("PUT", where.signed_url, content=DATA)
    signature = where.signed_url.rpartition("signature=")[2]
    # gRPC's own records must not be formatted late: some refer to memory that is freed by then.
    ours = [record for record in caplog.records if record.name.startswith(("flyteasync", "uvicorn", "asyncio"))]
    assert signature not in "".join(record.getMessage() for record in ours)


async def test_an_upload_that_stalls_does_not_keep_the_server_from_stopping() -> None:
    server = Server()
    client = Client(await server.start(), server)
    where = await place(client, filename_root="r", filename="f")
    host, _, port = server.http_endpoint.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = where.signed_url.partition(server.http_endpoint)[2]
    writer.write(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc".encode())
    await writer.drain()
    assert (await http("GET", f"http://{server.http_endpoint}/healthcheck")).status_code == 200
    await client.aclose()
    await asyncio.wait_for(server.stop(), 10)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(10_000)
    writer.close()


# Downloads and decks...


async def test_values_can_be_downloaded_as_the_bytes_of_a_literal_map(connect: Connect) -> None:
    client = await ran(connect)
    request = admin.NodeExecutionGetRequest(id=node_id("n0"))
    found = await client.call(methods.GET_NODE_EXECUTION, request)
    reply = await http("GET", (await download(client, found.closure.output_uri)).signed_url)
    assert values(codec.decode(core.LiteralMap, reply.content)) == {"o0": 6}


async def test_downloads_that_are_refused(connect: Connect) -> None:
    client = await connect()
    for fields, status, text in [
        (
            {"native_url": "s3://b/k"},
            Status.INTERNAL,
            "failed to create a signed url. Error: [s3://b/k] is not in this server's store",
        ),
        (
            {"native_url": "mem://b", "expires_in": timedelta(seconds=-1.5)},
            Status.INVALID_ARGUMENT,
            "error while validating request: expiresIn is invalid. Error: input duration [-1.5s] "
            "should not less than 0",
        ),
        (
            {"native_url": "mem://b", "expires_in": timedelta(hours=2)},
            Status.INVALID_ARGUMENT,
            "error while validating request: expiresIn is invalid. Error: input duration [2h0m0s] "
            "cannot exceed max allowed expiration [1h0m0s]",
        ),
    ]:
        request = service.CreateDownloadLocationRequest(**fields)
        failure = await client.fails(methods.CREATE_DOWNLOAD_LOCATION, request)
        assert (failure.status, failure.text) == (status, text)


def deck_of(name: str, **fields: Any) -> service.CreateDownloadLinkRequest:
    fields = {"artifact_type": service.ArtifactType.DECK, "node_execution_id": node_id(name)} | fields
    return service.CreateDownloadLinkRequest(**fields)


async def test_the_deck_of_a_node_is_downloaded_by_a_link(connect: Connect) -> None:
    client = await undriven(connect)
    url = await upload(client, b"<html>", filename="deck.html")
    await send(client, node_event("x", NodePhase.SUCCEEDED, deck_uri=url))
    link = await client.call(methods.CREATE_DOWNLOAD_LINK, deck_of("x", expires_in=timedelta(minutes=5)))
    assert link.pre_signed_urls == service.PreSignedUrLs(signed_url=link.signed_url, expires_at=link.expires_at)
    assert link.expires_at - datetime.now(UTC) <= timedelta(minutes=5)
    [signed] = link.signed_url
    assert (await http("GET", signed)).text == "<html>"
    data = await client.call(methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest(id=node_id("x")))
    by_url = await client.call(methods.GET_DATA, service.GetDataRequest(flyte_url=data.flyte_urls.deck))
    assert (await http("GET", by_url.pre_signed_urls.signed_url[0])).text == "<html>"


async def test_links_that_are_refused(connect: Connect) -> None:
    client = await undriven(connect)
    await send(client, node_event("far", NodePhase.SUCCEEDED, deck_uri="s3://b/deck.html"))
    await send(client, node_event("soon", NodePhase.RUNNING, deck_uri="flyte-local://flyte/deck.html"))
    execution = 'execution_id:{project:"flytesnacks" domain:"development" name:"e1"}'
    prefix = "error while validating request. Error: "
    for request, status, text in [
        (
            deck_of("n0", artifact_type=service.ArtifactType.UNDEFINED),
            Status.INVALID_ARGUMENT,
            f"{prefix}invalid artifact type [ARTIFACT_TYPE_UNDEFINED]",
        ),
        (
            deck_of("n0", node_execution_id=None),
            Status.INVALID_ARGUMENT,
            f"{prefix}source is required. Provided nil",
        ),
        (
            deck_of("n0", expires_in=timedelta(hours=3)),
            Status.INVALID_ARGUMENT,
            f"{prefix}expiresIn is invalid. Error: input duration [3h0m0s] cannot exceed max allowed expiration "
            "[1h0m0s]",
        ),
        (
            deck_of("nope"),
            Status.INVALID_ARGUMENT,
            f'failed to find node execution [node_id:"nope" {execution}]. Error: missing entity of type node execution '
            f'with identifier node_id:"nope" {execution}',
        ),
        (
            deck_of("n0"),
            Status.NOT_FOUND,
            f'no deckUrl found for request [artifact_type:DECK node_execution_id:{{node_id:"n0" {execution}}}]',
        ),
        (
            deck_of("soon"),
            Status.NOT_FOUND,
            "URL [flyte-local://flyte/deck.html] does not exist yet. Please try again later. If you are using the "
            "real-time deck, this could be because the 'persist' function has not been called yet.",
        ),
        (
            deck_of("far"),
            Status.INTERNAL,
            "Failed to check the existence of the URL [s3://b/deck.html]. Error: it is not in this server's store",
        ),
    ]:
        failure = await client.fails(methods.CREATE_DOWNLOAD_LINK, request)
        assert (failure.status, failure.text) == (status, text)


# Tiny URLs...


async def ran(connect: Connect) -> Client:
    """A server with the finished execution `e1`, which doubled 3."""
    client: Client = await connect({"t": lambda x: 2 * x})
    plan = await client.register(
        workflow("wf", [node("n0", "t", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("n0.o0"))}),
        [task("t", {"x": int}, {"o0": int})],
    )
    await client.launch(plan, "e1", {"x": 3})
    await client.finish(execution_id("e1"))
    return client


BASE = f"flyte://v1/{PROJECT}/{DOMAIN}/e1/n0"


async def test_a_tiny_url_stands_for_values_of_a_node_or_an_attempt(connect: Connect) -> None:
    client = await ran(connect)
    for base in (BASE, f"{BASE}/0"):
        for side, wanted in [("i", {"x": 3}), ("o", {"o0": 6})]:
            reply = await client.call(methods.GET_DATA, service.GetDataRequest(flyte_url=f"{base}/{side}"))
            assert (values(reply.literal_map), reply.literal) == (wanted, None)
        reply = await client.call(methods.GET_DATA, service.GetDataRequest(flyte_url=f"{base}/o/o0"))
        assert (reply.literal, reply.literal_map) == (literal(6), None)


async def test_tiny_urls_that_stand_for_nothing(connect: Connect) -> None:
    client = await ran(connect)
    node_text = 'node_id:"n0" execution_id:{project:"flytesnacks" domain:"development" name:"e1"}'
    task_text = 'task_id:{resource_type:TASK project:"flytesnacks" domain:"development" name:"t" version:"v1"}'
    validate = "failed to validate resolve artifact request. Error: "
    for url, status, text in [
        ("", Status.INVALID_ARGUMENT, f"{validate}source is required. Provided empty string"),
        ("s3://b", Status.INVALID_ARGUMENT, f"{validate}request does not start with the correct prefix"),
        *(
            (bad, Status.INVALID_ARGUMENT, f"failed to parse artifact url Error: failed to parse [{bad}]")
            for bad in ("flyte://v1/p", f"{BASE}/x", f"{BASE}/d/x", BASE.replace("v1", "v2") + "/i", f"{BASE}/o/a.b")
        ),
        (f"{BASE}/o/nope", Status.INVALID_ARGUMENT, f"name [nope] not found in node execution [{node_text}]"),
        (
            f"{BASE}/0/i/nope",
            Status.INVALID_ARGUMENT,
            f"name [nope] not found in task execution [{task_text} node_execution_id:{{{node_text}}}]",
        ),
        (
            f"{BASE}/3/i",
            Status.INVALID_ARGUMENT,
            f"no task executions were listed [node_execution_id:{{{node_text}}} retry_attempt:3]. Error: <nil>",
        ),
        (
            f"{BASE}/0/d",
            Status.INVALID_ARGUMENT,
            "deck type cannot be specified with a retry attempt, just use the node instead",
        ),
        (
            BASE.replace("n0", "nope") + "/i",
            Status.NOT_FOUND,
            "missing entity of type node execution with identifier " + node_text.replace("n0", "nope"),
        ),
        (
            f"{BASE}/d",
            Status.NOT_FOUND,
            f"no deckUrl found for request [artifact_type:DECK node_execution_id:{{{node_text}}}]",
        ),
    ]:
        failure = await client.fails(methods.GET_DATA, service.GetDataRequest(flyte_url=url))
        assert (failure.status, failure.text) == (status, text)
    assert execution_id("e1") == E1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1.5, "1.5s"),
        (60, "1m0s"),
        (3600, "1h0m0s"),
        (-90.25, "-1m30.25s"),
        (0.002, "2ms"),
        (0.000003, "3µs"),
        (86400, "24h0m0s"),
    ],
)
def test_durations_are_printed_as_go_does(seconds: float, text: str) -> None:
    assert go_duration(timedelta(seconds=seconds)) == text
