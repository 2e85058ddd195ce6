"""The fields of dataclasses, with the types that generic ones were given."""

from __future__ import annotations

import dataclasses
import inspect
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

from ..errors import FlyteTypeException
from .text import python_type_text


def class_of(python_type: Any) -> Any:
    """The class behind a generic alias; any other type itself."""
    return get_origin(python_type) or python_type


def is_dataclass_type(python_type: Any) -> bool:
    """Whether the type is a dataclass, or a generic one with arguments."""
    found = class_of(python_type)
    return isinstance(found, type) and dataclasses.is_dataclass(found)


def field_types(python_type: Any) -> dict[str, Any]:
    """The types of the fields by name, in order.

    Raises:
        FlyteTypeException: an annotation names something that cannot be found.
    """
    try:
        hints = _hints(python_type)
    except TypeError:  # an argument that has no hash
        hints = _hints.__wrapped__(python_type)
    return {field.name: hints.get(field.name, Any) for field in fields_of(python_type)}


def fields_of(python_type: Any) -> tuple[dataclasses.Field[Any], ...]:
    """The fields, in order."""
    return dataclasses.fields(class_of(python_type))


def has_default(field: dataclasses.Field[Any]) -> bool:
    """Whether the field may be left out."""
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


@lru_cache(maxsize=1024)
def _hints(python_type: Any) -> dict[str, Any]:
    """The annotations of a class and its bases; each base with the arguments that the class gives it."""
    found = class_of(python_type)
    parameters = getattr(found, "__parameters__", ())
    given = dict(zip(parameters, get_args(python_type), strict=False))
    hints: dict[str, Any] = {}
    for base in reversed(cast("tuple[Any, ...]", getattr(found, "__orig_bases__", found.__bases__))):
        if class_of(base) is not Generic and is_dataclass_type(base):
            hints.update(_hints(_substitute(base, given)))
    try:
        resolved = get_type_hints(found, include_extras=True)
    except (NameError, AttributeError, TypeError) as error:
        raise FlyteTypeException(
            f"the types of the fields of {python_type_text(found)} cannot be found: {error}"
        ) from error
    own = inspect.get_annotations(found).keys()
    hints.update(
        {name: _substitute(hint, given) for name, hint in resolved.items() if name in own or name not in hints}
    )
    return hints


def _substitute(hint: Any, given: dict[Any, Any]) -> Any:
    """The type with its variables replaced; by their bound, else by Any, where nothing was given."""
    if isinstance(hint, TypeVar):
        bound = hint.__bound__
        return given.get(hint, Any if bound is None else bound)
    parameters: tuple[Any, ...] = () if isinstance(hint, type) else getattr(hint, "__parameters__", ())
    if not parameters:
        return hint
    generic: Any = hint
    return generic[tuple(_substitute(parameter, given) for parameter in parameters)]
