"""One node on its way from queued to its end, of whatever kind it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ...errors import FlyteValueException
from ...idl import admin, core
from ..inputs import literals_of
from ..rows import NodeExecutionRow
from . import failures
from .bindings import resolve_all
from .books import Book
from .catalog import CacheKey, CacheRule, cache_key, cache_rule
from .deadline import limit
from .failures import AttemptFailed, NodeFailed, NodeTimedOut
from .names import inputs_uri, output_directory, outputs_uri
from .places import Place
from .records import NodePhase
from .retries import RetryPolicy, backoff, judge, user_attempts
from .slots import Slots

if TYPE_CHECKING:
    # A scope makes nodes, and a node knows its scope.
    from .scope import Scope

logger = logging.getLogger("flyteasync.server")

Literals = Mapping[str, core.Literal]


@dataclass(frozen=True, slots=True)
class Kind:
    """What is particular to one kind of nodes.

    Attributes:
        run: brings an attempt to its end and returns the node's outputs.
        template: the task that the node runs, if it runs one.
        slot: whether the node waits for one of the places that `max_parallelism` counts, takes one without waiting,
            or needs none.
        is_parent: whether its first event says that other nodes run under it.
        is_array: whether its first event says that it is an array node.
        inputs: those that it declares; optional ones that are not bound are none.
    """

    run: Callable[[NodeRun, Attempt], Awaitable[Literals]]
    template: core.TaskTemplate | None = None
    slot: Literal["wait", "take", "none"] = "none"
    is_parent: bool = False
    is_array: bool = False
    inputs: Mapping[str, core.Variable] = field(default_factory=dict[str, core.Variable])


Outcome = Literals | NodeFailed
"""How a node ended: with outputs, or with an error."""


class Attempt:
    """One attempt of a node.

    Attributes:
        number: its number, from 0.
        inputs: the node's inputs.
        directory: where its outputs go.
        began: when it began, by the engine's clock.
    """

    def __init__(self, number: int, inputs: Literals, directory: str, began: float) -> None:
        self.number = number
        self.inputs = inputs
        self.directory = directory
        self.began = began
        self._aborts: list[Callable[[str], object]] = []

    def on_abort(self, callback: Callable[[str], object]) -> None:
        """Have a function called with a reason if the attempt is ended before it has ended by itself, or fails."""
        self._aborts.append(callback)

    def abort(self, reason: str) -> None:
        """End what runs under the attempt."""
        while self._aborts:
            self._aborts.pop()(reason)


class NodeRun:
    """Runs a node.

    Args:
        scope: the workflow that it is a node of.
        node: the node.
        kind: what is particular to it.
        book: takes its events.
        place: under what it runs.
        directory: where its data is.
        on_end: is told how it ended, unless it is aborted.
        slots: the places that it waits for.
        inputs: its inputs if they do not come from its bindings.
    """

    def __init__(
        self,
        scope: Scope,
        node: core.Node,
        kind: Kind,
        book: Book,
        *,
        unique_id: str,
        place: Place,
        directory: str,
        on_end: Callable[[NodeRun, Outcome], object],
        slots: Slots | None,
        inputs: Literals | None = None,
    ) -> None:
        self.scope = scope
        self.node = node
        self.kind = kind
        self.book = book
        self.unique_id = unique_id
        self.place = place
        self.directory = directory
        self.shared = scope.run.shared
        self._on_end = on_end
        self._slots = None if kind.slot == "none" else slots
        self._holds_slot = False
        self._given = inputs
        self._attempt: Attempt | None = None
        self._ended = False
        self._task: asyncio.Task[None] | None = None
        self.system_failures = 0

    def start(self) -> None:
        """Begin; `on_end` is called later."""
        self._task = self.shared.spawn(self._drive())

    def abort(self, reason: str) -> None:
        """End the node and everything under it now; nothing happens if it has ended."""
        if self._ended:
            return
        self._ended = True
        if self._task is not None:
            self._task.cancel()
        if self._attempt is not None:
            self._attempt.abort(reason)
        self.book.aborted(reason)
        self.leave_slot()

    async def _drive(self) -> None:
        await self.shared.turns.take()
        try:
            outcome = await self._run()
        except NodeFailed as failed:
            outcome = failed
        except Exception as error:
            logger.exception("node %s of %s failed inside of the engine", self.unique_id, self.scope.run.name)
            outcome = NodeFailed(failures.engine_error(error))
            self.book.ended(NodePhase.FAILED, error=outcome.error)
        self._ended = True
        self.leave_slot()
        self._on_end(self, outcome)

    async def _run(self) -> Outcome:
        await self._enter_slot()
        recovered = self.scope.run.recovery.find(self.unique_id)
        if recovered is not None:
            return self._recover(recovered)
        try:
            inputs = self._resolve()
        except FlyteValueException as error:
            raise self._failed(failures.binding_error(self.node.id, str(error))) from error
        self.shared.store.data[inputs_uri(self.directory)] = core.LiteralMap(literals=dict(inputs))
        caching = self._caching(inputs)
        if caching is None:
            self.book.queued()
            outputs, uri = await self._run_attempts(inputs)
            self.book.ended(NodePhase.SUCCEEDED, output_uri=uri)
            return outputs
        return await self._run_cached(inputs, *caching)

    async def _enter_slot(self) -> None:
        if self._slots is None:
            return
        if self.kind.slot == "wait":
            await self._slots.take()
        else:
            self._slots.take_anyway()
        self._holds_slot = True

    def leave_slot(self) -> None:
        """Let another node run instead, from now on; nothing happens if the node holds no place."""
        if self._holds_slot and self._slots is not None:
            self._holds_slot = False
            self._slots.give_back()

    def _resolve(self) -> Literals:
        if self._given is not None:
            return self._given
        return resolve_all(self.node.inputs, self.scope.outputs, self.kind.inputs)

    def _recover(self, source: NodeExecutionRow) -> Literals:
        """End like the node of the execution that this one recovers."""
        data = self.shared.store.data
        data[inputs_uri(self.directory)] = data.get(source.input_uri) or core.LiteralMap()
        outputs = data.get(source.closure.output_uri or "") or core.LiteralMap()
        uri = outputs_uri(output_directory(self.directory, 0))
        data[uri] = outputs
        self.book.ended(NodePhase.RECOVERED, output_uri=uri, cache=source.closure.task_node_metadata)
        if self.book.row is not None:
            self.book.row.dynamic_workflow = source.dynamic_workflow
        return literals_of(outputs)

    # Caching...

    def _caching(self, inputs: Literals) -> tuple[CacheRule, CacheKey] | None:
        template = self.kind.template
        rule = None if template is None else cache_rule(self.node, template)
        if template is None or rule is None:
            return None
        return rule, cache_key(template, rule, inputs)

    async def _run_cached(self, inputs: Literals, rule: CacheRule, key: CacheKey) -> Literals:
        overwrite = self.scope.run.overwrites_cache
        if not overwrite and (hit := self._hit(key)) is not None:
            return hit
        self.book.queued()
        if not rule.serialize or overwrite:
            return await self._run_and_store(inputs, key)
        await self.shared.cache.reserve(key)
        try:
            hit = self._hit(key)
            return await self._run_and_store(inputs, key) if hit is None else hit
        finally:
            self.shared.cache.release(key)

    def _hit(self, key: CacheKey) -> Literals | None:
        entry = self.shared.cache.get(key)
        if entry is None:
            return None
        uri = outputs_uri(output_directory(self.directory, 0))
        self.shared.store.data[uri] = entry.outputs
        self.book.ended(NodePhase.SUCCEEDED, output_uri=uri, cache=self.shared.cache.hit(entry))
        return literals_of(entry.outputs)

    async def _run_and_store(self, inputs: Literals, key: CacheKey) -> Literals:
        outputs, uri = await self._run_attempts(inputs)
        stored: admin.TaskNodeMetadata | None = None
        if uri is not None:
            stored = self.shared.cache.put(key, self.shared.store.data[uri], self._source())
        self.book.ended(NodePhase.SUCCEEDED, output_uri=uri, cache=stored)
        return outputs

    def _source(self) -> core.TaskExecutionIdentifier | None:
        if self.kind.template is None or self._attempt is None:
            return None
        node_id = core.NodeExecutionIdentifier(node_id=self.unique_id, execution_id=self.scope.run.identifier)
        return core.TaskExecutionIdentifier(
            task_id=self.kind.template.id, node_execution_id=node_id, retry_attempt=self._attempt.number
        )

    # Attempts...

    async def _run_attempts(self, inputs: Literals) -> tuple[Literals, str | None]:
        """Repeat attempts until one succeeds; return the outputs and where they are, if there are any.

        Raises:
            NodeFailed: no attempt is left, or the node's time is over.
        """
        active = self._active_deadline()
        when = None if active is None else self.shared.clock.time() + active
        number = 0
        try:
            with limit(self.shared.clock, when, NodeTimedOut):
                while True:
                    await self.shared.sleep(backoff(self._policy(), number))
                    try:
                        return await self._run_attempt(number, inputs)
                    except AttemptFailed as failed:
                        self._check_retry(number, failed.error)
                    number += 1
        except NodeTimedOut:
            self._abort_attempt(failures.NODE_TIMED_OUT)
            self.book.ended(NodePhase.TIMED_OUT)
            raise

    async def _run_attempt(self, number: int, inputs: Literals) -> tuple[Literals, str | None]:
        began = self.shared.clock.time()
        attempt = self._attempt = Attempt(number, inputs, output_directory(self.directory, number), began)
        seconds = self._execution_deadline()
        when = None if seconds is None else began + seconds
        try:
            with limit(self.shared.clock, when, lambda: AttemptFailed(failures.execution_timeout(seconds or 0.0))):
                outputs = await self.kind.run(self, attempt)
        except NodeFailed as failed:
            self._abort_attempt(failures.NODE_FAILING)
            raise self._failed(failed.error) from failed
        uri = outputs_uri(attempt.directory) if outputs else None
        if uri is not None:
            self.shared.store.data[uri] = core.LiteralMap(literals=dict(outputs))
        return outputs, uri

    def _check_retry(self, number: int, error: core.ExecutionError) -> None:
        """Return if there is another attempt; raise NodeFailed if there is none."""
        verdict = judge(self._policy(), error.kind, number, self.system_failures)
        self._abort_attempt(error.message if verdict.again else failures.NODE_FAILING)
        if not verdict.again:
            raise self._failed(failures.retries_exhausted(error, verdict.current, verdict.limit))
        if error.kind == core.ExecutionErrorErrorKind.SYSTEM:
            self.system_failures += 1

    def _abort_attempt(self, reason: str) -> None:
        if self._attempt is not None:
            self._attempt.abort(reason)

    def _failed(self, error: core.ExecutionError) -> NodeFailed:
        self.book.ended(NodePhase.FAILED, error=error)
        return NodeFailed(error)

    def _policy(self) -> RetryPolicy:
        settings = self.shared.settings
        attempts = user_attempts(self.node, self.kind.template)
        return RetryPolicy(attempts, settings.max_system_retries, settings.retry_backoff)

    def _timeout(self) -> float:
        """The node's own time limit, in seconds; 0 if it has none."""
        metadata = self.node.metadata
        return 0.0 if metadata is None or metadata.timeout is None else metadata.timeout.total_seconds()

    def _execution_deadline(self) -> float | None:
        return self._timeout() or self.shared.settings.node_execution_deadline or None

    def _active_deadline(self) -> float | None:
        """The propeller gives all attempts together twice the time of one."""
        return 2 * self._timeout() or self.shared.settings.node_active_deadline or None

    # For kinds...

    @property
    def interruptible(self) -> bool:
        """Whether the node may run where it can be interrupted."""
        own = None if self.node.metadata is None else self.node.metadata.interruptible
        template = self.kind.template
        if own is None and template is not None and template.metadata is not None:
            own = template.metadata.interruptible
        wanted = self.scope.run.interruptible if own is None else own
        # The last attempt that the system's failures leave is one that is not interrupted.
        return wanted and self.system_failures < self.shared.settings.max_system_retries

    def below(self, attempt: Attempt) -> Place:
        """The place of what runs under the node."""
        row = self.book.row
        return Place(attempt.directory, self.unique_id, attempt.number, None if row is None else row.id)
