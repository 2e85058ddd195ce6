"""Messages in which nothing but one scalar or time is set, deep inside, as most literals are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import FlyteTypeException, FlyteValueException
from .encoder import BAD_TYPE, BAD_VALUE, complaint
from .nested import MessageType
from .plan import NUMBER, TEXT, TIME, Nested, Plan
from .schema import plan_of
from .wire import SMALL, varint

if TYPE_CHECKING:
    from .message import Message

M = TypeVar("M", bound="Message")


def single(cls: type[M], *path: str) -> Callable[[Any], M]:
    """What makes a message of `cls` out of one value, which is the scalar or time at the end of a path of fields.

        single(core.Literal, "scalar", "primitive", "integer")(3)

    The messages between are as good as decoded: they are there when they are read, and cost nothing if they never are.

    Args:
        cls: the class of the message.
        path: names of fields that are messages, at least one; then the name of a member of a oneof.

    Returns:
        The function, which raises what `encode` raises for a value that the field cannot hold.
    """
    first, *between = path[:-1]
    plan = _inside(plan_of(cls), first)
    tags: list[bytes] = []
    for name in between:
        tags.insert(0, plan.writers_of[name][0][3])
        plan = _inside(plan, name)
    ((last, kind, explicit, tag, dump, _),) = plan.writers_of[path[-1]]
    assert explicit
    assert kind in (NUMBER, TEXT, TIME)
    sized = kind != NUMBER
    if kind == TIME:
        dump = partial(_dump_time, dump, len(path) - 1)

    def make(value: Any) -> M:
        try:
            data = dump(value)
        except BAD_TYPE as error:
            raise FlyteTypeException(complaint(plan, last, value)) from error
        except BAD_VALUE as error:
            raise FlyteValueException(complaint(plan, last, value)) from error
        if sized:
            size = len(data)
            data = tag + (SMALL[size] if size < 128 else varint(size)) + data
        else:
            data = tag + data
        for outer in tags:
            size = len(data)
            data = outer + (SMALL[size] if size < 128 else varint(size)) + data
        message = cast("Any", object.__new__(cls))
        message._raw = {first: data}
        message._depth = 0
        return cast("M", message)

    return make


def _dump_time(type_: Nested, depth: int, value: Any) -> bytes:
    return type_.dump(value, depth)


def _inside(plan: Plan, name: str) -> Plan:
    type_ = plan.fields[name].type
    assert isinstance(type_, MessageType)
    return type_.plan
