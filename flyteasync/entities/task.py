"""A registered task."""

from __future__ import annotations

from typing_extensions import override

from ..idl import core
from .base import Entity
from .interface import TypedInterface


class FlyteTask(Entity):
    """A task as it is registered: its template, read only."""

    def __init__(self, template: core.TaskTemplate) -> None:
        super().__init__(template.id or core.Identifier(resource_type=core.ResourceType.TASK))
        self._template = template
        self._interface = TypedInterface.from_flyte_idl(template.interface)

    @classmethod
    def promote_from_model(cls, base_model: core.TaskTemplate) -> FlyteTask:
        """The task that a template describes."""
        return cls(base_model)

    @property
    def template(self) -> core.TaskTemplate:
        """The registered template."""
        return self._template

    @property
    @override
    def interface(self) -> TypedInterface:
        """The typed inputs and outputs."""
        return self._interface

    @property
    @override
    def entity_type_text(self) -> str:
        """`Task`."""
        return "Task"

    @property
    def type(self) -> str:
        """The kind of task, which decides what runs it: `python-task`, `spark`, ..."""
        return self._template.type

    @property
    def metadata(self) -> core.TaskMetadata | None:
        """Caching, retries, timeout and runtime."""
        return self._template.metadata

    def to_flyte_idl(self) -> core.TaskTemplate:
        """The template as a message."""
        return self._template
