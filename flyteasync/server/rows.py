"""What the store keeps: one class a table, with flyteadmin's columns as attributes.

Messages inside rows are shared with replies. They may be changed, because a reply is encoded before anything else runs,
but what a request brought in is never changed after its row was stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .. import codec
from ..idl import admin, core

ExecutionKey = tuple[str, str, str]
"""Project, domain, name."""

NodeKey = tuple[str, str, str, str]
"""An execution's key and the node's unique id."""

TaskKey = tuple[NodeKey, tuple[str, str, str, str], int]
"""A node's key, the task's project, domain, name and version, and the attempt."""

TagKey = tuple[ExecutionKey, str, str]
"""An execution's key, the tag and its value."""

EntityKey = tuple[str, str, str, str]
"""Project, domain, name, version."""

SignalKey = tuple[ExecutionKey, str]
"""An execution's key and the signal's id."""

NamedKey = tuple[int, str, str, str]
"""Resource type, project, domain, name."""

DescriptionKey = tuple[int, str, str, str, str]
"""Resource type, project, domain, name, version."""

AttributesKey = tuple[int, str, str, str]
"""Kind of attributes, project, domain, workflow; the broader levels have empty parts."""

NO_TIME = datetime.min


@dataclass(slots=True, kw_only=True, eq=False)
class Row:
    """The columns that every table has; the table fills them in."""

    id: int = 0
    created_at: datetime = NO_TIME
    updated_at: datetime = NO_TIME
    deleted_at: datetime | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class ProjectRow(Row):
    """A project."""

    identifier: str
    name: str
    description: str
    labels: admin.Labels | None
    state: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class EntityRow(Row):
    """What tasks, workflows and launch plans have in common."""

    project: str
    domain: str
    name: str
    version: str

    @property
    def key(self) -> EntityKey:
        """The primary key."""
        return (self.project, self.domain, self.name, self.version)


@dataclass(slots=True, kw_only=True, eq=False)
class TaskRow(EntityRow):
    """A version of a task."""

    message: admin.Task
    type: str
    short_description: str = ""

    @property
    def template(self) -> core.TaskTemplate:
        """The compiled template."""
        closure = self.message.closure
        assert closure is not None
        assert closure.compiled_task is not None
        assert closure.compiled_task.template is not None
        return closure.compiled_task.template

    @property
    def closure(self) -> codec.Message | None:
        """The column of that name."""
        return self.message.closure


@dataclass(slots=True, kw_only=True, eq=False)
class WorkflowRow(EntityRow):
    """A version of a workflow."""

    message: admin.Workflow
    listed: admin.Workflow
    compiled: core.CompiledWorkflowClosure
    short_description: str = ""

    @property
    def template(self) -> core.WorkflowTemplate:
        """The primary workflow's template."""
        primary = self.compiled.primary
        assert primary is not None
        assert primary.template is not None
        return primary.template


@dataclass(slots=True, kw_only=True, eq=False)
class LaunchPlanRow(EntityRow):
    """A version of a launch plan."""

    message: admin.LaunchPlan
    workflow_id: int
    schedule_type: str = "NONE"
    launch_condition_type: str | None = None

    @property
    def spec(self) -> admin.LaunchPlanSpec:
        """What was registered, with the default inputs filled in."""
        assert self.message.spec is not None
        return self.message.spec

    @property
    def closure(self) -> admin.LaunchPlanClosure:
        """State and expected inputs and outputs."""
        assert self.message.closure is not None
        return self.message.closure

    @property
    def state(self) -> int:
        """0 is inactive, 1 active."""
        return int(self.closure.state)


@dataclass(slots=True, kw_only=True, eq=False)
class ExecutionRow(Row):
    """An execution."""

    execution_project: str
    execution_domain: str
    execution_name: str
    spec: admin.ExecutionSpec
    closure: admin.ExecutionClosure
    launch_plan_id: int | None
    workflow_id: int
    task_id: int | None
    inputs_uri: str
    user_inputs_uri: str
    user: str
    launch_entity: str
    mode: int = 0
    cluster: str = ""
    state: int = 0
    abort_cause: str = ""
    error_kind: str | None = None
    error_code: str | None = None
    source_execution_id: int | None = None
    parent_node_execution_id: int | None = None

    @property
    def key(self) -> ExecutionKey:
        """The primary key."""
        return (self.execution_project, self.execution_domain, self.execution_name)

    @property
    def phase(self) -> str:
        """The phase's name."""
        return self.closure.phase.name or ""

    @property
    def started_at(self) -> datetime | None:
        """When it was first seen running."""
        return self.closure.started_at

    @property
    def duration(self) -> timedelta | None:
        """From start to end."""
        return self.closure.duration

    @property
    def execution_created_at(self) -> datetime | None:
        """The closure's time of creation."""
        return self.closure.created_at

    @property
    def execution_updated_at(self) -> datetime | None:
        """The time of the last event."""
        return self.closure.updated_at


@dataclass(slots=True, kw_only=True, eq=False)
class TagRow(Row):
    """A tag of an execution (its value is empty), or a label."""

    execution_project: str
    execution_domain: str
    execution_name: str
    key: str
    value: str


@dataclass(slots=True, kw_only=True, eq=False)
class NodeExecutionRow(Row):
    """A node execution."""

    execution_project: str
    execution_domain: str
    execution_name: str
    node_id: str
    message: admin.NodeExecution
    parent_id: int | None = None
    parent_task_execution_id: int | None = None
    error_kind: str | None = None
    error_code: str | None = None
    dynamic_workflow: core.CompiledWorkflowClosure | None = None

    @property
    def key(self) -> NodeKey:
        """The primary key."""
        return (self.execution_project, self.execution_domain, self.execution_name, self.node_id)

    @property
    def closure(self) -> admin.NodeExecutionClosure:
        """Phase, times and result."""
        assert self.message.closure is not None
        return self.message.closure

    @property
    def metadata(self) -> admin.NodeExecutionMetaData:
        """Flags and the id in the workflow."""
        assert self.message.metadata is not None
        return self.message.metadata

    @property
    def phase(self) -> str:
        """The phase's name."""
        return self.closure.phase.name or ""

    @property
    def input_uri(self) -> str:
        """Where the inputs are."""
        return self.message.input_uri

    @property
    def started_at(self) -> datetime | None:
        """When it was first seen running."""
        return self.closure.started_at

    @property
    def duration(self) -> timedelta | None:
        """From start to end."""
        return self.closure.duration

    @property
    def node_execution_created_at(self) -> datetime | None:
        """The time of the first event."""
        return self.closure.created_at

    @property
    def node_execution_updated_at(self) -> datetime | None:
        """The time of the last event."""
        return self.closure.updated_at

    @property
    def cache_status(self) -> str | None:
        """The cache status' name."""
        metadata = self.closure.task_node_metadata
        return None if metadata is None else metadata.cache_status.name


@dataclass(slots=True, kw_only=True, eq=False)
class TaskExecutionRow(Row):
    """An attempt of a task."""

    execution_project: str
    execution_domain: str
    execution_name: str
    node_id: str
    project: str
    domain: str
    name: str
    version: str
    retry_attempt: int
    message: admin.TaskExecution
    phase_version: int = 0

    @property
    def node_key(self) -> NodeKey:
        """The key of the node that it is an attempt of."""
        return (self.execution_project, self.execution_domain, self.execution_name, self.node_id)

    @property
    def key(self) -> TaskKey:
        """The primary key."""
        return (self.node_key, (self.project, self.domain, self.name, self.version), self.retry_attempt)

    @property
    def closure(self) -> admin.TaskExecutionClosure:
        """Phase, times and result."""
        assert self.message.closure is not None
        return self.message.closure

    @property
    def phase(self) -> str:
        """The phase's name."""
        return self.closure.phase.name or ""

    @property
    def input_uri(self) -> str:
        """Where the inputs are."""
        return self.message.input_uri

    @property
    def started_at(self) -> datetime | None:
        """When it was first seen running."""
        return self.closure.started_at

    @property
    def duration(self) -> timedelta | None:
        """From start to end."""
        return self.closure.duration

    @property
    def task_execution_created_at(self) -> datetime | None:
        """The time of the first event."""
        return self.closure.created_at

    @property
    def task_execution_updated_at(self) -> datetime | None:
        """The time of the last event."""
        return self.closure.updated_at


@dataclass(slots=True, kw_only=True, eq=False)
class SignalRow(Row):
    """A signal, with its value once somebody has set it."""

    execution_project: str
    execution_domain: str
    execution_name: str
    signal_id: str
    type: core.LiteralType
    value: core.Literal | None = None

    @property
    def key(self) -> SignalKey:
        """The primary key."""
        return ((self.execution_project, self.execution_domain, self.execution_name), self.signal_id)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """Outputs that stand for those of later runs."""

    outputs: core.LiteralMap
    metadata: core.CatalogMetadata


@dataclass(slots=True, kw_only=True, eq=False)
class NamedEntityRow(Row):
    """What somebody wrote about a name, whatever its versions."""

    resource_type: int
    project: str
    domain: str
    name: str
    description: str | None = None
    state: int = 0

    @property
    def key(self) -> NamedKey:
        """The primary key."""
        return (self.resource_type, self.project, self.domain, self.name)


@dataclass(slots=True, kw_only=True, eq=False)
class DescriptionRow(EntityRow):
    """The documentation that a version of a task or workflow was registered with."""

    resource_type: int
    message: admin.DescriptionEntity

    @property
    def short_description(self) -> str:
        """The column of that name."""
        return self.message.short_description


@dataclass(slots=True, kw_only=True, eq=False)
class AttributesRow(Row):
    """Settings of a project, of one of its domains, or of a workflow."""

    resource_type: int
    project: str
    domain: str
    workflow: str
    attributes: admin.MatchingAttributes

    @property
    def key(self) -> AttributesKey:
        """The primary key."""
        return (self.resource_type, self.project, self.domain, self.workflow)
