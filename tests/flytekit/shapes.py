"""Dataclasses and models for the tests against flytekit; both packages are given the same classes."""

import enum
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Required, TypedDict, TypeVar
from uuid import UUID

from pydantic import BaseModel

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Pair(NamedTuple):
    a: int
    b: str


class Entry(TypedDict, total=False):
    key: Required[str]
    count: int


@dataclass
class Empty:
    pass


@dataclass
class Inner:
    x: int
    y: str | None = None


@dataclass
class Box(Generic[T]):
    item: T
    n: int = 1


@dataclass
class IntBox(Box[int]):
    extra: str = "e"


@dataclass(frozen=True)
class Frozen:
    values: tuple[int, ...] = (1, 2)


@dataclass
class Scalars:
    i: int
    f: float
    s: str
    b: bool
    moment: datetime
    day: date
    clock: time
    wait: timedelta
    raw: bytes
    price: Decimal
    id: UUID
    path: Path
    color: Color
    level: Level
    word: Literal["a", "b"]
    number: Literal[1]
    nothing: None = None


@dataclass
class Containers:
    ints: list[int]
    inners: list[Inner]
    by_name: dict[str, Inner]
    by_number: dict[int, str]
    by_color: dict[Color, int]
    matrix: list[list[float]]
    fixed: tuple[int, str]
    variadic: tuple[int, ...]
    unique: set[int]
    frozen: frozenset[str]
    pair: Pair
    entry: Entry
    loose: dict
    anything: Any
    bare: list
    mixed: list[int | None]
    nested: dict[str, list[Inner]]


@dataclass
class Optionals:
    a: int | None
    b: Inner | None
    c: int | str
    d: Color | None
    e: list[int] | None = None
    f: dict[str, int] = field(default_factory=dict)
    g: Inner = field(default_factory=lambda: Inner(7))
    h: Color = Color.BLUE
    i: float = 1.0
    j: datetime = datetime(2024, 1, 1)
    k: timedelta = timedelta(1)
    l: bytes = b"ab"  # noqa: E741
    m: str | None = "m"
    n: int = field(default=3, init=False)


@dataclass
class Outer:
    box: Box[int]
    boxes: list[Box[Inner]]
    inner: Inner


class Child(BaseModel):
    x: int
    y: str | None = None


class Model(BaseModel):
    i: int
    f: float
    color: Color
    child: Child
    children: list[Child]
    by_name: dict[str, Child]
    by_number: dict[int, int]
    moment: datetime = datetime(2024, 1, 1)
    day: date = date(2024, 1, 1)
    wait: timedelta = timedelta(1)
    maybe: Child | None = None
    either: int | str = 1
    unique: set[int] = {1}
    fixed: tuple[int, str] = (1, "a")
    price: Decimal = Decimal("1.50")
    inner: Inner = Inner(1)


MOMENT = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)

SCALARS = Scalars(
    i=-(2**63),
    f=0.1,
    s="é\x00\U0001f600",
    b=True,
    moment=MOMENT,
    day=date(2024, 2, 29),
    clock=time(1, 2, 3, 4),
    wait=timedelta(days=-1, microseconds=1),
    raw=b"\xff\x00",
    price=Decimal("1.50"),
    id=UUID("12345678-1234-5678-1234-567812345678"),
    path=Path("a/b"),
    color=Color.RED,
    level=Level.HIGH,
    word="b",
    number=1,
)

CONTAINERS = Containers(
    ints=[1, 2],
    inners=[Inner(1), Inner(2, "y")],
    by_name={"a": Inner(1)},
    by_number={1: "a", -2: "b"},
    by_color={Color.RED: 1},
    matrix=[[], [1.5]],
    fixed=(1, "a"),
    variadic=(1, 2, 3),
    unique={1},
    frozen=frozenset({"a"}),
    pair=Pair(1, "b"),
    entry={"key": "k", "count": 2},
    loose={"a": [1, None, {"b": 1.5}]},
    anything=[1, "a", None],
    bare=[1, "a"],
    mixed=[1, None],
    nested={"a": [Inner(3)]},
)

MODEL = Model(
    i=2**53 + 1,
    f=1.5,
    color=Color.BLUE,
    child=Child(x=1),
    children=[Child(x=1, y="y")],
    by_name={"a": Child(x=2)},
    by_number={1: 2},
)

ELSEWHERE = timezone(timedelta(hours=-5, minutes=-30))

RECORDS: list[tuple[Any, Any]] = [
    (Empty(), Empty),
    (Inner(1), Inner),
    (Inner(2**63 - 1, ""), Inner),
    (Frozen(), Frozen),
    (Frozen(()), Frozen),
    (SCALARS, Scalars),
    (CONTAINERS, Containers),
    (Optionals(a=None, b=None, c=1, d=None), Optionals),
    (Optionals(a=1, b=Inner(1), c="c", d=Color.RED, e=[1], f={"a": 1}, j=MOMENT.astimezone(ELSEWHERE)), Optionals),
    (IntBox(3), IntBox),
    (Outer(Box(1), [Box(Inner(1), 2)], Inner(3)), Outer),
    ([Inner(1), Inner(2)], list[Inner]),
    ({"a": Inner(1)}, dict[str, Inner]),
    ({1: Inner(1)}, dict[int, Inner]),
    (Inner(1), Inner | None),
    (None, Inner | None),
    (Child(x=1), Child),
    (MODEL, Model),
    ([Child(x=1)], list[Child]),
    ({"a": Child(x=1, y="é")}, dict[str, Child]),
    (Child(x=1), Child | None),
    (None, Child | None),
    ([Child(x=1)], list[Child] | None),
]
