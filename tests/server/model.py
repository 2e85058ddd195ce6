"""A small model of what flyteadmin makes of events: phases, times and refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flyteasync.errors import Status

WORKFLOW_ENDS = {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"}
NODE_ENDS = {"SUCCEEDED", "FAILED", "ABORTED", "SKIPPED", "TIMED_OUT", "RECOVERED"}
TASK_ENDS = {"SUCCEEDED", "FAILED", "ABORTED"}

Answer = tuple[Status, str | None]
"""A status, and the phase or cluster that the detail names."""

OK: Answer = (Status.OK, None)


@dataclass
class Record:
    """What is kept of an execution, a node or an attempt."""

    phase: str
    version: int = 0
    started: datetime | None = None
    updated: datetime | None = None
    ended: datetime | None = None

    def come_into(self, phase: str, when: datetime, ends: set[str], *, restart: bool) -> None:
        self.phase, self.updated = phase, when
        if phase == "RUNNING" and (restart or self.started is None):
            self.started = when
        if phase in ends:
            self.ended = when

    @property
    def times(self) -> tuple[Any, ...]:
        duration = None if self.ended is None or self.started is None else self.ended - self.started
        return self.phase, self.started, self.updated, duration


@dataclass
class Model:
    """One execution that is RUNNING."""

    execution: Record = field(default_factory=lambda: Record("RUNNING"))
    cluster: str = ""
    nodes: dict[str, Record] = field(default_factory=dict[str, Record])
    attempts: dict[tuple[str, int], Record] = field(default_factory=dict[tuple[str, int], Record])

    def terminate(self) -> Answer:
        if self.execution.phase in WORKFLOW_ENDS:
            return Status.FAILED_PRECONDITION, self.execution.phase
        self.execution.phase = "ABORTING"
        return OK

    def on_workflow(self, phase: str, when: datetime, producer: str) -> Answer:
        now = self.execution
        if phase != "QUEUED":
            if phase == now.phase:
                return Status.ALREADY_EXISTS, None
            if producer not in ("", "propeller", self.cluster):
                return Status.FAILED_PRECONDITION, producer
        if now.phase in WORKFLOW_ENDS:
            return Status.FAILED_PRECONDITION, now.phase
        if (now.phase, phase) == ("RUNNING", "QUEUED") or (now.phase == "ABORTING" and phase not in WORKFLOW_ENDS):
            return Status.FAILED_PRECONDITION, None
        if phase == "QUEUED" and producer not in ("", "propeller"):
            self.cluster = producer
        now.come_into(phase, when, WORKFLOW_ENDS, restart=True)
        return OK

    def on_node(self, name: str, phase: str, when: datetime, producer: str) -> Answer:
        if producer not in ("", "propeller", self.cluster):
            return Status.FAILED_PRECONDITION, producer
        now = self.nodes.get(name)
        if now is None:
            now = self.nodes[name] = Record(phase)
        elif now.phase == phase:
            return Status.ALREADY_EXISTS, None
        elif now.phase in NODE_ENDS:
            return Status.FAILED_PRECONDITION, phase
        now.come_into(phase, when, NODE_ENDS, restart=True)
        return OK

    def on_task(self, key: tuple[str, int], phase: str, version: int, when: datetime, producer: str) -> Answer:
        if producer not in ("", "propeller", self.cluster):
            return Status.FAILED_PRECONDITION, producer
        now = self.attempts.get(key)
        if now is None:
            if key[0] not in self.nodes:
                return Status.NOT_FOUND, None
            now = self.attempts[key] = Record(phase)
        elif now.phase == phase and now.version >= version:
            return Status.ALREADY_EXISTS, None
        elif now.phase in TASK_ENDS:
            return Status.FAILED_PRECONDITION, phase
        now.version = version
        now.come_into(phase, when, TASK_ENDS, restart=False)
        return OK
