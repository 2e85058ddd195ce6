from pathlib import PurePosixPath
from typing import Any

import pytest

from flyteasync.errors import FlyteTypeException
from flyteasync.idl import core
from flyteasync.literals.base import Converter, Registry
from flyteasync.literals.containers import DictConverter, ListConverter, UnionConverter
from flyteasync.literals.reading import Reader
from flyteasync.literals.scalars import NoneConverter, StrConverter
from flyteasync.literals.writing import Writer


class PathConverter(Converter):
    """Paths as texts, as somebody may add them."""

    tag = "path"
    kinds = (core.SimpleType.STRING,)

    def handles(self, python_type: Any) -> bool:
        return python_type is PurePosixPath

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        return core.LiteralType(simple=core.SimpleType.STRING)

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        return PurePosixPath

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        if not isinstance(value, PurePosixPath):
            raise FlyteTypeException(f"{name}: expected a path")
        return core.Literal(scalar=core.Scalar(primitive=core.Primitive(string_value=str(value))))

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        assert literal.scalar is not None
        assert literal.scalar.primitive is not None
        return PurePosixPath(literal.scalar.primitive.string_value or "")


@pytest.fixture
def registry() -> Registry:
    return Registry(
        [StrConverter(), PathConverter(), NoneConverter(), ListConverter(), DictConverter(), UnionConverter()]
    )


@pytest.mark.parametrize(
    ("value", "python_type"),
    [
        (PurePosixPath("a/b"), PurePosixPath),
        ([PurePosixPath("a")], list[PurePosixPath]),
        ({"k": [PurePosixPath("a")]}, dict[str, list[PurePosixPath]]),
        (PurePosixPath("a"), str | PurePosixPath | None),
        ("a", str | PurePosixPath | None),
        (["a", PurePosixPath("b"), None], list[str | PurePosixPath | None]),
    ],
)
def test_a_new_converter_works_in_every_container(value: Any, python_type: Any, registry: Registry):
    literal = Writer(registry).literal(value, registry.literal_type(python_type), python_type, "x")
    assert Reader(registry).python(literal, python_type, "x") == value


def test_of_two_converters_of_a_kind_the_type_decides(registry: Registry):
    string = core.LiteralType(simple=core.SimpleType.STRING)
    assert registry.for_literal_type(string, PurePosixPath).tag == "path"
    assert registry.for_literal_type(string, str).tag == "str"
    assert registry.for_literal_type(string).tag == "str"
    string.structure = core.TypeStructure(tag="path")
    assert registry.for_literal_type(string).tag == "path"


def test_a_type_without_a_serialised_form_is_refused_inside_of_an_untyped_dict(registry: Registry):
    python_type = dict[PurePosixPath, str]
    with pytest.raises(FlyteTypeException, match=r"^x\.keys\(\): PurePosixPath cannot be put into an untyped dict$"):
        Writer(registry).literal({PurePosixPath("a"): "b"}, registry.literal_type(python_type), python_type, "x")
