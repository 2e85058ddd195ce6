"""What is to be launched: checks, conversions and comparisons without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .. import codec
from ..entities import FlyteLaunchPlan, FlyteTask, FlyteWorkflow, TypedInterface
from ..errors import FlyteInvalidInputException, FlyteTypeException, FlyteValueException
from ..idl import admin, core
from .checks import kind_of


@dataclass(frozen=True)
class Target:
    """What is launched.

    Attributes:
        id: the launch plan or task.
        interface: the types of inputs and outputs.
        required: the inputs that have no default.
    """

    id: core.Identifier
    interface: TypedInterface
    required: frozenset[str]


def target_of(entity: FlyteLaunchPlan | FlyteTask) -> Target:
    """How to launch an entity."""
    if isinstance(entity, FlyteTask):
        return Target(entity.id, entity.interface, frozenset(entity.interface.inputs))
    required = (name for name, parameter in entity.parameters.items() if parameter.required)
    return Target(entity.id, entity.interface, frozenset(required))


def check_entity(entity: object) -> FlyteLaunchPlan | FlyteWorkflow | FlyteTask:
    """The entity, if it is one that can be launched.

    Raises:
        FlyteTypeException: it is not.
    """
    if not isinstance(entity, (FlyteLaunchPlan, FlyteWorkflow, FlyteTask)):
        raise FlyteTypeException(f"only a fetched launch plan, workflow or task can be launched, not {kind_of(entity)}")
    return entity


def check_given(target: Target, literals: core.LiteralMap) -> None:
    """Refuse inputs that the target fixes, and a lack of those that it requires.

    Raises:
        FlyteValueException: an input that cannot be given.
        FlyteInvalidInputException: a required input is missing.
    """
    given = literals.literals.keys()
    if fixed := given - target.interface.inputs.keys():
        names = ", ".join(sorted(fixed))
        raise FlyteValueException(f"launch plan {target.id.name} does not let its caller give {names}")
    if missing := target.required - given:
        names = ", ".join(sorted(missing))
        raise FlyteInvalidInputException(f"{target.id.name} needs the input{'s' if len(missing) > 1 else ''} {names}")


def differences(
    wanted: admin.ExecutionCreateRequest, found: admin.Execution, inputs: Mapping[str, core.Literal] | None
) -> list[str]:
    """In what an execution differs from the one that was to be launched; empty if it is the same.

    Args:
        wanted: what was to be launched.
        found: what there is.
        inputs: those of what there is; None if they are not known, and differ in nothing that anybody can tell.
    """
    asked = wanted.spec.launch_plan if wanted.spec is not None else None
    result = [] if entity_of(found) == asked else ["the entity"]
    given = wanted.inputs.literals if wanted.inputs is not None and inputs is not None else {}
    for name, literal in given.items():
        other = (inputs or {}).get(name)
        # NaN is not equal to itself, but its bytes are.
        if other is None or (other != literal and codec.encode(other) != codec.encode(literal)):
            result.append(f"the input {name}")
    return result


def entity_of(execution: admin.Execution) -> core.Identifier | None:
    """The launch plan or task that an execution was launched from."""
    return execution.spec.launch_plan if execution.spec is not None else None
