"""Conversion of files and directories."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from ..errors import FlyteValueException
from ..idl import core
from .base import Converter, Registry
from .foreign import is_foreign
from .handles import FlyteDirectory, FlyteFile, Handle, is_remote, path_of, with_format
from .reading import Reader
from .text import PICKLE_FORMAT, python_type_text, type_text, wrong_literal, wrong_type
from .uploads import Shape, Upload
from .writing import Writer

Dimensionality = core.BlobTypeBlobDimensionality


class BlobConverter(Converter):
    """What files and directories have in common; a text or a path is taken for one, too."""

    kinds = ("blob",)
    handle: ClassVar[type[Handle]]
    dimensionality: ClassVar[Dimensionality]
    shape: ClassVar[Shape]
    destination: ClassVar[str]
    """The attribute of a value that says where to upload it to."""

    def claims(self, literal_type: core.LiteralType) -> bool:
        blob = literal_type.blob
        return blob is not None and blob.dimensionality == self.dimensionality and blob.format != PICKLE_FORMAT

    def handles(self, python_type: Any) -> bool:
        if not isinstance(python_type, type):
            return False
        return issubclass(python_type, self.handle) or is_foreign(python_type, self.handle.__name__)

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        return core.LiteralType(blob=self._blob_type(_extension(python_type)))

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        return with_format(self.shape, literal_type.blob.format if literal_type.blob is not None else "")

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        uri = self._uri(value, type_text(expected), name, writer)
        file_format = expected.blob.format if expected.blob is not None else ""
        metadata = core.BlobMetadata(type=self._blob_type(file_format))
        blob = core.Blob(metadata=metadata, uri=uri)
        return core.Literal(scalar=core.Scalar(blob=blob), metadata=dict(getattr(value, "metadata", None) or {}))

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        blob = literal.scalar.blob if literal.scalar is not None else None
        kind = blob.metadata.type if blob is not None and blob.metadata is not None else None
        if blob is None or (kind.dimensionality if kind is not None else 0) != self.dimensionality:
            raise wrong_literal(name, python_type_text(python_type), literal)
        if not blob.uri:
            raise FlyteValueException(f"{name}: the literal does not say where the {self.shape} is")
        return self._make(python_type, blob.uri, literal.metadata, reader)

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> dict[str, Any]:
        plain: dict[str, Any] = {"path": self._uri(value, python_type_text(python_type), name, writer)}
        if metadata := getattr(value, "metadata", None):
            plain["metadata"] = dict(metadata)
        return plain

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        if isinstance(value, str):
            value = {"path": value}
        if not isinstance(value, Mapping):
            raise wrong_type(name, python_type_text(python_type), cast("object", value))
        entries = cast("Mapping[str, Any]", value)
        path = entries.get("path")
        metadata: Any = entries.get("metadata") or {}
        if not isinstance(path, str) or not path:
            raise FlyteValueException(f"{name}: a {self.handle.__name__} needs a path")
        if not isinstance(metadata, Mapping):
            raise wrong_type(f"{name}.metadata", "dict[str, str]", metadata)
        return self._make(python_type, path, cast("Mapping[str, str]", metadata), reader)

    def _blob_type(self, file_format: str) -> core.BlobType:
        return core.BlobType(format=file_format, dimensionality=self.dimensionality)

    def _uri(self, value: Any, expected: str, name: str, writer: Writer) -> str:
        """Where the value is, or will be."""
        if not self.handles(type(value)) and (writer.strict or not _is_path(value)):
            raise wrong_type(name, expected, value)
        source = path_of(value)
        destination: Any = getattr(value, self.destination, None)
        if not source:
            raise FlyteValueException(f"{name}: a {self.handle.__name__} needs a path or a URI")
        if is_remote(source) or destination is False:
            return source
        local = source.removeprefix("file://")
        return writer.uploads.uri(Upload(name, local, self.shape, path_of(destination) or None))

    def _make(self, python_type: Any, uri: str, metadata: Mapping[str, str], reader: Reader) -> Any:
        if is_foreign(python_type, self.handle.__name__):
            made = python_type.from_source(uri)
        else:
            made = python_type(uri, store=reader.access.store)
        if metadata and self.shape == "file":
            made.metadata = dict(metadata)
        return made


class FileConverter(BlobConverter):
    """FlyteFile."""

    tag = "FlyteFilePath"
    handle = FlyteFile
    dimensionality = Dimensionality.SINGLE
    shape = "file"
    destination = "remote_path"

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        texts = {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "propertyNames": {"type": "string"},
        }
        metadata = {"anyOf": [texts, {"type": "null"}], "default": None}
        return _blob_schema("FlyteFile", {"path": _PATH_SCHEMA, "metadata": metadata})


class DirectoryConverter(BlobConverter):
    """FlyteDirectory."""

    tag = "FlyteDirectory"
    handle = FlyteDirectory
    dimensionality = Dimensionality.MULTIPART
    shape = "directory"
    destination = "remote_directory"

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        return _blob_schema("FlyteDirectory", {"path": _PATH_SCHEMA})


_PATH_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "string", "format": "path"}], "default": None}


def _blob_schema(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "title": title, "properties": properties, "additionalProperties": False}


def _is_path(value: Any) -> bool:
    """Whether a value is a text or a path, and no handle of a file or directory."""
    foreign = is_foreign(type(value), "FlyteFile") or is_foreign(type(value), "FlyteDirectory")
    return isinstance(value, (str, os.PathLike)) and not isinstance(value, Handle) and not foreign


def _extension(python_type: Any) -> str:
    extension = getattr(python_type, "extension", None)
    return str(extension()) if callable(extension) else ""
