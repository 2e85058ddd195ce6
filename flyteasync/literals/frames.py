"""Data frames and the bytes that they are stored as; pandas and pyarrow are imported when a frame is there.

All of it computes, and may take long; none of it does I/O.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from typing import Any

from ..errors import FlyteUsageError, FlyteValueException

PARQUET = "parquet"
CSV = "csv"

_FRAMES = {("pandas", "DataFrame"): "pandas.DataFrame", ("pyarrow", "Table"): "pyarrow.Table"}


def frame_kind(python_type: Any) -> str | None:
    """`pandas.DataFrame` or `pyarrow.Table`, if the type is one of them; None if it is no frame."""
    if not isinstance(python_type, type):
        return None
    return _FRAMES.get((python_type.__module__.partition(".")[0], python_type.__name__))


def is_data(name: str, file_format: str) -> bool:
    """Whether an object of a dataset holds rows, by its name: others do, too, begin with a dot or an underscore."""
    last = name.rpartition("/")[2]
    return last == ".csv" if file_format == CSV and last.startswith(".") else not last.startswith((".", "_"))


def read_frame(kind: str, parts: Sequence[bytes], file_format: str, columns: Sequence[str]) -> Any:
    """The frame that the objects of a dataset hold together.

    Args:
        kind: what `frame_kind` gives.
        parts: the objects, in order.
        file_format: `parquet` or `csv`; empty is taken as Parquet.
        columns: the columns to read; none are all.

    Raises:
        FlyteUsageError: a package is missing.
        FlyteValueException: an unknown format, or bytes that are not in it.
    """
    chosen = list(columns) or None
    if file_format in (PARQUET, ""):
        table = _read_parquet(parts, chosen)
        if kind == "pyarrow.Table":
            return table
        required_package("pandas", "reading a dataset as pandas.DataFrame")
        return table.to_pandas()
    if file_format == CSV and kind == "pandas.DataFrame":
        pandas = required_package("pandas", "reading CSV")
        frames = [pandas.read_csv(io.BytesIO(part), usecols=chosen) for part in parts]
        return pandas.concat(frames, ignore_index=True) if len(frames) != 1 else frames[0]
    raise FlyteValueException(f"a dataset in the format {file_format!r} cannot be read as {kind}")


def _read_parquet(parts: Sequence[bytes], columns: list[str] | None) -> Any:
    arrow = required_package("pyarrow", "reading Parquet")
    parquet = required_package("pyarrow.parquet", "reading Parquet")
    try:
        tables = [parquet.read_table(arrow.BufferReader(part), columns=columns) for part in parts]
        return arrow.concat_tables(tables)
    except arrow.ArrowException as error:
        raise FlyteValueException(f"the dataset is not valid Parquet: {error}") from error


def write_parquet(frame: Any, name: str) -> bytes:
    """A frame as Parquet, with times in microseconds as flytekit writes them.

    Raises:
        FlyteUsageError: pyarrow is missing.
        FlyteValueException: it has columns that Parquet cannot hold.
    """
    arrow = required_package("pyarrow", "uploading a frame as Parquet")
    parquet = required_package("pyarrow.parquet", "uploading a frame as Parquet")
    sink = io.BytesIO()
    try:
        table = frame if frame_kind(type(frame)) == "pyarrow.Table" else arrow.Table.from_pandas(frame)
        parquet.write_table(table, sink, coerce_timestamps="us", allow_truncated_timestamps=False)
    except arrow.ArrowException as error:
        raise FlyteValueException(f"{name}: the frame cannot be written as Parquet: {error}") from error
    return sink.getvalue()


def required_package(package: str, purpose: str) -> Any:
    """The package, imported.

    Raises:
        FlyteUsageError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        root = package.partition(".")[0]
        raise FlyteUsageError(f"{purpose} needs {root}: `pip install {root}`") from error
