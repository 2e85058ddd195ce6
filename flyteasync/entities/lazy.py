"""An entity that is fetched when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

from typing_extensions import override

from ..codec import Message
from ..errors import FlyteAssertion, FlyteUsageError
from ..idl import core
from .base import Entity
from .interface import PythonInterface, TypedInterface

E = TypeVar("E", bound=Entity)


class LazyEntity(Entity, Generic[E]):
    """Stands for a task, workflow or launch plan that is fetched once, by whoever awaits it first.

        lazy = LazyEntity("train", lambda: remote.fetch_task(name="train"))
        task = await lazy                   # the same as `await lazy.entity()`

    `remote.execute` takes it as it is. Everything else of the entity can be had after it was awaited.
    """

    def __init__(self, name: str, getter: Callable[[], Awaitable[E]]) -> None:
        """Make one; costs nothing.

        Args:
            name: the entity's name, which is known before it is fetched.
            getter: fetches the entity; called once, and again after it failed.

        Raises:
            FlyteUsageError: no getter.
        """
        if not callable(getter):
            raise FlyteUsageError("a lazy entity needs a getter, a function that fetches the entity")
        self._name = name
        self._getter = getter
        self._entity: E | None = None
        self._fetching = asyncio.Lock()

    async def entity(self) -> E:
        """The entity, fetched if it was not yet; costs what the getter costs, once.

        Raises:
            FlyteError: whatever the getter meets.
        """
        async with self._fetching:
            if self._entity is None:
                self._entity = await self._getter()
            return self._entity

    def __await__(self) -> Generator[Any, Any, E]:
        return self.entity().__await__()

    def entity_fetched(self) -> bool:
        """Whether the entity is here."""
        return self._entity is not None

    @property
    @override
    def name(self) -> str:
        """The entity's name, which is known before it is fetched."""
        return self._name

    @property
    @override
    def id(self) -> core.Identifier:
        """Project, domain, name and version.

        Raises:
            FlyteAssertion: the entity was not fetched yet.
        """
        return self._fetched().id

    @property
    @override
    def interface(self) -> TypedInterface:
        """The typed inputs and outputs.

        Raises:
            FlyteAssertion: the entity was not fetched yet.
        """
        return self._fetched().interface

    @override
    def to_flyte_idl(self) -> Message:
        """The entity's message.

        Raises:
            FlyteAssertion: the entity was not fetched yet.
        """
        return self._fetched().to_flyte_idl()

    @override
    def execute(self, **kwargs: Any) -> Any:
        """Run the `execute` of the entity once it is fetched, which a test may have replaced; refuse before.

        Raises:
            FlyteAssertion: nothing took the place of the entity's `execute`.
        """
        return super().execute(**kwargs) if self._entity is None else self._entity.execute(**kwargs)

    @override
    def _suggested_types(self) -> PythonInterface:
        return self._fetched().python_interface

    @override
    def _make_twin(self) -> Any:
        return self._fetched().to_flytekit()

    def _fetched(self) -> E:
        if self._entity is None:
            raise FlyteAssertion(f"{self._name} is not fetched yet: `await` the lazy entity first")
        return self._entity

    def __getattr__(self, item: str) -> Any:
        """Whatever else the entity has, once it is fetched."""
        # Also asked for by pickle and copy, on objects that are not initialised yet.
        entity = self.__dict__.get("_entity")
        if entity is None:
            raise AttributeError(f"{type(self).__name__} has no {item!r}, or not before it was awaited")
        return getattr(entity, item)

    @override
    def short_string(self) -> str:
        """The name, and whether the entity is here."""
        return f"{self._name} ({'fetched' if self.entity_fetched() else 'not fetched yet'})"

    @override
    def __repr__(self) -> str:
        return f"<LazyEntity {self.short_string()}>"

    @override
    def _repr_html_(self) -> str:
        import html  # notebooks alone need it

        return html.escape(repr(self)) if self._entity is None else self._entity._repr_html_()

    @override
    def __eq__(self, other: object) -> bool:
        return self is other

    @override
    def __hash__(self) -> int:
        return id(self)
