from datetime import timedelta
from typing import Any

import pytest

from flyteasync.idl import core
from flyteasync.idl.google import protobuf
from flyteasync.literals import literal_type, to_literal
from flyteasync.literals.text import literal_text, python_type_text, wrong_type


@pytest.mark.parametrize(
    ("value", "python_type", "text"),
    [
        (3, int, "3"),
        ("world", str, "'world'"),
        (None, type(None), "None"),
        (3, int | None, "3"),
        (timedelta(seconds=1), timedelta, "datetime.timedelta(seconds=1)"),
        ([1, 2], list[int], "<list of 2>"),
        ({"a": 1}, dict[str, int], "<dict of 1>"),
        ({"a": 1}, dict, "<msgpack, 4 bytes>"),
    ],
)
def test_a_literal_is_told_in_a_few_words(value: Any, python_type: Any, text: str):
    assert literal_text(to_literal(value, literal_type(python_type))) == text


def test_a_huge_text_is_cut():
    text = literal_text(to_literal("ab" * 100_000, literal_type(str)))
    assert len(text) <= 60
    assert text.startswith("'abab")


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (core.Literal(), "<empty>"),
        (core.Literal(scalar=core.Scalar()), "<empty>"),
        (core.Literal(scalar=core.Scalar(generic=protobuf.Struct())), "<struct>"),
        (core.Literal(scalar=core.Scalar(union=core.Union())), "<empty union>"),
        (core.Literal(scalar=core.Scalar(binary=core.Binary(value=b"abc"))), "<binary, 3 bytes>"),
        (core.Literal(scalar=core.Scalar(blob=core.Blob(uri="s3://b/k"))), "<blob 's3://b/k'>"),
        (
            core.Literal(offloaded_metadata=core.LiteralOffloadedMetadata(uri="s3://b/k", size_bytes=7)),
            "<offloaded, 7 bytes>",
        ),
    ],
)
def test_every_kind_of_literal_is_told(literal: core.Literal, text: str):
    assert literal_text(literal) == text


def test_signatures_of_urls_are_left_out():
    literal = core.Literal(scalar=core.Scalar(blob=core.Blob(uri="https://h/k?X-Signature=secret")))
    assert literal_text(literal) == "<blob 'https://h/k'>"


def test_a_namesake_of_the_expected_type_is_told_apart():
    other = type("int", (), {"__module__": "elsewhere"})
    assert str(wrong_type("x", "int", other())) == "x: expected int, got elsewhere.int"


@pytest.mark.parametrize(
    ("python_type", "text"),
    [
        (int, "int"),
        (type(None), "None"),
        (int | None, "int | None"),
        (list[int], "list[int]"),
        (dict[str, Any], "dict[str, Any]"),
    ],
)
def test_a_python_type_is_told_as_one_writes_it(python_type: Any, text: str):
    assert python_type_text(python_type) == text
