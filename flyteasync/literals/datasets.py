"""Structured datasets as handles, and their conversion."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Self, cast

import anyio
import anyio.to_thread

from ..config import without_query
from ..errors import FlyteAssertion, FlyteTypeException, FlyteValueException
from ..idl import core
from . import frames
from .base import Converter, Registry, annotations_of, unwrap
from .foreign import is_foreign
from .handles import is_remote
from .reading import Reader
from .store import Store, required
from .text import python_type_text, wrong_literal, wrong_type
from .uploads import Content, Upload
from .writing import Writer

CONCURRENT_READS = 8
"""Objects of a dataset that are read at the same time."""


class StructuredDataset:
    """A table, by the URI of what holds it or as a data frame.

    `await dataset.open(pandas.DataFrame).all()` reads one; `pyarrow.Table` works, too. Both need pyarrow.
    """

    def __init__(
        self,
        dataframe: Any = None,
        uri: str | None = None,
        metadata: core.StructuredDatasetMetadata | None = None,
        *,
        file_format: str = "",
        store: Store | None = None,
    ) -> None:
        """Describe a dataset; no I/O.

        Args:
            dataframe: the table itself, which is uploaded as Parquet when it is given as an input.
            uri: where it is: one object, or a prefix of several.
            metadata: columns and format.
            file_format: `parquet`, `csv`, or another that only tasks can read; taken from the metadata if empty.
            store: what to read through; handles that come out of literals have one.

        Raises:
            FlyteValueException: neither a frame nor a URI.
        """
        if dataframe is None and not uri:
            raise FlyteValueException("a StructuredDataset needs a dataframe or a uri")
        self.dataframe = dataframe
        self.uri = uri
        self.metadata = metadata
        kind = metadata.structured_dataset_type if metadata is not None else None
        self.file_format = file_format or (kind.format if kind is not None else "")
        self._columns = [column.name for column in kind.columns] if kind is not None else []
        self._store = store
        self._frame_type: Any = None

    def bind(self, store: Store | None) -> Self:
        """Have the handle read through this store; one that has a store keeps it."""
        if self._store is None:
            self._store = store
        return self

    @property
    def literal(self) -> core.StructuredDataset | None:
        """The literal that points at it; None for a frame that is nowhere yet."""
        return core.StructuredDataset(uri=self.uri, metadata=self.metadata) if self.uri else None

    def open(self, dataframe_type: Any) -> Self:
        """Choose what `all` gives: `pandas.DataFrame` or `pyarrow.Table`.

        Raises:
            FlyteTypeException: it is neither.
        """
        if frames.frame_kind(dataframe_type) is None:
            raise FlyteTypeException(
                f"a dataset opens as pandas.DataFrame or pyarrow.Table, not as {python_type_text(dataframe_type)}"
            )
        self._frame_type = dataframe_type
        return self

    async def all(self) -> Any:
        """The whole table; computed in a thread.

        Raises:
            FlyteAssertion: `open` was not called.
            FlyteUsageError: pyarrow or pandas is missing.
            FlyteValueException: the dataset is not in a format that can be read.
            FlyteError: see `Store`.
        """
        if self._frame_type is None:
            raise FlyteAssertion(f"{self!r}: say what to read it as: `await dataset.open(pandas.DataFrame).all()`")
        if self.dataframe is not None and isinstance(self.dataframe, self._frame_type):
            return self.dataframe
        if not self.uri:
            have, want = python_type_text(type(self.dataframe)), python_type_text(self._frame_type)
            raise FlyteTypeException(f"the dataset was made of a {have}, which cannot be opened as {want}")
        store = required(self._store, repr(self))
        found = [item for item in await store.items(self.uri) if frames.is_data(item.name, self.file_format)]
        if not found:
            raise FlyteValueException(f"there is no data at {without_query(self.uri)}")
        parts = await _read_all(store, [item.uri for item in found])
        kind = cast("str", frames.frame_kind(self._frame_type))
        return await anyio.to_thread.run_sync(partial(frames.read_frame, kind, parts, self.file_format, self._columns))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StructuredDataset):
            return NotImplemented
        same = (self.uri, self.file_format) == (other.uri, other.file_format)
        return same and self.dataframe is other.dataframe

    def __hash__(self) -> int:
        return hash((self.uri, self.file_format))

    def __repr__(self) -> str:
        what = repr(without_query(self.uri)) if self.uri else f"a {python_type_text(type(self.dataframe))}"
        return f"StructuredDataset({what}{f', {self.file_format}' if self.file_format else ''})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_store": None}  # connections do not travel

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from .models import handle_schema

        return handle_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        from .models import handle_json_schema

        return handle_json_schema(cls)


async def _read_all(store: Store, uris: list[str]) -> list[bytes]:
    """Several objects, some at a time, in their order."""
    limit = anyio.CapacityLimiter(CONCURRENT_READS)
    parts: dict[int, bytes] = {}

    async def read(index: int, uri: str) -> None:
        async with limit:
            parts[index] = await store.read(uri)

    try:
        async with anyio.create_task_group() as group:
            for index, uri in enumerate(uris):
                group.start_soon(read, index, uri)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [parts[index] for index in range(len(uris))]


class DatasetConverter(Converter):
    """StructuredDataset and data frames; also reads what older tasks wrote as a schema."""

    tag = "StructuredDataset Transformer"
    kinds = ("structured_dataset_type", "schema")
    reads_annotations = True

    def handles(self, python_type: Any) -> bool:
        if not isinstance(python_type, type):
            return False
        return (
            issubclass(python_type, StructuredDataset)
            or is_foreign(python_type, "StructuredDataset")
            or frames.frame_kind(python_type) is not None
        )

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        columns: list[core.StructuredDatasetTypeDatasetColumn] = []
        file_format = ""
        for annotation in annotations_of(python_type):
            if isinstance(annotation, str):
                file_format = annotation
            elif isinstance(annotation, Mapping):
                columns = list(_columns(cast("Mapping[str, Any]", annotation).items(), registry))
        kind = core.StructuredDatasetType(columns=columns, format=file_format)
        return core.LiteralType(structured_dataset_type=kind)

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        return StructuredDataset

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        if frames.frame_kind(type(value)) is not None:
            value = StructuredDataset(value)
        elif not self.handles(type(value)):
            raise wrong_type(name, "StructuredDataset", value)
        if (schema := expected.schema) is not None:
            uri = _uri(value, name, writer)
            return core.Literal(scalar=core.Scalar(schema=core.Schema(uri=uri, type=schema)))
        dataset = core.StructuredDataset(uri=_uri(value, name, writer), metadata=_metadata(value, expected))
        return core.Literal(scalar=core.Scalar(structured_dataset=dataset))

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        scalar = literal.scalar
        if scalar is not None and (schema := scalar.schema) is not None:
            kind = core.StructuredDatasetType(format=frames.PARQUET)
            return _handle(unwrap(python_type), schema.uri, _with_columns(kind, python_type, reader), name, reader)
        if scalar is None or (dataset := scalar.structured_dataset) is None:
            raise wrong_literal(name, python_type_text(unwrap(python_type)), literal)
        kind = dataset.metadata.structured_dataset_type if dataset.metadata is not None else None
        kind = kind if kind is not None else core.StructuredDatasetType()
        return _handle(unwrap(python_type), dataset.uri, _with_columns(kind, python_type, reader), name, reader)

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> dict[str, Any]:
        if frames.frame_kind(type(value)) is not None:
            value = StructuredDataset(value)
        elif not self.handles(type(value)):
            raise wrong_type(name, "StructuredDataset", value)
        written = value.file_format or (frames.PARQUET if value.dataframe is not None else "")
        return {"uri": _uri(value, name, writer), "file_format": written}

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        if isinstance(value, str):
            value = {"uri": value}
        if not isinstance(value, Mapping):
            raise wrong_type(name, "StructuredDataset", cast("object", value))
        entries = cast("Mapping[str, Any]", value)
        uri, file_format = entries.get("uri"), entries.get("file_format") or ""
        if not isinstance(uri, str) or not uri or not isinstance(file_format, str):
            raise FlyteValueException(f"{name}: a StructuredDataset needs a uri and a file_format")
        return _handle(python_type, uri, core.StructuredDatasetType(format=file_format), name, reader)

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        text_or_null = [{"type": "string"}, {"type": "null"}]
        return {
            "type": "object",
            "title": "StructuredDataset",
            "properties": {
                "uri": {"anyOf": text_or_null, "default": None},
                "file_format": {"anyOf": text_or_null, "default": ""},
            },
            "additionalProperties": False,
        }


def _columns(
    entries: Iterable[tuple[str, Any]], registry: Registry, parent: str = ""
) -> Iterable[core.StructuredDatasetTypeDatasetColumn]:
    """The columns that a type declares; nested ones have dots in their names."""
    for key, kind in entries:
        name = f"{parent}.{key}" if parent else key
        if isinstance(kind, Mapping):
            yield from _columns(cast("Mapping[str, Any]", kind).items(), registry, name)
        else:
            yield core.StructuredDatasetTypeDatasetColumn(name=name, literal_type=registry.literal_type(kind))


def _with_columns(kind: core.StructuredDatasetType, python_type: Any, reader: Reader) -> core.StructuredDatasetType:
    """What a literal says of a dataset, with the columns that the caller's type asks for."""
    for annotation in annotations_of(python_type):
        if isinstance(annotation, Mapping):
            columns = list(_columns(cast("Mapping[str, Any]", annotation).items(), reader.registry))
            return core.StructuredDatasetType(
                columns=columns,
                format=kind.format,
                external_schema_type=kind.external_schema_type,
                external_schema_bytes=kind.external_schema_bytes,
            )
    return kind


def _handle(python_type: Any, uri: str, kind: core.StructuredDatasetType, name: str, reader: Reader) -> Any:
    if (frame := frames.frame_kind(python_type)) is not None:
        raise FlyteTypeException(
            f"{name}: reading a {frame} takes I/O: `await outputs.get(name, StructuredDataset).open({frame}).all()`"
        )
    if not uri:
        raise FlyteValueException(f"{name}: the literal does not say where the dataset is")
    metadata = core.StructuredDatasetMetadata(structured_dataset_type=kind)
    if is_foreign(python_type, "StructuredDataset"):
        return python_type(uri=uri, file_format=kind.format)
    return python_type(uri=uri, metadata=metadata, store=reader.access.store)


def _uri(value: Any, name: str, writer: Writer) -> str:
    """Where the dataset is, or will be."""
    literal: Any = getattr(value, "literal", None)
    uri: str | None = value.uri or (literal.uri if literal is not None else None)
    if value.dataframe is not None:
        content = Content("00000", value.dataframe, partial(frames.write_parquet, value.dataframe, name))
        return writer.uploads.uri(Upload(name, content, "directory", uri if uri and is_remote(uri) else None))
    if not uri:
        raise FlyteValueException(f"{name}: the StructuredDataset has neither a dataframe nor a uri")
    return uri if is_remote(uri) else writer.uploads.uri(Upload(name, uri.removeprefix("file://"), "either"))


def _metadata(value: Any, expected: core.LiteralType) -> core.StructuredDatasetMetadata:
    """What the literal says of the dataset: what was read with it, else what the variable declares."""
    given = getattr(value, "metadata", None)
    if isinstance(value, StructuredDataset) and given is not None and value.dataframe is None:
        return cast("core.StructuredDatasetMetadata", given)
    declared = expected.structured_dataset_type
    declared = declared if declared is not None else core.StructuredDatasetType()
    written = frames.PARQUET if value.dataframe is not None else value.file_format or ""
    return core.StructuredDatasetMetadata(
        structured_dataset_type=core.StructuredDatasetType(
            columns=list(declared.columns),
            format=declared.format or written,
            external_schema_type=declared.external_schema_type,
            external_schema_bytes=declared.external_schema_bytes,
        )
    )
