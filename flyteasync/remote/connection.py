"""The connection of a remote: made when first needed, shared by all views, bound to one event loop."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..deadline import Duration, seconds
from ..entities.identifier import EntityKey
from ..errors import FlyteRemoteClosed, FlyteWrongLoop
from ..executions.workflows import WorkflowCache
from ..idl import core
from ..rpc import CallLimiter, CallOptions, CallStats, Instrumentation, RetryBudget, RpcCaller, TokenSource
from ..transport import Transport
from ..watcher import Watcher
from .flight import SingleFlight

if TYPE_CHECKING:
    from ..entities import FlyteLaunchPlan

TransportFactory = Callable[[], Transport]
"""Makes the transport; called inside the loop that will use it."""

PLANS_KEPT = 256
"""Launch plans that are remembered, so that launching a workflow again needs no further look-up."""


class PlanCache:
    """The launch plans that were fetched last; a registered version never changes."""

    def __init__(self) -> None:
        self._plans: OrderedDict[EntityKey, FlyteLaunchPlan] = OrderedDict()
        self.flights: SingleFlight[tuple[EntityKey, CallOptions], FlyteLaunchPlan] = SingleFlight()

    def get(self, identifier: core.Identifier) -> FlyteLaunchPlan | None:
        """The launch plan of that identifier, if it is remembered."""
        plan = self._plans.get(EntityKey.of(identifier))
        if plan is not None:
            self._plans.move_to_end(EntityKey.of(identifier))
        return plan

    def put(self, plan: FlyteLaunchPlan) -> None:
        """Remember a launch plan."""
        self._plans[EntityKey.of(plan.id)] = plan
        while len(self._plans) > PLANS_KEPT:
            self._plans.popitem(last=False)


@dataclass
class Connection:
    """What belongs to one event loop of one process."""

    loop: weakref.ref[asyncio.AbstractEventLoop]
    transport: Transport
    caller: RpcCaller
    watcher: Watcher
    plans: PlanCache = field(default_factory=PlanCache)
    workflows: WorkflowCache = field(default_factory=WorkflowCache)
    process: int = field(default_factory=os.getpid)

    async def aclose(self, grace: float) -> None:
        """Fail all waits, then close the transport, giving calls under way so many seconds."""
        try:
            await self.watcher.aclose()
        except BaseException:
            await self.transport.aclose(0)
            raise
        await self.transport.aclose(grace)


class Connector:
    """Makes the connection on first use, and again when its loop is gone."""

    def __init__(
        self,
        make_transport: TransportFactory,
        options: CallOptions,
        *,
        max_concurrent_rpcs: int,
        tokens: TokenSource | None,
        instrumentation: Instrumentation | None = None,
    ) -> None:
        self.options = options
        self.stats = CallStats()
        self.launches: Counter[str] = Counter()
        self._make_transport = make_transport
        CallLimiter(max_concurrent_rpcs)  # refuses now what would fail at the first call
        self._max_concurrent_rpcs = max_concurrent_rpcs
        self._tokens = tokens
        self._instrumentation = instrumentation
        self._connection: Connection | None = None
        self._inherited: Connection | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._closed

    @property
    def connected(self) -> bool:
        """Whether there is a connection to close."""
        return self._connection is not None

    @property
    def connection(self) -> Connection | None:
        """The connection, if there is one; for looking at only."""
        return self._connection

    def get(self) -> Connection:
        """The connection of the running loop.

        Raises:
            FlyteRemoteClosed: after `aclose`.
            FlyteWrongLoop: the connection belongs to another loop, which is still open.
            FlyteUsageError: this process is a fork that the transport does not survive.
        """
        if self._closed:
            raise FlyteRemoteClosed("the remote is closed")
        running = asyncio.get_running_loop()
        connection = self._own()
        if connection is not None:
            loop = connection.loop()
            if loop is running:
                return connection
            if loop is not None and not loop.is_closed():
                raise FlyteWrongLoop(
                    "this FlyteRemote is in use by another event loop: make one remote a loop, or close this one first"
                )
        self._connection = self._connect(running)
        return self._connection

    def _own(self) -> Connection | None:
        """The connection, unless it came from the parent of a fork: that one is neither used nor let go of."""
        connection = self._connection
        if connection is not None and connection.process != os.getpid():
            self._inherited, self._connection = connection, None
        return self._connection

    def _connect(self, loop: asyncio.AbstractEventLoop) -> Connection:
        transport = self._make_transport()
        caller = RpcCaller(
            transport,
            self.options,
            limiter=CallLimiter(self._max_concurrent_rpcs),
            budget=RetryBudget(),
            stats=self.stats,
            tokens=self._tokens,
            instrumentation=self._instrumentation,
        )
        return Connection(weakref.ref(loop), transport, caller, Watcher(caller))

    async def aclose(self, grace: Duration) -> None:
        """Close for good; see `FlyteRemote.aclose`."""
        wait = seconds(grace, "grace")
        self._closed = True
        connection, self._connection = self._own(), None
        if connection is None:
            return
        loop = connection.loop()
        if loop is asyncio.get_running_loop():
            await connection.aclose(wait)
        elif loop is not None and not loop.is_closed():
            self._connection, self._closed = connection, False
            raise FlyteWrongLoop("a FlyteRemote is closed in the event loop that uses it")
