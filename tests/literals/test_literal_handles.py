"""Files and directories as handles."""

import copy
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flyteasync.errors import (
    FlyteAssertion,
    FlyteEntityNotExistException,
    FlyteTypeException,
    FlyteUsageError,
    FlyteUserException,
    FlyteValueException,
)
from flyteasync.idl import core
from flyteasync.literals import (
    Access,
    FlyteDirectory,
    FlyteFile,
    LiteralsResolver,
    guess_type,
    literal_type,
    to_literal,
    to_python,
)
from flyteasync.storage import Storage
from tests.support.http import HttpServer, answering, reply


def blob(uri: str, file_format: str = "", *, directory: bool = False) -> core.Literal:
    kind = core.BlobType(format=file_format, dimensionality=core.BlobTypeBlobDimensionality(int(directory)))
    return core.Literal(scalar=core.Scalar(blob=core.Blob(metadata=core.BlobMetadata(type=kind), uri=uri)))


def refusal(call: Any, error: type[FlyteUserException]) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


# What a handle says ...


def test_a_remote_file_says_where_it_is():
    file = FlyteFile("s3://b/f.csv")
    assert file.uri == file.path == file.remote_source == "s3://b/f.csv"
    assert not file.downloaded
    assert file.extension() == ""


@pytest.mark.parametrize("path", ["/tmp/f.csv", Path("/tmp/f.csv"), "file:///tmp/f.csv"])
def test_a_local_file_is_a_path_at_once(path: Any):
    file = FlyteFile(path)
    assert os.fspath(file) == file.path == "/tmp/f.csv"
    assert file.remote_source is None
    assert file.downloaded


def test_a_remote_file_is_no_path_before_it_is_downloaded():
    with pytest.raises(FlyteAssertion, match=r"^s3://b/f is not on this machine: `await file.download\(\)`$"):
        os.stat(FlyteFile("s3://b/f?signature"))
    with pytest.raises(FlyteAssertion, match=r"await directory.download\(\)"):
        os.listdir(FlyteDirectory("s3://b/d"))


def test_a_format_is_part_of_the_type():
    assert FlyteFile["csv"] is FlyteFile["csv"]
    assert FlyteFile["csv"] is FlyteFile[".csv"]
    assert FlyteFile["csv"].extension() == "csv"
    assert issubclass(FlyteFile["csv"], FlyteFile)
    assert FlyteFile[""] is FlyteFile
    assert FlyteDirectory["x"].extension() == "x"
    with pytest.raises(FlyteValueException, match="the format of a file is a text"):
        FlyteFile[3]


def test_handles_are_equal_if_they_are_of_the_same_thing():
    assert FlyteFile("s3://b/f") == FlyteFile("s3://b/f")
    assert hash(FlyteFile("s3://b/f")) == hash(FlyteFile("s3://b/f"))
    assert FlyteFile("s3://b/f") != FlyteFile("s3://b/g")
    assert FlyteFile("s3://b/f") != FlyteFile["csv"]("s3://b/f")
    assert FlyteFile("s3://b/f") != FlyteDirectory("s3://b/f")
    assert FlyteFile("s3://b/f") != "s3://b/f"


def test_handles_show_no_signatures():
    file = FlyteFile("https://user:pass@h/f.csv?X-Amz-Signature=5ec2e7#x")
    assert repr(file) == "FlyteFile('https://h/f.csv')"
    assert str(file) == "https://h/f.csv"
    assert str(FlyteDirectory("abfs://container@account.dfs.core.windows.net/d")) == (
        "abfs://container@account.dfs.core.windows.net/d"
    )


@pytest.mark.parametrize("empty", ["", Path(""), None, 3])
def test_a_handle_of_nothing_is_refused(empty: Any):
    if empty == Path(""):
        assert FlyteFile(empty).path == "."
    else:
        with pytest.raises(FlyteValueException, match="FlyteFile needs a path or a URI"):
            FlyteFile(empty)


def test_handles_are_pickled_without_their_store():
    file = FlyteFile["csv"]("s3://b/f", metadata={"k": "v"}, store=Storage())
    twin = pickle.loads(pickle.dumps(file))
    assert twin == file
    assert twin.metadata == {"k": "v"}
    assert type(twin) is FlyteFile["csv"]
    assert twin._store is None


def test_handles_are_copied_deeply_with_their_store():
    file = FlyteFile("s3://b/f", store=Storage())
    twin = copy.deepcopy({"file": file})["file"]
    assert twin == file
    assert twin._store is file._store


# What it reads ...


async def test_a_file_is_downloaded_once(tmp_path: Path):
    async with HttpServer(answering(reply(b"body"))) as server:
        file = FlyteFile(f"{server.url}/f.csv?x=1", store=Storage())
        path = await file.download()
        assert await file.download() == path
        assert len(server.requests) == 1
        copied = await file.download(tmp_path / "g.csv")
        assert len(server.requests) == 2
    assert os.fspath(file) == file.path == copied == str(tmp_path / "g.csv")
    assert file.downloaded
    assert file.uri == file.remote_source == f"{server.url}/f.csv?x=1"
    assert (tmp_path / "g.csv").read_text() == "body"
    assert os.stat(file).st_size == 4
    assert path.endswith("/f.csv")
    os.unlink(path)
    os.rmdir(os.path.dirname(path))


async def test_a_file_is_read_without_a_copy():
    async with HttpServer(answering(reply(b"body"))) as server:
        file = FlyteFile(f"{server.url}/f", store=Storage())
        assert await file.read() == b"body"
        assert [chunk async for chunk in file.stream()] == [b"body"]
        assert not file.downloaded


async def test_a_file_is_opened_for_reading(tmp_path: Path):
    (tmp_path / "f").write_text("a\nb\n")
    async with FlyteFile(tmp_path / "f", store=Storage()).open("r") as lines:
        assert [line async for line in lines] == ["a\n", "b\n"]
    async with FlyteFile(tmp_path / "f", store=Storage()).open() as opened:
        assert await opened.read(1) == b"a"


async def test_a_directory_is_listed_and_downloaded(tmp_path: Path):
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "sub" / "f").write_text("f")
    directory = FlyteDirectory(tmp_path / "d", store=Storage())
    assert [item.name for item in await directory.items()] == ["sub/f"]
    assert [await file.read() for file in await directory.files()] == [b"f"]
    assert await directory.download() == str(tmp_path / "d")
    await directory.download(tmp_path / "copy")
    assert (tmp_path / "copy" / "sub" / "f").read_text() == "f"
    assert directory.path == str(tmp_path / "copy")


async def test_a_handle_without_a_store_says_so():
    for reading in (FlyteFile("s3://b/f").read, FlyteFile("s3://b/f").download, FlyteDirectory("s3://b/d").items):
        with pytest.raises(FlyteUsageError, match="has no store to read through"):
            await reading()
    bound = FlyteFile("/nowhere/f").bind(Storage())
    with pytest.raises(FlyteEntityNotExistException):
        await bound.read()
    assert bound.bind(None)._store is not None


# To literals and back ...


@pytest.mark.parametrize(
    ("python_type", "file_format"),
    [(FlyteFile, ""), (FlyteFile["csv"], "csv"), (FlyteDirectory, ""), (FlyteDirectory["x"], "x")],
)
def test_the_type_says_what_it_is_of(python_type: Any, file_format: str):
    expected = literal_type(python_type)
    assert expected.blob is not None
    assert expected.blob.format == file_format
    assert guess_type(expected) is python_type


def test_a_handle_out_of_a_literal_reads_through_the_resolvers_store():
    storage = Storage()
    literals = {
        "file": blob("s3://b/f", "csv"),
        "files": core.Literal(collection=core.LiteralCollection(literals=[blob("s3://b/g")])),
    }
    resolver = LiteralsResolver(literals, access=Access(storage))
    assert resolver["file"] == FlyteFile["csv"]("s3://b/f")
    assert resolver["files"] == [FlyteFile("s3://b/g")]
    assert resolver["file"]._store is resolver["files"][0]._store is resolver.copy()["file"]._store is storage
    assert resolver.get("file", FlyteFile) == FlyteFile("s3://b/f")


@pytest.mark.parametrize("value", ["s3://b/f", FlyteFile("s3://b/f"), FlyteFile["txt"]("s3://b/f")])
def test_remote_files_need_no_upload(value: Any):
    literal = to_literal(value, literal_type(FlyteFile["csv"]), name="x")
    assert literal == blob("s3://b/f", "csv")


def test_what_was_downloaded_goes_back_as_where_it_came_from(tmp_path: Path):
    file = FlyteFile("s3://b/f")
    file._local = str(tmp_path)
    assert to_literal(file, literal_type(FlyteFile)) == blob("s3://b/f")


def test_a_local_path_that_is_not_to_be_uploaded_is_passed_on():
    assert to_literal(FlyteFile("/mnt/f", remote_path=False), literal_type(FlyteFile)) == blob("/mnt/f")
    passed = FlyteDirectory("/mnt/d", remote_directory=False)
    assert to_literal(passed, literal_type(FlyteDirectory)) == blob("/mnt/d", directory=True)


@pytest.mark.parametrize(
    ("value", "python_type", "text"),
    [
        (3, FlyteFile, "x: expected FlyteFile, got int"),
        (None, FlyteFile["csv"], "x: expected FlyteFile['csv'], got None"),
        (FlyteDirectory("s3://b/d"), FlyteFile, "x: expected FlyteFile, got FlyteDirectory"),
        (FlyteFile("s3://b/d"), FlyteDirectory, "x: expected FlyteDirectory, got FlyteFile"),
        (b"s3://b/f", FlyteFile, "x: expected FlyteFile, got bytes"),
    ],
)
def test_what_is_no_file_is_refused(value: Any, python_type: Any, text: str):
    assert refusal(lambda: to_literal(value, literal_type(python_type), name="x"), FlyteTypeException) == text


def test_an_empty_path_is_refused():
    text = "x: a FlyteFile needs a path or a URI"
    assert refusal(lambda: to_literal("", literal_type(FlyteFile), name="x"), FlyteValueException) == text


@pytest.mark.parametrize(
    ("literal", "python_type", "error", "text"),
    [
        (
            blob("s3://b/d", directory=True),
            FlyteFile,
            FlyteTypeException,
            "x: expected FlyteFile, got a literal that holds blob",
        ),
        (
            blob("s3://b/f"),
            FlyteDirectory,
            FlyteTypeException,
            "x: expected FlyteDirectory, got a literal that holds blob",
        ),
        (blob(""), FlyteFile, FlyteValueException, "x: the literal does not say where the file is"),
        (core.Literal(), FlyteFile, FlyteTypeException, "x: expected FlyteFile, got a literal that holds empty"),
    ],
)
def test_a_literal_that_is_no_such_file_is_refused(
    literal: core.Literal, python_type: Any, error: type[FlyteUserException], text: str
):
    assert refusal(lambda: to_python(literal, python_type, name="x"), error) == text


def test_unions_tell_files_from_texts():
    python_type = FlyteFile | str
    assert to_python(to_literal("s3://b/f", literal_type(python_type)), python_type) == "s3://b/f"
    assert to_python(to_literal(FlyteFile("s3://b/f"), literal_type(python_type)), python_type) == FlyteFile("s3://b/f")
    python_type = FlyteFile | FlyteDirectory
    directory = FlyteDirectory("s3://b/d")
    assert to_python(to_literal(directory, literal_type(python_type)), python_type) == directory


def test_a_handle_of_another_library_is_asked_for_its_source_and_never_downloads():
    class Elsewhere(os.PathLike[str]):
        remote_source = "s3://b/f"

        def __fspath__(self) -> str:
            raise AssertionError("downloads")

    assert to_literal(Elsewhere(), literal_type(FlyteFile)) == blob("s3://b/f")
    assert FlyteFile(Elsewhere()).uri == "s3://b/f"
    assert FlyteFile(SimpleNamespace(path="/tmp/f")).path == "/tmp/f"  # type: ignore[arg-type]
