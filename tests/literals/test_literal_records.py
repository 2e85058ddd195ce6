"""Dataclasses: what is accepted, what is refused, and how errors name the field."""

import enum
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest

from flyteasync.errors import FlyteTypeException, FlyteUserException, FlyteValueException
from flyteasync.idl import core
from flyteasync.literals import UNSET, literal_type, to_literal, to_python

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"


class Level(enum.Enum):
    LOW = 1


@dataclass
class Inner:
    x: int
    y: str | None = None


@dataclass
class Other:
    x: int
    z: float = 0.5


@dataclass
class Config:
    rate: float
    inner: Inner
    inners: list[Inner] = field(default_factory=list)
    by_name: dict[str, Inner] = field(default_factory=dict)
    color: Color = Color.RED


@dataclass
class Box(Generic[T]):
    item: T


@dataclass
class Pair(Box[T], Generic[T]):
    other: list[T]


@dataclass
class Texts(Pair[str]):
    more: Box[T] | None = None  # type: ignore[valid-type]


@dataclass
class Node:
    value: int
    next: "Node | None" = None


@dataclass
class Positive:
    n: int

    def __post_init__(self) -> None:
        if self.n <= 0:
            raise RuntimeError("not positive")


class Row(NamedTuple):
    a: int
    b: str


class Entry(TypedDict):
    key: str


@dataclass
class Leaves:
    raw: bytes = b"\x00\xff"
    price: Decimal = Decimal("1.50")
    id: UUID = UUID(int=1)
    path: Path = Path("a/b")
    at: time = time(1, 2)
    day: date = date(2024, 1, 2)
    moment: datetime = datetime(2024, 1, 2)
    wait: timedelta = timedelta(seconds=-1.5)
    level: Level = Level.LOW
    fixed: tuple[int, str] = (1, "a")
    variadic: tuple[int, ...] = (1, 2)
    unique: frozenset[int] = frozenset({1})
    row: Row = Row(1, "b")
    word: Literal["a", 2] = "a"
    large: int = 2**64 - 1
    anything: Any = None


def plain(literal: core.Literal) -> Any:
    """What a serialised literal holds."""
    assert literal.scalar is not None
    assert literal.scalar.binary is not None
    return msgspec.msgpack.decode(literal.scalar.binary.value)


def packed(value: Any) -> core.Literal:
    return core.Literal(scalar=core.Scalar(binary=core.Binary(value=msgspec.msgpack.encode(value), tag="msgpack")))


def written(value: Any, python_type: Any = None) -> core.Literal:
    kind = type(value) if python_type is None else python_type
    return to_literal(value, literal_type(kind), name="x", python_type=python_type)


def refusal(call: Any, error: type[FlyteUserException]) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


CONFIG = Config(0.5, Inner(1), [Inner(2, "y")], {"k": Inner(3)})


@pytest.mark.parametrize(
    ("value", "python_type"),
    [
        (CONFIG, Config),
        (Leaves(), Leaves),
        (Box(1), Box[int]),
        (Box(Inner(1)), Box[Inner]),
        (Pair(1, [2]), Pair[int]),
        (Texts("a", ["b"]), Texts),
        (Node(1, Node(2)), Node),
        ([Box([Inner(1)])], list[Box[list[Inner]]]),
        ({1: Inner(1)}, dict[int, Inner]),
        (Inner(1), Inner | Other | None),
        (Other(1), Inner | Other | None),
        (None, Inner | Other | None),
    ],
)
def test_a_dataclass_comes_back_equal(value: Any, python_type: Any):
    result = to_python(written(value, python_type), python_type)
    assert result == value
    assert type(result) is type(value)


def test_fields_are_serialised_by_name():
    assert plain(written(CONFIG)) == {
        "rate": 0.5,
        "inner": {"x": 1, "y": None},
        "inners": [{"x": 2, "y": "y"}],
        "by_name": {"k": {"x": 3, "y": None}},
        "color": "red",
    }


def test_a_dict_is_taken_for_a_dataclass():
    literal = to_literal({"rate": 1, "inner": {"x": 1}}, literal_type(Config))
    assert plain(literal) == {"rate": 1.0, "inner": {"x": 1}}
    assert to_python(literal, Config) == Config(1.0, Inner(1))
    assert plain(to_literal({"x": 1}, literal_type(Inner), python_type=Inner)) == {"x": 1}


def test_fields_that_were_left_out_have_the_defaults_of_the_class():
    assert to_python(packed({"rate": 1, "inner": {"x": 1}}), Config) == Config(1.0, Inner(1))


def test_fields_that_the_class_does_not_have_are_ignored_when_a_literal_is_read():
    assert to_python(packed({"x": 1, "new": 2}), Inner) == Inner(1)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ({"rate": "a", "inner": {"x": 1}}, FlyteTypeException, "x.rate: expected float, got str"),
        ({"rate": 1, "inner": {"x": 1.5}}, FlyteTypeException, "x.inner.x: expected int, got float"),
        ({"rate": 1}, FlyteValueException, "x.inner: the field is missing"),
        ({"rate": 1, "inner": {}}, FlyteValueException, "x.inner.x: the field is missing"),
        (
            {"rate": 1, "inner": {"x": 1}, "ratte": 2},
            FlyteValueException,
            "x: Config has no field 'ratte', known are: rate, inner, by_name, color, inners",
        ),
        (
            {"rate": 1, "inner": {"x": 1}, "inners": [{"x": 1}, {"x": None}]},
            FlyteTypeException,
            "x.inners[1].x: expected int, got None",
        ),
        (
            {"rate": 1, "inner": {"x": 1}, "by_name": {"k": 3}},
            FlyteTypeException,
            "x.by_name['k']: expected Inner, got int",
        ),
        ({"rate": 1, "inner": {"x": 1}, "color": "blue"}, FlyteValueException, "x.color: 'blue' is not one of 'red'"),
        (3, FlyteTypeException, "x: expected Config, got int"),
        (Inner(1), FlyteTypeException, "x: expected Config, got Inner"),
        (Config(0.5, None), FlyteTypeException, "x.inner: expected Inner, got None"),  # type: ignore[arg-type]
        (Config(0.5, Inner("a")), FlyteTypeException, "x.inner.x: expected int, got str"),  # type: ignore[arg-type]
        (Config(0.5, Inner(2**64)), FlyteValueException, "x.inner.x: the number does not fit into 64 bits"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_the_field(value: Any, error: type[FlyteUserException], text: str):
    assert refusal(lambda: to_literal(value, literal_type(Config), name="x"), error) == text


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        ({"x": "a"}, FlyteTypeException, "x.x: expected int, got str"),
        ({"y": "a"}, FlyteValueException, "x.x: the field is missing"),
        ([1], FlyteTypeException, "x: expected Inner, got list"),
        (None, FlyteTypeException, "x: expected Inner, got None"),
    ],
)
def test_a_literal_that_does_not_fit_is_refused_by_the_name_of_the_field(
    content: Any, error: type[FlyteUserException], text: str
):
    assert refusal(lambda: to_python(packed(content), Inner, name="x"), error) == text


def test_a_literal_that_is_not_serialised_is_refused():
    text = "x: expected Inner, got a literal that holds int"
    assert refusal(lambda: to_python(to_literal(1, literal_type(int)), Inner, name="x"), FlyteTypeException) == text


def test_another_dataclass_of_the_same_fields_is_taken():
    @dataclass
    class Twin:
        x: int
        y: str | None = None

    assert plain(to_literal(Twin(1), literal_type(Inner))) == {"x": 1, "y": None}


def test_a_class_that_refuses_its_fields_is_told():
    text = refusal(lambda: to_python(packed({"n": -1}), Positive, name="x"), FlyteValueException)
    assert text == "x: Positive refuses its fields: RuntimeError"


def test_a_union_of_dataclasses_is_read_as_the_one_that_was_written():
    @dataclass
    class Same:
        x: int
        y: str | None = None

    python_type = Same | Inner
    assert to_python(written(Inner(1), python_type), python_type) == Inner(1)
    assert to_python(written(Same(1), python_type), python_type) == Same(1)


def test_a_union_inside_of_a_dataclass_is_read_as_the_member_that_has_the_fields():
    python_type = Box[Inner | Other]
    assert to_python(written(Box(Other(1, 2.0)), python_type), python_type) == Box(Other(1, 2.0))


def test_fields_that_are_unset_are_left_to_the_task():
    assert plain(written(Config(0.5, Inner(1), color=UNSET))).keys() == {"rate", "inner", "inners", "by_name"}  # type: ignore[arg-type]


def test_a_class_that_contains_itself_has_no_schema():
    assert literal_type(Node).metadata is None


def test_a_class_whose_types_cannot_be_found_is_named():
    @dataclass
    class Broken:
        x: "Nowhere"  # type: ignore[name-defined]  # noqa: F821

    text = refusal(lambda: literal_type(Broken), FlyteTypeException)
    assert text.startswith("the types of the fields of Broken cannot be found")


def test_a_typed_dict_is_a_dict_with_known_keys():
    assert to_python(written({"key": "k"}, Entry), Entry) == {"key": "k"}
    assert refusal(lambda: written({}, Entry), FlyteValueException) == "x: the key 'key' is missing"
    assert refusal(lambda: written({"key": 1}, Entry), FlyteTypeException) == "x['key']: expected str, got int"


@pytest.mark.parametrize(
    ("python_type", "value", "text"),
    [
        (Box[tuple[int, str]], (1,), "x.item: expected 2 items, got 1"),
        (Box[bytes], "a", "x.item: expected bytes, got str"),
        (Box[Decimal], 1.5, "x.item: expected Decimal, got float"),
        (Box[Literal["a", "b"]], "c", "x.item: 'c' is not one of 'a', 'b'"),
        (Box[Level], 3, "x.item: 3 is not one of 1"),
        (Box[set[int]], [1], "x.item: expected set[int], got list"),
    ],
)
def test_values_of_the_finer_types_are_checked(python_type: Any, value: Any, text: str):
    assert refusal(lambda: written(Box(value), python_type), FlyteUserException) == text


@pytest.mark.parametrize(
    ("python_type", "content", "text"),
    [
        (Box[UUID], "x", "x.item: the text is not a UUID"),
        (Box[Decimal], "x", "x.item: the text is not a Decimal"),
        (Box[time], "x", "x.item: 'x' is not an ISO 8601 time"),
        (Box[bytes], "é", "x.item: the text is not bytes in base 64"),
        (Box[tuple[int, str]], [1], "x.item: expected 2 items, got 1"),
        (Box[set[Any]], [[1]], "x.item: the items cannot be put into a set"),
    ],
)
def test_contents_that_are_none_of_the_finer_types_are_refused(python_type: Any, content: Any, text: str):
    assert refusal(lambda: to_python(packed({"item": content}), python_type, name="x"), FlyteUserException) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P1D", timedelta(1)),
        ("PT1.5S", timedelta(seconds=1.5)),
        ("-P1DT2H3M", -timedelta(days=1, hours=2, minutes=3)),
        ("P2W", timedelta(weeks=2)),
    ],
)
def test_durations_may_be_texts(text: str, expected: timedelta):
    assert to_python(packed({"item": text}), Box[timedelta]) == Box(expected)
