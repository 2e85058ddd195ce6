"""Literals that were stored outside of the message that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..codec import decode, encode
from ..config import without_query
from ..errors import FlyteDecodeError
from ..idl import core
from .reading import in_union


@dataclass(frozen=True)
class Offloaded:
    """An offloaded literal.

    Attributes:
        name: the variable's name with the path to the literal.
        metadata: where it is stored, and how large it is.
        put: puts the literal that was fetched into its place.
    """

    name: str
    metadata: core.LiteralOffloadedMetadata
    put: Callable[[core.Literal], None]

    def decode(self, content: bytes) -> core.Literal:
        """The literal that was stored.

        Raises:
            FlyteDecodeError: the bytes are not it.
        """
        where, size = without_query(self.metadata.uri), self.metadata.size_bytes
        if size and len(content) != size:
            raise FlyteDecodeError(f"{self.name}: {where} has {len(content)} bytes, not the {size} that were stored")
        literal = decode(core.Literal, content)
        if literal.offloaded_metadata is not None:
            raise FlyteDecodeError(f"{self.name}: {where} holds a literal that is stored elsewhere again")
        return literal


def find_offloaded(literals: dict[str, core.Literal]) -> Iterator[Offloaded]:
    """The offloaded literals among others, however deep inside of them."""
    for name, literal in literals.items():
        # What is no literal is told when it is read.
        with suppress(FlyteDecodeError):
            # Decoding all of a long list would be dear; where nothing is offloaded, there mostly is no URI.
            if literal.offloaded_metadata is not None or b"://" in encode(literal):
                yield from _inside(literal, name, partial(_put, literals, name))


def _inside(literal: core.Literal, name: str, put: Callable[[core.Literal], None]) -> Iterator[Offloaded]:
    if literal.offloaded_metadata is not None:
        yield Offloaded(name, literal.offloaded_metadata, put)
    elif (collection := literal.collection) is not None:
        for index, item in enumerate(collection.literals):
            yield from _inside(item, f"{name}[{index}]", partial(_put, collection.literals, index))
    elif (entries := literal.map) is not None:
        for key, item in entries.literals.items():
            yield from _inside(item, f"{name}[{key!r}]", partial(_put, entries.literals, key))
    elif literal.scalar is not None and (union := literal.scalar.union) is not None:
        inner = in_union(literal)
        if inner is not None:
            yield from _inside(inner, name, partial(setattr, union, "value"))


def _put(container: Any, key: Any, literal: core.Literal) -> None:
    container[key] = literal
