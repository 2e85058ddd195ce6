"""Misbehaviour on command: which call of which method goes wrong, and how. Pure, and the same for the same seed."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from ..errors import FlyteInvalidInputException, Status

FaultKind = Literal["error", "lost_reply", "delay", "hang"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with calls of one method.

    Attributes:
        method: the RPC's name without its service, `CreateExecution`, or `*` for every one.
        kind: `error` answers with `status` and nothing happens; `lost_reply` does what was asked for and answers with
            `status` all the same; `delay` answers late; `hang` does not answer until the client goes away or the
            server stops.
        status: the status of `error` and `lost_reply`, which must not be OK.
        details: the status' text.
        probability: how likely a call is hit, 0 to 1; decided by a generator seeded with `seed`, so that the same
            calls in the same order are hit.
        seed: of that generator.
        calls: the numbers of the calls that may be hit, of those that reach this fault; the first is 1. None is all.
        times: how often the fault hits at most; None is without end.
        delay: seconds that pass before anything else happens, whatever the kind.

    Raises:
        FlyteInvalidInputException: a value that makes no sense; the text names it.
    """

    method: str
    kind: FaultKind = "error"
    status: Status = Status.UNAVAILABLE
    details: str = "injected fault"
    probability: float = 1.0
    seed: int = 0
    calls: Collection[int] | None = None
    times: int | None = None
    delay: float = 0.0

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
        if not 0 <= self.probability <= 1:
            raise FlyteInvalidInputException(f"probability of a fault must be from 0 to 1, got {self.probability!r}")
        if self.times is not None and self.times < 0:
            raise FlyteInvalidInputException(f"times of a fault must be zero or more, got {self.times!r}")
        if not 0 <= self.delay < math.inf:
            raise FlyteInvalidInputException(f"delay of a fault must be zero or more seconds, got {self.delay!r}")

    def to_dict(self) -> dict[str, Any]:
        """The fault in JSON's types."""
        result = dataclasses.asdict(self)
        result["status"] = self.status.name
        result["calls"] = None if self.calls is None else sorted(self.calls)
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
                values["status"] = Status[values["status"]]
            if values.get("calls") is not None:
                values["calls"] = frozenset(int(number) for number in cast("Iterable[int]", values["calls"]))
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, FlyteInvalidInputException):
                raise
            raise FlyteInvalidInputException(f"not a fault: {dict(data)!r}: {error}") from error


class _Armed:
    """A fault with the calls that it has seen."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._random = random.Random(fault.seed)  # noqa: S311 # nothing secret: it has to repeat
        self._seen = 0
        self._hits = 0

    def hit(self) -> bool:
        """Whether the next call is hit."""
        fault = self.fault
        self._seen += 1
        # A number is drawn for every call, so that one call's fate does not depend on the other settings.
        chosen = self._random.random() < fault.probability
        allowed = fault.calls is None or self._seen in fault.calls
        left = fault.times is None or self._hits < fault.times
        if not (chosen and allowed and left):
            return False
        self._hits += 1
        return True


class Faults:
    """The faults of a server; the first one that hits a call decides."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.replace(faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Use other faults from now on; what the old ones counted is forgotten."""
        self._armed = [_Armed(fault) for fault in faults]

    def draw(self, method: str) -> Fault | None:
        """What happens to the next call of a method, or None."""
        for armed in self._armed:
            if armed.fault.method in (method, "*") and armed.hit():
                return armed.fault
        return None
