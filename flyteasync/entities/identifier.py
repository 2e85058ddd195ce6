"""Identifiers as text and as keys; the messages themselves have no hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from ..idl import core
from ..interop import message_of

V = TypeVar("V")


class EntityKey(NamedTuple):
    """What tells entities of one kind apart; the hashable counterpart of `core.Identifier`."""

    project: str
    domain: str
    name: str
    version: str

    @classmethod
    def of(cls, identifier: Any) -> EntityKey:
        """The key of an identifier: a generated one, flyteidl's or flytekit's."""
        if isinstance(identifier, EntityKey):
            return identifier
        message = message_of(core.Identifier, identifier)
        return cls(message.project, message.domain, message.name, message.version)


def text_of(identifier: core.Identifier) -> str:
    """`project/domain/name/version`."""
    return "/".join((identifier.project, identifier.domain, identifier.name, identifier.version))


def by_key(entries: Mapping[Any, V] | None) -> dict[EntityKey, V]:
    """The entries under keys of ours, whichever identifiers the caller has them under."""
    return {EntityKey.of(key): value for key, value in (entries or {}).items()}
