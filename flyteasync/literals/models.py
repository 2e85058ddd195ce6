"""pydantic models, and handles as their fields; pydantic is never imported here, a model's class is there already."""

# ruff: noqa: D102 # what the methods of a converter do is said once, in Converter
from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, cast

from ..errors import FlyteTypeException, FlyteValueException
from .base import Registry
from .reading import Reader
from .records import RecordConverter
from .text import python_type_text, wrong_type
from .writing import Writer

CONTEXT = "flyteasync"
"""The key in pydantic's contexts under which the reader or the writer stands."""


class ModelConverter(RecordConverter):
    """pydantic models, of its second version."""

    tag = "Pydantic Transformer"

    def handles(self, python_type: Any) -> bool:
        base = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
        return base is not None and isinstance(python_type, type) and issubclass(python_type, base)

    def field_types(self, python_type: Any) -> Mapping[str, Any]:
        return {name: field.annotation for name, field in python_type.model_fields.items()}

    def to_plain(self, value: Any, python_type: Any, name: str, writer: Writer) -> Any:
        if not isinstance(value, python_type):
            if writer.strict or not isinstance(value, Mapping):
                raise wrong_type(name, python_type_text(python_type), value)
            entries = cast("Mapping[Any, Any]", value)
            value = self._validated(entries, python_type, name, Reader(writer.registry, closed=True))
        place = _Place(writer, name)
        try:
            return value.model_dump(mode="json", context={CONTEXT: place})
        except ValueError as error:
            if place.error is not None:
                raise place.error from None
            what = python_type_text(python_type)
            raise FlyteValueException(f"{name}: {what} cannot be serialised: {type(error).__name__}") from None

    def from_plain(self, value: Any, python_type: Any, name: str, reader: Reader) -> Any:
        if not isinstance(value, Mapping):
            raise wrong_type(name, python_type_text(python_type), value)
        return self._validated(cast("Mapping[Any, Any]", value), python_type, name, reader)

    def json_schema(self, python_type: Any, registry: Registry) -> dict[str, Any]:
        return cast("dict[str, Any]", python_type.model_json_schema())

    def _validated(self, value: Mapping[Any, Any], python_type: Any, name: str, reader: Reader) -> Any:
        try:
            text = json.dumps(value)
        except (TypeError, ValueError):
            raise FlyteTypeException(f"{name}: {python_type_text(python_type)} is made of JSON only") from None
        # flytekit's own handles look for the key `deserialize`.
        context = {CONTEXT: _Place(reader, name), "deserialize": True}
        try:
            return python_type.model_validate_json(text, context=context)
        except ValueError as error:
            raise FlyteValueException(f"{name}{_where(error)}") from None
        except Exception as error:  # validators of the model may raise anything
            what = python_type_text(python_type)
            raise FlyteValueException(f"{name}: {what} refuses its fields: {type(error).__name__}") from error


class _Place:
    """The reader or writer that pydantic is called by, and the first error met below it."""

    def __init__(self, through: Reader | Writer, name: str) -> None:
        self.through = through
        self.name = name
        self.error: Exception | None = None


def _where(error: ValueError) -> str:
    """What pydantic found, first thing first: the path of the field and what is wrong, without the value."""
    errors: Any = getattr(error, "errors", None)
    if errors is None:
        return f": {type(error).__name__}"
    details = cast("list[dict[str, Any]]", errors(include_input=False, include_url=False))
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in details[0]["loc"])
    return f"{path}: {details[0]['msg']}"


def handle_schema(python_type: Any) -> Any:
    """How pydantic reads and writes a handle that is a field of a model; called by pydantic only."""
    from pydantic_core import core_schema

    def read(value: Any, info: Any) -> Any:
        if isinstance(value, python_type):
            return value
        place = _place(info)
        through = place.through if place is not None else None
        reader = through if isinstance(through, Reader) else Reader(_registry())
        try:
            return reader.raising().value(value, python_type, "value")
        except (FlyteTypeException, FlyteValueException) as error:
            raise ValueError(str(error).removeprefix("value: ")) from None

    def write(value: Any, info: Any) -> Any:
        place = _place(info)
        through = place.through if place is not None else None
        writer = through if isinstance(through, Writer) else Writer(_registry())
        try:
            return writer.plain(value, python_type, place.name if place is not None else "value")
        except (FlyteTypeException, FlyteValueException) as error:
            if place is not None:
                place.error = error
            raise

    return core_schema.with_info_plain_validator_function(
        read, serialization=core_schema.plain_serializer_function_ser_schema(write, info_arg=True)
    )


def handle_json_schema(python_type: Any) -> dict[str, Any]:
    """The JSON schema of a handle that is a field of a model; called by pydantic only."""
    return _registry().json_schema(python_type)


def _registry() -> Registry:
    from .builtin import REGISTRY

    return REGISTRY


def _place(info: Any) -> _Place | None:
    """Where in a conversion pydantic is called from; None if it is not called from one."""
    context: Mapping[str, Any] = info.context or {}
    return cast("_Place | None", context.get(CONTEXT))
