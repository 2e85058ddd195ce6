# ruff: noqa: UP006, UP007, UP035, UP045 # the old spellings are callers' too
import enum
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Dict, List, NewType, Optional, Union
from uuid import UUID

import pytest

from flyteasync.errors import FlyteTypeException
from flyteasync.idl import core
from flyteasync.literals import guess_type, literal_type, type_text


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Mood(enum.StrEnum):
    GOOD = "good"


def simple(kind: core.SimpleType, tag: str | None = None) -> core.LiteralType:
    return core.LiteralType(simple=kind, structure=core.TypeStructure(tag=tag) if tag else None)


@pytest.mark.parametrize(
    ("python_type", "kind"),
    [
        (int, core.SimpleType.INTEGER),
        (float, core.SimpleType.FLOAT),
        (str, core.SimpleType.STRING),
        (bool, core.SimpleType.BOOLEAN),
        (datetime, core.SimpleType.DATETIME),
        (date, core.SimpleType.DATETIME),
        (timedelta, core.SimpleType.DURATION),
        (type(None), core.SimpleType.NONE),
        (None, core.SimpleType.NONE),
    ],
)
def test_a_scalar_type_has_its_simple_type(python_type: Any, kind: core.SimpleType):
    assert literal_type(python_type) == simple(kind)


def test_lists_and_dicts_nest_the_types_of_what_they_hold():
    assert literal_type(list[dict[str, int]]) == core.LiteralType(
        collection_type=core.LiteralType(map_value_type=simple(core.SimpleType.INTEGER))
    )


def test_the_old_spellings_of_types_mean_the_same():
    assert literal_type(List[int]) == literal_type(list[int])
    assert literal_type(Dict[str, int]) == literal_type(dict[str, int])
    assert literal_type(Dict) == literal_type(dict)
    assert literal_type(Optional[int]) == literal_type(int | None)
    assert literal_type(Union[int, str]) == literal_type(int | str)


@pytest.mark.parametrize("python_type", [dict, dict[int, str], dict[Color, list[int]]])
def test_dicts_without_str_keys_are_serialised_and_say_how(python_type: Any):
    result = literal_type(python_type)
    assert result.simple == core.SimpleType.STRUCT
    assert result.annotation is not None
    assert result.annotation.annotations is not None
    inner = result.annotation.annotations.fields["cache-key-metadata"].struct_value
    assert inner is not None
    assert inner.fields["serialization-format"].string_value == "msgpack"


def test_the_variants_of_a_union_carry_the_tags_of_flytekit():
    variants = literal_type(int | list[str] | dict[str, int] | Color | date | None).union_type.variants
    assert [variant.structure.tag for variant in variants] == [
        "int",
        "Typed List",
        "Typed Dict",
        "DefaultEnumTransformer",
        "date",
        "none",
    ]


def test_an_enum_lists_its_values_in_order():
    assert literal_type(Color) == core.LiteralType(enum_type=core.EnumType(values=["red", "blue"]))
    assert literal_type(Mood) == core.LiteralType(enum_type=core.EnumType(values=["good"]))


def test_annotations_and_new_types_are_looked_through():
    user_id = NewType("user_id", int)
    assert literal_type(Annotated[user_id, "of the account"]) == literal_type(int)
    assert literal_type(list[Annotated[int, "seconds"]]) == literal_type(list[int])
    assert literal_type(Annotated[int | None, "x"]) == literal_type(int | None)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs the type statement")
def test_type_statements_are_looked_through():
    scope: dict[str, Any] = {}
    exec("type Ids = list[int]", scope)
    assert literal_type(scope["Ids"]) == literal_type(list[int])


class Number(enum.Enum):
    ONE = 1


class Nothing(enum.Enum):
    pass


class Opaque:
    pass


@pytest.mark.parametrize(
    ("python_type", "text"),
    [
        (tuple[int, str], "tuple[int, str] has no Flyte type: tuples are not Flyte values, use a list"),
        (tuple, "tuple has no Flyte type: tuples are not Flyte values, use a list"),
        (Opaque, "Opaque has no Flyte type; such values travel as pickles, which are FlytePickle here"),
        (list, "list has no Flyte type without the type of its items: list[int]"),
        (list[Opaque], "Opaque has no Flyte type; such values travel as pickles, which are FlytePickle here"),
        (Number, "Number: only an Enum whose values are str has a Flyte type"),
        (Nothing, "Nothing: only an Enum whose values are str has a Flyte type"),
    ],
)
def test_a_type_that_flyte_lacks_is_refused_by_name(python_type: Any, text: str):
    with pytest.raises(FlyteTypeException) as caught:
        literal_type(python_type)
    assert str(caught.value) == text


@pytest.mark.parametrize("python_type", [bytes, set[int], Any, UUID, Decimal])
def test_what_flytekit_pickles_has_the_type_of_a_pickle(python_type: Any):
    blob = literal_type(python_type).blob
    assert blob is not None
    assert blob.format == "PythonPickle"


@pytest.mark.parametrize(
    "python_type",
    [
        int,
        float,
        str,
        bool,
        datetime,
        timedelta,
        type(None),
        list[int],
        dict[str, list[float]],
        dict,
        int | None,
        list[int | str | None],
        datetime | date,
    ],
)
def test_a_type_is_guessed_back_from_its_literal_type(python_type: Any):
    assert guess_type(literal_type(python_type)) == python_type


def test_a_guessed_enum_has_members_that_compare_to_texts():
    guessed = guess_type(literal_type(Color))
    assert [member.value for member in guessed] == ["red", "blue"]
    assert guessed("red") == "red"
    assert guessed.red is guessed("red")


def test_equal_enums_are_guessed_as_one_class():
    assert guess_type(literal_type(Color)) is guess_type(literal_type(Color))


@pytest.mark.parametrize("value", ["", "mro", "name", "value", "_x", "__doc__", "__class__", "two words", "é", "lower"])
def test_any_text_can_be_the_value_of_a_guessed_enum(value: str):
    guessed = guess_type(core.LiteralType(enum_type=core.EnumType(values=["other", value])))
    assert guessed(value).value == value
    assert guessed("other").value == "other"


def test_values_of_a_guessed_enum_are_never_dropped_for_their_names():
    values = ["_a", "value_a", "value_a_", "name", "valuename"]
    guessed = guess_type(core.LiteralType(enum_type=core.EnumType(values=values)))
    assert [member.value for member in guessed] == values


@pytest.mark.parametrize(
    ("unsupported", "text"),
    [
        (core.LiteralType(simple=core.SimpleType.ERROR), "error"),
        (core.LiteralType(), "no type"),
    ],
)
def test_guessing_names_the_kind_that_is_not_supported(unsupported: core.LiteralType, text: str):
    with pytest.raises(FlyteTypeException) as caught:
        guess_type(unsupported)
    assert str(caught.value) == f"values of type {text} are not supported"


@pytest.mark.parametrize(
    ("python_type", "text"),
    [
        (int, "int"),
        (type(None), "None"),
        (list[dict[str, float]], "list[dict[str, float]]"),
        (int | str | None, "int | str | None"),
        (date | datetime, "date | datetime"),
        (Color, "Enum('red', 'blue')"),
        (dict[int, str], "dict"),
    ],
)
def test_a_literal_type_reads_as_its_annotation(python_type: Any, text: str):
    assert type_text(literal_type(python_type)) == text


def test_a_dataclass_reads_as_the_title_of_its_schema():
    from flyteasync.idl.google import protobuf

    schema = protobuf.Struct(fields={"title": protobuf.Value(string_value="TrainConfig")})
    assert type_text(core.LiteralType(simple=core.SimpleType.STRUCT, metadata=schema)) == "TrainConfig"
