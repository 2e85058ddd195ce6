"""The writer: turns values into literals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..idl import core
from . import plain
from .base import Registry, annotations_of, unwrap
from .store import Access
from .uploads import Uploads


@dataclass(frozen=True, slots=True)
class Writer:
    """Turns values into literals.

    Attributes:
        registry: where converters are found.
        strict: whether only values of exactly the expected type will do; unions try this first.
        uploads: collects what has to be uploaded.
        access: whether pickles may be made, and what pydantic models are checked with.
    """

    registry: Registry
    strict: bool = False
    uploads: Uploads = field(default_factory=Uploads)
    access: Access = field(default_factory=Access)

    def strictly(self) -> Writer:
        """The same writer, accepting exact types only."""
        return self if self.strict else replace(self, strict=True)

    def literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str) -> core.Literal:
        """The literal of a value; a literal is taken as it is."""
        if isinstance(value, core.Literal):
            return value
        hasher, bare = (None, Any) if hint is Any else (_hasher(hint), unwrap(hint))
        converter = self.registry.for_literal_type(expected, type(value) if bare is Any else bare, name)
        literal = converter.to_literal(value, expected, hint if converter.reads_annotations else bare, name, self)
        if hasher is not None:
            literal.hash = hasher(value)
        return literal

    def plain(self, value: Any, python_type: Any, name: str) -> Any:
        """The plain form of a value: how it stands inside of something serialised."""
        python_type = unwrap(python_type)
        if python_type is Any:
            return plain.checked(value, name)
        return self.registry.for_type(python_type, name).to_plain(value, python_type, name, self)


def _hasher(hint: Any) -> Callable[[Any], str] | None:
    """The function of a `HashMethod` (flytekit's, or one like it) that a type is annotated with."""
    for annotation in annotations_of(hint):
        if type(annotation).__name__ == "HashMethod":
            return annotation.calculate
    return None
