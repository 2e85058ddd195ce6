"""Checks of requests, in flyteadmin's order and words; every function raises FlyteInvalidInputException."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import betterproto2

from ..idl import admin, core
from .failures import invalid, invalid_value, missing
from .labels import check_labels, dns_label_errors
from .store import Store
from .text import proto_text
from .typecheck import castable, literal_type_of

MAX_EXECUTION_NAME = 63
MAX_PROJECT_NAME = 64
MAX_PROJECT_DESCRIPTION = 300

TERMINAL = frozenset(
    {
        core.WorkflowExecutionPhase.SUCCEEDED,
        core.WorkflowExecutionPhase.FAILED,
        core.WorkflowExecutionPhase.ABORTED,
        core.WorkflowExecutionPhase.TIMED_OUT,
    }
)
"""Phases that an execution never leaves."""

_EXECUTION_NAME = re.compile(r"[a-z][a-z\-0-9]*")
_LAUNCHABLE = (core.ResourceType.LAUNCH_PLAN, core.ResourceType.TASK)


def require(value: str, field: str) -> None:
    """A text must not be empty."""
    if not value:
        raise missing(field)


def check_limit(limit: int) -> None:
    """Most lists need a limit."""
    if limit == 0:
        raise invalid_value("limit")


def check_identifier(identifier: core.Identifier | None, kind: core.ResourceType) -> core.Identifier:
    """An entity's id must be complete and of the right type."""
    if identifier is None:
        raise missing("id")
    if identifier.resource_type != kind:
        raise invalid(
            f"unexpected resource type {_lower(identifier.resource_type)} for identifier [{proto_text(identifier)}], "
            f"expected {_lower(kind)} instead"
        )
    return check_identifier_fields(identifier)


def check_identifier_fields(identifier: core.Identifier | None) -> core.Identifier:
    """An entity's id must be complete."""
    if identifier is None:
        raise missing("id")
    require(identifier.project, "project")
    require(identifier.domain, "domain")
    require(identifier.name, "name")
    require(identifier.version, "version")
    return identifier


def _lower(kind: core.ResourceType) -> str:
    return (kind.name or str(int(kind))).lower()


def check_execution_id(identifier: core.WorkflowExecutionIdentifier | None) -> core.WorkflowExecutionIdentifier:
    """An execution's id must be complete."""
    if identifier is None:
        raise missing("id")
    require(identifier.project, "project")
    require(identifier.domain, "domain")
    require(identifier.name, "name")
    return identifier


def check_node_id(
    identifier: core.NodeExecutionIdentifier | None,
) -> tuple[core.NodeExecutionIdentifier, core.WorkflowExecutionIdentifier]:
    """A node execution's id must be complete."""
    if identifier is None:
        raise missing("id")
    if identifier.execution_id is None:
        raise missing("execution_id")
    require(identifier.node_id, "node_id")
    return identifier, check_execution_id(identifier.execution_id)


def check_project_and_domain(store: Store, domains: Iterable[str], project: str, domain: str) -> None:
    """The project must be registered and active, the domain configured."""
    row = store.projects.get(project)
    if row is None:
        raise invalid(
            f"failed to validate that project [{project}] and domain [{domain}] are registered, "
            f"err: [project [{project}] not found]"
        )
    if row.state != int(admin.ProjectProjectState.ACTIVE):
        raise invalid(f"project [{project}] is not active", admin.InactiveProject(id=project))
    if domain not in domains:
        raise invalid(f"domain [{domain}] is unrecognized by system")


def check_project(project: admin.Project) -> None:
    """What may be registered as, or written to, a project."""
    require(project.id, "project_id")
    check_labels({} if project.labels is None else project.labels.values)
    if errors := dns_label_errors(project.id):
        raise invalid(f"invalid project id [{project.id}]: [{' '.join(errors)}]")
    _check_length(project.name, "project_name", MAX_PROJECT_NAME)
    _check_length(project.description, "project_description", MAX_PROJECT_DESCRIPTION)
    if project.domains:
        raise invalid(
            "Domains are currently only set system wide. Please retry without domains included in your request."
        )


def _check_length(value: str, field: str, limit: int) -> None:
    if len(value.encode()) > limit:
        raise invalid(f"{field} cannot exceed {limit} characters")


def check_execution_request(
    request: admin.ExecutionCreateRequest, store: Store, domains: Iterable[str]
) -> tuple[admin.ExecutionSpec, core.Identifier]:
    """The spec and the id of what is launched, once all that needs no other entity is checked."""
    require(request.project, "project")
    require(request.domain, "domain")
    if request.name:
        check_execution_name(request.name.lower())
    check_project_and_domain(store, domains, request.project, request.domain)
    spec = request.spec
    if spec is None:
        raise missing("spec")
    target = check_identifier_fields(spec.launch_plan)
    if target.resource_type not in _LAUNCHABLE:
        kind = target.resource_type.name or int(target.resource_type)
        raise invalid(
            f"Invalid reference entity resource type [{kind}], only [map[LAUNCH_PLAN:<nil> TASK:<nil>]] allowed"
        )
    check_literals({} if request.inputs is None else request.inputs.literals, "inputs")
    if spec.notifications is not None:
        check_notifications(spec.notifications.notifications)
    check_labels({} if spec.labels is None else spec.labels.values)
    return spec, target


def check_execution_name(name: str) -> None:
    """A name must be one that Kubernetes takes, too."""
    if len(name) > MAX_EXECUTION_NAME:
        raise invalid(f"size of name exceeded length {MAX_EXECUTION_NAME} : {name}")
    if not _EXECUTION_NAME.fullmatch(name):
        raise invalid(f"invalid name format: {name}")


def check_literals(literals: Mapping[str, core.Literal], field: str) -> None:
    """Every literal must have a name and a value."""
    for name, literal in literals.items():
        if not name:
            raise invalid(f"missing key in {field}")
        if betterproto2.which_one_of(literal, "value")[1] is None:
            raise invalid(f"missing valid literal in {field} {name}")
        if _is_datetime(literal):
            # As in flyteadmin, a datetime ends the loop; one outside of the allowed years could not be decoded at all.
            return


def _is_datetime(literal: core.Literal) -> bool:
    scalar = literal.scalar
    return scalar is not None and scalar.primitive is not None and scalar.primitive.datetime is not None


def check_parameters(parameters: Mapping[str, core.Parameter], field: str) -> None:
    """Every parameter must have a type, and a default of that type or be required."""
    for name, parameter in parameters.items():
        if parameter.artifact_query is not None:
            raise invalid(f"artifact mode not enabled but query found {field} {name}")
    for name, parameter in parameters.items():
        if not name:
            raise invalid(f"missing key in {field}")
        kind = None if parameter.var is None else parameter.var.type
        if kind is None:
            raise invalid(
                f"The Variable component of the Parameter {name} in {field} either is missing, or has a missing Type"
            )
        if parameter.default is None and not parameter.required:
            raise invalid(
                f"Invalid variable {name} in {field} - variable has neither default, nor is required. "
                "One must be specified"
            )
        if parameter.default is not None:
            _check_default(name, field, parameter.default, kind)


def _check_default(name: str, field: str, default: core.Literal, kind: core.LiteralType) -> None:
    given = literal_type_of(default)
    if given is None:
        raise invalid(
            "Flyte encountered an issue while determining\n"
            f"the type of the default value for Parameter '{name}' in '{field}'.\n"
            f"Registered type: [{proto_text(kind)}].\n"
            "Flyte needs to support the latest FlyteIDL to support this type.\n"
            "Suggested solution: Please update all of your Flyte images to the latest version and try again."
        )
    if not castable(given, kind):
        raise invalid(
            f"Type mismatch for Parameter {name} in {field} has type {proto_text(kind)}, expected {proto_text(given)}"
        )


def check_notifications(notifications: Iterable[admin.Notification]) -> None:
    """Somebody must be notified, of a phase that ends an execution."""
    for notification in notifications:
        recipients = _recipients(notification)
        if not recipients:
            raise missing("recipients")
        for recipient in recipients:
            require(recipient, "recipient")
        for phase in notification.phases:
            if phase not in TERMINAL:
                raise invalid_value("phase")


def _recipients(notification: admin.Notification) -> list[str]:
    match betterproto2.which_one_of(notification, "type"):
        case _, admin.EmailNotification() | admin.SlackNotification() | admin.PagerDutyNotification() as target:
            return target.recipients_email
        case _:
            raise invalid_value("notification type")
