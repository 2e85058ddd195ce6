"""What all lists share."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from flyteasync.server.columns import COLUMNS, Entity
from flyteasync.server.filters import parse_filters
from flyteasync.server.listing import Order, select
from flyteasync.server.rows import Row

PHASES = ["QUEUED", "RUNNING", "FAILED"]


@dataclass(kw_only=True, eq=False)
class FakeRow(Row):
    phase: str
    error_kind: str | None
    tags: int


ROWS = st.lists(
    st.builds(
        FakeRow,
        phase=st.sampled_from(PHASES),
        error_kind=st.sampled_from([None, "USER", "SYSTEM"]),
        tags=st.integers(0, 2),
    ),
    max_size=20,
).map(lambda rows: [setattr(row, "id", index + 1) or row for index, row in enumerate(rows)])

ORDERS = st.one_of(
    st.none(),
    st.builds(
        Order,
        column=st.sampled_from([COLUMNS[Entity.EXECUTION][name] for name in ("id", "phase", "error_kind")]),
        descending=st.booleans(),
    ),
)
FILTERS = st.sampled_from(["", "eq(phase,RUNNING)", "value_in(phase,QUEUED;FAILED)", "ne(error_kind,USER)", "gt(id,3)"])


def related(row: FakeRow, entity: Entity) -> list[Row]:
    return [Row() for _ in range(row.tags)]


@given(rows=ROWS, order=ORDERS, filters=FILTERS, size=st.integers(1, 7), join=st.booleans())
def test_pages_together_are_the_whole_list(
    rows: list[FakeRow], order: Order | None, filters: str, size: int, join: bool
) -> None:
    def page(offset: int, limit: int) -> tuple[list[FakeRow], str]:
        found = select(
            rows,
            entity=Entity.EXECUTION,
            filters=parse_filters(filters, Entity.EXECUTION),
            order=order,
            offset=offset,
            limit=limit,
            related=related,
            always_join=(Entity.EXECUTION_TAG,) if join else (),
        )
        return found.rows, found.token

    whole, _ = page(0, 0)
    pieces: list[FakeRow] = []
    token = "0"
    while token:
        found, token = page(int(token), size)
        assert len(found) == size if token else len(found) < size
        pieces += found
    assert pieces == whole
    expected = [row for row in rows for _ in range(row.tags if join else 1)]
    if filters == "":
        assert sorted(row.id for row in whole) == sorted(row.id for row in expected)
    if filters == "eq(phase,RUNNING)":
        assert sorted(row.id for row in whole) == [row.id for row in expected if row.phase == "RUNNING"]


@given(rows=ROWS, descending=st.booleans())
def test_nulls_stand_at_the_end_that_the_database_puts_them_at(rows: list[FakeRow], descending: bool) -> None:
    order = Order(COLUMNS[Entity.EXECUTION]["error_kind"], descending)
    found = select(rows, entity=Entity.EXECUTION, filters=(), order=order, offset=0, limit=0).rows
    kinds = [row.error_kind for row in found]
    known = [kind for kind in kinds if kind is not None]
    nulls: list[str | None] = [None] * (len(kinds) - len(known))
    assert kinds == (nulls + known if descending else known + nulls)
    assert known == sorted(known, reverse=descending)
