"""Timestamp and Duration, which Python code sees as `datetime` and `timedelta`.

Both are {int64 seconds = 1; int32 nanos = 2}.  Python counts in microseconds; finer digits are cut towards zero.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, Final, NamedTuple

from .scalars import INT32, INT64
from .wire import MAX_DEPTH, read_tag, read_varint, skip, too_deep

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_MOST_SECONDS = 315_576_000_000  # of a Duration: 10,000 years
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)

_SECONDS_TAG = 8
_NANOS_TAG = 16

MICRO: Final = 1_000_000
NANO: Final = 1_000_000_000


class Seconds(NamedTuple):
    """What is on the wire."""

    seconds: int
    nanos: int
    whole: bool
    """False if there were fields which are neither seconds nor nanos."""


def read_seconds(pieces: bytes | list[bytes], depth: int) -> Seconds:
    """The two numbers of a Timestamp or Duration; several pieces of one message merge."""
    seconds = nanos = 0
    whole = True
    if depth > MAX_DEPTH:
        raise ValueError(too_deep())
    for data in (pieces,) if isinstance(pieces, bytes) else pieces:
        at, end = 0, len(data)
        while at < end:
            tag = data[at]
            if tag in (_SECONDS_TAG, _NANOS_TAG):
                at += 1
            else:
                tag, at = read_tag(data, at)
            if tag == _SECONDS_TAG:
                seconds, at = read_varint(data, at)
            elif tag == _NANOS_TAG:
                nanos, at = read_varint(data, at)
            else:
                at = skip(data, at, tag, depth)
                whole = False
    return Seconds(INT64.load(seconds), INT32.load(nanos), whole)


def dump_seconds(seconds: int, nanos: int) -> bytes:
    """The wire form of a Timestamp or Duration."""
    return (b"\x08" + INT64.dump(seconds) if seconds else b"") + (b"\x10" + INT32.dump(nanos) if nanos else b"")


def to_datetime(seconds: int, nanos: int) -> datetime.datetime:
    """The moment of a Timestamp, in UTC.

    Raises:
        OverflowError: it is not in the years 1 to 9999.
    """
    return _EPOCH + datetime.timedelta(0, seconds, _towards_zero(nanos))


def from_datetime(moment: Any) -> tuple[int, int]:
    """Seconds and nanos of a Timestamp.

    Raises:
        TypeError: it is no `datetime`, or one without a time zone.
    """
    if not isinstance(moment, datetime.datetime) or moment.tzinfo is None:
        raise TypeError
    seconds, micros = divmod((moment - _EPOCH) // _MICROSECOND, MICRO)
    return seconds, micros * 1000


def to_timedelta(seconds: int, nanos: int) -> datetime.timedelta:
    """The length of a Duration.

    Raises:
        OverflowError: it is longer than a `timedelta` can be.
    """
    return datetime.timedelta(0, seconds, _towards_zero(nanos))


def from_timedelta(length: Any) -> tuple[int, int]:
    """Seconds and nanos of a Duration, which have the same sign.

    Raises:
        TypeError: it is no `timedelta`.
    """
    if not isinstance(length, datetime.timedelta):
        raise TypeError
    seconds, micros = divmod(abs(length) // _MICROSECOND, MICRO)
    return (-seconds, -micros * 1000) if length < datetime.timedelta() else (seconds, micros * 1000)


def _towards_zero(nanos: int) -> int:
    return nanos // 1000 if nanos >= 0 else -(-nanos // 1000)


def is_normal(name: str, seconds: int, nanos: int) -> bool:
    """Whether the numbers of a Timestamp or Duration are those which the same time has when we write it."""
    if name == "Timestamp":
        return 0 <= nanos < NANO
    return -NANO < nanos < NANO and seconds * nanos >= 0


def to_text(name: str, seconds: int, nanos: int) -> str:
    """The JSON form of a Timestamp or Duration, with as many digits as needed: none, 3, 6 or 9.

    Raises:
        OverflowError: it is not in the years 1 to 9999, is longer than 10,000 years, or its numbers do not go together.
    """
    if name == "Timestamp":
        if not is_normal(name, seconds, nanos):
            raise OverflowError
        moment = _EPOCH + datetime.timedelta(0, seconds)
        return f"{moment.replace(tzinfo=None).isoformat()}{_fraction(nanos)}Z"
    if abs(seconds) > _MOST_SECONDS or not is_normal(name, seconds, nanos):
        raise OverflowError
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}{_fraction(abs(nanos))}s"


def _fraction(nanos: int) -> str:
    if not nanos:
        return ""
    digits = f"{nanos:09}"
    for end in (3, 6):
        if not nanos % 10 ** (9 - end):
            return "." + digits[:end]
    return "." + digits


def from_text(name: str, text: str) -> tuple[int, int]:
    """Seconds and nanos of the JSON form of a Timestamp or Duration.

    Raises:
        TypeError, ValueError, OverflowError: it is not one.
    """
    if name == "Timestamp":
        match = _TIMESTAMP.fullmatch(text)
        if match is None:
            raise ValueError
        date, fraction, zone = match.groups()
        # One past the end of what Python has may be in range in UTC; reckoning without a zone first avoids that.
        moment = datetime.datetime.fromisoformat(date + "+00:00")
        shift = datetime.datetime.fromisoformat("2000-01-01T00:00:00" + zone).utcoffset() or datetime.timedelta()
        seconds = (moment - _EPOCH - shift) // datetime.timedelta(seconds=1)
        to_datetime(seconds, 0)
        return seconds, _nanos(fraction)
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError
    sign, whole, fraction = match.groups()
    seconds, nanos = int(whole), _nanos(fraction)
    if (seconds, nanos) > (_MOST_SECONDS, 0):
        raise OverflowError
    return (-seconds, -nanos) if sign else (seconds, nanos)


def _nanos(digits: str | None) -> int:
    return int((digits or "").ljust(9, "0"))
