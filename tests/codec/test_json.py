"""The JSON mapping of proto3, where it is not plain: forms, names, and what is refused.  upb is the judge."""

import dataclasses
import datetime
from typing import Any

import betterproto2
import pytest
from google.protobuf import json_format

from flyteasync.codec import decode, encode
from flyteasync.codec.json_names import json_name
from flyteasync.errors import FlyteValueException
from flyteasync.idl import admin, core
from flyteasync.idl.google import protobuf

from .twins import all_twins, all_types, flyte_twins
from .wire_writing import block, number

ALL: Any = all_types().All

ACCEPTED: list[dict[str, Any]] = [
    {"oneInt32": "5"}, {"oneInt32": 5.0}, {"oneInt32": "5.0"}, {"oneInt32": "1e3"}, {"oneInt32": 1000.0},
    {"oneInt32": None}, {"oneUint64": "18446744073709551615"}, {"oneInt64": "-9223372036854775808"},
    {"oneFloat": "0.5"}, {"oneDouble": 5}, {"oneFloat": "Infinity"}, {"oneDouble": "-Infinity"},
    {"oneDouble": "1e-5"}, {"oneString": None}, {"oneString": "ü"}, {"oneBytes": "_-8"}, {"oneBytes": "/+8="},
    {"oneBytes": "_-8="}, {"oneBytes": ""}, {"oneBool": True}, {"oneEnum": "RED"}, {"oneEnum": 99},
    {"oneEnum": "7"}, {"oneEnum": "NEGATIVE"}, {"oneEnum": 1.0}, {"manyInt32": None}, {"manyInt32": []},
    {"manyEnum": ["RED", 7]}, {"manyValue": [None, 1]}, {"value": None}, {"mapInt32Leaf": {"1": {}}},
    {"mapBoolDouble": {"true": 1, "false": "NaN"}}, {"mapUint64Value": {"1": None}},
    {"time": "2020-01-01T00:00:00Z"}, {"time": "2020-01-01T00:00:00.123456789Z"},
    {"time": "2020-01-01T00:00:00+02:00"}, {"time": "0001-01-01T00:00:00Z"},
    {"time": "9999-12-31T23:59:59.999999Z"}, {"time": None}, {"duration": "1s"}, {"duration": "1.5s"},
    {"duration": "-1.5s"}, {"duration": "-0.5s"}, {"duration": "1.000000001s"},
    {"choiceInt32": None, "choiceString": "x"}, {"choiceInt32": 0}, {"choiceWrapper": False},
    {"wrappedBool": False}, {"wrappedInt64": "5"}, {"wrappedBytes": "_w"}, {"wrappedFloat": "NaN"},
    {"wrappedString": ""}, {"one_int32": 5}, {"camelCase": "x"}, {"Capital": "x"}, {"from": "x"},
    {"k8sServiceAccount": "x"}, {"with2Digits": "x"}, {"optionalLeaf": None}, {"oneLeaf": {}},
    {"struct": {"a": [1, None, {"b": True}], "c": {}}}, {"list": [1, "x"]}, {"value": [1]}, {"value": 5},
    {"value": {"a": "b"}}, {"null": None}, {"any": {}},
    {"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.5s"}},
    {"any": {"@type": "type.googleapis.com/alltypes.Leaf", "text": "x"}},
]  # fmt: skip

REFUSED: list[tuple[Any, str]] = [
    ({"oneInt32": 5.5}, "All.one_int32: expected an int from -2147483648 to 2147483647, got 5.5"),
    ({"oneInt32": True}, "All.one_int32: expected an int from -2147483648 to 2147483647, got True"),
    ({"oneInt32": ""}, "All.one_int32"),
    ({"oneInt32": " 5"}, "All.one_int32"),
    ({"oneInt32": 2**31}, "All.one_int32"),
    ({"oneInt32": "NaN"}, "All.one_int32"),
    ({"oneInt32": []}, "All.one_int32"),
    ({"oneFloat": 1e300}, "All.one_float"),
    ({"oneDouble": "nan"}, "All.one_double"),
    ({"oneDouble": ""}, "All.one_double"),
    ({"oneBool": 1}, "All.one_bool: expected a bool, got 1"),
    ({"oneBool": "true"}, "All.one_bool"),
    ({"oneString": 5}, "All.one_string"),
    ({"oneBytes": "a"}, "All.one_bytes: expected bytes"),
    ({"oneBytes": 5}, "All.one_bytes"),
    ({"oneEnum": "red"}, "All.one_enum: expected a Colour or its number"),
    ({"manyInt32": [1, None]}, "All.many_int32[1]"),
    ({"manyInt32": 5}, "All.many_int32: expected an array, got 5"),
    ({"manyLeaf": [None]}, "All.many_leaf[0]: expected a message of type Leaf, got None"),
    ({"mapStringString": {"a": None}}, "All.map_string_string['a']"),
    ({"mapStringString": 5}, "All.map_string_string: expected an object, got 5"),
    ({"mapInt32Leaf": {"x": {}}}, "All.map_int32_leaf: expected an int"),
    ({"mapBoolDouble": {"True": 1}}, 'All.map_bool_double: expected "true" or "false" as a key'),
    ({"time": "2020-01-01"}, "All.time: expected a Timestamp such as '2024-02-29T12:34:56.789Z'"),
    ({"time": "2020-01-01T00:00:00"}, "All.time"),
    ({"time": "2020-01-01T24:00:00Z"}, "All.time"),
    ({"time": "2020-13-01T00:00:00Z"}, "All.time"),
    ({"time": "0001-01-01T00:00:00+01:00"}, "All.time"),
    ({"time": "2020-01-01T00:00:00.1234567890Z"}, "All.time"),
    ({"time": 5}, "All.time"),
    ({"duration": "1"}, "All.duration: expected a Duration such as '-1.5s'"),
    ({"duration": ".5s"}, "All.duration"),
    ({"duration": "1e3s"}, "All.duration"),
    ({"duration": "315576000001s"}, "All.duration"),
    ({"choiceInt32": 1, "choiceString": "x"}, "All: choice_int32 and choice_string are both set"),
    ({"nothing": 1}, "All has no field 'nothing'; its fields are: oneDouble, oneFloat"),
    ({"oneLeaf": 5}, "Leaf: expected an object, got 5"),
    ({"oneLeaf": {"text": 5}}, "Leaf.text"),
    ({"struct": []}, "Struct: expected an object"),
    ({"list": {}}, "ListValue: expected an array"),
    ({"any": {"text": 5}}, "Any.@type: expected a string, got None"),
]  # fmt: skip


@pytest.mark.parametrize("value", ACCEPTED, ids=repr)
def test_what_the_official_package_accepts_means_the_same(value: dict[str, Any]) -> None:
    theirs = json_format.ParseDict(value, all_twins().theirs())
    ours = ALL.from_dict(value)
    assert str(all_twins().theirs.FromString(encode(ours))) == str(theirs)
    if "@type" not in str(value):
        assert ours.to_dict() == json_format.MessageToDict(theirs)


@pytest.mark.parametrize(("value", "text"), REFUSED, ids=[repr(value) for value, _ in REFUSED])
def test_what_the_official_package_refuses_is_refused(value: Any, text: str) -> None:
    with pytest.raises((json_format.Error, AttributeError, TypeError)):
        json_format.ParseDict(value, all_twins().theirs())
    with pytest.raises(FlyteValueException) as caught:
        ALL.from_dict(value)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "All: expected an object, got a value of type list"),
        ({"oneEnum": 2**31}, "All.one_enum: expected a Colour or its number, got 2147483648"),
        ({"oneDouble": True}, "All.one_double: expected a float, got True"),
    ],
)
def test_what_only_the_official_package_accepts_is_refused(value: Any, text: str) -> None:
    with pytest.raises(FlyteValueException) as caught:
        ALL.from_dict(value)
    assert str(caught.value) == text


def test_every_name_in_json_is_that_of_the_descriptor() -> None:
    for twins in [*flyte_twins(), all_twins()]:
        theirs = {field.number: field.json_name for field in twins.theirs.DESCRIPTOR.fields}
        fields = {field.metadata["betterproto"].number: field.name for field in dataclasses.fields(twins.ours)}
        assert {number: json_name(twins.ours, name) for number, name in fields.items()} == theirs


def test_unknown_fields_and_members_are_left_out_if_asked_for() -> None:
    value = {"nothing": 1, "oneEnum": "NOTHING", "manyEnum": ["NOTHING", "RED"], "mapSint64Enum": {"1": "NOTHING"}}
    theirs = json_format.ParseDict(value, all_twins().theirs(), ignore_unknown_fields=True)
    ours = ALL.from_dict(value, ignore_unknown_fields=True)
    assert all_twins().theirs.FromString(encode(ours)) == theirs
    assert ours == ALL(many_enum=[1])


def test_text_that_is_not_json_is_refused() -> None:
    with pytest.raises(FlyteValueException, match="Execution: expected JSON"):
        admin.Execution.from_json("{")


def test_names_can_be_those_of_the_proto_file() -> None:
    message = ALL(one_int32=5, from_="x", k8s_service_account="y", one_leaf=all_types().Leaf(text="z"))
    assert message.to_dict(casing=betterproto2.Casing.SNAKE) == {
        "one_int32": 5,
        "from": "x",
        "k8s_service_account": "y",
        "one_leaf": {"text": "z"},
    }


def test_defaults_are_shown_if_asked_for() -> None:
    identifier = core.Identifier(name="n")
    assert identifier.to_dict(include_default_values=True) == {
        "resourceType": "UNSPECIFIED", "project": "", "domain": "", "name": "n", "version": "", "org": "",
    }  # fmt: skip
    shown = admin.Execution().to_dict(include_default_values=True)
    assert shown == {"id": None, "spec": None, "closure": None}
    assert admin.Execution.from_dict(shown) == admin.Execution()
    shown = admin.ExecutionClosure().to_dict(include_default_values=True)
    assert shown["notifications"] == []
    assert admin.ExecutionClosure.from_dict(shown) == admin.ExecutionClosure()


def test_values_can_stay_what_they_are_in_python() -> None:
    moment = datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC)
    values: dict[str, Any] = {
        "oneInt64": 5,
        "oneBytes": b"\xff",
        "oneEnum": all_types().Colour.RED,
        "mapInt32Leaf": {1: {"text": "x"}},
        "time": moment,
        "duration": datetime.timedelta(seconds=-1),
        "wrappedInt64": 5,
        "struct": {"a": 1.5},
    }
    message = ALL.from_dict(values)
    assert message.time == moment
    assert message.to_dict(output_format=betterproto2.OutputFormat.PYTHON) == values


def test_nanoseconds_go_through_json() -> None:
    data = block(101, number(1, 1) + number(2, 123456789)) + block(102, number(2, 1))
    text = decode(ALL, data).to_json()
    assert text == '{"time": "1970-01-01T00:00:01.123456789Z", "duration": "0.000000001s"}'
    assert encode(ALL.from_json(text)) == data


@pytest.mark.parametrize("message", [
    ALL(duration=datetime.timedelta(days=4_000_000)),
    ALL(value=protobuf.Value(number_value=float("inf"))),
])  # fmt: skip
def test_what_json_has_no_form_for_is_an_error_that_names_it(message: Any) -> None:
    with pytest.raises(FlyteValueException, match=r"(All.duration|Value.number_value): JSON has no"):
        message.to_dict()


def test_an_any_of_unknown_type_keeps_its_bytes() -> None:
    message = protobuf.Any(type_url="type.googleapis.com/nobody.Knows", value=b"\x08\x01")
    value = message.to_dict()
    assert value == {"@type": "type.googleapis.com/nobody.Knows", "value": "CAE="}
    assert protobuf.Any.from_dict(value) == message


def test_a_struct_is_a_dict() -> None:
    value = {"a": 1, "b": [None, True, "x", {"c": 1.5}], "d": {}}
    struct = protobuf.Struct.from_dict(value)
    assert struct.to_dict() == value
    assert struct.fields["a"].number_value == 1
    assert decode(protobuf.Struct, encode(struct)).to_dict() == value
    with pytest.raises(FlyteValueException, match="Value: expected a value of JSON, got a value of type object"):
        protobuf.Struct.from_dict({"a": object()})


@pytest.mark.parametrize(("message", "value"), [
    (protobuf.Timestamp(seconds=1, nanos=500), "1970-01-01T00:00:01.000000500Z"),
    (protobuf.Duration(seconds=-1, nanos=-500_000_000), "-1.500s"),
    (protobuf.Int64Value(value=5), "5"),
    (protobuf.BytesValue(value=b"\xff"), "/w=="),
    (protobuf.BoolValue(value=True), True),
    (protobuf.Value(), None),
    (protobuf.ListValue(values=[protobuf.Value(string_value="x")]), ["x"]),
])  # fmt: skip
def test_a_message_with_a_form_of_its_own_takes_it_on_the_outside_too(message: Any, value: Any) -> None:
    assert message.to_dict() == value
    if value is not None:
        assert type(message).from_dict(value) == message


def test_deprecated_fields_do_not_warn() -> None:
    spec = admin.ExecutionSpec(inputs=core.LiteralMap())
    assert decode(admin.ExecutionSpec, encode(spec)).to_dict() == {"inputs": {}}
