"""Events of executions and nodes, as they are made of what is seen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.errors import FlyteInvalidInputException
from flyteasync.idl import admin, core
from flyteasync.watcher import Event, ExecutionEvent, Name, NodeEvent, Position
from flyteasync.watcher.events import NodePhase, PhaseLog
from flyteasync.watcher.nodes import NodeLog
from flyteasync.watcher.plan import Phase

NAME = Name("p", "d", "e")
START = datetime(2024, 5, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def execution(phase: Phase, **closure: Any) -> admin.Execution:
    return admin.Execution(closure=admin.ExecutionClosure(phase=phase, **closure))


def node(
    name: str, phase: NodePhase, seconds: float, *, is_parent: bool = False, error: str | None = None
) -> admin.NodeExecution:
    return admin.NodeExecution(
        id=core.NodeExecutionIdentifier(node_id=name),
        metadata=admin.NodeExecutionMetaData(spec_node_id=name, is_parent_node=is_parent),
        closure=admin.NodeExecutionClosure(
            phase=phase,
            updated_at=at(seconds),
            error=None if error is None else core.ExecutionError(code="USER:Oh", message=error),
        ),
    )


def phases(events: list[ExecutionEvent]) -> list[tuple[Phase, Phase | None, datetime | None]]:
    return [(event.phase, event.previous, event.occurred_at) for event in events]


# Executions ...


def test_each_change_of_phase_is_one_event() -> None:
    log = PhaseLog(NAME, Position())
    assert phases(log.events(execution(Phase.UNDEFINED, created_at=at(0)))) == [(Phase.UNDEFINED, None, at(0))]
    running = execution(Phase.RUNNING, created_at=at(0), started_at=at(1), updated_at=at(1))
    assert phases(log.events(running)) == [(Phase.RUNNING, Phase.UNDEFINED, at(1))]
    assert log.events(running) == []
    ended = execution(Phase.SUCCEEDED, created_at=at(0), started_at=at(1), updated_at=at(9))
    assert phases(log.events(ended)) == [(Phase.SUCCEEDED, Phase.RUNNING, at(9))]


def test_that_it_ran_is_told_even_if_nobody_looked_meanwhile() -> None:
    log = PhaseLog(NAME, Position())
    log.events(execution(Phase.UNDEFINED, created_at=at(0)))
    failed = execution(Phase.FAILED, started_at=at(1), updated_at=at(2), error=core.ExecutionError(message="no"))
    running, ended = log.events(failed)
    assert (running.phase, running.previous, running.occurred_at, running.error) == (
        Phase.RUNNING,
        Phase.UNDEFINED,
        at(1),
        None,
    )
    assert (ended.phase, ended.previous, ended.is_terminal) == (Phase.FAILED, Phase.RUNNING, True)
    assert ended.error is not None
    assert ended.error.message == "no"


def test_an_execution_that_never_ran_has_no_event_that_says_so() -> None:
    log = PhaseLog(NAME, Position())
    log.events(execution(Phase.UNDEFINED, created_at=at(0)))
    assert [event.phase for event in log.events(execution(Phase.FAILED, updated_at=at(2)))] == [Phase.FAILED]


def test_nothing_follows_the_terminal_phase() -> None:
    log = PhaseLog(NAME, Position())
    assert len(log.events(execution(Phase.SUCCEEDED, updated_at=at(1)))) == 1
    assert log.ended
    assert log.events(execution(Phase.ABORTING, updated_at=at(1))) == []


def test_an_abort_tells_its_cause_and_no_time_that_it_does_not_have() -> None:
    log = PhaseLog(NAME, Position())
    abort = admin.AbortMetadata(cause="too dear")
    (event,) = log.events(execution(Phase.ABORTING, started_at=at(1), updated_at=at(1), abort_metadata=abort))
    assert event.occurred_at is None
    assert event.error is not None
    assert (event.error.code, event.error.message) == ("Aborted", "too dear")


def test_an_abort_that_came_too_late_leaves_no_error() -> None:
    abort = admin.AbortMetadata(cause="too dear")
    (event,) = PhaseLog(NAME, Position()).events(execution(Phase.SUCCEEDED, updated_at=at(1), abort_metadata=abort))
    assert event.error is None


def test_an_event_as_a_dict_is_json() -> None:
    log = PhaseLog(NAME, Position())
    error = core.ExecutionError(code="USER:Oh", message="no")
    log.events(execution(Phase.RUNNING, started_at=at(0)))
    (event,) = log.events(execution(Phase.FAILED, started_at=at(0), updated_at=at(1.5), error=error))
    assert json.loads(json.dumps(event.to_dict())) == {
        "id": "2024-05-01T12:00:01.500000Z/6/",
        "kind": "execution",
        "execution": "p/d/e",
        "phase": "FAILED",
        "previous": "RUNNING",
        "occurred_at": "2024-05-01T12:00:01.500000Z",
        "error": {"code": "USER:Oh", "message": "no"},
    }


def test_a_phase_that_is_not_known_yet_is_told_by_its_number() -> None:
    (event,) = PhaseLog(NAME, Position()).events(execution(Phase(77), updated_at=at(1)))
    assert event.to_dict()["phase"] == "77"


# Nodes ...


def look(log: PhaseLog, nodes: NodeLog, **levels: list[admin.NodeExecution]) -> list[NodeEvent]:
    """List all levels once: those that are open already, and those found below them."""
    todo = nodes.levels()
    while todo:
        parent = todo.pop(0)
        todo += nodes.absorb(parent, levels.get(parent or "top", []))
        nodes.listed(parent)
    return nodes.take(log)


def changes(events: list[NodeEvent]) -> list[tuple[str, NodePhase, NodePhase | None]]:
    return [(event.node_id, event.phase, event.previous) for event in events]


def test_each_change_of_a_node_is_one_event_in_the_order_of_their_times() -> None:
    log, nodes = PhaseLog(NAME, Position()), NodeLog(NAME, Position())
    one, other = node("n0", NodePhase.RUNNING, 5), node("n1", NodePhase.QUEUED, 3)
    assert changes(look(log, nodes, top=[one, other])) == [
        ("n1", NodePhase.QUEUED, None),
        ("n0", NodePhase.RUNNING, None),
    ]
    assert look(log, nodes, top=[one, other]) == []
    ended = node("n0", NodePhase.FAILED, 7, error="no")
    (event,) = look(log, nodes, top=[ended])
    assert (event.phase, event.previous, event.occurred_at) == (NodePhase.FAILED, NodePhase.RUNNING, at(7))
    assert event.to_dict()["error"] == {"code": "USER:Oh", "message": "no"}


def test_only_what_has_changed_lately_is_listed_again() -> None:
    log, nodes = PhaseLog(NAME, Position()), NodeLog(NAME, Position())
    assert nodes.request("").filters == ""
    look(log, nodes, top=[node("n0", NodePhase.RUNNING, 100.25), node("n1", NodePhase.RUNNING, 90)])
    assert nodes.request("").filters == "gte(updated_at,2024-05-01T12:00:40.250000Z)"
    assert nodes.request("", whole=True).filters == ""


def test_a_level_is_listed_while_its_parent_runs_and_once_more() -> None:
    log, nodes = PhaseLog(NAME, Position()), NodeLog(NAME, Position())
    parent = node("n0", NodePhase.RUNNING, 1, is_parent=True)
    below = [node("n0-0-a", NodePhase.RUNNING, 2)]
    assert [(event.node_id, event.parent) for event in look(log, nodes, top=[parent], n0=below)] == [
        ("n0", ""),
        ("n0-0-a", "n0"),
    ]
    assert nodes.levels() == ["", "n0"]
    parent = node("n0", NodePhase.SUCCEEDED, 4, is_parent=True)
    below = [node("n0-0-a", NodePhase.SUCCEEDED, 3)]
    assert [event.node_id for event in look(log, nodes, top=[parent], n0=below)] == ["n0-0-a", "n0"]
    assert nodes.levels() == [""]
    assert look(log, nodes, top=[parent], n0=below) == []


def test_the_last_list_of_a_level_is_a_whole_one() -> None:
    log, nodes = PhaseLog(NAME, Position()), NodeLog(NAME, Position())
    look(log, nodes, top=[node("n0", NodePhase.RUNNING, 1, is_parent=True)], n0=[node("a", NodePhase.RUNNING, 500)])
    assert nodes.request("n0").filters
    nodes.absorb("", [node("n0", NodePhase.SUCCEEDED, 600, is_parent=True)])
    assert nodes.request("n0").filters == ""


# Going on ...


@pytest.mark.parametrize("as_text", [False, True], ids=["event", "id"])
@pytest.mark.parametrize("cut", range(8))
def test_going_on_after_an_event_repeats_nothing_and_loses_nothing(cut: int, as_text: bool) -> None:
    states = [
        execution(Phase.UNDEFINED, created_at=at(0)),
        execution(Phase.RUNNING, created_at=at(0), started_at=at(1), updated_at=at(1)),
        execution(Phase.SUCCEEDED, created_at=at(0), started_at=at(1), updated_at=at(4)),
    ]
    top = [
        [],
        [node("n0", NodePhase.RUNNING, 2, is_parent=True), node("n1", NodePhase.RUNNING, 2)],
        [node("n0", NodePhase.SUCCEEDED, 3, is_parent=True), node("n1", NodePhase.SUCCEEDED, 3)],
    ]
    everything = tell(Position(), states, top)
    seen, rest = everything[: cut + 1], everything[cut + 1 :]
    since = Position.of(seen[-1].id if as_text else seen[-1])
    shown = [place(event) for event in tell(since, states[-1:], top[-1:])]
    missing = [place(event) for event in rest if event.is_terminal or place(event) in shown]
    assert shown == missing, "each that has not ended yet is told as it is now"


def tell(since: Position, states: list[admin.Execution], top: list[list[admin.NodeExecution]]) -> list[Event]:
    log, nodes = PhaseLog(NAME, since), NodeLog(NAME, since)
    events: list[Event] = []
    for state, level in zip(states, top, strict=True):
        if not log.ended:
            events += log.missed(state)
            events += look(log, nodes, top=level)
            events += log.events(state)
    return events


def place(event: Event) -> tuple[str, str | None]:
    return event.node_id if isinstance(event, NodeEvent) else "", event.phase.name


def test_going_on_after_a_point_in_time_tells_what_came_later() -> None:
    log, nodes = PhaseLog(NAME, Position.of(at(2))), NodeLog(NAME, Position.of(at(2)))
    assert log.events(execution(Phase.RUNNING, started_at=at(1), updated_at=at(1))) == []
    top = [node("n0", NodePhase.SUCCEEDED, 2), node("n1", NodePhase.RUNNING, 2.5)]
    assert changes(look(log, nodes, top=top)) == [("n1", NodePhase.RUNNING, None)]
    assert phases(log.events(execution(Phase.SUCCEEDED, updated_at=at(3)))) == [(Phase.SUCCEEDED, Phase.RUNNING, at(3))]


def test_parents_that_had_ended_long_before_are_not_listed_again() -> None:
    log, nodes = PhaseLog(NAME, Position.of(at(1000))), NodeLog(NAME, Position.of(at(1000)))
    old = node("n0", NodePhase.SUCCEEDED, 10, is_parent=True)
    open_still = node("n1", NodePhase.RUNNING, 10, is_parent=True)
    below = [node("n1-0-a", NodePhase.RUNNING, 1001)]
    assert nodes.absorb("", [old, open_still]) == ["n1"]
    assert changes(look(log, nodes, top=[old, open_still], n1=below)) == [("n1-0-a", NodePhase.RUNNING, None)]


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.one_of(st.none(), st.sampled_from(list(Phase))),
    st.from_regex(r"[a-z0-9-]{0,20}", fullmatch=True),
)
def test_a_position_survives_as_text(when: datetime, phase: Phase | None, name: str) -> None:
    position = Position(when, name, phase)
    read = Position.of(str(position))
    assert (read.at, read.node, read.phase) == (when, name, phase)


@pytest.mark.parametrize("since", ["", "soon", "2024-05-01T12:00:00Z", "a/b/c", "2024-05-01T12:00:00/2/", "//x//", 5])
def test_what_is_no_place_in_the_events_is_refused(since: Any) -> None:
    with pytest.raises(FlyteInvalidInputException, match="since"):
        Position.of(since)


def test_a_time_without_a_time_zone_is_refused() -> None:
    with pytest.raises(FlyteInvalidInputException, match="time zone"):
        Position.of(datetime(2024, 5, 1))
