"""Projects, domains, and the server's version."""

from __future__ import annotations

from ...idl import admin, methods
from .. import validation
from ..columns import COLUMNS, Entity
from ..failures import missing, not_found
from ..filters import parse_filters
from ..listing import Order, parse_order, parse_token, select
from ..rows import ProjectRow
from .context import Context, Route

VERSION = "1.16.8-flyteasync"

_ARCHIVED = int(admin.ProjectProjectState.ARCHIVED)


class ProjectService:
    """RPCs about projects."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._domains = context.config.domains

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.REGISTER_PROJECT.path: self.register,
            methods.UPDATE_PROJECT.path: self.update,
            methods.GET_PROJECT.path: self.get,
            methods.LIST_PROJECTS.path: self.list,
            methods.GET_DOMAINS.path: self.domains,
            methods.GET_VERSION.path: self.version,
        }

    def register(self, request: admin.ProjectRegisterRequest) -> admin.ProjectRegisterResponse:
        """Create an active project."""
        project = request.project
        if project is None:
            raise missing("project")
        validation.require(project.name, "project_name")
        validation.check_project(project)
        row = ProjectRow(
            identifier=project.id, name=project.name, description=project.description, labels=project.labels
        )
        self._store.projects.insert(row)
        return admin.ProjectRegisterResponse()

    def update(self, request: admin.Project) -> admin.ProjectUpdateResponse:
        """Write what is set; the state is always written, so that leaving it out makes a project active again."""
        row = self._find(request.id)
        validation.check_project(request)
        row.name = request.name or row.name
        row.description = request.description or row.description
        if request.labels is not None:
            row.labels = request.labels
        row.state = int(request.state)
        self._store.projects.touch(row)
        return admin.ProjectUpdateResponse()

    def get(self, request: admin.ProjectGetRequest) -> admin.Project:
        """One project with its domains."""
        validation.require(request.id, "project_id")
        return self._message(self._find(request.id))

    def list(self, request: admin.ProjectListRequest) -> admin.Projects:
        """All projects by id; archived ones only if a filter is given."""
        filters = parse_filters(request.filters, Entity.PROJECT)
        order = parse_order(request.sort_by, Entity.PROJECT)
        offset = parse_token(request.token, "ListProjects")
        page = select(
            [row for row in self._store.projects.rows() if filters or row.state != _ARCHIVED],
            entity=Entity.PROJECT,
            filters=filters,
            order=order or Order(COLUMNS[Entity.PROJECT]["identifier"], descending=False),
            offset=offset,
            limit=request.limit,
        )
        return admin.Projects(projects=[self._message(row) for row in page.rows], token=page.token)

    def domains(self, request: admin.GetDomainRequest) -> admin.GetDomainsResponse:
        """The configured domains."""
        return admin.GetDomainsResponse(domains=self._domain_messages())

    def version(self, request: admin.GetVersionRequest) -> admin.GetVersionResponse:
        """The version of flyteadmin that this server behaves like."""
        return admin.GetVersionResponse(
            control_plane_version=admin.Version(version=VERSION, build="embedded", build_time="")
        )

    def _find(self, identifier: str) -> ProjectRow:
        row = self._store.projects.get(identifier)
        if row is None:
            raise not_found(f"project [{identifier}] not found")
        return row

    def _message(self, row: ProjectRow) -> admin.Project:
        return admin.Project(
            id=row.identifier,
            name=row.name,
            domains=self._domain_messages(),
            description=row.description,
            labels=row.labels,
            state=admin.ProjectProjectState(row.state),
        )

    def _domain_messages(self) -> list[admin.Domain]:
        return [admin.Domain(id=domain, name=domain) for domain in self._domains]
