"""The watcher's decisions: whom to ask, and when."""

import math

from hypothesis import given
from hypothesis import strategies as st

from flyteasync.watcher.deadlines import Deadlines
from flyteasync.watcher.plan import (
    ABORTING_LIMIT,
    COALESCE,
    FLOOR,
    LAST_LOOK,
    LATEST,
    SOONEST,
    VERIFY,
    Name,
    Phase,
    Row,
    Schedule,
    Target,
    interval,
)

SECONDS = st.floats(0, 1e6)
CEILINGS = st.floats(FLOOR, LATEST)


def name(index: int, domain: str = "d") -> Name:
    return Name("p", domain, f"e{index}")


def join(
    schedule: Schedule,
    index: int,
    now: float,
    ceiling: float = LATEST,
    deadline: float = math.inf,
    *,
    known: bool = True,
    whole: bool = False,
) -> Row:
    row = Row(schedule.target(name(index), now, known=known), now, ceiling, deadline, whole)
    schedule.join(row)
    return row


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


def test_a_new_target_is_due_at_once_and_then_after_its_interval() -> None:
    schedule = Schedule()
    target = join(schedule, 1, 100.0, 1.0).target
    assert schedule.next_due() == 100.0
    assert schedule.take_due(100.0) == [target]
    assert schedule.next_due() == math.inf
    schedule.again([target], 100.1)
    assert schedule.next_due() == 100.1 + SOONEST


def test_whoever_joins_has_a_look_of_his_own_and_the_pace_of_a_new_wait() -> None:
    schedule = Schedule()
    target = join(schedule, 1, 0.0, known=False).target
    schedule.take_due(0.0)
    schedule.again([target], 1000.0)
    assert schedule.next_due() == 1000.0 + LATEST
    join(schedule, 1, 1001.0, known=True)
    assert schedule.next_due() == 1001.0 + FLOOR
    assert target.known
    assert schedule.take_due(1002.0) == [target]
    schedule.again([target], 1002.0)
    assert schedule.next_due() == 1002.0 + SOONEST


def test_whoever_leaves_takes_his_pace_along() -> None:
    schedule = Schedule()
    target = join(schedule, 1, 0.0).target
    new = join(schedule, 1, 1000.0)
    schedule.take_due(1000.0)
    schedule.leave(new)
    schedule.again([target], 1000.0)
    assert schedule.next_due() == 1000.0 + LATEST


def test_whoever_has_no_time_joins_for_a_look_at_once() -> None:
    schedule = Schedule()
    target = join(schedule, 1, 0.0).target
    schedule.take_due(0.0)
    schedule.again([target], 1000.0)
    join(schedule, 1, 1001.0, deadline=1001.1)
    assert schedule.take_due(1001.0) == [target]
    assert target.lane(1001.0).kind == "whole"


def test_whoever_joins_while_it_is_asked_for_waits_for_that_answer() -> None:
    schedule = Schedule()
    target = join(schedule, 1, 0.0).target
    schedule.take_due(0.0)
    join(schedule, 1, 0.1)
    assert schedule.next_due() == math.inf
    schedule.again([target], 0.2)
    assert schedule.next_due() == 0.2 + SOONEST


def test_a_less_eager_waiter_who_is_left_sets_the_rate_after_the_next_time() -> None:
    schedule = Schedule()
    eager = join(schedule, 1, 0.0, 1.0)
    join(schedule, 1, 0.0)
    target = eager.target
    schedule.take_due(0.0)
    schedule.again([target], 1000.0)
    schedule.leave(eager)
    assert schedule.next_due() == 1001.0
    assert schedule.take_due(1001.0) == [target]
    schedule.again([target], 1001.0)
    assert schedule.next_due() == 1001.0 + LATEST


def test_a_target_that_nobody_waits_for_is_not_asked_again_even_if_it_was_being_asked() -> None:
    schedule = Schedule()
    row = join(schedule, 1, 0.0, 1.0)
    schedule.take_due(0.0)
    schedule.leave(row)
    schedule.again([row.target], 0.0)
    assert schedule.next_due() == math.inf
    assert join(schedule, 1, 5.0).target is not row.target
    assert schedule.next_due() == 5.0


def test_peeking_changes_nothing() -> None:
    """Other threads do it, whenever they ask for metrics."""
    schedule = Schedule()
    assert schedule.peek() == math.inf
    gone, row = join(schedule, 1, 1.0), join(schedule, 2, 2.0)
    schedule.leave(gone)
    assert [schedule.peek(), schedule.peek()] == [1.0, 1.0]
    assert schedule.next_due() == schedule.peek() == 2.0
    assert schedule.take_due(2.0) == [row.target]


def test_targets_that_are_due_soon_share_the_question() -> None:
    schedule = Schedule()
    for index in range(3):
        join(schedule, index, 0.0, 1.0)
    one, two, three = schedule.take_due(0.0)
    for target, now in ((one, 100.0), (two, 100.2), (three, 100.6)):
        schedule.again([target], now)
    assert schedule.take_due(100.9) == []
    assert schedule.take_due(101.0) == [one, two]
    assert schedule.take_due(101.6) == [three]


def test_a_last_look_comes_before_the_deadline_however_long_the_interval() -> None:
    schedule = Schedule()
    target = join(schedule, 1, 0.0, deadline=1010.0).target
    schedule.take_due(0.0)
    target.saw(Phase.RUNNING, 1000.0)
    schedule.again([target], 1000.0)
    assert schedule.next_due() == 1010.0 - LAST_LOOK
    assert target.lane(1000.0).kind == "ended"
    assert target.lane(1010.0 - LAST_LOOK).kind == "whole"


def test_the_deadline_of_a_later_waiter_brings_the_last_look_forward() -> None:
    schedule = Schedule()
    target = join(schedule, 1, 0.0).target
    schedule.take_due(0.0)
    schedule.again([target], 1000.0)
    join(schedule, 1, 1001.0, deadline=1501.0)
    schedule.take_due(1490.0)
    schedule.again([target], 1490.0)
    assert schedule.next_due() == 1501.0 - LAST_LOOK


WAITS = st.tuples(st.floats(0, 1000), CEILINGS, st.one_of(st.just(math.inf), st.floats(0, 100)))


@given(st.lists(WAITS, min_size=1, max_size=40), st.floats(0.5, 2))
def test_in_turns_nobody_is_asked_late_nor_much_too_early(
    waits: list[tuple[float, float, float]], factor: float
) -> None:
    """However different their intervals are."""
    schedule, now = Schedule(), 1000.0
    rows = [
        join(schedule, index, now - age, ceiling, now + patience)
        for index, (age, ceiling, patience) in enumerate(waits)
    ]
    schedule.take_due(now)
    schedule.again([row.target for row in rows], now, factor)
    asked: dict[Name, float] = {}
    while (at := schedule.next_due()) < math.inf:
        asked.update((target.name, at) for target in schedule.take_due(at))
    for row in rows:
        pause = factor * interval(now - row.since, row.ceiling)
        last_look = row.deadline - LAST_LOOK - now
        pause = min(pause, last_look) if last_look > 0 else pause
        assert (1 - COALESCE) * pause - 1e-9 <= asked[row.target.name] - now <= pause + 1e-9


def test_targets_of_one_answer_that_want_the_same_take_one_turn() -> None:
    schedule = Schedule()
    everybody = [join(schedule, index, 0.0, 1.0).target for index in range(100)]
    schedule.take_due(0.0)
    schedule.again(everybody, 50.0)
    schedule.leave(everybody[0].rows[0])
    join(schedule, 1, 50.0, 0.5)
    assert schedule.next_due() == 50.0 + FLOOR
    assert schedule.take_due(50.2) == [everybody[1]]
    assert schedule.next_due() == 51.0
    assert schedule.take_due(51.0) == everybody[2:]


def test_names_are_asked_for_in_whatever_phase_if_unknown_or_watched_or_not_seen_for_long() -> None:
    schedule = Schedule()
    assert join(schedule, 1, 0.0, known=False).target.lane(0.0).kind == "whole"
    assert join(schedule, 2, 0.0, whole=True).target.lane(0.0).kind == "whole"
    target = join(schedule, 3, 0.0).target
    assert target.lane(VERIFY - 1).kind == "ended"
    assert target.lane(VERIFY).kind == "whole"
    target.saw(Phase.RUNNING, VERIFY)
    assert target.lane(2 * VERIFY - 1).kind == "ended"


def test_aborting_for_too_long_is_told_once() -> None:
    target = Target(name(1), 0.0, known=True, due=0.0, looked=0.0)
    assert not target.saw(Phase.ABORTING, 5.0)
    assert not target.saw(Phase.ABORTING, 4.0 + ABORTING_LIMIT)
    assert target.saw(Phase.ABORTING, 5.0 + ABORTING_LIMIT)
    assert not target.saw(Phase.ABORTING, 9 * ABORTING_LIMIT)


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 10), st.floats(FLOOR, 5)), max_size=80))
def test_nobody_is_forgotten_or_asked_much_too_late(steps: list[tuple[int, float, float]]) -> None:
    """Whatever the order of arrivals and polls, each target is due within its interval of the last poll."""
    schedule, now = Schedule(), 0.0
    for index, passed, ceiling in steps:
        now += passed
        for target in schedule.take_due(now):
            schedule.again([target], now)
        join(schedule, index, now, ceiling)
        for target in schedule.targets.values():
            assert target.due <= now + max(FLOOR, interval(now - target.since, target.ceiling))


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=100), st.floats(0, 100))
def test_every_deadline_comes_but_those_of_waits_that_ended_before(waits: list[tuple[float, bool]], now: float) -> None:
    deadlines, schedule = Deadlines(), Schedule()
    rows = [join(schedule, index, 0.0, deadline=at) for index, (at, _) in enumerate(waits)]
    for row in rows:
        deadlines.add(row)
    for row, (_, ended) in zip(rows, waits, strict=True):
        if ended:
            schedule.leave(row)
            deadlines.left(row)
    waiting = sorted(at for at, ended in waits if not ended)
    assert deadlines.next() == min(waiting, default=math.inf)
    assert [row.deadline for row in deadlines.take(now)] == [at for at in waiting if at <= now]
    assert deadlines.next() == min((at for at in waiting if at > now), default=math.inf)


def test_deadlines_of_waits_that_have_ended_take_no_memory() -> None:
    deadlines, schedule = Deadlines(), Schedule()
    for index in range(10_000):
        row = join(schedule, index, 0.0, deadline=1e9 + index)
        deadlines.add(row)
        schedule.leave(row)
        deadlines.left(row)
    assert len(deadlines) < 10
