"""Without flytekit, entities say what to install where they need it, and work where they do not."""

import importlib.util

import pytest

from flyteasync.entities import Entity, FlyteLaunchPlan, FlyteTask, FlyteWorkflow
from flyteasync.errors import FlyteAssertion, FlyteUsageError
from flyteasync.idl import admin, core
from flyteasync.interop import flytekit

pytestmark = pytest.mark.skipif(importlib.util.find_spec("flytekit") is not None, reason="flytekit is installed")

ENTITIES: list[Entity] = [
    FlyteTask.promote_from_model(core.TaskTemplate(id=core.Identifier(name="t"))),
    FlyteWorkflow.promote_from_model(core.WorkflowTemplate(id=core.Identifier(name="w"))),
    FlyteLaunchPlan.promote_from_model(
        core.Identifier(name="p"), admin.LaunchPlanSpec(), closure=admin.LaunchPlanClosure()
    ),
]


@pytest.mark.parametrize("entity", ENTITIES, ids=repr)
def test_what_needs_flytekit_says_what_to_install(entity: Entity) -> None:
    for call in (entity.to_flytekit, entity.local_execution_mode, lambda: entity.compile(None)):
        with pytest.raises(FlyteUsageError, match=r"pip install 'flyteasync\[flytekit\]'"):
            call()


@pytest.mark.parametrize("entity", ENTITIES, ids=repr)
def test_call_does_not_need_flytekit_to_be_refused(entity: Entity) -> None:
    with pytest.raises(FlyteAssertion, match="cannot be run on this machine"):
        entity(a=1)


def test_nothing_is_compiled_where_flytekit_was_never_imported() -> None:
    assert flytekit.situation() == flytekit.Situation("plain", None)
