"""Spoiled replies, held to what they promise: malformed ones are, and well-formed ones say what they said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync import codec
from flyteasync.codec.wire import LEN, varint
from flyteasync.errors import FlyteDecodeError
from flyteasync.idl import admin, core
from flyteasync.server import mangling

PHASE = core.WorkflowExecutionPhase
TEXT = st.text(max_size=20)


@st.composite
def lists(draw: st.DrawFn) -> admin.ExecutionList:
    count = draw(st.integers(0, 4))
    return admin.ExecutionList(
        executions=[
            admin.Execution(
                id=core.WorkflowExecutionIdentifier(project=draw(TEXT), domain=draw(TEXT), name=draw(TEXT)),
                closure=admin.ExecutionClosure(phase=draw(st.sampled_from(list(PHASE)))),
            )
            for _ in range(count)
        ],
        token=draw(TEXT),
    )


@given(lists())
def test_a_truncated_reply_is_no_message(message: admin.ExecutionList) -> None:
    with pytest.raises(FlyteDecodeError):
        codec.decode(admin.ExecutionList, mangling.truncated(codec.encode(message)))


@given(st.integers(0, 500), st.integers())
def test_garbage_is_no_message_and_the_same_for_the_same_seed(length: int, seed: int) -> None:
    data = mangling.garbage(length, seed)
    assert data == mangling.garbage(length, seed)
    assert len(data) == max(1, length)
    with pytest.raises(FlyteDecodeError):
        codec.decode(admin.ExecutionList, data)


def test_other_seeds_make_other_garbage() -> None:
    assert mangling.garbage(100, 1) != mangling.garbage(100, 2)


@given(lists().filter(lambda message: any(map(codec.encode, message.executions))), st.integers())
def test_garbage_inside_is_found_by_those_who_look_inside(message: admin.ExecutionList, seed: int) -> None:
    data = codec.encode(message)
    spoiled = mangling.garbage_inside(data, seed)
    assert len(spoiled) == len(data)
    with pytest.raises(FlyteDecodeError):
        repr(codec.decode(admin.ExecutionList, spoiled).executions)


@given(lists())
def test_enums_that_are_set_become_unknown_and_nothing_else_changes(message: admin.ExecutionList) -> None:
    spoiled = codec.decode(admin.ExecutionList, mangling.with_unknown_enums(admin.ExecutionList, codec.encode(message)))
    phases: list[int] = []
    for before, after in zip(message.executions, spoiled.executions, strict=True):
        assert before.closure is not None
        assert after.closure is not None
        phases.append(after.closure.phase)
        assert after.closure.phase == (mangling.UNKNOWN_MEMBER if before.closure.phase else 0)
        after.closure.phase = before.closure.phase
    assert spoiled == message


@given(lists())
def test_fields_that_nobody_knows_change_nothing_for_those_who_ignore_them(message: admin.ExecutionList) -> None:
    data = codec.encode(message)
    spoiled = mangling.with_unknown_fields(admin.ExecutionList, data)
    assert codec.decode(admin.ExecutionList, spoiled) == message
    tag = varint(mangling.UNKNOWN_NUMBER << 3 | LEN)
    messages = 1 + sum(3 for _ in message.executions)
    assert spoiled.count(tag) == messages


@given(lists(), st.integers(0, 10_000))
def test_an_oversize_reply_is_long_enough_and_says_the_same(message: admin.ExecutionList, size: int) -> None:
    data = codec.encode(message)
    spoiled = mangling.oversize(data, size)
    assert max(size, len(data)) < len(spoiled) < max(size, len(data)) + 15
    assert codec.decode(admin.ExecutionList, spoiled) == message
