"""Python types and LiteralTypes."""

from __future__ import annotations

from typing import Any

from ..idl import core
from .builtin import REGISTRY
from .text import type_text

__all__ = ["guess_type", "literal_type", "type_text"]


def literal_type(python_type: Any) -> core.LiteralType:
    """The LiteralType of a Python type, the same as flytekit gives it.

    Raises:
        FlyteTypeException: Flyte has no such type, or it is not supported.
    """
    return REGISTRY.literal_type(python_type)


def guess_type(literal_type: core.LiteralType) -> Any:
    """The Python type that values of a LiteralType are read as where nobody names one.

    An enum, of which only the values are known, becomes an Enum class made for the purpose; a dataclass or pydantic
    model, of which only the schema is known, a dataclass. Equal schemas give the same class.

    Raises:
        FlyteTypeException: values of that type are not supported.
    """
    return REGISTRY.guess(literal_type)
