"""Whatever stands for a message, to the generated message; and the generated message to flyteidl's own class."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from ..codec import Message, decode, encode
from ..errors import FlyteTypeException, FlyteUsageError
from ..idl.message_pool import default_message_pool

M = TypeVar("M", bound=Message)


class SupportsIdl(Protocol):
    """What gives a message when it is asked: entities of this package, models of flytekit."""

    def to_flyte_idl(self) -> Any:
        """The message, generated or of flyteidl."""


class SupportsSerialize(Protocol):
    """A message of any protobuf library that is called as Google's."""

    def SerializeToString(self) -> bytes:  # noqa: N802 # Google's name
        """The wire form."""
        ...


MessageLike: TypeAlias = Message | bytes | SupportsIdl | SupportsSerialize
"""What is taken for a message: a generated one, its wire form, a pb2 message, or what makes one of these."""


def message_of(cls: type[M], source: MessageLike) -> M:
    """The generated message of whatever stands for it.

    A generated message is returned as it is, without a copy.

    Args:
        cls: the class of the message.
        source: a message of that class, its wire form, an object with `SerializeToString()` such as flyteidl's, or one
            with `to_flyte_idl()` such as flytekit's models.

    Raises:
        FlyteTypeException: it is none of these, or a message of another type.
        FlyteDecodeError: the bytes are not the wire form of that message.
    """
    if isinstance(source, cls):
        return source
    given = source
    if not isinstance(given, type) and callable(to_idl := getattr(given, "to_flyte_idl", None)):
        given = to_idl()
    if isinstance(given, cls):
        return given
    if isinstance(given, bytes):
        return decode(cls, given)
    name = _name_of(given)
    serialize = getattr(given, "SerializeToString", None)
    if name in (None, full_name(cls)) and callable(serialize) and not isinstance(given, type):
        data = serialize()
        if isinstance(data, bytes):
            return decode(cls, data)
    raise FlyteTypeException(
        f"expected {full_name(cls)}, as a message, its bytes, or an object with to_flyte_idl() or SerializeToString(); "
        f"got {name or type(source).__name__}"
    )


def optional_message_of(cls: type[M], source: MessageLike | None) -> M | None:
    """As `message_of`; None stays None."""
    return None if source is None else message_of(cls, source)


def pb2_of(message: Message) -> Any:
    """The same message as an instance of flyteidl's own class, as flytekit and protobuf's json_format want it.

    The first call imports all of flyteidl's modules of the message's package.

    Raises:
        FlyteUsageError: flyteidl is not installed, or the installed one does not know the message.
    """
    return _pb2_class(full_name(type(message))).FromString(encode(message))


def full_name(cls: type[Message]) -> str:
    """The message's name in protobuf, with its package: `flyteidl.core.Identifier`."""
    return default_message_pool.type_to_url[cls].rpartition("/")[2]


def _name_of(given: object) -> str | None:
    """The full name of a message, generated or not; None if it does not tell."""
    if isinstance(given, Message):
        return full_name(type(given))
    name = getattr(getattr(given, "DESCRIPTOR", None), "full_name", None)
    return name if isinstance(name, str) else None


@functools.cache
def _pb2_class(name: str) -> Any:
    try:
        package = importlib.import_module(".".join(name.split(".")[:2]))  # what follows may be an outer message
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.endswith("_pb2"):
                importlib.import_module(f"{package.__name__}.{module.name}")
        pool = cast("Any", importlib.import_module("google.protobuf.descriptor_pool"))
        factory = cast("Any", importlib.import_module("google.protobuf.message_factory"))
        return factory.GetMessageClass(pool.Default().FindMessageTypeByName(name))
    except ImportError as error:
        raise FlyteUsageError(f"{name} as a pb2 message needs flyteidl: pip install flyteidl ({error})") from error
    except KeyError as error:
        raise FlyteUsageError(f"the installed flyteidl does not know {name}: upgrade it") from error
