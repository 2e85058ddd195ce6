"""Requests that are right, of every method that there is, and ways to make them wrong."""

from __future__ import annotations

import random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from flyteasync.errors import Status
from flyteasync.idl import admin, core, event, methods, service
from flyteasync.literals import literal_type
from tests.codec.fill import damage, fill, scalar
from tests.codec.twins import Twins, flyte_twins, is_map
from tests.server.build import (
    DOMAIN,
    PROJECT,
    execution,
    execution_id,
    identifier,
    literal,
    node,
    promise,
    task,
    workflow,
)
from tests.server.client import Client, RpcFailed
from tests.server.events import at, attempt_id, node_id

Kind = core.ResourceType
Seed = tuple[str, bytes]
"""A path and a request."""

NOT_THERE = ("AuthMetadataService", "IdentityService")
SCOPE = admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN)
NAMED = admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN, name="wf")
PLAN, TASK, WORKFLOW = (identifier("wf", Kind.LAUNCH_PLAN), identifier("t", Kind.TASK), identifier("wf", Kind.WORKFLOW))


class Recorder(Client):
    """A client that remembers what it asked."""

    seeds: list[Seed]

    async def raw(self, path: str, payload: bytes, timeout: float | None = 30) -> bytes:
        self.seeds.append((path, payload))
        return await super().raw(path, payload, timeout)


async def record(endpoint: str) -> list[Seed]:
    """Ask every method something that it answers, if nothing was asked before."""
    client = Recorder(endpoint)
    client.seeds = []
    try:
        await client.register(
            workflow("wf", [node("n0", "t", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("n0.o0"))}),
            [task("t", {"x": int}, {"o0": int})],
        )
        for target, name in ((PLAN, "e1"), (TASK, "e2")):
            await client.call(methods.CREATE_EXECUTION, execution(target, name, {"x": 3}))
            await client.finish(execution_id(name))
        for method, request in [*_on_entities(), *_on_executions(), *_on_settings()]:
            await _ask(client, method, request)
    finally:
        await client.aclose()
    asked = {path for path, _ in client.seeds}
    assert {path for path in methods.METHODS if path not in asked} == set(unregistered())
    return client.seeds


async def _ask(client: Client, method: methods.Method[Any, Any], request: Any) -> None:
    """Ask; the answer may be that there is no such thing, but not that the request is wrong."""
    try:
        await client.call(method, request)
    except RpcFailed as failure:
        if failure.status == Status.INVALID_ARGUMENT:
            raise


def unregistered() -> list[str]:
    """The paths that a server without authentication does not answer."""
    return [path for path in methods.METHODS if any(name in path for name in NOT_THERE)]


def _on_entities() -> list[tuple[methods.Method[Any, Any], Any]]:
    lists = admin.ResourceListRequest(id=SCOPE, limit=5, filters="ne(name,x)+value_in(version,v1;v2)")
    names = admin.NamedEntityIdentifierListRequest(project=PROJECT, domain=DOMAIN, limit=5)
    description = identifier("t", Kind.TASK)
    return [
        (methods.GET_TASK, admin.ObjectGetRequest(id=TASK)),
        (methods.GET_WORKFLOW, admin.ObjectGetRequest(id=WORKFLOW)),
        (methods.GET_LAUNCH_PLAN, admin.ObjectGetRequest(id=PLAN)),
        (methods.LIST_TASKS, lists),
        (methods.LIST_WORKFLOWS, lists),
        (methods.LIST_LAUNCH_PLANS, lists),
        *(
            (method, names)
            for method in (methods.LIST_TASK_IDS, methods.LIST_WORKFLOW_IDS, methods.LIST_LAUNCH_PLAN_IDS)
        ),
        (methods.UPDATE_LAUNCH_PLAN, admin.LaunchPlanUpdateRequest(id=PLAN, state=admin.LaunchPlanState.ACTIVE)),
        (methods.GET_ACTIVE_LAUNCH_PLAN, admin.ActiveLaunchPlanRequest(id=NAMED)),
        (
            methods.LIST_ACTIVE_LAUNCH_PLANS,
            admin.ActiveLaunchPlanListRequest(project=PROJECT, domain=DOMAIN, limit=5),
        ),
        (methods.GET_NAMED_ENTITY, admin.NamedEntityGetRequest(resource_type=Kind.WORKFLOW, id=NAMED)),
        (
            methods.UPDATE_NAMED_ENTITY,
            admin.NamedEntityUpdateRequest(
                resource_type=Kind.WORKFLOW, id=NAMED, metadata=admin.NamedEntityMetadata(description="d")
            ),
        ),
        (
            methods.LIST_NAMED_ENTITIES,
            admin.NamedEntityListRequest(resource_type=Kind.TASK, project=PROJECT, domain=DOMAIN, limit=5),
        ),
        (methods.GET_DESCRIPTION_ENTITY, admin.ObjectGetRequest(id=description)),
        (
            methods.LIST_DESCRIPTION_ENTITIES,
            admin.DescriptionEntityListRequest(resource_type=Kind.TASK, id=NAMED, limit=5),
        ),
    ]


def _on_executions() -> list[tuple[methods.Method[Any, Any], Any]]:
    e1 = execution_id("e1")
    lists = admin.ResourceListRequest(
        id=SCOPE, limit=5, filters="value_in(phase,SUCCEEDED;FAILED)+gte(state,0)", sort_by=admin.Sort(key="created_at")
    )
    n0, a0 = node_id("n0"), attempt_id("n0")
    running = core.WorkflowExecutionPhase.RUNNING
    signal = core.SignalIdentifier(signal_id="s", execution_id=e1)
    deck = service.CreateDownloadLinkRequest(artifact_type=service.ArtifactType.DECK, node_execution_id=n0)
    url = f"flyte://v1/{PROJECT}/{DOMAIN}/e1/n0/o"
    return [
        (methods.GET_EXECUTION_DATA, admin.WorkflowExecutionGetDataRequest(id=e1)),
        (methods.GET_EXECUTION_METRICS, admin.WorkflowExecutionGetMetricsRequest(id=e1, depth=3)),
        (methods.LIST_EXECUTIONS, lists),
        (methods.UPDATE_EXECUTION, admin.ExecutionUpdateRequest(id=e1)),
        (methods.RELAUNCH_EXECUTION, admin.ExecutionRelaunchRequest(id=e1, name="e3")),
        (methods.RECOVER_EXECUTION, admin.ExecutionRecoverRequest(id=e1, name="e4")),
        (methods.TERMINATE_EXECUTION, admin.ExecutionTerminateRequest(id=e1, cause="c")),
        (methods.GET_NODE_EXECUTION, admin.NodeExecutionGetRequest(id=n0)),
        (methods.GET_NODE_EXECUTION_DATA, admin.NodeExecutionGetDataRequest(id=n0)),
        (methods.GET_DYNAMIC_NODE_WORKFLOW, admin.GetDynamicNodeWorkflowRequest(id=n0)),
        (methods.LIST_NODE_EXECUTIONS, admin.NodeExecutionListRequest(workflow_execution_id=e1, limit=9)),
        (
            methods.LIST_NODE_EXECUTIONS_FOR_TASK,
            admin.NodeExecutionForTaskListRequest(task_execution_id=a0, limit=9),
        ),
        (methods.LIST_TASK_EXECUTIONS, admin.TaskExecutionListRequest(node_execution_id=n0, limit=9)),
        (methods.GET_TASK_EXECUTION, admin.TaskExecutionGetRequest(id=a0)),
        (methods.GET_TASK_EXECUTION_DATA, admin.TaskExecutionGetDataRequest(id=a0)),
        (
            methods.CREATE_WORKFLOW_EVENT,
            admin.WorkflowExecutionEventRequest(
                event=event.WorkflowExecutionEvent(execution_id=e1, phase=running, occurred_at=at(1))
            ),
        ),
        (
            methods.CREATE_NODE_EVENT,
            admin.NodeExecutionEventRequest(
                event=event.NodeExecutionEvent(
                    id=node_id("x"), phase=core.NodeExecutionPhase.RUNNING, occurred_at=at(1)
                )
            ),
        ),
        (
            methods.CREATE_TASK_EVENT,
            admin.TaskExecutionEventRequest(
                event=event.TaskExecutionEvent(
                    task_id=TASK,
                    parent_node_execution_id=node_id("x"),
                    phase=core.TaskExecutionPhase.RUNNING,
                    occurred_at=at(2),
                )
            ),
        ),
        (methods.GET_OR_CREATE_SIGNAL, admin.SignalGetOrCreateRequest(id=signal, type=literal_type(int))),
        (methods.SET_SIGNAL, admin.SignalSetRequest(id=signal, value=literal(3))),
        (methods.LIST_SIGNALS, admin.SignalListRequest(workflow_execution_id=e1, limit=5)),
        (
            methods.CREATE_UPLOAD_LOCATION,
            service.CreateUploadLocationRequest(project=PROJECT, domain=DOMAIN, filename="f", filename_root="r"),
        ),
        (methods.CREATE_DOWNLOAD_LOCATION, service.CreateDownloadLocationRequest(native_url="mem://flyte/x")),
        (methods.CREATE_DOWNLOAD_LINK, deck),
        (methods.GET_DATA, service.GetDataRequest(flyte_url=url)),
    ]


def _on_settings() -> list[tuple[methods.Method[Any, Any], Any]]:
    label = admin.MatchingAttributes(execution_cluster_label=admin.ExecutionClusterLabel(value="x"))
    kind = admin.MatchableResource.EXECUTION_CLUSTER_LABEL
    project = {"project": PROJECT}
    domain = {**project, "domain": DOMAIN}
    of_workflow = {**domain, "workflow": "wf"}
    return [
        (
            methods.UPDATE_PROJECT_ATTRIBUTES,
            admin.ProjectAttributesUpdateRequest(
                attributes=admin.ProjectAttributes(matching_attributes=label, **project)
            ),
        ),
        (methods.GET_PROJECT_ATTRIBUTES, admin.ProjectAttributesGetRequest(resource_type=kind, **project)),
        (
            methods.UPDATE_PROJECT_DOMAIN_ATTRIBUTES,
            admin.ProjectDomainAttributesUpdateRequest(
                attributes=admin.ProjectDomainAttributes(matching_attributes=label, **domain)
            ),
        ),
        (methods.GET_PROJECT_DOMAIN_ATTRIBUTES, admin.ProjectDomainAttributesGetRequest(resource_type=kind, **domain)),
        (
            methods.UPDATE_WORKFLOW_ATTRIBUTES,
            admin.WorkflowAttributesUpdateRequest(
                attributes=admin.WorkflowAttributes(matching_attributes=label, **of_workflow)
            ),
        ),
        (methods.GET_WORKFLOW_ATTRIBUTES, admin.WorkflowAttributesGetRequest(resource_type=kind, **of_workflow)),
        (methods.LIST_MATCHABLE_ATTRIBUTES, admin.ListMatchableAttributesRequest(resource_type=kind)),
        (methods.DELETE_WORKFLOW_ATTRIBUTES, admin.WorkflowAttributesDeleteRequest(resource_type=kind, **of_workflow)),
        (
            methods.DELETE_PROJECT_DOMAIN_ATTRIBUTES,
            admin.ProjectDomainAttributesDeleteRequest(resource_type=kind, **domain),
        ),
        (methods.DELETE_PROJECT_ATTRIBUTES, admin.ProjectAttributesDeleteRequest(resource_type=kind, **project)),
        (methods.REGISTER_PROJECT, admin.ProjectRegisterRequest(project=admin.Project(id="other", name="other"))),
        (methods.UPDATE_PROJECT, admin.Project(id="other", description="d")),
        (methods.GET_PROJECT, admin.ProjectGetRequest(id="other")),
        (methods.LIST_PROJECTS, admin.ProjectListRequest(limit=5)),
        (methods.GET_DOMAINS, admin.GetDomainRequest()),
        (methods.GET_VERSION, admin.GetVersionRequest()),
    ]


class Mutator:
    """Makes requests wrong, each time in another way, as its seed says.

    Args:
        seeds: requests that are right.
        seed: of the generator of random numbers.
    """

    def __init__(self, seeds: list[Seed], seed: int) -> None:
        self._seeds = seeds
        self._chance = random.Random(seed)
        twins = {twins.ours: twins for twins in flyte_twins()}
        self._twins: dict[str, Twins] = {path: twins[method.request] for path, method in methods.METHODS.items()}

    def next(self) -> Seed:
        """A path and bytes: damaged ones, a right request with some fields changed, or one of random content."""
        chance = self._chance
        path, payload = chance.choice(self._seeds)
        match chance.randrange(8):
            case 0:
                return path, damage(payload, chance)
            case 1:
                filled = fill(self._twins[path].theirs(), chance, 0.6)
                return path, filled.SerializeToString()
            case 2:
                # Fields of one request in another: unknown ones, or of another type.
                return path, payload + chance.choice(self._seeds)[1]
            case _:
                message = self._twins[path].theirs.FromString(payload)
                for _ in range(chance.randrange(1, 3)):
                    change(message, chance)
                return path, message.SerializeToString()


def change(message: Any, chance: random.Random) -> None:
    """Change one field of a message of upb, or of one inside of it: clear it, replace it, or fill it with anything."""
    while True:
        inner = [value for field, value in message.ListFields() if field.message_type is not None]
        inner = [item for value in inner for item in _messages(value)]
        if not inner or chance.random() < 0.25:
            break
        message = chance.choice(inner)
    fields = list(message.DESCRIPTOR.fields)
    if not fields:
        return
    there = [field for field, _ in message.ListFields()]
    field = chance.choice(there if there and chance.random() < 0.7 else fields)
    match chance.randrange(3):
        case 0:
            message.ClearField(field.name)
        case 1 if field.message_type is None and not field.is_repeated:
            setattr(message, field.name, scalar(field, chance))
        case 1 if field.is_repeated and field.message_type is None and not is_map(field):
            getattr(message, field.name).extend(scalar(field, chance) for _ in range(chance.randrange(4)))
        case _:
            _refill(message, field, chance)


def _refill(message: Any, field: FieldDescriptor, chance: random.Random) -> None:
    donor = fill(type(message)(), chance, 0.7)
    for other, _ in donor.ListFields():
        if other.name != field.name:
            donor.ClearField(other.name)
    message.ClearField(field.name)
    message.MergeFrom(donor)


def _messages(value: Any) -> list[Any]:
    if hasattr(value, "DESCRIPTOR"):
        return [value]
    items = value.values() if hasattr(value, "values") else value
    return [item for item in items if hasattr(item, "DESCRIPTOR")]
