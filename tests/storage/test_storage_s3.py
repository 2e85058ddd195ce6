"""Object stores, against an S3 server on loopback."""

import asyncio
import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flyteasync import codec
from flyteasync.config import DataConfig, S3Config
from flyteasync.errors import (
    FlyteDecodeError,
    FlyteEntityNotExistException,
    FlyteInvalidInputException,
    FlyteResourceExhausted,
    FlyteSystemUnavailableException,
    FlyteUsageError,
)
from flyteasync.executions.data import DataLoader, Expected
from flyteasync.idl import admin, core
from flyteasync.literals import Access, FlyteDirectory, FlyteFile, literal_type, to_literal, to_python
from flyteasync.storage import Storage

pytestmark = [pytest.mark.s3, pytest.mark.filterwarnings("ignore")]

BODY = bytes(range(256)) * 20_000
MD5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()
BUCKET = "bucket"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def client(endpoint: str) -> Any:
    """A client of another make, that writes what is read."""
    client = pytest.importorskip("boto3").client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="big", Body=BODY, Metadata={"flyteContentMD5": MD5})
    client.put_object(Bucket=BUCKET, Key="changed", Body=BODY[1:], Metadata={"flyteContentMD5": MD5})
    for key in ("dir/a", "dir/sub/b", "directory/c", "odd/a b/é#?%25+.txt"):
        client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    return client


@pytest.fixture
def storage(endpoint: str, client: Any) -> Storage:
    return storage_of(endpoint)


def storage_of(endpoint: str, timeout: float = 20) -> Storage:
    s3 = S3Config(endpoint=endpoint, access_key_id="id", secret_access_key="secret")
    return Storage(DataConfig(s3=s3), timeout=timeout)


async def test_an_object_is_read_and_compared_with_its_checksum(storage: Storage):
    assert await storage.read(f"s3://{BUCKET}/big") == BODY
    assert await storage.read(f"s3a://{BUCKET}/big") == BODY
    with pytest.raises(FlyteDecodeError, match="do not match their MD5"):
        await storage.read(f"s3://{BUCKET}/changed")


async def test_an_object_is_read_piece_by_piece(storage: Storage):
    pieces = [chunk async for chunk in storage.stream(f"s3://{BUCKET}/big")]
    assert len(pieces) > 1
    assert b"".join(pieces) == BODY


async def test_an_object_larger_than_allowed_is_not_read(storage: Storage):
    with pytest.raises(FlyteResourceExhausted, match=f"has {len(BODY)} bytes"):
        await storage.read(f"s3://{BUCKET}/big", max_bytes=1000)


async def test_what_is_not_there_is_named(storage: Storage):
    for uri in (f"s3://{BUCKET}/nothing", "s3://no-such-bucket/big"):
        with pytest.raises(FlyteEntityNotExistException, match=f"^{uri} does not exist$"):
            await storage.read(uri)
        with pytest.raises(FlyteEntityNotExistException):
            await storage.items(uri)


async def test_a_prefix_is_listed_by_whole_names(storage: Storage):
    items = await storage.items(f"s3://{BUCKET}/dir")
    assert [(item.uri, item.name, item.size) for item in items] == [
        (f"s3://{BUCKET}/dir/a", "a", 5),
        (f"s3://{BUCKET}/dir/sub/b", "sub/b", 9),
    ]
    assert [item.name for item in await storage.items(f"s3://{BUCKET}/dir/")] == ["a", "sub/b"]
    assert [item.name for item in await storage.items(f"s3://{BUCKET}/dir/a")] == ["a"]
    assert "dir/sub/b" in [item.name for item in await storage.items(f"s3://{BUCKET}")]


async def test_names_with_odd_characters_are_read(storage: Storage):
    [item] = await storage.items(f"s3://{BUCKET}/odd")
    assert item.name == "a b/é#?%25+.txt"
    assert await storage.read(item.uri) == b"odd/" + item.name.encode()


async def test_a_prefix_is_copied_as_a_directory(storage: Storage, tmp_path: Path):
    await storage.download(f"s3://{BUCKET}/dir", tmp_path / "copy", directory=True)
    assert (tmp_path / "copy" / "sub" / "b").read_text() == "dir/sub/b"
    assert (tmp_path / "copy" / "a").read_text() == "dir/a"


async def test_handles_are_read_through_the_store(storage: Storage, tmp_path: Path):
    access = Access(storage)
    file = to_python(to_literal(f"s3://{BUCKET}/dir/a", literal_type(FlyteFile)), access=access)
    assert await file.read() == b"dir/a"
    directory = to_python(to_literal(f"s3://{BUCKET}/dir", literal_type(FlyteDirectory)), access=access)
    assert [await below.read() for below in await directory.files()] == [b"dir/a", b"dir/sub/b"]
    path = await directory.download(tmp_path / "copy")
    assert os.fspath(directory) == path
    assert sorted(os.listdir(directory)) == ["a", "sub"]


async def test_outputs_are_fetched_from_the_store(storage: Storage, client: Any):
    inner = codec.encode(to_literal([1, 2], literal_type(list[int])))
    client.put_object(Bucket=BUCKET, Key="run/x.pb", Body=inner)
    uri = f"s3://{BUCKET}/run/x.pb"
    offloaded = core.Literal(offloaded_metadata=core.LiteralOffloadedMetadata(uri=uri, size_bytes=len(inner)))
    client.put_object(
        Bucket=BUCKET, Key="run/outputs.pb", Body=codec.encode(core.LiteralMap(literals={"x": offloaded}))
    )
    loader = DataLoader(Access(storage))
    answer = admin.WorkflowExecutionGetDataResponse()
    data = await loader.load(answer, Expected(succeeded=True, outputs_uri=f"s3://{BUCKET}/run/outputs.pb"))
    assert dict(data.outputs or {}) == {"x": [1, 2]}
    data = await loader.load(answer, Expected(succeeded=True, outputs_uri=f"s3://{BUCKET}/run/none.pb"))
    assert data.unreadable == f"s3://{BUCKET}/run/none.pb does not exist"


async def test_many_reads_at_once_do_not_mix_up_anything(storage: Storage):
    keys = ["dir/a", "dir/sub/b", "directory/c"] * 30
    bodies = await asyncio.gather(*(storage.read(f"s3://{BUCKET}/{key}") for key in keys))
    assert bodies == [key.encode() for key in keys]


async def test_a_store_that_nobody_answers_for_is_told_without_secrets():
    storage = storage_of("http://127.0.0.1:9", timeout=2)
    with pytest.raises(FlyteSystemUnavailableException, match=f"^s3://{BUCKET}/big: Generic S3 error") as caught:
        await storage.read(f"s3://{BUCKET}/big")
    assert "secret" not in str(caught.value)


async def test_a_uri_without_a_bucket_is_refused(storage: Storage):
    with pytest.raises(FlyteInvalidInputException, match="names no bucket"):
        await storage.read("s3:///key")


async def test_azure_needs_an_account():
    with pytest.raises(FlyteInvalidInputException, match="abfs://container cannot be set up"):
        await Storage().read("abfs://container/key")


async def test_a_read_that_is_cancelled_ends(storage: Storage):
    reading = asyncio.ensure_future(storage.read(f"s3://{BUCKET}/big"))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await storage.read(f"s3://{BUCKET}/dir/a") == b"dir/a"


async def test_a_forked_process_is_told_instead_of_hanging(storage: Storage):
    await storage.read(f"s3://{BUCKET}/dir/a")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing here may return into the test run of the parent.
        try:
            asyncio.run(storage.read(f"s3://{BUCKET}/dir/a"))
            os.write(writer, b"read")
        except FlyteUsageError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)  # noqa: ASYNC222 # it ends at once
    assert b"before this process was forked" in os.read(reader, 1000)
    os.close(reader)
