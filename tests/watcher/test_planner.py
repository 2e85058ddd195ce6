"""Which questions the poller asks, as the planner decides it: in chunks, in turns, and in bounds."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyteasync.watcher.line import POLLS_IN_FLIGHT, POLLS_IN_FLIGHT_EACH, SINGLY, Lane, Line, Poll
from flyteasync.watcher.plan import (
    AGES_PER_INTERVAL,
    CHUNK,
    COALESCE,
    FLOOR,
    LARGEST_CHUNK,
    LAST_LOOK,
    LATEST,
    POLL_PACE,
    SOONEST,
    Name,
    Phase,
    Row,
    Target,
    interval,
)
from flyteasync.watcher.planner import DISTRUST, Planner

ROUND = 64 * POLL_PACE
"""Seconds that it may take until everybody who is due was asked for, in the populations of these tests."""


def target(index: int, project: str = "p", *, known: bool = True) -> Target:
    made = Target(Name(project, "d", f"e{index}"), 0.0, known, 0.0, 0.0)
    made.serial = 1
    return made


def targets(count: int, project: str = "p", *, known: bool = True) -> list[Target]:
    return [target(index, project, known=known) for index in range(count)]


def line_of(*everybody: list[Target]) -> Line:
    line = Line()
    for some in everybody:
        line.add(some, 0.0)
    return line


def all_of(line: Line, chunk: int = CHUNK) -> list[Poll]:
    """All questions, each answered at once."""
    polls: list[Poll] = []
    while (poll := line.take(chunk)) is not None:
        line.answered(poll)
        polls.append(poll)
    return polls


# Questions ...


def test_known_names_are_asked_for_their_end_only_and_archived_ones_are_not_hidden() -> None:
    (poll,) = all_of(line_of(targets(5)))
    request = poll.request()
    assert request.filters == (
        "value_in(execution_name,e0;e1;e2;e3;e4)+value_in(state,0;1)+value_in(phase,ABORTED;FAILED;SUCCEEDED;TIMED_OUT)"
    )
    assert request.limit == 6
    assert request.id is not None
    assert (request.id.project, request.id.domain, request.id.name) == ("p", "d", "")


def test_unknown_names_are_asked_for_in_every_phase() -> None:
    (poll,) = all_of(line_of(targets(5, known=False)))
    assert "phase" not in poll.request().filters


def test_few_names_are_asked_for_singly() -> None:
    assert [poll.singly for poll in all_of(line_of(targets(SINGLY)))] == [True] * SINGLY
    assert [poll.singly for poll in all_of(line_of(targets(SINGLY + 1)))] == [False]
    assert [len(poll.targets) for poll in all_of(line_of(targets(2 * CHUNK + 1)))] == [CHUNK, CHUNK, 1]


def test_a_name_that_cannot_stand_in_a_filter_is_asked_for_singly() -> None:
    planner, now = Planner(), 0.0
    for name in ("a", "b", "c;d", "e", "f", "g)+value_in(state,1", "h"):
        _wait(planner, Name("p", "d", name), 0.0)
    chunks: list[list[str]] = []
    singly: list[str] = []
    while isinstance(step := planner.step(now), Poll):
        if step.singly:
            singly.append(step.targets[0].name.name)
        else:
            chunks.append([one.name.name for one in step.targets])
        now += POLL_PACE
    assert chunks == [["a", "b", "e", "f", "h"]]
    assert sorted(singly) == ["c;d", "g)+value_in(state,1"]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.booleans()), max_size=60), st.integers(1, 10))
def test_everybody_is_asked_for_once_in_chunks_of_one_kind(kinds: list[tuple[str, bool]], chunk: int) -> None:
    everybody = [target(index, project, known=known) for index, (project, known) in enumerate(kinds)]
    polls = all_of(line_of(everybody), chunk)
    assert sorted(id(one) for poll in polls for one in poll.targets) == sorted(map(id, everybody))
    for poll in polls:
        assert 1 <= len(poll.targets) <= chunk
        assert len({(one.name.project, one.known) for one in poll.targets}) == 1


def test_those_that_nobody_waits_for_any_more_are_not_asked_for() -> None:
    everybody = targets(10)
    for one in everybody[:5]:
        one.serial = 0
    assert [set(poll.targets) for poll in all_of(line_of(everybody))] == [set(everybody[5:])]


# Turns ...


def test_projects_take_turns() -> None:
    line = line_of(targets(5 * CHUNK, "large"), targets(10, "small"))
    assert [poll.lane.project for poll in all_of(line)] == ["large", "small", "large", "large", "large", "large"]


def test_a_project_that_does_not_answer_takes_its_own_places_only() -> None:
    line = line_of(targets(20 * CHUNK, "hangs"), targets(3 * CHUNK, "works"))
    lanes = Counter[str]()
    while (poll := line.take(CHUNK)) is not None:
        lanes[poll.lane.project] += 1
    assert lanes == {"hangs": POLLS_IN_FLIGHT_EACH, "works": 3}


def test_no_more_questions_are_under_way_than_there_are_places() -> None:
    line = line_of(*(targets(SINGLY + 1, f"p{number}") for number in range(2 * POLLS_IN_FLIGHT)))
    polls: list[Poll] = []
    while (poll := line.take(CHUNK)) is not None:
        polls.append(poll)
    assert len(polls) == POLLS_IN_FLIGHT
    line.answered(polls[0])
    assert line.take(CHUNK) is not None


def test_those_who_are_missing_do_not_hold_up_the_others_of_their_project() -> None:
    line = Line()
    line.confirm(targets(100, known=False))
    line.add(targets(CHUNK), 0.0)
    kinds = [poll.lane.kind for poll in all_of(line)]
    assert kinds[:3] == ["alone", "ended", "alone"]
    assert kinds.count("alone") == 100


# Answers ...


def _wait(
    planner: Planner, name: Name, now: float, ceiling: float = 1.0, deadline: float = math.inf, *, known: bool = True
) -> Row:
    row = Row(planner.schedule.target(name, now, known=known), now, ceiling, deadline)
    planner.schedule.join(row)
    return row


def _poll(planner: Planner, now: float) -> Poll:
    step = planner.step(now)
    assert isinstance(step, Poll)
    return step


def test_a_name_missing_from_a_whole_answer_is_asked_for_alone() -> None:
    planner = Planner()
    rows = [_wait(planner, Name("p", "d", f"e{index}"), 0.0, known=False) for index in range(5)]
    poll = _poll(planner, 0.0)
    planner.answered(poll, {row.target.name for row in rows[1:]}, 0.0)
    confirming = _poll(planner, POLL_PACE)
    assert (confirming.targets, confirming.lane.kind) == ((rows[0].target,), "alone")


def test_a_name_missing_among_the_finished_ones_is_just_not_finished() -> None:
    planner = Planner()
    for index in range(5):
        _wait(planner, Name("p", "d", f"e{index}"), 0.0)
    planner.answered(_poll(planner, 0.0), (), 0.0)
    assert planner.step(POLL_PACE) == pytest.approx(0.2)
    assert len(_poll(planner, 0.2).targets) == 5


def test_chunks_grow_with_full_answers_and_of_many_each_is_asked_for_less_often() -> None:
    planner, now = Planner(), 0.0
    for index in range(10_000):
        _wait(planner, Name("p", "d", f"e{index}"), 0.0)
    sizes: list[int] = []
    while isinstance(step := planner.step(now), Poll):
        sizes.append(len(step.targets))
        planner.answered(step, (), now)
        now += POLL_PACE
    assert sizes[0] == CHUNK
    assert max(sizes) == LARGEST_CHUNK
    assert sum(sizes) == 10_000
    assert step == pytest.approx(1.0)


def test_chunks_whose_answers_tell_of_each_do_not_grow() -> None:
    line = line_of(targets(2 * LARGEST_CHUNK, known=False))
    assert {len(poll.targets) for poll in all_of(line, LARGEST_CHUNK)} == {CHUNK}


def test_a_question_with_too_large_an_answer_is_asked_in_halves_until_each_is_alone() -> None:
    planner, now = Planner(), 0.0
    rows = [_wait(planner, Name("p", "d", f"e{index}"), 0.0) for index in range(100)]
    sizes: list[int] = []
    while planner.line or now == 0.0:
        poll = _poll(planner, now)
        sizes.append(len(poll.targets))
        if rows[70].target in poll.targets and not poll.singly:
            planner.too_large(poll, now)
        else:
            planner.answered(poll, {one.name for one in poll.targets}, now + 1e6)
        now += POLL_PACE
    assert sizes[:2] == [100, 50]
    assert sizes.count(1) >= 1
    assert len(sizes) < 30


def test_after_a_while_names_are_asked_for_in_large_chunks_again() -> None:
    planner, now = Planner(), 0.0
    for index in range(CHUNK):
        _wait(planner, Name("p", "d", f"e{index}"), 0.0)
    planner.too_large(_poll(planner, now), now)
    sizes: list[tuple[float, int]] = []
    while now < 4 * DISTRUST:
        step = planner.step(now)
        if isinstance(step, Poll):
            sizes.append((now, len(step.targets)))
            planner.answered(step, {one.name for one in step.targets}, now)
        now += POLL_PACE
    assert {size for at, size in sizes if at < DISTRUST} == {CHUNK // 2}
    assert sizes[-1][1] == CHUNK
    assert not planner.line.shares


# All of it, against a server that fails and hangs ...


@dataclass(frozen=True)
class Person:
    """Somebody who waits, and what becomes of it."""

    project: int
    known: bool
    exists: bool
    begins: float
    ceiling: float
    patience: float
    ends: float


PEOPLE = st.builds(
    Person,
    project=st.integers(0, 2),
    known=st.booleans(),
    exists=st.integers(0, 5).map(bool),
    begins=st.sampled_from([0.0, 0.1, 5.0]),
    ceiling=st.one_of(st.floats(FLOOR, 3), st.just(LATEST)),
    patience=st.sampled_from([math.inf, 0.3, 4.0, 40.0, 66.0, 71.5]),
    ends=st.one_of(st.floats(0, 60), st.just(math.inf)),
)

HORIZON = 80.0
ANSWERS = st.sampled_from([0.01, 0.05, 0.3, -0.05, -10.0])
"""Seconds until a question is answered; if negative, until it fails."""


@dataclass
class World:
    """The loop of the poller on a simulated clock."""

    people: list[Person]
    answers: list[float]
    slow_project: str
    planner: Planner = field(default_factory=Planner)
    now: float = 0.0
    polls: list[tuple[float, Poll]] = field(default_factory=list[tuple[float, Poll]])
    seen: dict[int, float] = field(default_factory=dict[int, float])
    given_up: dict[int, float] = field(default_factory=dict[int, float])
    missed: set[int] = field(default_factory=set[int])
    asked_at: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    _rows: dict[int, Row] = field(default_factory=dict[int, Row])
    _pending: list[tuple[float, int, str, int]] = field(default_factory=list[tuple[float, int, str, int]])
    _under_way: dict[int, tuple[Poll, bool]] = field(default_factory=dict[int, tuple[Poll, bool]])

    def name(self, index: int) -> Name:
        return Name(f"p{self.people[index].project}", "d", f"e{index}")

    def later(self, at: float, kind: str, index: int) -> None:
        heapq.heappush(self._pending, (at, len(self.polls), kind, index))

    def run(self) -> None:
        for index, person in enumerate(self.people):
            self.later(person.begins, "begin", index)
            if person.patience != math.inf:
                self.later(person.begins + person.patience, "give up", index)
        for _ in range(200_000):
            step = self.planner.step(self.now)
            if isinstance(step, Poll):
                self.ask(step)
                continue
            at = min(step, self._pending[0][0] if self._pending else math.inf)
            if at > HORIZON:
                return
            self.now = max(self.now, at)
            while self._pending and self._pending[0][0] <= self.now:
                _, _, kind, index = heapq.heappop(self._pending)
                self.happen(kind, index)
        pytest.fail("the poller does not come to rest")

    def ask(self, poll: Poll) -> None:
        number = len(self.polls)
        self.polls.append((self.now, poll))
        for one in poll.targets:
            self.asked_at.setdefault(self.index(one), []).append(self.now)
        takes = 0.01
        if poll.lane.project == self.slow_project and self.answers:
            takes = self.answers[number % len(self.answers)]
        self._under_way[number] = poll, takes > 0
        self.later(self.now + abs(takes), "answer", number)

    def index(self, one: Target) -> int:
        return int(one.name.name[1:])

    def happen(self, kind: str, index: int) -> None:
        if kind == "begin":
            person = self.people[index]
            self._rows[index] = _wait(
                self.planner,
                self.name(index),
                self.now,
                person.ceiling,
                self.now + person.patience,
                known=person.known and person.exists,
            )
        elif kind == "give up":
            if not self._rows[index].left:
                self.given_up[index] = self.now
                self.planner.schedule.leave(self._rows[index])
        else:
            self.answer(*self._under_way.pop(index))

    def answer(self, poll: Poll, answered: bool) -> None:
        if not answered:
            self.planner.failed(poll, self.now)
            return
        found: set[Name] = set()
        for one in poll.targets:
            person = self.people[self.index(one)]
            ended = person.ends <= self.now
            if not person.exists:
                if poll.singly and one.serial:
                    self.missed.add(self.index(one))
                    self.planner.schedule.remove(one)
            elif ended or poll.whole:
                found.add(one.name)
                one.saw(Phase.SUCCEEDED if ended else Phase.RUNNING, self.now)
                if ended and one.serial:
                    self.seen.setdefault(self.index(one), self.now)
                    self.planner.schedule.remove(one)
        self.planner.answered(poll, found, self.now)


@settings(max_examples=60)
@given(st.lists(PEOPLE, min_size=12, max_size=40), st.lists(ANSWERS, max_size=8))
def test_whatever_the_server_does_nobody_starves_and_the_bounds_hold(
    people: list[Person], answers: list[float]
) -> None:
    world = World(people, answers, "p0")
    world.run()
    _bounds_hold(world)
    for index, person in enumerate(people):
        asked = world.asked_at.get(index, [])
        healthy = person.project != 0 or not answers
        if healthy:
            _is_served(world, index, person, asked)
        over = min(world.seen.get(index, math.inf), world.given_up.get(index, math.inf))
        assert not [at for at in asked if at > over], "asked for again after the end"


def _bounds_hold(world: World) -> None:
    times = [at for at, _ in world.polls]
    assert all(later - sooner >= POLL_PACE - 1e-9 for sooner, later in pairwise(times))
    assert all(len(poll.targets) <= CHUNK for _, poll in world.polls)


def _is_served(world: World, index: int, person: Person, asked: list[float]) -> None:
    """An execution of a project whose server works is asked for on time, however badly another one does."""
    until = person.begins + person.patience
    if not asked:
        assert person.patience < ROUND, "never asked for"
        return
    assert asked[0] <= person.begins + ROUND
    if not person.exists:
        assert index in world.missed or until < person.begins + 2 * ROUND
        return
    ceiling = min(person.ceiling, max(SOONEST, HORIZON / AGES_PER_INTERVAL))
    noticed = max(person.ends, person.begins) + ceiling + ROUND
    if noticed < min(until, HORIZON):
        assert world.seen.get(index, math.inf) <= noticed
    if index in world.given_up and person.patience > LAST_LOOK + ROUND:
        assert max(asked) >= until - LAST_LOOK - COALESCE * ceiling - 0.05, "no last look before the deadline"
    assert all(later - sooner <= ceiling + ROUND for sooner, later in pairwise(asked))


class OneExecution(World):
    """Everybody waits for the same one."""

    def name(self, index: int) -> Name:
        return Name("p0", "d", "e0")


@given(
    joined=st.floats(0, 70),
    ceiling=st.one_of(st.floats(FLOOR, 3), st.just(LATEST)),
    patience=st.one_of(st.floats(0.02, 40), st.just(math.inf)),
    ends=st.one_of(st.floats(0, 79), st.just(math.inf)),
)
def test_whoever_joins_an_old_wait_is_served_as_if_he_had_come_first(
    joined: float, ceiling: float, patience: float, ends: float
) -> None:
    first = Person(0, True, True, 0.0, LATEST, math.inf, ends)
    joiner = Person(0, True, True, joined, ceiling, patience, ends)
    world = OneExecution([first, joiner], [], "")
    world.run()
    if ends < joined - LATEST:
        return  # it was seen to end before, and is asked for anew
    asked = [at for at in world.asked_at[0] if at >= joined]
    until = min(joined + patience, HORIZON)
    late = SOONEST + 4 * POLL_PACE  # it may be under way when he comes
    if patience > late and world.seen.get(0, math.inf) > joined + late:
        assert asked[0] <= joined + late
    noticed = max(ends, joined) + interval(max(ends, joined) - joined, ceiling) + late
    if noticed < until:
        assert world.seen[0] <= noticed * (1 + 1 / AGES_PER_INTERVAL)
    if 1 in world.given_up and patience > LAST_LOOK:
        assert max(at for at in asked if at <= until) >= until - LAST_LOOK - COALESCE * ceiling - late


def test_lanes_of_the_same_project_differ_by_how_they_are_asked() -> None:
    assert target(1).lane(0.0) == Lane("p", "d", "ended")
    assert target(1, known=False).lane(0.0) == Lane("p", "d", "whole")
