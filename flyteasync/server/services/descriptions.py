"""Description entities: the documentation that versions of tasks and workflows were registered with."""

from __future__ import annotations

from ...idl import admin, core, methods
from .. import validation
from ..columns import COLUMNS, Entity
from ..failures import database_error, invalid_value, missing, not_found
from ..filters import Filter, parse_filters
from ..listing import parse_order, parse_token, select
from ..rows import DescriptionRow
from ..store import Store
from .context import Context, Route

_ENTITIES = {
    core.ResourceType.TASK: Entity.TASK,
    core.ResourceType.WORKFLOW: Entity.WORKFLOW,
    core.ResourceType.LAUNCH_PLAN: Entity.LAUNCH_PLAN,
}


class DescriptionService:
    """RPCs about descriptions; registering creates them."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.GET_DESCRIPTION_ENTITY.path: self.get,
            methods.LIST_DESCRIPTION_ENTITIES.path: self.list,
        }

    def get(self, request: admin.ObjectGetRequest) -> admin.DescriptionEntity:
        """The description of one version; an id without a type is a task's."""
        identifier = request.id
        if identifier is None:
            raise missing("id")
        if identifier.resource_type == core.ResourceType.UNSPECIFIED:
            identifier.resource_type = core.ResourceType.TASK
        validation.check_identifier_fields(identifier)
        row = self._store.descriptions.get(
            (
                int(identifier.resource_type),
                identifier.project,
                identifier.domain,
                identifier.name,
                identifier.version,
            )
        )
        if row is None:
            raise not_found("entry not found")
        return row.message

    def list(self, request: admin.DescriptionEntityListRequest) -> admin.DescriptionEntityList:
        """One page of the descriptions of all versions of a name."""
        scope = request.id
        if scope is None:
            raise missing("id")
        validation.require(scope.project, "project")
        validation.require(scope.domain, "domain")
        validation.require(scope.name, "name")
        validation.check_limit(request.limit)
        entity = _ENTITIES.get(request.resource_type)
        if entity is None:
            raise invalid_value("resource_type")
        page = select(
            self._store.descriptions.group((int(request.resource_type), scope.project, scope.domain, scope.name)),
            entity=entity,
            filters=_filters(request.filters, entity),
            order=parse_order(request.sort_by, Entity.DESCRIPTION),
            offset=parse_token(request.token, "ListWorkflows"),
            limit=request.limit,
        )
        return admin.DescriptionEntityList(description_entities=[row.message for row in page.rows], token=page.token)


def _filters(text: str, entity: Entity) -> list[Filter]:
    """Filters are read as those of the described entities, though descriptions have only some of their columns."""
    filters = parse_filters(text, entity)
    for item in filters:
        if item.entity is not entity or item.field not in COLUMNS[Entity.DESCRIPTION]:
            raise database_error(f'column "{item.field}" does not exist')
    return filters


def add_description(store: Store, identifier: core.Identifier, given: admin.DescriptionEntity | None) -> None:
    """Store what a version was described with; nothing if it was not."""
    if given is None:
        return
    link = "" if given.source_code is None else given.source_code.link
    row = DescriptionRow(
        project=identifier.project,
        domain=identifier.domain,
        name=identifier.name,
        version=identifier.version,
        resource_type=int(identifier.resource_type),
        message=admin.DescriptionEntity(
            id=identifier,
            short_description=given.short_description,
            long_description=given.long_description or admin.Description(),
            source_code=admin.SourceCode(link=link),
        ),
    )
    store.descriptions.insert(row)
