"""How executions run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import pytest

from flyteasync.errors import FlyteSystemUnavailableException, FlyteValueException
from flyteasync.idl import admin, core, methods
from flyteasync.server import Handler
from tests.server.build import (
    collection,
    execution_id,
    literal,
    mapping,
    node,
    promise,
    scalar,
    task,
    workflow,
)
from tests.server.client import Client
from tests.server.conftest import Connect
from tests.support.loop import clock

Phase = core.WorkflowExecutionPhase
NodePhase = core.NodeExecutionPhase
TaskPhase = core.TaskExecutionPhase
ErrorKind = core.ExecutionErrorErrorKind
INT = {"o0": int}


async def run_one(
    connect: Connect,
    handler: Handler | None,
    inputs: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    *,
    retries: int = 0,
    **settings: Any,
) -> tuple[Client, admin.Execution]:
    """Run a workflow of one task `t` to its end."""
    inputs, outputs = inputs or {}, outputs or {}
    client: Client = await connect({} if handler is None else {"t": handler}, **settings)
    kinds = {name: type_of(value) for name, value in inputs.items()}
    plan = await client.register(
        workflow(
            "wf",
            [node("n0", "t", {name: promise(name) for name in inputs})],
            kinds,
            {name: (kind, promise(f"n0.{name}")) for name, kind in outputs.items()},
        ),
        [task("t", kinds, outputs, retries=retries)],
    )
    return client, await client.finish(await client.launch(plan, "e1", inputs))


def type_of(value: Any) -> Any:
    if isinstance(value, list):
        return list[type_of(value[0])]
    if isinstance(value, dict):
        return dict[str, type_of(next(iter(value.values())))]
    return type(value)


async def run_graph(
    connect: Connect,
    handlers: dict[str, Handler],
    tasks: list[core.TaskTemplate],
    nodes: list[core.Node],
    inputs: dict[str, Any] | None = None,
    outputs: dict[str, tuple[Any, core.BindingData]] | None = None,
    **settings: Any,
) -> tuple[Client, admin.Execution]:
    inputs = inputs or {}
    client: Client = await connect(handlers, **settings)
    kinds = {name: type_of(value) for name, value in inputs.items()}
    plan = await client.register(workflow("wf", nodes, kinds, outputs), tasks)
    return client, await client.finish(await client.launch(plan, "e1", inputs))


E1 = execution_id("e1")


# Values...


async def test_a_workflow_runs_its_tasks_in_order_and_returns_its_outputs(connect: Connect) -> None:
    client, execution = await run_graph(
        connect,
        {"double": lambda x: x * 2, "add": lambda a, b: a + b},
        [task("double", {"x": int}, INT), task("add", {"a": int, "b": int}, INT)],
        [
            node("n0", "double", {"x": promise("x")}),
            node("n1", "double", {"x": promise("n0.o0")}),
            node("n2", "add", {"a": promise("n0.o0"), "b": promise("n1.o0")}),
        ],
        {"x": 7},
        {"o0": (int, promise("n2.o0"))},
    )
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == {"o0": 42}


@pytest.mark.parametrize(
    "value", [0, -1, 1.5, "", "text", True, False, [1, 2], {"a": "b"}, [[1], [2, 3]], {"k": [True]}]
)
async def test_a_handler_gets_and_returns_native_values(connect: Connect, value: Any) -> None:
    seen: list[Any] = []

    def keep(x: Any) -> Any:
        seen.append(x)
        return x

    client, execution = await run_one(connect, keep, {"x": value}, {"o0": type_of(value)})
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert seen == [value]
    assert await client.outputs(E1) == {"o0": value}


async def test_an_async_handler_runs_in_the_servers_loop(connect: Connect) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def note(x: int) -> int:
        loops.append(asyncio.get_running_loop())
        return x

    await run_one(connect, note, {"x": 1}, INT)
    assert loops == [asyncio.get_running_loop()]


async def test_a_plain_handler_runs_in_a_thread(connect: Connect) -> None:
    threads: list[threading.Thread] = []
    await run_one(connect, lambda: threads.append(threading.current_thread()))
    assert threads != [threading.current_thread()]
    assert threads[0].daemon


async def test_a_callable_object_and_a_function_that_returns_a_coroutine_are_handlers(connect: Connect) -> None:
    class Doubler:
        async def __call__(self, x: int) -> int:
            return 2 * x

    client, _ = await run_one(connect, Doubler(), {"x": 4}, INT)
    assert await client.outputs(E1) == {"o0": 8}
    doubler = Doubler()
    client, _ = await run_one(connect, lambda x: doubler(x), {"x": 5}, INT)
    assert await client.outputs(E1) == {"o0": 10}


class Pair(NamedTuple):
    second: str
    first: int


@pytest.mark.parametrize(
    ("result", "outputs", "expected"),
    [
        ((1, "a"), {"o0": int, "o1": str}, {"o0": 1, "o1": "a"}),
        ({"o1": "a", "o0": 1}, {"o0": int, "o1": str}, {"o0": 1, "o1": "a"}),
        (Pair("a", 1), {"first": int, "second": str}, {"first": 1, "second": "a"}),
        (tuple(range(12)), {f"o{i}": int for i in reversed(range(12))}, {f"o{i}": i for i in range(12)}),
        ("ignored", {}, {}),
    ],
)
async def test_several_outputs_are_a_tuple_or_a_dict(
    connect: Connect, result: Any, outputs: dict[str, Any], expected: dict[str, Any]
) -> None:
    client, execution = await run_one(connect, lambda: result, {}, outputs)
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert await client.outputs(E1) == expected


@pytest.mark.parametrize(
    ("result", "outputs", "text"),
    [
        ("text", INT, "o0: expected int, got str"),
        ((1,), {"o0": int, "o1": str}, "expected the outputs o0, o1 as a tuple or a dict, got a tuple of 1"),
        ({"o0": 1, "x": 2}, {"o0": int, "o1": str}, "expected the outputs o0, o1 as a tuple or a dict, got o0, x"),
        (5, {"o0": int, "o1": str}, "expected the outputs o0, o1 as a tuple or a dict, got int"),
    ],
)
async def test_a_result_that_does_not_fit_fails_the_task(
    connect: Connect, result: Any, outputs: dict[str, Any], text: str
) -> None:
    _, execution = await run_one(connect, lambda: result, {}, outputs)
    assert execution.closure.phase == Phase.FAILED
    assert text in execution.closure.error.message


async def test_bindings_of_every_kind_reach_their_task(connect: Connect) -> None:
    seen: dict[str, Any] = {}
    kinds: dict[str, Any] = {"a": list[int], "b": dict[str, int], "c": int, "d": int, "e": str, "f": int | None}
    _, execution = await run_graph(
        connect,
        {"make": lambda: ([10, 20], {"k": 30}), "use": lambda **inputs: seen.update(inputs)},
        [task("make", {}, {"o0": list[int], "o1": dict[str, int]}), task("use", kinds)],
        [
            node("n0", "make"),
            node(
                "n1",
                "use",
                {
                    "a": collection(promise("x"), promise("n0.o0", 1), scalar(3)),
                    "b": mapping(p=promise("x"), q=promise("n0.o1", "k")),
                    "c": promise("n0.o0", 0),
                    "d": promise("n0.o1", "k"),
                    "e": scalar("fixed"),
                },
            ),
        ],
        {"x": 7},
    )
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert seen == {"a": [7, 20, 3], "b": {"p": 7, "q": 30}, "c": 10, "d": 30, "e": "fixed", "f": None}


async def test_an_enum_arrives_as_a_text_and_a_union_as_its_value(connect: Connect) -> None:
    class Color(Enum):
        RED = "red"

    client, execution = await run_graph(
        connect,
        {"use": lambda color, maybe: f"{color}{maybe}"},
        [task("use", {"color": Color, "maybe": int | None}, {"o0": str})],
        [node("n0", "use", {"color": scalar("red"), "maybe": scalar(4)})],
        outputs={"o0": (str, promise("n0.o0"))},
    )
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error
    assert str((await client.outputs(E1))["o0"]).endswith("4")


async def test_a_workflow_without_outputs_has_no_address_of_outputs(connect: Connect) -> None:
    client, execution = await run_one(connect, lambda: None)
    assert execution.closure.phase == Phase.SUCCEEDED
    assert execution.closure.outputs is None
    end = (await client.nodes(E1))["end-node"]
    assert (end.input_uri, end.closure.output_uri) == ("", None)


async def test_an_output_may_come_straight_from_an_input(connect: Connect) -> None:
    client, _ = await run_graph(
        connect,
        {"t": lambda: None},
        [task("t")],
        [node("n0", "t")],
        {"x": 5},
        {"a": (int, promise("x")), "b": (list[int], collection(promise("x"), scalar(6)))},
    )
    assert await client.outputs(E1) == {"a": 5, "b": [5, 6]}


# Order...


class Gate:
    """Handlers that tell when they begin, and that end when they are let go."""

    def __init__(self, *names: str) -> None:
        self.began = {name: asyncio.Event() for name in names}
        self.go = {name: asyncio.Event() for name in names}
        self.cancelled: list[str] = []

    def handler(self, name: str) -> Callable[..., Any]:
        async def handle() -> None:
            self.began[name].set()
            try:
                await self.go[name].wait()
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise

        return handle

    @property
    def handlers(self) -> dict[str, Handler]:
        return {name: self.handler(name) for name in self.began}

    @property
    def tasks(self) -> list[core.TaskTemplate]:
        return [task(name) for name in self.began]


async def launch(connect: Connect, gate: Gate, nodes: list[core.Node], **settings: Any) -> Client:
    client: Client = await connect(gate.handlers, **settings)
    plan = await client.register(workflow("wf", nodes), gate.tasks)
    await client.launch(plan, "e1")
    return client


async def test_independent_nodes_run_at_the_same_time_and_a_dependent_one_waits_for_all(connect: Connect) -> None:
    gate = Gate("a", "b", "c")
    client = await launch(connect, gate, [node("a", "a"), node("b", "b"), node("c", "c", after=["a", "b"])])
    async with asyncio.timeout(5):
        await gate.began["a"].wait()
        await gate.began["b"].wait()
        gate.go["a"].set()
        await client.node(E1, "a", NodePhase.SUCCEEDED)
        assert not gate.began["c"].is_set()
        assert "c" not in await client.nodes(E1)
        gate.go["b"].set()
        await gate.began["c"].wait()
        gate.go["c"].set()
    assert (await client.finish(E1)).closure.phase == Phase.SUCCEEDED


async def test_an_execution_runs_no_more_nodes_at_a_time_than_it_may(connect: Connect) -> None:
    running, most = 0, 0

    async def count() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    client: Client = await connect({"t": count}, max_parallelism=2)
    plan = await client.register(workflow("wf", [node(f"n{i}", "t") for i in range(6)]), [task("t")])
    await client.finish(await client.launch(plan, "e1"))
    assert most == 2
    nodes = await client.nodes(E1)
    assert len(nodes) == 8


async def test_many_executions_run_beside_each_other(connect: Connect) -> None:
    client: Client = await connect({"double": lambda x: 2 * x})
    plan = await client.register(
        workflow("wf", [node("n0", "double", {"x": promise("x")})], {"x": int}, {"o0": (int, promise("n0.o0"))}),
        [task("double", {"x": int}, INT)],
    )
    ids = await asyncio.gather(*(client.launch(plan, f"e{index}", {"x": index}) for index in range(50)))
    for index, identifier_ in enumerate(ids):
        await client.finish(identifier_)
        assert await client.outputs(identifier_) == {"o0": 2 * index}


async def test_at_most_32_plain_handlers_run_at_a_time(connect: Connect) -> None:
    lock = threading.Lock()
    go = threading.Event()
    running, most = 0, 0

    def count() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 32:
                go.set()
        go.wait(10)
        with lock:
            running -= 1

    client: Client = await connect({"t": count}, max_parallelism=0)
    plan = await client.register(workflow("wf", [node(f"n{i}", "t") for i in range(50)]), [task("t")])
    assert (await client.finish(await client.launch(plan, "e1"))).closure.phase == Phase.SUCCEEDED
    assert most == 32


async def test_simulated_work_takes_its_time(connect: Connect) -> None:
    began = asyncio.Event()

    async def work() -> None:
        began.set()

    client: Client = await connect({"t": work}, phase_delay=3600)
    plan = await client.register(workflow("wf", [node("n0", "t")]), [task("t")])
    await client.launch(plan, "e1")
    await client.node(E1, "n0", NodePhase.RUNNING)
    assert not began.is_set()
    await clock().advance(3600)
    assert (await client.finish(E1)).closure.phase == Phase.SUCCEEDED
    assert began.is_set()


async def test_events_are_recorded_in_the_order_in_which_they_happen(connect: Connect) -> None:
    client, execution = await run_graph(
        connect, {"t": lambda: None}, [task("t")], [node("n0", "t"), node("n1", "t", after=["n0"])]
    )
    nodes = await client.nodes(E1)
    [attempt] = await client.attempts(E1, "n1")
    times = [
        execution.closure.created_at,
        execution.closure.started_at,
        nodes["start-node"].closure.created_at,
        nodes["n0"].closure.created_at,
        nodes["n0"].closure.started_at,
        nodes["n0"].closure.updated_at,
        nodes["n1"].closure.created_at,
        nodes["n1"].closure.started_at,
        attempt.closure.created_at,
        attempt.closure.started_at,
        attempt.closure.updated_at,
        nodes["n1"].closure.updated_at,
        nodes["end-node"].closure.created_at,
        nodes["end-node"].closure.updated_at,
        execution.closure.updated_at,
    ]
    assert times == sorted(times)


# Failure...


async def test_what_a_handler_raises_is_the_users_error(connect: Connect) -> None:
    def fail() -> None:
        raise ValueError("no such thing")

    client, execution = await run_one(connect, fail)
    closure = execution.closure
    assert closure.phase == Phase.FAILED
    assert closure.error.code == "RetriesExhausted|USER:ValueError"
    assert closure.error.message == "[1/1] currentAttempt done. Last Error: USER::ValueError: no such thing"
    assert closure.error.kind == ErrorKind.USER
    assert closure.duration is not None
    failed = (await client.nodes(E1))["n0"]
    assert (failed.closure.phase, failed.closure.error) == (NodePhase.FAILED, closure.error)
    [attempt] = await client.attempts(E1, "n0")
    assert attempt.closure.phase == TaskPhase.FAILED
    assert (attempt.closure.error.code, attempt.closure.error.message) == (
        "USER:ValueError",
        "ValueError: no such thing",
    )
    assert "end-node" not in await client.nodes(E1)


async def test_errors_of_the_package_keep_their_codes_and_kinds(connect: Connect) -> None:
    def user() -> None:
        raise FlyteValueException("bad")

    def system() -> None:
        raise FlyteSystemUnavailableException("gone")

    client, _ = await run_one(connect, user)
    [attempt] = await client.attempts(E1, "n0")
    assert (attempt.closure.error.code, attempt.closure.error.kind) == ("USER:ValueError", ErrorKind.USER)
    client, execution = await run_one(connect, system)
    attempts = await client.attempts(E1, "n0")
    # What is the system's fault is repeated whatever retries the task has.
    assert [attempt.closure.error.kind for attempt in attempts] == [ErrorKind.SYSTEM] * 4
    # The propeller gives retries that are exhausted to the user, whatever the last error was.
    assert execution.closure.error.kind == ErrorKind.USER
    assert "Last Error: SYSTEM::" in execution.closure.error.message


@pytest.mark.parametrize("error", [StopIteration("done"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("is_async", [False, True])
async def test_no_exception_of_a_handler_ends_the_server(
    connect: Connect, error: BaseException, is_async: bool
) -> None:
    def fail() -> None:
        raise error

    async def fail_async() -> None:
        raise error

    client, execution = await run_one(connect, fail_async if is_async else fail)
    assert execution.closure.phase == Phase.FAILED
    assert type(error).__name__ in execution.closure.error.message
    await client.control("Ping")


async def test_a_handler_that_cancels_itself_fails(connect: Connect) -> None:
    async def cancel() -> None:
        raise asyncio.CancelledError

    _, execution = await run_one(connect, cancel)
    assert execution.closure.phase == Phase.FAILED
    assert "cancelled from inside" in execution.closure.error.message


async def test_a_wrong_signature_is_the_users_error(connect: Connect) -> None:
    _, execution = await run_one(connect, lambda y: y, {"x": 1})
    assert execution.closure.error.code == "RetriesExhausted|USER:TypeError"
    assert "unexpected keyword argument 'x'" in execution.closure.error.message


async def test_a_failing_task_is_tried_again_as_often_as_it_may_be(connect: Connect) -> None:
    tries: list[int] = []

    def third_time_lucky(x: int) -> int:
        tries.append(x)
        if len(tries) < 3:
            raise ConnectionError(f"try {len(tries)}")
        return x

    client, execution = await run_one(connect, third_time_lucky, {"x": 5}, INT, retries=2)
    assert execution.closure.phase == Phase.SUCCEEDED
    assert tries == [5, 5, 5]
    attempts = await client.attempts(E1, "n0")
    assert [item.id.retry_attempt for item in attempts] == [0, 1, 2]
    assert [item.closure.phase for item in attempts] == [TaskPhase.FAILED, TaskPhase.FAILED, TaskPhase.SUCCEEDED]
    assert attempts[0].closure.error.message == "ConnectionError: try 1"
    assert attempts[2].closure.output_uri.endswith("/n0/data/2/outputs.pb")
    assert await client.outputs(E1) == {"o0": 5}


async def test_a_task_that_keeps_failing_says_how_often_it_was_tried(connect: Connect) -> None:
    def fail() -> None:
        raise ConnectionError("down")

    client, execution = await run_one(connect, fail, retries=2)
    assert execution.closure.error.code == "RetriesExhausted|USER:ConnectionError"
    assert execution.closure.error.message == ("[3/3] currentAttempt done. Last Error: USER::ConnectionError: down")
    assert len(await client.attempts(E1, "n0")) == 3


async def test_the_retries_of_a_node_go_before_those_of_its_task_unless_it_has_none(connect: Connect) -> None:
    def fail() -> None:
        raise ConnectionError

    for retries, attempts in [(1, 2), (None, 3), (0, 3)]:
        client, _ = await run_graph(connect, {"t": fail}, [task("t", retries=2)], [node("n0", "t", retries=retries)])
        assert len(await client.attempts(E1, "n0")) == attempts


async def test_a_failed_node_aborts_its_siblings_at_once(connect: Connect) -> None:
    gate = Gate("slow")

    async def fail() -> None:
        await gate.began["slow"].wait()
        raise ValueError("boom")

    client, execution = await run_graph(
        connect,
        {**gate.handlers, "fail": fail},
        [*gate.tasks, task("fail")],
        [node("n0", "slow"), node("n1", "fail"), node("n2", "slow", after=["n1"])],
    )
    assert execution.closure.phase == Phase.FAILED
    assert "boom" in execution.closure.error.message
    nodes = await client.nodes(E1)
    assert set(nodes) == {"start-node", "n0", "n1"}
    aborted = nodes["n0"].closure
    assert aborted.phase == NodePhase.ABORTED
    assert aborted.error == core.ExecutionError(
        code="NodeAborted", message="Some node execution failed, auto-abort.", kind=ErrorKind.UNKNOWN
    )
    [attempt] = await client.attempts(E1, "n0")
    assert attempt.closure.phase == TaskPhase.ABORTED
    assert gate.cancelled == ["slow"]


async def test_the_other_policy_lets_everything_run_that_does_not_need_the_failed_node(connect: Connect) -> None:
    gate = Gate("slow")

    def fail() -> None:
        raise ValueError("boom")

    template = workflow("wf", [node("n0", "fail"), node("n1", "slow"), node("n2", "ok", after=["n1"])])
    template.nodes.append(node("n3", "ok", after=["n0"]))
    template.metadata = core.WorkflowMetadata(
        on_failure=core.WorkflowMetadataOnFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
    )
    client: Client = await connect({"fail": fail, "ok": lambda: None, **gate.handlers})
    plan = await client.register(template, [task("fail"), task("ok"), *gate.tasks])
    await client.launch(plan, "e1")
    await client.node(E1, "n0", NodePhase.FAILED)
    gate.go["slow"].set()
    execution = await client.finish(E1)
    assert execution.closure.phase == Phase.FAILED
    assert "boom" in execution.closure.error.message
    assert {name: item.closure.phase.name for name, item in (await client.nodes(E1)).items()} == {
        "start-node": "SUCCEEDED",
        "n0": "FAILED",
        "n1": "SUCCEEDED",
        "n2": "SUCCEEDED",
        "n3": "SKIPPED",
        "end-node": "SKIPPED",
    }


async def test_a_task_without_a_handler_fails_at_once_and_says_what_to_do(connect: Connect) -> None:
    client: Client = await connect({"other": lambda: None})
    plan = await client.register(workflow("wf", [node("n0", "t")]), [task("t", retries=3)])
    execution = await client.finish(await client.launch(plan, "e1"))
    assert execution.closure.error.code == "UnregisteredTask"
    assert execution.closure.error.message == (
        "no handler is registered for task 't' (version 'v1' in flytesnacks/development): give the server "
        "handlers={'t': function}. Tasks with a handler: other"
    )
    assert len(await client.attempts(E1, "n0")) == 1


async def test_a_binding_that_leads_nowhere_fails_its_node(connect: Connect) -> None:
    _, execution = await run_graph(
        connect,
        {"make": lambda: [1], "use": lambda x: x},
        [task("make", {}, {"o0": list[int]}), task("use", {"x": int}, INT)],
        [node("n0", "make"), node("n1", "use", {"x": promise("n0.o0", 5)})],
    )
    assert (execution.closure.error.code, execution.closure.error.kind) == (
        "BindingResolutionFailure",
        ErrorKind.SYSTEM,
    )
    assert execution.closure.error.message == "node 'n1': n0.o0 has no element 5; its length is 1"


async def test_an_output_that_leads_nowhere_fails_the_execution(connect: Connect) -> None:
    _, execution = await run_graph(
        connect,
        {"make": lambda: [1]},
        [task("make", {}, {"o0": list[int]})],
        [node("n0", "make")],
        outputs={"o0": (int, promise("n0.o0", 5))},
    )
    assert execution.closure.phase == Phase.FAILED
    assert execution.closure.error.message == "node 'end-node': n0.o0 has no element 5; its length is 1"


# Abort...


async def terminate(client: Client, cause: str = "") -> None:
    await client.call(methods.TERMINATE_EXECUTION, admin.ExecutionTerminateRequest(id=E1, cause=cause))


async def test_an_abort_ends_running_nodes_and_starts_no_others(connect: Connect) -> None:
    gate = Gate("a", "b")
    client = await launch(connect, gate, [node("a", "a"), node("b", "b", after=["a"])])
    await gate.began["a"].wait()
    await terminate(client, "enough")
    execution = await client.finish(E1)
    assert execution.closure.phase == Phase.ABORTED
    nodes = await client.nodes(E1)
    assert set(nodes) == {"start-node", "a"}
    assert nodes["a"].closure.phase == NodePhase.ABORTED
    assert nodes["a"].closure.error == core.ExecutionError(
        code="NodeAborted", message="Workflow aborted.", kind=ErrorKind.UNKNOWN
    )
    [attempt] = await client.attempts(E1, "a")
    assert attempt.closure.phase == TaskPhase.ABORTED
    assert gate.cancelled == ["a"]
    assert not gate.began["b"].is_set()


async def test_a_task_without_a_handler_can_hang_until_it_is_aborted(connect: Connect) -> None:
    client: Client = await connect(unregistered="hang")
    plan = await client.register(workflow("wf", [node("n0", "t")]), [task("t")])
    await client.launch(plan, "e1")
    assert (await client.node(E1, "n0")).closure.phase == NodePhase.RUNNING
    await terminate(client)
    assert (await client.finish(E1)).closure.phase == Phase.ABORTED


async def test_a_handler_that_ignores_its_cancellation_changes_nothing_afterwards(connect: Connect) -> None:
    began, go, returned = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn() -> int:
        began.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await go.wait()
        returned.set()
        return 5

    client: Client = await connect({"t": stubborn})
    plan = await client.register(
        workflow("wf", [node("n0", "t")], {}, {"o0": (int, promise("n0.o0"))}), [task("t", {}, INT)]
    )
    await client.launch(plan, "e1")
    await began.wait()
    await terminate(client)
    before = await client.finish(E1)
    go.set()
    await returned.wait()
    after = await client.get(E1)
    assert after == before
    assert (await client.nodes(E1))["n0"].closure.phase == NodePhase.ABORTED
    [attempt] = await client.attempts(E1, "n0")
    assert attempt.closure.phase == TaskPhase.ABORTED


async def test_a_thread_that_is_left_behind_changes_nothing_afterwards(connect: Connect) -> None:
    began, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow() -> None:
        loop.call_soon_threadsafe(began.set)
        go.wait(10)

    client: Client = await connect({"t": slow})
    plan = await client.register(workflow("wf", [node("n0", "t")]), [task("t")])
    await client.launch(plan, "e1")
    await began.wait()
    await terminate(client)
    before = await client.finish(E1)
    go.set()
    assert before.closure.phase == Phase.ABORTED
    assert (await client.get(E1)) == before


async def test_a_server_that_stops_leaves_no_task_behind(connect: Connect) -> None:
    gate = Gate("a")
    client = await launch(connect, gate, [node("a", "a")])
    await gate.began["a"].wait()
    assert client.server is not None
    await client.aclose()
    await client.server.stop()
    assert gate.cancelled == ["a"]
    row = client.server.store.executions.get(("flytesnacks", "development", "e1"))
    assert row is not None
    assert row.phase == "RUNNING"


async def test_inputs_are_not_shared_between_executions(connect: Connect) -> None:
    def spoil(x: list[int]) -> list[int]:
        x.append(9)
        return x

    client: Client = await connect({"t": spoil})
    default = core.Parameter(
        var=core.Variable(type=core.LiteralType(collection_type=core.LiteralType(simple=core.SimpleType.INTEGER))),
        default=literal([1]),
    )
    plan = await client.register(
        workflow("wf", [node("n0", "t", {"x": promise("x")})], {"x": list[int]}, {"o0": (list[int], promise("n0.o0"))}),
        [task("t", {"x": list[int]}, {"o0": list[int]})],
        admin.LaunchPlanSpec(default_inputs=core.ParameterMap(parameters={"x": default})),
    )
    for name in ("e1", "e2"):
        await client.finish(await client.launch(plan, name))
        assert await client.outputs(execution_id(name)) == {"o0": [1, 9]}
