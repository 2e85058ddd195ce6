"""What bindings stand for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.errors import FlyteValueException
from flyteasync.idl import core
from flyteasync.idl.google.protobuf import Struct
from flyteasync.literals import to_python
from flyteasync.server.engine.bindings import resolve, resolve_all
from flyteasync.server.engine.names import hashed, unique_node_id
from tests.server.build import bindings, collection, literal, mapping, promise, scalar

OUTPUTS = {"start-node": {"x": literal(7)}, "n0": {"o0": literal([1, 2, 3]), "o1": literal({"a": [10, 20]})}}


def value_of(data: core.BindingData) -> Any:
    return to_python(resolve(data, OUTPUTS, "input"))


def test_a_scalar_is_itself() -> None:
    assert value_of(scalar("text")) == "text"


def test_a_promise_without_a_node_is_an_input_of_the_workflow() -> None:
    assert value_of(promise("x")) == 7


def test_a_promise_is_the_output_of_a_node() -> None:
    assert value_of(promise("n0.o0")) == [1, 2, 3]


def test_an_attribute_path_goes_into_lists_and_maps() -> None:
    assert value_of(promise("n0.o0", 2)) == 3
    assert value_of(promise("n0.o1", "a", 1)) == 20


def test_an_attribute_path_goes_into_structs() -> None:
    struct = Struct.from_dict({"model": {"layers": [{"size": 4.0}, {"size": 8.0}]}, "name": "net"})
    outputs = {"n0": {"o0": core.Literal(scalar=core.Scalar(generic=struct))}}
    assert to_python(resolve(promise("n0.o0", "model", "layers", 1, "size"), outputs, "x")) == 8.0
    assert to_python(resolve(promise("n0.o0", "name"), outputs, "x")) == "net"
    with pytest.raises(FlyteValueException, match=r"n0\.o0\['model'\] has no 'depth'"):
        resolve(promise("n0.o0", "model", "depth"), outputs, "x")


def test_an_attribute_path_goes_into_dataclasses_and_what_it_finds_stays_serialised() -> None:
    data = msgspec.msgpack.encode({"model": {"layers": [{"size": 4}, {"size": 8}]}, "name": "net"})
    inner = core.Literal(scalar=core.Scalar(binary=core.Binary(value=data, tag="msgpack")))
    outputs = {"n0": {"o0": core.Literal(collection=core.LiteralCollection(literals=[inner]))}}
    found = resolve(promise("n0.o0", 0, "model", "layers", 1, "size"), outputs, "x")
    assert found.scalar is not None
    assert found.scalar.binary == core.Binary(value=msgspec.msgpack.encode(8), tag="msgpack")
    assert to_python(found, expected=core.LiteralType(simple=core.SimpleType.INTEGER)) == 8
    for path, missing in [(("model", "depth"), "depth"), (("model", "layers", 2), "2"), (("name", "x"), "x")]:
        with pytest.raises(FlyteValueException, match=f"has no '?{missing}"):
            resolve(promise("n0.o0", 0, *path), outputs, "x")
    broken = core.Literal(scalar=core.Scalar(binary=core.Binary(value=b"\xc1", tag="msgpack")))
    with pytest.raises(FlyteValueException, match="not valid msgpack"):
        resolve(promise("n0.o0", "a"), {"n0": {"o0": broken}}, "x")


def test_collections_and_maps_are_resolved_inside() -> None:
    assert value_of(collection(promise("x"), scalar(8), promise("n0.o0", 0))) == [7, 8, 1]
    assert value_of(mapping(a=promise("x"), b=collection(scalar(1)))) == {"a": 7, "b": [1]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (promise("n9.o0"), "input 'input' refers to node 'n9', which has not run"),
        (promise("n0.o9"), "input 'input' refers to output 'o9' of node 'n0', which has none"),
        (promise("n0.o0", 3), r"n0\.o0 has no element 3; its length is 3"),
        (promise("n0.o0", -1), r"n0\.o0 has no element -1; its length is 3"),
        (promise("n0.o1", "b"), r"n0\.o1 has no key 'b'; its keys are: a"),
        (promise("n0.o1", "a", "b"), r"n0\.o1\['a'\] is neither a list nor a map that 'b' could be looked up in"),
        (promise("x", 0), r"start-node\.x is neither a list nor a map"),
        (core.BindingData(), "input 'input' has an empty binding"),
        (collection(core.BindingData()), r"input 'input\[0\]' has an empty binding"),
    ],
)
def test_a_binding_to_nothing_says_what_is_missing(data: core.BindingData, message: str) -> None:
    with pytest.raises(FlyteValueException, match=message):
        resolve(data, OUTPUTS, "input")


def test_an_input_that_is_not_bound_is_none() -> None:
    resolved = resolve_all(bindings({"a": promise("x")}), OUTPUTS, {"a": core.Variable(), "b": core.Variable()})
    assert {name: to_python(item) for name, item in resolved.items()} == {"a": 7, "b": None}


@given(st.recursive(st.integers(-5, 5), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=8))
def test_lists_of_any_shape_come_out_as_they_went_in(shape: Any) -> None:
    def build(item: Any) -> core.BindingData:
        return collection(*map(build, item)) if isinstance(item, list) else scalar(item)

    assert to_python(resolve(build(shape), {}, "x")) == shape


def test_node_ids_longer_than_twenty_characters_are_hashed() -> None:
    assert unique_node_id("n0") == "n0"
    assert unique_node_id("a" * 20) == "a" * 20
    hashed = unique_node_id("a" * 21)
    assert len(hashed) == 8
    assert hashed.startswith("f")
    assert hashed != unique_node_id("a" * 22)


def test_the_hash_is_the_propellers() -> None:
    # The published test vector of FNV-1a: "foobar" is 0xbf9cf968, X6OPS2A in standard base 32, whose digits 2 to 7 the
    # propeller spells 1 to 6.
    assert hashed("foobar") == "fx5ops1a"
