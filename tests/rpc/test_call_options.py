"""Metadata, tokens and time limits: what is set arrives, and what must not be seen is not."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest

from flyteasync import CallOptions, Config, FlyteRemote, RetryPolicy
from flyteasync.errors import (
    FlyteAuthenticationException,
    FlyteDeadlineExceeded,
    FlyteInvalidInputException,
    FlyteTypeException,
    Status,
)
from flyteasync.idl import admin
from flyteasync.server import Fault
from flyteasync.transport import TransportName
from tests.support.backend import FAST, Backend, remote_of
from tests.support.wire import Call, Refusal, Wire, always

VERSION = admin.GetVersionRequest()
SECRET = "s3cret-token"


class Tokens:
    """Hands out `<SECRET>-1`, `<SECRET>-2`, ...; a new one after each refresh, as long as there are any."""

    def __init__(self, supply: int = 100) -> None:
        self.number = 1
        self.supply = supply
        self.rejected: list[str | None] = []

    async def token(self) -> str | None:
        return f"{SECRET}-{self.number}"

    async def refresh(self, rejected: str | None) -> bool:
        self.rejected.append(rejected)
        if self.number >= self.supply:
            return False
        self.number += 1
        return True


def bearer(call: Call) -> str:
    return str(call.metadata.get("authorization", ""))


def accept(*tokens: str) -> Callable[[Call], Any]:
    async def answer(call: Call) -> bytes:
        if bearer(call).removeprefix("Bearer ") not in tokens:
            raise Refusal(Status.UNAUTHENTICATED, "token expired")
        return b""

    return answer


async def test_the_token_of_the_source_is_sent() -> None:
    async with Wire(always(b"")) as wire, remote_of(wire.endpoint, tokens=Tokens()) as remote:
        await remote.admin.get_version(VERSION)
    assert [bearer(call) for call in wire.calls] == [f"Bearer {SECRET}-1"]


async def test_a_rejected_token_is_renewed_once_and_the_call_made_again() -> None:
    tokens = Tokens()
    async with Wire(accept(f"{SECRET}-2")) as wire, remote_of(wire.endpoint, tokens=tokens) as remote:
        await remote.admin.get_version(VERSION)
        await remote.admin.get_version(VERSION)
    assert [bearer(call)[-2:] for call in wire.calls] == ["-1", "-2", "-2"]
    assert tokens.rejected == [f"{SECRET}-1"]


async def test_a_launch_whose_token_was_rejected_is_sent_again() -> None:
    async with Backend(Fault(method="CreateExecution", status=Status.UNAUTHENTICATED, times=1)) as backend:
        async with remote_of(backend.server.endpoint, tokens=Tokens()) as remote:
            await remote.execute(await remote.fetch_launch_plan(name="nothing"))
        assert backend.calls("CreateExecution") == 2
        assert len(await backend.executions()) == 1


async def test_a_token_that_is_rejected_after_its_renewal_is_an_error() -> None:
    tokens = Tokens()
    async with Wire(accept()) as wire, remote_of(wire.endpoint, tokens=tokens) as remote:
        with pytest.raises(FlyteAuthenticationException, match="token expired"):
            await remote.admin.get_version(VERSION)
    assert len(wire.calls) == 2


async def test_without_another_token_the_rejection_is_the_error() -> None:
    async with Wire(accept()) as wire, remote_of(wire.endpoint, tokens=Tokens(supply=1)) as remote:
        with pytest.raises(FlyteAuthenticationException) as caught:
            await remote.admin.get_version(VERSION)
    assert len(wire.calls) == 1
    assert caught.value.http_status == 401
    assert not caught.value.retryable


async def test_a_token_of_the_call_goes_before_the_remotes_own_and_is_not_renewed() -> None:
    tokens = Tokens()
    async with Wire(accept("users")) as wire, remote_of(wire.endpoint, tokens=tokens) as remote:
        await remote.with_options(token="users").admin.get_version(VERSION)
        with pytest.raises(FlyteAuthenticationException):
            await remote.with_options(token="expired").admin.get_version(VERSION)
    assert [bearer(call) for call in wire.calls] == ["Bearer users", "Bearer expired"]
    assert tokens.rejected == []


class Slow:
    """A token source that does not answer."""

    async def token(self) -> str | None:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def refresh(self, rejected: str | None) -> bool:
        raise AssertionError


class SlowToRefresh(Tokens):
    async def refresh(self, rejected: str | None) -> bool:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


@pytest.mark.parametrize("tokens", [Slow(), SlowToRefresh()], ids=["token", "refresh"])
async def test_waiting_for_a_token_does_not_outlast_the_deadline(tokens: Slow | SlowToRefresh) -> None:
    async with Wire(accept()) as wire, remote_of(wire.endpoint, tokens=tokens) as remote:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(FlyteDeadlineExceeded, match=r"token.*AdminService/GetVersion"):
            await remote.with_options(timeout=0.1).admin.get_version(VERSION)
        assert loop.time() - began < 0.3


@pytest.mark.parametrize("transport", get_args(TransportName))
async def test_a_token_is_seen_nowhere_but_on_the_wire(
    caplog: pytest.LogCaptureFixture, transport: TransportName
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Wire(accept()) as wire, remote_of(wire.endpoint, tokens=Tokens(), transport=transport) as remote:
        views = [remote, remote.with_options(token=SECRET, metadata={"x-key": SECRET})]
        shown: list[str] = []
        for view in views:
            with pytest.raises(FlyteAuthenticationException) as caught:
                await view.admin.get_version(VERSION)
            error = caught.value
            shown += [repr(error), str(error), repr(error.__dict__), repr(view), repr(view.stats)]
    shown += [repr(CallOptions(token=SECRET, metadata=(("x-key", SECRET),))), caplog.text]
    assert SECRET not in " ".join(shown)


async def test_options_of_a_view_arrive_and_those_of_the_remote_stay() -> None:
    async with Wire(always(b"")) as wire, remote_of(wire.endpoint) as remote:
        view = remote.with_options(metadata={"X-Request-Id": "7"}, timeout=33, attempt_timeout=22)
        await view.with_options(metadata={"x-tenant": "blue"}).admin.get_version(VERSION)
        await view.admin.get_version(VERSION)
        await remote.admin.get_version(VERSION)
    nested, plain, base = wire.calls
    assert (nested.metadata["x-request-id"], nested.metadata["x-tenant"]) == ("7", "blue")
    assert nested.seconds_left == pytest.approx(22, abs=1.5)
    assert plain.metadata["x-request-id"] == "7"
    assert "x-tenant" not in plain.metadata
    assert "x-request-id" not in base.metadata
    assert base.seconds_left == pytest.approx(FAST.attempt_timeout, abs=1.5)


async def test_a_view_shares_the_connection_the_counters_and_the_end(bare: Backend) -> None:
    view = bare.remote.with_options(timeout=5)
    await view.ping()
    await bare.remote.ping()
    assert view.stats is bare.remote.stats
    assert view.stats.attempts["GetVersion"] == 2
    assert view.watcher is bare.remote.watcher
    await view.aclose()
    assert not bare.remote.health


async def test_binary_metadata_arrives() -> None:
    async with Wire(always(b"")) as wire:
        options = CallOptions(metadata=(("trace-bin", b"\x00\xff"),))
        async with remote_of(wire.endpoint, options=options) as remote:
            await remote.admin.get_version(VERSION)
    assert wire.calls[0].metadata["trace-bin"] == b"\x00\xff"


BAD_METADATA = {
    "space in the name": {"a b": "x"},
    "empty name": {"": "x"},
    "reserved name": {"grpc-timeout": "x"},
    "pseudo header": {":path": "x"},
    "line break": {"key": "one\ntwo"},
    "not ascii": {"key": "é"},
    "text under a binary name": {"key-bin": "x"},
    "bytes under a text name": {"key": b"x"},
    "no text": {"key": 5},
}


@pytest.mark.parametrize("metadata", BAD_METADATA.values(), ids=BAD_METADATA)
async def test_metadata_that_cannot_be_sent_is_refused_before_anything_is(
    bare: Backend, metadata: dict[str, Any]
) -> None:
    with pytest.raises(FlyteInvalidInputException, match="metadata") as caught:
        bare.remote.with_options(metadata=metadata)
    assert repr(next(iter(metadata))) in str(caught.value)
    with pytest.raises(FlyteInvalidInputException, match="metadata"):
        CallOptions(metadata=tuple(metadata.items()))


@pytest.mark.parametrize("token", ["line\nbreak", "é" + SECRET, "", 5], ids=ascii)
def test_a_token_that_cannot_be_sent_is_refused_without_being_shown(token: Any) -> None:
    with pytest.raises(FlyteInvalidInputException, match="token") as caught:
        CallOptions(token=token)
    assert not token or str(token) not in str(caught.value)


class Broken(Tokens):
    async def token(self) -> str | None:
        return f"line\n{SECRET}"


async def test_a_source_of_tokens_that_cannot_be_sent_is_an_error_without_the_token(bare: Backend) -> None:
    async with remote_of(bare.server.endpoint, tokens=Broken()) as remote:
        with pytest.raises(FlyteInvalidInputException, match="token") as caught:
            await remote.admin.get_version(VERSION)
    assert SECRET not in repr(caught.value)


class Foreign(Tokens):
    """A source of tokens whose own failures are no errors of this package, and hold what must not be seen."""

    def __init__(self, error: Exception, fails: str) -> None:
        super().__init__()
        self.error = error
        self.fails = fails

    async def token(self) -> str | None:
        if self.fails == "token":
            raise self.error
        return await super().token()

    async def refresh(self, rejected: str | None) -> bool:
        raise self.error


class NotAsync(Tokens):
    def token(self) -> Any:
        return SECRET


@pytest.mark.parametrize("fails", ["token", "refresh"])
@pytest.mark.parametrize("error", [OSError(SECRET), TimeoutError(SECRET), KeyError(SECRET)], ids=repr)
async def test_a_failure_of_a_foreign_source_of_tokens_is_an_authentication_error_that_chains_it(
    error: Exception, fails: str
) -> None:
    tokens = Foreign(error, fails)
    async with Wire(accept()) as wire, remote_of(wire.endpoint, tokens=tokens) as remote:
        with pytest.raises(FlyteAuthenticationException, match=type(error).__name__) as caught:
            await remote.admin.get_version(VERSION)
    assert caught.value.__cause__ is error
    assert caught.value.method == "AdminService/GetVersion"
    assert SECRET not in str(caught.value) + repr(caught.value)
    assert len(wire.calls) == (0 if fails == "token" else 1)


async def test_a_source_of_tokens_that_is_not_async_is_an_error_without_the_token(bare: Backend) -> None:
    async with remote_of(bare.server.endpoint, tokens=NotAsync()) as remote:
        with pytest.raises(FlyteAuthenticationException, match="source of bearer tokens") as caught:
            await remote.admin.get_version(VERSION)
    assert SECRET not in repr(caught.value)


async def test_an_error_of_this_package_passes_through_the_call_as_it_is(bare: Backend) -> None:
    error = FlyteAuthenticationException("log in first")
    async with remote_of(bare.server.endpoint, tokens=Foreign(error, "token")) as remote:
        with pytest.raises(FlyteAuthenticationException) as caught:
            await remote.admin.get_version(VERSION)
    assert caught.value is error


async def test_a_time_limit_of_none_is_no_limit_and_one_that_is_not_given_stays() -> None:
    async with Wire(always(b"")) as wire, remote_of(wire.endpoint) as remote:
        short = remote.with_options(timeout=3)
        await short.with_options(metadata={"a": "b"}).admin.get_version(VERSION)
        await short.with_options(timeout=None, attempt_timeout=50).admin.get_version(VERSION)
    kept, lifted = wire.calls
    assert kept.seconds_left == pytest.approx(3, abs=1)
    assert lifted.seconds_left == pytest.approx(50, abs=2)


async def test_a_token_of_none_is_the_remotes_own_again() -> None:
    async with Wire(always(b"")) as wire, remote_of(wire.endpoint, tokens=Tokens()) as remote:
        users = remote.with_options(token="users")
        await users.with_options(timeout=5).admin.get_version(VERSION)
        await users.with_options(token=None).admin.get_version(VERSION)
    assert [bearer(call) for call in wire.calls] == ["Bearer users", f"Bearer {SECRET}-1"]


@pytest.mark.parametrize("value", [-1, math.nan, "5", True], ids=str)
@pytest.mark.parametrize("name", ["timeout", "attempt_timeout"])
def test_a_time_limit_that_makes_no_sense_is_refused(name: str, value: Any) -> None:
    remote = FlyteRemote(Config.for_endpoint("localhost:1", insecure=True))
    with pytest.raises(FlyteInvalidInputException, match=name):
        remote.with_options(**{name: value})
    with pytest.raises(FlyteInvalidInputException, match=name):
        CallOptions(**{name: value})


def test_a_retry_policy_may_be_set_for_a_view_without_a_loop() -> None:
    remote = FlyteRemote(Config.for_endpoint("localhost:1", insecure=True))
    assert remote.with_options(retry=RetryPolicy(max_attempts=1)) is not remote
    assert not remote.connected


@pytest.mark.parametrize("value", [0, -1, math.nan, 1.5, True, "3"], ids=repr)
def test_a_number_of_attempts_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(FlyteInvalidInputException, match="max_attempts"):
        RetryPolicy(max_attempts=value)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, True, "3", None], ids=repr)
@pytest.mark.parametrize("name", ["initial_backoff", "max_backoff"])
def test_a_pause_that_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(FlyteInvalidInputException, match=name):
        RetryPolicy(**{name: value})


def test_time_limits_and_pauses_may_be_timedeltas() -> None:
    second = timedelta(seconds=1)
    options = CallOptions(timeout=second, attempt_timeout=second)  # pyright: ignore[reportArgumentType]
    policy = RetryPolicy(initial_backoff=second, max_backoff=second)  # pyright: ignore[reportArgumentType]
    assert (options.timeout, options.attempt_timeout) == (policy.initial_backoff, policy.max_backoff) == (1.0, 1.0)


def test_no_time_for_an_attempt_is_refused() -> None:
    remote = FlyteRemote(Config.for_endpoint("localhost:1", insecure=True))
    with pytest.raises(FlyteInvalidInputException, match="attempt_timeout must be more than zero"):
        remote.with_options(attempt_timeout=0)
    with pytest.raises(FlyteInvalidInputException, match="attempt_timeout must be more than zero"):
        CallOptions(attempt_timeout=0)


def test_a_retry_that_is_no_policy_is_refused() -> None:
    remote = FlyteRemote(Config.for_endpoint("localhost:1", insecure=True))
    wrong: Any = 3
    with pytest.raises(FlyteTypeException, match="retry must be a RetryPolicy, got int"):
        remote.with_options(retry=wrong)
    with pytest.raises(FlyteTypeException, match="retry must be a RetryPolicy, got int"):
        CallOptions(retry=wrong)


def test_options_that_are_none_are_refused() -> None:
    wrong: Any = {"timeout": 5}
    with pytest.raises(FlyteTypeException, match="options must be CallOptions, got dict"):
        FlyteRemote(Config.for_endpoint("localhost:1", insecure=True), options=wrong)


@pytest.mark.parametrize("given", [{"ab": "cd"}, [("ab", "cd")], (["ab", "cd"],)], ids=repr)
async def test_metadata_of_options_may_be_a_mapping_or_pairs(given: Any) -> None:
    async with Wire(always(b"")) as wire, remote_of(wire.endpoint, options=CallOptions(metadata=given)) as remote:
        await remote.admin.get_version(VERSION)
    assert wire.calls[0].metadata["ab"] == "cd"
    assert hash(CallOptions(metadata=given))


@pytest.mark.parametrize("given", ["abc", 5, ["ab"], [("a", "b", "c")], None], ids=repr)
def test_metadata_that_is_no_pairs_is_refused(given: Any) -> None:
    with pytest.raises(FlyteInvalidInputException, match="metadata"):
        CallOptions(metadata=given)
    remote = FlyteRemote(Config.for_endpoint("localhost:1", insecure=True))
    if given is not None:
        with pytest.raises(FlyteInvalidInputException, match="metadata must be a mapping"):
            remote.with_options(metadata=given)
