"""LiteralsResolver: inputs or outputs of an execution as a mapping that converts what is read."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TypeVar, cast, overload

from ..errors import FlyteValueException
from ..idl import core
from .conversion import given_literal, to_literal, to_python
from .json import json_of
from .reading import naming
from .store import Access
from .text import literal_text
from .types import literal_type

T = TypeVar("T")

_MISSING: Any = object()


class LiteralsResolver(MutableMapping[str, Any]):
    """Literals by name, converted to Python values when they are read.

    `resolver["loss"]` converts by the variable's type; `resolver.get("loss", float)` by the type given, and later
    untyped reads return that value. What was converted once is kept, per type. A missing name is a ValueError with
    `[]`, and an AttributeError with `get`. Assigning a value converts it to a literal.

    Compares equal to a mapping of equal values, and is true if it holds anything.
    """

    def __init__(
        self,
        literals: dict[str, core.Literal],
        variable_map: dict[str, core.Variable] | None = None,
        ctx: Any = None,
        *,
        access: Access | None = None,
    ) -> None:
        """Make a resolver.

        Args:
            literals: literal by name.
            variable_map: the variables of the interface they belong to; without it a literal itself tells its type.
            ctx: not used; there for callers of flytekit, whose contexts have no counterpart here.
            access: what files and datasets are read through, and whether pickles may be read; without it handles read
                nothing.

        Raises:
            FlyteValueException: `literals` is None.
        """
        if literals is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise FlyteValueException("a LiteralsResolver needs literals, got None")
        self._literals = dict(literals)
        self._variable_map = variable_map
        self._access = access
        self._type_hints: dict[str, Any] = {}
        # Values by name: as last read with a type, and as read without one.
        self._typed: dict[str, Any] = {}
        self._guessed: dict[str, Any] = {}
        self._by_type: dict[tuple[str, Hashable], Any] = {}

    @property
    def literals(self) -> dict[str, core.Literal]:
        """The literals by name."""
        return self._literals

    @property
    def variable_map(self) -> dict[str, core.Variable] | None:
        """The variables that values are converted by; None if they are not known."""
        return self._variable_map

    @property
    def native_values(self) -> dict[str, Any]:
        """The values that were converted so far, by name."""
        return {**self._guessed, **self._typed}

    def update_type_hints(self, type_hints: Mapping[str, Any]) -> None:
        """Set the types that untyped reads convert to, by name."""
        self._type_hints.update(type_hints)
        for name in type_hints:
            self._guessed.pop(name, None)

    def get_literal(self, key: str) -> core.Literal:
        """The literal of a name.

        Raises:
            FlyteValueException: there is none; a ValueError.
        """
        try:
            return self._literals[key]
        except KeyError:
            raise FlyteValueException(self._missing(key)) from None

    @overload
    def get(self, attr: str, as_type: None = None) -> Any: ...
    @overload
    def get(self, attr: str, as_type: type[T]) -> T: ...
    @overload
    def get(self, attr: str, as_type: Any) -> Any: ...
    def get(self, attr: str, as_type: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] # flytekit's
        """The value of a name.

        Args:
            attr: the name.
            as_type: the type to convert to; None is the value last read with a type, else the type hint, else what
                the variable's type is guessed to be.

        Raises:
            AttributeError: there is none of that name.
            FlyteTypeException: the literal cannot be read as that type.
            FlyteValueException: no value of that type can be made of the literal.
        """
        if attr not in self._literals:
            raise AttributeError(self._missing(attr))
        if as_type is not None:
            return self._read_as(attr, as_type)
        if attr in self._typed:
            return self._typed[attr]
        if attr not in self._guessed:
            hint = self._type_hints.get(attr)
            self._guessed[attr] = self._convert(attr, hint)
        return self._guessed[attr]

    def as_python_native(self, python_interface: Any) -> Any:
        """All the values, as a call of the task or workflow would return them.

        Args:
            python_interface: an object whose `outputs` are the Python types by name, in order.

        Returns:
            None without literals, the value itself if there is one, else a tuple in the interface's order.

        Raises:
            FlyteValueException: an output of the interface is not there.
        """
        if not self._literals:
            return None
        outputs: Mapping[str, Any] = python_interface.outputs
        values = {name: self.get(name, outputs.get(name)) for name in self._literals}
        if len(values) == 1:
            return next(iter(values.values()))
        for name in outputs:
            if name not in values:
                raise FlyteValueException(self._missing(name))
        return tuple(values[name] for name in outputs)

    def to_json(self) -> dict[str, Any]:
        """All the values as JSON knows them, by name; costs no conversion to Python types.

        Points in time are texts in ISO 8601, durations seconds, bytes base 64; files, directories and datasets are
        objects with their URI; numbers that JSON does not have are the texts "NaN", "Infinity" and "-Infinity". The
        interface's `json_schema` describes them.

        Raises:
            FlyteTypeException: a value that was not fetched, or of a kind that is not known.
            FlyteDecodeError: bytes that are not in the format that they claim.
        """
        values: dict[str, Any] = {}
        for name, literal in self._literals.items():
            with naming(name):
                values[name] = json_of(literal, name)
        return values

    def copy(self) -> LiteralsResolver:
        """Another resolver of the same literals, which keeps what was converted."""
        twin = LiteralsResolver(self._literals, self._variable_map, access=self._access)
        twin._type_hints = dict(self._type_hints)
        twin._typed, twin._guessed, twin._by_type = dict(self._typed), dict(self._guessed), dict(self._by_type)
        return twin

    @classmethod
    def fromkeys(cls, iterable: Iterable[str], value: Any = None) -> LiteralsResolver:
        """A resolver with the same value under every name."""
        resolver = cls({})
        for name in iterable:
            resolver[name] = value
        return resolver

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Remove a name and return its value; `default` if there is none.

        Raises:
            KeyError: there is none, and no default was given.
        """
        if key not in self._literals:
            if default is _MISSING:
                raise KeyError(key)
            return default
        value = self[key]
        del self[key]
        return value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of a name, which is set first if there is none."""
        if key not in self._literals:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Remove everything."""
        for name in list(self._literals):
            del self[name]

    def __getitem__(self, key: str) -> Any:
        self.get_literal(key)
        return self.get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        if (literal := given_literal(value)) is None:
            expected = self._declared_type(key)
            expected = literal_type(type(value)) if expected is None else expected
            literal = to_literal(value, expected, name=key, python_type=self._type_hints.get(key))
        self._forget(key)
        self._literals[key] = literal

    def __delitem__(self, key: str) -> None:
        del self._literals[key]
        self._forget(key)

    def __contains__(self, key: object) -> bool:
        return key in self._literals

    def __iter__(self) -> Iterator[str]:
        return iter(self._literals)

    def __len__(self) -> int:
        return len(self._literals)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LiteralsResolver) and self._literals == other._literals:
            return True
        if not isinstance(other, Mapping):
            return NotImplemented
        values = cast("Mapping[Any, Any]", other)
        return self._literals.keys() == values.keys() and all(self[name] == values[name] for name in self._literals)

    __hash__ = None  # pyright: ignore[reportAssignmentType] # mutable, as every dict is

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={literal_text(literal)}" for name, literal in self._literals.items())
        return f"LiteralsResolver({values})"

    def __getstate__(self) -> dict[str, Any]:
        # What can be converted again does not travel: guessed classes cannot be pickled. Nor do connections.
        return {**self.__dict__, "_guessed": {}, "_by_type": {}, "_access": None}

    def _read_as(self, name: str, as_type: Any) -> Any:
        """The value as that type; kept, unless the type cannot be told apart from others."""
        key = (name, as_type)
        with suppress(TypeError):  # types annotated with something that has no hash
            if key in self._by_type:
                self._typed[name] = self._by_type[key]
                return self._typed[name]
        value = self._typed[name] = self._convert(name, as_type)
        with suppress(TypeError):
            self._by_type[key] = value
        return value

    def _convert(self, name: str, as_type: Any) -> Any:
        expected = self._declared_type(name)
        return to_python(self._literals[name], as_type, expected=expected, name=name, access=self._access)

    def _declared_type(self, name: str) -> core.LiteralType | None:
        """What the interface says of a name; None if it is not known."""
        variable = (self._variable_map or {}).get(name)
        return variable.type if variable is not None else None

    def _forget(self, name: str) -> None:
        self._typed.pop(name, None)
        self._guessed.pop(name, None)
        for key in [key for key in self._by_type if key[0] == name]:
            del self._by_type[key]

    def _missing(self, name: str) -> str:
        known = ", ".join(self._literals) or "none"
        return f"{name}: there is no value of that name, known are: {known}"
