"""What the blocking facade says to those who hold it wrong: nothing about `await`, and what would be right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import flyteasync
from flyteasync import Config
from flyteasync.errors import FlyteAssertion, FlyteInvalidInputException, FlyteTypeException, FlyteUsageError
from flyteasync.sync import FlyteRemote, FlyteWorkflowExecution

WRONG: list[tuple[str, Callable[[FlyteRemote], Any], str]] = [
    ("a text", lambda _: "x", r"flyteasync\.sync\.FlyteWorkflowExecution is needed; got str$"),
    (
        "an execution of the async package",
        lambda remote: remote.aio.execution("x"),
        r"sync\.FlyteWorkflowExecution is needed; got flyteasync\.executions\.workflow\.FlyteWorkflowExecution$",
    ),
]


@pytest.mark.parametrize(("what", "make", "said"), WRONG, ids=[what for what, _, _ in WRONG])
@pytest.mark.parametrize("verb", ["sync", "wait", "terminate", "wait_all", "as_completed"])
def test_a_verb_says_which_kind_of_execution_it_takes(
    remote: FlyteRemote, verb: str, what: str, make: Callable[[FlyteRemote], Any], said: str
) -> None:
    given = make(remote)
    arguments = (
        ([given],) if verb in ("wait_all", "as_completed") else (given, "why")[: 2 if verb == "terminate" else 1]
    )
    with pytest.raises(FlyteTypeException, match=said):
        getattr(remote, verb)(*arguments)


def test_a_coroutine_is_recognised(remote: FlyteRemote) -> None:
    coroutine = remote.aio.fetch_execution(name="finished")
    for call in (remote.wait, remote.wait_all):
        with pytest.raises(FlyteTypeException, match=r"a coroutine \(.*fetch_execution\): was `await` forgotten\?"):
            call(coroutine)
    coroutine.close()


def test_one_execution_where_many_are_expected_is_said_to_be_one(remote: FlyteRemote) -> None:
    with pytest.raises(
        FlyteTypeException, match=r"must be an iterable of flyteasync\.sync\.FlyteWorkflowExecution; got"
    ):
        remote.wait_all(remote.execution("finished"))  # type: ignore[arg-type]


def test_a_config_that_is_none_is_refused_before_anything_happens() -> None:
    for given in ("localhost:30080", None, Config):
        with pytest.raises(FlyteTypeException, match=r'Config\.for_endpoint\("host:port"\)` makes it; got'):
            FlyteRemote(given)  # type: ignore[arg-type]


def test_an_execution_says_which_kind_of_remote_it_takes(remote: FlyteRemote) -> None:
    execution = remote.execution("finished")
    aio: Any = remote.aio
    for call in (
        lambda: FlyteWorkflowExecution(None, aio, id=execution.id),
        lambda: FlyteWorkflowExecution.promote_from_model(execution.aio.to_flyte_idl(), aio),
    ):
        with pytest.raises(FlyteTypeException, match=r"a flyteasync\.sync\.FlyteRemote is needed; got .*Remote"):
            call()


def test_messages_give_no_async_advice(remote: FlyteRemote) -> None:
    running = remote.execution("running")
    finished = remote.wait(remote.execution("finished"))
    node = finished.node_executions["n2"]
    attempt = node.task_executions[0]
    bare = type(node)(node.to_flyte_idl()), type(attempt)(attempt.to_flyte_idl())
    plan = remote.fetch_launch_plan(name="nothing")
    runs = remote.execute_many(plan, [{}])
    wrong: list[tuple[type[Exception], Callable[[], Any], str]] = [
        (FlyteAssertion, lambda: running.inputs, r"not loaded yet: `execution\.sync\(\)` first"),
        (FlyteAssertion, lambda: bare[0].outputs, r"not loaded yet: `execution\.sync\(sync_nodes=True\)`"),
        (FlyteAssertion, lambda: bare[1].outputs, r"not loaded yet: `execution\.sync\(sync_nodes=True\)`"),
        (FlyteUsageError, lambda: next(runs), r"is used as `with remote\.execute_many\(\.\.\.\) as runs:`"),
        (FlyteUsageError, runs.halt, r"is used as `with remote"),
        (FlyteUsageError, FlyteWorkflowExecution(id=running.id).sync, r"`remote\.sync\(execution\)`"),
        (FlyteAssertion, lambda: plan(n=1), r"`remote\.execute\(\.\.\.\)`"),
    ]
    for kind, call, said in wrong:
        with pytest.raises(kind, match=said) as caught:
            call()
        assert "await" not in str(caught.value)
        assert "async" not in str(caught.value)


def test_an_unknown_keyword_is_said_to_be_one_of_the_verb(remote: FlyteRemote, config: Config) -> None:
    execution: Any = remote.execution("finished")
    anything: Any = remote
    wrong: dict[str, Callable[[], Any]] = {
        r"execute\(\) got an unexpected keyword argument 'version'": lambda: anything.execute("plan", version="v1"),
        r"wait\(\) got an unexpected keyword argument 'time_out'": lambda: execution.wait(time_out=1),
        r"with_options\(\) got an unexpected keyword argument 'timout'": lambda: anything.with_options(timout=3),
        r"FlyteRemote.* got an unexpected keyword argument 'transprt'": lambda: FlyteRemote(config, transprt="x"),  # type: ignore[call-arg]
    }
    for said, call in wrong.items():
        with pytest.raises(TypeError, match=said):
            call()


def test_a_name_in_the_place_of_the_project_is_recognised(remote: FlyteRemote, config: Config) -> None:
    """flytekit's signature begins with project and domain."""
    with pytest.raises(FlyteInvalidInputException, match=r"pass name=; 'finished' was given as the project"):
        remote.fetch_execution("finished")
    with pytest.raises(FlyteInvalidInputException, match=r"pass name=; 'train' was given as the project"):
        remote.fetch_launch_plan("train")
    with pytest.raises(FlyteInvalidInputException, match=r"pass name=$"):
        remote.fetch_execution()
    with pytest.raises(FlyteInvalidInputException, match=r"pass name=; 'finished' was given as the project"):
        FlyteRemote(config).fetch_execution("finished", "development")


def test_the_async_remote_refuses_what_the_facade_made(remote: FlyteRemote, config: Config) -> None:
    execution: Any = remote.execution("finished")
    unused: Any = flyteasync.FlyteRemote(config)
    for call in (lambda: unused.as_completed([execution]), lambda: unused.as_completed(execution)):
        with pytest.raises(FlyteTypeException, match=r"flyteasync\.sync\.executions\.FlyteWorkflowExecution$"):
            call()
