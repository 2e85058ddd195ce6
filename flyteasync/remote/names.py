"""Names of executions."""

from __future__ import annotations

import re
import secrets

from ..errors import FlyteInvalidInputException

LONGEST = 63
_VALID = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' safe alphabet: no vowels, so no words; no look-alikes
_GENERATED_LENGTH = 20


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


def generate_name(prefix: str | None = None) -> str:
    """A name that nobody else has: a letter and 19 characters, after the prefix and a hyphen if there is one."""
    name = "a" + "".join(secrets.choice(_ALPHABET) for _ in range(_GENERATED_LENGTH - 1))
    return (
        name if prefix is None else check_name(f"{prefix}-{name}", "execution_name_prefix with what is put behind it")
    )
