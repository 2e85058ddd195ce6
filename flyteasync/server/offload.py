"""Where the server puts values that events carry inline."""

from __future__ import annotations

from datetime import UTC, datetime

from .. import codec
from ..idl import core
from .failures import internal, resource_exhausted
from .store import Store

MAX_OUTPUT_BYTES = 2 * 1024 * 1024
"""flyteadmin's default for outputs inside of events."""

_EPOCH = datetime.fromtimestamp(0, UTC)


def check_output_size(outputs: core.LiteralMap | None) -> None:
    """Outputs inside of an event must not be too large.

    Raises:
        FlyteResourceExhausted: they are.
    """
    size = 0 if outputs is None else len(codec.encode(outputs))
    if size > MAX_OUTPUT_BYTES:
        raise resource_exhausted(
            f"Output data size exceeds platform configured threshold ({size} > {MAX_OUTPUT_BYTES})"
        )


def offload(store: Store, literals: core.LiteralMap, *parts: str) -> str:
    """Store values, and return the URI that they are read from."""
    uri = "mem://flyte/metadata/" + "/".join(parts)
    store.data[uri] = literals
    return uri


def reported(reported_at: datetime | None, occurred_at: datetime | None) -> datetime | None:
    """The time that a record says it was updated at: when the event was reported, else when it happened."""
    return occurred_at if reported_at is None or reported_at == _EPOCH else reported_at


def needed(at: datetime | None, text: str) -> datetime:
    """A time that an event must have.

    Raises:
        FlyteSystemException: it has none (INTERNAL); `text` says what for.
    """
    if at is None:
        raise internal(text)
    return at
