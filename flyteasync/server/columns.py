"""The columns that filters and sort keys may name, and how the database compares them."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from .failures import database_error, invalid


class Entity(enum.Enum):
    """What a filter's field may belong to; the values are the words of error texts."""

    EXECUTION = "e"
    LAUNCH_PLAN = "l"
    NODE_EXECUTION = "ne"
    TASK_EXECUTION = "te"
    TASK = "t"
    WORKFLOW = "w"
    NAMED_ENTITY = "nen"
    NAMED_ENTITY_METADATA = "nem"
    PROJECT = "p"
    SIGNAL = "s"
    ADMIN_TAG = "at"
    EXECUTION_TAG = "et"
    EXECUTION_ADMIN_TAG = "eat"
    DESCRIPTION = "de"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one SQL type reads the text of a filter's value."""

    name: str
    parse: Callable[[str], Any]


_GO_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6} | {
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_GO_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def duration_nanoseconds(text: str) -> int:
    """Read a duration as filters write it: seconds as a number, or Go's syntax (`1h30m`, `-1.5s`).

    Raises:
        FlyteInvalidInputException: it is neither.
    """
    try:
        return round(float(text) * 10**9)
    except (ValueError, OverflowError):
        pass
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    parts = _GO_DURATION.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise invalid(f"Failed to parse duration [{text}]")
    return sign * round(sum(float(number) * _GO_UNITS[unit] for number, unit in parts))


def _integer(text: str) -> int:
    return int(text, 10)


def _time(text: str) -> datetime:
    value = datetime.fromisoformat(text.strip())
    return value if value.tzinfo else value.replace(tzinfo=UTC)


TEXT = Kind("character varying", str)
INTEGER = Kind("bigint", _integer)
TIME = Kind("timestamp with time zone", _time)
DURATION = Kind("interval", duration_nanoseconds)
BYTES = Kind("bytea", str.encode)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its value in a row, and its type."""

    name: str
    kind: Kind
    read: Callable[[Any], Any]

    def parse(self, text: str) -> Any:
        """The value that a filter's text stands for.

        Raises:
            FlyteSystemException: the database cannot read it as the column's type (UNKNOWN).
        """
        try:
            return self.kind.parse(text)
        except ValueError:
            raise database_error(f'invalid input syntax for type {self.kind.name}: "{text}"') from None


def _columns(**kinds: Kind) -> Mapping[str, Column]:
    return {name: Column(name, kind, _reader(name, kind)) for name, kind in (_BASE | kinds).items()}


def _reader(name: str, kind: Kind) -> Callable[[Any], Any]:
    if kind is DURATION:
        return lambda row: _nanoseconds(getattr(row, name))
    if kind is BYTES:
        # Blobs are columns of the real table; nothing can sensibly be compared with one.
        return lambda row: None
    return attrgetter(name)


def _nanoseconds(value: timedelta | None) -> int | None:
    return None if value is None else value // timedelta(microseconds=1) * 1000


_BASE = {"id": INTEGER, "created_at": TIME, "updated_at": TIME, "deleted_at": TIME}
_EXECUTION_KEY = {"execution_project": TEXT, "execution_domain": TEXT, "execution_name": TEXT}
_ENTITY_KEY = {"project": TEXT, "domain": TEXT, "name": TEXT, "version": TEXT}

COLUMNS: Mapping[Entity, Mapping[str, Column]] = {
    Entity.EXECUTION: _columns(
        **_EXECUTION_KEY,
        launch_plan_id=INTEGER,
        workflow_id=INTEGER,
        task_id=INTEGER,
        phase=TEXT,
        closure=BYTES,
        spec=BYTES,
        started_at=TIME,
        execution_created_at=TIME,
        execution_updated_at=TIME,
        duration=DURATION,
        abort_cause=TEXT,
        mode=INTEGER,
        source_execution_id=INTEGER,
        parent_node_execution_id=INTEGER,
        cluster=TEXT,
        inputs_uri=TEXT,
        user_inputs_uri=TEXT,
        error_kind=TEXT,
        error_code=TEXT,
        user=TEXT,
        state=INTEGER,
        launch_entity=TEXT,
    ),
    Entity.NODE_EXECUTION: _columns(
        **_EXECUTION_KEY,
        node_id=TEXT,
        phase=TEXT,
        input_uri=TEXT,
        closure=BYTES,
        started_at=TIME,
        node_execution_created_at=TIME,
        node_execution_updated_at=TIME,
        duration=DURATION,
        node_execution_metadata=BYTES,
        parent_id=INTEGER,
        parent_task_execution_id=INTEGER,
        error_kind=TEXT,
        error_code=TEXT,
        cache_status=TEXT,
        dynamic_workflow_remote_closure_reference=BYTES,
        internal_data=BYTES,
    ),
    Entity.TASK_EXECUTION: _columns(
        **_ENTITY_KEY,
        **_EXECUTION_KEY,
        node_id=TEXT,
        retry_attempt=INTEGER,
        phase=TEXT,
        phase_version=INTEGER,
        input_uri=TEXT,
        closure=BYTES,
        started_at=TIME,
        task_execution_created_at=TIME,
        task_execution_updated_at=TIME,
        duration=DURATION,
    ),
    Entity.TASK: _columns(**_ENTITY_KEY, closure=BYTES, digest=BYTES, type=TEXT, short_description=TEXT),
    Entity.WORKFLOW: _columns(
        **_ENTITY_KEY,
        typed_interface=BYTES,
        remote_closure_identifier=BYTES,
        digest=BYTES,
        short_description=TEXT,
    ),
    Entity.LAUNCH_PLAN: _columns(
        **_ENTITY_KEY,
        spec=BYTES,
        workflow_id=INTEGER,
        closure=BYTES,
        state=INTEGER,
        digest=BYTES,
        schedule_type=TEXT,
        launch_condition_type=TEXT,
    ),
    Entity.PROJECT: _columns(identifier=TEXT, name=TEXT, description=TEXT, labels=BYTES, state=INTEGER),
    Entity.SIGNAL: _columns(**_EXECUTION_KEY, signal_id=TEXT, type=BYTES, value=BYTES),
    Entity.NAMED_ENTITY: _columns(
        resource_type=INTEGER, project=TEXT, domain=TEXT, name=TEXT, description=TEXT, state=INTEGER
    ),
    Entity.DESCRIPTION: _columns(
        **_ENTITY_KEY, resource_type=INTEGER, short_description=TEXT, long_description=BYTES, link=BYTES
    ),
    Entity.EXECUTION_TAG: _columns(**_EXECUTION_KEY, key=TEXT, value=TEXT),
    Entity.ADMIN_TAG: _columns(name=TEXT),
}
"""Every table that can be filtered on today, by entity."""
