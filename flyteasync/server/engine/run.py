"""The progress of one execution, from RUNNING to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...idl import admin, core
from ..inputs import literals_of
from ..rows import ExecutionRow
from ..validation import TERMINAL
from . import failures, names, records
from .activity import Wait
from .definitions import Definitions
from .failures import NodeFailed
from .node import Kind
from .places import Place
from .records import WorkflowPhase
from .recovery import Recovery
from .scope import Scope
from .slots import Slots
from .surroundings import Surroundings

logger = logging.getLogger("flyteasync.server")

KindOf = Callable[[core.Node, Definitions], Kind]


class Run:
    """Runs one execution.

    Attributes:
        shared: what all executions share.
        row: the execution's row.
        key: its key.
        slots: the places that its nodes run in.
        recovery: what it takes over from another execution.
    """

    def __init__(
        self,
        shared: Surroundings,
        row: ExecutionRow,
        definitions: Definitions,
        inputs: core.LiteralMap,
        kind_of: KindOf,
    ) -> None:
        self.shared = shared
        self.row = row
        self.key = row.key
        self.kind_of = kind_of
        self.slots = Slots(shared.activity, max(0, row.spec.max_parallelism))
        self.recovery = Recovery.of(shared.store, row)
        self._template = definitions.primary.template
        self._plan = shared.store.launch_plans.by_id(row.launch_plan_id)
        place = Place(names.base_directory(self.key))
        self._scope = Scope(self, definitions, definitions.primary, place, literals_of(inputs))
        self._abort_cause: str | None = None
        self._wake: Wait[None] = shared.wait()
        self._error: core.ExecutionError | None = None

    @property
    def name(self) -> str:
        """The execution's key as a text."""
        return "/".join(self.key)

    @property
    def identifier(self) -> core.WorkflowExecutionIdentifier:
        """The execution's id."""
        return names.execution_id(self.key)

    @property
    def fails_immediately(self) -> bool:
        """Whether a node's failure ends the others; inner workflows have no say in it."""
        metadata = self._template.metadata
        policy = core.WorkflowMetadataOnFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
        return metadata is None or metadata.on_failure != policy

    @property
    def interruptible(self) -> bool:
        """Whether nodes that do not say may be interrupted: the execution's word, its launch plan's, its workflow's."""
        for source in (self.row.spec, self._plan_spec):
            if source is not None and source.interruptible is not None:
                return source.interruptible
        defaults = self._template.metadata_defaults
        return defaults is not None and defaults.interruptible

    @property
    def overwrites_cache(self) -> bool:
        """Whether it uses no outputs of earlier runs."""
        plan = self._plan_spec
        return self.row.spec.overwrite_cache or (plan is not None and plan.overwrite_cache)

    @property
    def _plan_spec(self) -> admin.LaunchPlanSpec | None:
        return None if self._plan is None else self._plan.spec

    def abort(self, cause: str) -> None:
        """End the run soon: what still runs becomes ABORTED, and then the execution."""
        self._abort_cause = cause
        self._wake.settle(None)

    async def run(self) -> None:
        """Bring the execution to its end."""
        try:
            await self._walk()
        except Exception as error:
            logger.exception("execution %s failed inside of the engine", self.name)
            self._scope.abort(failures.AUTO_ABORT)
            self._record(WorkflowPhase.FAILED, failures.engine_error(error))

    async def _walk(self) -> None:
        if self._abort_cause is None:
            self._record(WorkflowPhase.RUNNING)
            self._scope.start(self.row.inputs_uri, lambda: self._wake.settle(None))
            await self._wake
        if self._abort_cause is None and self._scope.failure is not None:
            await self._fail(self._scope.failure)
        if self._abort_cause is not None:
            await self._finish_aborted()
        elif self._scope.failure is None:
            self._record(WorkflowPhase.SUCCEEDING)
            self._record(WorkflowPhase.SUCCEEDED, output_uri=self._scope.output_uri)

    async def _fail(self, failure: NodeFailed) -> None:
        self._record(WorkflowPhase.FAILING, failure.error)
        self._scope.abort(failures.AUTO_ABORT)
        self._wake = self.shared.wait()
        self._scope.start_failure_node(failure, self._failure_handled)
        await self._wake
        if self._abort_cause is None:
            self._record(WorkflowPhase.FAILED, self._error)

    def _failure_handled(self, failure: NodeFailed) -> None:
        self._error = failure.error
        self._wake.settle(None)

    async def _finish_aborted(self) -> None:
        self._scope.abort(failures.WORKFLOW_ABORTED)
        await self.shared.sleep(self.shared.settings.abort_delay)
        self._record(WorkflowPhase.ABORTED)

    def _record(self, phase: WorkflowPhase, error: core.ExecutionError | None = None, *, output_uri: str = "") -> None:
        """Record a phase, unless somebody else has recorded the execution's end."""
        if self.row.closure.phase not in TERMINAL:
            records.set_execution_phase(
                self.shared.store, self.row, phase, self.shared.clock.now(), output_uri=output_uri, error=error
            )
