"""The user's Python functions that stand for tasks: calling them with native values, in the loop or in threads."""

from __future__ import annotations

import asyncio
import fnmatch
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from ...errors import FlyteInvalidInputException, FlyteTypeException, FlyteValueException
from ...idl import core
from ...literals import convert, to_python
from ..inputs import variables_of
from .activity import Activity
from .mapping import mapped_task_name
from .outcomes import DynamicWorkflow
from .threads import DaemonThreads

Handler = Callable[..., Any]
"""A plain or async function that takes a task's inputs by name and returns its output.

One output is returned as it is; several as a tuple in the interface's order, or as a dict by name. A dynamic task's
handler returns a `DynamicWorkflow`, or the `DynamicJobSpec` that flytekit makes. Whatever it raises fails the attempt;
`TaskFailed` says how.
"""

Result = dict[str, core.Literal] | DynamicWorkflow
"""What a handler made: outputs by name, or a workflow."""

MAX_THREADS = 32
MAX_COROUTINES = 1000

T = TypeVar("T")

_NUMBERED = re.compile(r"o(\d+)")


class Handlers:
    """Handlers by task name, or by a pattern of names in which `*`, `?` and `[...]` stand for others.

    The handler of a task is the one of its name, else the one of the first pattern that fits. A task that flytekit's
    `map_task` made of another one has that one's handler, if it has none of its own.

    Args:
        handlers: the functions.
        activity: whose counts their calls are part of.
        max_threads: how many plain functions run at a time, each in a thread.
        max_coroutines: how many async functions run at a time, in the loop.

    Attributes:
        tasks: async functions that are being run, and those among them that did not end when they were cancelled.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        activity: Activity,
        *,
        max_threads: int = MAX_THREADS,
        max_coroutines: int = MAX_COROUTINES,
    ) -> None:
        for name, handler in handlers.items():
            if not callable(handler):
                raise FlyteInvalidInputException(
                    f"the handler of task {name!r} must be a function, got {type(handler).__name__}"
                )
        self._handlers = dict(handlers)
        self._patterns = [name for name in handlers if any(letter in name for letter in "*?[")]
        self._activity = activity
        self._threads = DaemonThreads(max_threads)
        self._coroutines = asyncio.Semaphore(max_coroutines)
        self.tasks: set[asyncio.Task[Any]] = set()

    def close(self) -> None:
        """End the threads that do not run a handler; those that do end with it."""
        self._threads.close()

    def get(self, task: str) -> Handler | None:
        """The handler of a task, or None."""
        found = self._find(task)
        if found is None and (mapped := mapped_task_name(task)) is not None:
            found = self._find(mapped)
        return found

    def _find(self, task: str) -> Handler | None:
        if task in self._handlers:
            return self._handlers[task]
        pattern = next((item for item in self._patterns if fnmatch.fnmatchcase(task, item)), None)
        return None if pattern is None else self._handlers[pattern]

    @property
    def names(self) -> list[str]:
        """The names and patterns that there are handlers of."""
        return sorted(self._handlers)

    async def call(self, handler: Handler, template: core.TaskTemplate, inputs: Mapping[str, core.Literal]) -> Result:
        """Call a handler with a task's inputs, and return what it made.

        Raises:
            Exception: whatever the handler raises; or a FlyteError if what it returned are not the task's outputs.
        """
        interface = template.interface or core.TypedInterface()
        declared = variables_of(interface.inputs)
        values = {name: _native(literal, declared[name], name) for name, literal in inputs.items() if name in declared}
        with self._activity.handling():
            result = await self._run(handler, values)
        match result:
            case DynamicWorkflow():
                return result
            case core.DynamicJobSpec():
                return DynamicWorkflow.from_spec(result)
            case _:
                return outputs_of(result, variables_of(interface.outputs))

    async def _run(self, handler: Handler, values: dict[str, Any]) -> Any:
        if _is_async(handler):
            await self._coroutines.acquire()
            return await self._run_coroutine(handler(**values))
        result = await self._threads.run(lambda: handler(**values))
        if not inspect.isawaitable(result):
            return result
        await self._coroutines.acquire()
        return await self._run_coroutine(result)

    async def _run_coroutine(self, awaitable: Awaitable[Any]) -> Any:
        """Run it in a task of its own: one that ignores its cancellation is left behind, and nobody waits for it."""
        task = asyncio.get_running_loop().create_task(_guarded(awaitable))
        self.tasks.add(task)
        task.add_done_callback(self._forget)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise
        except GeneratorExit as error:
            if not task.done():
                raise
            raise RuntimeError(repr(error)) from error

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._coroutines.release()
        self.tasks.discard(task)
        if not task.cancelled():
            # The one who called has seen it, unless it was left behind.
            task.exception()


def _native(literal: core.Literal, variable: core.Variable, name: str) -> Any:
    """A literal as handlers take it: a native value, or the message of the error that a failure node is given."""
    scalar = literal.scalar
    while scalar is not None and scalar.union is not None:
        scalar = None if scalar.union.value is None else scalar.union.value.scalar
    if scalar is not None and scalar.error is not None:
        return scalar.error
    return to_python(literal, expected=variable.type, name=name)


def _is_async(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)


async def _guarded(awaitable: Awaitable[T]) -> T:
    """Await a handler whose own exits are errors like any other; only our cancellation of its task passes."""
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
