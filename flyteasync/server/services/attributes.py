"""Matchable attributes: settings of projects, of their domains, and of workflows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from ...idl import admin, methods
from .. import validation
from ..failures import internal, invalid, invalid_value, missing, not_found
from ..rows import AttributesRow
from .context import Context, Route

Resource = admin.MatchableResource

_TARGETS = {
    "task_resource_attributes": Resource.TASK_RESOURCE,
    "cluster_resource_attributes": Resource.CLUSTER_RESOURCE,
    "execution_queue_attributes": Resource.EXECUTION_QUEUE,
    "execution_cluster_label": Resource.EXECUTION_CLUSTER_LABEL,
    "plugin_overrides": Resource.PLUGIN_OVERRIDE,
    "workflow_execution_config": Resource.WORKFLOW_EXECUTION_CONFIG,
    "cluster_assignment": Resource.CLUSTER_ASSIGNMENT,
}


class AttributesService:
    """RPCs about matchable attributes; they are stored and shown, and nothing of the server heeds them."""

    def __init__(self, context: Context) -> None:
        self._config = context.config
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.UPDATE_PROJECT_ATTRIBUTES.path: self.update_project,
            methods.GET_PROJECT_ATTRIBUTES.path: self.get_project,
            methods.DELETE_PROJECT_ATTRIBUTES.path: self.delete_project,
            methods.UPDATE_PROJECT_DOMAIN_ATTRIBUTES.path: self.update_project_domain,
            methods.GET_PROJECT_DOMAIN_ATTRIBUTES.path: self.get_project_domain,
            methods.DELETE_PROJECT_DOMAIN_ATTRIBUTES.path: self.delete_project_domain,
            methods.UPDATE_WORKFLOW_ATTRIBUTES.path: self.update_workflow,
            methods.GET_WORKFLOW_ATTRIBUTES.path: self.get_workflow,
            methods.DELETE_WORKFLOW_ATTRIBUTES.path: self.delete_workflow,
            methods.LIST_MATCHABLE_ATTRIBUTES.path: self.list,
        }

    # Of a project...

    def update_project(self, request: admin.ProjectAttributesUpdateRequest) -> admin.ProjectAttributesUpdateResponse:
        """Set what holds for a whole project."""
        given = request.attributes
        if given is None:
            raise missing("attributes")
        self._check_active(given.project)
        resource, attributes = check_attributes(given.matching_attributes, given.project)
        if resource == Resource.PLUGIN_OVERRIDE:
            # The real server looks for what to merge with, and finds that a domain is missing.
            raise internal("unexpected error type for: missing and/or invalid parameters: id")
        self._write(resource, attributes, given.project)
        return admin.ProjectAttributesUpdateResponse()

    def get_project(self, request: admin.ProjectAttributesGetRequest) -> admin.ProjectAttributesGetResponse:
        """What was set for a project as such; execution settings are filled up with the server's."""
        if self._store.projects.get(request.project) is None:
            raise invalid(
                f"failed to validate that project [{request.project}] exists, "
                f"err: [project [{request.project}] not found]"
            )
        row = self._store.attributes.get((int(request.resource_type), request.project, "", ""))
        if row is None and request.resource_type != Resource.WORKFLOW_EXECUTION_CONFIG:
            raise not_found("Resource [id] not found")
        attributes = admin.MatchingAttributes() if row is None else row.attributes
        if request.resource_type == Resource.WORKFLOW_EXECUTION_CONFIG:
            config = self._with_defaults(attributes.workflow_execution_config)
            attributes = admin.MatchingAttributes(workflow_execution_config=config)
        return admin.ProjectAttributesGetResponse(
            attributes=admin.ProjectAttributes(project=request.project, matching_attributes=attributes)
        )

    def delete_project(self, request: admin.ProjectAttributesDeleteRequest) -> admin.ProjectAttributesDeleteResponse:
        """Forget what was set for a project, and with it for its domains and workflows."""
        self._check_active(request.project)
        self._delete(request.resource_type, request.project)
        return admin.ProjectAttributesDeleteResponse()

    # Of a domain of a project...

    def update_project_domain(
        self, request: admin.ProjectDomainAttributesUpdateRequest
    ) -> admin.ProjectDomainAttributesUpdateResponse:
        """Set what holds for a domain of a project."""
        given = request.attributes
        if given is None:
            raise missing("attributes")
        self._check_domain(given.project, given.domain)
        name = f"{given.project}-{given.domain}"
        self._write(*check_attributes(given.matching_attributes, name), given.project, given.domain)
        return admin.ProjectDomainAttributesUpdateResponse()

    def get_project_domain(
        self, request: admin.ProjectDomainAttributesGetRequest
    ) -> admin.ProjectDomainAttributesGetResponse:
        """What holds for a domain: what was set for it, else for its project."""
        self._check_domain(request.project, request.domain)
        row = self._most_specific(request.resource_type, request.project, request.domain)
        return admin.ProjectDomainAttributesGetResponse(
            attributes=admin.ProjectDomainAttributes(
                project=row.project, domain=row.domain, matching_attributes=row.attributes
            )
        )

    def delete_project_domain(
        self, request: admin.ProjectDomainAttributesDeleteRequest
    ) -> admin.ProjectDomainAttributesDeleteResponse:
        """Forget what was set for a domain, and with it for its workflows."""
        self._check_domain(request.project, request.domain)
        self._delete(request.resource_type, request.project, request.domain)
        return admin.ProjectDomainAttributesDeleteResponse()

    # Of a workflow...

    def update_workflow(self, request: admin.WorkflowAttributesUpdateRequest) -> admin.WorkflowAttributesUpdateResponse:
        """Set what holds for a workflow, which need not exist."""
        given = request.attributes
        if given is None:
            raise missing("attributes")
        self._check_domain(given.project, given.domain)
        validation.require(given.workflow, "name")
        name = f"{given.project}-{given.domain}-{given.workflow}"
        self._write(*check_attributes(given.matching_attributes, name), given.project, given.domain, given.workflow)
        return admin.WorkflowAttributesUpdateResponse()

    def get_workflow(self, request: admin.WorkflowAttributesGetRequest) -> admin.WorkflowAttributesGetResponse:
        """What holds for a workflow: what was set for it, else for its domain, else for its project."""
        self._check_domain(request.project, request.domain)
        validation.require(request.workflow, "name")
        row = self._most_specific(request.resource_type, request.project, request.domain, request.workflow)
        return admin.WorkflowAttributesGetResponse(
            attributes=admin.WorkflowAttributes(
                project=row.project, domain=row.domain, workflow=row.workflow, matching_attributes=row.attributes
            )
        )

    def delete_workflow(self, request: admin.WorkflowAttributesDeleteRequest) -> admin.WorkflowAttributesDeleteResponse:
        """Forget what was set for a workflow."""
        self._check_domain(request.project, request.domain)
        validation.require(request.workflow, "name")
        self._delete(request.resource_type, request.project, request.domain, request.workflow)
        return admin.WorkflowAttributesDeleteResponse()

    def list(self, request: admin.ListMatchableAttributesRequest) -> admin.ListMatchableAttributesResponse:
        """All that was set of one kind, the most specific first."""
        if request.resource_type not in list(Resource):
            raise invalid_value("resource_type")
        rows = sorted(self._store.attributes.group((int(request.resource_type),)), key=_level, reverse=True)
        return admin.ListMatchableAttributesResponse(
            configurations=[
                admin.MatchableAttributesConfiguration(
                    attributes=row.attributes, domain=row.domain, project=row.project, workflow=row.workflow
                )
                for row in rows
            ]
        )

    def _check_domain(self, project: str, domain: str) -> None:
        validation.check_project_and_domain(self._store, self._config.domains, project, domain)

    def _check_active(self, project: str) -> None:
        row = self._store.projects.get(project)
        if row is None:
            raise invalid(
                f"failed to validate that project [{project}] is registered, err: [project [{project}] not found]"
            )
        if row.state != int(admin.ProjectProjectState.ACTIVE):
            raise invalid(f"project [{project}] is not active", admin.InactiveProject(id=project))

    def _write(
        self,
        resource: admin.MatchableResource,
        attributes: admin.MatchingAttributes,
        project: str,
        domain: str = "",
        workflow: str = "",
    ) -> None:
        row = self._store.attributes.get((int(resource), project, domain, workflow))
        if row is None:
            self._store.attributes.insert(
                AttributesRow(
                    resource_type=int(resource),
                    project=project,
                    domain=domain,
                    workflow=workflow,
                    attributes=attributes,
                )
            )
        else:
            row.attributes = merge(row.attributes, attributes)
            self._store.attributes.touch(row)

    def _most_specific(
        self, resource: admin.MatchableResource, project: str, domain: str, workflow: str = ""
    ) -> AttributesRow:
        for scope in ((project, domain, workflow), (project, domain, ""), (project, "", "")):
            row = self._store.attributes.get((int(resource), *scope))
            if row is not None:
                return row
        raise not_found(
            f"Resource [{{Project:{project} Domain:{domain} Workflow:{workflow} LaunchPlan: "
            f"ResourceType:{resource.name or int(resource)}}}] not found"
        )

    def _delete(self, resource: admin.MatchableResource, project: str, domain: str = "", workflow: str = "") -> None:
        """Forget all that fits; a part that is not named fits whatever it is."""
        rows = self._store.attributes.group((int(resource),))
        fits = _matcher(project, domain, workflow)
        for row in [row for row in rows if fits(row)]:
            self._store.attributes.delete(row)

    def _with_defaults(self, config: admin.WorkflowExecutionConfig | None) -> admin.WorkflowExecutionConfig:
        config = config or admin.WorkflowExecutionConfig()
        return dataclasses.replace(
            config,
            max_parallelism=config.max_parallelism or self._config.max_parallelism,
            interruptible=bool(config.interruptible),
        )


def check_attributes(
    attributes: admin.MatchingAttributes | None, name: str
) -> tuple[admin.MatchableResource, admin.MatchingAttributes]:
    """The kind of attributes, which must be one that is known."""
    if attributes is None:
        raise missing("matching_attributes")
    for field, resource in _TARGETS.items():
        if getattr(attributes, field) is not None:
            return resource, attributes
    raise invalid(f"Unrecognized matching attributes type for request {name}")


def merge(old: admin.MatchingAttributes, new: admin.MatchingAttributes) -> admin.MatchingAttributes:
    """The new attributes take the place of the old ones; but plugins are replaced task type by task type."""
    if old.plugin_overrides is None or new.plugin_overrides is None:
        return new
    overrides = {item.task_type: item for item in _overrides(old, new)}
    return admin.MatchingAttributes(plugin_overrides=admin.PluginOverrides(overrides=list(overrides.values())))


def _overrides(*sources: admin.MatchingAttributes) -> Iterator[admin.PluginOverride]:
    for source in sources:
        if source.plugin_overrides is not None:
            yield from source.plugin_overrides.overrides


def _matcher(project: str, domain: str, workflow: str) -> Callable[[AttributesRow], bool]:
    return lambda row: row.project == project and domain in ("", row.domain) and workflow in ("", row.workflow)


def _level(row: AttributesRow) -> int:
    return sum(bool(part) for part in (row.project, row.domain, row.workflow))
