"""The converters of the package, and the registry of them all."""

from __future__ import annotations

from .base import Registry
from .blobs import DirectoryConverter, FileConverter
from .choices import EnumConverter, LiteralConverter
from .containers import DictConverter, ListConverter, UnionConverter
from .datasets import DatasetConverter
from .leaves import TEXTS, AbstractConverter, AnyConverter, BytesConverter, TupleConverter, TypedDictConverter
from .models import ModelConverter
from .pickles import PickleConverter
from .records import DataclassConverter
from .scalars import BoolConverter, FloatConverter, IntConverter, NoneConverter, StrConverter
from .times import DateConverter, DatetimeConverter, TimedeltaConverter

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
        LiteralConverter(),
        ListConverter(),
        UnionConverter(),
        DictConverter(),
        AnyConverter(),
        # flytekit's handles are dataclasses, too.
        FileConverter(),
        DirectoryConverter(),
        DatasetConverter(),
        PickleConverter(),
        ModelConverter(),
        DataclassConverter(),
        BytesConverter(),
        *TEXTS,
        TupleConverter(),
        AbstractConverter(),
        TypedDictConverter(),
    ]
)
"""Every type that values may have."""
