"""The workflow and launch plan that stand around a task which is launched by itself."""

from __future__ import annotations

from collections.abc import Mapping

from ...idl import admin, core
from ..inputs import variables_of
from ..rows import EntityKey, LaunchPlanRow, NamedEntityRow, TaskRow, WorkflowRow
from ..store import Store
from .launch_plans import LaunchPlanService, complete
from .workflows import WorkflowService

PREFIX = ".flytegen."

MAX_NODE_ID = 63

_DEFAULT_RETRIES = 3


class Skeletons:
    """Makes them when a task is first launched; they have the task's version and live beside it."""

    def __init__(self, store: Store, workflows: WorkflowService, launch_plans: LaunchPlanService) -> None:
        self._store = store
        self._workflows = workflows
        self._launch_plans = launch_plans

    def of(self, task: TaskRow) -> tuple[WorkflowRow, LaunchPlanRow]:
        """The skeletons of a task."""
        key = (task.project, task.domain, PREFIX + task.name, task.version)
        workflow = self._store.workflows.get(key) or self._create_workflow(key, task)
        launch_plan = self._store.launch_plans.get(key) or self._create_launch_plan(key, workflow)
        return workflow, launch_plan

    def _create_workflow(self, key: EntityKey, task: TaskRow) -> WorkflowRow:
        interface = task.template.interface or core.TypedInterface()
        node_id = node_id_of(task.name)
        retries = None if task.template.metadata is None else task.template.metadata.retries
        if retries is None:
            retries = core.RetryStrategy(retries=_DEFAULT_RETRIES)
        node = core.Node(
            id=node_id,
            metadata=core.NodeMetadata(name=node_id, retries=retries),
            inputs=_bindings(variables_of(interface.inputs), ""),
            task_node=core.TaskNode(reference_id=task.message.id),
        )
        template = core.WorkflowTemplate(
            interface=interface, nodes=[node], outputs=_bindings(variables_of(interface.outputs), node_id)
        )
        self._workflows.create(
            admin.WorkflowCreateRequest(
                id=_identifier(key, core.ResourceType.WORKFLOW), spec=admin.WorkflowSpec(template=template)
            )
        )
        self._hide(core.ResourceType.WORKFLOW, key)
        row = self._store.workflows.get(key)
        assert row is not None
        return row

    def _create_launch_plan(self, key: EntityKey, workflow: WorkflowRow) -> LaunchPlanRow:
        spec = admin.LaunchPlanSpec(
            workflow_id=workflow.message.id,
            entity_metadata=admin.LaunchPlanMetadata(),
            fixed_inputs=core.LiteralMap(),
            labels=admin.Labels(),
            annotations=admin.Annotations(),
        )
        complete(spec, workflow)
        self._hide(core.ResourceType.LAUNCH_PLAN, key)
        return self._launch_plans.insert(_identifier(key, core.ResourceType.LAUNCH_PLAN), spec, workflow)

    def _hide(self, kind: core.ResourceType, key: EntityKey) -> None:
        """Mark a name as the server's own, once for all versions."""
        project, domain, name, _ = key
        if self._store.named_entities.get((int(kind), project, domain, name)) is None:
            state = int(admin.NamedEntityState.SYSTEM_GENERATED)
            row = NamedEntityRow(resource_type=int(kind), project=project, domain=domain, name=name, state=state)
            self._store.named_entities.insert(row)


def node_id_of(task_name: str) -> str:
    """The id of the only node: the end of the task's name, without what Kubernetes would not take."""
    kept = "".join(letter for letter in task_name if letter == "-" or letter.isalnum())
    return kept[-MAX_NODE_ID:]


def _bindings(variables: Mapping[str, core.Variable], node_id: str) -> list[core.Binding]:
    return [
        core.Binding(var=name, binding=core.BindingData(promise=core.OutputReference(node_id=node_id, var=name)))
        for name in variables
    ]


def _identifier(key: EntityKey, kind: core.ResourceType) -> core.Identifier:
    project, domain, name, version = key
    return core.Identifier(resource_type=kind, project=project, domain=domain, name=name, version=version)
