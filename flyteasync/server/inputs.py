"""Which inputs a launch plan expects, and what an execution of it really gets; pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..idl import admin, core
from .cron import check_cron
from .failures import invalid
from .text import proto_text
from .typecheck import castable, literal_type_of

Variables = Mapping[str, core.Variable]
Literals = Mapping[str, core.Literal]
Parameters = Mapping[str, core.Parameter]

UNKNOWN_TYPE = (
    "Code: IDLTypeNotFound, Node Id: , Description: Input is an invalid type, please update all of your Flyte images "
    "to the latest version and try again."
)


def variables_of(variables: core.VariableMap | None) -> dict[str, core.Variable]:
    """The variables of one side of an interface; empty if there are none."""
    return {} if variables is None else variables.variables


def literals_of(literals: core.LiteralMap | None) -> dict[str, core.Literal]:
    """The literals of a map; empty if there is none."""
    return {} if literals is None else literals.literals


def parameters_of(parameters: core.ParameterMap | None) -> dict[str, core.Parameter]:
    """The parameters of a map; empty if there is none."""
    return {} if parameters is None else parameters.parameters


def resolve_inputs(given: Literals, fixed: Literals, expected: Parameters) -> core.LiteralMap:
    """What an execution gets: the given inputs, defaults for what is missing, and the fixed ones.

    Raises:
        FlyteInvalidInputException: an input is unknown, missing, or of the wrong type.
    """
    for name in given:
        if name not in expected:
            raise invalid(f"invalid input {name}")
    result: dict[str, core.Literal] = {}
    for name, parameter in expected.items():
        if name in given:
            _check_type(name, given[name], parameter)
            result[name] = given[name]
        elif parameter.required:
            raise invalid(f"expected_inputs {name} missing")
        elif parameter.default is not None:
            result[name] = parameter.default
    for name, literal in fixed.items():
        if name in result:
            raise invalid(f"fixed_inputs {name} cannot be overridden")
        result[name] = literal
    return core.LiteralMap(literals=result)


def _check_type(name: str, literal: core.Literal, parameter: core.Parameter) -> None:
    kind = literal_type_of(literal)
    if kind is None or is_open(kind):
        raise invalid(f"Failed to validate literal type for [{name}] with err: {UNKNOWN_TYPE}")
    declared = _type_of(parameter.var)
    if not castable(kind, declared):
        raise invalid(f"invalid {name} input wrong type. Expected {proto_text(declared)}, but got {proto_text(kind)}")


def is_open(kind: core.LiteralType) -> bool:
    """Whether a type, or what it is made of, is unknown."""
    if kind.collection_type is not None:
        return is_open(kind.collection_type)
    if kind.map_value_type is not None:
        return is_open(kind.map_value_type)
    return kind == core.LiteralType()


def _type_of(variable: core.Variable | None) -> core.LiteralType:
    return (None if variable is None else variable.type) or core.LiteralType()


def expected_inputs(variables: Variables, fixed: Literals, defaults: Parameters) -> core.ParameterMap:
    """The free inputs of a launch plan: those of its workflow without the fixed ones, with their defaults.

    Raises:
        FlyteInvalidInputException: a default or fixed input that the workflow does not have, or of the wrong type.
    """
    if not variables:
        if defaults:
            raise invalid(f"invalid launch plan default inputs, expected none but found {len(defaults)}")
        if fixed:
            raise invalid(f"invalid launch plan fixed inputs, expected none but found {len(fixed)}")
        return core.ParameterMap()
    for name, parameter in defaults.items():
        _check_default(name, parameter, variables)
    for name, literal in fixed.items():
        _check_fixed(name, literal, variables)
    expected: dict[str, core.Parameter] = {}
    for name, variable in variables.items():
        if name in defaults:
            expected[name] = defaults[name]
        elif name not in fixed:
            var = core.Variable(type=variable.type, description=variable.description)
            expected[name] = core.Parameter(var=var, required=True)
    return core.ParameterMap(parameters=expected)


def _check_default(name: str, parameter: core.Parameter, variables: Variables) -> None:
    if name not in variables:
        raise invalid(f"unexpected default_input {name}")
    given, declared = _type_of(parameter.var), _type_of(variables[name])
    if not castable(given, declared):
        raise invalid(
            f"invalid default_input wrong type {name}, expected {proto_text(given)}, got {proto_text(declared)} instead"
        )


def _check_fixed(name: str, literal: core.Literal, variables: Variables) -> None:
    if name not in variables:
        raise invalid(f"unexpected fixed_input {name}")
    given, declared = literal_type_of(literal), _type_of(variables[name])
    if given is None:
        raise invalid(f"Failed to validate literal type for [{name}] with err: {UNKNOWN_TYPE}")
    if not castable(given, declared):
        raise invalid(
            f"invalid fixed_input wrong type {name}, expected {proto_text(declared)}, got {proto_text(given)} instead"
        )


def check_schedule(schedule: admin.Schedule | None, expected: Parameters) -> None:
    """A scheduled launch plan must be able to run without anybody giving inputs.

    Raises:
        FlyteInvalidInputException: a required input is not bound, the kickoff time has nowhere to go, or the cron
            expression cannot be read.
    """
    if schedule is None:
        return
    if not schedule.cron_expression and schedule.rate is None and schedule.cron_schedule is None:
        return
    argument = schedule.kickoff_time_input_arg
    for name, parameter in expected.items():
        if parameter.required and name != argument:
            raise invalid(
                "Cannot create a launch plan with a schedule if there is an unbound required input. "
                f"[{name}] is required"
            )
    if schedule.cron_schedule is not None:
        check_cron(schedule.cron_schedule.schedule)
    if not argument:
        return
    if argument not in expected:
        raise invalid(
            "Cannot create a schedule with a KickoffTimeInputArg that does not point to a free input. "
            f"[{argument}] is not free or does not exist."
        )
    kind = _type_of(expected[argument].var)
    if kind.simple != core.SimpleType.DATETIME:
        raise invalid(f"KickoffTimeInputArg must reference a datetime input. [{argument}] is a [{proto_text(kind)}]")
