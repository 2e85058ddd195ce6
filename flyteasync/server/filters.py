"""The filter language of list calls: parsing, with the errors of the real server, and matching of single rows."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .columns import COLUMNS, DURATION, TEXT, Column, Entity
from .failures import database_error, invalid, invalid_value
from .rows import Row

_EXPRESSION = re.compile(r"(.+)\((.+),\s?(.+)\)")

_COMPARISONS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "eq": ("=", operator.eq),
    "ne": ("<>", operator.ne),
    "gt": (">", operator.gt),
    "gte": (">=", operator.ge),
    "lt": ("<", operator.lt),
    "lte": ("<=", operator.le),
}
_LIKES = {"contains": "~~", "not_like": "!~~"}
_SETS = {"value_in", "value_not_in"}

_PREFIXES = {
    "task": Entity.TASK,
    "workflow": Entity.WORKFLOW,
    "launch_plan": Entity.LAUNCH_PLAN,
    "execution": Entity.EXECUTION,
    "node_execution": Entity.NODE_EXECUTION,
    "task_execution": Entity.TASK_EXECUTION,
    "entities": Entity.NAMED_ENTITY,
    "named_entity_metadata": Entity.NAMED_ENTITY_METADATA,
    "project": Entity.PROJECT,
    "signal": Entity.SIGNAL,
    "admin_tag": Entity.ADMIN_TAG,
    "execution_tag": Entity.EXECUTION_TAG,
    "execution_admin_tag": Entity.EXECUTION_ADMIN_TAG,
}

_JOINS: Mapping[Entity, frozenset[Entity]] = {
    Entity.EXECUTION: frozenset(
        {Entity.LAUNCH_PLAN, Entity.WORKFLOW, Entity.TASK, Entity.ADMIN_TAG, Entity.EXECUTION_TAG}
    ),
    Entity.LAUNCH_PLAN: frozenset({Entity.WORKFLOW}),
    Entity.NODE_EXECUTION: frozenset({Entity.EXECUTION}),
    Entity.TASK_EXECUTION: frozenset({Entity.TASK, Entity.EXECUTION, Entity.NODE_EXECUTION}),
}

_EXECUTION_FIELDS = {"project", "domain", "name"}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one column of the listed table or of one joined to it."""

    entity: Entity
    function: str
    field: str
    values: tuple[Any, ...]
    """What the texts stand for; one value unless the function takes a set."""
    matches: Callable[[Row], bool]


def parse_filters(text: str, entity: Entity) -> list[Filter]:
    """Read a request's `filters`; empty is no filter.

    Raises:
        FlyteInvalidInputException: not the grammar, an unknown function or column, or a table that cannot be joined.
        FlyteSystemException: a value that the database cannot read (UNKNOWN).
    """
    return [_parse(piece, entity) for piece in text.split("+")] if text else []


def equals(entity: Entity, field: str, value: Any) -> Filter:
    """A condition that the server itself adds."""
    return build(entity, "eq", COLUMNS[entity][field], (value,))


def _parse(piece: str, primary: Entity) -> Filter:
    match = _EXPRESSION.search(piece)
    if match is None:
        raise invalid_value("filters")
    function, field, values = match.groups()
    entity, field = _split_field(field, primary)
    if entity is not primary and entity not in _JOINS.get(primary, ()):
        raise invalid(f"'{entity.value}' entity is not allowed in filters")
    if field not in COLUMNS.get(entity, {}):
        raise invalid(f"'{entity.value}.{field}' is invalid filter")
    texts = values.split(";")
    if COLUMNS[entity][field].kind is DURATION:
        for value in texts:
            DURATION.parse(value)
    if function not in _COMPARISONS and function not in _LIKES and function not in _SETS:
        raise invalid(f"unrecognized filter function: {function}")
    entity, column = _customise(entity, field)
    return build(entity, function, column, _values(function, column, texts))


def _split_field(field: str, primary: Entity) -> tuple[Entity, str]:
    prefix, dot, rest = field.partition(".")
    return (_PREFIXES[prefix], rest) if dot and prefix in _PREFIXES else (primary, field)


def _customise(entity: Entity, field: str) -> tuple[Entity, Column]:
    """The column that the real server really queries."""
    if entity is Entity.ADMIN_TAG:
        entity, field = Entity.EXECUTION_TAG, "key"
    if entity is Entity.TASK_EXECUTION and field in _EXECUTION_FIELDS:
        field = f"execution_{field}"
    return entity, COLUMNS[entity][field]


def _values(function: str, column: Column, texts: list[str]) -> tuple[Any, ...]:
    if function in _LIKES:
        symbol = _LIKES[function]
        if column.kind is not TEXT:
            raise database_error(f"operator does not exist: {column.kind.name} {symbol} unknown")
        if len(texts) == 1:
            return (texts[0] if function == "not_like" else f"%{texts[0]}%",)
        if function == "contains":
            return ("%[" + " ".join(texts) + "]%",)
        raise database_error(f"operator does not exist: {column.kind.name} {symbol} record")
    if function in _COMPARISONS and len(texts) > 1:
        raise database_error(f"operator does not exist: {column.kind.name} {_COMPARISONS[function][0]} record")
    return tuple(column.parse(text) for text in texts)


def build(entity: Entity, function: str, column: Column, values: tuple[Any, ...]) -> Filter:
    """A condition whose parts are known to be right."""
    test = _test(function, values)
    read = column.read

    def matches(row: Row) -> bool:
        value = read(row)
        # SQL's NULL satisfies no comparison, the negated ones included.
        return value is not None and test(value)

    return Filter(entity, function, column.name, values, matches)


def _test(function: str, values: tuple[Any, ...]) -> Callable[[Any], bool]:
    if function in _COMPARISONS:
        compare, wanted = _COMPARISONS[function][1], values[0]
        return lambda value: compare(value, wanted)
    if function in _SETS:
        members = frozenset(values)
        return members.__contains__ if function == "value_in" else lambda value: value not in members
    pattern = _like(values[0])
    if function == "contains":
        return lambda value: pattern.fullmatch(value) is not None
    return lambda value: pattern.fullmatch(value) is None


def _like(pattern: str) -> re.Pattern[str]:
    """SQL's LIKE: `%` is any text, `_` any character, a backslash takes the next one literally."""
    pieces = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.compile("".join(wild.get(piece) or re.escape(piece[-1]) for piece in pieces), re.DOTALL)
