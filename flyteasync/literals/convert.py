"""Values to literals and back, by the types of variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..codec import decode
from ..errors import FlyteTypeException, FlyteValueException
from ..idl import core
from .builtin import READER, WRITER


def to_literal(value: Any, expected: core.LiteralType, *, name: str = "value", python_type: Any = None) -> core.Literal:
    """Make the literal of a value for a variable of type `expected`.

    An int is taken for a float, a date for a datetime (midnight UTC), a text for an enum's member. A literal, of this
    package, of flyteidl or of flytekit, is taken as it is.

    Args:
        value: the value.
        expected: the variable's type.
        name: the variable's name, for errors.
        python_type: the type that the caller declares the value to have; decides where `expected` leaves a choice.

    Raises:
        FlyteTypeException: the value is of another type, or of one that is not supported; names the variable with the
            path into containers (`xs[3]`), the expected type, and the value's type.
        FlyteValueException: the type is right and the value cannot be written.
    """
    if (given := given_literal(value)) is not None:
        return given
    try:
        return WRITER.literal(value, expected, Any if python_type is None else python_type, name)
    except RecursionError:
        raise FlyteValueException(f"{name}: the value is nested too deeply, or contains itself") from None


def to_python(
    literal: core.Literal, as_type: Any = None, *, expected: core.LiteralType | None = None, name: str = "value"
) -> Any:
    """Read the value of a literal.

    Args:
        literal: the literal.
        as_type: the Python type to read it as; None goes by `expected`.
        expected: the variable's type; without it, too, the literal itself tells.
        name: the variable's name, for errors.

    Raises:
        FlyteTypeException: the literal is of another type, or of a kind that is not supported.
        FlyteValueException: the type is right and no value of it can be made of the literal.
        FlyteDecodeError: the literal's bytes are not in the format that they claim.
    """
    if as_type is None:
        as_type = Any if expected is None else READER.guess_or_any(expected)
    try:
        return READER.python(literal, as_type, name)
    except RecursionError:
        raise FlyteValueException(f"{name}: the literal is nested too deeply") from None


def literal_map(
    values: Mapping[str, Any],
    variables: Mapping[str, core.Variable],
    *,
    type_hints: Mapping[str, Any] | None = None,
) -> core.LiteralMap:
    """Make the literals of several values; which ones are missing is not asked.

    Args:
        values: value by name.
        variables: what the interface declares.
        type_hints: Python types by name, for values whose variable's type leaves a choice.

    Raises:
        FlyteValueException: a name that the interface does not have, or a value that cannot be written.
        FlyteTypeException: a value that does not fit its variable.
    """
    literals: dict[str, core.Literal] = {}
    for name, value in values.items():
        if name not in variables:
            known = ", ".join(sorted(variables)) or "none"
            raise FlyteValueException(f"{name}: there is no variable of that name, known are: {known}")
        expected = variables[name].type
        if expected is None:
            raise FlyteTypeException(f"{name}: the interface does not give the variable a type")
        literals[name] = to_literal(value, expected, name=name, python_type=(type_hints or {}).get(name))
    return core.LiteralMap(literals=literals)


def given_literal(value: Any) -> core.Literal | None:
    """The literal that flyteidl or flytekit made; recognised by its message type, without importing either."""
    if isinstance(value, core.Literal):
        return value
    to_idl = getattr(value, "to_flyte_idl", None)
    message: Any = to_idl() if callable(to_idl) and not isinstance(value, type) else value
    if getattr(getattr(message, "DESCRIPTOR", None), "full_name", "") != "flyteidl.core.Literal":
        return None
    return decode(core.Literal, message.SerializeToString())
