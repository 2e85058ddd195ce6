"""What all entities have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..idl import core
from .interface import TypedInterface


def text_of(identifier: core.Identifier) -> str:
    """`project/domain/name/version`."""
    return "/".join((identifier.project, identifier.domain, identifier.name, identifier.version))


class Entity(ABC):
    """A registered task, workflow or launch plan."""

    def __init__(self, id: core.Identifier) -> None:
        self._id = id

    @property
    def id(self) -> core.Identifier:
        """Resource type, project, domain, name and version."""
        return self._id

    @property
    def name(self) -> str:
        """The name without project, domain and version."""
        return self._id.name

    @property
    @abstractmethod
    def interface(self) -> TypedInterface:
        """The typed inputs and outputs."""

    @property
    @abstractmethod
    def entity_type_text(self) -> str:
        """What kind of entity this is, for texts: `Task`, `Workflow` or `Launch Plan`."""

    @property
    def resource_type(self) -> core.ResourceType:
        """The same as IDL enumerates it."""
        return core.ResourceType(self._id.resource_type)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entity) and type(other) is type(self) and other.id == self._id

    def __hash__(self) -> int:
        return hash((type(self), text_of(self._id)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {text_of(self._id)}>"
