"""Random sequences of calls about executions against the server, and against a small model of flyteadmin.

Nothing runs the executions: they have a task without a handler, so that they stay as they are until an event comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from flyteasync.errors import Status
from flyteasync.idl import admin, core, methods
from flyteasync.server import Server, ServerConfig
from tests.server.build import (
    DOMAIN,
    PROJECT,
    execution,
    execution_id,
    identifier,
    literal,
    node,
    promise,
    task,
    values,
    variables,
    workflow,
)
from tests.server.client import Client, RpcFailed
from tests.server.events import WorkflowPhase, at, workflow_event
from tests.server.model import WORKFLOW_ENDS, Model, Record
from tests.support.loop import WarpLoop

Mode = admin.ExecutionMetadataExecutionMode
PLAN = identifier("wf", core.ResourceType.LAUNCH_PLAN)
UNKNOWN = identifier("nope", core.ResourceType.LAUNCH_PLAN)
ASCENDING = admin.SortDirection.ASCENDING

Outcome = tuple[Status, str]
OK: Outcome = (Status.OK, "")
INVALID = Status.INVALID_ARGUMENT

GIVEN: dict[str, tuple[dict[str, Any], dict[str, Any] | str]] = {
    "one": ({"a": 1}, {"a": 1, "b": 10, "c": 3}),
    "both": ({"a": 2, "b": 5}, {"a": 2, "b": 5, "c": 3}),
    "none": ({}, "expected_inputs a missing"),
    "wrong": ({"a": "x"}, "invalid a input wrong type. Expected simple:INTEGER, but got simple:STRING"),
    "unknown": ({"a": 1, "z": 1}, "invalid input z"),
    "fixed": ({"a": 1, "c": 1}, "invalid input c"),
}
"""What may be given, and what it is resolved to, or why it is refused."""

BAD_NAMES = {"9x": "invalid name format: 9x", "a_b": "invalid name format: a_b"}
BAD_PLACES = {
    ("", DOMAIN): "missing project",
    (PROJECT, ""): "missing domain",
    ("nope", DOMAIN): f"failed to validate that project [nope] and domain [{DOMAIN}] are registered, "
    "err: [project [nope] not found]",
    (PROJECT, "nope"): "domain [nope] is unrecognized by system",
}


@dataclass
class Row:
    """What the model knows of an execution."""

    name: str
    number: int
    given: dict[str, Any]
    inputs: dict[str, Any]
    mode: Mode = Mode.MANUAL
    source: str | None = None
    state: int = 0
    cause: str = ""
    result: str | None = None
    """`error`, `abort` or None."""
    error: str | None = None
    life: Model = field(default_factory=lambda: Model(execution=Record("UNDEFINED")))

    @property
    def phase(self) -> str:
        return self.life.execution.phase

    @property
    def shown(self) -> tuple[str | None, str | None]:
        """The cause and the error's code that the closure shows; an ABORTED one never shows an error."""
        if self.phase == "ABORTED":
            return self.cause, None
        return (self.cause if self.result == "abort" else None), (self.error if self.result == "error" else None)


@dataclass(frozen=True)
class Condition:
    """A filter, and what it says of a row; None if the server refuses it with the text."""

    text: str
    holds: Callable[[Row], bool] | None
    refusal: str = ""
    on_state: bool = False


def comparison(column: str, read: Callable[[Row], Any], words: st.SearchStrategy[str]) -> st.SearchStrategy[Condition]:
    """Every function that compares a column of texts."""

    def one(function: str, test: Callable[[Any, str], bool]) -> st.SearchStrategy[Condition]:
        return words.map(lambda word: Condition(f"{function}({column},{word})", known(lambda x: test(x, word))))

    def several(function: str, inside: bool) -> st.SearchStrategy[Condition]:
        chosen = st.lists(words, min_size=1, max_size=3)
        return chosen.map(
            lambda items: Condition(f"{function}({column}, {';'.join(items)})", known(lambda x: (x in items) is inside))
        )

    def known(test: Callable[[Any], bool]) -> Callable[[Row], bool]:
        return lambda row: (value := read(row)) is not None and test(value)

    return st.one_of(
        one("eq", lambda x, word: x == word),
        one("ne", lambda x, word: x != word),
        one("gt", lambda x, word: x > word),
        one("gte", lambda x, word: x >= word),
        one("lt", lambda x, word: x < word),
        one("lte", lambda x, word: x <= word),
        one("contains", lambda x, word: word in x),
        one("not_like", lambda x, word: x != word),
        several("value_in", inside=True),
        several("value_not_in", inside=False),
    )


def mostly(usual: st.SearchStrategy[Any], *others: Any) -> st.SearchStrategy[Any]:
    """Five times out of six as usual."""
    return st.integers(0, 5).flatmap(lambda number: usual if number else st.sampled_from(others))


names = st.sampled_from(["aa", "ab", "bb"])
phases = st.sampled_from([str(phase.name) for phase in WorkflowPhase])
causes = st.sampled_from(["enough", "why not"])
conditions = st.one_of(
    comparison("execution_name", lambda row: row.name, names),
    comparison("execution.phase", lambda row: row.phase, phases),
    comparison("error_code", lambda row: row.error, st.sampled_from(["Oops", "Other"])),
    comparison("abort_cause", lambda row: row.cause, causes),
    st.sampled_from(
        [
            Condition("eq(state,1)", lambda row: row.state == 1, on_state=True),
            Condition("value_in(state,0;1)", lambda row: True, on_state=True),
            Condition("eq(launch_plan.state,0)", lambda row: True, on_state=True),
            Condition("eq(mode,3)", lambda row: row.mode == Mode.RELAUNCH),
            Condition("gte(mode,3)", lambda row: row.mode >= Mode.RELAUNCH),
            Condition("gt(source_execution_id,0)", lambda row: row.source is not None),
            Condition("eq(workflow.name,wf)", lambda row: True),
            Condition("eq(launch_plan.version,v2)", lambda row: False),
            Condition("eq(task.name,t)", lambda row: False),
            Condition("eq(launch_entity,launch_plan)", lambda row: True),
            Condition("contains(execution_name,_b)", lambda row: "b" in row.name[1:]),
            Condition("not_like(execution_name,a%)", lambda row: row.name[0] != "a"),
        ]
    ),
)
bad_conditions = (
    Condition("eq(name,aa)", None, "'e.name' is invalid filter"),
    Condition("eq(phase)", None, "invalid value for filters"),
    Condition("", None, "invalid value for filters"),
    Condition("like(phase,RUNNING)", None, "unrecognized filter function: like"),
    Condition("eq(node_execution.phase,RUNNING)", None, "'ne' entity is not allowed in filters"),
)
orders = st.one_of(st.none(), st.tuples(st.sampled_from(["execution_name", "id", "created_at"]), st.booleans()))


class Executions(RuleBasedStateMachine):
    """The server and the model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=WarpLoop)
        self.server = Server(ServerConfig(unregistered="external"))
        self.rows: dict[str, Row] = {}
        self.seconds = 0
        self.client = self.run(self.start())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    async def start(self) -> Client:
        client = Client(await self.server.start(), self.server)
        inputs = {"a": int, "b": int, "c": int}
        default = core.Parameter(var=variables({"b": int}).variables["b"], default=literal(10))
        plan = admin.LaunchPlanSpec(
            default_inputs=core.ParameterMap(parameters={"b": default}),
            fixed_inputs=core.LiteralMap(literals={"c": literal(3)}),
        )
        template = workflow("wf", [node("n0", "t", {"a": promise("a")})], inputs)
        await client.register(template, [task("t", {"a": int})], plan)
        return client

    def teardown(self) -> None:
        self.run(self.client.aclose())
        self.run(self.server.stop())
        self.runner.close()

    def ask(self, method: methods.Method[Any, Any], request: Any) -> Outcome:
        try:
            self.run(self.client.call(method, request))
        except RpcFailed as failure:
            return failure.status, failure.text
        return OK

    # Creating...

    @initialize()
    def create_two(self) -> None:
        for name in ("bb", "aa"):
            self.create(name, "one", (PROJECT, DOMAIN), PLAN)

    @rule(
        name=mostly(names, *BAD_NAMES),
        given_=mostly(st.sampled_from(["one", "both"]), "none", "wrong", "unknown", "fixed"),
        place=mostly(st.just((PROJECT, DOMAIN)), *BAD_PLACES),
        plan=mostly(st.just(PLAN), UNKNOWN, None),
    )
    def create(self, name: str, given_: str, place: tuple[str, str], plan: core.Identifier | None) -> None:
        given, resolved = GIVEN[given_]
        request = execution(plan or PLAN, name, given)
        request.project, request.domain = place
        if plan is None:
            request.spec = None
        bad_place = BAD_PLACES.get(place, "")
        if bad_place.startswith("missing"):
            expected: Outcome = (INVALID, bad_place)
        elif name in BAD_NAMES:
            expected = (INVALID, BAD_NAMES[name])
        elif bad_place:
            expected = (INVALID, bad_place)
        elif plan is None:
            expected = (INVALID, "missing spec")
        elif plan is UNKNOWN:
            expected = (Status.NOT_FOUND, f"missing entity of type LAUNCH_PLAN with identifier {text_of(UNKNOWN)}")
        elif isinstance(resolved, str):
            expected = (INVALID, resolved)
        else:
            expected = self.insert(Row(name, len(self.rows), given, resolved))
        assert self.ask(methods.CREATE_EXECUTION, request) == expected

    def insert(self, row: Row) -> Outcome:
        there = self.rows.get(row.name)
        if there is None:
            self.rows[row.name] = row
            return OK
        # What was given overwrites the inputs of the one that is there before it is found out.
        there.given, there.inputs = row.given, row.inputs
        constraint = 'duplicate key value violates unique constraint "executions_pkey"'
        return Status.ALREADY_EXISTS, f"value with matching executions_pkey already exists ({constraint})"

    @rule(source=names, name=mostly(names, *BAD_NAMES), recover=st.booleans())
    def launch_again(self, source: str, name: str, recover: bool) -> None:
        method = methods.RECOVER_EXECUTION if recover else methods.RELAUNCH_EXECUTION
        request = method.request(id=execution_id(source), name=name)
        origin = self.rows.get(source)
        if origin is None:
            expected = unknown(source)
        elif name in BAD_NAMES:
            expected = (INVALID, BAD_NAMES[name])
        else:
            mode = Mode.RECOVERED if recover else Mode.RELAUNCH
            expected = self.insert(Row(name, len(self.rows), origin.given, origin.inputs, mode, source))
        assert self.ask(method, request) == expected

    # Changing...

    @rule(name=names, cause=causes)
    def terminate(self, name: str, cause: str) -> None:
        row = self.rows.get(name)
        if row is None:
            expected = unknown(name)
        elif row.life.terminate()[0] == Status.OK:
            row.cause, row.result = cause, "abort"
            expected = OK
        else:
            expected = (Status.FAILED_PRECONDITION, "Cannot abort an already terminated workflow execution")
        request = admin.ExecutionTerminateRequest(id=execution_id(name), cause=cause)
        assert self.ask(methods.TERMINATE_EXECUTION, request) == expected

    @rule(name=names, state=st.sampled_from([0, 1, 1]))
    def update(self, name: str, state: int) -> None:
        expected = OK if name in self.rows else unknown(name)
        if name in self.rows:
            self.rows[name].state = state
        request = admin.ExecutionUpdateRequest(id=execution_id(name), state=admin.ExecutionState(state))
        assert self.ask(methods.UPDATE_EXECUTION, request) == expected

    @rule(name=names, phase=phases.filter(lambda phase: phase != "ABORTING"), fails=st.booleans())
    def report(self, name: str, phase: str, fails: bool) -> None:
        self.seconds += 1
        code = "Oops" if fails and phase in ("FAILING", "FAILED", "ABORTED") else None
        error = None if code is None else core.ExecutionError(code=code, message="it broke")
        request = workflow_event(WorkflowPhase[phase], self.seconds, execution_id=execution_id(name), error=error)
        row = self.rows.get(name)
        expected = Status.NOT_FOUND
        if row is not None:
            expected = row.life.on_workflow(phase, at(self.seconds), "")[0]
            if expected == Status.OK and code is not None:
                row.result, row.error = "error", code
        assert self.ask(methods.CREATE_WORKFLOW_EVENT, request)[0] == expected

    # Reading...

    @rule(name=names)
    def get(self, name: str) -> None:
        row = self.rows.get(name)
        if row is None:
            request = admin.WorkflowExecutionGetRequest(id=execution_id(name))
            assert self.ask(methods.GET_EXECUTION, request) == unknown(name)
            return
        found = self.run(self.client.get(execution_id(name)))
        closure, metadata = found.closure, found.spec.metadata
        cause = None if closure.abort_metadata is None else closure.abort_metadata.cause
        error = None if closure.error is None else closure.error.code
        assert (cause, error) == row.shown
        times = row.life.execution.times
        assert (closure.phase.name, closure.started_at, closure.duration) == (times[0], times[1], times[3])
        assert closure.updated_at == (row.life.execution.updated or closure.created_at)
        assert closure.state_change_details.state == row.state
        source = None if row.source is None else execution_id(row.source)
        assert (metadata.mode, metadata.reference_execution) == (row.mode, source)
        request = admin.WorkflowExecutionGetDataRequest(id=execution_id(name))
        data = self.run(self.client.call(methods.GET_EXECUTION_DATA, request))
        assert (values(data.full_inputs), values(data.full_outputs)) == (row.inputs, {})

    @rule(
        wanted=st.lists(mostly(conditions, *bad_conditions), max_size=3),
        order=orders,
        limit=st.integers(1, 4),
        name=mostly(st.just(""), "aa", "bb"),
    )
    def list_pages(self, wanted: list[Condition], order: tuple[str, bool] | None, limit: int, name: str) -> None:
        if [condition.text for condition in wanted] == [""]:
            wanted = []
        sort = None if order is None else admin.Sort(key=order[0])
        if sort is not None and order is not None and order[1]:
            sort.direction = ASCENDING
        request = admin.ResourceListRequest(
            id=admin.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN, name=name),
            limit=limit,
            filters="+".join(condition.text for condition in wanted),
            sort_by=sort,
        )
        refusal = next((condition.refusal for condition in wanted if condition.holds is None), None)
        if refusal is not None:
            assert self.ask(methods.LIST_EXECUTIONS, request) == (INVALID, refusal)
            return
        expected = [row.name for row in self.matching(wanted, order) if name in ("", row.name)]
        seen: list[str] = []
        while True:
            page = self.run(self.client.call(methods.LIST_EXECUTIONS, replace(request, token=str(len(seen)))))
            seen += [item.id.name for item in page.executions]
            assert page.token == (str(len(seen)) if len(page.executions) == limit else "")
            assert len(seen) <= len(expected)
            if not page.token:
                break
        assert seen == expected

    def matching(self, wanted: list[Condition], order: tuple[str, bool] | None) -> list[Row]:
        hidden = not any(condition.on_state for condition in wanted)
        found = [
            row
            for row in self.rows.values()
            if all(condition.holds is not None and condition.holds(row) for condition in wanted)
            and not (hidden and row.state)
        ]
        key, ascending = order or ("id", True)
        return sorted(found, key=lambda row: row.name if key == "execution_name" else row.number, reverse=not ascending)


def text_of(named: core.Identifier) -> str:
    return f'project:"{named.project}" domain:"{named.domain}" name:"{named.name}" version:"{named.version}"'


def unknown(name: str) -> Outcome:
    text = f'project:"{PROJECT}" domain:"{DOMAIN}" name:"{name}"'
    return Status.NOT_FOUND, f"missing entity of type execution with identifier {text}"


class TestExecutions(Executions.TestCase):
    settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.long
@pytest.mark.timeout(600)
class TestMoreExecutions(Executions.TestCase):
    settings = settings(max_examples=1000, stateful_step_count=50, deadline=None)


def test_an_execution_ends_where_the_model_says() -> None:
    for phase in WORKFLOW_ENDS:
        row = Row("e1", 0, {}, {})
        row.life.on_workflow(phase, at(1), "")
        assert row.life.terminate()[0] == Status.FAILED_PRECONDITION
