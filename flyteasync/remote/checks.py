"""Checks of arguments that cost nothing to load: a remote that launches nothing has them, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, cast, get_args

from ..errors import FlyteInvalidInputException, FlyteTypeException

OnConflict = Literal["same", "adopt", "raise"]
"""What becomes of an execution that has the caller's name already: see `FlyteRemote.execute`."""

_ON_CONFLICT: Final = get_args(OnConflict)


def check_inputs(inputs: object) -> None:
    """Refuse inputs that are no mapping.

    Raises:
        FlyteTypeException: they are not.
    """
    if inputs is not None and not isinstance(inputs, (dict, Mapping)):  # a dict is recognised faster than a Mapping
        raise FlyteTypeException(f"inputs must be a mapping of values by name, got {type(inputs).__name__}")


def check_type_hints(type_hints: object) -> None:
    """Refuse Python types that are not given by name.

    Raises:
        FlyteTypeException: it is no mapping, or one with other keys than texts.
    """
    if type_hints is None:
        return
    if not isinstance(type_hints, Mapping):
        raise FlyteTypeException(f"type_hints must be a mapping of types by name, got {type(type_hints).__name__}")
    for name in cast("Mapping[object, object]", type_hints):
        if not isinstance(name, str):
            raise FlyteTypeException(f"type_hints must be a mapping of types by name, got the key {name!r}")


def check_wait(wait: object) -> None:
    """Refuse what is neither True nor False: it may well mean the opposite of what it is taken for.

    Raises:
        FlyteTypeException: it is neither.
    """
    if not isinstance(wait, bool):
        raise FlyteTypeException(f"wait must be True or False, got {type(wait).__name__}")


def check_on_conflict(on_conflict: object) -> None:
    """Refuse an unknown on_conflict.

    Raises:
        FlyteInvalidInputException: it is unknown.
    """
    if on_conflict not in _ON_CONFLICT:
        raise FlyteInvalidInputException(f"on_conflict must be one of {', '.join(_ON_CONFLICT)}, got {on_conflict!r}")


def check_names(name: object, prefix: object) -> None:
    """Refuse a name together with a prefix.

    Raises:
        FlyteInvalidInputException: both are given.
    """
    if name is not None and prefix is not None:
        raise FlyteInvalidInputException("give either a name or a prefix of generated names, not both")
