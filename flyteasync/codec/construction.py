"""What makes a message class a dataclass, at a hundredth of the price.

`dataclasses.dataclass` writes, compiles and runs the source of an `__init__` for each class, which for the 350 classes
of Flyte's API takes most of the time of importing them.  Here all classes share the `__init__` of `Message`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import FlyteTypeException
from .plan import Plan

T = TypeVar("T")


def dataclass(**_: bool) -> Callable[[type[T]], type[T]]:
    """The decorator of generated classes; stands in for `dataclasses.dataclass(eq=False, repr=False)`.

    The class is a dataclass for everybody who asks: `dataclasses.fields`, `replace` and `asdict`, `inspect.signature`,
    `__match_args__`, subclasses that are dataclasses.
    """
    make = dataclasses.dataclass(init=False, eq=False, repr=False)

    def decorate(cls: type[T]) -> type[T]:
        if cls.__doc__ is None:
            cls.__doc__ = f"The protobuf message `{cls.__name__}`."  # else `dataclasses` makes up one, slowly
        return make(cls)

    return decorate


def arguments(plan: Plan, cls: type[Any], values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The fields that a call of a class sets.

    Raises:
        FlyteTypeException: a field is not known, or is given twice.
    """
    if values:
        names = [field.name for field in dataclasses.fields(cls)]
        if len(values) > len(names):
            raise FlyteTypeException(f"{cls.__name__} has {len(names)} fields, but {len(values)} values were given")
        for name, value in zip(names, values, strict=False):
            if name in named:
                raise FlyteTypeException(f"{cls.__name__}.{name} was given twice, by position and by name")
            named[name] = value
    if not named.keys() <= plan.fields.keys():
        unknown = ", ".join(repr(name) for name in named if name not in plan.fields)
        raise FlyteTypeException(f"{cls.__name__} has no field {unknown}; its fields are: {', '.join(plan.fields)}")
    return named


def signature(cls: type[Any]) -> inspect.Signature:
    """The parameters that constructing a message takes: its fields."""
    return inspect.Signature(
        [
            inspect.Parameter(
                field.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=None if field.default_factory is dataclasses.MISSING else field.default_factory(),
                annotation=field.type,
            )
            for field in dataclasses.fields(cls)
        ],
        return_annotation=None,
    )
