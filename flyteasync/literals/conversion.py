"""Values to literals and back, by the types of variables."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from ..codec import decode
from ..errors import FlyteTypeException, FlyteUsageError, FlyteValueException
from ..idl import core
from .builtin import REGISTRY
from .reading import Reader, naming
from .store import Access
from .uploads import Upload, Uploads
from .writing import Writer

_ACCESS = Access()
"""What conversions have that are given no access: it has no store, and pickles are as the environment says."""


@dataclass(frozen=True)
class Converted:
    """Literals, and what has to be uploaded before they mean anything.

    Attributes:
        literals: the literals by name; where uploads are needed, they point at `uploads.PENDING`.
        uploads: what has to be uploaded. Convert again with the URIs of all of them, by `Upload.key`, to have literals
            that point there.
    """

    literals: core.LiteralMap
    uploads: tuple[Upload, ...] = ()

    def complete(self) -> core.LiteralMap:
        """The literals.

        Raises:
            FlyteUsageError: something has to be uploaded first.
        """
        if self.uploads:
            upload = self.uploads[0]
            more = f" (and {len(self.uploads) - 1} more)" if len(self.uploads) > 1 else ""
            raise FlyteUsageError(
                f"{upload.name}: {upload.text} has to be uploaded first{more}, which is not done here: upload it, and "
                "give its URI"
            )
        return self.literals


def convert(
    values: Mapping[str, Any],
    variables: Mapping[str, core.Variable],
    *,
    type_hints: Mapping[str, Any] | None = None,
    uploaded: Mapping[Hashable, str] | None = None,
    access: Access | None = None,
) -> Converted:
    """Make the literals of several values; which ones are missing is not asked. No I/O.

    Args:
        values: value by name.
        variables: what the interface declares.
        type_hints: Python types by name, for values whose variable's type leaves a choice.
        uploaded: the URIs of what was uploaded already, by `Upload.key`.
        access: whether pickles may be made.

    Raises:
        FlyteValueException: a name that the interface does not have, or a value that cannot be written.
        FlyteTypeException: a value that does not fit its variable.
    """
    uploads = Uploads(uploaded)
    writer = Writer(REGISTRY, uploads=uploads, access=access or _ACCESS)
    hints = type_hints or {}
    literals: dict[str, core.Literal] = {}
    for name, value in values.items():
        if name not in variables:
            known = ", ".join(sorted(variables)) or "none"
            raise FlyteValueException(f"{name}: there is no variable of that name, known are: {known}")
        expected = variables[name].type
        if expected is None:
            raise FlyteTypeException(f"{name}: the interface does not give the variable a type")
        literals[name] = _literal(writer, value, expected, hints.get(name), name)
    return Converted(core.LiteralMap(literals=literals), uploads.needed)


def literal_map(
    values: Mapping[str, Any],
    variables: Mapping[str, core.Variable],
    *,
    type_hints: Mapping[str, Any] | None = None,
) -> core.LiteralMap:
    """Make the literals of values that need no uploads; else as `convert`.

    Raises:
        FlyteUsageError: a local file, directory or frame, which has to be uploaded.
    """
    return convert(values, variables, type_hints=type_hints).complete()


def to_literal(value: Any, expected: core.LiteralType, *, name: str = "value", python_type: Any = None) -> core.Literal:
    """Make the literal of a value for a variable of type `expected`.

    An int is taken for a float, a date for a datetime (midnight UTC), a text for an enum's member or a file, a dict for
    a dataclass. A literal, of this package, of flyteidl or of flytekit, is taken as it is.

    Args:
        value: the value.
        expected: the variable's type.
        name: the variable's name, for errors.
        python_type: the type that the caller declares the value to have; decides where `expected` leaves a choice.

    Raises:
        FlyteTypeException: the value is of another type, or of one that is not supported; names the variable with the
            path into containers (`xs[3]`), the expected type, and the value's type.
        FlyteValueException: the type is right and the value cannot be written.
        FlyteUsageError: a local file, directory or frame, which has to be uploaded: see `convert`.
    """
    uploads = Uploads()
    literal = _literal(Writer(REGISTRY, uploads=uploads), value, expected, python_type, name)
    Converted(core.LiteralMap(), uploads.needed).complete()
    return literal


def to_python(
    literal: core.Literal,
    as_type: Any = None,
    *,
    expected: core.LiteralType | None = None,
    name: str = "value",
    access: Access | None = None,
) -> Any:
    """Read the value of a literal.

    Args:
        literal: the literal.
        as_type: the Python type to read it as; None goes by `expected`.
        expected: the variable's type; without it, too, the literal itself tells.
        name: the variable's name, for errors.
        access: what handles of files and datasets read through, and whether pickles may be read.

    Raises:
        FlyteTypeException: the literal is of another type, or of a kind that is not supported.
        FlyteValueException: the type is right and no value of it can be made of the literal; or it is a pickle that
            nobody asked for.
        FlyteDecodeError: the literal's bytes are not in the format that they claim.
    """
    reader = Reader(REGISTRY, access=access or _ACCESS)
    with naming(name):
        if as_type is None:
            as_type = Any if expected is None else reader.guess_or_any(expected)
        return reader.python(literal, as_type, name)


def _literal(writer: Writer, value: Any, expected: core.LiteralType, python_type: Any, name: str) -> core.Literal:
    if (given := given_literal(value)) is not None:
        return given
    try:
        return writer.literal(value, expected, Any if python_type is None else python_type, name)
    except RecursionError:
        raise FlyteValueException(f"{name}: the value is nested too deeply, or contains itself") from None


_PLAIN = frozenset({bool, int, float, str, bytes, list, dict, type(None)})
"""Types of values that are certainly no literals, told at once."""


def given_literal(value: Any) -> core.Literal | None:
    """The literal that flyteidl or flytekit made; recognised by its message type, without importing either."""
    if type(value) in _PLAIN:
        return None
    if isinstance(value, core.Literal):
        return value
    to_idl = getattr(value, "to_flyte_idl", None)
    message: Any = to_idl() if callable(to_idl) and not isinstance(value, type) else value
    if getattr(getattr(message, "DESCRIPTOR", None), "full_name", "") != "flyteidl.core.Literal":
        return None
    return decode(core.Literal, message.SerializeToString())
