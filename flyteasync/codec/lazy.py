"""Fields whose values are made when they are first read.

A `Lazy` is a non-data descriptor on the class: Python asks it only for a field that the message's `__dict__` lacks.  It
makes the value and puts it there, so that from then on the field is an attribute like any other; all that `getattr`
reaches (comparing, printing, copying) sees no difference between a message that was decoded and one that was built.

No lock is needed.  `dict.setdefault` decides which of two threads made *the* value, and only then the bytes are let go:
who finds a field neither in the `__dict__` nor in `_raw` finds it in the `__dict__` when looking again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from .plan import Pieces


class Lazy:
    """A field that is made of bytes when it is first read, and has a default of its own if there are none."""

    __slots__ = ("_default", "name", "type")

    def __init__(self, name: str, type_: Any, default: Callable[[], Any]) -> None:
        self.name = name
        self.type = type_
        self._default = default

    def __get__(self, message: Any, owner: type[Any]) -> Any:
        if message is None:
            return self
        raw = message._raw
        name = self.name
        if raw is not None and name in raw:
            try:
                pieces = raw[name]
            except KeyError:  # another thread was faster
                return message.__dict__[name]
            value = message.__dict__.setdefault(name, self.type.load(pieces, message._depth + 1))
            raw.pop(name, None)
            if not raw:
                message._raw = None
            return value
        return self._unset(message)

    def _unset(self, message: Any) -> Any:
        return message.__dict__.setdefault(self.name, self._default())

    def check(self, pieces: Pieces, depth: int) -> None:
        """Raise FlyteDecodeError if the bytes are malformed, however deep."""
        touch(self.type.load(pieces, depth))


class LazyOptional(Lazy):
    """A field that holds None if it is not set."""

    __slots__ = ("siblings",)

    def __init__(self, name: str, type_: Any) -> None:
        super().__init__(name, type_, lambda: None)
        self.siblings: tuple[str, ...] = (name,)
        """All fields of the class that are like this one."""

    def _unset(self, message: Any) -> Any:
        # Who reads one field that is not set will read others, and a class has up to twenty: coming here is what costs.
        raw: dict[str, Any] = message._raw or {}
        fields = message.__dict__
        for name in self.siblings:
            if name not in raw:
                fields.setdefault(name, None)
        return fields[self.name]


class Exact(NamedTuple):
    """A value that says less than the bytes it was made of, and these bytes."""

    value: Any
    data: bytes


class LazyTime(LazyOptional):
    """A Timestamp or Duration.

    If its bytes say more than the Python value, they are kept, to be passed on as they came: an `Exact` takes their
    place in `_raw`.
    """

    __slots__ = ()

    def __get__(self, message: Any, owner: type[Any]) -> Any:
        if message is None:
            return self
        raw: dict[str, Any] | None = message._raw
        pieces = None if raw is None else raw.get(self.name)
        if raw is None or pieces is None:
            return self._unset(message)
        fields = message.__dict__
        value = pieces if isinstance(pieces, Exact) else self.type.load_exact(pieces, message._depth + 1)
        if isinstance(value, Exact):
            raw[self.name] = value
            return fields.setdefault(self.name, value.value)
        value = fields.setdefault(self.name, value)
        raw.pop(self.name, None)
        if not raw:
            message._raw = None
        return value


def touch(value: Any) -> None:
    """Read everything in a message or in a list or dict of messages, to find what is malformed."""
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            touch(item)
    elif isinstance(value, dict):
        for item in cast("dict[Any, Any]", value).values():
            touch(item)
    elif (plan := getattr(value, "_plan", None)) is not None:
        for name in plan.checks:
            touch(getattr(value, name))
