"""Dataclasses and pydantic models: what flytekit writes is read equal, and the other way round; types are the same."""

import warnings
from typing import Any

import pytest

from flyteasync.codec import decode, encode
from flyteasync.idl import core
from flyteasync.literals import literal_type, to_literal, to_python

# Not "flytekit" alone: that is the name of this folder, too.
pytest.importorskip("flytekit.core.type_engine")
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import shapes
    from flyteidl.core import literals_pb2, types_pb2
    from flytekit.core.context_manager import FlyteContext
    from flytekit.core.type_engine import TypeEngine
    from flytekit.models.literals import Literal as TheirLiteral

IDS = [f"{index}-{kind}" for index, (_, kind) in enumerate(shapes.RECORDS)]


def their_type(python_type: Any) -> types_pb2.LiteralType:
    return TypeEngine.to_literal_type(python_type).to_flyte_idl()


def their_literal(value: Any, python_type: Any) -> literals_pb2.Literal:
    expected = TypeEngine.to_literal_type(python_type)
    return TypeEngine.to_literal(FlyteContext.current_context(), value, python_type, expected).to_flyte_idl()


def read_by_them(literal: core.Literal, python_type: Any) -> Any:
    message = literals_pb2.Literal.FromString(encode(literal))
    return TypeEngine.to_python_value(FlyteContext.current_context(), TheirLiteral.from_flyte_idl(message), python_type)


def ours(message: Any) -> core.Literal:
    return decode(core.Literal, message.SerializeToString())


GENERIC = (shapes.IntBox, shapes.Outer)
"""flytekit says that a generic dataclass in a field is a pickle, and then serialises it all the same."""


@pytest.mark.parametrize("python_type", [kind for _, kind in shapes.RECORDS if kind not in GENERIC])
def test_the_literal_type_is_the_same(python_type: Any):
    mine = types_pb2.LiteralType.FromString(encode(literal_type(python_type)))
    assert mine == their_type(python_type)


@pytest.mark.parametrize(("value", "python_type"), shapes.RECORDS, ids=IDS)
def test_what_flytekit_writes_is_read_equal(value: Any, python_type: Any):
    assert to_python(ours(their_literal(value, python_type)), python_type) == value


@pytest.mark.parametrize(("value", "python_type"), shapes.RECORDS, ids=IDS)
def test_what_is_written_here_flytekit_reads_equal(value: Any, python_type: Any):
    literal = to_literal(value, literal_type(python_type), python_type=python_type)
    assert read_by_them(literal, python_type) == value


@pytest.mark.parametrize(("value", "python_type"), shapes.RECORDS, ids=IDS)
def test_the_literals_are_the_same_messages(value: Any, python_type: Any):
    literal = to_literal(value, literal_type(python_type), python_type=python_type)
    assert literals_pb2.Literal.FromString(encode(literal)) == their_literal(value, python_type)


@pytest.mark.parametrize(
    ("value", "python_type"), [record for record in shapes.RECORDS if record[1] != dict[int, shapes.Inner]]
)
def test_a_value_is_written_the_same_without_its_type(value: Any, python_type: Any):
    literal = to_literal(value, literal_type(python_type))
    assert literals_pb2.Literal.FromString(encode(literal)) == their_literal(value, python_type)


@pytest.mark.parametrize(("value", "python_type"), shapes.RECORDS, ids=IDS)
def test_what_was_read_without_a_type_is_written_back_as_it_was(value: Any, python_type: Any):
    message = their_literal(value, python_type)
    expected = decode(core.LiteralType, their_type(python_type).SerializeToString())
    guessed = to_python(ours(message), expected=expected)
    again = to_literal(guessed, expected)
    assert read_by_them(again, python_type) == value


STRUCTS = [
    (value, kind)
    for value, kind in shapes.RECORDS
    # A Struct holds numbers as floats, which do not hold every int and are no keys.
    if kind not in (shapes.Containers, dict[int, shapes.Inner], shapes.Model) and value != shapes.Inner(2**63 - 1, "")
]


@pytest.mark.parametrize(("value", "python_type"), STRUCTS, ids=str)
def test_the_structs_of_an_older_flytekit_are_read_equal(value: Any, python_type: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLYTE_USE_OLD_DC_FORMAT", "true")
    monkeypatch.setattr(TypeEngine, "_LITERAL_CACHE", {})
    message = their_literal(value, python_type)
    if value is not None:
        assert "generic" in str(message)
    assert to_python(ours(message), python_type) == value
