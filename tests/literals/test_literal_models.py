"""pydantic models, and handles as their fields."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel, Field, field_validator

from flyteasync.errors import FlyteTypeException, FlyteUsageError, FlyteUserException, FlyteValueException
from flyteasync.idl import core
from flyteasync.literals import (
    Access,
    FlyteDirectory,
    FlyteFile,
    StructuredDataset,
    convert,
    literal_type,
    to_literal,
    to_python,
)
from flyteasync.storage import Storage


class Child(BaseModel):
    x: int
    tags: set[str] = set()


class Model(BaseModel):
    rate: float = Field(gt=0)
    child: Child
    children: list[Child] = []
    wait: timedelta = timedelta(seconds=1)


class Files(BaseModel):
    file: FlyteFile
    directory: FlyteDirectory
    dataset: StructuredDataset
    files: list[FlyteFile] = []
    maybe: FlyteFile | None = None


class Grumpy(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def refuse(cls, n: int) -> int:
        raise KeyError(n)


def packed(value: Any) -> core.Literal:
    return core.Literal(scalar=core.Scalar(binary=core.Binary(value=msgspec.msgpack.encode(value), tag="msgpack")))


def refusal(call: Any, error: type[FlyteUserException]) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


MODEL = Model(rate=0.5, child=Child(x=1, tags={"a"}), children=[Child(x=2)])


@pytest.mark.parametrize("python_type", [Model, Model | None, list[Model], dict[str, Model], dict[int, Model]])
def test_a_model_comes_back_equal(python_type: Any):
    value = {
        list[Model]: [MODEL],
        dict[str, Model]: {"k": MODEL},
        dict[int, Model]: {1: MODEL},
    }.get(python_type, MODEL)
    literal = to_literal(value, literal_type(python_type), python_type=python_type)
    assert to_python(literal, python_type) == value


def test_a_dict_is_taken_for_a_model():
    literal = to_literal({"rate": 1, "child": {"x": 1}}, literal_type(Model))
    assert to_python(literal, Model) == Model(rate=1, child=Child(x=1))
    literal = to_literal({"rate": 1, "child": {"x": "1"}}, literal_type(Model), python_type=Model)
    assert to_python(literal, Model) == Model(rate=1, child=Child(x=1))


@pytest.mark.parametrize(
    ("value", "hint", "error", "text"),
    [
        ({"rate": -1, "child": {"x": 1}}, Model, FlyteValueException, "x.rate: Input should be greater than 0"),
        ({"rate": 1}, Model, FlyteValueException, "x.child: Field required"),
        ({"rate": 1}, None, FlyteValueException, "x.child: the field is missing"),
        (
            {"rate": 1, "child": {"x": 1}, "children": [{"x": 1}, {"x": "secret"}]},
            Model,
            FlyteValueException,
            "x.children[1].x: Input should be a valid integer, unable to parse string as an integer",
        ),
        (3, Model, FlyteTypeException, "x: expected Model, got int"),
        (Child(x=1), None, FlyteValueException, "x.rate: the field is missing"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_the_field(
    value: Any, hint: Any, error: type[FlyteUserException], text: str
):
    assert refusal(lambda: to_literal(value, literal_type(Model), name="x", python_type=hint), error) == text


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        ({"rate": 1, "child": {"x": "secret"}}, FlyteValueException, "x.child.x: Input should be a valid integer"),
        ({"rate": 1, "child": {"x": b"raw"}}, FlyteTypeException, "x: Model is made of JSON only"),
        ([1], FlyteTypeException, "x: expected Model, got list"),
    ],
)
def test_a_literal_that_does_not_fit_is_refused_without_its_values(
    content: Any, error: type[FlyteUserException], text: str
):
    found = refusal(lambda: to_python(packed(content), Model, name="x"), error)
    assert found.startswith(text)
    assert "secret" not in found


def test_a_validator_that_raises_anything_is_told():
    text = refusal(lambda: to_python(packed({"n": 1}), Grumpy, name="x"), FlyteValueException)
    assert text == "x: Grumpy refuses its fields: KeyError"


def test_handles_are_fields_of_models():
    value = Files(
        file=FlyteFile("s3://b/f", metadata={"k": "v"}),
        directory="s3://b/d",  # type: ignore[arg-type]
        dataset=StructuredDataset(uri="s3://b/t", file_format="parquet"),
        files=[{"path": "s3://b/g"}],  # type: ignore[list-item]
    )
    assert value.directory == FlyteDirectory("s3://b/d")
    assert value.files == [FlyteFile("s3://b/g")]
    literal = to_literal(value, literal_type(Files))
    storage = Storage()
    read = to_python(literal, Files, access=Access(storage))
    assert read == value
    assert read.file.metadata == {"k": "v"}
    assert read.file._store is read.files[0]._store is storage
    assert read.model_dump(mode="json")["file"] == {"path": "s3://b/f", "metadata": {"k": "v"}}
    assert Files.model_json_schema()["properties"]["directory"]["title"] == "FlyteDirectory"


def test_a_local_file_in_a_model_has_to_be_uploaded():
    value = Files(
        file=FlyteFile("/tmp/f"),
        directory=FlyteDirectory("s3://b/d"),
        dataset=StructuredDataset(uri="s3://b/t"),
    )
    variables = {"x": core.Variable(type=literal_type(Files))}
    [upload] = convert({"x": value}, variables).uploads
    assert (upload.name, upload.source) == ("x", "/tmp/f")
    done = convert({"x": value}, variables, uploaded={upload.key: "s3://b/up"}).complete()
    assert to_python(done.literals["x"], Files).file == FlyteFile("s3://b/up")
    with pytest.raises(FlyteUsageError, match=r"^x: the local path /tmp/f has to be uploaded first"):
        to_literal(value, literal_type(Files), name="x")


def test_a_field_that_is_no_handle_is_refused_by_pydantic():
    with pytest.raises(ValueError, match="needs a path"):
        Files(file={"paht": "s3://b/f"}, directory="d", dataset={"uri": "s3://b/t"})  # type: ignore[arg-type]


def test_pydantic_is_not_imported_for_those_who_have_no_models():
    code = (
        "import sys; sys.modules['pydantic'] = None\n"
        "from flyteasync.literals import *\n"
        "assert to_python(to_literal([1], literal_type(list[int]))) == [1]\n"
        "assert not any(name.startswith('pydantic.') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
