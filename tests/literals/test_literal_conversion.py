import enum
import math
import sys
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from types import SimpleNamespace
from typing import Annotated, Any

import pytest

from flyteasync.codec import encode
from flyteasync.errors import FlyteDecodeError, FlyteTypeException, FlyteUserException, FlyteValueException
from flyteasync.idl import core
from flyteasync.idl.google import protobuf
from flyteasync.literals import literal_map, literal_type, to_literal, to_python


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Shade(enum.Enum):
    RED = "red"
    DARK = "dark"


class Mood(enum.StrEnum):
    GOOD = "good"


def primitive(**field: Any) -> core.Literal:
    return core.Literal(scalar=core.Scalar(primitive=core.Primitive(**field)))


def msgpack(value: bytes, tag: str = "msgpack") -> core.Literal:
    return core.Literal(scalar=core.Scalar(binary=core.Binary(value=value, tag=tag)))


def written(value: Any, python_type: Any) -> core.Literal:
    return to_literal(value, literal_type(python_type), name="x")


def refusal(value: Any, python_type: Any, error: type[FlyteUserException] = FlyteTypeException) -> str:
    with pytest.raises(error) as caught:
        written(value, python_type)
    return str(caught.value)


# --- writing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "python_type", "expected"),
    [
        (3, int, primitive(integer=3)),
        (0.5, float, primitive(float_value=0.5)),
        ("", str, primitive(string_value="")),
        (False, bool, primitive(boolean=False)),
        (timedelta(seconds=-1.5), timedelta, primitive(duration=timedelta(seconds=-1.5))),
        (Color.RED, Color, primitive(string_value="red")),
        ("blue", Color, primitive(string_value="blue")),
        (None, type(None), core.Literal(scalar=core.Scalar(none_type=core.Void()))),
        ([], list[int], core.Literal(collection=core.LiteralCollection())),
        ({}, dict[str, int], core.Literal(map=core.LiteralMap())),
        (date(2024, 2, 29), date, primitive(datetime=datetime(2024, 2, 29, tzinfo=UTC))),
        ({"a": 1}, dict, msgpack(b"\x81\xa1a\x01")),
    ],
)
def test_a_value_becomes_the_literal_of_its_type(value: Any, python_type: Any, expected: core.Literal):
    assert written(value, python_type) == expected


def test_an_int_for_a_float_becomes_a_float_literal_as_the_server_takes_no_other():
    assert written(3, float) == primitive(float_value=3.0)


def test_numbers_of_other_libraries_are_taken_by_what_they_are():
    assert written(Fraction(1, 2), float) == primitive(float_value=0.5)


def test_a_str_enum_is_taken_as_text_where_text_is_expected():
    literal = written(Mood.GOOD, str)
    assert literal == primitive(string_value="good")
    assert type(literal.scalar.primitive.string_value) is str


def test_a_date_for_a_datetime_is_midnight_utc():
    assert written(date(2024, 1, 2), datetime) == primitive(datetime=datetime(2024, 1, 2, tzinfo=UTC))


def test_an_aware_datetime_is_the_same_moment_in_utc():
    noon = datetime(2024, 1, 2, 12, tzinfo=timezone(timedelta(hours=2)))
    assert written(noon, datetime).scalar.primitive.datetime.isoformat() == "2024-01-02T10:00:00+00:00"


def test_a_naive_datetime_is_taken_as_utc():
    assert written(datetime(2024, 1, 2, 12), datetime).scalar.primitive.datetime == datetime(2024, 1, 2, 12, tzinfo=UTC)


def test_values_of_subclasses_become_plain_ones():
    class Moment(datetime):
        pass

    class Span(timedelta):
        pass

    class Count(enum.IntEnum):
        ONE = 1

    moment = written(Moment(2024, 1, 2, tzinfo=timezone(timedelta(hours=1))), datetime).scalar.primitive.datetime
    assert type(moment) is datetime
    assert moment == datetime(2024, 1, 1, 23, tzinfo=UTC)
    assert type(written(Span(days=1), timedelta).scalar.primitive.duration) is timedelta
    assert type(written(Count.ONE, int).scalar.primitive.integer) is int


def test_dicts_of_other_classes_are_dicts():
    assert written(OrderedDict(a=1), dict[str, int]) == written({"a": 1}, dict[str, int])


@pytest.mark.parametrize(
    ("value", "python_type", "text"),
    [
        (True, int, "x: expected int, got bool"),
        (1, bool, "x: expected bool, got int"),
        (1.0, int, "x: expected int, got float"),
        (True, float, "x: expected float, got bool"),
        ("1", int, "x: expected int, got str"),
        (1, str, "x: expected str, got int"),
        (b"a", str, "x: expected str, got bytes"),
        (None, int, "x: expected int, got None"),
        (0, type(None), "x: expected None, got int"),
        ("2024-01-02", datetime, "x: expected datetime, got str"),
        (3, timedelta, "x: expected timedelta, got int"),
        (3, Color, "x: expected Enum('red', 'blue'), got int"),
        (3, list[int], "x: expected list[int], got int"),
        ("abc", list[str], "x: expected list[str], got str"),
        ((1, 2), list[int], "x: expected list[int], got tuple; tuples are not Flyte values, give a list"),
        ([1], dict[str, int], "x: expected dict[str, int], got list"),
        ([1], dict, "x: expected dict, got list"),
        ({1: 2}, dict[str, int], "x: keys must be str, got int"),
        ("a", int | None, "x: expected int | None, got str"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(value: Any, python_type: Any, text: str):
    assert refusal(value, python_type) == text


@pytest.mark.parametrize(
    ("value", "python_type", "text"),
    [
        ([1, "2"], list[int], "x[1]: expected int, got str"),
        ({"a": [1, [None]]}, dict[str, list[int]], "x['a'][1]: expected int, got list"),
        ([{"k": 1}, {"k": "v"}], list[dict[str, int]] | None, "x[1]['k']: expected int, got str"),
        ({"a": {"b": {1, 2}}}, dict, "x['a']['b']: set cannot be put into an untyped dict"),
        ({"a": [Color.RED]}, dict, "x['a'][0]: an Enum cannot be put into an untyped dict, put its .value there"),
        ({"a": datetime(2024, 1, 2)}, dict, "x['a']: datetime cannot be put into an untyped dict"),
    ],
)
def test_an_error_inside_of_a_container_names_the_path(value: Any, python_type: Any, text: str):
    assert refusal(value, python_type) == text


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**30])
def test_an_int_beyond_64_bits_is_refused(value: int):
    text = "x: the number does not fit into a signed integer of 64 bits"
    assert refusal(value, int, FlyteValueException) == text
    assert refusal(value, int | None, FlyteValueException) == text


@pytest.mark.parametrize(
    ("value", "python_type", "text"),
    [
        (10**400, float, "x: the number is too large for a float"),
        ("a\ud800", str, "x: character 1 is a lone surrogate, not valid text"),
        (timedelta.max, timedelta, "x: the duration is longer than 10,000 years"),
        (
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
            datetime,
            "x: the datetime is not between the years 1 and 9999 in UTC",
        ),
        ("green", Color, "x: 'green' is not one of 'red', 'blue'"),
        ({"a": 2**64}, dict, "x['a']: the number does not fit into 64 bits"),
    ],
)
def test_a_value_that_cannot_be_written_is_refused_by_name(value: Any, python_type: Any, text: str):
    assert refusal(value, python_type, FlyteValueException) == text


def test_errors_never_show_the_value():
    assert "hunter2" not in refusal("hunter2", int)
    assert "hunter2" not in refusal(["hunter2"], list[int])


def test_a_dict_that_contains_itself_is_refused():
    loop: dict[str, Any] = {}
    loop["a"] = loop
    assert "nested too deeply" in refusal(loop, dict, FlyteValueException)


def test_a_literal_is_taken_as_it_is():
    literal = primitive(string_value="made by hand")
    assert to_literal(literal, literal_type(int)) is literal
    assert to_literal([literal], literal_type(list[int])).collection.literals == [literal]


def test_a_literal_of_flyteidl_or_flytekit_is_taken_too():
    from flyteidl.core import literals_pb2

    theirs = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=3)))
    assert to_literal(theirs, literal_type(int)) == primitive(integer=3)
    model = SimpleNamespace(to_flyte_idl=lambda: theirs)
    assert to_literal(model, literal_type(int)) == primitive(integer=3)


@pytest.mark.parametrize(
    "expected",
    [
        core.LiteralType(simple=core.SimpleType.BINARY),
        core.LiteralType(simple=core.SimpleType.ERROR),
        core.LiteralType(),
    ],
)
def test_a_kind_of_variable_that_is_not_supported_is_refused_by_name(expected: core.LiteralType):
    with pytest.raises(FlyteTypeException, match=r"^x: values of type .* are not supported$"):
        to_literal(object(), expected, name="x")


# --- unions ------------------------------------------------------------------------------------------------------


def variant(value: Any, python_type: Any) -> core.LiteralType:
    union = written(value, python_type).scalar.union
    assert union is not None
    return union.type


@pytest.mark.parametrize(
    ("value", "python_type", "tag"),
    [
        (3, int | None, "int"),
        (None, int | None, "none"),
        (3, float | int, "int"),
        (3.0, int | float, "float"),
        (3, float | None, "float"),
        (True, int | bool, "bool"),
        ("red", Color | str, "str"),
        (Color.RED, str | Color, "DefaultEnumTransformer"),
        ("red", Color | int, "DefaultEnumTransformer"),
        (date(2024, 1, 2), datetime | date, "date"),
        (datetime(2024, 1, 2), date | datetime, "datetime"),
        ({"a": 1}, dict | dict[str, int], "Typed Dict"),
        ({1: 1}, dict | None, "Typed Dict"),
    ],
)
def test_the_variant_that_fits_best_is_written(value: Any, python_type: Any, tag: str):
    assert variant(value, python_type).structure.tag == tag


def test_a_typed_dict_is_preferred_to_an_untyped_one():
    assert variant({"a": 1}, dict | dict[str, int]).map_value_type == literal_type(int)
    assert variant({"a": "b"}, dict | dict[str, int]).simple == core.SimpleType.STRUCT


def test_a_member_of_an_enum_goes_to_its_own_class():
    assert variant(Shade.RED, Color | Shade).enum_type.values == ["red", "dark"]


def test_a_text_that_several_enums_have_is_ambiguous():
    text = "x: expected Enum('red', 'blue') | Enum('red', 'dark'), got str"
    assert refusal("red", Color | Shade) == f"{text}, which fits several of them: give a value of exactly one"


def test_an_empty_list_goes_to_the_first_list():
    assert variant([], list[int] | list[str]).collection_type == literal_type(int)


def test_union_literals_are_written_inside_of_containers():
    literal = written([1, None], list[int | None])
    assert [item.scalar.union.type.structure.tag for item in literal.collection.literals] == ["int", "none"]


# --- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "python_type"),
    [
        (-(2**63), int),
        (2**63 - 1, int),
        (math.inf, float),
        (-math.inf, float),
        (sys.float_info.min, float),
        ("\x00\U0001f600é" * 5000, str),
        (datetime(1, 1, 1, tzinfo=UTC), datetime),
        (datetime.max.replace(tzinfo=UTC), datetime),
        (date.max, date),
        (timedelta(days=3652058), timedelta),
        (Color.BLUE, Color),
        (Mood.GOOD, Mood),
        ([[1], [], [2, 3]], list[list[int]]),
        ([1, None], list[int | None]),
        ({"a": None, "b": ["x"]}, dict[str, list[str] | None]),
        ({"a": {"b": [1, 2.5, None, True, "s", b"raw"]}}, dict),
        ({1: {2.5: "x"}}, dict),
        ({Color.RED: datetime(2024, 1, 2, tzinfo=UTC)}, dict[Color, datetime]),
        ({1: date(2024, 1, 2), 2: None}, dict[int, date | None]),
        ({1: [timedelta(seconds=-0.5)]}, dict[int, list[timedelta]]),
        ({1: {"a": 1.0}}, dict[int, dict[str, float]]),
    ],
)
def test_a_value_comes_back_as_it_was(value: Any, python_type: Any):
    literal = to_literal(value, literal_type(python_type), python_type=python_type)
    assert to_python(literal, python_type) == value


def test_not_a_number_comes_back_as_not_a_number():
    assert math.isnan(to_python(written(math.nan, float), float))
    assert math.isnan(to_python(written({"a": math.nan}, dict))["a"])


def test_minus_zero_keeps_its_sign():
    assert math.copysign(1, to_python(written(-0.0, float), float)) == -1


def test_datetimes_of_variables_are_aware():
    assert to_python(written(datetime(2024, 1, 2), datetime)) == datetime(2024, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("moment", [datetime(2024, 1, 2), datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=2)))])
def test_datetimes_inside_of_something_serialised_stay_as_they_were(moment: datetime):
    hint = dict[int, datetime]
    literal = to_literal({1: moment}, literal_type(hint), python_type=hint)
    assert to_python(literal, hint)[1].isoformat() == moment.isoformat()


def test_tuples_in_an_untyped_dict_come_back_as_lists():
    assert to_python(written({"a": (1, (2,))}, dict)) == {"a": [1, [2]]}


@pytest.mark.parametrize(
    ("value", "python_type"),
    [
        (3, int),
        (None, type(None)),
        ([1, 2], list[int]),
        ({"a": [0.5]}, dict[str, list[float]]),
        ({"a": {"b": None}}, dict),
        (None, int | None),
        ([date(2024, 1, 2), None], list[date | None]),
    ],
)
def test_without_a_type_the_literal_tells_what_it_is(value: Any, python_type: Any):
    assert to_python(written(value, python_type)) == value


def test_the_variables_type_is_used_where_none_is_asked_for():
    color = to_python(written(Color.RED, Color), expected=literal_type(Color))
    assert color.value == "red"
    assert isinstance(color, enum.Enum)


def test_the_type_asked_for_wins_over_the_variables():
    literal = written(Color.RED, Color)
    assert to_python(literal, Color, expected=literal_type(Color)) is Color.RED
    assert to_python(literal, str, expected=literal_type(Color)) == "red"


def test_a_variable_of_an_unsupported_kind_is_read_if_its_literal_can_be():
    optional_file = core.LiteralType(
        union_type=core.UnionType(variants=[core.LiteralType(blob=core.BlobType()), literal_type(type(None))])
    )
    nothing = written(None, int | None)
    assert to_python(nothing, expected=optional_file) is None


@pytest.mark.parametrize("python_type", [list, list[Any], Annotated[list[int], "x"], object, Any])
def test_loose_types_read_lists_too(python_type: Any):
    assert to_python(written([1, 2], list[int]), python_type) == [1, 2]


def test_a_bare_dict_reads_a_typed_map():
    assert to_python(written({"a": 1}, dict[str, int]), dict) == {"a": 1}


def test_an_optional_is_read_by_the_type_it_holds():
    assert to_python(written(3, int | None), int) == 3
    assert to_python(written([3], list[int] | None), list[int]) == [3]
    assert to_python(written({"a": 1}, dict | None), dict) == {"a": 1}


def test_a_plain_literal_is_read_as_an_optional():
    assert to_python(primitive(integer=3), int | None) == 3
    assert to_python(core.Literal(scalar=core.Scalar(none_type=core.Void())), int | None) is None


@pytest.mark.parametrize(
    ("value", "python_type"),
    [
        (3, float | int),
        (3.0, int | float),
        (True, int | bool),
        (date(2024, 1, 2), datetime | date),
        (datetime(2024, 1, 2, tzinfo=UTC), date | datetime),
        ("red", Color | str),
        (Color.RED, str | Color),
        (Shade.RED, Color | Shade),
        (["1"], list[int] | list[str]),
    ],
)
def test_a_union_is_read_as_the_variant_that_was_written(value: Any, python_type: Any):
    result = to_python(written(value, python_type), python_type)
    assert result == value
    assert type(result) is type(value)


def test_a_union_without_tags_is_read_as_the_variant_that_fits_exactly():
    inner = core.Union(value=primitive(integer=3), type=core.LiteralType(simple=core.SimpleType.INTEGER))
    result = to_python(core.Literal(scalar=core.Scalar(union=inner)), float | int)
    assert type(result) is int


def test_members_of_a_union_that_are_not_supported_do_not_stand_in_the_way():
    assert to_python(written(3, int | None), set[int] | int) == 3
    assert to_python(written([3], list[int] | None), list[set[int]] | list[int]) == [3]
    with pytest.raises(FlyteTypeException, match=r"^x: expected set\[int\] \| str, got a literal that holds int$"):
        to_python(written(3, int | None), set[int] | str, name="x")


def test_a_union_inside_of_a_union_is_read_as_it_was_written():
    python_type = list[int | str] | dict[str, float | int]
    for value in (["a", 1], {"a": 1, "b": 1.0}):
        result = to_python(written(value, python_type), python_type)
        assert repr(result) == repr(value)


def test_flyteconsole_writes_whole_floats_for_ints():
    assert to_python(primitive(float_value=3.0), int) == 3
    with pytest.raises(FlyteTypeException, match=r"^x: expected int, got a literal that holds float$"):
        to_python(primitive(float_value=3.5), int, name="x")


def test_an_int_literal_is_read_as_a_float():
    result = to_python(primitive(integer=3), float)
    assert result == 3.0
    assert type(result) is float


@pytest.mark.parametrize(
    ("value", "python_type", "expected"),
    [
        (b"\x03", int, 3),
        (b"\xcb\x40\x08\x00\x00\x00\x00\x00\x00", int, 3),
        (b"\x03", float, 3.0),
        (b"\xc3", bool, True),
        (b"\xa1a", str, "a"),
        (b"\xc0", type(None), None),
        (b"\xc0", int | None, None),
        (b"\x03", int | None, 3),
        (b"\xa1a", int | str, "a"),
        (b"\xa3red", Color, Color.RED),
        (b"\x92\x01\x02", list[int], [1, 2]),
        (b"\x81\xa1a\x01", dict[str, int], {"a": 1}),
        (b"\xaa2024-01-02", date, date(2024, 1, 2)),
        (b"\xb92024-01-02T02:00:00+02:00", datetime, datetime(2024, 1, 2, tzinfo=UTC)),
        (b"\x01", timedelta, timedelta(seconds=1)),
    ],
)
def test_a_field_of_a_dataclass_is_read_out_of_its_msgpack(value: bytes, python_type: Any, expected: Any):
    result = to_python(msgpack(value), python_type)
    assert result == expected
    assert type(result) is type(expected)


def struct(**fields: protobuf.Value) -> core.Literal:
    return core.Literal(scalar=core.Scalar(generic=protobuf.Struct(fields=fields)))


def test_a_struct_of_an_older_flytekit_is_read():
    number = protobuf.Value(number_value=1.0)
    inner = protobuf.Value(struct_value=protobuf.Struct(fields={"c": protobuf.Value(bool_value=False)}))
    items = protobuf.Value(list_value=protobuf.ListValue(values=[number, protobuf.Value(string_value="")]))
    literal = struct(a=number, b=inner, l=items, n=protobuf.Value(null_value=protobuf.NullValue.NULL_VALUE))
    assert to_python(literal, dict) == {"a": 1.0, "b": {"c": False}, "l": [1.0, ""], "n": None}
    assert to_python(literal) == to_python(literal, dict)


def test_a_struct_is_read_with_the_types_asked_for():
    literal = struct(**{"1": protobuf.Value(number_value=2.0)})
    result = to_python(literal, dict[int, int])
    assert result == {1: 2}
    assert {type(number) for number in result.values()} == {int}


def test_an_empty_struct_is_an_empty_dict():
    assert to_python(struct()) == {}


@pytest.mark.parametrize(
    ("literal", "python_type", "text"),
    [
        (primitive(string_value="3"), int, "x: expected int, got a literal that holds str"),
        (primitive(boolean=True), int, "x: expected int, got a literal that holds bool"),
        (primitive(integer=3), str, "x: expected str, got a literal that holds int"),
        (primitive(integer=3), list[int], "x: expected list[int], got a literal that holds int"),
        (primitive(integer=3), dict[str, int], "x: expected dict[str, int], got a literal that holds int"),
        (primitive(integer=3), Color, "x: expected Color, got a literal that holds int"),
        (primitive(integer=3), str | None, "x: expected str | None, got a literal that holds int"),
        (primitive(integer=3), type(None), "x: expected None, got a literal that holds int"),
        (written([1], list[int]), int, "x: expected int, got a literal that holds list"),
        (written([1], list[int]), list[str], "x[0]: expected str, got a literal that holds int"),
        (written({"a": 1}, dict[str, int]), dict[str, str], "x['a']: expected str, got a literal that holds int"),
        (written({"a": 1}, dict[str, int]), dict[int, int], "x.keys(): expected int, got str"),
        (msgpack(b"\xa1a"), int, "x: expected int, got str"),
        (msgpack(b"\x92\x01\xa1a"), list[int], "x[1]: expected int, got str"),
        (core.Literal(), int, "x: expected int, got a literal that holds empty"),
        (primitive(integer=3), set[int], "x: expected set[int], got a literal that holds int"),
    ],
)
def test_a_literal_of_another_type_is_refused_by_name(literal: core.Literal, python_type: Any, text: str):
    with pytest.raises(FlyteTypeException) as caught:
        to_python(literal, python_type, name="x")
    assert str(caught.value) == text


@pytest.mark.parametrize("literal", [primitive(string_value="green"), msgpack(b"\xa5green")])
def test_a_text_that_is_no_member_is_refused_by_name(literal: core.Literal):
    with pytest.raises(FlyteValueException, match=r"^x: 'green' is not one of 'red', 'blue'$"):
        to_python(literal, Color, name="x")


@pytest.mark.parametrize(
    ("data", "python_type", "text"),
    [
        (b"\xa3now", datetime, "x: 'now' is not an ISO 8601 datetime"),
        (b"\xa3now", date, "x: 'now' is not an ISO 8601 date"),
        (b"\xcb\x7f\xe0\x00\x00\x00\x00\x00\x00", timedelta, "x: the duration is too long for a timedelta"),
        (b"\xa1P", timedelta, "x: 'P' is not an ISO 8601 duration"),
    ],
)
def test_a_serialised_value_that_is_none_of_its_type_is_refused_by_name(data: bytes, python_type: Any, text: str):
    with pytest.raises(FlyteValueException) as caught:
        to_python(msgpack(data), python_type, name="x")
    assert str(caught.value) == text


def test_a_literal_nested_too_deeply_is_refused():
    literal = primitive(integer=1)
    for _ in range(5000):
        literal = core.Literal(collection=core.LiteralCollection(literals=[literal]))
    with pytest.raises(FlyteValueException, match=r"^x: the literal is nested too deeply$"):
        to_python(literal, name="x")


@pytest.mark.parametrize(
    ("literal", "kind"),
    [
        (core.Literal(scalar=core.Scalar(error=core.Error())), "error"),
        (core.Literal(), "empty"),
        (core.Literal(scalar=core.Scalar()), "empty"),
    ],
)
def test_a_kind_of_literal_that_is_not_supported_is_refused_by_name(literal: core.Literal, kind: str):
    text = rf"^x\[0\]: reading a literal that holds {kind} is not supported$"
    with pytest.raises(FlyteTypeException, match=text):
        to_python(core.Literal(collection=core.LiteralCollection(literals=[literal])), name="x")


def test_an_offloaded_literal_says_that_it_must_be_fetched():
    literal = core.Literal(offloaded_metadata=core.LiteralOffloadedMetadata(uri="s3://b/k"))
    for python_type in (None, int, list[int]):
        with pytest.raises(FlyteTypeException, match=r"^x: the value is stored outside of the literal"):
            to_python(literal, python_type, name="x")


def test_a_pickle_is_never_loaded():
    literal = struct(pickle_file=protobuf.Value(string_value="s3://b/k"))
    literal.metadata = {"format": "pickle"}
    with pytest.raises(FlyteValueException, match=r"^x: the value is a pickle"):
        to_python(literal, dict, name="x")


def test_an_unknown_binary_format_is_refused():
    with pytest.raises(FlyteTypeException, match=r"^x: binary format 'cbor' is not supported, only 'msgpack' is$"):
        to_python(msgpack(b"\xa0", tag="cbor"), name="x")


@pytest.mark.parametrize("data", [b"", b"\x92\x01", b"\xa2\xff\xff", b"\x91" * 5000, b"\x81\x80\x01"])
def test_bytes_that_are_no_msgpack_are_refused(data: bytes):
    with pytest.raises(FlyteDecodeError, match=r"^x: not valid msgpack"):
        to_python(msgpack(data), name="x")


# --- several -----------------------------------------------------------------------------------------------------


VARIABLES = {
    "epochs": core.Variable(type=literal_type(int)),
    "rate": core.Variable(type=literal_type(float)),
    "config": core.Variable(type=literal_type(dict)),
}


def test_a_literal_map_converts_by_the_interface():
    result = literal_map({"epochs": 3, "rate": 1}, VARIABLES)
    assert result.literals == {"epochs": primitive(integer=3), "rate": primitive(float_value=1.0)}


def test_a_type_hint_decides_where_the_interface_leaves_a_choice():
    result = literal_map({"config": {1: date(2024, 1, 2)}}, VARIABLES, type_hints={"config": dict[int, date]})
    assert to_python(result.literals["config"]) == {1: "2024-01-02"}


def test_types_and_values_that_are_all_defaults_are_no_less_set():
    result = literal_map({"n": None, "o": None}, {name: core.Variable(type=literal_type(None)) for name in "no"})
    assert to_python(result.literals["n"], type(None)) is None
    assert to_python(written([], list[int] | None), list[int] | None) == []
    assert to_python(written({}, dict[str, int] | None)) == {}


def test_a_variable_without_a_type_is_refused():
    with pytest.raises(FlyteTypeException, match=r"^n: the interface does not give the variable a type$"):
        literal_map({"n": 1}, {"n": core.Variable()})


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(FlyteValueException) as caught:
        literal_map({"epoch": 3}, VARIABLES)
    assert str(caught.value) == "epoch: there is no variable of that name, known are: config, epochs, rate"


def test_a_wrong_value_in_a_map_names_its_variable():
    with pytest.raises(FlyteTypeException, match=r"^rate: expected float, got str$"):
        literal_map({"epochs": 1, "rate": "fast"}, VARIABLES)


def test_the_values_of_the_caller_are_never_changed():
    value = {"a": [1, (2, 3)]}
    literal = to_literal(value, literal_type(dict))
    value["a"].append(4)
    assert to_python(literal) == {"a": [1, [2, 3]]}
    assert encode(literal)
