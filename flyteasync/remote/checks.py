"""Checks of arguments that cost nothing to load: a remote that launches nothing has them, too."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import Final, Literal, TypeVar, cast, get_args

from ..errors import FlyteInvalidInputException, FlyteTypeException

E = TypeVar("E")

OnConflict = Literal["same", "adopt", "raise"]
"""What becomes of an execution that has the caller's name already: see `FlyteRemote.execute`."""

_ON_CONFLICT: Final = get_args(OnConflict)


def check_inputs(inputs: object) -> None:
    """Refuse inputs that are no mapping.

    Raises:
        FlyteTypeException: they are not.
    """
    if inputs is not None and not isinstance(inputs, (dict, Mapping)):  # a dict is recognised faster than a Mapping
        raise FlyteTypeException(f"inputs must be a mapping of values by name, got {kind_of(inputs)}")


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


def check_name_given(name: str | None, what: str, project: str | None) -> None:
    """Refuse a lack of a name, which is the third argument of what fetches, after project and domain.

    Raises:
        FlyteInvalidInputException: there is none.
    """
    if not name:
        taken = f"; {project!r} was given as the project" if project else ""
        raise FlyteInvalidInputException(f"the name of the {what} is needed: pass name={taken}")


def check_names(name: object, prefix: object) -> None:
    """Refuse a name together with a prefix.

    Raises:
        FlyteInvalidInputException: both are given.
    """
    if name is not None and prefix is not None:
        raise FlyteInvalidInputException("give either a name or a prefix of generated names, not both")


def kind_of(value: object) -> str:
    """What a value is, for a message that says that something else was expected."""
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    if isinstance(value, Coroutine):
        return f"a coroutine ({value.__qualname__}): was `await` forgotten?"
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def check_execution(execution: object, kind: type[E], name: str) -> E:
    """The execution, if it is one of this class.

    Args:
        execution: what a caller gave.
        kind: the class that it should be of.
        name: that class as callers import it.

    Raises:
        FlyteTypeException: it is not.
    """
    if not isinstance(execution, kind):
        raise FlyteTypeException(f"a {name} is needed; got {kind_of(execution)}")
    return execution


def executions_of(executions: object, kind: type[E], name: str) -> list[E]:
    """The executions of an iterable, if all are of this class; see `check_execution`.

    Raises:
        FlyteTypeException: it is no iterable, or something in it is not.
    """
    if not isinstance(executions, Iterable):
        raise FlyteTypeException(f"executions must be an iterable of {name}; got {kind_of(executions)}")
    return [check_execution(execution, kind, name) for execution in cast("Iterable[object]", executions)]


def check_config(config: object) -> None:
    """Refuse what is no configuration; flytekit's is one, too.

    Raises:
        FlyteTypeException: it is none.
    """
    if isinstance(config, type) or not hasattr(getattr(config, "platform", None), "endpoint"):
        raise FlyteTypeException(
            'config must be a flyteasync.Config, as `Config.auto()` or `Config.for_endpoint("host:port")` makes it; '
            f"got {kind_of(config)}"
        )
