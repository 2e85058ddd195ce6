"""What things are called in the JSON mapping of proto3, and which messages have a form of their own there."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Mapping
from typing import Any, Final

import betterproto2 as bp

from .nested import WRAPPERS, MessageType
from .plan import Field, Nested
from .scalars import Scalar

TEXT_NUMBERS: Final = frozenset((bp.TYPE_INT64, bp.TYPE_UINT64, bp.TYPE_SINT64, bp.TYPE_FIXED64, bp.TYPE_SFIXED64))
"""The types that are text in JSON: JavaScript has no integers of 64 bits."""

FLOATS: Final = frozenset((bp.TYPE_FLOAT, bp.TYPE_DOUBLE))

_FORMS = frozenset(("Any", "Duration", "ListValue", "Struct", "Timestamp", "Value", *WRAPPERS))


def own_name(field: str) -> str:
    """The name of a field in its proto file, except for capitals."""
    return field[:-1] if field.endswith("_") and keyword.iskeyword(field[:-1]) else field


def json_name(cls: type[Any], field: str) -> str:
    """The name of a field in JSON.

    It follows from the one in Python, except for the few fields which are written with capitals in the proto file; for
    those the generator leaves a note on the class.
    """
    noted: Mapping[str, str] = getattr(cls, "_json_names", {})
    first, *others = own_name(field).split("_")
    return noted.get(field) or first + "".join(part[:1].upper() + part[1:] for part in others)


def form_of(cls: type[Any]) -> str | None:
    """The name of a message of google.protobuf that has a form of its own."""
    return cls.__name__ if cls.__name__ in _FORMS and cls.__module__.endswith("google.protobuf") else None


def holds_null(type_: Scalar | Nested) -> bool:
    """Whether null is one of the values of a type."""
    if isinstance(type_, Scalar):
        return is_null_enum(type_)
    return isinstance(type_, MessageType) and form_of(type_.plan.cls) == "Value"


def is_null_enum(type_: Scalar) -> bool:
    """Whether a type is NullValue, the enum whose one member is null in JSON."""
    return type_.enum is not None and type_.enum.__name__ == "NullValue"


def takes_null(field: Field) -> bool:
    """Whether null is a value of a field; for others it means that they are not set."""
    return not field.repeated and field.key is None and holds_null(field.type)


def class_of_url(any_class: type[Any], url: str) -> type[Any] | None:
    """The class of what a `google.protobuf.Any` holds, if its pool knows it."""
    pool: bp.MessagePool = vars(sys.modules[any_class.__module__])["default_message_pool"]
    return pool.url_to_type.get(f"type.googleapis.com/{url.rpartition('/')[2]}")
