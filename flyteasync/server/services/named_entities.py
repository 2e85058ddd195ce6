"""Named entities: what is known about a name of tasks, workflows or launch plans, whatever its versions."""

from __future__ import annotations

from collections.abc import Iterable

from ...idl import admin, core, methods
from .. import validation
from ..columns import COLUMNS, Entity
from ..failures import database_error, invalid, invalid_value, missing, not_found
from ..filters import Filter, build, parse_filters
from ..listing import distinct, parse_order, parse_token, select
from ..rows import EntityRow, NamedEntityRow
from ..store import Group
from .context import Context, Route
from .single_task import PREFIX

_Kind = core.ResourceType
_ACTIVE = admin.NamedEntityState.NAMED_ENTITY_ACTIVE
_METADATA = {"description", "state", "resource_type"}
_BASE = {"id", "created_at", "updated_at", "deleted_at"}


class NamedEntityService:
    """RPCs about names."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.GET_NAMED_ENTITY.path: self.get,
            methods.UPDATE_NAMED_ENTITY.path: self.update,
            methods.LIST_NAMED_ENTITIES.path: self.list,
        }

    def get(self, request: admin.NamedEntityGetRequest) -> admin.NamedEntity:
        """A name with its description and state."""
        identifier = _check(request.resource_type, request.id)
        return _message(self._find(request.resource_type, identifier))

    def update(self, request: admin.NamedEntityUpdateRequest) -> admin.NamedEntityUpdateResponse:
        """Write the description and state of a name; archived ones can be launched all the same."""
        identifier = _check(request.resource_type, request.id)
        metadata = request.metadata
        if metadata is None:
            raise missing("metadata")
        if metadata.state != _ACTIVE and request.resource_type == _Kind.DATASET:
            raise invalid(f"Resource [{request.resource_type.name}] cannot have its state updated")
        row = self._find(request.resource_type, identifier)
        # An empty description is no change: the real server writes only what is set.
        row.description = metadata.description or row.description
        row.state = int(metadata.state)
        if row.id:
            self._store.named_entities.touch(row)
        else:
            self._store.named_entities.insert(row)
        return admin.NamedEntityUpdateResponse()

    def list(self, request: admin.NamedEntityListRequest) -> admin.NamedEntityList:
        """One page of names; filters see only the names of the page, so that a page with a successor may be short."""
        validation.require(request.project, "project")
        validation.require(request.domain, "domain")
        _check_type(request.resource_type)
        validation.check_limit(request.limit)
        filters = _filters(request.filters)
        order = parse_order(request.sort_by, Entity.NAMED_ENTITY)
        offset = parse_token(request.token, "ListNamedEntities")
        versions = self._versions(request.resource_type, (request.project, request.domain), "list entity names")
        if order is not None and order.column.name in _METADATA | _BASE:
            # Names are picked from the table of versions, grouped by name, which has no such column to sort by.
            raise database_error(f'column "{order.column.name}" does not exist')
        names = distinct(versions, lambda row: (row.project, row.domain, row.name))
        rows = [self._row(request.resource_type, row.project, row.domain, row.name) for row in names]
        scope = select(rows, entity=Entity.NAMED_ENTITY, filters=(), order=order, offset=offset, limit=request.limit)
        found = [row for row in scope.rows if all(_matches(item, row) for item in filters)]
        token = str(offset + len(found)) if len(found) == request.limit else ""
        return admin.NamedEntityList(entities=[_message(row) for row in found], token=token)

    def _find(self, kind: core.ResourceType, identifier: admin.NamedEntityIdentifier) -> NamedEntityRow:
        """What is stored about a name, or a row that is not: most names have none.

        Raises:
            FlyteEntityNotExistException: there is no entity of that name.
        """
        key = (identifier.project, identifier.domain, identifier.name)
        if not len(self._versions(kind, key, "get NamedEntityMetadata")):
            raise not_found("entry not found")
        return self._row(kind, *key)

    def _row(self, kind: core.ResourceType, project: str, domain: str, name: str) -> NamedEntityRow:
        row = self._store.named_entities.get((int(kind), project, domain, name))
        return row or NamedEntityRow(resource_type=int(kind), project=project, domain=domain, name=name)

    def _versions(self, kind: core.ResourceType, group: tuple[str, ...], what: str) -> Group[EntityRow]:
        match kind:
            case _Kind.TASK:
                return self._store.tasks.group(group)
            case _Kind.WORKFLOW:
                return self._store.workflows.group(group)
            case _Kind.LAUNCH_PLAN:
                return self._store.launch_plans.group(group)
            case _:
                raise invalid(f"Cannot {what} for resource type: {kind.name or int(kind)}")


def _check(kind: core.ResourceType, identifier: admin.NamedEntityIdentifier | None) -> admin.NamedEntityIdentifier:
    _check_type(kind)
    if identifier is None:
        raise missing("id")
    validation.require(identifier.project, "project")
    validation.require(identifier.domain, "domain")
    validation.require(identifier.name, "name")
    return identifier


def _check_type(kind: core.ResourceType) -> None:
    if kind == _Kind.UNSPECIFIED:
        raise invalid_value("resource_type")


def _filters(text: str) -> Iterable[Filter]:
    """A request's filters, or the one that hides what the server itself made."""
    if text:
        return parse_filters(text, Entity.NAMED_ENTITY)
    return [build(Entity.NAMED_ENTITY, "not_like", COLUMNS[Entity.NAMED_ENTITY]["name"], (f"{PREFIX}%",))]


def _matches(item: Filter, row: NamedEntityRow) -> bool:
    """Of a name that nobody wrote about, only the state is known."""
    return (row.id > 0 or item.field not in _BASE) and item.matches(row)


def _message(row: NamedEntityRow) -> admin.NamedEntity:
    return admin.NamedEntity(
        resource_type=_Kind(row.resource_type),
        id=admin.NamedEntityIdentifier(project=row.project, domain=row.domain, name=row.name),
        metadata=admin.NamedEntityMetadata(description=row.description or "", state=admin.NamedEntityState(row.state)),
    )
