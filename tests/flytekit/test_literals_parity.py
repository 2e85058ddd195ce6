"""What flytekit writes is read equal, what is written here flytekit reads equal, and the types are the same.

Runs where flytekit and this package can both be imported; the messages go across as bytes.
"""

import enum
import math
import warnings
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated, Any, Literal

import pytest

from flyteasync.codec import decode, encode
from flyteasync.errors import FlyteError
from flyteasync.idl import core
from flyteasync.literals import LiteralsResolver, guess_type, literal_type, to_literal, to_python

# Not "flytekit" alone: that is the name of this folder, too.
pytest.importorskip("flytekit.core.type_engine")
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from flyteidl.core import interface_pb2, literals_pb2, types_pb2
    from flytekit.core.context_manager import FlyteContext
    from flytekit.core.type_engine import LiteralsResolver as TheirResolver
    from flytekit.core.type_engine import TypeEngine
    from flytekit.models.interface import Variable
    from flytekit.models.literals import Literal as TheirLiteral
    from flytekit.models.types import LiteralType


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Shade(enum.Enum):
    RED = "red"
    DARK = "dark"


class Mood(enum.StrEnum):
    GOOD = "good"


MOMENT = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)

CASES: list[tuple[Any, Any]] = [
    (None, type(None)),
    (True, bool),
    (False, bool),
    (0, int),
    (-1, int),
    (2**63 - 1, int),
    (-(2**63), int),
    (0.0, float),
    (-0.0, float),
    (0.1, float),
    (1e308, float),
    (math.inf, float),
    (-math.inf, float),
    ("", str),
    ("\x00 é \U0001f600 \u202e", str),
    ("ab" * 100_000, str),
    (MOMENT, datetime),
    (datetime(1, 1, 1, tzinfo=UTC), datetime),
    (datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC), datetime),
    (datetime.max.replace(tzinfo=UTC), datetime),
    (date(2024, 2, 29), date),
    (date(1900, 1, 1), date),
    (timedelta(0), timedelta),
    (timedelta(days=400, microseconds=1), timedelta),
    (timedelta(microseconds=-1), timedelta),
    (timedelta(days=-400, seconds=1.5), timedelta),
    (timedelta(seconds=315_576_000_000), timedelta),
    (-timedelta(seconds=315_576_000_000), timedelta),
    (-timedelta(seconds=315_575_999_999, microseconds=999_999), timedelta),
    (Color.RED, Color),
    (Mood.GOOD, Mood),
    ([], list[int]),
    ([1, 2, 3], list[int]),
    ([[], [1.5]], list[list[float]]),
    ([Color.RED, Color.BLUE], list[Color]),
    ({}, dict[str, int]),
    ({"a": 1, "": 2, "é": 3}, dict[str, int]),
    ({"a": [MOMENT]}, dict[str, list[datetime]]),
    ({"a": {"b": True}}, dict[str, dict[str, bool]]),
    ({}, dict),
    ({"a": {"b": [1, -1.5, None, False, "s", b"raw"]}}, dict),
    ({"n": 2**64 - 1, "m": -(2**63)}, dict),
    ({"list": list(range(70_000)), "text": "é" * 70_000}, dict),
    ({1: "a", -2: "b"}, dict[int, str]),
    ({1: {2: [3]}}, dict[int, dict[int, list[int]]]),
    ({Color.RED: 1}, dict[Color, int]),
    ({1: Color.BLUE}, dict[int, Color]),
    ({1: MOMENT}, dict[int, datetime]),
    ({1: date(2024, 1, 2)}, dict[int, date]),
    ({1: timedelta(seconds=1.5)}, dict[int, timedelta]),
    ({1: None, 2: "x"}, dict[int, str | None]),
    (3, int | None),
    (None, int | None),
    ("a", int | str | None),
    (True, int | bool),
    (1.0, int | float),
    ([1], list[int] | None),
    ([1, None], list[int | None]),
    ({"a": None, "b": 1}, dict[str, int | None]),
    ({"a": 1}, dict | None),
    ({"a": 1}, dict | int),
    ("red", str | Color),
    (Color.RED, str | Color),
    (Color.RED, Color | None),
    (MOMENT, datetime | date),
    (date(2024, 1, 2), datetime | date),
    (["a"], list[int] | list[str]),
    (3, Annotated[int, "epochs"]),
    (None, Annotated[int | None, "epochs"]),
    ([3], list[Annotated[int, "epochs"]]),
    ("a", Literal["a", "b"]),
    (2, Literal[1, 2]),
    (True, Literal[True]),
    (0.5, Literal[0.5]),
    (["a"], list[Literal["a", "b"]]),
    ("a", Literal["a"] | None),
]
IDS = [f"{index}-{kind}" for index, (_, kind) in enumerate(CASES)]


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


def same(left: Any, right: Any) -> bool:
    """Equal, of the same types, and with the same signs of zero; maps have no order on the wire."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return repr(left) == repr(right)


@pytest.mark.parametrize(("value", "python_type"), CASES, ids=IDS)
def test_the_literal_type_is_the_same(value: Any, python_type: Any):
    mine = types_pb2.LiteralType.FromString(encode(literal_type(python_type)))
    assert mine == their_type(python_type)


@pytest.mark.parametrize(("value", "python_type"), CASES, ids=IDS)
def test_what_flytekit_writes_is_read_equal(value: Any, python_type: Any):
    literal = ours(their_literal(value, python_type))
    assert same(to_python(literal, python_type), value)


@pytest.mark.parametrize(("value", "python_type"), CASES, ids=IDS)
def test_what_is_written_here_flytekit_reads_equal(value: Any, python_type: Any):
    literal = to_literal(value, literal_type(python_type), python_type=python_type)
    assert same(read_by_them(literal, python_type), value)


@pytest.mark.parametrize(("value", "python_type"), CASES, ids=IDS)
def test_the_literals_are_the_same_messages(value: Any, python_type: Any):
    literal = to_literal(value, literal_type(python_type), python_type=python_type)
    assert literals_pb2.Literal.FromString(encode(literal)) == their_literal(value, python_type)


@pytest.mark.parametrize(
    ("value", "python_type"), [case for case in CASES if case[1] not in (datetime | date, Literal["a"] | None)]
)  # which flytekit guesses to be datetime and str, and then cannot read
def test_an_untyped_read_gives_what_flytekit_gives(value: Any, python_type: Any):
    message = their_literal(value, python_type)
    variable = Variable(type=TypeEngine.to_literal_type(python_type), description="")
    theirs = TheirResolver({"x": TheirLiteral.from_flyte_idl(message)}, {"x": variable})["x"]
    mine = LiteralsResolver({"x": ours(message)}, {"x": our_variable(variable)})["x"]
    assert plain(mine) == plain(theirs)


def our_variable(variable: Variable) -> core.Variable:
    message: interface_pb2.Variable = variable.to_flyte_idl()
    return decode(core.Variable, message.SerializeToString())


def plain(value: Any) -> Any:
    """The value with enums of any class as their values."""
    match value:
        case enum.Enum():
            return value.value
        case list():
            return [plain(item) for item in value]
        case dict():
            return {plain(key): plain(item) for key, item in value.items()}
        case _:
            return value


@pytest.mark.parametrize("python_type", [kind for _, kind in CASES], ids=IDS)
def test_a_type_that_flytekit_declares_is_guessed(python_type: Any):
    expected = decode(core.LiteralType, their_type(python_type).SerializeToString())
    guessed = guess_type(expected)
    assert literal_type(guessed) == expected


def test_not_a_number_goes_both_ways():
    assert math.isnan(to_python(ours(their_literal(math.nan, float)), float))
    assert math.isnan(read_by_them(to_literal(math.nan, literal_type(float)), float))


@pytest.mark.parametrize(
    "value", [datetime(2024, 1, 2, 3), datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))]
)
def test_naive_and_foreign_datetimes_are_written_as_flytekit_writes_them(value: datetime):
    mine = to_literal(value, literal_type(datetime))
    assert literals_pb2.Literal.FromString(encode(mine)) == their_literal(value, datetime)


def test_a_text_in_place_of_an_enum_is_written_as_flytekit_writes_it():
    assert to_literal("red", literal_type(Color)) == ours(their_literal("red", Color))


@pytest.mark.parametrize(
    ("value", "python_type"),
    [
        (True, int),
        (1, bool),
        (1.0, int),
        ("1", int),
        (None, int),
        (1, str),
        ((1, 2), list[int]),
        ({1: 2}, dict[str, int]),
        ("green", Color),
        (3, Color),
        ({"a": MOMENT}, dict),
        ({"a": Color.RED}, dict),
        ({"a": {1}}, dict),
        ({"a": 2**64}, dict),
        ("x", int | None),
        (2**63, int),
    ],
)
def test_what_flytekit_refuses_is_refused(value: Any, python_type: Any):
    with pytest.raises(Exception):  # noqa: B017, PT011 # flytekit raises whatever it happens to meet
        their_literal(value, python_type)
    with pytest.raises(FlyteError):
        to_literal(value, literal_type(python_type), python_type=python_type)


def struct_literal(entries: dict[str, Any]) -> literals_pb2.Literal:
    literal = literals_pb2.Literal()
    literal.scalar.generic.SetInParent()
    literal.scalar.generic.update(entries)
    return literal


@pytest.mark.parametrize(
    ("entries", "python_type"),
    [
        ({}, dict),
        ({"a": 1, "b": [1.5, None, {"c": "d"}], "e": True}, dict),
        ({"1": 2}, dict[int, int]),
        ({"a": [1, 2]}, dict[str, list[int]]),
    ],
)
def test_a_struct_of_an_older_flytekit_is_read_as_flytekit_reads_it(entries: dict[str, Any], python_type: Any):
    message = struct_literal(entries)
    theirs = TypeEngine.to_python_value(
        FlyteContext.current_context(), TheirLiteral.from_flyte_idl(message), python_type
    )
    assert to_python(ours(message), python_type) == theirs


def test_a_model_of_flytekit_is_taken_as_a_literal():
    model = TheirLiteral.from_flyte_idl(their_literal(3, int))
    assert to_literal(model, literal_type(int)) == ours(their_literal(3, int))


def test_the_type_of_a_model_survives_both_ways():
    mine = literal_type(dict[str, list[int | None]])
    model = LiteralType.from_flyte_idl(types_pb2.LiteralType.FromString(encode(mine)))
    assert decode(core.LiteralType, model.to_flyte_idl().SerializeToString()) == mine
