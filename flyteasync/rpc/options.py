"""What a caller may set about a call."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import Protocol

from ..deadline import seconds
from ..errors import FlyteInvalidInputException
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
        initial_backoff: seconds up to which the first pause may last; each further one may last twice as long. The
            pause itself is drawn evenly between zero and that bound (full jitter).
        max_backoff: seconds that no pause exceeds.
    """

    max_attempts: int | None = None
    initial_backoff: float = 0.1
    max_backoff: float = 5.0

    def __post_init__(self) -> None:
        if self.max_attempts is not None and self.max_attempts < 1:
            raise FlyteInvalidInputException(f"max_attempts must be 1 or more, got {self.max_attempts}")
        seconds(self.initial_backoff, "initial_backoff")
        seconds(self.max_backoff, "max_backoff")


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
        timeout: seconds for the whole call with its retries; None is no limit.
        attempt_timeout: seconds for one attempt.
        retry: when and how often to repeat.
        metadata: sent with every attempt, beside what the call path itself sends; names are in lower case, values are
            ASCII text, or bytes under a name that ends in `-bin`.
        token: a bearer token to send instead of the remote's own; never shown in a repr.

    Raises:
        FlyteInvalidInputException: a time limit that makes no sense, metadata or a token that cannot be sent.
    """

    timeout: float | None = 60.0
    attempt_timeout: float = 10.0
    retry: RetryPolicy = RetryPolicy()
    metadata: tuple[tuple[str, str | bytes], ...] = field(default=(), repr=False)
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.timeout is not None:
            seconds(self.timeout)
        seconds(self.attempt_timeout, "attempt_timeout")
        check_metadata(self.metadata)
        if self.token is not None:
            check_token(self.token)


def check_token(token: object) -> None:
    """Refuse a bearer token that no header can carry; it is never shown.

    Raises:
        FlyteInvalidInputException: it is empty, or has other characters than printable ASCII ones.
    """
    if not isinstance(token, str) or not token or not _TEXT.fullmatch(token):
        raise FlyteInvalidInputException("a bearer token must be ASCII text without line breaks, and not be empty")
