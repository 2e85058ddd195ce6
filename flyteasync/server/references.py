"""Handlers by import path: what another process can be told to load."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from ..errors import FlyteInvalidInputException
from .engine import Handler

HandlersReference = Mapping[str, Handler | str] | str
"""Handlers by task name, each a function or its `module:attribute`; or the `module:attribute` of such a mapping, or of
a function without parameters that returns one."""


def load_handlers(handlers: HandlersReference | None) -> dict[str, Handler]:
    """The functions that a reference stands for.

    Raises:
        FlyteInvalidInputException: something cannot be imported, or is not what it should be; the text names it.
    """
    if handlers is None:
        return {}
    if isinstance(handlers, str):
        found = _load(handlers)
        if callable(found):
            found = found()
        if not isinstance(found, Mapping):
            raise FlyteInvalidInputException(
                f"{handlers} must be a mapping of handlers by task name, or a function that returns one, "
                f"got {type(found).__name__}"
            )
        return load_handlers(cast("Mapping[str, Handler | str]", found))
    return {name: _function(name, handler) for name, handler in handlers.items()}


def _function(task: str, handler: Handler | str) -> Handler:
    found = _load(handler) if isinstance(handler, str) else handler
    if not callable(found):
        raise FlyteInvalidInputException(f"the handler of task {task!r} must be a function, got {type(found).__name__}")
    return found


def _load(path: str) -> Any:
    module_name, colon, attribute = path.partition(":")
    if not (module_name and colon and attribute):
        raise FlyteInvalidInputException(f"handlers are named as 'module:attribute', got {path!r}")
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise FlyteInvalidInputException(f"cannot load {path}: {error}") from error
    return found


def refer(handlers: HandlersReference | None) -> dict[str, str] | str | None:
    """The reference in JSON's types, for another process.

    Raises:
        FlyteInvalidInputException: a function that another process cannot import: a lambda, a function inside of
            another one, or one of `__main__`.
    """
    if handlers is None or isinstance(handlers, str):
        return handlers
    return {
        task: handler if isinstance(handler, str) else _path_of(task, handler) for task, handler in handlers.items()
    }


def _path_of(task: str, handler: Callable[..., Any]) -> str:
    module, name = getattr(handler, "__module__", None), getattr(handler, "__qualname__", None)
    reason = ""
    if not isinstance(module, str) or not isinstance(name, str):
        reason = "it is not a function with a name"
    elif module == "__main__":
        reason = "it is defined in the program that is being run (__main__)"
    elif "<" in name:
        reason = "it is a lambda or is defined inside of another function"
    elif _load_or_none(f"{module}:{name}") is not handler:
        reason = f"{module}:{name} is something else"
    if reason:
        raise FlyteInvalidInputException(
            f"the handler of task {task!r} cannot be loaded by another process: {reason}. Name an importable one as "
            "'module:attribute', or run the server in a thread with serve_in_thread()"
        )
    return f"{module}:{name}"


def _load_or_none(path: str) -> Any:
    try:
        return _load(path)
    except FlyteInvalidInputException:
        return None
