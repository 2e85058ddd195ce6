"""The server's state: tables of rows behind a protocol, and one that keeps them in memory.

A table finds a row by its primary key and the rows of a group (all executions of a project and domain, say) without
looking at any other row. Everything is synchronous: the server runs in one loop, so a handler sees no half of a change.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, MutableMapping
from typing import Generic, Protocol, TypeVar

from ..idl import core
from .clock import Clock
from .failures import duplicate_row
from .rows import (
    AttributesKey,
    AttributesRow,
    CacheEntry,
    DescriptionKey,
    DescriptionRow,
    EntityKey,
    EntityRow,
    ExecutionKey,
    ExecutionRow,
    LaunchPlanRow,
    NamedEntityRow,
    NamedKey,
    NodeExecutionRow,
    NodeKey,
    ProjectRow,
    Row,
    SignalKey,
    SignalRow,
    TagKey,
    TagRow,
    TaskExecutionRow,
    TaskKey,
    TaskRow,
    WorkflowRow,
)

K = TypeVar("K", bound=Hashable)
R = TypeVar("R", bound=Row)
K_in = TypeVar("K_in", bound=Hashable, contravariant=True)
R_out = TypeVar("R_out", bound=Row, covariant=True)


class Group(Protocol[R_out]):
    """Some rows of a table in the order of their insertion."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[R_out]: ...

    def __reversed__(self) -> Iterator[R_out]: ...


class Table(Protocol[K_in, R]):
    """Rows by primary key."""

    def get(self, key: K_in) -> R | None:
        """The row of that key, or None."""
        ...

    def by_id(self, row_id: int | None) -> R | None:
        """The row of that serial number, or None."""
        ...

    def insert(self, row: R) -> None:
        """Add a row and fill in its base columns.

        Raises:
            FlyteEntityAlreadyExistsException: there is one of that key.
        """
        ...

    def touch(self, row: R) -> None:
        """Note that a row was changed."""
        ...

    def delete(self, row: R) -> None:
        """Forget a row."""
        ...

    def group(self, key: Hashable) -> Group[R]:
        """The rows of a group; empty if there is none."""
        ...

    def rows(self) -> Group[R]:
        """All rows."""
        ...


class Store(Protocol):
    """Everything that the server knows.

    Groups: tasks, workflows and launch plans by (project, domain) and by (project, domain, name); executions by
    (project, domain); tags by (the execution's name,) alone, as the real join does; node executions by (execution's
    key, parent's id or None), or, if a task execution is their parent, by (its id,); task executions by their node's
    key; signals by their execution's key; descriptions by all of their key but the version; attributes by (kind,).
    """

    @property
    def projects(self) -> Table[str, ProjectRow]:
        """By id."""
        ...

    @property
    def tasks(self) -> Table[EntityKey, TaskRow]:
        """By project, domain, name and version."""
        ...

    @property
    def workflows(self) -> Table[EntityKey, WorkflowRow]:
        """By project, domain, name and version."""
        ...

    @property
    def launch_plans(self) -> Table[EntityKey, LaunchPlanRow]:
        """By project, domain, name and version."""
        ...

    @property
    def executions(self) -> Table[ExecutionKey, ExecutionRow]:
        """By project, domain and name."""
        ...

    @property
    def execution_tags(self) -> Table[TagKey, TagRow]:
        """Tags and labels, by execution, key and value."""
        ...

    @property
    def node_executions(self) -> Table[NodeKey, NodeExecutionRow]:
        """By execution and node id."""
        ...

    @property
    def task_executions(self) -> Table[TaskKey, TaskExecutionRow]:
        """By node execution, task and attempt."""
        ...

    @property
    def signals(self) -> Table[SignalKey, SignalRow]:
        """By execution and id."""
        ...

    @property
    def named_entities(self) -> Table[NamedKey, NamedEntityRow]:
        """By resource type and name."""
        ...

    @property
    def descriptions(self) -> Table[DescriptionKey, DescriptionRow]:
        """By resource type, name and version."""
        ...

    @property
    def attributes(self) -> Table[AttributesKey, AttributesRow]:
        """By kind, project, domain and workflow."""
        ...

    @property
    def data(self) -> MutableMapping[str, core.LiteralMap]:
        """Inputs and outputs by URI: what the real server keeps in an object store."""
        ...

    @property
    def cache(self) -> MutableMapping[str, CacheEntry]:
        """Outputs that are used again: what the real server keeps in its catalogue service."""
        ...


class MemoryTable(Generic[K, R]):
    """A table in memory."""

    def __init__(
        self,
        constraint: str,
        clock: Clock,
        key: Callable[[R], K],
        groups: Callable[[R], Iterable[Hashable]] = lambda row: (),
    ) -> None:
        self._constraint = constraint
        self._clock = clock
        self._key = key
        self._group_keys = groups
        self._rows: dict[K, R] = {}
        self._ids: dict[int, R] = {}
        self._inserted = 0
        self._groups: dict[Hashable, dict[int, R]] = {}

    def get(self, key: K) -> R | None:
        """The row of that key, or None."""
        return self._rows.get(key)

    def by_id(self, row_id: int | None) -> R | None:
        """The row of that serial number, or None."""
        return None if row_id is None else self._ids.get(row_id)

    def insert(self, row: R) -> None:
        """Add a row and fill in its base columns; raises if there is one of that key."""
        key = self._key(row)
        if key in self._rows:
            raise duplicate_row(self._constraint)
        self._inserted += 1
        row.id = self._inserted
        row.created_at = row.updated_at = self._clock.now()
        self._rows[key] = self._ids[row.id] = row
        for group in self._group_keys(row):
            self._groups.setdefault(group, {})[row.id] = row

    def touch(self, row: R) -> None:
        """Note that a row was changed."""
        row.updated_at = self._clock.now()

    def delete(self, row: R) -> None:
        """Forget a row; its number is not given to another one."""
        del self._rows[self._key(row)], self._ids[row.id]
        for group in self._group_keys(row):
            del self._groups[group][row.id]

    def group(self, key: Hashable) -> Group[R]:
        """The rows of a group; empty if there is none."""
        return self._groups.get(key, {}).values()

    def rows(self) -> Group[R]:
        """All rows."""
        return self._ids.values()


def _entity_groups(row: EntityRow) -> Iterable[Hashable]:
    return (row.project, row.domain), (row.project, row.domain, row.name)


def _node_groups(row: NodeExecutionRow) -> Iterable[Hashable]:
    execution = (row.execution_project, row.execution_domain, row.execution_name)
    if row.parent_task_execution_id is None:
        yield execution, row.parent_id
    else:
        yield (row.parent_task_execution_id,)


class MemoryStore:
    """A store in memory, gone with its process."""

    def __init__(self, clock: Clock | None = None) -> None:
        clock = clock or Clock()
        self.projects = MemoryTable[str, ProjectRow]("projects_pkey", clock, lambda row: row.identifier)
        self.tasks = MemoryTable[EntityKey, TaskRow]("tasks_pkey", clock, lambda row: row.key, _entity_groups)
        self.workflows = MemoryTable[EntityKey, WorkflowRow](
            "workflows_pkey", clock, lambda row: row.key, _entity_groups
        )
        self.launch_plans = MemoryTable[EntityKey, LaunchPlanRow](
            "launch_plans_pkey", clock, lambda row: row.key, _entity_groups
        )
        self.executions = MemoryTable[ExecutionKey, ExecutionRow](
            "executions_pkey",
            clock,
            lambda row: row.key,
            lambda row: ((row.execution_project, row.execution_domain),),
        )
        self.execution_tags = MemoryTable[TagKey, TagRow](
            "execution_tags_pkey",
            clock,
            lambda row: ((row.execution_project, row.execution_domain, row.execution_name), row.key, row.value),
            lambda row: ((row.execution_name,),),
        )
        self.node_executions = MemoryTable[NodeKey, NodeExecutionRow](
            "node_executions_pkey", clock, lambda row: row.key, _node_groups
        )
        self.task_executions = MemoryTable[TaskKey, TaskExecutionRow](
            "task_executions_pkey", clock, lambda row: row.key, lambda row: (row.node_key,)
        )
        self.signals = MemoryTable[SignalKey, SignalRow](
            "signals_pkey", clock, lambda row: row.key, lambda row: (row.key[0],)
        )
        self.named_entities = MemoryTable[NamedKey, NamedEntityRow](
            "named_entity_metadata_pkey", clock, lambda row: row.key
        )
        self.descriptions = MemoryTable[DescriptionKey, DescriptionRow](
            "description_entities_pkey",
            clock,
            lambda row: (row.resource_type, *row.key),
            lambda row: ((row.resource_type, row.project, row.domain, row.name),),
        )
        self.attributes = MemoryTable[AttributesKey, AttributesRow](
            "resources_pkey", clock, lambda row: row.key, lambda row: ((row.resource_type,),)
        )
        self.data: dict[str, core.LiteralMap] = {}
        self.cache: dict[str, CacheEntry] = {}
