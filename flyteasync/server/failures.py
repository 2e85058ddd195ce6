"""The errors that handlers raise, each with the status, text and detail that flyteadmin answers with."""

from __future__ import annotations

from .. import codec
from ..errors import (
    FlyteEntityAlreadyExistsException,
    FlyteEntityNotExistException,
    FlyteError,
    FlyteInvalidInputException,
    FlyteNotImplementedException,
    FlytePreconditionFailed,
    FlyteResourceExhausted,
    FlyteSystemException,
    Status,
)
from ..idl.google.protobuf import Any
from ..idl.message_pool import default_message_pool
from .text import proto_text

MAX_MESSAGE_BYTES = 32_000
"""flyteadmin cuts longer texts, and then drops the details."""


def missing(field: str) -> FlyteInvalidInputException:
    """A required field is not set."""
    return invalid(f"missing {field}")


def invalid_value(field: str) -> FlyteInvalidInputException:
    """A field has a value that is not allowed."""
    return invalid(f"invalid value for {field}")


def invalid(text: str, *details: codec.Message) -> FlyteInvalidInputException:
    """INVALID_ARGUMENT."""
    return FlyteInvalidInputException(text, status=Status.INVALID_ARGUMENT, details=details)


def not_found(text: str) -> FlyteEntityNotExistException:
    """NOT_FOUND, with a text of its own."""
    return FlyteEntityNotExistException(text, status=Status.NOT_FOUND)


def missing_entity(kind: str, identifier: codec.Message) -> FlyteEntityNotExistException:
    """NOT_FOUND, in the words of flyteadmin's repositories."""
    return not_found(f"missing entity of type {kind} with identifier {proto_text(identifier)}")


def already_exists(text: str, *details: codec.Message) -> FlyteEntityAlreadyExistsException:
    """ALREADY_EXISTS."""
    return FlyteEntityAlreadyExistsException(text, status=Status.ALREADY_EXISTS, details=details)


def duplicate_row(constraint: str) -> FlyteEntityAlreadyExistsException:
    """ALREADY_EXISTS, as a unique key of the database says it."""
    reason = f'duplicate key value violates unique constraint "{constraint}"'
    return already_exists(f"value with matching {constraint} already exists ({reason})")


def failed_precondition(text: str, *details: codec.Message) -> FlytePreconditionFailed:
    """FAILED_PRECONDITION."""
    return FlytePreconditionFailed(text, status=Status.FAILED_PRECONDITION, details=details)


def resource_exhausted(text: str) -> FlyteResourceExhausted:
    """RESOURCE_EXHAUSTED."""
    return FlyteResourceExhausted(text, status=Status.RESOURCE_EXHAUSTED)


def database_error(text: str) -> FlyteSystemException:
    """UNKNOWN, as a query that the database rejects surfaces."""
    return FlyteSystemException(f"failed database operation with {text}", status=Status.UNKNOWN)


def internal(text: str) -> FlyteSystemException:
    """INTERNAL."""
    return FlyteSystemException(text, status=Status.INTERNAL)


def unimplemented(text: str) -> FlyteNotImplementedException:
    """UNIMPLEMENTED."""
    return FlyteNotImplementedException(text, status=Status.UNIMPLEMENTED)


def shorten(error: FlyteError) -> FlyteError:
    """The error as flyteadmin's RPC layer lets it through: long texts are cut and lose their details."""
    data = str(error).encode()
    if len(data) <= MAX_MESSAGE_BYTES:
        return error
    return FlyteError(data[:MAX_MESSAGE_BYTES].decode(errors="ignore"), status=error.status)


def status_bytes(error: FlyteError) -> bytes:
    """The wire form of the google.rpc.Status that travels as `grpc-status-details-bin`."""
    status = Status.UNKNOWN if error.status is None else error.status
    parts = [_varint(1 << 3), _varint(int(status)), _delimited(2, str(error).encode())]
    parts += [_delimited(3, codec.encode(packed(detail))) for detail in error.details]
    return b"".join(parts)


def packed(message: codec.Message) -> Any:
    """A message together with the name of its type."""
    return Any(type_url=default_message_pool.type_to_url[type(message)], value=codec.encode(message))


def _delimited(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
