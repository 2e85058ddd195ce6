"""Bad input is a clear typed error, and nothing is sent."""

from __future__ import annotations

import copy
import inspect
from types import MappingProxyType
from typing import Any

import pytest

from flyteasync import Config, FlyteLaunchPlan, FlyteRemote, FlyteTask, FlyteWorkflow
from flyteasync.entities import LazyEntity
from flyteasync.errors import (
    FlyteError,
    FlyteInvalidInputException,
    FlyteTypeException,
    FlyteUserException,
    FlyteValueException,
)
from flyteasync.idl import admin, core
from flyteasync.sync import FlyteWorkflowExecution
from tests.server import build
from tests.support.backend import Backend, register, single

Entity = FlyteLaunchPlan | FlyteWorkflow | FlyteTask

KINDS = pytest.mark.parametrize("kind", ["launch_plan", "workflow", "task"])


async def entity(remote: FlyteRemote, kind: str, name: str = "hold") -> Entity:
    """An entity with the one input `name`, a text."""
    return await getattr(remote, f"fetch_{kind}")(name=name)


async def refused(backend: Backend, launched: Any, inputs: Any, **options: Any) -> FlyteError:
    """The error of a launch that sends nothing."""
    backend.server.stats.reset()
    with pytest.raises(FlyteUserException) as caught:
        await backend.remote.execute(launched, inputs, **options)
    assert backend.calls() == 0, backend.server.stats.calls
    return caught.value


async def test_a_verb_says_which_kind_of_execution_it_takes(bare: Backend) -> None:
    remote, facade = bare.remote, FlyteWorkflowExecution(id=core.WorkflowExecutionIdentifier(name="x"))
    forgotten = remote.fetch_execution(name="x")
    coroutine = r"a coroutine \(.*fetch_execution\): was `await` forgotten\?"
    wrong: dict[Any, str] = {
        "x": "str$",
        facade: r"flyteasync\.sync\.executions\.FlyteWorkflowExecution$",
        forgotten: coroutine,
    }
    for given, said in wrong.items():
        for call in (remote.sync(given), remote.wait(given), remote.terminate(given, "why"), remote.wait_all([given])):
            with pytest.raises(FlyteTypeException, match=f"a flyteasync.FlyteWorkflowExecution is needed; got {said}"):
                await call
        with pytest.raises(FlyteTypeException, match=said):
            remote.as_completed([given])
    for many in (forgotten, remote.execution("x")):
        with pytest.raises(FlyteTypeException, match=r"an iterable of flyteasync\.FlyteWorkflowExecution; got"):
            await remote.wait_all(many)  # type: ignore[arg-type]
    forgotten.close()
    assert bare.calls() == 0


async def test_an_entity_whose_await_was_forgotten_is_recognised(bare: Backend) -> None:
    forgotten = bare.remote.fetch_launch_plan(name="x")
    error = await refused(bare, forgotten, {})
    assert "a coroutine (Fetching.fetch_launch_plan): was `await` forgotten?" in str(error)
    with pytest.raises(FlyteTypeException, match="was `await` forgotten"):
        bare.remote.execute_many(forgotten, [{}])  # type: ignore[arg-type]
    forgotten.close()


def test_a_config_that_is_none_is_refused() -> None:
    for given, kind in (("localhost:30080", "str"), (None, "NoneType"), (Config, "the class Config")):
        with pytest.raises(FlyteTypeException, match=rf'Config\.for_endpoint\("host:port"\)` makes it; got {kind}'):
            FlyteRemote(given)  # type: ignore[arg-type]


@KINDS
async def test_an_unknown_input_is_named_with_those_that_there_are(backend: Backend, kind: str) -> None:
    error = await refused(backend, await entity(backend.remote, kind), {"name": "x", "nmae": "y"})
    assert isinstance(error, FlyteValueException)
    assert "nmae" in str(error)
    assert "known are: name" in str(error)


@KINDS
async def test_a_value_of_the_wrong_type_is_named_with_both_types(backend: Backend, kind: str) -> None:
    error = await refused(backend, await entity(backend.remote, kind), {"name": 5})
    assert isinstance(error, FlyteTypeException)
    for word in ("name", "str", "int"):
        assert word in str(error)


@pytest.mark.parametrize("kind", ["launch_plan", "task"])
async def test_a_missing_input_is_named(backend: Backend, kind: str) -> None:
    for inputs in ({}, None):
        error = await refused(backend, await entity(backend.remote, kind), inputs)
        assert isinstance(error, FlyteInvalidInputException)
        assert "hold needs the input name" in str(error)


async def test_a_missing_input_of_a_workflow_costs_at_most_its_launch_plan(backend: Backend) -> None:
    """Which inputs have defaults, only the launch plan knows."""
    workflow = await entity(backend.remote, "workflow")
    backend.server.stats.reset()
    for _ in range(2):
        with pytest.raises(FlyteInvalidInputException, match="needs the input name"):
            await backend.remote.execute(workflow)
    assert backend.calls() == backend.calls("GetLaunchPlan") == 1


async def test_all_missing_inputs_are_named_at_once(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="demo.report")
    assert "needs the inputs n, name" in str(await refused(backend, plan, {}))


async def test_an_input_that_has_a_default_may_be_left_out(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="defaults")
    execution = await backend.remote.execute(plan, {"a": 5}, wait=True)
    assert execution.outputs["o0"] == 15
    assert "needs the input a" in str(await refused(backend, plan, {"b": 5}))


@pytest.mark.parametrize("kind", ["launch_plan", "workflow"])
async def test_an_input_that_the_launch_plan_fixes_cannot_be_given(backend: Backend, kind: str) -> None:
    template, tasks = single("add", {"a": int, "b": int}, int, version="fixed")
    fixed = core.LiteralMap(literals={"b": build.literal(7)})
    await register(backend.remote, template, tasks, admin.LaunchPlanSpec(fixed_inputs=fixed))
    launched = await getattr(backend.remote, f"fetch_{kind}")(name="add", version="fixed")
    with pytest.raises(FlyteValueException, match="b"):
        await backend.remote.execute(launched, {"a": 1, "b": 2})
    assert backend.calls("CreateExecution") == 0
    execution = await backend.remote.execute(launched, {"a": 1}, wait=True)
    assert execution.outputs["o0"] == 8


@KINDS
@pytest.mark.parametrize(
    "name", ["", "Upper", "1st", "-x", "x-", "a_b", "a.b", "a b", "ä", "x" * 64, "run\n", 5, b"run"], ids=repr
)
async def test_a_name_that_cannot_be_is_refused(backend: Backend, kind: str, name: Any) -> None:
    error = await refused(backend, await entity(backend.remote, kind), {"name": "x"}, execution_name=name)
    assert isinstance(error, FlyteInvalidInputException)
    assert repr(name) in str(error)
    assert "execution_name" in str(error)


@pytest.mark.parametrize("prefix", ["", "Upper", "a b", "x" * 44, 5], ids=repr)
async def test_a_prefix_that_cannot_be_is_refused(backend: Backend, prefix: Any) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    error = await refused(backend, plan, {}, execution_name_prefix=prefix)
    assert isinstance(error, FlyteInvalidInputException)
    assert "execution_name_prefix" in str(error)


async def test_a_name_and_a_prefix_together_are_refused(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    error = await refused(backend, plan, {}, execution_name="run", execution_name_prefix="run")
    assert "not both" in str(error)


@pytest.mark.parametrize("inputs", [[1], "text", 5, {1, 2}], ids=repr)
async def test_inputs_that_are_no_mapping_are_refused(backend: Backend, inputs: Any) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    assert "mapping" in str(await refused(backend, plan, inputs))


@pytest.mark.parametrize("launched", ["demo.report", None, core.Identifier(), FlyteTask], ids=repr)
async def test_what_is_no_entity_cannot_be_launched(backend: Backend, launched: Any) -> None:
    error = await refused(backend, launched, {})
    assert isinstance(error, FlyteTypeException)
    assert "launch plan, workflow or task" in str(error)


@pytest.mark.parametrize(
    "options", [{"tags": "one"}, {"tags": [1]}, {"envs": ["A=1"]}, {"envs": {"A": 1}}, {"cluster_pool": 5}], ids=repr
)
async def test_options_of_a_wrong_type_are_refused(backend: Backend, options: dict[str, Any]) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    error = await refused(backend, plan, {}, **options)
    assert next(iter(options)) in str(error)


@pytest.mark.parametrize("hints", [5, [("name", str)], "name", {5: int}], ids=repr)
async def test_type_hints_that_are_not_by_name_are_refused(backend: Backend, hints: Any) -> None:
    plan = await backend.remote.fetch_launch_plan(name="hold")
    error = await refused(backend, plan, {"name": "x"}, type_hints=hints)
    assert isinstance(error, FlyteTypeException)
    assert "type_hints must be a mapping" in str(error)
    with pytest.raises(FlyteTypeException, match="type_hints must be a mapping"):
        backend.remote.execute_many(plan, [{"name": "x"}], type_hints=hints)
    assert await backend.executions() == []


async def test_type_hints_may_be_any_mapping(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="defaults")
    hints: Any = MappingProxyType({"a": int, "o0": float})
    execution = await backend.remote.execute(plan, {"a": 1}, type_hints=hints, wait=True)
    assert isinstance(execution.outputs["o0"], float)


@pytest.mark.parametrize("wait", ["no", 1, None], ids=repr)
async def test_a_wait_that_is_neither_true_nor_false_is_refused(backend: Backend, wait: Any) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    assert "wait must be True or False" in str(await refused(backend, plan, {}, wait=wait))


@pytest.mark.parametrize(
    "names", [{"execution_name": "Bad_Name"}, {"execution_name_prefix": "Bad_"}, {"wait": "no"}], ids=repr
)
async def test_what_is_wrong_with_a_launch_is_told_before_a_lazy_entity_is_fetched(
    backend: Backend, names: dict[str, Any]
) -> None:
    lazy = LazyEntity("nothing", lambda: backend.remote.fetch_launch_plan(name="nothing"))
    await refused(backend, lazy, {}, **names)
    assert not lazy.entity_fetched()


async def test_the_callers_inputs_are_not_changed(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="demo.report")
    inputs: dict[str, Any] = {"n": 3, "name": "x"}
    hints: dict[str, type] = {"n": int}
    before = copy.deepcopy((inputs, hints))
    await backend.remote.execute(plan, inputs, type_hints=hints, wait=True)
    assert (inputs, hints) == before


FETCHES = pytest.mark.parametrize(
    "verb", ["fetch_task", "fetch_workflow", "fetch_launch_plan", "fetch_execution", "execution"]
)


async def fetch(remote: FlyteRemote, verb: str, **arguments: Any) -> None:
    """Call a verb that is a coroutine, or the one that is none."""
    result = getattr(remote, verb)(**arguments)
    if inspect.isawaitable(result):
        await result


@FETCHES
async def test_fetching_needs_a_name(backend: Backend, verb: str) -> None:
    for name in (None, ""):
        with pytest.raises(FlyteInvalidInputException, match="name"):
            await fetch(backend.remote, verb, name=name)
    assert backend.calls() == 0


@FETCHES
async def test_a_project_and_a_domain_are_needed_from_somewhere(backend: Backend, verb: str) -> None:
    bare = FlyteRemote(backend.remote.config)
    for given, lacking in (({"domain": "d"}, "project"), ({"project": "p"}, "domain")):
        with pytest.raises(FlyteInvalidInputException, match=f"default_{lacking}="):
            await fetch(bare, verb, name="x", **given)
    assert not bare.connected
