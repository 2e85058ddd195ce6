"""A register of what shows, for each member of a stored surface, what the member does."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Generic, ParamSpec

import pytest

from flyteasync import codec
from flyteasync.errors import FlyteTypeException
from flyteasync.interop import pb2_of

P = ParamSpec("P")

FAILURES = (Exception, pytest.fail.Exception)
"""What a check that does not hold raises."""

HERE = Path(__file__).parent


class Behaviours(Generic[P]):
    """For each member of some classes the function that shows what it does.

    Attributes:
        places: the members, as `Class.member`.
        by_place: the functions.
        in_flytekit: the tests beside real flytekit of what cannot be shown without it.
    """

    def __init__(self, surface: str) -> None:
        """Make an empty register of all that a stored surface has."""
        classes: dict[str, dict[str, Any]] = json.loads((HERE / surface).read_text())
        self.places = [
            f"{name}.{member}"
            for name, members in classes.items()
            for member in ("__init__", *members["methods"], *members["properties"])
        ]
        self.by_place: dict[str, Callable[P, Awaitable[None]]] = {}
        self.in_flytekit: dict[str, str] = {}

    def __call__(
        self, *places: str, in_flytekit: str | None = None
    ) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, Awaitable[None]]]:
        """Say of which members a function shows what they do, and which test shows the rest."""

        def note(function: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
            assert not self.by_place.keys() & set(places)
            self.by_place.update(dict.fromkeys(places, function))
            if in_flytekit is not None:
                self.in_flytekit.update(dict.fromkeys(places, in_flytekit))
            return function

        return note


def leave_the_name_alone(monkeypatch: pytest.MonkeyPatch, cls: type, member: str) -> None:
    """Put something in a member's place that has its name, takes anything, and does nothing."""

    def nothing(*args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    static = inspect.getattr_static(cls, member)
    if isinstance(static, property):
        monkeypatch.setattr(cls, member, property(nothing, nothing))
    else:
        monkeypatch.setattr(cls, member, nothing if callable(static) or isinstance(static, classmethod) else None)


def forms(message: codec.Message) -> list[Any]:
    """All that stands for a message."""
    return [message, codec.encode(message), pb2_of(message)]


def promotes(cls: type, make: Callable[[Any], Any], message: codec.Message, other: codec.Message) -> Any:
    """Check that every form of a message is taken, and that no other message is."""
    made = [make(form) for form in forms(message)]
    assert all(type(one) is cls and one == made[0] for one in made)
    for wrong in (other, None, 3, "text"):
        with pytest.raises(FlyteTypeException):
            make(wrong)
    return made[0]


def goes_there_and_back(cls: Any, message: codec.Message, other: codec.Message, method: str = "from_flyte_idl") -> Any:
    """Check that a class takes its message in every form, an object of it among them, and gives it unchanged."""
    make = getattr(cls, method)
    made = promotes(cls, make, message, other)
    for form in [*forms(message), made]:
        again = make(form)
        assert again == made
        assert codec.decode(type(message), again.serialize_to_string()) == message
    return made
