"""Names of executions."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, cast

from ..errors import FlyteInvalidInputException

LONGEST = 63
_VALID = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' safe alphabet: no vowels, so no words; no look-alikes
_GENERATED_LENGTH = 20
# 256 is no multiple of 27: some letters come a tenth more often, which leaves 90 bits by chance.
_AS_LETTERS = bytes(ord(_ALPHABET[byte % len(_ALPHABET)]) for byte in range(256))
_HASH_LENGTH = 12  # 57 bits: of a million names, two are the same once in 300,000 times
# The first that fits counts. Subclasses, such as enums and numpy's numbers, are as their base writes them.
_KINDS: tuple[tuple[type[Any], bytes, Callable[[Any], str]], ...] = (
    (str, b"s", str.__str__),
    (bool, b"b", bool.__repr__),
    (int, b"i", int.__repr__),
    (float, b"f", float.__repr__),
    (bytes, b"y", bytes.hex),
    (type(None), b"n", str),
    (datetime, b"t", datetime.isoformat),
    (date, b"d", date.isoformat),
)


def check_name(name: str, what: str = "execution_name") -> str:
    """The name, if flyteadmin and Kubernetes accept it.

    Raises:
        FlyteInvalidInputException: it is no text, too long, empty, or has characters that are not allowed.
    """
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise FlyteInvalidInputException(f"{what} must be a text, got {name!r} ({type(name).__name__})")
    if len(name) > LONGEST:
        raise FlyteInvalidInputException(f"{what} {name!r} has {len(name)} characters; at most {LONGEST} are allowed")
    if not _VALID.fullmatch(name):
        raise FlyteInvalidInputException(
            f"{what} {name!r} is not valid: it takes a lower-case letter, then lower-case letters, digits and "
            "hyphens, of which none at the end"
        )
    return name


def execution_name(*parts: object) -> str:
    """A valid name made of parts, always the same for the same parts, and another one for other parts.

        execution_name("train", "2024-06-01", 17)      # train-2024-06-01-17-, and 12 characters that are a hash

    Whatever runs again under the same name finds the execution that it launched before. Parts that the name has no
    characters or no room for are in the hash alone.

    Args:
        parts: texts, numbers, booleans, None, bytes, dates, and lists and tuples of these; `1` is another part than
            `"1"`.

    Returns:
        At most 63 characters that flyteadmin and Kubernetes accept.

    Raises:
        FlyteInvalidInputException: no part, or one of another type, whose text might differ from run to run.
    """
    if not parts:
        raise FlyteInvalidInputException("execution_name needs one part at least")
    digest = hashlib.sha256(_canonical(parts)).digest()
    code = _letters(int.from_bytes(digest, "big"), _HASH_LENGTH)
    shown = re.sub("[^a-z0-9]+", "-", "-".join(_text(part) for part in parts).lower()).lstrip("-0123456789")
    shown = shown[: LONGEST - _HASH_LENGTH - 1].strip("-") or "a"
    return f"{shown}-{code}"


def _canonical(part: object) -> bytes:
    """Bytes that are the same for equal parts and differ for different ones."""
    if isinstance(part, (list, tuple)):
        code, data = b"l", b"".join(_canonical(item) for item in cast("Sequence[object]", part))
    else:
        code, data = _kind(part)[0], _text(part).encode("utf-8", "surrogatepass")
    return b"%s%d:%s" % (code, len(data), data)


def _text(part: object) -> str:
    if isinstance(part, (list, tuple)):
        return "-".join(_text(item) for item in cast("Sequence[object]", part))
    return _kind(part)[1](part)


def _kind(part: object) -> tuple[bytes, Callable[[Any], str]]:
    for kind, code, text in _KINDS:
        if isinstance(part, kind):
            return code, text
    raise FlyteInvalidInputException(
        f"a part of a name must be a text, number, boolean, date, bytes, None, or a list of these, got {part!r} "
        f"({type(part).__name__})"
    )


def generate_name(prefix: str | None = None) -> str:
    """A name that nobody else has: a letter and 19 characters; or the prefix, a hyphen and 19 characters."""
    unique = secrets.token_bytes(_GENERATED_LENGTH - 1).translate(_AS_LETTERS).decode()
    if prefix is None:
        return f"a{unique}"
    return check_name(f"{prefix}-{unique}", "execution_name_prefix with what is put behind it")


def _letters(number: int, length: int) -> str:
    """The lowest digits of a number, which is much larger than it takes, in the alphabet of names."""
    text = ""
    for _ in range(length):
        number, index = divmod(number, len(_ALPHABET))
        text += _ALPHABET[index]
    return text
