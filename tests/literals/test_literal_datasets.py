"""Structured datasets; their contents are tested against flytekit, where pandas and pyarrow are installed."""

import copy
import pickle
from pathlib import Path
from typing import Annotated, Any

import pytest

from flyteasync.errors import (
    FlyteAssertion,
    FlyteTypeException,
    FlyteUsageError,
    FlyteUserException,
    FlyteValueException,
)
from flyteasync.idl import core
from flyteasync.literals import Access, StructuredDataset, convert, guess_type, literal_type, to_literal, to_python
from flyteasync.storage import Storage


class DataFrame:
    """Looks like pandas' to whoever does not import pandas."""


class Table:
    """Looks like pyarrow's."""


DataFrame.__module__ = "pandas.core.frame"
Table.__module__ = "pyarrow.lib"


def refusal(call: Any, error: type[FlyteUserException]) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def dataset(uri: str, file_format: str = "", columns: tuple[str, ...] = ()) -> core.Literal:
    kind = core.StructuredDatasetType(
        format=file_format,
        columns=[
            core.StructuredDatasetTypeDatasetColumn(name=name, literal_type=literal_type(int)) for name in columns
        ],
    )
    metadata = core.StructuredDatasetMetadata(structured_dataset_type=kind)
    return core.Literal(scalar=core.Scalar(structured_dataset=core.StructuredDataset(uri=uri, metadata=metadata)))


def test_a_literal_is_a_handle():
    literal = dataset("s3://b/t", "parquet", ("a",))
    storage = Storage()
    handle = to_python(literal, StructuredDataset, access=Access(storage))
    assert (handle.uri, handle.file_format) == ("s3://b/t", "parquet")
    assert handle._store is storage
    assert handle.literal == literal.scalar.structured_dataset  # type: ignore[union-attr]
    assert to_literal(handle, literal_type(StructuredDataset)) == literal
    assert repr(handle) == "StructuredDataset('s3://b/t', parquet)"
    assert guess_type(literal_type(StructuredDataset)) is StructuredDataset


def test_a_schema_of_older_tasks_is_a_handle_too():
    schema = core.Literal(scalar=core.Scalar(schema=core.Schema(uri="s3://b/t", type=core.SchemaType())))
    handle = to_python(schema, StructuredDataset)
    assert (handle.uri, handle.file_format) == ("s3://b/t", "parquet")
    assert to_python(schema) == handle
    assert guess_type(core.LiteralType(schema=core.SchemaType())) is StructuredDataset
    written = to_literal(StructuredDataset(uri="s3://b/t"), core.LiteralType(schema=core.SchemaType()))
    assert written == schema


def test_columns_and_format_are_part_of_the_type():
    kind = literal_type(Annotated[StructuredDataset, {"a": int, "b": {"c": list[str]}}, "csv"]).structured_dataset_type
    assert kind is not None
    assert kind.format == "csv"
    assert [column.name for column in kind.columns] == ["a", "b.c"]
    asked = to_python(dataset("s3://b/t", "parquet", ("a", "b")), Annotated[StructuredDataset, {"b": int}])
    assert [column.name for column in asked.metadata.structured_dataset_type.columns] == ["b"]


def test_the_variables_format_comes_before_the_values():
    literal = to_literal(StructuredDataset(uri="s3://b/t", file_format="x"), literal_type(StructuredDataset))
    assert literal == dataset("s3://b/t", "x")
    literal = to_literal(
        StructuredDataset(uri="s3://b/t", file_format="x"), literal_type(Annotated[StructuredDataset, "csv"])
    )
    assert literal == dataset("s3://b/t", "csv")


def test_handles_are_pickled_and_copied():
    handle = StructuredDataset(uri="s3://b/t", store=Storage())
    assert pickle.loads(pickle.dumps(handle)) == handle
    assert copy.deepcopy(handle)._store is handle._store
    assert handle != StructuredDataset(uri="s3://b/u")
    assert hash(handle) == hash(StructuredDataset(uri="s3://b/t"))
    assert handle.bind(None)._store is not None


def test_a_frame_is_uploaded_as_parquet():
    for value in (DataFrame(), StructuredDataset(DataFrame())):
        converted = convert({"x": value}, {"x": core.Variable(type=literal_type(StructuredDataset))})
        [upload] = converted.uploads
        assert (upload.name, upload.shape) == ("x", "directory")
        uri = upload.uri({"00000": "s3://b/prefix/00000"})
        done = convert(
            {"x": value}, {"x": core.Variable(type=literal_type(StructuredDataset))}, uploaded={upload.key: uri}
        )
        assert done.complete().literals["x"] == dataset("s3://b/prefix", "parquet")


def test_a_local_path_is_uploaded_whatever_it_is():
    variables = {"x": core.Variable(type=literal_type(StructuredDataset))}
    [upload] = convert({"x": StructuredDataset(uri="/tmp/t")}, variables).uploads
    assert (upload.source, upload.shape) == ("/tmp/t", "either")


@pytest.mark.parametrize(
    ("value", "text"),
    [("s3://b/t", "x: expected StructuredDataset, got str"), (None, "x: expected StructuredDataset, got None")],
)
def test_what_is_no_dataset_is_refused(value: Any, text: str):
    assert refusal(lambda: to_literal(value, literal_type(StructuredDataset), name="x"), FlyteTypeException) == text


def test_a_dataset_of_nothing_is_refused():
    with pytest.raises(FlyteValueException, match="needs a dataframe or a uri"):
        StructuredDataset()
    text = "x: the literal does not say where the dataset is"
    assert refusal(lambda: to_python(dataset(""), StructuredDataset, name="x"), FlyteValueException) == text


def test_a_literal_of_something_else_is_refused():
    text = "x: expected StructuredDataset, got a literal that holds int"
    literal = to_literal(1, literal_type(int))
    assert refusal(lambda: to_python(literal, StructuredDataset, name="x"), FlyteTypeException) == text


def test_a_frame_cannot_be_read_without_io():
    for python_type in (DataFrame, Table):
        with pytest.raises(FlyteTypeException, match=r"^x: reading a \w+\.\w+ takes I/O: `await outputs.get"):
            to_python(dataset("s3://b/t"), python_type, name="x")


async def test_a_dataset_opens_as_a_frame_only():
    handle = StructuredDataset(uri="s3://b/t")
    with pytest.raises(FlyteTypeException, match=r"opens as pandas\.DataFrame or pyarrow\.Table, not as dict"):
        handle.open(dict)
    with pytest.raises(FlyteAssertion, match="say what to read it as"):
        await handle.all()
    with pytest.raises(FlyteUsageError, match="has no store to read through"):
        await handle.open(DataFrame).all()


async def test_a_frame_that_is_there_is_given_as_it_is():
    frame = DataFrame()
    assert await StructuredDataset(frame).open(DataFrame).all() is frame
    with pytest.raises(FlyteTypeException, match="made of a DataFrame, which cannot be opened as Table"):
        await StructuredDataset(frame).open(Table).all()


async def test_without_the_packages_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    (tmp_path / "00000").write_bytes(b"PAR1")
    handle = StructuredDataset(uri=str(tmp_path), file_format="parquet", store=Storage())
    with pytest.raises(FlyteUsageError, match="reading Parquet needs pyarrow: `pip install pyarrow`"):
        await handle.open(DataFrame).all()
    [upload] = convert({"x": DataFrame()}, {"x": core.Variable(type=literal_type(StructuredDataset))}).uploads
    with pytest.raises(FlyteUsageError, match="uploading a frame as Parquet needs pyarrow"):
        upload.source.make()  # type: ignore[union-attr]
    (tmp_path / ".csv").write_text("a\n1\n")
    with pytest.raises(FlyteUsageError, match="reading CSV needs pandas"):
        await StructuredDataset(uri=str(tmp_path), file_format="csv", store=Storage()).open(DataFrame).all()


async def test_a_format_that_only_tasks_know_is_refused(tmp_path: Path):
    (tmp_path / "part").write_bytes(b"x")
    handle = StructuredDataset(uri=str(tmp_path), file_format="orc", store=Storage())
    with pytest.raises(FlyteValueException, match=r"in the format 'orc' cannot be read as pandas\.DataFrame"):
        await handle.open(DataFrame).all()


async def test_a_directory_without_data_is_refused(tmp_path: Path):
    (tmp_path / "_SUCCESS").touch()
    handle = StructuredDataset(uri=str(tmp_path), file_format="parquet", store=Storage())
    with pytest.raises(FlyteValueException, match="there is no data at"):
        await handle.open(DataFrame).all()
