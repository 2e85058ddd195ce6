"""Threads may read a message at once, and encode or copy it while others read.

The first tests let another thread in at every single step of the bytecode, by way of a trace function; that is every
moment at which the interpreter may switch threads.
"""

import copy
import datetime
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FrameType
from typing import Any

import pytest

from flyteasync.codec import decode, encode, encoder, lazy, message
from flyteasync.idl import admin, core

from .twins import read_all

STEPPED: frozenset[CodeType] = frozenset(
    function.__code__
    for function in (
        encoder.flatten,
        lazy.Lazy.__get__,
        lazy.LazyTime.__get__,
        lazy.LazyOptional._unset,
        message.Message.__deepcopy__,
        message.Message.__copy__,
        message.Message._twin,
    )
)


def interrupt(action: Callable[[], Any], intruder: Callable[[], Any], step: int) -> tuple[Any, bool]:
    """Run an action, and an intruder at one of its steps; returns the action's result and whether it had that step."""
    steps = 0

    def each_step(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        if event == "opcode":
            steps += 1
            if steps == step:
                intruder()  # Python does not trace what a trace function does
        return each_step

    def each_call(frame: FrameType, _: str, __: Any) -> Any:
        if frame.f_code not in STEPPED:
            return None
        frame.f_trace_opcodes = True
        return each_step

    before = sys.gettrace()
    sys.settrace(each_call)
    try:
        result = action()
    finally:
        sys.settrace(before)
    return result, steps >= step


def interruptions(
    make: Callable[[], Any], action: Callable[[Any], Any], intruder: Callable[[Any], Any]
) -> Iterator[tuple[Any, Any]]:
    """What an action comes to with the intruder at each of its steps, with the message that it was done with."""
    interrupt(partial(action, make()), str, 0)  # from 3.12 on, code tells of its steps from its second call on
    for step in itertools.count(1):
        target = make()
        result, there_was = interrupt(partial(action, target), partial(intruder, target), step)
        if not there_was:
            assert step > 10
            return
        yield target, result


def built() -> admin.Execution:
    return admin.Execution(
        id=core.WorkflowExecutionIdentifier(name="n"),
        spec=admin.ExecutionSpec(labels=admin.Labels(values={"a": "b"})),
        closure=admin.ExecutionClosure(
            outputs=admin.LiteralMapBlob(uri="s3://x"),
            created_at=datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
            notifications=[admin.Notification()],
        ),
    )


EXECUTION = encode(built())
CLOSURE = encode(built().closure or admin.ExecutionClosure())
NANOSECONDS = b"\x3a\x04\x08\x01\x10\x05"  # created_at


def test_a_message_is_encoded_whole_while_another_thread_reads_it() -> None:
    for data in (CLOSURE, NANOSECONDS):
        for _, result in interruptions(partial(decode, admin.ExecutionClosure, data), encode, read_all):
            assert result == data


def test_a_message_can_be_encoded_at_any_moment_of_another_thread_s_reading() -> None:
    encoded: list[bytes] = []
    for data in (CLOSURE, NANOSECONDS):
        for closure, _ in interruptions(
            partial(decode, admin.ExecutionClosure, data), read_all, lambda closure: encoded.append(encode(closure))
        ):
            assert encoded.pop() == encode(closure) == data


def test_a_message_is_copied_whole_while_another_thread_reads_it() -> None:
    for do in (copy.copy, copy.deepcopy):
        for data in (CLOSURE, NANOSECONDS):
            for _, result in interruptions(partial(decode, admin.ExecutionClosure, data), do, read_all):
                assert encode(result) == data


@pytest.mark.parametrize("field", ["outputs", "created_at", "notifications", "error", "started_at", "computed_inputs"])
@pytest.mark.parametrize("data", [CLOSURE, NANOSECONDS], ids=["plain", "nanoseconds"])
def test_two_threads_that_read_a_field_see_one_value(field: str, data: bytes) -> None:
    seen: list[Any] = []

    def read(closure: admin.ExecutionClosure) -> Any:
        return getattr(closure, field)

    for closure, result in interruptions(
        lambda: decode(admin.ExecutionClosure, data), read, lambda closure: seen.append(read(closure))
    ):
        assert result is read(closure)
        assert all(value is result for value in seen)
        assert encode(closure) == data
        seen.clear()


def test_what_a_thread_assigns_is_not_lost_to_one_that_reads() -> None:
    def assign(closure: admin.ExecutionClosure) -> None:
        closure.outputs = mine
        closure.error = None

    mine = admin.LiteralMapBlob(uri="s3://mine")
    for closure, _ in interruptions(lambda: decode(admin.ExecutionClosure, CLOSURE), read_all, assign):
        assert closure.outputs is mine
        assert decode(admin.ExecutionClosure, encode(closure)).outputs == mine


def in_threads(count: int, action: Callable[[], Any]) -> list[Any]:
    """Run an action in several threads at the same moment; returns what each made of it."""
    barrier, results, failures = threading.Barrier(count), [], []

    def run() -> None:
        barrier.wait()
        try:
            results.append(action())
        except Exception as error:  # noqa: BLE001 - is shown by the test
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return results


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_hasty_threads")
def test_many_threads_use_one_message() -> None:
    def use(execution: admin.Execution) -> tuple[Any, ...]:
        first = execution.closure
        assert encode(execution) == EXECUTION
        assert copy.deepcopy(execution) == built()
        assert execution.closure is not None
        return first, execution.closure, execution.spec, execution.closure.created_at, execution.closure.notifications

    for _ in range(100):
        execution = decode(admin.Execution, EXECUTION)
        one, *others = in_threads(4, lambda execution=execution: use(execution))
        for other in others:
            assert all(value is same for value, same in zip(other, one, strict=True))
