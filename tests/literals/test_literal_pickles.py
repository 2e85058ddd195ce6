"""Pickles are refused unless somebody asks for one."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from flyteasync.errors import FlyteTypeException, FlyteUsageError, FlyteUserException, FlyteValueException
from flyteasync.idl import core
from flyteasync.literals import (
    Access,
    FlytePickle,
    LiteralsResolver,
    guess_type,
    literal_type,
    to_literal,
    to_python,
)
from flyteasync.literals.plain import struct_of
from flyteasync.storage import Storage

REFUSED = r"^x: the value is a pickle, and loading one runs code chosen by whoever wrote it: ask for it with "


@pytest.fixture(autouse=True)
def no_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLYTE_SDK_ALLOW_PICKLE", raising=False)


def pickled(uri: str) -> core.Literal:
    kind = core.BlobType(format="PythonPickle")
    return core.Literal(scalar=core.Scalar(blob=core.Blob(metadata=core.BlobMetadata(type=kind), uri=uri)))


def pickled_dict(uri: str) -> core.Literal:
    generic = struct_of({"pickle_file": uri})
    return core.Literal(scalar=core.Scalar(generic=generic), metadata={"format": "pickle"})


def resolver(literal: core.Literal, access: Access | None = None) -> LiteralsResolver:
    return LiteralsResolver({"x": literal}, {"x": core.Variable(type=literal_type(FlytePickle))}, access=access)


def refusal(call: Any, error: type[FlyteUserException]) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("literal", [pickled("s3://b/k"), pickled_dict("s3://b/k")])
def test_a_pickle_that_nobody_asked_for_is_refused(literal: core.Literal):
    with pytest.raises(FlyteValueException, match=REFUSED):
        resolver(literal)["x"]
    with pytest.raises(FlyteValueException, match=REFUSED):
        to_python(literal, name="x")
    for python_type in (bytes, dict, set[int], list[int], int):
        with pytest.raises(FlyteValueException, match=REFUSED):
            to_python(literal, python_type, name="x")
    with pytest.raises(FlyteValueException, match="the value is a pickle"):
        to_python(core.Literal(collection=core.LiteralCollection(literals=[literal])))


def test_a_class_that_flyte_does_not_know_says_what_to_ask_for():
    class Model:
        pass

    text = refusal(lambda: to_python(pickled("s3://b/k"), Model, name="x"), FlyteTypeException)
    assert text == "x: Model has no Flyte type; such values travel as pickles, which are FlytePickle here"


@pytest.mark.parametrize("literal", [pickled("s3://b/k"), pickled_dict("s3://b/k")])
def test_a_pickle_that_was_asked_for_is_a_handle(literal: core.Literal):
    assert resolver(literal).get("x", FlytePickle) == FlytePickle("s3://b/k")
    assert resolver(literal).get("x", FlytePickle[int]) == FlytePickle("s3://b/k")


def test_a_remote_may_allow_all_pickles():
    assert resolver(pickled("s3://b/k"), Access(allow_pickle=True))["x"] == FlytePickle("s3://b/k")


def test_the_environment_may_allow_all_pickles(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLYTE_SDK_ALLOW_PICKLE", "true")
    assert resolver(pickled("s3://b/k"))["x"] == FlytePickle("s3://b/k")
    with pytest.raises(FlyteValueException, match=REFUSED):
        resolver(pickled("s3://b/k"), Access(allow_pickle=False))["x"]
    monkeypatch.setenv("FLYTE_SDK_ALLOW_PICKLE", "false")
    with pytest.raises(FlyteValueException, match=REFUSED):
        resolver(pickled("s3://b/k"))["x"]


class Trap:
    """Runs code when it is unpickled: it makes a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


async def test_nothing_is_unpickled_before_it_is_loaded(tmp_path: Path):
    (tmp_path / "k").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    handle = resolver(pickled(str(tmp_path / "k")), Access(Storage())).get("x", FlytePickle)
    assert os.listdir(tmp_path) == ["k"]
    await handle.load()
    assert sorted(os.listdir(tmp_path)) == ["k", "sprung"]


async def test_a_pickle_is_loaded_through_the_store(tmp_path: Path):
    (tmp_path / "k").write_bytes(pickle.dumps({"a": {1, 2}}))
    handle = to_python(pickled(str(tmp_path / "k")), FlytePickle, access=Access(Storage()))
    assert await handle.load() == {"a": {1, 2}}


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        (b"no pickle", FlyteValueException, "cannot be loaded: UnpicklingError"),
        (b"cnowhere\nthing\n.", FlyteUsageError, "needs the module nowhere"),
    ],
)
async def test_a_pickle_that_cannot_be_loaded_is_told(tmp_path: Path, content: bytes, error: Any, text: str):
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(error, match=text):
        await FlytePickle(str(tmp_path / "k"), store=Storage()).load()


def test_a_handle_goes_back_as_it_came():
    assert to_literal(FlytePickle("s3://b/k"), literal_type(FlytePickle)) == pickled("s3://b/k")
    assert repr(FlytePickle("https://h/k?X-Amz-Signature=5ec2e7")) == "FlytePickle('https://h/k')"
    assert pickle.loads(pickle.dumps(FlytePickle("s3://b/k", store=Storage()))) == FlytePickle("s3://b/k")


def test_nothing_is_pickled_unless_that_is_asked_for():
    text = refusal(lambda: to_literal({1}, literal_type(set), name="x"), FlyteTypeException)
    assert text.startswith("x: expected FlytePickle, got set; it is pickled if its type hint is FlytePickle")


def test_what_is_no_pickle_is_refused():
    text = "x: expected FlytePickle, got a literal that holds int"
    literal = to_literal(1, literal_type(int))
    assert refusal(lambda: to_python(literal, FlytePickle, name="x"), FlyteTypeException) == text
    text = "x: the literal does not say where the pickle is"
    assert refusal(lambda: to_python(pickled(""), FlytePickle, name="x"), FlyteValueException) == text


def test_the_type_is_guessed():
    assert issubclass(guess_type(literal_type(FlytePickle)), FlytePickle)
    assert issubclass(guess_type(literal_type(bytes)), FlytePickle)
