"""What tasks, workflows and launch plans have in common: lookups, lists, lists of names, comparison."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

import betterproto2

from ... import codec
from ...idl import admin, core
from .. import validation
from ..columns import Entity
from ..failures import missing, missing_entity
from ..filters import parse_filters
from ..listing import Page, distinct, parse_order, parse_token, select
from ..rows import EntityRow
from ..store import Table

R = TypeVar("R", bound=EntityRow)

_KINDS = {
    Entity.TASK: core.ResourceType.TASK,
    Entity.WORKFLOW: core.ResourceType.WORKFLOW,
    Entity.LAUNCH_PLAN: core.ResourceType.LAUNCH_PLAN,
}


def find(table: Table[Any, R], identifier: core.Identifier, entity: Entity) -> R:
    """The row of an id.

    Raises:
        FlyteEntityNotExistException: there is none.
    """
    row = table.get((identifier.project, identifier.domain, identifier.name, identifier.version))
    if row is None:
        wanted = core.Identifier(
            project=identifier.project, domain=identifier.domain, name=identifier.name, version=identifier.version
        )
        raise missing_entity(_KINDS[entity].name or "", wanted)
    return row


def with_kind(identifier: core.Identifier | None, entity: Entity) -> core.Identifier | None:
    """The id of a request, whose type may be left out."""
    if identifier is not None and identifier.resource_type == core.ResourceType.UNSPECIFIED:
        identifier.resource_type = _KINDS[entity]
    return identifier


def requested(table: Table[Any, R], request: admin.ObjectGetRequest, entity: Entity) -> R:
    """The row that a Get asks for."""
    identifier = validation.check_identifier(with_kind(request.id, entity), _KINDS[entity])
    return find(table, identifier, entity)


def list_rows(table: Table[Any, R], request: admin.ResourceListRequest, entity: Entity, method: str) -> Page[R]:
    """One page of versions."""
    scope = check_scope(request)
    filters = parse_filters(request.filters, entity)
    order = parse_order(request.sort_by, entity)
    offset = parse_token(request.token, method)
    group = (scope.project, scope.domain, scope.name) if scope.name else (scope.project, scope.domain)
    return select(table.group(group), entity=entity, filters=filters, order=order, offset=offset, limit=request.limit)


def check_scope(request: admin.ResourceListRequest) -> admin.NamedEntityIdentifier:
    """Project, domain and perhaps the name that a list is limited to."""
    if request.id is None:
        raise missing("id")
    validation.require(request.id.project, "project")
    validation.require(request.id.domain, "domain")
    validation.check_limit(request.limit)
    return request.id


def list_names(
    table: Table[Any, R], request: admin.NamedEntityIdentifierListRequest, entity: Entity, method: str
) -> admin.NamedEntityIdentifierList:
    """One page of names; a request's filters are ignored, as flyteadmin does."""
    order = parse_order(request.sort_by, entity)
    offset = parse_token(request.token, method)
    rows = distinct(_scope(table, request), lambda row: (row.project, row.domain, row.name))
    page = select(rows, entity=entity, filters=(), order=order, offset=offset, limit=request.limit)
    names = [admin.NamedEntityIdentifier(project=row.project, domain=row.domain, name=row.name) for row in page.rows]
    return admin.NamedEntityIdentifierList(entities=names, token=page.token)


def _scope(table: Table[Any, R], request: admin.NamedEntityIdentifierListRequest) -> Iterable[R]:
    if request.project and request.domain:
        return table.group((request.project, request.domain))
    # Only names of launch plans may be asked for with one of the two.
    return (row for row in table.rows() if request.project in ("", row.project) and request.domain in ("", row.domain))


def check_names_request(request: admin.NamedEntityIdentifierListRequest) -> None:
    """What a list of names needs."""
    validation.require(request.project, "project")
    validation.require(request.domain, "domain")
    validation.check_limit(request.limit)


def difference(old: codec.Message, new: codec.Message) -> str:
    """The values that two messages differ in, by JSON pointer, as flyteadmin words it."""
    lines = _changes("", _plain(old), _plain(new))
    return "\n".join(f"{path}:\n\t- {_text(before)} \n\t+ {_text(after)}" for path, before, after in lines)


def _plain(message: codec.Message) -> object:
    return cast("Any", message).to_dict(casing=betterproto2.Casing.SNAKE)


def _changes(path: str, old: object, new: object) -> Iterator[tuple[str, object, object]]:
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("dict[str, object]", old), cast("dict[str, object]", new)
        for key in sorted(before.keys() & after.keys()):
            yield from _changes(f"{path}/{key}", before[key], after[key])
    elif isinstance(old, list) and isinstance(new, list):
        pairs = zip(cast("list[object]", old), cast("list[object]", new), strict=False)
        for index, (left, right) in enumerate(pairs):
            yield from _changes(f"{path}/{index}", left, right)
    elif old != new:
        yield path, old, new


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
