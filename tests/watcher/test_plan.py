"""The watcher's decisions: whom to ask, how, and when."""

import math

from hypothesis import given
from hypothesis import strategies as st

from flyteasync.watcher.plan import (
    CHUNK,
    FLOOR,
    LATEST,
    SINGLY,
    SOONEST,
    Name,
    Poll,
    Schedule,
    Target,
    interval,
    polls,
)

SECONDS = st.floats(0, 1e6)
CEILINGS = st.floats(FLOOR, LATEST)


def name(index: int, domain: str = "d") -> Name:
    return Name("p", domain, f"e{index}")


def targets(count: int, *, known: bool = True, domain: str = "d") -> list[Target]:
    return [Target(name(index, domain), 0.0, LATEST, known, 0.0) for index in range(count)]


@given(SECONDS, CEILINGS)
def test_interval_stays_between_floor_and_ceiling(age: float, ceiling: float) -> None:
    assert FLOOR <= interval(age, ceiling) <= max(FLOOR, ceiling)


@given(SECONDS, SECONDS, CEILINGS)
def test_interval_grows_with_age(one: float, other: float, ceiling: float) -> None:
    assert interval(min(one, other), ceiling) <= interval(max(one, other), ceiling)


def test_interval_of_a_young_wait_is_short_and_of_an_old_one_the_ceiling() -> None:
    assert interval(0, LATEST) == SOONEST
    assert interval(20, LATEST) == 1
    assert interval(1e5, LATEST) == LATEST
    assert interval(0, FLOOR) == FLOOR


def test_known_names_are_asked_for_their_end_only_and_archived_ones_are_not_hidden() -> None:
    request = Poll(tuple(targets(5))).request()
    assert request.filters == (
        "value_in(execution_name,e0;e1;e2;e3;e4)+value_in(state,0;1)+value_in(phase,ABORTED;FAILED;SUCCEEDED;TIMED_OUT)"
    )
    assert request.limit == 6
    assert request.id is not None
    assert (request.id.project, request.id.domain, request.id.name) == ("p", "d", "")


def test_unknown_names_are_asked_in_every_phase() -> None:
    assert "phase" not in Poll(tuple(targets(5, known=False))).request().filters


def test_few_names_are_asked_singly() -> None:
    assert [poll.singly for poll in polls(targets(SINGLY), CHUNK)] == [True] * SINGLY
    assert [poll.singly for poll in polls(targets(SINGLY + 1), CHUNK)] == [False]
    assert [len(poll.targets) for poll in polls(targets(2 * CHUNK + 1), CHUNK)] == [CHUNK, CHUNK, 1]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.booleans()), max_size=60),
    st.integers(1, 10),
)
def test_polls_ask_for_everybody_once_in_chunks_of_one_kind(kinds: list[tuple[str, bool]], chunk: int) -> None:
    everybody = [Target(name(i, domain), 0.0, 1.0, known, 0.0) for i, (domain, known) in enumerate(kinds)]
    made = polls(everybody, chunk)
    assert sorted(id(target) for poll in made for target in poll.targets) == sorted(map(id, everybody))
    for poll in made:
        assert 1 <= len(poll.targets) <= chunk
        assert len({(target.name.domain, target.known) for target in poll.targets}) == 1


def test_halves_make_the_whole() -> None:
    poll = Poll(tuple(targets(CHUNK + 1)))
    one, other = poll.halves()
    assert one.targets + other.targets == poll.targets
    assert abs(len(one.targets) - len(other.targets)) <= 1


def test_a_new_target_is_due_at_once_and_then_after_its_interval() -> None:
    schedule = Schedule()
    target = schedule.add(name(1), 100.0, 1.0, known=True)
    assert schedule.next_due() == 100.0
    assert schedule.take_due(100.0) == [target]
    assert schedule.next_due() == math.inf
    schedule.again(target, 100.1)
    assert schedule.next_due() == 100.1 + SOONEST


def test_a_more_eager_waiter_brings_a_target_forward() -> None:
    schedule = Schedule()
    target = schedule.add(name(1), 0.0, LATEST, known=True)
    schedule.take_due(0.0)
    schedule.again(target, 1000.0)
    assert schedule.next_due() == 1000.0 + LATEST
    schedule.add(name(1), 1001.0, 1.0, known=False)
    assert schedule.next_due() == 1002.0
    assert target.known


def test_a_less_eager_waiter_who_is_left_sets_the_rate_after_the_next_time() -> None:
    schedule = Schedule()
    target = schedule.add(name(1), 0.0, 1.0, known=True)
    schedule.take_due(0.0)
    schedule.again(target, 1000.0)
    schedule.relax(name(1), LATEST)
    assert schedule.next_due() == 1001.0
    assert schedule.take_due(1001.0) == [target]
    schedule.again(target, 1001.0)
    assert schedule.next_due() == 1001.0 + LATEST


def test_a_removed_target_is_not_asked_again_even_if_it_was_being_asked() -> None:
    schedule = Schedule()
    target = schedule.add(name(1), 0.0, 1.0, known=True)
    schedule.take_due(0.0)
    schedule.remove(name(1))
    schedule.again(target, 0.0)
    assert schedule.next_due() == math.inf
    assert schedule.add(name(1), 5.0, 1.0, known=True) is not target
    assert schedule.next_due() == 5.0


def test_targets_that_are_due_soon_share_the_question() -> None:
    schedule = Schedule()
    for index in range(3):
        schedule.add(name(index), 0.0, 1.0, known=True)
    one, two, three = schedule.take_due(0.0)
    for target, now in ((one, 100.0), (two, 100.2), (three, 100.6)):
        schedule.again(target, now)
    assert schedule.take_due(100.9) == []
    assert schedule.take_due(101.0) == [one, two]
    assert schedule.take_due(101.6) == [three]


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 10), st.floats(FLOOR, 5)), max_size=80))
def test_nobody_is_forgotten_or_asked_much_too_late(steps: list[tuple[int, float, float]]) -> None:
    """Whatever the order of arrivals and polls, each target is due within its interval of the last poll."""
    schedule, now = Schedule(), 0.0
    for index, passed, ceiling in steps:
        now += passed
        for target in schedule.take_due(now):
            assert target.due <= now + interval(now - target.since, target.ceiling)
            schedule.again(target, now)
        schedule.add(name(index), now, ceiling, known=True)
        for target in schedule.targets.values():
            assert target.due <= now + max(FLOOR, interval(now - target.since, target.ceiling))
