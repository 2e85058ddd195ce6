"""What a caller may set about a call."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from ..deadline import seconds
from ..errors import FlyteInvalidInputException, FlyteTypeException
from ..transport import check_metadata

_TEXT = re.compile(r"[\x20-\x7e]*")


class Unset(enum.Enum):
    """The type of `UNSET`, which stands for an argument that was not given where None means something."""

    UNSET = enum.auto()

    def __repr__(self) -> str:
        return "<unset>"


UNSET = Unset.UNSET
"""As it was."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and how long apart, a call that may be repeated is repeated.

    Attributes:
        max_attempts: attempts in all; 1 switches retrying off, None leaves it to the call's deadline.
        initial_backoff: seconds, or a timedelta, up to which the first pause may last; each further one may last twice
            as long. The pause itself is drawn evenly between zero and that bound (full jitter).
        max_backoff: seconds, or a timedelta, that no pause exceeds.

    Raises:
        FlyteInvalidInputException: a number of attempts that is none, or a pause that makes no sense.
    """

    max_attempts: int | None = None
    initial_backoff: float = 0.1
    max_backoff: float = 5.0

    def __post_init__(self) -> None:
        most = self.max_attempts
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise FlyteInvalidInputException(f"max_attempts must be a whole number, 1 or more, or None, got {most!r}")
        for name in ("initial_backoff", "max_backoff"):
            pause = seconds(getattr(self, name), name)
            if math.isinf(pause):
                raise FlyteInvalidInputException(f"{name} must be finite")
            object.__setattr__(self, name, pause)


class TokenSource(Protocol):
    """Where the call path gets its bearer token from."""

    async def token(self) -> str | None:
        """The token to send now; None to send none."""
        ...

    async def refresh(self, rejected: str | None) -> bool:
        """The server rejected this token: get another one. False if there is none to be had."""
        ...


@dataclass(frozen=True)
class CallOptions:
    """The settings of a call.

    Attributes:
        timeout: seconds, or a timedelta, for the whole call with its retries; None is no limit.
        attempt_timeout: seconds, or a timedelta, for one attempt; more than zero.
        retry: when and how often to repeat.
        metadata: sent with every attempt, beside what the call path itself sends: a mapping, or pairs. Names are in
            lower case, values are ASCII text, or bytes under a name that ends in `-bin`.
        token: a bearer token to send instead of the remote's own; never shown in a repr.

    Raises:
        FlyteInvalidInputException: a time limit that makes no sense, metadata or a token that cannot be sent.
        FlyteTypeException: a retry that is no RetryPolicy.
    """

    timeout: float | None = 60.0
    attempt_timeout: float = 10.0
    retry: RetryPolicy = RetryPolicy()
    metadata: tuple[tuple[str, str | bytes], ...] = field(default=(), repr=False)
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.timeout is not None:
            object.__setattr__(self, "timeout", seconds(self.timeout))
        attempt_timeout = seconds(self.attempt_timeout, "attempt_timeout")
        if not attempt_timeout:
            raise FlyteInvalidInputException("attempt_timeout must be more than zero seconds")
        object.__setattr__(self, "attempt_timeout", attempt_timeout)
        if not isinstance(self.retry, RetryPolicy):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise FlyteTypeException(f"retry must be a RetryPolicy, got {type(self.retry).__name__}")
        object.__setattr__(self, "metadata", metadata_of(self.metadata))
        if self.token is not None:
            check_token(self.token)


def metadata_of(given: object) -> tuple[tuple[str, str | bytes], ...]:
    """Metadata as it is kept: a mapping, or pairs, as pairs that never change.

    Raises:
        FlyteInvalidInputException: it is neither, or cannot be sent; values are never shown.
    """
    pairs: list[Any] = []
    if isinstance(given, Mapping):
        pairs = list(cast("Mapping[object, object]", given).items())
    elif isinstance(given, Iterable) and not isinstance(given, (str, bytes)):
        pairs = list(cast("Iterable[object]", given))
    else:
        raise FlyteInvalidInputException(f"metadata must be a mapping or a list of pairs, got {type(given).__name__}")
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(cast("Sequence[object]", pair)) != 2:
            raise FlyteInvalidInputException("metadata must be a mapping, or a list of pairs of a name and a value")
    made = tuple((name, value) for name, value in pairs)
    check_metadata(made)
    return made


def check_token(token: object) -> None:
    """Refuse a bearer token that no header can carry; it is never shown.

    Raises:
        FlyteInvalidInputException: it is empty, or has other characters than printable ASCII ones.
    """
    if not isinstance(token, str) or not token or not _TEXT.fullmatch(token):
        raise FlyteInvalidInputException("a bearer token must be ASCII text without line breaks, and not be empty")
