"""How replies change what an execution shows, whatever the order in which they come."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.executions.base import Data, cut_short
from flyteasync.executions.node import FlyteNodeExecution
from flyteasync.executions.snapshot import Snapshot, merge
from flyteasync.idl import admin, core
from flyteasync.literals import LiteralsResolver
from flyteasync.watcher import TERMINAL_PHASES
from flyteasync.watcher.plan import Phase
from tests.server.build import execution_id, literal

LAUNCHED = Snapshot(admin.Execution(id=execution_id("run")))


def snapshot(phase: Phase, ordinal: int, **values: object) -> Snapshot:
    execution = admin.Execution(id=execution_id("run"), closure=admin.ExecutionClosure(phase=phase))
    return replace(Snapshot(execution, ordinal=ordinal), **values)  # type: ignore[arg-type]


def resolver(value: int) -> LiteralsResolver:
    return LiteralsResolver({"x": literal(value)})


@st.composite
def replies(draw: st.DrawFn) -> list[Snapshot]:
    """Replies of syncs, each started at another time, in the order of their arrival."""
    phases = draw(st.lists(st.sampled_from(list(Phase)), min_size=1, max_size=8))
    ordinals = draw(st.permutations(range(1, len(phases) + 1)))
    return [
        snapshot(
            phase,
            ordinal,
            data=Data(
                resolver(ordinal) if draw(st.booleans()) else None,
                resolver(ordinal) if phase is Phase.SUCCEEDED and draw(st.booleans()) else None,
            ),
        )
        for phase, ordinal in zip(phases, ordinals, strict=True)
    ]


def states(arriving: list[Snapshot]) -> list[Snapshot]:
    """What is shown after each reply."""
    shown = [LAUNCHED]
    for reply in arriving:
        shown.append(merge(shown[-1], reply))
    return shown


@given(replies())
def test_the_first_terminal_phase_that_arrives_is_final(arriving: list[Snapshot]) -> None:
    first = next((reply.phase for reply in arriving if reply.done), None)
    seen = False
    for reply, shown in zip(arriving, states(arriving)[1:], strict=True):
        seen = seen or reply.done
        assert shown.done is seen
        if seen:
            assert shown.phase is first


@given(replies())
def test_of_replies_that_are_not_final_the_one_of_the_latest_sync_is_shown(arriving: list[Snapshot]) -> None:
    so_far: list[Snapshot] = []
    for reply, shown in zip(arriving, states(arriving)[1:], strict=True):
        so_far.append(reply)
        if not shown.done:
            assert shown.execution is max(so_far, key=lambda one: one.ordinal).execution
            assert shown.ordinal == max(one.ordinal for one in so_far)


@given(replies())
def test_what_was_loaded_once_stays(arriving: list[Snapshot]) -> None:
    so_far: list[Snapshot] = []
    for reply, shown in zip(arriving, states(arriving)[1:], strict=True):
        so_far.append(reply)
        for kind in ("inputs", "outputs"):
            loaded = [getattr(one.data, kind) for one in so_far if getattr(one.data, kind) is not None]
            value = getattr(shown.data, kind)
            assert any(value is one for one in loaded) if loaded else value is None


@given(replies())
def test_the_server_is_known_to_have_what_it_showed(arriving: list[Snapshot]) -> None:
    assert [shown.existing for shown in states(arriving)] == [False] + [True] * len(arriving)


def test_the_end_is_not_lost_if_a_later_sync_that_saw_it_run_was_quicker() -> None:
    """A wait starts before the syncs that happen while it lasts."""
    running = merge(LAUNCHED, snapshot(Phase.RUNNING, 2))
    assert merge(running, snapshot(Phase.SUCCEEDED, 1)).phase is Phase.SUCCEEDED


def test_a_fuller_message_of_the_same_end_replaces_an_older_one() -> None:
    cut, whole = snapshot(Phase.FAILED, 1), snapshot(Phase.FAILED, 2)
    assert merge(merge(LAUNCHED, cut), whole).execution is whole.execution
    assert merge(merge(LAUNCHED, whole), cut).execution is whole.execution


def tree(ordinal: int) -> dict[str, FlyteNodeExecution]:
    return {f"n{ordinal}": FlyteNodeExecution(admin.NodeExecution())}


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.randoms())
def test_the_node_tree_is_that_of_the_latest_sync_that_read_one(with_nodes: list[bool], order: Random) -> None:
    arriving = [
        snapshot(Phase.RUNNING, ordinal, nodes=tree(ordinal), nodes_ordinal=ordinal)
        if nodes
        else snapshot(Phase.RUNNING, ordinal)
        for ordinal, nodes in enumerate(with_nodes, 1)
    ]
    order.shuffle(arriving)
    latest = max((reply.nodes_ordinal for reply in arriving), default=0)
    assert list(states(arriving)[-1].nodes) == ([f"n{latest}"] if latest else [])


def test_terminal_phases_are_those_of_flyteadmin() -> None:
    assert {phase.name for phase in TERMINAL_PHASES} == {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [("", False), ("x" * 96, False), ("x" * 97, True), ("x" * 100, True), ("é" * 49, True), ("€" * 32, False)],
)
def test_an_error_text_near_the_limit_of_lists_may_have_been_cut(message: str, expected: bool) -> None:
    assert cut_short(core.ExecutionError(message=message)) is expected


def test_no_error_was_not_cut() -> None:
    assert not cut_short(None)
