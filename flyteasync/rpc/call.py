"""THE call path: every RPC of the package is one call of `RpcCaller.unary`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from types import CoroutineType
from typing import Any, TypeVar

from .. import codec
from ..deadline import Deadline, within
from ..errors import FlyteAuthenticationException, FlyteDecodeError, FlyteError, Status
from ..idl.methods import Method, Reply, Request
from ..transport import Metadata, Transport, TransportError
from .instrumentation import Instrumentation
from .limits import CallLimiter, CallStats, RetryBudget
from .options import CallOptions, TokenSource, check_token
from .retry import Again, kind_of, may_repeat, repeat
from .status import error_of, identify, tokenless, undecodable

logger = logging.getLogger("flyteasync.rpc")

T = TypeVar("T")


class RpcCaller:
    """Encodes, authenticates, bounds, retries and decodes; views made by `view` share everything but their options."""

    def __init__(
        self,
        transport: Transport,
        options: CallOptions | None = None,
        *,
        limiter: CallLimiter | None = None,
        budget: RetryBudget | None = None,
        stats: CallStats | None = None,
        tokens: TokenSource | None = None,
        urgent: bool = False,
        instrumentation: Instrumentation | None = None,
    ) -> None:
        self.options = options or CallOptions()
        self.stats = stats or CallStats()
        self._transport = transport
        self._limiter = limiter or CallLimiter()
        self.budget = budget or RetryBudget()
        self._tokens = tokens
        self._urgent = urgent
        self.instrumentation = instrumentation
        self._bearer: str | None = None
        self._metadata: Metadata = ()

    def view(self, options: CallOptions | None = None, *, urgent: bool | None = None) -> RpcCaller:
        """A caller over the same connection with other options."""
        return RpcCaller(
            self._transport,
            options or self.options,
            limiter=self._limiter,
            budget=self.budget,
            stats=self.stats,
            tokens=self._tokens,
            urgent=self._urgent if urgent is None else urgent,
            instrumentation=self.instrumentation,
        )

    def shares(self, other: RpcCaller) -> bool:
        """Whether the other one calls over the same connection."""
        return self._transport is other._transport

    def unary(
        self, method: Method[Request, Reply], request: Request, *, deadline: Deadline | None = None
    ) -> CoroutineType[Any, Any, Reply]:
        """Perform one RPC, when awaited.

        Args:
            method: which.
            request: encoded once, before anything is sent.
            deadline: bounds the call with all its retries, together with the options' timeout.

        Raises:
            FlyteError: of the class that the server's status, or what went wrong on the way, maps to.
        """
        if self.instrumentation is None:
            return self._unary(method, request, deadline)
        return self._spanned(self.instrumentation, method, request, deadline)

    async def _spanned(
        self, spans: Instrumentation, method: Method[Request, Reply], request: Request, deadline: Deadline | None
    ) -> Reply:
        with spans.call(method.path, self._transport.endpoint, identify(request)):
            return await self._unary(method, request, deadline)

    async def _unary(self, method: Method[Request, Reply], request: Request, deadline: Deadline | None) -> Reply:
        data = codec.encode(request)
        until = Deadline.after(self.options.timeout)
        if deadline is not None:
            until = until.sooner(deadline)
        try:
            reply = await self._attempt(method.path, data, request, until, 1)
        except Again as failed:
            reply = await self._repeat(method, data, request, until, failed)
        self.budget.succeeded()
        try:
            return codec.decode(method.reply, reply)
        except FlyteDecodeError as error:
            raise undecodable(error, method.path, self._transport.endpoint, request) from error

    async def _repeat(
        self, method: Method[Any, Any], data: bytes, request: object, until: Deadline, failed: Again
    ) -> bytes:
        """Go on after a first attempt that failed."""

        last = failed

        async def attempt(number: int) -> bytes:
            nonlocal last
            self.stats.retries[method.name] += 1
            if self.instrumentation is not None:
                self.instrumentation.retried(number, last.error)
            try:
                return await self._attempt(method.path, data, request, until, number)
            except Again as again:
                last = again
                raise

        # Entered on failure only: tenacity costs tens of microseconds, and most calls succeed at once.
        return await repeat(
            attempt, failed, what=method.name, until=until, policy=self.options.retry, budget=self.budget
        )

    async def _attempt(self, path: str, data: bytes, request: object, until: Deadline, number: int) -> bytes:
        """Send once; a rejected token is renewed and the attempt made again, once."""
        tokens = None if self.options.token is not None else self._tokens
        if tokens is None:
            return await self._send(path, data, request, until, number, self.options.token)
        token = await self._ask(tokens.token, until, path, request)
        try:
            return await self._send(path, data, request, until, number, token)
        except FlyteAuthenticationException:
            if not await self._ask(partial(tokens.refresh, token), until, path, request):
                raise
            token = await self._ask(tokens.token, until, path, request)
            return await self._send(path, data, request, until, number, token)

    async def _ask(self, ask: Callable[[], Awaitable[T]], until: Deadline, path: str, request: object) -> T:
        """Ask the source of tokens, but for no longer than the call may take."""
        try:
            return await within(until, ask())
        except FlyteError:
            raise
        except Exception as error:
            if isinstance(error, TimeoutError) and until.remaining() <= 0:
                late = TransportError(Status.DEADLINE_EXCEEDED, "there was no token to send in time", unprocessed=True)
                raise error_of(late, path, self._transport.endpoint, request) from None
            raise tokenless(error, path, self._transport.endpoint, request) from error

    def _with_bearer(self, token: str) -> Metadata:
        """The metadata to send with a token; the same object as long as the token is the same, which transports use."""
        if token != self._bearer:
            check_token(token)
            self._metadata = (*self.options.metadata, ("authorization", f"Bearer {token}"))
            self._bearer = token
        return self._metadata

    async def _send(
        self, path: str, data: bytes, request: object, until: Deadline, number: int, token: str | None
    ) -> bytes:
        """Send once, in a place of the connection's bound on calls in flight."""
        options, name = self.options, path.rpartition("/")[2]
        metadata = options.metadata if token is None else self._with_bearer(token)
        if self.instrumentation is not None:
            metadata = (*metadata, *self.instrumentation.headers())
        try:
            async with self._limiter.place(until, urgent=self._urgent):
                self.stats.attempts[name] += 1
                timeout = min(options.attempt_timeout, until.remaining())
                self.stats.in_flight += 1
                try:
                    reply = await self._transport.unary(path, data, timeout=timeout, metadata=metadata)
                except TransportError as failure:
                    self.stats.failures[name, failure.status.name] += 1
                    raise
                finally:
                    self.stats.in_flight -= 1
                self.stats.successes[name] += 1
                return reply
        except TransportError as failure:
            error = error_of(failure, path, self._transport.endpoint, request)
            self._tell_if_out_of_reach(failure)
            if not failure.closed and may_repeat(
                kind_of(path),
                failure.status,
                number,
                options.retry.max_attempts,
                unprocessed=failure.unprocessed,
            ):
                raise Again(error) from None
            raise error from None

    def _tell_if_out_of_reach(self, failure: TransportError) -> None:
        """Say once that there was never a connection: a wrong address or setting is tried as long as an outage is."""
        stats = self.stats
        if stats.reached or stats.successes or failure.closed:
            return
        if not failure.unprocessed:
            stats.reached = True
        elif failure.status is Status.UNAVAILABLE:
            stats.reached = True
            logger.warning(
                "there has been no connection to %s yet; calls go on trying: %s", self._transport.endpoint, failure.text
            )
