"""Message classes of upb, the codec of the official protobuf package, beside ours; and the comparison of both.

upb is given the same bytes, and what it reads is the truth.
"""

import dataclasses
import datetime
import functools
import importlib
import importlib.util
import math
import pkgutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, unknown_fields
from google.protobuf.descriptor import FieldDescriptor
from grpc_tools import protoc

import flyteasync.idl.admin
import flyteasync.idl.event
import flyteasync.idl.service  # noqa: F401 - registers its messages
from flyteasync.codec import Message
from flyteasync.idl.message_pool import default_message_pool

HERE = Path(__file__).parent
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

_TIMES = ("google.protobuf.Timestamp", "google.protobuf.Duration")
_LIMITS = (-62135596800 + 5, 253402300799 - 5)  # seconds of the years 1 to 9999, with room for unruly nanoseconds
WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
)


class Twins(NamedTuple):
    """The two classes of one message type."""

    theirs: Any
    ours: type[Message]

    @property
    def name(self) -> str:
        return self.theirs.DESCRIPTOR.full_name


@functools.cache
def flyte_twins() -> list[Twins]:
    """Every message type that is generated."""
    for package in ("admin", "core", "event", "service"):
        path = importlib.import_module(f"flyteidl.{package}").__path__
        for module in pkgutil.iter_modules(path, f"flyteidl.{package}."):
            if module.name.endswith("_pb2"):
                importlib.import_module(module.name)
    pool = descriptor_pool.Default()
    result: list[Twins] = []
    for url, ours in sorted(default_message_pool.url_to_type.items()):
        descriptor = pool.FindMessageTypeByName(url.rpartition("/")[2])
        assert issubclass(ours, Message)
        result.append(Twins(message_factory.GetMessageClass(descriptor), ours))
    return result


def twins_of(name: str) -> Twins:
    """The twins of a full proto name."""
    if name.startswith("alltypes."):
        return all_twins(name.removeprefix("alltypes."))
    return next(twins for twins in flyte_twins() if twins.name == name)


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_idl", HERE.parent.parent / "tools" / "generate_idl.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def _all_types_descriptors() -> descriptor_pb2.FileDescriptorSet:
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        include = Path(protoc.__file__).parent / "_proto"
        arguments = ["protoc", f"-I{HERE}", f"-I{include}", f"--descriptor_set_out={file.name}", "--include_imports"]
        assert protoc.main([*arguments, "--include_source_info", "alltypes.proto"]) == 0
        descriptors = descriptor_pb2.FileDescriptorSet.FromString(Path(file.name).read_bytes())
    flyte_twins()  # loads what alltypes.proto depends on
    ours = next(file for file in descriptors.file if file.name == "alltypes.proto")
    descriptor_pool.Default().AddSerializedFile(ours.SerializeToString())
    return descriptors


@functools.cache
def all_types() -> ModuleType:
    """The module that the generator makes of `alltypes.proto`."""
    generator = _generator()
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "compiled"
        compiled.mkdir()
        generator.compile_messages(_all_types_descriptors(), "alltypes", compiled)
        generator.move(compiled, Path(folder) / "generated_alltypes", codec="flyteasync")
        (Path(folder) / "generated_alltypes" / "__init__.py").touch()
        sys.path.insert(0, folder)
        try:
            return importlib.import_module("generated_alltypes.alltypes")
        finally:
            sys.path.remove(folder)


@functools.cache
def all_twins(name: str = "All") -> Twins:
    """The twins of a message of `alltypes.proto`."""
    ours = getattr(all_types(), name)
    descriptor = descriptor_pool.Default().FindMessageTypeByName(f"alltypes.{name}")
    return Twins(message_factory.GetMessageClass(descriptor), ours)


# Comparing


def same(theirs: Any, ours: Message) -> None:
    """Fail unless our message shows what upb's holds."""
    names = _python_names(type(ours))
    for field in theirs.DESCRIPTOR.fields:
        try:
            _same_field(theirs, field, getattr(ours, names[field.number]))
        except AssertionError as error:
            error.add_note(f"in {theirs.DESCRIPTOR.full_name}.{field.name}")
            raise


def _same_field(theirs: Any, field: FieldDescriptor, got: Any) -> None:
    want = getattr(theirs, field.name)
    if is_map(field):
        value_field = field.message_type.fields_by_name["value"]
        assert type(got) is dict
        assert got.keys() == set(want)
        for key in want:
            _same_value(value_field, want[key], got[key])
    elif field.is_repeated:
        assert type(got) is list
        assert len(got) == len(want)
        for one, other in zip(want, got, strict=True):
            _same_value(field, one, other)
    elif field.has_presence and not theirs.HasField(field.name):
        assert got is None
    else:
        _same_value(field, want, got)


def _same_value(field: FieldDescriptor, want: Any, got: Any) -> None:
    if field.type == FieldDescriptor.TYPE_ENUM:
        assert type(got) is not int
        assert int(got) == want
    elif field.message_type is None:
        assert type(got) is type(want)
        assert got == want or (isinstance(want, float) and math.isnan(want) and math.isnan(got))
        assert not isinstance(want, float) or math.copysign(1, want) == math.copysign(1, got)
    elif (name := field.message_type.full_name) in _TIMES:
        micros = int(want.nanos / 1000)
        length = datetime.timedelta(seconds=want.seconds, microseconds=micros)
        assert got == (EPOCH + length if name.endswith("Timestamp") else length)
    elif name in WRAPPERS:
        _same_value(field.message_type.fields_by_name["value"], want.value, got)
    else:
        same(want, got)


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


@functools.cache
def _python_names(ours: type[Message]) -> dict[int, str]:
    return {field.metadata["betterproto"].number: field.name for field in dataclasses.fields(ours)}


def read_all(message: Any) -> int:
    """Read every field, all the way down; returns how many messages there are."""
    count = 1
    for field in dataclasses.fields(message):
        value = getattr(message, field.name)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else (value,):
            if isinstance(inner, Message):
                count += read_all(inner)
    return count


# The differences that docs/codec.md argues for


def differs_arguably(theirs: Any) -> bool:
    """Whether a message of upb holds something that we treat otherwise, for a reason."""
    return "nan" in str(theirs) or any(_is_peculiar(message, listed) for message, listed in _messages(theirs, False))


def _messages(theirs: Any, listed: bool) -> Iterator[tuple[Any, bool]]:
    """All messages in a message, and whether they are items of a list or map."""
    yield theirs, listed
    for field, value in theirs.ListFields():
        if field.message_type is None:
            continue
        if is_map(field):
            inner = value.values() if field.message_type.fields_by_name["value"].message_type is not None else ()
        else:
            inner = value if field.is_repeated else (value,)
        for message in inner:
            yield from _messages(message, field.is_repeated)


def _is_peculiar(theirs: Any, listed: bool) -> bool:
    name = theirs.DESCRIPTOR.full_name
    unknown = list(unknown_fields.UnknownFieldSet(theirs))
    if name in _TIMES:
        too_fine = theirs.nanos % 1000 != 0 or abs(theirs.nanos) >= 10**9 or bool(unknown)
        return not _LIMITS[0] < theirs.seconds < _LIMITS[1] or (too_fine and listed)
    if name in WRAPPERS:
        return bool(unknown)
    maps = {field.number for field in theirs.DESCRIPTOR.fields if is_map(field)}
    return any(field.field_number in maps and field.wire_type == 2 for field in unknown)
