"""What the members do that all entities have, and those of lazy ones, without flytekit; none passes by its name.

What a member does inside of flytekit is shown by the tests beside real flytekit that are named here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from flyteasync.entities import Entity, FlyteTask, LazyEntity, PythonInterface
from flyteasync.errors import FlyteAssertion, FlyteEntityNotExistException, FlyteUsageError
from flyteasync.idl import core
from tests.contract.known import RUNNABLE, a_plan, a_task, a_workflow, behaviour
from tests.entities.build import plan_id, task_id, workflow_id


def a_lazy_one() -> LazyEntity[FlyteTask]:
    async def fetch() -> FlyteTask:
        return a_task()

    return LazyEntity("flows.inc", fetch)


async def runnable() -> list[Entity]:
    """One of each kind that can be called, a lazy one among them before and after it was awaited."""
    fetched = a_lazy_one()
    await fetched
    return [a_task(), a_workflow(), a_plan(), fetched, a_lazy_one()]


def of_all(member: str) -> list[str]:
    return [f"{name}.{member}" for name in RUNNABLE]


@behaviour(*of_all("compile"), in_flytekit="test_fetched_entity_becomes_a_node_as_flytekits_own")
async def _() -> None:
    *fetched, unfetched = await runnable()
    for entity in fetched:
        with pytest.raises(FlyteUsageError, match=r"needs flytekit: pip install 'flyteasync\[flytekit\]'"):
            entity.compile(None, a=1)
    with pytest.raises(FlyteAssertion, match="not fetched yet"):
        unfetched.compile(None, a=1)


@behaviour(*of_all("local_execution_mode"), in_flytekit="test_local_execution_mode_is_flytekits")
async def _() -> None:
    for entity in await runnable():
        with pytest.raises(FlyteUsageError, match=r"needs flytekit: pip install 'flyteasync\[flytekit\]'"):
            entity.local_execution_mode()


@behaviour(*of_all("execute"), *of_all("local_execute"), in_flytekit="test_local_run_of_a_workflow_calls_the_stand_in")
async def _() -> None:
    def in_context(entity: Entity) -> Callable[..., Any]:
        return partial(entity.local_execute, None)

    for entity in await runnable():
        for call in (entity, entity.execute, in_context(entity)):
            with pytest.raises(FlyteAssertion, match=r"cannot be run on this machine: launch it with `remote"):
                call(a=1)
        entity.execute = lambda **inputs: inputs
        for call in (entity, entity.execute, in_context(entity)):
            assert call(a=1) == {"a": 1}
        with pytest.raises(FlyteAssertion, match="by name only"):
            entity(1)
    lazy = a_lazy_one()
    (await lazy).execute = lambda **inputs: inputs
    assert lazy(a=1) == in_context(lazy)(a=1) == {"a": 1}


@behaviour(*of_all("construct_node_metadata"), in_flytekit="test_node_metadata_is_flytekits")
async def _() -> None:
    metadata = [entity.construct_node_metadata() for entity in await runnable()]
    assert [made.name for made in metadata] == ["inc", "main", "plan", "inc", "inc"]
    assert all(made.retries == core.RetryStrategy() for made in metadata)


@behaviour(*of_all("python_interface"))
async def _() -> None:
    *fetched, unfetched = await runnable()
    one = PythonInterface({"a": int}, {"o0": int})
    expected = [one, one, PythonInterface({"a": int, "b": str}, {"o0": str}), one]
    assert [entity.python_interface for entity in fetched] == expected
    better = PythonInterface({"a": bool}, {"o0": Any})
    for entity, guessed in zip(fetched, expected, strict=True):
        entity.python_interface = better
        assert entity.python_interface is better
        entity.python_interface = None
        assert entity.python_interface == guessed
    with pytest.raises(FlyteAssertion, match="not fetched yet"):
        _ = unfetched.python_interface
    lazy = a_lazy_one()
    (await lazy).python_interface = better
    assert lazy.python_interface is better


@behaviour(*of_all("id"), *of_all("name"))
async def _() -> None:
    *fetched, unfetched = await runnable()
    ids = [task_id("flows.inc"), workflow_id("main"), plan_id("plan"), task_id("flows.inc")]
    assert [entity.id for entity in fetched] == ids
    assert [entity.name for entity in fetched] == [found.name for found in ids]
    assert unfetched.name == "flows.inc"
    with pytest.raises(FlyteAssertion, match="not fetched yet"):
        _ = unfetched.id


@behaviour(*(f"{name}.{member}" for name in RUNNABLE[:3] for member in ("entity_type_text", "resource_type")))
async def _() -> None:
    entities = [a_task(), a_workflow(), a_plan()]
    assert [entity.entity_type_text for entity in entities] == ["Task", "Workflow", "Launch Plan"]
    for entity in entities:
        assert entity.resource_type is entity.id.resource_type is type(entity).resource_type


# What is fetched when it is awaited ...


@behaviour("LazyEntity.__init__")
async def _() -> None:
    lazy = a_lazy_one()
    assert (lazy.name, lazy.entity_fetched()) == ("flows.inc", False)
    with pytest.raises(FlyteUsageError, match="needs a getter"):
        LazyEntity("x", None)  # pyright: ignore[reportArgumentType]


@behaviour("LazyEntity.entity", "LazyEntity.entity_fetched")
async def _() -> None:
    answers: list[FlyteTask] = []

    failures = [FlyteEntityNotExistException("not yet")]

    async def fetch() -> FlyteTask:
        if failures:
            raise failures.pop()
        answers.append(a_task())
        return answers[-1]

    lazy = LazyEntity("flows.inc", fetch)
    with pytest.raises(FlyteEntityNotExistException):
        await lazy.entity()
    assert not lazy.entity_fetched()
    assert await lazy.entity() is await lazy is answers[0]
    assert lazy.entity_fetched()
    assert len(answers) == 1, "fetched once"
