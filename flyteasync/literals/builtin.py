"""The converters of the package, and the registry of them all."""

from __future__ import annotations

from .base import Reader, Registry, Writer
from .containers import DictConverter, ListConverter, UnionConverter
from .scalars import (
    BoolConverter,
    DateConverter,
    DatetimeConverter,
    EnumConverter,
    FloatConverter,
    IntConverter,
    NoneConverter,
    StrConverter,
    TimedeltaConverter,
)

REGISTRY = Registry(
    [
        # Enums stand before str and int, which some of them are too.
        EnumConverter(),
        IntConverter(),
        FloatConverter(),
        StrConverter(),
        DatetimeConverter(),
        DateConverter(),
        TimedeltaConverter(),
        BoolConverter(),
        NoneConverter(),
        ListConverter(),
        UnionConverter(),
        DictConverter(),
    ]
)
"""Every type that values may have."""

WRITER = Writer(REGISTRY)
READER = Reader(REGISTRY)
