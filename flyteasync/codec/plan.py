"""What the codec knows of a message class: its fields, a table to read them by, and a table to write them by.

`schema.plan_of` makes the plan of a class when the class is first used.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from .scalars import Scalar

MAKING: Final = threading.RLock()
"""Held while a class is made a dataclass or gets its plan: both change the class."""

if hasattr(os, "register_at_fork"):  # a child must not inherit the lock from a thread that it does not have
    os.register_at_fork(before=MAKING.acquire, after_in_parent=MAKING.release, after_in_child=MAKING.release)

Pieces: TypeAlias = bytes | list[bytes]
"""A field as it came: the bytes of one message; several that merge into one; or the items of a list or map."""


class Nested(Protocol):
    """A type of value which is a message on the wire: messages themselves, times and wrappers."""

    @property
    def expected(self) -> str:
        """What `dump` accepts, for error messages."""
        ...

    def load(self, pieces: Pieces, depth: int, /) -> Any:
        """The value that the pieces of a message, which is `depth` deep, make; raises FlyteDecodeError."""
        ...

    def dump(self, value: Any, depth: int, /) -> bytes:
        """The message, which is `depth` deep, that a value makes; raises what `Scalar.dump` raises."""
        ...


class Field(NamedTuple):
    """One field of a message."""

    name: str
    """Its name in Python."""

    number: int
    type: Scalar | Nested
    """The type of its value, of the items of a list, or of the values of a map."""

    default: Callable[[], Any]
    """Makes what it holds if nothing is set."""

    repeated: bool = False
    key: Scalar | None = None
    """The type of a map's keys."""

    optional: bool = False
    """Whether a scalar that is zero differs from one that is not set."""

    group: str | None = None
    """The oneof that it is a member of."""


# What `decoder.build` does with a field.  Up to ITEM, fields have a length.
SUB: Final = 0  # keep the bytes until the field is touched
TEXT: Final = 1  # decode a str
ITEM: Final = 2  # as SUB, for an item of a list or map
NUMBER: Final = 3  # read a varint and `load` it
OTHER: Final = 4  # have `load`, a Read, do all of it
TIME: Final = 5  # only to write: as SUB, but a time that was read may still have its bytes

Read: TypeAlias = Callable[[bytes, int, dict[str, Any], str], int]
"""Reads the value at an index, stores it in a dict under a name, and says where it ends."""

Reader: TypeAlias = tuple[int, str, Any, str | None]
"""What to do, the name of the field, `load` for NUMBER and OTHER, and the oneof that the field is a member of."""

Write: TypeAlias = Callable[[Any, Callable[[bytes], None], int], None]
"""Appends a whole field, given its value and the depth of the message that it is in."""

Writer: TypeAlias = tuple[str, int, bool, bytes, Any, str | None]
"""The name of a field; what to do: SUB or TIME for a Nested, TEXT for a scalar that has a length, NUMBER for one that
has none, OTHER for a Write; whether to do it for zero, too; the tag; what dumps the value; the oneof."""


class Plan:
    """How to read and write the messages of one class."""

    __slots__ = ("checks", "cls", "fields", "long", "short", "writers", "writers_of")

    cls: type[Any]

    fields: Mapping[str, Field]
    """By name, in the order of their numbers."""

    short: list[Reader | None]
    """Readers by tag, for tags of one byte; None for what may be the first byte of a longer one."""

    long: dict[int, Reader]
    """Readers by tag, for longer tags."""

    checks: dict[str, Callable[[Pieces, int], object]]
    """For each lazy field: raises FlyteDecodeError if its bytes, at a depth, are malformed anywhere."""

    writers: list[Writer]
    """In the order of the fields' numbers."""

    writers_of: dict[str, tuple[Writer]]
    """The same, each alone, by the field's name."""

    def __init__(self, cls: type[Any], fields: Mapping[str, Field]) -> None:
        self.cls = cls
        self.fields = fields
        self.short = [None] * 256
        self.long = {}
        self.checks = {}
        self.writers = []
        self.writers_of = {}

    def add_reader(self, tag: int, reader: Reader) -> None:
        """Have the fields with a tag read."""
        if tag < 128:
            self.short[tag] = reader
        else:
            self.long[tag] = reader

    def add_writer(self, writer: Writer) -> None:
        """Have a field written, after those that were added before."""
        self.writers.append(writer)
        self.writers_of[writer[0]] = (writer,)

    def reader(self, tag: int) -> Reader | None:
        """How to read the fields with a tag; None if there are none."""
        return self.short[tag] if tag < 128 else self.long.get(tag)

    def where(self, tag: int) -> str:
        """The field of a tag, for error messages."""
        reader = self.reader(tag)
        return f"{self.cls.__name__}.{reader[1]}" if reader else f"{self.cls.__name__}, field {tag >> 3}"
