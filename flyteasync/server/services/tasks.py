"""Tasks."""

from __future__ import annotations

from collections.abc import Mapping

from ...idl import admin, core, methods
from .. import validation
from ..columns import Entity
from ..failures import already_exists, invalid, missing
from ..resources import check_resources
from ..rows import TaskRow
from . import entities
from .context import Context, Route
from .descriptions import add_description


class TaskService:
    """RPCs about tasks."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.CREATE_TASK.path: self.create,
            methods.GET_TASK.path: self.get,
            methods.LIST_TASKS.path: self.list,
            methods.LIST_TASK_IDS.path: self.list_ids,
        }

    def create(self, request: admin.TaskCreateRequest) -> admin.TaskCreateResponse:
        """Register a version of a task."""
        identifier = validation.check_identifier(request.id, core.ResourceType.TASK)
        config = self._context.config
        validation.check_project_and_domain(self._store, config.domains, identifier.project, identifier.domain)
        spec = request.spec
        if spec is None or spec.template is None:
            raise missing("spec")
        check_template(identifier, spec.template, config.resource_limits)
        spec.template.id = identifier
        compiled = core.CompiledTask(template=spec.template)
        existing = self._store.tasks.get((identifier.project, identifier.domain, identifier.name, identifier.version))
        if existing is not None:
            raise _exists(identifier, existing, compiled)
        description = "" if spec.description is None else spec.description.short_description
        closure = admin.TaskClosure(compiled_task=compiled, created_at=self._context.clock.now())
        row = TaskRow(
            project=identifier.project,
            domain=identifier.domain,
            name=identifier.name,
            version=identifier.version,
            message=admin.Task(id=identifier, closure=closure, short_description=description),
            type=spec.template.type,
            short_description=description,
        )
        self._store.tasks.insert(row)
        add_description(self._store, identifier, spec.description)
        return admin.TaskCreateResponse()

    def get(self, request: admin.ObjectGetRequest) -> admin.Task:
        """One version."""
        return entities.requested(self._store.tasks, request, Entity.TASK).message

    def list(self, request: admin.ResourceListRequest) -> admin.TaskList:
        """Versions with their whole closures."""
        page = entities.list_rows(self._store.tasks, request, Entity.TASK, "ListTasks")
        return admin.TaskList(tasks=[row.message for row in page.rows], token=page.token)

    def list_ids(self, request: admin.NamedEntityIdentifierListRequest) -> admin.NamedEntityIdentifierList:
        """Names."""
        entities.check_names_request(request)
        return entities.list_names(self._store.tasks, request, Entity.TASK, "ListUniqueTaskIdentifiers")


def check_template(identifier: core.Identifier, template: core.TaskTemplate, limits: Mapping[str, str | None]) -> None:
    """What a task must have, in flyteadmin's order."""
    validation.require(template.type, "type")
    if template.metadata is None:
        raise missing("metadata")
    if template.metadata.runtime is not None:
        validation.require(template.metadata.runtime.version, "runtime version")
    if template.interface is None:
        raise missing("typed interface")
    if template.container is not None:
        validation.require(template.container.image, "image")
        if template.container.resources is not None:
            check_resources(identifier, template.container.resources, limits)
    elif template.k8s_pod is not None and template.k8s_pod.pod_spec is None:
        raise invalid(
            "invalid TaskSpecification, pod tasks should specify their target as a K8sPod with a defined pod spec"
        )


def _exists(identifier: core.Identifier, existing: TaskRow, compiled: core.CompiledTask) -> Exception:
    old = core.CompiledTask(template=existing.template)
    if old == compiled:
        return already_exists("task with identical structure already exists")
    return invalid(
        f"{identifier.name} task with different structure already exists. "
        "(Please register a new version of the task):\n" + entities.difference(old, compiled)
    )
