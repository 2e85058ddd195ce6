import asyncio
import base64
import gzip
import hashlib
import logging
from contextlib import aclosing

import pytest

from flyteasync.errors import (
    FlyteDeadlineExceeded,
    FlyteDecodeError,
    FlyteEntityNotExistException,
    FlyteError,
    FlyteInvalidInputException,
    FlytePermissionDenied,
    FlyteResourceExhausted,
    FlyteSystemUnavailableException,
)
from flyteasync.storage import Storage
from tests.support.http import HttpServer, answering, hanging, reply
from tests.support.loop import clock

BODY = bytes(range(256)) * 1000
MD5 = hashlib.md5(BODY).digest()
SECRET = "X-Amz-Signature=5ec2e7"


@pytest.fixture
def storage() -> Storage:
    return Storage(timeout=5)


async def test_a_url_is_read_with_its_query(storage: Storage):
    async with HttpServer(answering(reply(BODY))) as server:
        assert await storage.read(f"{server.url}/k%20ey?{SECRET}") == BODY
        assert server.targets == [f"/k%20ey?{SECRET}"]


async def test_a_body_without_a_length_is_read_to_its_end(storage: Storage):
    chunked = (
        reply(status="200 OK", content_length="", transfer_encoding="chunked") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    async with HttpServer(answering(chunked)) as server:
        assert await storage.read(server.url) == b"abcde"


async def test_the_bytes_come_piece_by_piece(storage: Storage):
    async with HttpServer(answering(reply(BODY * 10))) as server, aclosing(storage.stream(server.url)) as chunks:
        pieces = [chunk async for chunk in chunks]
    assert len(pieces) > 1
    assert b"".join(pieces) == BODY * 10


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content_md5", base64.b64encode(MD5).decode()),
        ("x_amz_meta_flyteContentMD5", base64.b64encode(MD5).decode()),
        ("x_amz_meta_flyteContentMD5", MD5.hex()),
        ("x_goog_hash", f"crc32c=n03x6A==,md5={base64.b64encode(MD5).decode()}"),
    ],
)
async def test_bytes_that_do_not_match_their_checksum_are_refused(storage: Storage, name: str, value: str):
    async with HttpServer(answering(reply(BODY, **{name: value}))) as server:
        assert await storage.read(server.url) == BODY
    async with HttpServer(answering(reply(b"x" + BODY[1:], **{name: value}))) as server:
        with pytest.raises(FlyteDecodeError, match="do not match their MD5"):
            await storage.read(server.url)


async def test_a_checksum_that_is_none_is_not_compared(storage: Storage):
    async with HttpServer(answering(reply(BODY, content_md5="who knows"))) as server:
        assert await storage.read(server.url) == BODY


async def test_the_checksum_of_what_was_stored_is_not_compared_with_what_was_unpacked(storage: Storage):
    answer = reply(
        BODY, x_goog_stored_content_encoding="gzip", x_goog_hash=f"md5={base64.b64encode(b'0' * 16).decode()}"
    )
    async with HttpServer(answering(answer)) as server:
        assert await storage.read(server.url) == BODY


async def test_what_was_stored_compressed_stays_compressed(storage: Storage):
    packed = gzip.compress(BODY)
    async with HttpServer(answering(reply(packed, content_encoding="gzip"))) as server:
        assert await storage.read(server.url) == packed


async def test_more_bytes_than_allowed_are_refused_before_they_are_read(storage: Storage):
    async with HttpServer(answering(reply(BODY))) as server:
        with pytest.raises(FlyteResourceExhausted, match=f"has {len(BODY)} bytes, more than the 10 allowed"):
            await storage.read(server.url, max_bytes=10)


async def test_more_bytes_than_allowed_are_refused_on_the_way(storage: Storage):
    endless = reply(status="200 OK", content_length="") + BODY
    async with HttpServer(answering(endless)) as server:
        with pytest.raises(FlyteResourceExhausted, match="more than the 10 bytes allowed"):
            await storage.read(server.url, max_bytes=10)


async def test_a_body_that_breaks_off_is_read_again(storage: Storage):
    broken = reply(BODY, content_length=str(len(BODY) + 1))
    async with HttpServer(answering(broken, reply(status="503 Slow Down"), reply(BODY))) as server:
        assert await storage.read(server.url) == BODY
        assert len(server.requests) == 3


async def test_a_failure_that_stays_is_reported_after_three_attempts(storage: Storage):
    async with HttpServer(answering(reply(status="500 Internal Server Error"))) as server:
        with pytest.raises(FlyteSystemUnavailableException, match="HTTP status 500 Internal Server Error"):
            await storage.read(server.url)
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("404 Not Found", FlyteEntityNotExistException),
        ("410 Gone", FlyteEntityNotExistException),
        ("403 Forbidden", FlytePermissionDenied),
        ("401 Unauthorized", FlytePermissionDenied),
        ("400 Bad Request", FlyteInvalidInputException),
        ("206 Partial Content", FlyteInvalidInputException),
    ],
)
async def test_a_refusal_is_not_repeated(storage: Storage, status: str, error: type[FlyteError]):
    async with HttpServer(answering(reply(b"<Error>no</Error>", status))) as server:
        with pytest.raises(error, match=f"/key: HTTP status {status}"):
            await storage.read(f"{server.url}/key?{SECRET}")
        assert len(server.requests) == 1


async def test_redirects_are_followed(storage: Storage):
    moved = reply(status="307 Temporary Redirect", location=f"/other?{SECRET}")
    async with HttpServer(answering(moved, reply(BODY))) as server:
        assert await storage.read(f"{server.url}/key") == BODY
        assert server.targets == ["/key", f"/other?{SECRET}"]


@pytest.mark.parametrize(
    ("location", "text"), [("/key", "redirects more than 5 times"), ("file:///etc/passwd", "is not followed")]
)
async def test_redirects_that_lead_nowhere_are_refused(storage: Storage, location: str, text: str):
    async with HttpServer(answering(reply(status="302 Found", location=location))) as server:
        with pytest.raises(FlyteInvalidInputException, match=text):
            await storage.read(f"{server.url}/key")


async def test_signatures_stand_in_no_error_and_in_no_log(storage: Storage, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    async with HttpServer(answering(reply(BODY), reply(status="403 Forbidden"))) as server:
        await storage.read(f"{server.url}/key?{SECRET}")
        with pytest.raises(FlyteError, match="/key") as refused:
            await storage.read(f"{server.url}/key?{SECRET}")
    with pytest.raises(FlyteSystemUnavailableException, match="/key") as gone:
        await storage.read(f"{server.url}/key?{SECRET}")
    shown = [repr(error) for caught in (refused, gone) for error in (caught.value, caught.value.__cause__)]
    shown += [caplog.text, *(repr(record.args) for record in caplog.records)]
    assert not any("5ec2e7" in text for text in shown)


async def test_the_signature_of_a_redirect_stands_in_no_error(storage: Storage, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)  # below it, the HTTP library itself shows the headers of replies
    moved = reply(status="307 Temporary Redirect", location=f"/other?{SECRET}")
    async with HttpServer(answering(moved, reply(status="403 Forbidden"))) as server:
        with pytest.raises(FlyteError, match="/key") as refused:
            await storage.read(f"{server.url}/key")
    assert "5ec2e7" not in f"{refused.value!r} {caplog.text}"


async def test_a_server_that_is_silent_is_given_up(storage: Storage):
    async with HttpServer(hanging) as server:
        reading = asyncio.ensure_future(anext(storage.stream(server.url)))
        await server.arrived.wait()
        await clock().advance(6)
        with pytest.raises(FlyteDeadlineExceeded, match="ReadTimeout"):
            await reading


async def test_a_read_that_is_cancelled_ends_at_once(storage: Storage):
    async with HttpServer(hanging) as server:
        reading = asyncio.ensure_future(storage.read(server.url))
        await server.arrived.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_url_that_is_none_is_refused(storage: Storage):
    with pytest.raises(FlyteInvalidInputException):
        await storage.read("http://")


async def test_a_url_is_an_item_of_its_own(storage: Storage):
    assert [(item.name, item.size) for item in await storage.items("https://h/a/b.txt?x=1")] == [("b.txt", None)]
