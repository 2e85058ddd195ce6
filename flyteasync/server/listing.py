"""What all list calls share: limits, tokens, sort keys, joins, and walking only the rows that can match."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..idl import admin
from .columns import COLUMNS, Column, Entity
from .failures import invalid
from .filters import Filter
from .rows import Row
from .store import Group

R = TypeVar("R", bound=Row)

_MAX_OFFSET = 2**63 - 1

_INSERTION_ORDER = {"id", "created_at", "execution_created_at"}


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Some rows, and the token of the next page if this one is full."""

    rows: list[R]
    token: str


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key."""

    column: Column
    descending: bool


def parse_order(sort: admin.Sort | None, entity: Entity) -> Order | None:
    """The sort key of a request.

    Raises:
        FlyteInvalidInputException: not a column of the listed table, or no known direction.
    """
    if sort is None:
        return None
    column = COLUMNS[entity].get(sort.key)
    if column is None:
        raise invalid(f"invalid sort key '{sort.key}'")
    if sort.direction not in list(admin.SortDirection):
        raise invalid(f"invalid sort order specified: {int(sort.direction)}")
    return Order(column, sort.direction == admin.SortDirection.DESCENDING)


def parse_token(token: str, method: str) -> int:
    """The row offset that a token stands for.

    Raises:
        FlyteInvalidInputException: not a decimal number of zero or more.
    """
    if not token:
        return 0
    digits = token.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or int(digits) > _MAX_OFFSET:
        where = f" for {method}" if method else ""
        raise invalid(f"invalid pagination token {token}{where}")
    return int(digits)


def select(
    candidates: Group[R],
    *,
    entity: Entity,
    filters: Sequence[Filter],
    order: Order | None,
    offset: int,
    limit: int,
    related: Callable[[R, Entity], Sequence[Row]] | None = None,
    always_join: Iterable[Entity] = (),
) -> Page[R]:
    """The rows of one page; `limit` 0 is no limit.

    Args:
        candidates: rows in order of insertion.
        entity: the listed table.
        filters: all must hold.
        order: the sort key, or None for the order of insertion.
        offset: how many matching rows to skip.
        limit: how many rows to return at most.
        related: the joined rows of a row.
        always_join: tables joined even if no filter names them.
    """
    own = [item.matches for item in filters if item.entity is entity]
    joined: dict[Entity, list[Callable[[Row], bool]]] = {other: [] for other in always_join}
    for item in filters:
        if item.entity is not entity:
            joined.setdefault(item.entity, []).append(item.matches)

    def times(row: R) -> int:
        if not all(matches(row) for matches in own):
            return 0
        # A join without DISTINCT yields a row once for every combination of related rows.
        count = 1
        for other, conditions in joined.items():
            assert related is not None
            count *= sum(all(matches(item) for matches in conditions) for item in related(row, other))
        return count

    matching = (row for row in _ordered(candidates, order) for _ in range(times(row)))
    rows = list(itertools.islice(matching, offset, min(offset + limit, _MAX_OFFSET) if limit else None))
    return Page(rows, str(offset + len(rows)) if len(rows) == limit else "")


def _ordered(candidates: Group[R], order: Order | None) -> Iterator[R]:
    if order is None or order.column.name == "user":
        # `user` is a keyword of SQL: the real server sorts by a constant.
        return iter(candidates)
    if order.column.name in _INSERTION_ORDER:
        return reversed(candidates) if order.descending else iter(candidates)
    read = order.column.read

    def key(row: R) -> tuple[bool, Any]:
        # NULLs come last when ascending, first when descending.
        value = read(row)
        return (True, 0) if value is None else (False, value)

    return iter(sorted(candidates, key=key, reverse=order.descending))


def named(filters: Sequence[Filter], field: str) -> list[Hashable] | None:
    """The values that a field can only have by these filters, or None if it may have any."""
    found: set[Hashable] | None = None
    for item in filters:
        if item.field == field and item.function in {"eq", "value_in"}:
            values = set(item.values)
            found = values if found is None else found & values
    return None if found is None else list(found)


def distinct(rows: Iterable[R], key: Callable[[R], Hashable]) -> list[R]:
    """The first row of every key."""
    result: dict[Hashable, R] = {}
    for row in rows:
        result.setdefault(key(row), row)
    return list(result.values())
