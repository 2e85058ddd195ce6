"""From what a transport reports to the package's errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import betterproto2

from .. import codec
from ..errors import (
    FlyteAuthenticationException,
    FlyteDeadlineExceeded,
    FlyteDecodeError,
    FlyteEntityAlreadyExistsException,
    FlyteEntityNotExistException,
    FlyteError,
    FlyteInvalidInputException,
    FlyteNotImplementedException,
    FlytePermissionDenied,
    FlytePreconditionFailed,
    FlyteRemoteClosed,
    FlyteResourceExhausted,
    FlyteSystemException,
    FlyteSystemUnavailableException,
    Status,
)
from ..idl.google.protobuf import Any
from ..idl.message_pool import default_message_pool
from ..transport import TransportError
from .retry import AMBIGUOUS

_CLASSES: dict[Status, type[FlyteError]] = {
    Status.INVALID_ARGUMENT: FlyteInvalidInputException,
    Status.DEADLINE_EXCEEDED: FlyteDeadlineExceeded,
    Status.NOT_FOUND: FlyteEntityNotExistException,
    Status.ALREADY_EXISTS: FlyteEntityAlreadyExistsException,
    Status.PERMISSION_DENIED: FlytePermissionDenied,
    Status.RESOURCE_EXHAUSTED: FlyteResourceExhausted,
    Status.FAILED_PRECONDITION: FlytePreconditionFailed,
    Status.UNIMPLEMENTED: FlyteNotImplementedException,
    Status.UNAVAILABLE: FlyteSystemUnavailableException,
    Status.UNAUTHENTICATED: FlyteAuthenticationException,
}

_PLAIN_TEXT_SIGN, _PLAIN_TEXT_HINT = "WRONG_VERSION_NUMBER", "; the server seems to speak plain text: insecure=True?"
"""How OpenSSL and BoringSSL name what is no TLS, and what it means to a user."""

_UNPROCESSED = "_unprocessed"
"""Set in an error whose call had no effect; for the package itself: a caller goes by `retryable`."""


@dataclass(eq=False, repr=False)
class RpcStatus(codec.Message):
    """google.rpc.Status."""

    code: int = betterproto2.field(1, betterproto2.TYPE_INT32)
    message: str = betterproto2.field(2, betterproto2.TYPE_STRING)
    details: list[Any] = betterproto2.field(3, betterproto2.TYPE_MESSAGE, repeated=True)


def decode_details(data: bytes) -> tuple[object, ...]:
    """The messages that a server attached to its status; those of unknown type as google.protobuf.Any.

    What cannot be read is left out: an error's decoration must not hide the error.
    """
    details: list[object] = []
    try:
        for packed in codec.decode(RpcStatus, data).details:
            name = packed.type_url.rpartition("/")[2]
            cls = default_message_pool.url_to_type.get(f"type.googleapis.com/{name}")
            details.append(packed if cls is None else codec.decode(cast("type[codec.Message]", cls), packed.value))
    except FlyteDecodeError:
        pass
    return tuple(details)


def identify(request: object) -> str | None:
    """What a request is about, as `project/domain/name` with what lies below it, if it carries an identifier."""
    for field in ("id", "workflow_execution_id", "node_execution_id"):
        target = getattr(request, field, None)
        if target is not None:
            return (target if isinstance(target, str) else "/".join(_parts(target))) or None
    return "/".join(_parts(request)) or None


def _parts(target: object) -> list[str]:
    """The parts of an identifier that are set, the outermost first."""
    for field in ("node_execution_id", "execution_id"):
        outer = getattr(target, field, None)
        if outer is not None:
            inner = getattr(target, "node_id", None) or getattr(target, "retry_attempt", None)
            return [*_parts(outer), *([] if inner is None else [str(inner)])]
    parts = (_word(getattr(target, part, "")) for part in ("project", "domain", "name", "version"))
    return [part for part in parts if part]


def _word(part: object) -> str:
    """A part of an identifier; of a message in its place, such as a project to register, the message's own id."""
    word = part if isinstance(part, str) else getattr(part, "id", "")
    return word if isinstance(word, str) else ""


def error_of(failure: TransportError, path: str, endpoint: str, request: object) -> FlyteError:
    """The exception that a caller sees for a failed attempt."""
    error = _error_of(failure, path.rpartition(".")[2], endpoint, request)
    if failure.unprocessed:
        vars(error)[_UNPROCESSED] = True
    return error


def never_processed(error: FlyteError) -> bool:
    """Whether a call failed with this error before the server looked at its request, so that it had no effect."""
    return _UNPROCESSED in vars(error)


def _error_of(failure: TransportError, method: str, endpoint: str, request: object) -> FlyteError:
    if failure.closed:
        return FlyteRemoteClosed(f"the remote was closed while {method} was under way", method=method)
    target = identify(request)
    hint = _PLAIN_TEXT_HINT if _PLAIN_TEXT_SIGN in failure.text else ""
    text = f"{failure.text or 'no message'}{hint} ({_call(method, target, endpoint)}: {failure.status.name})"
    return _CLASSES.get(failure.status, FlyteSystemException)(
        text,
        method=method,
        status=failure.status,
        identifier=target,
        retryable=failure.status in AMBIGUOUS,
        details=decode_details(failure.status_details) if failure.status_details else (),
    )


def undecodable(error: FlyteDecodeError, path: str, endpoint: str, request: object) -> FlyteDecodeError:
    """What a caller sees of a reply that is not the message it should be.

    Its status is INTERNAL, as gRPC has it: the call may well have taken effect.
    """
    method, target = path.rpartition(".")[2], identify(request)
    return FlyteDecodeError(
        f"{error} (the reply to {_call(method, target, endpoint)})",
        method=method,
        status=Status.INTERNAL,
        identifier=target,
    )


def tokenless(error: Exception, path: str, endpoint: str, request: object) -> FlyteAuthenticationException:
    """What a caller sees if the source of tokens failed; its own words may hold a token, and are not repeated."""
    method, target = path.rpartition(".")[2], identify(request)
    return FlyteAuthenticationException(
        f"the source of bearer tokens failed with {type(error).__name__} ({_call(method, target, endpoint)})",
        method=method,
        identifier=target,
        retryable=isinstance(error, OSError),  # nobody was reached who could have refused anything
    )


def _call(method: str, target: str | None, endpoint: str) -> str:
    return f"{method}{f' of {target}' if target else ''} at {endpoint}"
