"""The base class of every generated message, and the two functions that all of the package encodes and decodes with."""

from __future__ import annotations

import copy
import inspect
import json
import math
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

import betterproto2

from ..errors import FlyteDecodeError, FlyteTypeException, FlyteValueException
from . import json_dump, json_load
from .construction import Deferred, arguments, signature
from .decoder import build
from .encoder import flatten
from .lazy import Exact
from .metadata import metadata_of
from .plan import Plan
from .schema import plan_of

M = TypeVar("M", bound="Message")


def decode(cls: type[M], data: bytes | bytearray | memoryview) -> M:
    """Make a message of `cls` out of its wire form.

    Only the outermost level is looked at; what it contains is decoded when it is first read, and passed on as it came
    if it never is.

    Raises:
        FlyteDecodeError: the bytes are not a message of that type.  Reading a field of the message raises it too, if
            what is wrong is inside that field.  The text names the message and the field.
        FlyteTypeException: `data` is not bytes.
    """
    if not isinstance(data, bytes):
        data = _bytes(cls, data)
    plan = cls._plan  # pyright: ignore[reportPrivateUsage]
    return cast("M", build(plan if plan is not None and plan.cls is cls else plan_of(cls), data, 0))


def encode(message: Message) -> bytes:
    """The wire form of a message.

    Raises:
        FlyteTypeException: a field holds a value of another type than its own.
        FlyteValueException: a field holds a number that is out of its range, two members of a oneof are set, or
            messages are nested more than 100 deep.  Both texts name the message and the field.
    """
    cls = type(message)
    try:
        plan = cls._plan  # pyright: ignore[reportPrivateUsage]
    except AttributeError:
        raise FlyteTypeException(f"expected a message to encode, got a value of type {cls.__name__}") from None
    return flatten(plan if plan is not None and plan.cls is cls else plan_of(cls), message, 0)


def _bytes(cls: type[Any], data: object) -> bytes:
    if isinstance(data, bytearray | memoryview):
        return bytes(cast("bytearray", data))
    raise FlyteTypeException(f"expected bytes to decode a {cls.__name__} of, got a value of type {type(data).__name__}")


class _SharedSignature:
    """What `inspect.signature` shows of a class whose `__init__` is that of all messages."""

    def __get__(self, instance: object, owner: type[Any]) -> inspect.Signature:
        if owner is Message or owner.__init__ is not Message.__init__:
            raise AttributeError("__signature__")
        return signature(owner)


class Message(betterproto2.Message):
    """A protobuf message; generated classes inherit from it.

    It looks and behaves like a dataclass, whether it was built or decoded: construction by keyword, comparing,
    printing, copying, pickling, `dataclasses.replace`, pattern matching, assignment.  A field that is not set shows its
    default: None for messages and members of oneofs, else zero, an empty list or an empty dict.  An empty message that
    is set is falsy: ask `is not None`.

    Reading is safe from several threads; so is reading while another thread encodes.
    """

    if not TYPE_CHECKING:
        __slots__ = ("_depth", "_raw")
        __dataclass_fields__ = Deferred()
        __dataclass_params__ = Deferred()
        __match_args__ = Deferred()
    else:  # at run time, betterproto2 would evaluate these annotations
        _depth: int
        """How many messages this one was nested in when it was decoded."""

        _raw: dict[str, Any] | None
        """The bytes of the fields which were not yet read; what was read or set is in `__dict__`."""

        _unknown_fields: bytes

    _unknown_fields = b""
    _plan: ClassVar[Plan | None] = None
    __signature__ = _SharedSignature()

    def __init__(self, /, *values: Any, **named: Any) -> None:
        cls = type(self)
        plan = cls._plan
        if plan is None or plan.cls is not cls:
            plan = plan_of(cls)
        if values or not named.keys() <= plan.fields.keys():
            named = arguments(plan, cls, values, named)
        self.__dict__ = named  # pyright: ignore[reportGeneralTypeIssues, reportAttributeAccessIssue]
        self._raw = None
        self._depth = 0

    def __post_init__(self) -> None:
        # The `__init__` that the standard @dataclass gives a class calls this.
        self._raw = None
        self._depth = 0

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """`decode(cls, data)`."""
        return decode(cls, data)

    def __bytes__(self) -> bytes:
        return encode(self)

    def load(self, stream: IO[bytes], size: int | None = None) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Merge a message that is read from a stream into this one.

        Args:
            stream: is read to its end, unless there is a size.
            size: how many bytes to read, or `betterproto2.SIZE_DELIMITED` if the stream says so first.

        Raises:
            FlyteDecodeError: the bytes are not such a message, or too few.
        """
        if size == betterproto2.SIZE_DELIMITED:
            try:
                size = betterproto2.load_varint(stream)[0]
            except (EOFError, ValueError) as error:
                raise FlyteDecodeError(f"{type(self).__name__}: {error}") from error
        data = stream.read() if size is None else stream.read(size)
        if size is not None and len(data) < size:
            raise FlyteDecodeError(f"{type(self).__name__}: {len(data)} of {size} bytes")
        merged = decode(type(self), encode(self) + data)
        vars(self).clear()
        vars(self).update(vars(merged))
        self._raw, self._depth = merged._raw, merged._depth
        return self

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in plan_of(type(self)).fields)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __bool__(self) -> bool:
        return any(self.is_set(name) for name in plan_of(type(self)).fields)

    def __repr__(self) -> str:
        shown = (self._shown(name) for name in plan_of(type(self)).fields)
        return f"{type(self).__name__}({', '.join(part for part in shown if part)})"

    def _shown(self, name: str) -> str:
        try:
            return f"{name}={getattr(self, name)!r}" if self.is_set(name) else ""
        except FlyteDecodeError:  # who prints a message wants to see what can be seen
            return f"{name}=<malformed>"

    def is_set(self, name: str) -> bool:
        """Whether a field is set; one that cannot be told from its default when it is zero is set if it is not zero.

        Raises:
            AttributeError: there is no such field.
        """
        raw = self._raw
        if raw is not None and name in raw and name not in vars(self):
            return True
        value = getattr(self, name)
        return bool(value != self._get_field_default(name))

    def __copy__(self, _: Any = None) -> Self:
        for name in plan_of(type(self)).fields:
            getattr(self, name)  # a shallow copy shares its lists and messages with the original: they must be there
        twin, fields = self._twin()
        vars(twin).update(fields)
        return twin

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        twin, fields = self._twin()
        memo[id(self)] = twin
        vars(twin).update({name: copy.deepcopy(value, memo) for name, value in fields.items()})
        return twin

    def _twin(self) -> tuple[Self, dict[str, Any]]:
        """A message that still is to get the fields of this one, and these."""
        # While this one is copied, another thread may read it: it puts a value first into `__dict__` and then takes the
        # bytes away, unless they say more; then it first puts an `Exact` in their place.
        raw = {} if (before := self._raw) is None else before.copy()
        fields = vars(self).copy()
        after = {} if (now := self._raw) is None else now.copy()
        raw.update({name: kept for name, kept in after.items() if isinstance(kept, Exact)})
        twin = object.__new__(type(self))
        twin._raw = raw or None
        twin._depth = self._depth
        return twin, fields

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).parse, (encode(self),)

    def to_dict(
        self,
        *,
        output_format: betterproto2.OutputFormat = betterproto2.OutputFormat.PROTO_JSON,
        casing: betterproto2.Casing = betterproto2.Casing.CAMEL,
        include_default_values: bool = False,
    ) -> Any:
        """The message as dicts, lists, numbers and strings, by the JSON mapping of proto3.

        A message that the mapping has a form of its own for, such as `Struct` or `Value`, takes this form.

        Args:
            output_format: PYTHON leaves bytes, enums, times and 64-bit numbers what they are in Python.
            casing: of the names of fields; SNAKE for the names they have in the proto files.
            include_default_values: whether fields which are not set are there, too.

        Raises:
            FlyteDecodeError: the message was decoded and is malformed.
        """
        return json_dump.dump(self, json_dump.Style(output_format, casing, include_default_values))

    @classmethod
    def from_dict(cls, value: Any, *, ignore_unknown_fields: bool = False) -> Self:
        """The message that `to_dict` made a value of.

        Args:
            value: a dict with the names of fields in either casing; what is None or missing is not set.
            ignore_unknown_fields: leave out fields and names of enum members that are not known.

        Raises:
            FlyteValueException: the value does not fit; the text names the message and the field.
        """
        return cast("Self", json_load.load(cls, value, ignore_unknown_fields))

    def to_json(
        self,
        indent: int | str | None = None,
        include_default_values: bool = False,
        casing: betterproto2.Casing = betterproto2.Casing.CAMEL,
    ) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(include_default_values=include_default_values, casing=casing), indent=indent)

    @classmethod
    def from_json(cls, value: str | bytes, *, ignore_unknown_fields: bool = False) -> Self:
        """`from_dict`, of text.

        Raises:
            FlyteValueException: the text is not JSON, or does not fit.
        """
        try:
            parsed = json.loads(value)
        except ValueError as error:
            raise FlyteValueException(f"{cls.__name__}: expected JSON, got what fails with {error}") from error
        return cls.from_dict(parsed, ignore_unknown_fields=ignore_unknown_fields)

    # What functions of betterproto2 itself ask for, such as `which_one_of`

    _betterproto = betterproto2.classproperty(metadata_of)  # pyright: ignore[reportAssignmentType]

    def _get_field_default(self, field_name: str) -> Any:
        return plan_of(type(self)).fields[field_name].default()


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, where NaN equals itself: a message is equal to its copy."""
    if one is other or one == other:
        return True
    if isinstance(one, float) and isinstance(other, float):
        return math.isnan(one) and math.isnan(other)
    if isinstance(one, list) and isinstance(other, list):
        ones, others = cast("list[Any]", one), cast("list[Any]", other)
        return len(ones) == len(others) and all(map(_same, ones, others))
    if isinstance(one, dict) and isinstance(other, dict):
        left, right = cast("dict[Any, Any]", one), cast("dict[Any, Any]", other)
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return False
