"""Where the inputs of `execute_many` are read: in the thread that waits for outcomes, and never in the shared loop."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from typing_extensions import override

from flyteasync.errors import FlyteInvalidInputException, FlyteNotLaunched, FlyteUsageError
from flyteasync.server.host import Host
from flyteasync.sync import FlyteRemote
from tests.sync.conftest import calls, ctrl_c_when, stats

SETTINGS: dict[str, Any] = {"max_launch_rate": None, "poll_interval": 0}


def test_the_rows_of_a_database_cursor_are_inputs(remote: FlyteRemote) -> None:
    database = sqlite3.connect(":memory:")
    database.executescript("create table work (n integer); insert into work values (0), (1), (2)")
    rows = database.execute("select n from work")
    plan = remote.fetch_launch_plan(name="demo.report")
    with remote.execute_many(plan, ({"n": n, "name": "x"} for (n,) in rows), **SETTINGS) as runs:
        found = {run.index: run.execution.outputs["roots"] for run in runs if run.execution}
    database.close()
    assert found == {0: [], 1: [0], 2: [0, 1]}


def test_inputs_may_be_made_with_blocking_calls(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="demo.report")

    def inputs() -> Iterator[dict[str, Any]]:
        for n in range(2):
            yield {"n": n, "name": remote.fetch_task(name="nothing").id.name}

    with remote.execute_many(plan, inputs(), **SETTINGS) as runs:
        assert {run.execution.inputs["name"] for run in runs if run.execution} == {"nothing"}


@pytest.mark.parametrize("kind", ["generator", "list", "sequence"])
def test_iterables_and_functions_of_names_run_in_the_callers_thread(remote: FlyteRemote, kind: str) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    seen: set[int] = set()

    class Lazy(Sequence[dict[str, Any]]):
        @override
        def __len__(self) -> int:
            return 5

        @override
        def __getitem__(self, index: Any) -> Any:
            seen.add(threading.get_ident())
            return ([{}] * 5)[index]

    def generate() -> Iterator[dict[str, Any]]:
        for _ in range(5):
            seen.add(threading.get_ident())
            yield {}

    numbers = iter(range(5))

    def name(_given: object) -> str:
        seen.add(threading.get_ident())
        return f"callers-{kind}-{next(numbers)}"

    inputs = {"generator": generate(), "list": [{}] * 5, "sequence": Lazy()}[kind]
    with remote.execute_many(plan, inputs, names=name, **SETTINGS) as runs:
        assert sorted((run.index, run.name) for run in runs) == [(n, f"callers-{kind}-{n}") for n in range(5)]
    assert seen == {threading.get_ident()}


def test_names_of_generated_inputs_are_looked_up_together(remote: FlyteRemote, host: Host) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    stats(host, reset=True)
    with remote.execute_many(
        plan, ({} for _ in range(30)), names=[f"together-{n}" for n in range(30)], **SETTINGS
    ) as runs:
        assert all(run.is_successful for run in runs)
    assert calls(host)["ListExecutions"] < 30  # of which the poller's are the most


def test_inputs_that_block_hold_up_nobody_else(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    waiting, go_on = threading.Event(), threading.Event()

    def inputs() -> Iterator[dict[str, Any]]:
        waiting.set()
        assert go_on.wait(10)
        yield {}

    def run() -> int:
        with remote.execute_many(plan, inputs(), **SETTINGS) as runs:
            return len(list(runs))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        assert waiting.wait(10)
        assert remote.ping().version
        assert remote.execute(plan, wait=True).is_successful
        go_on.set()
        assert running.result(10) == 1


def test_ctrl_c_ends_inputs_that_block(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    waiting, given = threading.Event(), queue.SimpleQueue[dict[str, Any]]()

    def inputs() -> Iterator[dict[str, Any]]:
        while True:
            waiting.set()
            yield given.get()

    with (
        ctrl_c_when(waiting.is_set),
        pytest.raises(KeyboardInterrupt),
        remote.execute_many(plan, inputs(), **SETTINGS) as runs,
    ):
        list(runs)
    assert remote.ping().version


def test_inputs_whose_reading_was_interrupted_do_not_look_complete(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")

    def inputs() -> Iterator[dict[str, Any]]:
        yield {}
        raise KeyboardInterrupt

    indexes: list[int] = []
    with remote.execute_many(plan, inputs(), **SETTINGS) as runs:
        with pytest.raises(KeyboardInterrupt):
            indexes.extend(run.index for run in runs)
        with pytest.raises(FlyteUsageError, match="interrupted"):
            indexes.extend(run.index for run in runs)
    assert indexes == [0]


def test_what_reading_raises_comes_after_everything_before_it(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")

    def inputs() -> Iterator[dict[str, Any]]:
        yield from [{}, {}]
        raise ZeroDivisionError

    outcomes: list[int] = []
    with pytest.raises(ZeroDivisionError), remote.execute_many(plan, inputs(), **SETTINGS) as runs:
        outcomes.extend(run.index for run in runs if run.is_successful)
    assert sorted(outcomes) == [0, 1]


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_what_naming_an_input_raises_is_its_outcome_and_the_others_go_on(remote: FlyteRemote, kind: str) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    numbers = iter(range(3))

    def name(_given: object) -> str:
        number = next(numbers)
        if number == 1:
            raise ZeroDivisionError
        return f"naming-{kind}-{number}"

    inputs: Any = [{}] * 3 if kind == "list" else iter([{}] * 3)
    with remote.execute_many(plan, inputs, names=name, **SETTINGS) as runs:
        outcomes = {run.index: run.error for run in runs}
    assert outcomes[0] is outcomes[2] is None
    assert isinstance(outcomes[1], FlyteInvalidInputException)
    assert isinstance(outcomes[1].__cause__, ZeroDivisionError)


def test_a_name_that_is_not_one_is_the_outcome_of_its_input(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    given = ({"n": name} for name in ("Not_A_Name", "a-name-of-its-own"))
    with remote.execute_many(plan, given, names=lambda one: one["n"], **SETTINGS) as runs:
        errors = {run.index: str(run.error) for run in runs}
    assert "Not_A_Name" in errors[0]
    assert "no variable of that name" in errors[1]


def test_no_more_inputs_are_read_than_there_is_room_for(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    read: list[int] = []

    def inputs() -> Iterator[dict[str, Any]]:
        for n in range(20):
            read.append(n)
            yield {}

    with remote.execute_many(plan, inputs(), max_running=2, **SETTINGS) as runs:
        for taken, _ in enumerate(runs, start=1):
            assert len(read) <= taken + 3
    assert len(read) == 20


def test_a_stopped_run_reads_no_further_and_accounts_for_a_sequence(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    for lazy in (True, False):
        given = iter([{}] * 50)
        inputs = given if lazy else [{}] * 50
        with remote.execute_many(plan, inputs, max_running=1, names=_numbered(f"stopped-{lazy}"), **SETTINGS) as runs:
            next(runs)
            runs.stop()
            rest = list(runs)
        assert rest
        assert [run.error for run in rest if not isinstance(run.error, FlyteNotLaunched)] in ([], [None])
        if not lazy:
            assert len(rest) == 49
            assert {run.name for run in rest} == {f"stopped-false-{n}" for n in range(1, 50)}


def _numbered(prefix: str) -> Any:
    numbers = iter(range(1000))
    return lambda _given: f"{prefix.lower()}-{next(numbers)}"


def test_outcomes_may_be_taken_by_another_thread_than_that_of_the_block(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    with (
        remote.execute_many(plan, ({} for _ in range(5)), **SETTINGS) as runs,
        ThreadPoolExecutor(3) as pool,
    ):
        assert sum(pool.map(lambda _: len(list(runs)), range(3))) == 5


def test_inputs_that_are_none_are_refused_at_once(remote: FlyteRemote) -> None:
    plan = remote.fetch_launch_plan(name="nothing")
    for inputs in ({"n": 1}, "text", 5, None):
        with pytest.raises(TypeError, match="iterable of mappings"):
            remote.execute_many(plan, inputs)  # type: ignore[arg-type]
    with pytest.raises(FlyteInvalidInputException, match="2 names for 1 inputs"):
        remote.execute_many(plan, [{}], names=["a-1", "a-2"])
