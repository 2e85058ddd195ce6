"""What a node's bindings stand for, once the nodes before it are done; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import betterproto2
import msgspec

from ...errors import FlyteValueException
from ...idl import core
from ...idl.google.protobuf import ListValue, Struct, Value
from ..compiler import START

Outputs = Mapping[str, Mapping[str, core.Literal]]
"""The outputs of finished nodes, by node id; the workflow's inputs are those of the start node."""

_MSGPACK = "msgpack"

NONE = core.Literal(scalar=core.Scalar(none_type=core.Void()))


def resolve_all(
    bindings: Iterable[core.Binding], outputs: Outputs, variables: Mapping[str, core.Variable]
) -> dict[str, core.Literal]:
    """The inputs of a node by name; an optional one that is not bound is none.

    Raises:
        FlyteValueException: a binding refers to something that is not there; the text names it.
    """
    result: dict[str, core.Literal] = {}
    for binding in bindings:
        if binding.binding is None:
            raise FlyteValueException(f"input {binding.var!r} has an empty binding")
        result[binding.var] = resolve(binding.binding, outputs, binding.var)
    for name in variables:
        result.setdefault(name, NONE)
    return result


def resolve(binding: core.BindingData, outputs: Outputs, name: str) -> core.Literal:
    """The literal that one binding stands for."""
    match betterproto2.which_one_of(binding, "value"):
        case _, core.Scalar() as scalar:
            return core.Literal(scalar=scalar)
        case _, core.OutputReference() as promise:
            return _resolve_promise(promise, outputs, name)
        case _, core.BindingDataCollection() as collection:
            literals = [resolve(item, outputs, f"{name}[{index}]") for index, item in enumerate(collection.bindings)]
            return core.Literal(collection=core.LiteralCollection(literals=literals))
        case _, core.BindingDataMap() as bindings:
            entries = {key: resolve(item, outputs, f"{name}[{key!r}]") for key, item in bindings.bindings.items()}
            return core.Literal(map=core.LiteralMap(literals=entries))
        case _, core.LiteralOffloadedMetadata() as offloaded:
            return core.Literal(offloaded_metadata=offloaded)
        case _:
            raise FlyteValueException(f"input {name!r} has an empty binding")


def _resolve_promise(promise: core.OutputReference, outputs: Outputs, name: str) -> core.Literal:
    source = promise.node_id or START
    if source not in outputs:
        raise FlyteValueException(f"input {name!r} refers to node {source!r}, which has not run")
    literal = outputs[source].get(promise.var)
    if literal is None:
        raise FlyteValueException(f"input {name!r} refers to output {promise.var!r} of node {source!r}, which has none")
    path = f"{source}.{promise.var}"
    steps = [betterproto2.which_one_of(attribute, "value") for attribute in promise.attr_path]
    for index, (kind, step) in enumerate(steps):
        scalar, rest = literal.scalar, [step for _, step in steps[index:]]
        if scalar is not None and scalar.generic is not None:
            return _follow_struct(Value(struct_value=scalar.generic), rest, path)
        if scalar is not None and scalar.binary is not None and scalar.binary.tag == _MSGPACK:
            return _follow_msgpack(scalar.binary.value, rest, path)
        literal = _follow(literal, kind, step, path)
        path = f"{path}[{step!r}]"
    return literal


def _follow(literal: core.Literal, kind: str, step: object, path: str) -> core.Literal:
    if literal.map is not None and kind == "string_value" and isinstance(step, str):
        found = literal.map.literals.get(step)
        if found is None:
            known = ", ".join(sorted(literal.map.literals)) or "none"
            raise FlyteValueException(f"{path} has no key {step!r}; its keys are: {known}")
        return found
    if literal.collection is not None and kind == "int_value" and isinstance(step, int):
        literals = literal.collection.literals
        if not 0 <= step < len(literals):
            raise FlyteValueException(f"{path} has no element {step}; its length is {len(literals)}")
        return literals[step]
    raise FlyteValueException(f"{path} is neither a list nor a map that {step!r} could be looked up in")


def _follow_msgpack(data: bytes, steps: Sequence[object], path: str) -> core.Literal:
    """Look an attribute up in a dataclass; what is found stays serialised, as it does in the propeller."""
    try:
        value: Any = msgspec.msgpack.decode(data)
    except msgspec.DecodeError as error:
        raise FlyteValueException(f"{path} is not valid msgpack: {error}") from error
    for step in steps:
        try:
            value = value[step]
        except (LookupError, TypeError):
            raise FlyteValueException(f"{path} has no {step!r}") from None
        path = f"{path}[{step!r}]"
    return core.Literal(scalar=core.Scalar(binary=core.Binary(value=msgspec.msgpack.encode(value), tag=_MSGPACK)))


def _follow_struct(value: Value, steps: Sequence[object], path: str) -> core.Literal:
    """Look an attribute up in a struct, as dataclasses were written before msgpack."""
    for step in steps:
        inner: Value | None = None
        match betterproto2.which_one_of(value, "kind"):
            case _, Struct() as struct if isinstance(step, str):
                inner = struct.fields.get(step)
            case _, ListValue() as items if isinstance(step, int) and 0 <= step < len(items.values):
                inner = items.values[step]
            case _:
                pass
        if inner is None:
            raise FlyteValueException(f"{path} has no {step!r}")
        value, path = inner, f"{path}[{step!r}]"
    return _struct_literal(value)


def _struct_literal(value: Value) -> core.Literal:
    match betterproto2.which_one_of(value, "kind"):
        case "number_value", float() as number:
            return core.Literal(scalar=core.Scalar(primitive=core.Primitive(float_value=number)))
        case "string_value", str() as text:
            return core.Literal(scalar=core.Scalar(primitive=core.Primitive(string_value=text)))
        case "bool_value", bool() as flag:
            return core.Literal(scalar=core.Scalar(primitive=core.Primitive(boolean=flag)))
        case _, Struct() as struct:
            return core.Literal(scalar=core.Scalar(generic=struct))
        case _, ListValue() as items:
            literals = [_struct_literal(item) for item in items.values]
            return core.Literal(collection=core.LiteralCollection(literals=literals))
        case _:
            return NONE
