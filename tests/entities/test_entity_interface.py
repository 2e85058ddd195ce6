"""Interfaces: dictionaries over the message, lists of it, Python types of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.codec import encode
from flyteasync.entities import PythonInterface, TypedInterface
from flyteasync.errors import FlyteTypeException
from flyteasync.idl import core
from flyteasync.interop import pb2_of
from flyteasync.literals import literal_type
from tests.entities.build import INT, INT_TO_INT, STR, interface, variables


def test_inputs_and_outputs_are_dictionaries() -> None:
    made = TypedInterface.from_flyte_idl(INT_TO_INT)
    assert made.inputs["a"].type == INT
    assert list(made.outputs) == ["o0"]
    assert made.to_flyte_idl() == INT_TO_INT


def test_message_is_taken_in_any_form() -> None:
    for given_as in (encode(INT_TO_INT), pb2_of(INT_TO_INT), TypedInterface.from_flyte_idl(INT_TO_INT)):
        assert TypedInterface.from_flyte_idl(given_as) == TypedInterface.from_flyte_idl(INT_TO_INT)
    with pytest.raises(FlyteTypeException, match=r"expected flyteidl.core.TypedInterface.*got flyteidl.core.Variable"):
        TypedInterface.from_flyte_idl(core.Variable())


def test_variables_are_taken_in_any_form() -> None:
    message = core.Variable(type=INT)
    made = TypedInterface({"a": pb2_of(message)}, {"o0": encode(message)})
    assert made == TypedInterface.from_flyte_idl(INT_TO_INT)


def test_interface_without_anything_is_empty() -> None:
    assert TypedInterface({}, {}).is_empty
    assert TypedInterface.from_flyte_idl(core.TypedInterface()) == TypedInterface({}, {})
    assert not TypedInterface({}, {"o0": core.Variable()}).is_empty


def test_short_string_is_a_signature() -> None:
    made = TypedInterface(variables(a=INT, b=literal_type(dict[str, list[float]])), variables(o0=STR))
    assert made.short_string() == "(a: int, b: dict[str, list[float]]) -> (o0: str)"
    assert repr(made) == f"<TypedInterface {made.short_string()}>"
    assert TypedInterface({"a": core.Variable()}, {}).short_string() == "(a: no type) -> ()"


def test_verbose_string_has_every_field() -> None:
    assert TypedInterface.from_flyte_idl(INT_TO_INT).verbose_string() == (
        "inputs:\n  variables['a']:\n    type:\n      simple: INTEGER\n"
        "outputs:\n  variables['o0']:\n    type:\n      simple: INTEGER"
    )


def test_equal_interfaces_have_equal_hashes() -> None:
    first, second = TypedInterface.from_flyte_idl(INT_TO_INT), TypedInterface(variables(a=INT), variables(o0=INT))
    assert first == second
    assert hash(first) == hash(second)
    assert first != TypedInterface(variables(a=INT), variables(o0=STR))


def test_mapping_makes_lists_of_all_but_what_is_bound_and_leaves_out_what_is_excluded() -> None:
    made = TypedInterface(variables(a=INT, b=STR, c=STR), variables(o0=INT))
    made.inputs["a"].description = "how many"
    listed = made.transform_interface_to_list({"b"}, {"c"})
    assert listed.short_string() == "(a: list[int], b: str) -> (o0: list[int])"
    assert listed.inputs["a"].description == "how many"
    assert made.short_string() == "(a: int, b: str, c: str) -> (o0: int)"


def test_python_types_are_those_that_values_have() -> None:
    made = TypedInterface(
        variables(a=INT, b=literal_type(list[str]), c=literal_type(int | None)), variables(o0=core.LiteralType())
    )
    assert made.to_python() == PythonInterface({"a": int, "b": list[str], "c": int | None}, {"o0": Any})


def test_inputs_without_a_known_default_are_required() -> None:
    made = TypedInterface(variables(a=INT, b=INT), {}, optional={"b": None})
    assert made.required == {"a"}
    assert TypedInterface(variables(a=INT), {}).required == {"a"}


names = st.text(st.characters(exclude_categories=["Cs"]))
types = st.recursive(
    st.sampled_from([core.LiteralType(simple=simple) for simple in core.SimpleType]),
    lambda inner: (
        st.builds(lambda item: core.LiteralType(collection_type=item), inner)
        | st.builds(lambda item: core.LiteralType(map_value_type=item), inner)
        | st.builds(
            lambda items: core.LiteralType(union_type=core.UnionType(variants=items)), st.lists(inner, max_size=3)
        )
    ),
    max_leaves=5,
)
maps = st.dictionaries(names, st.builds(core.Variable, type=st.none() | types, description=names), max_size=4)


@given(maps, maps)
def test_any_interface_round_trips_and_can_be_shown(
    inputs: dict[str, core.Variable], outputs: dict[str, core.Variable]
) -> None:
    made = TypedInterface(inputs, outputs)
    assert TypedInterface.from_flyte_idl(made.serialize_to_string()) == made
    assert TypedInterface.from_flyte_idl(interface(inputs, outputs)) == made
    assert made.short_string()
    assert made.verbose_string() or made.is_empty
    assert made._repr_html_().startswith("<h4>TypedInterface ")
    assert made.to_python().inputs.keys() == inputs.keys()
    assert made.transform_interface_to_list(set(), set()).outputs.keys() == outputs.keys()
