"""The filter language and what it matches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flyteasync.errors import FlyteError, Status
from flyteasync.idl import admin
from flyteasync.server.columns import COLUMNS, Entity, duration_nanoseconds
from flyteasync.server.filters import parse_filters
from flyteasync.server.listing import parse_order, parse_token


@dataclass
class FakeRow:
    execution_name: str = "abc"
    phase: str = "RUNNING"
    state: int = 0
    mode: int = 0
    cluster: str = ""
    error_kind: str | None = None
    duration: timedelta | None = timedelta(seconds=90)
    updated_at: datetime = datetime(2024, 5, 1, 10, tzinfo=UTC)


def matches(text: str, **row: Any) -> bool:
    fake: Any = FakeRow(**row)
    return all(item.matches(fake) for item in parse_filters(text, Entity.EXECUTION))


@pytest.mark.parametrize(
    "text",
    [
        "eq(phase,RUNNING)",
        "eq(phase, RUNNING)",
        "ne(phase,FAILED)",
        "gt(phase,A)",
        "gte(phase,RUNNING)",
        "lt(phase,Z)",
        "lte(phase,RUNNING)",
        "contains(phase,UNN)",
        "contains(phase,R%G)",
        "contains(phase,R_N)",
        "not_like(phase,F%)",
        "value_in(phase,QUEUED;RUNNING)",
        "value_in(phase,RUNNING)",
        "value_not_in(phase,QUEUED;FAILED)",
        "eq(phase,RUNNING)+eq(state,0)",
        "eq(execution.phase,RUNNING)",
        "gt(duration,60)",
        "lt(duration,1m31s)",
        "eq(duration,90.0)",
        "eq(duration,1.5m)",
        "gt(updated_at,2024-05-01T09:59:59.999Z)",
        "eq(updated_at,2024-05-01 10:00:00)",
        "lte(updated_at,2024-05-01T12:00:00-00:00)",
        "gte(state,0)",
        "ne(execution_name,other)",
    ],
)
def test_a_filter_matches(text: str) -> None:
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "eq(phase,running)",
        "ne(phase,RUNNING)",
        "not_like(phase,R%)",
        "contains(phase,X)",
        "contains(phase,RUN;NING)",
        "value_in(phase,QUEUED;FAILED)",
        "value_not_in(phase,QUEUED;RUNNING)",
        "eq(phase,RUNNING)+eq(state,1)",
        "gt(duration,1m30s)",
        "gt(updated_at,2024-05-01T10:00:00Z)",
    ],
)
def test_a_filter_does_not_match(text: str) -> None:
    assert not matches(text)


@pytest.mark.parametrize(
    "text", ["eq(error_kind,USER)", "ne(error_kind,USER)", "not_like(error_kind,U%)", "value_not_in(error_kind,USER)"]
)
def test_null_satisfies_no_condition(text: str) -> None:
    assert not matches(text, error_kind=None)
    assert matches("ne(error_kind,USER)", error_kind="SYSTEM")


def test_the_last_comma_splits_field_and_value() -> None:
    with pytest.raises(FlyteError, match=r"'e\.phase,A' is invalid filter"):
        parse_filters("eq(phase,A,B)", Entity.EXECUTION)


def test_a_percent_sign_in_a_like_pattern_can_be_escaped() -> None:
    assert matches(r"not_like(cluster,a\%)", cluster="ab")
    assert not matches(r"not_like(cluster,a\%)", cluster="a%")


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("nonsense", Status.INVALID_ARGUMENT, "invalid value for filters"),
        ("eq(phase)", Status.INVALID_ARGUMENT, "invalid value for filters"),
        ("eq(phase,)", Status.INVALID_ARGUMENT, "invalid value for filters"),
        ("eq(phase,A)+", Status.INVALID_ARGUMENT, "invalid value for filters"),
        ("+eq(phase,A)", Status.INVALID_ARGUMENT, "invalid value for filters"),
        ("like(phase,A)", Status.INVALID_ARGUMENT, "unrecognized filter function: like"),
        ("eq(name,A)", Status.INVALID_ARGUMENT, "'e.name' is invalid filter"),
        ("eq(launch_plan.phase,A)", Status.INVALID_ARGUMENT, "'l.phase' is invalid filter"),
        ("eq(task_execution.phase,A)", Status.INVALID_ARGUMENT, "'te' entity is not allowed in filters"),
        ("eq(project.name,A)", Status.INVALID_ARGUMENT, "'p' entity is not allowed in filters"),
        ("eq(duration,long)", Status.INVALID_ARGUMENT, "Failed to parse duration [long]"),
        (
            "eq(state,x)",
            Status.UNKNOWN,
            'failed database operation with invalid input syntax for type bigint: "x"',
        ),
        (
            "gt(updated_at,yesterday)",
            Status.UNKNOWN,
            'failed database operation with invalid input syntax for type timestamp with time zone: "yesterday"',
        ),
        (
            "eq(phase,A;B)",
            Status.UNKNOWN,
            "failed database operation with operator does not exist: character varying = record",
        ),
        (
            "contains(state,1)",
            Status.UNKNOWN,
            "failed database operation with operator does not exist: bigint ~~ unknown",
        ),
    ],
)
def test_a_bad_filter_has_the_real_servers_error(text: str, status: Status, message: str) -> None:
    with pytest.raises(FlyteError) as caught:
        parse_filters(text, Entity.EXECUTION)
    assert (caught.value.status, str(caught.value)) == (status, message)


def test_names_of_task_executions_mean_their_executions() -> None:
    [item] = parse_filters("eq(name,e1)", Entity.TASK_EXECUTION)
    assert item.field == "execution_name"
    [item] = parse_filters("eq(task.name,t1)", Entity.TASK_EXECUTION)
    assert (item.entity, item.field) == (Entity.TASK, "name")


def test_admin_tags_are_keys_of_execution_tags() -> None:
    [item] = parse_filters("eq(admin_tag.name,nightly)", Entity.EXECUTION)
    assert (item.entity, item.field) == (Entity.EXECUTION_TAG, "key")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2", 2e9), ("0.5", 5e8), ("1h", 3.6e12), ("1h30m", 5.4e12), ("-1.5s", -1.5e9), ("100ms", 1e8), ("3us", 3e3)],
)
def test_durations_are_seconds_or_go_durations(text: str, expected: float) -> None:
    assert duration_nanoseconds(text) == expected


def test_a_sort_key_must_be_a_column() -> None:
    with pytest.raises(FlyteError, match="invalid sort key 'name'"):
        parse_order(admin.Sort(key="name"), Entity.EXECUTION)
    with pytest.raises(FlyteError, match="invalid sort order specified: 7"):
        parse_order(admin.Sort(key="id", direction=admin.SortDirection(7)), Entity.EXECUTION)


def test_the_default_direction_is_descending() -> None:
    order = parse_order(admin.Sort(key="id"), Entity.EXECUTION)
    assert order is not None
    assert order.descending


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "²", "++1", str(2**63)])
def test_a_token_must_be_a_row_offset(token: str) -> None:
    with pytest.raises(FlyteError) as caught:
        parse_token(token, "ListExecutions")
    assert str(caught.value) == f"invalid pagination token {token} for ListExecutions"
    assert caught.value.status == Status.INVALID_ARGUMENT


def test_an_empty_token_is_the_beginning() -> None:
    assert parse_token("", "ListExecutions") == 0
    assert parse_token("+5", "ListExecutions") == 5


def test_every_column_can_be_read_from_its_row() -> None:
    from flyteasync.server import rows

    tables = {
        Entity.EXECUTION: rows.ExecutionRow,
        Entity.NODE_EXECUTION: rows.NodeExecutionRow,
        Entity.TASK_EXECUTION: rows.TaskExecutionRow,
        Entity.TASK: rows.TaskRow,
        Entity.WORKFLOW: rows.WorkflowRow,
        Entity.LAUNCH_PLAN: rows.LaunchPlanRow,
        Entity.PROJECT: rows.ProjectRow,
        Entity.EXECUTION_TAG: rows.TagRow,
    }
    for entity, table in tables.items():
        for name, column in COLUMNS[entity].items():
            assert column.kind.name == "bytea" or hasattr(table, name), f"{table.__name__} lacks {name}"
