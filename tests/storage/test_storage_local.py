import os
from pathlib import Path

import pytest

from flyteasync.errors import (
    FlyteEntityNotExistException,
    FlyteInvalidInputException,
    FlytePermissionDenied,
    FlyteResourceExhausted,
    FlyteUsageError,
    FlyteValueException,
)
from flyteasync.storage import Item, Storage
from tests.support.http import HttpServer, answering, reply

BODY = b"abc" * 1_000_000


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "b.bin").write_bytes(BODY)
    (folder / "sub" / "é.txt").write_text("é")
    return folder


async def test_paths_and_file_urls_are_read(storage: Storage, folder: Path):
    path = folder / "b.bin"
    assert await storage.read(str(path)) == BODY
    assert await storage.read(f"file://{path}") == BODY
    assert await storage.read(path.as_uri()) == BODY


async def test_a_file_is_read_piece_by_piece(storage: Storage, folder: Path):
    pieces = [chunk async for chunk in storage.stream(str(folder / "b.bin"))]
    assert [len(piece) for piece in pieces[:-1]] == [1024 * 1024] * (len(pieces) - 1)
    assert b"".join(pieces) == BODY


async def test_more_bytes_than_allowed_are_refused(storage: Storage, folder: Path):
    assert await storage.read(str(folder / "b.bin"), max_bytes=len(BODY)) == BODY
    with pytest.raises(FlyteResourceExhausted, match="more than the 10 allowed"):
        await storage.read(str(folder / "b.bin"), max_bytes=10)


async def test_what_cannot_be_read_is_named(storage: Storage, folder: Path):
    with pytest.raises(FlyteEntityNotExistException, match="nothing does not exist"):
        await storage.read(str(folder / "nothing"))
    with pytest.raises(FlyteValueException, match="is a directory"):
        await storage.read(str(folder))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read_is_named(storage: Storage, folder: Path):
    (folder / "b.bin").chmod(0)
    with pytest.raises(FlytePermissionDenied, match=r"b\.bin"):
        await storage.read(str(folder / "b.bin"))


async def test_the_files_below_a_directory_are_listed(storage: Storage, folder: Path):
    items = await storage.items(str(folder))
    assert [(item.name, item.size) for item in items] == [("b.bin", len(BODY)), ("sub/é.txt", 2)]
    assert await storage.read(items[1].uri) == "é".encode()
    assert [item.name for item in await storage.items(str(folder / "b.bin"))] == ["b.bin"]
    with pytest.raises(FlyteEntityNotExistException):
        await storage.items(str(folder / "nothing"))


async def test_a_file_is_copied_to_a_path(storage: Storage, folder: Path, tmp_path: Path):
    target = tmp_path / "new" / "copy.bin"
    assert await storage.download(str(folder / "b.bin"), target) == str(target)
    assert target.read_bytes() == BODY
    assert os.listdir(target.parent) == ["copy.bin"]


async def test_a_file_is_copied_into_a_directory_under_its_name(storage: Storage, folder: Path, tmp_path: Path):
    assert await storage.download(str(folder / "b.bin"), tmp_path) == str(tmp_path / "b.bin")


async def test_without_a_path_a_new_directory_is_made(storage: Storage, folder: Path):
    one = Path(await storage.download(str(folder / "b.bin")))
    two = Path(await storage.download(str(folder / "b.bin")))
    assert one != two
    assert one.name == two.name == "b.bin"
    for copy in (one, two):
        copy.unlink()
        copy.parent.rmdir()


async def test_a_directory_is_copied_with_all_below_it(storage: Storage, folder: Path, tmp_path: Path):
    target = tmp_path / "copy"
    assert await storage.download(str(folder), target, directory=True) == str(target)
    assert (target / "sub" / "é.txt").read_text() == "é"
    assert (target / "b.bin").read_bytes() == BODY


async def test_a_copy_that_fails_leaves_nothing_behind(storage: Storage, tmp_path: Path):
    target = tmp_path / "copy"
    target.write_bytes(b"as it was")
    broken = reply(b"half", content_length="8")
    async with HttpServer(answering(broken)) as server:
        with pytest.raises(Exception, match="/k"):
            await storage.download(f"{server.url}/k", target)
    assert target.read_bytes() == b"as it was"
    assert os.listdir(tmp_path) == ["copy"]


class Treacherous(Storage):
    """A storage with an object whose name leads out of its directory."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    async def items(self, uri: str) -> list[Item]:
        return [Item(uri, self._name, 1)]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "..", "", "a\\..\\x"])
async def test_an_object_never_lands_outside_of_the_directory(name: str, folder: Path, tmp_path: Path):
    with pytest.raises(FlyteValueException, match="leads out of a directory"):
        await Treacherous(name).download(str(folder / "b.bin"), tmp_path / "copy", directory=True)
    assert not (tmp_path / "copy").exists()


async def test_files_are_opened_for_reading(storage: Storage, folder: Path):
    async with storage.open(str(folder / "sub" / "é.txt"), "r") as lines:
        assert [line async for line in lines] == ["é"]
    with pytest.raises(FlyteInvalidInputException, match="opened for reading"):
        storage.open(str(folder / "b.bin"), "wb")
    with pytest.raises(FlyteEntityNotExistException):
        async with storage.open(str(folder / "nothing")):
            pass


async def test_a_scheme_that_nobody_knows_is_refused_without_its_query(storage: Storage):
    with pytest.raises(FlyteInvalidInputException, match=r"^mem://b/k cannot be read; what can: paths, file://"):
        await storage.read("mem://b/k?secret")


async def test_object_stores_without_the_extra_say_what_to_install(storage: Storage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    for uri in ("s3://b/k", "gs://b/k", "abfs://c@a.dfs.core.windows.net/k"):
        with pytest.raises(FlyteUsageError, match=r"pip install 'flyteasync\[storage\]'"):
            await storage.read(uri)
