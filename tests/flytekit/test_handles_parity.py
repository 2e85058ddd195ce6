"""Files, directories, datasets and pickles: the literals are flytekit's, and each side reads what the other wrote."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest

from flyteasync.codec import decode, encode
from flyteasync.errors import FlyteValueException
from flyteasync.idl import core
from flyteasync.literals import (
    Access,
    FlyteDirectory,
    FlyteFile,
    FlytePickle,
    StructuredDataset,
    convert,
    guess_type,
    literal_type,
    to_literal,
    to_python,
)
from flyteasync.storage import Storage

# Not "flytekit" alone: that is the name of this folder, too.
pytest.importorskip("flytekit.core.type_engine")
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pandas
    import pyarrow
    from flyteidl.core import literals_pb2, types_pb2
    from flytekit import FlyteDirectory as TheirDirectory
    from flytekit import FlyteFile as TheirFile
    from flytekit import HashMethod, kwtypes
    from flytekit import StructuredDataset as TheirDataset
    from flytekit.core.context_manager import FlyteContext
    from flytekit.core.type_engine import TypeEngine
    from flytekit.models.literals import Literal as TheirLiteral
    from flytekit.types.pickle import FlytePickle as TheirPickle


@dataclass
class Theirs:
    file: TheirFile
    csv: TheirFile["csv"]  # noqa: F821
    directory: TheirDirectory
    dataset: TheirDataset
    maybe: TheirFile | None
    files: list[TheirFile]


@dataclass
class Ours:
    file: FlyteFile
    csv: FlyteFile["csv"]  # noqa: F821
    directory: FlyteDirectory
    dataset: StructuredDataset
    maybe: FlyteFile | None
    files: list[FlyteFile]


THEIR_RECORD = Theirs(
    TheirFile("s3://b/f"),
    TheirFile["csv"]("s3://b/f.csv"),
    TheirDirectory("s3://b/d"),
    TheirDataset(uri="s3://b/t", file_format="parquet"),
    None,
    [TheirFile("s3://b/g", metadata={"k": "v"})],
)

OUR_RECORD = Ours(
    FlyteFile("s3://b/f"),
    FlyteFile["csv"]("s3://b/f.csv"),
    FlyteDirectory("s3://b/d"),
    StructuredDataset(uri="s3://b/t", file_format="parquet"),
    None,
    [FlyteFile("s3://b/g", metadata={"k": "v"})],
)

COLUMNS = kwtypes(a=int, b=list[str])

CASES: list[tuple[Any, Any, Any, Any]] = [
    (FlyteFile("s3://b/f"), FlyteFile, TheirFile("s3://b/f"), TheirFile),
    ("gs://b/f", FlyteFile, "gs://b/f", TheirFile),
    (FlyteFile("s3://b/f", metadata={"k": "v"}), FlyteFile, TheirFile("s3://b/f", metadata={"k": "v"}), TheirFile),
    (FlyteFile["csv"]("s3://b/f"), FlyteFile["csv"], TheirFile["csv"]("s3://b/f"), TheirFile["csv"]),
    (FlyteFile("https://h/f?x=1"), FlyteFile, TheirFile("https://h/f?x=1"), TheirFile),
    (FlyteDirectory("s3://b/d"), FlyteDirectory, TheirDirectory("s3://b/d"), TheirDirectory),
    (FlyteDirectory["x"]("s3://b/d"), FlyteDirectory["x"], TheirDirectory["x"]("s3://b/d"), TheirDirectory["x"]),
    (StructuredDataset(uri="s3://b/t"), StructuredDataset, TheirDataset(uri="s3://b/t"), TheirDataset),
    (
        StructuredDataset(uri="s3://b/t", file_format="parquet"),
        StructuredDataset,
        TheirDataset(uri="s3://b/t", file_format="parquet"),
        TheirDataset,
    ),
    (
        StructuredDataset(uri="s3://b/t", file_format="parquet"),
        Annotated[StructuredDataset, COLUMNS, "csv"],
        TheirDataset(uri="s3://b/t", file_format="parquet"),
        Annotated[TheirDataset, COLUMNS, "csv"],
    ),
    ([FlyteFile("s3://b/f")], list[FlyteFile], [TheirFile("s3://b/f")], list[TheirFile]),
    ({"a": FlyteFile("s3://b/f")}, dict[str, FlyteFile], {"a": TheirFile("s3://b/f")}, dict[str, TheirFile]),
    ({1: FlyteFile("s3://b/f")}, dict[int, FlyteFile], {1: TheirFile("s3://b/f")}, dict[int, TheirFile]),
    (FlyteFile("s3://b/f"), FlyteFile | None, TheirFile("s3://b/f"), TheirFile | None),
    (None, FlyteFile | None, None, TheirFile | None),
    (FlyteDirectory("s3://b/f"), FlyteDirectory | int, TheirDirectory("s3://b/f"), TheirDirectory | int),
    (StructuredDataset(uri="s3://b/t"), StructuredDataset | None, TheirDataset(uri="s3://b/t"), TheirDataset | None),
]
IDS = [f"{index}-{kind}" for index, (_, _, _, kind) in enumerate(CASES)]


def their_type(python_type: Any) -> types_pb2.LiteralType:
    return TypeEngine.to_literal_type(python_type).to_flyte_idl()


def their_literal(value: Any, python_type: Any) -> literals_pb2.Literal:
    expected = TypeEngine.to_literal_type(python_type)
    return TypeEngine.to_literal(FlyteContext.current_context(), value, python_type, expected).to_flyte_idl()


def read_by_them(literal: core.Literal, python_type: Any) -> Any:
    message = literals_pb2.Literal.FromString(encode(literal))
    return TypeEngine.to_python_value(FlyteContext.current_context(), TheirLiteral.from_flyte_idl(message), python_type)


def ours(message: Any) -> core.Literal:
    return decode(core.Literal, message.SerializeToString())


def theirs(message: core.Literal) -> literals_pb2.Literal:
    return literals_pb2.Literal.FromString(encode(message))


def shown(value: Any) -> Any:
    """What handles of either side say of themselves."""
    match value:
        case TheirFile() | FlyteFile():
            return value.remote_source or value.path, value.extension(), value.metadata
        case TheirDirectory() | FlyteDirectory():
            return value.remote_source or value.path, value.extension()
        case TheirDataset() | StructuredDataset():
            return value.literal.uri if value.literal is not None else value.uri, value.file_format
        case list():
            return [shown(item) for item in value]
        case dict():
            return {key: shown(item) for key, item in value.items()}
        case Theirs() | Ours():
            return {key: shown(item) for key, item in vars(value).items()}
        case _:
            return value


@pytest.mark.parametrize(("value", "python_type", "theirs_", "their_kind"), CASES, ids=IDS)
def test_the_literal_type_is_the_same(value: Any, python_type: Any, theirs_: Any, their_kind: Any):
    assert types_pb2.LiteralType.FromString(encode(literal_type(python_type))) == their_type(their_kind)
    assert types_pb2.LiteralType.FromString(encode(literal_type(their_kind))) == their_type(their_kind)


@pytest.mark.parametrize(("value", "python_type", "theirs_", "their_kind"), CASES, ids=IDS)
def test_the_literals_are_the_same_messages(value: Any, python_type: Any, theirs_: Any, their_kind: Any):
    expected = literal_type(python_type)
    written = their_literal(theirs_, their_kind)
    assert theirs(to_literal(value, expected, python_type=python_type)) == written
    assert theirs(to_literal(theirs_, expected, python_type=their_kind)) == written


@pytest.mark.parametrize(("value", "python_type", "theirs_", "their_kind"), CASES, ids=IDS)
def test_each_side_reads_what_the_other_wrote(value: Any, python_type: Any, theirs_: Any, their_kind: Any):
    read_here = to_python(ours(their_literal(theirs_, their_kind)), python_type)
    read_there = read_by_them(to_literal(value, literal_type(python_type), python_type=python_type), their_kind)
    assert shown(read_here) == shown(read_there)


@pytest.mark.parametrize(("value", "python_type", "theirs_", "their_kind"), CASES, ids=IDS)
def test_flytekits_own_classes_can_be_asked_for(value: Any, python_type: Any, theirs_: Any, their_kind: Any):
    literal = their_literal(theirs_, their_kind)
    read_here = to_python(ours(literal), their_kind)
    assert shown(read_here) == shown(to_python(ours(literal), python_type))
    assert theirs(to_literal(read_here, literal_type(python_type), python_type=their_kind)) == literal


def test_a_record_of_handles_is_the_same_on_both_sides():
    expected = literal_type(Ours)
    expected.metadata.fields["title"].string_value = "Theirs"
    assert types_pb2.LiteralType.FromString(encode(expected)) == their_type(Theirs)
    assert types_pb2.LiteralType.FromString(encode(literal_type(Theirs))) == their_type(Theirs)
    written = their_literal(THEIR_RECORD, Theirs)
    assert theirs(to_literal(OUR_RECORD, expected)) == written
    assert theirs(to_literal(THEIR_RECORD, expected)) == written
    assert to_python(ours(written), Ours) == OUR_RECORD
    assert shown(read_by_them(to_literal(OUR_RECORD, expected), Theirs)) == shown(OUR_RECORD)


def test_a_record_of_handles_is_guessed_with_handles():
    expected = decode(core.LiteralType, their_type(Theirs).SerializeToString())
    value = to_python(ours(their_literal(THEIR_RECORD, Theirs)), expected=expected)
    assert type(value) is guess_type(expected)
    assert {key: shown(item) for key, item in vars(value).items()} == shown(OUR_RECORD)
    assert type(value.csv) is FlyteFile["csv"]


def test_a_hash_is_calculated_as_flytekit_calculates_it():
    hashed = Annotated[int, HashMethod(lambda value: f"h{value}")]
    for value, python_type in ((3, hashed), ([3], list[hashed]), ({"a": 3}, dict[str, hashed])):
        literal = to_literal(value, literal_type(python_type), python_type=python_type)
        assert theirs(literal) == their_literal(value, python_type)


def test_a_pickle_of_flytekit_is_a_handle_and_goes_back_as_it_was(tmp_path: Path):
    written = their_literal({1, 2}, set)
    handle = to_python(ours(written), FlytePickle)
    assert handle.uri == written.scalar.blob.uri
    assert theirs(to_literal(handle, literal_type(set))) == written


def upload(value: Any, python_type: Any, folder: Path) -> core.Literal:
    """The literal of a value, after everything was put into a folder."""
    variables = {"x": core.Variable(type=literal_type(python_type))}
    needed = convert({"x": value}, variables, type_hints={"x": python_type}).uploads
    done = {}
    for number, item in enumerate(needed):
        assert not isinstance(item.source, str)
        place = folder / str(number) / item.source.filename
        place.parent.mkdir()
        place.write_bytes(item.source.make())
        done[item.key] = item.uri({item.source.filename: str(place)})
    return convert({"x": value}, variables, type_hints={"x": python_type}, uploaded=done).complete().literals["x"]


FRAME = pandas.DataFrame({"a": [1, 2], "b": ["x", None], "t": pandas.to_datetime(["2024-01-01", "2024-01-02"])})


def test_flytekit_reads_a_frame_that_was_written_here(tmp_path: Path):
    literal = upload(StructuredDataset(FRAME), StructuredDataset, tmp_path)
    pandas.testing.assert_frame_equal(read_by_them(literal, TheirDataset).open(pandas.DataFrame).all(), FRAME)
    assert read_by_them(literal, TheirDataset).file_format == "parquet"


def test_flytekit_reads_a_table_that_was_written_here(tmp_path: Path):
    table = upload(pyarrow.table({"a": [1]}), StructuredDataset, tmp_path)
    assert read_by_them(table, pandas.DataFrame).to_dict("list") == {"a": [1]}


def test_flytekit_loads_a_pickle_that_was_written_here(tmp_path: Path):
    literal = upload({1, 2}, FlytePickle, tmp_path)
    assert read_by_them(literal, TheirPickle) == {1, 2}


def test_a_frame_has_the_type_that_flytekit_gives_it():
    for python_type in (pandas.DataFrame, pyarrow.Table):
        mine = types_pb2.LiteralType.FromString(encode(literal_type(python_type)))
        assert mine == their_type(python_type)


async def test_a_frame_that_flytekit_wrote_is_read():
    dataset = to_python(ours(their_literal(FRAME, pandas.DataFrame)), StructuredDataset, access=Access(Storage()))
    pandas.testing.assert_frame_equal(await dataset.open(pandas.DataFrame).all(), FRAME)
    table = await dataset.open(pyarrow.Table).all()
    assert table.column("a").to_pylist() == [1, 2]


async def test_columns_that_were_asked_for_are_read_alone():
    literal = ours(their_literal(FRAME, pandas.DataFrame))
    dataset = to_python(literal, Annotated[StructuredDataset, kwtypes(a=int)], access=Access(Storage()))
    assert list((await dataset.open(pandas.DataFrame).all()).columns) == ["a"]


async def test_a_csv_that_flytekit_wrote_is_read():
    frame = FRAME[["a"]]
    python_type = Annotated[TheirDataset, "csv"]
    written = their_literal(TheirDataset(dataframe=frame), python_type)
    dataset = to_python(ours(written), StructuredDataset, access=Access(Storage()))
    assert dataset.file_format == "csv"
    pandas.testing.assert_frame_equal(await dataset.open(pandas.DataFrame).all(), frame)


async def test_a_frame_of_several_objects_is_read_as_one(tmp_path: Path):
    for number in range(20):
        pandas.DataFrame({"a": [number]}).to_parquet(tmp_path / f"part-{number:05}.parquet")
    (tmp_path / "_SUCCESS").touch()
    dataset = StructuredDataset(uri=str(tmp_path), file_format="parquet", store=Storage())
    assert (await dataset.open(pandas.DataFrame).all())["a"].tolist() == list(range(20))


async def test_what_is_no_parquet_is_told(tmp_path: Path):
    (tmp_path / "00000").write_bytes(b"PAR1 and nothing else")
    dataset = StructuredDataset(uri=str(tmp_path), file_format="parquet", store=Storage())
    with pytest.raises(FlyteValueException, match="the dataset is not valid Parquet"):
        await dataset.open(pandas.DataFrame).all()


async def test_a_pickle_that_flytekit_wrote_is_loaded():
    handle = to_python(ours(their_literal({1, 2}, set)), FlytePickle, access=Access(Storage()))
    assert await handle.load() == {1, 2}
