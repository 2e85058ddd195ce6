"""How lists shorten error messages."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from ...idl import admin

MAX_LISTED_MESSAGE_BYTES = 100

C = TypeVar("C", admin.ExecutionClosure, admin.NodeExecutionClosure)


def trimmed(closure: C) -> C:
    """The closure with an error message of at most 100 bytes; the same object if it is short enough."""
    if closure.error is None:
        return closure
    data = closure.error.message.encode()
    if len(data) <= MAX_LISTED_MESSAGE_BYTES:
        return closure
    message = data[:MAX_LISTED_MESSAGE_BYTES].decode(errors="ignore")
    return dataclasses.replace(closure, error=dataclasses.replace(closure.error, message=message))
