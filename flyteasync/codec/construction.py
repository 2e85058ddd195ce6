"""What makes a message class a dataclass, when it is first asked to be one.

Making dataclasses is dear: for the 350 classes of Flyte's API, `dataclasses.dataclass` takes three quarters of the time
of importing them, most of it for writing and compiling an `__init__` for each.  Here all classes share the `__init__`
of `Message`, and a class gets its fields when somebody first asks for them; most programs use a tenth of the classes.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

from ..errors import FlyteTypeException
from .plan import MAKING, Plan

T = TypeVar("T")

_PENDING: Final = "_dataclass_pending"


def dataclass(**_: bool) -> Callable[[type[T]], type[T]]:
    """The decorator of generated classes; stands in for `dataclasses.dataclass(eq=False, repr=False)`.

    The class is a dataclass for everybody who asks: `dataclasses.fields`, `replace` and `asdict`, `inspect.signature`,
    `__match_args__`, subclasses that are dataclasses.
    """

    def decorate(cls: type[T]) -> type[T]:
        if cls.__doc__ is None:
            cls.__doc__ = f"The protobuf message `{cls.__name__}`."  # else `dataclasses` makes up one, slowly
        setattr(cls, _PENDING, True)
        return cls

    return decorate


class Deferred:
    """An attribute that `dataclasses.dataclass` gives a class; asking for it is what makes the class a dataclass."""

    __slots__ = ("_name",)

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        with MAKING:
            for base in reversed(owner.__mro__):
                if _PENDING in vars(base):
                    delattr(base, _PENDING)
                    dataclasses.dataclass(init=False, eq=False, repr=False)(base)
        for base in owner.__mro__:
            value = vars(base).get(self._name, self)
            if value is not self:
                return value
        raise AttributeError(f"type object {owner.__name__!r} has no attribute {self._name!r}")


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
