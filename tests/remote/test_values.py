"""Values of every kind through a remote: inputs that are launched, outputs that come back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from flyteasync import FlyteFile, FlyteRemote, FlyteWorkflowExecution
from flyteasync.errors import FlyteTypeException, FlyteUsageError, FlyteValueException
from flyteasync.server import Server
from flyteasync.storage import Storage
from tests.support.backend import register, remote_of, single


@dataclass
class Inner:
    x: int
    y: str | None = None


@dataclass
class Config:
    rate: float
    inners: list[Inner]
    file: FlyteFile


KINDS: dict[str, Any] = {"config": Config, "configs": list[Config | None], "file": FlyteFile["csv"]}


@pytest.fixture
async def remote() -> AsyncGenerator[FlyteRemote]:
    """A remote of a server with workflows that give back what they get: a dataclass, a list of them, a file."""
    handlers = dict.fromkeys(KINDS, lambda value: value)
    async with Server(handlers=handlers) as server, remote_of(server.endpoint) as remote:
        for name, kind in KINDS.items():
            await register(remote, *single(name, {"value": kind}, kind))
        yield remote


async def run(remote: FlyteRemote, name: str, value: Any, **options: Any) -> FlyteWorkflowExecution:
    execution = await remote.execute(await remote.fetch_launch_plan(name=name), {"value": value}, wait=True, **options)
    assert execution.is_successful, execution.error
    return execution


async def test_a_dataclass_comes_back_as_it_was_asked_for(remote: FlyteRemote) -> None:
    value = Config(0.5, [Inner(1), Inner(2, "y")], FlyteFile("s3://b/f"))
    execution = await run(remote, "config", value)
    assert execution.outputs.get("o0", Config) == value
    fetched = await (await remote.fetch_execution(name=execution.id.name)).wait()
    assert fetched.outputs.get("o0", Config) == value


async def test_a_dataclass_that_nobody_named_is_guessed(remote: FlyteRemote) -> None:
    execution = await run(remote, "config", {"rate": 1, "inners": [{"x": 1}], "file": "s3://b/f"})
    found = execution.outputs["o0"]
    assert type(found).__name__ == "Config"
    assert asdict(found)["inners"] == [{"x": 1, "y": None}]
    assert found.file == FlyteFile("s3://b/f")
    again = await run(remote, "configs", [found, None])
    assert again.outputs.get("o0", list[Config | None]) == [Config(1.0, [Inner(1)], FlyteFile("s3://b/f")), None]


async def test_type_hints_type_inputs_and_outputs(remote: FlyteRemote) -> None:
    value = Config(0.5, [], FlyteFile("s3://b/f"))
    execution = await run(remote, "config", value, type_hints={"value": Config, "o0": Config})
    assert execution.inputs["value"] == execution.outputs["o0"] == value


async def test_outputs_are_json(remote: FlyteRemote) -> None:
    execution = await run(remote, "config", Config(0.5, [Inner(1)], FlyteFile("s3://b/f")))
    assert execution.outputs.to_json() == {
        "o0": {"rate": 0.5, "inners": [{"x": 1, "y": None}], "file": {"path": "s3://b/f"}}
    }


async def test_a_remote_file_is_passed_on_and_read_through_the_remote(remote: FlyteRemote, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("a,b\n")
    execution = await run(remote, "file", FlyteFile(path, remote_path=False))
    file = execution.outputs["o0"]
    assert type(file) is FlyteFile["csv"]
    assert await file.read() == b"a,b\n"


async def test_a_local_file_is_refused_before_anything_is_launched(remote: FlyteRemote, tmp_path: Path) -> None:
    (tmp_path / "f.csv").touch()
    plan = await remote.fetch_launch_plan(name="file")
    calls = remote.stats.attempts.total()
    with pytest.raises(FlyteUsageError, match=r"^value: the local path .*f\.csv has to be uploaded first"):
        await remote.execute(plan, {"value": tmp_path / "f.csv"})
    assert remote.stats.attempts.total() == calls


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (
            {"rate": "x", "inners": [], "file": "s3://b/f"},
            FlyteTypeException,
            r"^value\.rate: expected float, got str$",
        ),
        ({"rate": 1, "inners": [{}], "file": "s3://b/f"}, FlyteValueException, r"^value\.inners\[0\]\.x: the field is"),
        (Inner(1), FlyteTypeException, "^value: expected Config, got Inner$"),
    ],
)
async def test_what_does_not_fit_is_refused_by_its_path(
    remote: FlyteRemote, value: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        await remote.execute(await remote.fetch_launch_plan(name="config"), {"value": value})


async def test_another_storage_can_be_given() -> None:
    storage = Storage()
    remote = remote_of("127.0.0.1:9", storage=storage, allow_pickle=True)
    assert remote.access.store is storage
    assert remote.access.pickles
