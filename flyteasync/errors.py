"""Every exception that the package raises, cut by what a caller can do about it.

    FlyteError                                  root; carries method, status, identifier, retryable, http_status
    ├── FlyteUserException                      the request is wrong: change it
    │   ├── FlyteTypeException (TypeError)            a value of the wrong type
    │   ├── FlyteValueException (ValueError)          a value that is not there or not allowed
    │   ├── FlyteInvalidInputException (ValueError)   rejected arguments: ours before sending, or INVALID_ARGUMENT
    │   │   └── FlyteInvalidFields                        a JSON body with fields that do not fit; carries them
    │   ├── FlyteEntityAlreadyExistsException         ALREADY_EXISTS with other content
    │   ├── FlyteNotLaunched                          one of many inputs that were not launched, since launching stopped
    │   ├── FlyteConcurrencyLimitReached              the launch plan allows no further execution now: try later
    │   ├── FlyteAuthenticationException              UNAUTHENTICATED: log in
    │   ├── FlytePermissionDenied                     PERMISSION_DENIED: ask for the right
    │   ├── FlytePreconditionFailed                   FAILED_PRECONDITION: the entity's state does not allow it
    │   └── FlyteAssertion (AssertionError)           an expectation that does not hold
    │       ├── FlyteEntityNotExistException          NOT_FOUND
    │       └── FlyteTimeout (TimeoutError)           a wait's own time limit: wait again
    ├── FlyteExecutionFailed                    an execution ended without success: read what its `error` says
    ├── FlyteSystemException                    the server's or the network's fault: try again, or report it
    │   ├── FlyteSystemUnavailableException           nobody answers
    │   ├── FlyteDeadlineExceeded (TimeoutError)      an RPC, retries included, took longer than allowed
    │   ├── FlyteResourceExhausted                    a message larger than a limit: ask for less at a time
    │   ├── FlyteNotImplementedException              UNIMPLEMENTED: this server does not have the method
    │   └── FlyteDecodeError (ValueError)             bytes that are not the message they should be
    └── FlyteUsageError (RuntimeError)          the program is wrong: mend it
        ├── FlyteRemoteClosed                         the remote was closed, before or while the call waited
        └── FlyteWrongLoop                            a remote used from another event loop than its own

Names that flytekit has too are flytekit's. All can be made without arguments, and all pickle.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .idl import core

__all__ = [
    "FlyteAssertion",
    "FlyteAuthenticationException",
    "FlyteConcurrencyLimitReached",
    "FlyteDeadlineExceeded",
    "FlyteDecodeError",
    "FlyteEntityAlreadyExistsException",
    "FlyteEntityNotExistException",
    "FlyteError",
    "FlyteExecutionFailed",
    "FlyteInvalidFields",
    "FlyteInvalidInputException",
    "FlyteNotImplementedException",
    "FlyteNotLaunched",
    "FlytePermissionDenied",
    "FlytePreconditionFailed",
    "FlyteRemoteClosed",
    "FlyteResourceExhausted",
    "FlyteSystemException",
    "FlyteSystemUnavailableException",
    "FlyteTimeout",
    "FlyteTypeException",
    "FlyteUsageError",
    "FlyteUserException",
    "FlyteValueException",
    "FlyteWrongLoop",
    "Status",
]


class Status(enum.IntEnum):
    """The status codes of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class FlyteError(Exception):
    """The root of the tree.

    Attributes:
        method: the RPC that failed, as `AdminService/GetExecution`; None if no RPC was made.
        status: its gRPC status; None if there was none.
        identifier: what the call was about, as `project/domain/name`; None if it was about no one thing.
        error_code: a stable word for programs, `USER:NotExist`.
        retryable: whether the same call may succeed later without a change.
        http_status: what a web service may answer with on this error.
        details: the messages that the server attached to its status.
        retry_after: seconds to wait before trying again; None if nothing is known.
    """

    default_code: ClassVar[str] = "Unknown"
    default_retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500

    def __init__(
        self,
        message: str = "",
        *,
        method: str | None = None,
        status: Status | None = None,
        identifier: str | None = None,
        error_code: str | None = None,
        retryable: bool | None = None,
        details: tuple[Any, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.method = method
        self.status = status
        self.identifier = identifier
        self.error_code = error_code or self.default_code
        self.retryable = self.default_retryable if retryable is None else retryable
        self.details = details
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class FlyteUserException(FlyteError):
    """The request is wrong; the same request will fail again."""

    default_code = "USER:Unknown"
    http_status = 400


class FlyteTypeException(FlyteUserException, TypeError):
    """A value has another type than the interface declares."""

    default_code = "USER:TypeError"
    http_status = 422


class FlyteValueException(FlyteUserException, ValueError):
    """A value is missing, unknown or not allowed."""

    default_code = "USER:ValueError"
    http_status = 422


class FlyteInvalidInputException(FlyteUserException, ValueError):
    """Arguments were rejected, by us before anything was sent or by the server (INVALID_ARGUMENT)."""

    default_code = "USER:InvalidInput"


class FlyteInvalidFields(FlyteInvalidInputException):
    """A JSON body has fields that do not fit the interface.

    Attributes:
        fields: what is wrong, by the path of the field, as `xs[3]`.
    """

    default_code = "USER:InvalidFields"
    http_status = 422

    def __init__(self, message: str = "", *, fields: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(message, **more)
        self.fields = dict(fields or {})


class FlyteEntityAlreadyExistsException(FlyteUserException):
    """There is an entity of that name already, and it is another one (ALREADY_EXISTS)."""

    default_code = "USER:EntityAlreadyExists"
    http_status = 409


class FlyteConcurrencyLimitReached(FlyteUserException):
    """The launch plan's limit of running executions is reached; nothing was launched."""

    default_code = "USER:ConcurrencyLimitReached"
    default_retryable = True
    http_status = 429


class FlyteNotLaunched(FlyteUserException):
    """One of many inputs was not launched, since launching was stopped or its time was over; launch it again."""

    default_code = "USER:NotLaunched"
    default_retryable = True
    http_status = 503


class FlyteAuthenticationException(FlyteUserException):
    """The server does not accept who we say we are (UNAUTHENTICATED), or there was no token to be had."""

    default_code = "USER:AuthenticationError"
    http_status = 401


class FlytePermissionDenied(FlyteUserException):
    """The server knows us and does not allow it (PERMISSION_DENIED)."""

    default_code = "USER:PermissionDenied"
    http_status = 403


class FlytePreconditionFailed(FlyteUserException):
    """The entity's state does not allow the operation (FAILED_PRECONDITION)."""

    default_code = "USER:PreconditionFailed"
    http_status = 409


class FlyteAssertion(FlyteUserException, AssertionError):
    """Something was expected that does not hold, such as outputs of an execution that still runs."""

    default_code = "USER:AssertionError"
    http_status = 409


class FlyteEntityNotExistException(FlyteAssertion):
    """There is no such entity (NOT_FOUND)."""

    default_code = "USER:EntityNotExist"
    http_status = 404


class FlyteTimeout(FlyteAssertion, TimeoutError):
    """The time given to a wait is over; the execution itself goes on."""

    default_code = "USER:Timeout"
    default_retryable = True
    http_status = 504


class FlyteExecutionFailed(FlyteError):
    """An execution failed, was aborted or timed out, and its outputs were asked for.

    Attributes:
        phase: how it ended: FAILED, ABORTED or TIMED_OUT.
        error: the remote error, a `flyteidl.core.ExecutionError` with code, message, kind and origin; None if the
            exception was made without one. `error_code` is its code.
    """

    default_code = "USER:ExecutionFailed"

    def __init__(
        self, message: str = "", *, phase: str = "FAILED", error: core.ExecutionError | None = None, **more: Any
    ) -> None:
        if error is not None:
            more.setdefault("error_code", error.code)
        super().__init__(message, **more)
        self.phase = phase
        self.error = error


class FlyteSystemException(FlyteError):
    """The server or the network failed."""

    default_code = "SYSTEM:Unknown"
    http_status = 502


class FlyteSystemUnavailableException(FlyteSystemException):
    """The server cannot be reached, or says that it cannot serve (UNAVAILABLE)."""

    default_code = "SYSTEM:Unavailable"
    default_retryable = True
    http_status = 503


class FlyteDeadlineExceeded(FlyteSystemException, TimeoutError):
    """An RPC with all its retries took longer than its deadline allows (DEADLINE_EXCEEDED)."""

    default_code = "SYSTEM:DeadlineExceeded"
    default_retryable = True
    http_status = 504


class FlyteResourceExhausted(FlyteSystemException):
    """A message was larger than one side accepts, or calls came too fast (RESOURCE_EXHAUSTED)."""

    default_code = "SYSTEM:ResourceExhausted"


class FlyteNotImplementedException(FlyteSystemException, NotImplementedError):
    """The server does not have the method (UNIMPLEMENTED)."""

    default_code = "SYSTEM:NotImplemented"
    http_status = 501


class FlyteDecodeError(FlyteSystemException, ValueError):
    """Bytes that should be a message are not; the text names the message type and the field."""

    default_code = "SYSTEM:DecodeError"


class FlyteUsageError(FlyteError, RuntimeError):
    """The package is used in a way that cannot work; the text says what to do instead."""

    default_code = "USER:Usage"


class FlyteRemoteClosed(FlyteUsageError):
    """The remote was closed, before the call or while it waited."""

    default_code = "USER:RemoteClosed"
    http_status = 503


class FlyteWrongLoop(FlyteUsageError):
    """A remote belongs to one event loop and was used from another one."""

    default_code = "USER:WrongLoop"
