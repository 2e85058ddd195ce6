"""What headers, bodies and trailers mean, without a connection."""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import quote

import pytest
from h2.errors import ErrorCodes
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.errors import Status
from flyteasync.transport import TransportError
from flyteasync.transport.replies import check_progress, name_of, read_reply, reset_failure, timeout_header

GRPC = ((b":status", b"200"), (b"content-type", b"application/grpc+proto"))
OK = ((b"grpc-status", b"0"),)
UNITS = {"m": 0.001, "S": 1}


def failure(headers: object, body: bytes = b"", trailers: object = ()) -> TransportError:
    with pytest.raises(TransportError) as caught:
        read_reply(headers, bytearray(body), trailers)  # pyright: ignore
    return caught.value


@given(seconds=st.floats(min_value=1e-9, max_value=99_999_999))
def test_a_time_limit_travels_in_at_most_eight_digits_and_never_shortened(seconds: float) -> None:
    match = re.fullmatch(r"([0-9]{1,8})([mS])", timeout_header(seconds))
    assert match is not None
    told = int(match[1]) * UNITS[match[2]]
    assert seconds <= told * (1 + 1e-12)
    assert told <= seconds + max(0.001, 1 if match[2] == "S" else 0) + 1e-6


@given(message=st.binary())
def test_the_message_of_a_reply_is_what_follows_its_prefix(message: bytes) -> None:
    body = bytearray(b"\0" + len(message).to_bytes(4, "big") + message)
    check_progress(GRPC, body, len(message))
    assert read_reply(GRPC, body, OK) == message


@given(message=st.binary(min_size=1), cut=st.integers(min_value=1))
def test_a_message_that_is_cut_off_is_no_reply(message: bytes, cut: int) -> None:
    body = b"\0" + len(message).to_bytes(4, "big") + message
    assert failure(GRPC, body[: -(1 + cut % len(body))], OK).status is Status.INTERNAL


@given(text=st.text(), details=st.binary(), status=st.sampled_from([s for s in Status if s is not Status.OK]))
def test_an_error_is_read_as_it_was_meant(text: str, details: bytes, status: Status) -> None:
    fields = (
        (b"grpc-status", b"%d" % status),
        (b"grpc-message", quote(text).encode()),
        (b"grpc-status-details-bin", b64encode(details).rstrip(b"=")),
    )
    for error in (failure((*GRPC, *fields)), failure(GRPC, b"", fields)):
        assert (error.status, error.text, error.status_details) == (status, text, details)


def test_an_error_is_read_though_its_decoration_is_broken() -> None:
    error = failure((*GRPC, (b"grpc-status", b"5"), (b"grpc-message", b"\xff%zz"), (b"grpc-status-details-bin", b"a")))
    assert error.status is Status.NOT_FOUND
    assert "%zz" in error.text
    assert error.status_details == b""


@pytest.mark.parametrize("status", [b"17", b"-1", b"", b"OK", b"\xff"])
def test_a_status_that_is_none_is_unknown(status: bytes) -> None:
    assert failure((*GRPC, (b"grpc-status", status))).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("http", "status"),
    [
        (b"400", Status.INTERNAL),
        (b"401", Status.UNAUTHENTICATED),
        (b"403", Status.PERMISSION_DENIED),
        (b"404", Status.UNIMPLEMENTED),
        (b"429", Status.UNAVAILABLE),
        (b"500", Status.UNKNOWN),
        (b"502", Status.UNAVAILABLE),
        (b"503", Status.UNAVAILABLE),
        (b"504", Status.UNAVAILABLE),
        (b"302", Status.UNKNOWN),
        (b"", Status.UNKNOWN),
    ],
)
def test_a_proxys_answer_has_the_status_that_grpc_gives_it(http: bytes, status: Status) -> None:
    assert failure(((b":status", http),), b"<html>").status is status


def test_a_reset_stream_was_not_processed_only_if_it_was_refused() -> None:
    assert [code for code in ErrorCodes if reset_failure(code).unprocessed] == [ErrorCodes.REFUSED_STREAM]
    assert reset_failure(0x777).status is Status.INTERNAL
    assert name_of(0x777) == "1911"


def test_a_body_is_refused_as_soon_as_it_announces_too_much() -> None:
    announcement = bytearray(b"\0" + (1001).to_bytes(4, "big"))
    check_progress(GRPC, announcement, 1001)
    with pytest.raises(TransportError, match=r"Received message larger than max \(1001 vs\. 1000\)"):
        check_progress(GRPC, announcement, 1000)
