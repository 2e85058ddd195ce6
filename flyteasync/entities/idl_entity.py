"""What every object over one IDL message can do."""

from __future__ import annotations

from abc import ABC, abstractmethod

from typing_extensions import override

from ..codec import Message, encode
from .rendering import html_of, message_text


class IdlEntity(ABC):
    """An object that stands for one message of Flyte's IDL.

    Two are equal if they are of the same class and their messages are equal.
    """

    @abstractmethod
    def to_flyte_idl(self) -> Message:
        """The message."""

    @abstractmethod
    def short_string(self) -> str:
        """What it is, in a few words."""

    def verbose_string(self) -> str:
        """All that the message holds, one field a line."""
        return message_text(self._generated())

    def serialize_to_string(self) -> bytes:
        """The message in its wire form."""
        return encode(self._generated())

    @property
    def is_empty(self) -> bool:
        """Whether nothing in the message is set."""
        return not self.serialize_to_string()

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IdlEntity) or type(other) is not type(self):
            return NotImplemented
        return self is other or self.to_flyte_idl() == other.to_flyte_idl()

    @override
    def __hash__(self) -> int:
        return hash((type(self), self.short_string()))

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.short_string()}>"

    def _repr_html_(self) -> str:  # the name is Jupyter's
        """The object in a notebook."""
        return html_of(repr(self)[1:-1], self._tables(), self.verbose_string())

    def _generated(self) -> Message:
        """The generated message, also where `to_flyte_idl` gives flyteidl's own."""
        return self.to_flyte_idl()

    def _tables(self) -> dict[str, list[tuple[str, str]]]:
        """What a notebook shows as tables, by heading."""
        return {}
