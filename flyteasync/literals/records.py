"""Dataclasses, and what they share with pydantic models: a schema, and a serialised form."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from ..errors import FlyteTypeException, FlyteUserException, FlyteValueException
from ..idl import core
from . import plain
from .base import Converter, Registry, unwrap
from .fields import class_of, field_types, fields_of, has_default, is_dataclass_type
from .guess import guess_record, schema_of
from .reading import Reader
from .text import python_type_text, type_text, wrong_literal, wrong_type
from .unset import UNSET
from .writing import Writer


class RecordConverter(Converter):
    """What dataclasses and pydantic models have in common; a dict is taken for one."""

    kinds = (core.SimpleType.STRUCT,)

    def claims(self, literal_type: core.LiteralType) -> bool:
        """Whether the LiteralType has a schema, and no tag that says which kind of record it is of."""
        return schema_of(literal_type) is not None

    def guess(self, literal_type: core.LiteralType, registry: Registry) -> Any:
        return guess_record(literal_type)

    def to_literal(self, value: Any, expected: core.LiteralType, hint: Any, name: str, writer: Writer) -> core.Literal:
        guessed = guess_record(expected)
        python_type = _type_to_write(value, hint, guessed, writer)
        if python_type is None or (writer.strict and not _same(value, hint, expected)):
            raise wrong_type(name, type_text(expected), value)
        written = writer.plain(value, python_type, name)
        if is_dataclass_type(guessed) and python_type is not guessed:
            # The value's own class may be another one than the task's.
            if not isinstance(value, Mapping) and not _field_names(value) <= field_types(guessed).keys():
                raise wrong_type(name, type_text(expected), value)
            Reader(writer.registry, closed=isinstance(value, Mapping)).value(written, guessed, name)
        return plain.dump(written)

    def to_python(self, literal: core.Literal, python_type: Any, name: str, reader: Reader) -> Any:
        raise wrong_literal(name, python_type_text(python_type), literal)

    def literal_type(self, python_type: Any, registry: Registry) -> core.LiteralType:
        try:
            schema = plain.struct_of(self.json_schema(python_type, registry))
        except FlyteTypeException:
            schema = None  # as flytekit has it for types that JSON schema cannot say
        inner = registry.inside(python_type)
        kinds = {name: _field_type(kind, inner) for name, kind in self.field_types(python_type).items()}
        structure = core.TypeStructure(dataclass_type={name: kind for name, kind in kinds.items() if kind is not None})
        return core.LiteralType(
            simple=core.SimpleType.STRUCT, metadata=schema, structure=structure, annotation=plain.msgpack_mark()
        )

    def field_types(self, python_type: Any) -> Mapping[str, Any]:
        """The types of the fields, by name."""
        raise NotImplementedError


class DataclassConverter(RecordConverter):
    """Dataclasses, generic ones among them."""

    tag = "Object-Dataclass-Transformer"

    def handles(self, python_type: Any) -> bool:
        return is_dataclass_type(python_type)

    def field_types(self, python_type: Any) -> Mapping[str, Any]:
        return field_types(python_type)

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> dict[str, Any]:
        kinds = field_types(python_type)
        if isinstance(value, class_of(python_type)):
            entries = {field: getattr(value, field, UNSET) for field in kinds}
        elif isinstance(value, Mapping) and not writer.strict:
            entries = dict(cast("Mapping[str, Any]", value))
            _check_keys(entries, python_type, name, closed=True)
        else:
            raise wrong_type(name, python_type_text(python_type), value)
        return {
            field: writer.plain(item, kinds[field], f"{name}.{field}")
            for field, item in entries.items()
            if item is not UNSET
        }

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        if not isinstance(value, Mapping):
            raise wrong_type(name, python_type_text(python_type), value)
        entries = cast("Mapping[str, Any]", value)
        _check_keys(entries, python_type, name, closed=reader.closed or reader.strict)
        kinds = field_types(python_type)
        before = len(reader.problems or ())
        arguments = {
            field.name: reader.value(entries[field.name], kinds[field.name], f"{name}.{field.name}")
            for field in fields_of(python_type)
            if field.init and field.name in entries
        }
        if len(reader.problems or ()) > before:
            return None
        try:
            return class_of(python_type)(**arguments)
        except Exception as error:  # a class may check its fields and raise anything
            what = python_type_text(class_of(python_type))
            raise FlyteValueException(f"{name}: {what} refuses its fields: {type(error).__name__}") from error

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        inner = registry.inside(python_type)
        kinds = field_types(python_type)
        properties: dict[str, Any] = {}
        required: list[str] = []
        for field in fields_of(python_type):
            if not field.init:
                continue
            schema = inner.json_schema(kinds[field.name])
            if not has_default(field):
                required.append(field.name)
            elif field.default is not dataclasses.MISSING and field.default is not UNSET:
                schema["default"] = _default(field.default, kinds[field.name], inner)
            properties[field.name] = schema
        schema = {"type": "object", "title": class_of(python_type).__name__}
        if properties:
            schema["properties"] = properties
        schema["additionalProperties"] = False
        return {**schema, "required": required} if required else schema


def _check_keys(entries: Mapping[str, Any], python_type: Any, name: str, *, closed: bool) -> None:
    """Raise if a field without a default is missing, or, closed, if there are others than the class has."""
    fields = {field.name: field for field in fields_of(python_type)}
    for field in fields.values():
        if field.init and not has_default(field) and field.name not in entries:
            raise FlyteValueException(f"{name}.{field.name}: the field is missing")
    unknown = [key for key in entries if key not in fields]
    if closed and unknown:
        known = ", ".join(fields) or "none"
        raise FlyteValueException(
            f"{name}: {python_type_text(class_of(python_type))} has no field {unknown[0]!r}, known are: {known}"
        )


def _type_to_write(value: Any, hint: Any, guessed: Any, writer: Writer) -> Any:
    """The type by which a value is serialised: what was declared, else its own; for a dict the variable's."""
    own = cast("Any", type(value))
    if _is_record(hint, writer.registry) and isinstance(value, class_of(hint)):
        return hint
    if _is_record(own, writer.registry):
        return own
    if isinstance(value, Mapping):
        return hint if _is_record(hint, writer.registry) else guessed
    return None


def _same(value: Any, hint: Any, expected: core.LiteralType) -> bool:
    """Whether a value is exactly of the type expected."""
    if isinstance(unwrap(hint), type) and hint is not Any:
        return isinstance(value, class_of(hint))
    schema = schema_of(expected)
    return not isinstance(value, Mapping) and (schema is None or schema.get("title") in (None, type(value).__name__))


def _field_names(value: Any) -> set[str]:
    """The names of the fields that a dataclass is made with; of a model none, as it may be written by other names."""
    return (
        {field.name for field in dataclasses.fields(value) if field.init} if dataclasses.is_dataclass(value) else set()
    )


def _field_type(python_type: Any, registry: Registry) -> core.LiteralType | None:
    """The LiteralType of a field, by which a workflow reaches into the value; None if there is none."""
    try:
        return registry.literal_type(python_type)
    except FlyteTypeException:
        return None


def _is_record(python_type: Any, registry: Registry) -> bool:
    try:
        return python_type is not Any and isinstance(registry.for_type(python_type), RecordConverter)
    except FlyteTypeException:
        return False


def _default(value: Any, python_type: Any, registry: Registry) -> Any:
    """A default as JSON has it."""
    try:
        written = Writer(registry).plain(value, python_type, "default")
    except FlyteUserException:
        written = Writer(registry).plain(value, type(value), "default")
    return base64.encodebytes(written).decode() if isinstance(written, bytes) else written
