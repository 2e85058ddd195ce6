"""What entities do when they are called, and what they say of themselves to those who call them."""

import pickle
from typing import Any

import pytest

from flyteasync.entities import Entity, FlyteLaunchPlan, FlyteTask, FlyteWorkflow, PythonInterface
from flyteasync.errors import FlyteAssertion
from flyteasync.idl import admin, core
from tests.entities.build import INT_TO_INT, plan_id, plan_spec, template, workflow

ENTITIES: list[Entity] = [
    FlyteTask.promote_from_model(template("a.b.flow")),
    FlyteWorkflow.promote_from_model(workflow("a.b.flow")),
    FlyteLaunchPlan.promote_from_template(
        plan_id("a.b.flow"), core.LaunchPlanTemplate(interface=INT_TO_INT), plan_spec()
    ),
]
KINDS = ["task", "workflow", "launch plan"]


@pytest.mark.parametrize(("entity", "kind"), list(zip(ENTITIES, KINDS, strict=True)), ids=KINDS)
def test_entity_cannot_be_run_here(entity: Entity, kind: str) -> None:
    for call in (entity, entity.execute, lambda **inputs: entity.local_execute(None, **inputs)):
        with pytest.raises(FlyteAssertion, match=rf"{kind} p/d/a.b.flow/v1 cannot be run.*`remote.execute"):
            call(a=1)


@pytest.mark.parametrize("entity", ENTITIES, ids=KINDS)
def test_inputs_without_names_are_refused(entity: Entity) -> None:
    with pytest.raises(FlyteAssertion, match="by name only, got 2 without a name"):
        entity(1, 2, a=3)


@pytest.mark.parametrize("entity", ENTITIES, ids=KINDS)
def test_node_is_named_as_the_function(entity: Entity) -> None:
    assert entity.construct_node_metadata().name == "flow"


def test_stand_in_for_execute_is_called_with_the_inputs() -> None:
    task = FlyteTask.promote_from_model(template())
    task.execute = lambda **inputs: inputs
    assert task(a=1) == {"a": 1}
    assert task.local_execute(None, a=2) == {"a": 2}


def test_python_interface_is_guessed_until_it_is_set() -> None:
    task = FlyteTask.promote_from_model(template())
    assert task.python_interface == PythonInterface({"a": int}, {"o0": int})
    better = PythonInterface({"a": bool}, {"o0": Any})
    task.python_interface = better
    assert task.python_interface is better
    task.python_interface = None
    assert task.python_interface.inputs == {"a": int}


@pytest.mark.parametrize("entity", ENTITIES, ids=KINDS)
def test_entities_of_different_kinds_are_never_equal(entity: Entity) -> None:
    assert [other for other in ENTITIES if other == entity] == [entity]
    assert pickle.loads(pickle.dumps(entity)) == entity


def test_python_interface_of_a_plan_known_by_its_spec_alone_is_not_guessed() -> None:
    with pytest.raises(FlyteAssertion, match="fetch_launch_plan"):
        _ = FlyteLaunchPlan.promote_from_model(plan_id("p"), admin.LaunchPlanSpec()).python_interface
