"""What cannot be written is refused, by message and field."""

import datetime
import enum
from typing import Any

import pytest

from flyteasync.codec import encode
from flyteasync.errors import FlyteTypeException, FlyteValueException
from flyteasync.idl import admin, core

from .twins import all_twins, all_types

ALL: Any = all_types().All
LEAF: Any = all_types().Leaf

INT32 = "an int from -2147483648 to 2147483647"
UINT64 = "an int from 0 to 18446744073709551615"

OUT_OF_RANGE = [
    ({"one_int32": 2**31}, f"All.one_int32: expected {INT32}, got 2147483648"),
    ({"one_int32": -(2**31) - 1}, f"All.one_int32: expected {INT32}, got -2147483649"),
    ({"one_uint64": 2**64}, f"All.one_uint64: expected {UINT64}, got 18446744073709551616"),
    ({"one_uint64": -1}, f"All.one_uint64: expected {UINT64}, got -1"),
    ({"one_uint64": 10**5000}, f"All.one_uint64: expected {UINT64}, got a value of type int"),
    ({"one_sint32": 2**31}, f"All.one_sint32: expected {INT32}, got 2147483648"),
    ({"one_fixed32": 2**32}, "All.one_fixed32: expected an int from 0 to 4294967295, got 4294967296"),
    ({"one_sfixed32": -(2**31) - 1}, f"All.one_sfixed32: expected {INT32}, got -2147483649"),
    ({"one_float": 1e39}, "All.one_float: expected a float of single precision, got 1e+39"),
    ({"one_enum": 2**31}, "All.one_enum: expected a Colour or its number, got 2147483648"),
    ({"one_string": "\ud800"}, "All.one_string: expected a str that UTF-8 can encode, got a value of type str"),
    ({"optional_int32": 2**31}, f"All.optional_int32: expected {INT32}, got 2147483648"),
    ({"choice_int32": 2**31}, f"All.choice_int32: expected {INT32}, got 2147483648"),
    ({"many_uint64": [1, -1]}, f"All.many_uint64[1]: expected {UINT64}, got -1"),
    ({"map_int32_leaf": {2**31: LEAF()}}, f"All.map_int32_leaf: expected {INT32} as a key, got 2147483648"),
    ({"wrapped_int32": 2**31}, f"All.wrapped_int32: expected {INT32}, got 2147483648"),
    ({"all": ALL(one_int32=2**31)}, f"All.one_int32: expected {INT32}, got 2147483648"),
]

WRONG_TYPE = [
    ({"one_int32": "x"}, f"All.one_int32: expected {INT32}, got a value of type str"),
    ({"one_int32": 1.5}, f"All.one_int32: expected {INT32}, got 1.5"),
    ({"one_double": "x"}, "All.one_double: expected a float, got a value of type str"),
    ({"one_fixed64": 1.5}, f"All.one_fixed64: expected {UINT64}, got 1.5"),
    ({"one_bool": "x"}, "All.one_bool: expected a bool, got a value of type str"),
    ({"one_string": b"x"}, "All.one_string: expected a str that UTF-8 can encode, got a value of type bytes"),
    ({"one_string": 5}, "All.one_string: expected a str that UTF-8 can encode, got 5"),
    ({"one_bytes": "x"}, "All.one_bytes: expected bytes, got a value of type str"),
    ({"one_bytes": 5}, "All.one_bytes: expected bytes, got 5"),
    ({"one_enum": "RED"}, "All.one_enum: expected a Colour or its number, got a value of type str"),
    ({"one_leaf": "x"}, "All.one_leaf: expected a message of type Leaf, got a value of type str"),
    ({"one_leaf": ALL()}, "All.one_leaf: expected a message of type Leaf, got a value of type All"),
    ({"many_int32": [1, None]}, f"All.many_int32[1]: expected {INT32}, got None"),
    ({"many_int32": 5}, "All.many_int32: expected a list, got 5"),
    ({"many_string": ["a", 1]}, "All.many_string[1]: expected a str that UTF-8 can encode, got 1"),
    ({"many_leaf": [LEAF(), None]}, "All.many_leaf[1]: expected a message of type Leaf, got None"),
    ({"map_string_string": {"k": None}}, "All.map_string_string['k']: expected a str that UTF-8 can encode, got None"),
    ({"map_string_string": [1]}, "All.map_string_string: expected a dict, got a value of type list"),
    ({"map_int32_leaf": {1: None}}, "All.map_int32_leaf[1]: expected a message of type Leaf, got None"),
    ({"time": "now"}, "All.time: expected a datetime with a time zone, got a value of type str"),
    (
        {"time": datetime.datetime(2024, 1, 1)},
        "All.time: expected a datetime with a time zone, got a value of type datetime",
    ),
    ({"time": datetime.date(2024, 1, 1)}, "All.time: expected a datetime with a time zone, got a value of type date"),
    ({"duration": 5}, "All.duration: expected a timedelta, got 5"),
    ({"wrapped_bool": "x"}, "All.wrapped_bool: expected a bool, got a value of type str"),
    ({"many_time": [5]}, "All.many_time[0]: expected a datetime with a time zone, got 5"),
]


@pytest.mark.parametrize(("fields", "text"), OUT_OF_RANGE, ids=[text for _, text in OUT_OF_RANGE])
def test_a_value_out_of_range_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(FlyteValueException) as caught:
        encode(ALL(**fields))
    assert str(caught.value) == text


@pytest.mark.parametrize(("fields", "text"), WRONG_TYPE, ids=[text for _, text in WRONG_TYPE])
def test_a_value_of_another_type_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(FlyteTypeException) as caught:
        encode(ALL(**fields))
    assert str(caught.value) == text


@pytest.mark.parametrize("number", [0, 1, -1, 127, 128, 2**31 - 1, -(2**31)])
def test_the_ends_of_a_range_are_in_it(number: int) -> None:
    fields = {f"one_{name}": number for name in ("int32", "sint32", "sfixed32", "int64", "sint64", "sfixed64")}
    theirs = all_twins().theirs.FromString(encode(ALL(**fields)))
    assert all(getattr(theirs, name) == number for name in fields)


def test_two_members_of_a_oneof_are_refused() -> None:
    closure = admin.ExecutionClosure(outputs=admin.LiteralMapBlob(uri="x"), abort_cause="y")
    text = (
        "ExecutionClosure: outputs and abort_cause are both set, but only one member of the oneof output_result can be"
    )
    with pytest.raises(FlyteValueException) as caught:
        encode(closure)
    assert str(caught.value) == text
    closure.outputs = None
    assert encode(closure) == b"\x52\x01y"


def test_a_message_that_contains_itself_is_refused() -> None:
    message = LEAF()
    message.leaf = message
    with pytest.raises(FlyteValueException, match="Leaf: messages are nested more than 100 deep"):
        encode(message)


def test_a_hundred_levels_are_written_and_one_more_is_not() -> None:
    message = ALL()
    for _ in range(100):
        message = ALL(all=message)
    assert all_twins().theirs.FromString(encode(message)).HasField("all")
    with pytest.raises(FlyteValueException, match="nested more than 100 deep"):
        encode(ALL(all=message))


@pytest.mark.parametrize(
    "fields",
    [
        {"time": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)},
        {"many_duration": [datetime.timedelta()]},
        {"wrapped_bool": True},
        {"map_string_string": {"a": "b"}},
        {"one_leaf": LEAF()},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_is_a_message_on_the_wire_counts_as_a_level(fields: dict[str, Any]) -> None:
    message = ALL(**fields)
    for _ in range(99):
        message = ALL(all=message)
    assert all_twins().theirs.FromString(encode(message)).HasField("all")
    with pytest.raises(FlyteValueException, match="nested more than 100 deep"):
        encode(ALL(all=message))


def test_only_messages_are_encoded() -> None:
    with pytest.raises(FlyteTypeException, match="expected a message to encode, got a value of type dict"):
        encode({})  # pyright: ignore[reportArgumentType]


def test_zeros_are_written_where_they_differ_from_nothing() -> None:
    zeros = {
        "optional_double": 0.0,
        "optional_int32": 0,
        "optional_bool": False,
        "optional_string": "",
        "optional_bytes": b"",
        "optional_enum": all_types().Colour.ZERO,
        "choice_int32": 0,
        "wrapped_string": "",
        "wrapped_double": 0.0,
        "one_double": -0.0,
    }
    data = encode(ALL(**zeros))
    theirs = all_twins().theirs.FromString(data)
    assert {field.name for field, _ in theirs.ListFields()} == zeros.keys()
    assert theirs.SerializeToString() == data
    assert (
        encode(ALL(one_double=0.0, one_int32=0, one_string="", one_bytes=b"", many_int32=[], map_bool_double={})) == b""
    )


def test_what_python_takes_for_a_number_is_one() -> None:
    class Priority(enum.IntEnum):
        HIGH = 7

    message = ALL(one_int32=True, one_double=3, one_enum=7, many_bool=[1, 0], one_uint32=Priority.HIGH)
    theirs = all_twins().theirs.FromString(encode(message))
    assert (theirs.one_int32, theirs.one_double, theirs.one_enum, list(theirs.many_bool)) == (1, 3.0, 7, [True, False])
    assert theirs.one_uint32 == 7


def test_other_sequences_and_buffers_are_written() -> None:
    message = ALL(
        many_int32=(1, 2), many_string=iter(["a", "b"]), one_bytes=bytearray(b"x"), many_bytes=[memoryview(b"y")]
    )
    theirs = all_twins().theirs.FromString(encode(message))
    assert list(theirs.many_int32) == [1, 2]
    assert list(theirs.many_string) == ["a", "b"]
    assert theirs.one_bytes == b"x"
    assert list(theirs.many_bytes) == [b"y"]


@pytest.mark.parametrize(
    "micros", [0, 1, -1, 999_999, -999_999, -1_500_000, -2_000_001, 10**6 * 86400 * 10**6 + 1, 1001, 33_333_333]
)
def test_a_duration_arrives_to_the_microsecond(micros: int) -> None:
    theirs = all_twins().theirs.FromString(encode(ALL(duration=datetime.timedelta(microseconds=micros))))
    assert theirs.duration.ToMicroseconds() == micros


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=-3))
    theirs = all_twins().theirs.FromString(encode(ALL(time=datetime.datetime(1969, 12, 31, 21, 0, 0, 5, zone))))
    assert (theirs.time.seconds, theirs.time.nanos) == (0, 5000)


def test_fields_are_written_in_the_order_of_their_numbers() -> None:
    identifier = core.Identifier(version="v", name="n", resource_type=core.ResourceType.TASK)
    assert encode(identifier) == b"\x08\x01\x22\x01n\x2a\x01v"
