"""What functions of betterproto2 itself, such as `which_one_of`, ask a message class for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import betterproto2 as bp


class Metadata(bp.ProtoClassMetadata):
    """As betterproto2's own, but without what takes milliseconds to make until it is asked for."""

    __slots__ = ("_cls",)

    def __init__(self, cls: type[Any]) -> None:
        fields = dataclasses.fields(cls)
        metas: dict[str, bp.FieldMetadata] = {field.name: field.metadata["betterproto"] for field in fields}
        self._cls = cls
        self.meta_by_field_name = metas
        self.field_name_by_number = {meta.number: name for name, meta in metas.items()}
        self.sorted_field_names = tuple(name for _, name in sorted(self.field_name_by_number.items()))
        self.default_gen = {field.name: cast("Callable[[], Any]", field.default_factory) for field in fields}
        groups: dict[str, set[dataclasses.Field[Any]]] = {}
        for field in fields:
            group = metas[field.name].group
            if group:
                groups.setdefault(group, set()).add(field)
        self.oneof_field_by_group = groups

    @property
    def cls_by_field(self) -> dict[str, type]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The class of each field's values."""
        find = cast("Callable[..., dict[str, type]]", vars(bp.ProtoClassMetadata)["_get_cls_by_field"])
        return find(self._cls, dataclasses.fields(self._cls))


def metadata_of(cls: type[Any]) -> Metadata:
    """The metadata of a message class, made when it is first asked for."""
    metadata: Metadata | None = cls.__dict__.get("_betterproto_meta")
    if metadata is None:
        cls._betterproto_meta = metadata = Metadata(cls)
    return metadata
