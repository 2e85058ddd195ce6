"""Misbehaviour on command: which call of which method goes wrong, and how. Pure, and the same for the same seed."""

from __future__ import annotations

import dataclasses
import difflib
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from .. import codec
from ..errors import FlyteInvalidInputException, Status
from ..idl.google.protobuf import Any as AnyMessage
from ..idl.message_pool import default_message_pool
from ..idl.methods import METHODS
from . import mangling
from .failures import packed

FaultKind = Literal[
    "error",
    "lost_reply",
    "delay",
    "hang",
    "truncated",
    "garbage",
    "garbage_inside",
    "unknown_enum",
    "unknown_field",
    "oversize",
]

OVERSIZE = 32 * 1024 * 1024
"""Bytes of an oversize reply unless it is set otherwise: more than clients accept."""

_NAMES = frozenset(path.rpartition("/")[2] for path in METHODS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with calls of one method.

    Attributes:
        method: the RPC's name without its service, `CreateExecution`, or `*` for every one.
        kind: `error` answers with `status` and nothing happens; `lost_reply` does what was asked for and answers with
            `status` all the same; `delay` answers late; `hang` does not answer until the client goes away or the
            server stops. The others do what was asked for and spoil the reply: `truncated` cuts it inside of its last
            field; `garbage` answers with bytes that are no message; `garbage_inside` does so to what the outermost
            message contains; `unknown_enum` has a member that nobody knows in every enum that is set; `unknown_field`
            has a field that nobody knows in every message; `oversize` is `size` bytes long.
        status: the status of `error` and `lost_reply`, which must not be OK.
        details: the status' text.
        messages: what travels with the status, as flyteadmin attaches an `EventFailureReason`: messages of Flyte's.
        probability: how likely a call is hit, 0 to 1; decided by a generator seeded with `seed`, so that the same
            calls in the same order are hit.
        seed: of that generator, and of what else is random.
        calls: the numbers of the calls that may be hit, of those that reach this fault; the first is 1. None is all.
        times: how often the fault hits at most; None is without end.
        delay: seconds that pass before anything else happens, whatever the kind.
        jitter: seconds up to which `delay` is longer, drawn evenly for every call that is hit.
        size: bytes of an `oversize` reply.

    Raises:
        FlyteInvalidInputException: a value that makes no sense; the text names it.
    """

    method: str
    kind: FaultKind = "error"
    status: Status = Status.UNAVAILABLE
    details: str = "injected fault"
    messages: tuple[codec.Message, ...] = ()
    probability: float = 1.0
    seed: int = 0
    calls: Collection[int] | None = None
    times: int | None = None
    delay: float = 0.0
    jitter: float = 0.0
    size: int = OVERSIZE

    def __post_init__(self) -> None:
        if not self.method or "/" in self.method:
            raise FlyteInvalidInputException(
                f"method of a fault must be the name of an RPC such as 'CreateExecution', or '*', got {self.method!r}"
            )
        if self.kind not in get_args(FaultKind):
            raise FlyteInvalidInputException(
                f"kind of a fault must be one of {', '.join(get_args(FaultKind))}, got {self.kind!r}"
            )
        if self.kind in ("error", "lost_reply") and self.status == Status.OK:
            raise FlyteInvalidInputException(f"status of a fault of kind {self.kind!r} must not be OK")
        for message in self.messages:
            if type(message) not in default_message_pool.type_to_url:
                raise FlyteInvalidInputException(
                    f"messages of a fault must be messages of Flyte, got {type(message).__name__}"
                )
        _check_number("probability", self.probability, "from 0 to 1", 1)
        _check_number("delay", self.delay, "zero or more seconds")
        _check_number("jitter", self.jitter, "zero or more seconds")
        _check_number("size", self.size, "zero or more", 2**31 - 1)
        if self.times is not None:
            _check_number("times", self.times, "zero or more")

    def spoil(self, reply: type[codec.Message], data: bytes) -> bytes:
        """What is sent instead of a reply."""
        match self.kind:
            case "truncated":
                return mangling.truncated(data)
            case "garbage":
                return mangling.garbage(len(data), self.seed)
            case "garbage_inside":
                return mangling.garbage_inside(data, self.seed)
            case "unknown_enum":
                return mangling.with_unknown_enums(reply, data)
            case "unknown_field":
                return mangling.with_unknown_fields(reply, data)
            case "oversize":
                return mangling.oversize(data, self.size)
            case "error" | "lost_reply" | "delay" | "hang":
                return data

    def to_dict(self) -> dict[str, Any]:
        """The fault in JSON's types; each of `messages` as the JSON form of a `google.protobuf.Any`."""
        result = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        result["status"] = self.status.name
        result["calls"] = None if self.calls is None else sorted(self.calls)
        result["messages"] = [packed(message).to_dict() for message in self.messages]
        return result

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fault:
        """A fault out of what `to_dict` returns, of which everything but `method` may be missing.

        Raises:
            FlyteInvalidInputException: an unknown key, or a value that makes no sense.
        """
        values = dict(data)
        known = {item.name for item in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown or "method" not in values:
            what = f"unknown {', '.join(unknown)}" if unknown else "method is missing"
            raise FlyteInvalidInputException(f"a fault has the keys {', '.join(sorted(known))}; {what}")
        try:
            if "status" in values:
                values["status"] = _status(values["status"])
            if values.get("calls") is not None:
                values["calls"] = frozenset(int(number) for number in cast("Iterable[int]", values["calls"]))
            values["messages"] = tuple(_unpacked(message) for message in values.get("messages", ()))
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, FlyteInvalidInputException):
                raise
            raise FlyteInvalidInputException(f"not a fault: {dict(data)!r}: {error}") from error


def _check_number(name: str, value: object, expected: str, most: float = float("inf")) -> None:
    """Refuse what is not a number from 0 to `most`, and infinity."""
    if not isinstance(value, int | float) or not 0 <= value <= most or value == float("inf"):
        raise FlyteInvalidInputException(f"{name} of a fault must be {expected}, got {value!r}")


def _status(name: object) -> Status:
    if name not in Status.__members__:
        raise FlyteInvalidInputException(
            f"status of a fault must be one of {', '.join(Status.__members__)}, got {name!r}"
        )
    return Status[str(name)]


def _unpacked(data: object) -> codec.Message:
    message = AnyMessage.from_dict(data)
    cls = default_message_pool.url_to_type[message.type_url]
    return codec.decode(cast("type[codec.Message]", cls), message.value)


def check_methods(faults: Iterable[Fault]) -> None:
    """Refuse faults that no call can ever meet.

    Raises:
        FlyteInvalidInputException: there is no RPC of that name; the text has similar ones.
    """
    for fault in faults:
        if fault.method != "*" and fault.method not in _NAMES:
            similar = difflib.get_close_matches(fault.method, _NAMES)
            raise FlyteInvalidInputException(
                f"method of a fault must be the name of an RPC such as 'CreateExecution', or '*', got {fault.method!r}"
                + (f"; did you mean {' or '.join(similar)}?" if similar else "")
            )


class _Armed:
    """A fault with the calls that it has seen."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._random = random.Random(fault.seed)  # noqa: S311 # nothing secret: it has to repeat
        # Of its own, so that jitter does not change whom the seed hits.
        self._jitter = random.Random(f"jitter {fault.seed}")  # noqa: S311
        self._seen = 0
        self._hits = 0

    def draw(self) -> Fault | None:
        """The fault, with the delay that it has this time, if the next call is hit."""
        fault = self.fault
        self._seen += 1
        # A number is drawn for every call, so that one call's fate does not depend on the other settings.
        chosen = self._random.random() < fault.probability
        allowed = fault.calls is None or self._seen in fault.calls
        left = fault.times is None or self._hits < fault.times
        if not (chosen and allowed and left):
            return None
        self._hits += 1
        if not fault.jitter:
            return fault
        return dataclasses.replace(fault, delay=fault.delay + self._jitter.uniform(0, fault.jitter), jitter=0.0)


class Faults:
    """The faults of a server; the first one that hits a call decides."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.replace(faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Use other faults from now on; what the old ones counted is forgotten."""
        self._armed = [_Armed(fault) for fault in faults]

    def draw(self, method: str) -> Fault | None:
        """What happens to the next call of a method, or None; jitter has become a part of the delay."""
        for armed in self._armed:
            if armed.fault.method in (method, "*") and (fault := armed.draw()) is not None:
                return fault
        return None
