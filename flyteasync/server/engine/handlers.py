"""The user's Python functions that stand for tasks: calling them with native values, in the loop or in threads."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from ...errors import FlyteInvalidInputException, FlyteTypeException, FlyteValueException
from ...idl import core
from ...literals import convert, to_python
from ..inputs import variables_of
from .threads import DaemonThreads

Handler = Callable[..., Any]
"""A plain or async function that takes a task's inputs by name and returns its output.

One output is returned as it is; several as a tuple in the interface's order, or as a dict by name.
"""

MAX_THREADS = 32

T = TypeVar("T")

_NUMBERED = re.compile(r"o(\d+)")


class Handlers:
    """Handlers by task name. Plain functions run in at most `MAX_THREADS` threads at a time."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        for name, handler in handlers.items():
            if not callable(handler):
                raise FlyteInvalidInputException(
                    f"the handler of task {name!r} must be a function, got {type(handler).__name__}"
                )
        self._handlers = dict(handlers)
        self._threads = DaemonThreads(MAX_THREADS)

    def get(self, task: str) -> Handler | None:
        """The handler of a task, or None."""
        return self._handlers.get(task)

    @property
    def names(self) -> list[str]:
        """The names of all tasks that have a handler."""
        return sorted(self._handlers)

    def close(self) -> None:
        """End the threads; a handler that never returns is left behind."""
        self._threads.close()

    async def call(
        self, handler: Handler, template: core.TaskTemplate, inputs: Mapping[str, core.Literal]
    ) -> dict[str, core.Literal]:
        """Call a handler with a task's inputs, and return its outputs by name.

        Raises:
            Exception: whatever the handler raises; or a FlyteError if what it returned are not the task's outputs.
        """
        interface = template.interface or core.TypedInterface()
        declared = variables_of(interface.inputs)
        values = {
            name: to_python(literal, expected=declared[name].type, name=name)
            for name, literal in inputs.items()
            if name in declared
        }
        result = await self._run(handler, values)
        return outputs_of(result, variables_of(interface.outputs))

    async def _run(self, handler: Handler, values: dict[str, Any]) -> Any:
        if _is_async(handler):
            return await _guarded(handler(**values))
        result = await self._threads.run(lambda: handler(**values))
        return await _guarded(result) if inspect.isawaitable(result) else result


def _is_async(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)


async def _guarded(awaitable: Awaitable[T]) -> T:
    """Await a handler whose own exits are errors like any other; only our cancellation passes."""
    try:
        return await awaitable
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise RuntimeError("the handler was cancelled from inside") from None
    except (KeyboardInterrupt, SystemExit) as error:
        raise RuntimeError(repr(error)) from error


def outputs_of(result: object, variables: Mapping[str, core.Variable]) -> dict[str, core.Literal]:
    """A handler's result as literals by output name.

    Raises:
        FlyteTypeException: a value does not fit its output.
        FlyteValueException: an output is missing, or there is one too many.
    """
    names = _ordered(variables)
    if not names:
        return {}
    if len(names) == 1:
        values = {names[0]: result}
    elif isinstance(result, Mapping):
        values = dict(cast("Mapping[str, object]", result))
    elif isinstance(result, tuple):
        items = cast("tuple[object, ...]", result)
        fields = cast("tuple[str, ...]", getattr(items, "_fields", ()))
        order = fields if set(fields) == set(names) else names
        values = dict(zip(order, items, strict=False)) if len(items) == len(names) else {}
    else:
        values = {}
    if set(values) != set(names):
        got = ", ".join(sorted(values)) if isinstance(result, Mapping) else _describe(result)
        raise FlyteValueException(f"expected the outputs {', '.join(names)} as a tuple or a dict, got {got or 'none'}")
    return {name: _literal(values[name], variables[name], name) for name in names}


def _describe(result: Any) -> str:
    return f"a tuple of {len(cast('tuple[Any]', result))}" if isinstance(result, tuple) else type(result).__name__


def _literal(value: object, variable: core.Variable, name: str) -> core.Literal:
    if variable.type is None:
        raise FlyteTypeException(f"output {name!r} has no type in the task's interface")
    needed = convert({name: value}, {name: variable})
    # Local files stay where they are: there is no other place for them.
    stay = {upload.key: upload.source for upload in needed.uploads if isinstance(upload.source, str)}
    return convert({name: value}, {name: variable}, uploaded=stay).complete().literals[name]


def _ordered(variables: Mapping[str, core.Variable]) -> list[str]:
    """Output names in the interface's order; maps have none on the wire, but flytekit numbers unnamed outputs."""
    numbers = {name: _NUMBERED.fullmatch(name) for name in variables}
    if all(match is not None for match in numbers.values()):
        return sorted(variables, key=lambda name: int(name[1:]))
    return list(variables)
