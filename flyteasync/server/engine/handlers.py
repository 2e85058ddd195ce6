"""The user's Python functions that stand for tasks: calling them with native values, in the loop or in threads."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import re
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from ...errors import FlyteInvalidInputException, FlyteTypeException, FlyteValueException
from ...idl import core
from ...literals import to_literal, to_python
from ..inputs import variables_of

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
        self._threads = asyncio.Semaphore(MAX_THREADS)

    def get(self, task: str) -> Handler | None:
        """The handler of a task, or None."""
        return self._handlers.get(task)

    @property
    def names(self) -> list[str]:
        """The names of all tasks that have a handler."""
        return sorted(self._handlers)

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
        await self._threads.acquire()
        result = await run_in_daemon_thread(lambda: handler(**values), self._threads.release)
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


async def run_in_daemon_thread(function: Callable[[], T], done: Callable[[], None]) -> T:
    """Run a function in a thread of its own; `done` is called in the loop when the thread ends.

    A cancelled wait leaves the thread behind. It is a daemon, so a function that never returns cannot keep the
    process from ending, as the threads of an executor would.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def finish(result: T | None, error: Exception | None) -> None:
        done()
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("T", result))

    def run() -> None:
        result, error = None, None
        try:
            result = context.run(function)
        except Exception as raised:  # it is raised again where the call is awaited  # noqa: BLE001
            # A future takes no StopIteration.
            error = RuntimeError(repr(raised)) if isinstance(raised, StopIteration) else raised
        except BaseException as raised:  # a handler that calls sys.exit() must not end the server  # noqa: BLE001
            error = RuntimeError(repr(raised))
        with contextlib.suppress(RuntimeError):
            # The loop is closed if the server stopped without waiting for this thread.
            loop.call_soon_threadsafe(finish, result, error)

    threading.Thread(target=run, name="flyteasync handler", daemon=True).start()
    return await future


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
    return to_literal(value, variable.type, name=name)


def _ordered(variables: Mapping[str, core.Variable]) -> list[str]:
    """Output names in the interface's order; maps have none on the wire, but flytekit numbers unnamed outputs."""
    numbers = {name: _NUMBERED.fullmatch(name) for name in variables}
    if all(match is not None for match in numbers.values()):
        return sorted(variables, key=lambda name: int(name[1:]))
    return list(variables)
