"""Which events flyteadmin takes, given what is recorded; pure. Every function raises the status of a refused event."""

from __future__ import annotations

from ..idl import admin, core, event
from .engine.records import TERMINAL_NODE, TERMINAL_TASK
from .failures import already_exists, failed_precondition
from .text import proto_text
from .validation import TERMINAL

PROPELLER = "propeller"
"""What old propellers call themselves, whatever their cluster."""

Phase = core.WorkflowExecutionPhase | core.NodeExecutionPhase | core.TaskExecutionPhase
"""Of an execution, a node or an attempt."""

_Workflow = core.WorkflowExecutionPhase


def check_workflow_event(stored: core.WorkflowExecutionPhase, cluster: str, seen: event.WorkflowExecutionEvent) -> None:
    """Whether an execution may come into the event's phase: it must not have ended, nor been there already.

    Raises:
        FlyteEntityAlreadyExistsException: the phase is recorded.
        FlytePreconditionFailed: the execution has ended, or the event goes back, or is another cluster's.
    """
    identifier = proto_text(seen.execution_id)
    # A queued execution may be handed from one cluster to another.
    if seen.phase != _Workflow.QUEUED:
        if seen.phase == stored:
            raise already_exists(
                f"This phase {name_of(stored)} was already recorded for workflow execution {identifier}"
            )
        check_producer(cluster, seen.producer_id)
    if stored in TERMINAL:
        raise failed_precondition(
            f"Invalid phase change from {name_of(stored)} to {name_of(seen.phase)} for workflow execution {identifier}",
            _ended(stored),
        )
    if stored == _Workflow.RUNNING and seen.phase == _Workflow.QUEUED:
        raise failed_precondition(f"Cannot go from RUNNING to QUEUED for workflow execution {identifier}")
    if stored == _Workflow.ABORTING and seen.phase not in TERMINAL:
        raise failed_precondition(
            f"Invalid phase change from aborting to {name_of(seen.phase)} for workflow execution {identifier}"
        )


def check_producer(cluster: str, producer: str) -> None:
    """Whether an event comes from the cluster that the execution runs on; one without a sender does.

    Raises:
        FlytePreconditionFailed: it does not; the detail names the event's cluster.
    """
    if producer in ("", PROPELLER, cluster):
        return
    reason = admin.EventFailureReason(incompatible_cluster=admin.EventErrorIncompatibleCluster(cluster=producer))
    raise failed_precondition(
        f"Cluster/producer from event [{producer}] does not match existing workflow execution clusterInDB: [{cluster}]",
        reason,
    )


def check_node_event(stored: core.NodeExecutionPhase, row_id: int, seen: event.NodeExecutionEvent) -> None:
    """Whether a node may come into the event's phase: it must not have ended, nor be there.

    Raises:
        FlyteEntityAlreadyExistsException: it is in that phase.
        FlytePreconditionFailed: it has ended; the detail names the event's phase, not the recorded one.
    """
    if stored == seen.phase:
        raise already_exists(f"This phase was already recorded {name_of(stored)} for {proto_text(seen.id)}")
    if stored in TERMINAL_NODE:
        raise failed_precondition(
            f"Invalid phase change from {name_of(stored)} to {name_of(seen.phase)} for node execution {row_id}",
            _ended(seen.phase),
        )


def check_task_event(
    stored: core.TaskExecutionPhase,
    version: int,
    identifier: core.TaskExecutionIdentifier,
    seen: event.TaskExecutionEvent,
) -> None:
    """Whether an attempt may come into the event's phase: it must not have ended, nor be there in that version.

    Raises:
        FlyteEntityAlreadyExistsException: that phase is recorded in that version or a later one.
        FlytePreconditionFailed: it has ended; the detail names the event's phase, not the recorded one.
    """
    if stored == seen.phase and version >= seen.phase_version:
        raise already_exists(
            f"have already recorded task execution phase {name_of(stored)} (version: {seen.phase_version}) "
            f"for {proto_text(identifier)}"
        )
    if stored in TERMINAL_TASK:
        raise failed_precondition(
            f"invalid phase change from {name_of(stored)} to {name_of(seen.phase)} for task execution "
            f"{proto_text(identifier)}",
            _ended(seen.phase),
        )


def name_of(phase: Phase) -> str:
    """A phase's name, or its number if it has none."""
    return phase.name or str(int(phase))


def _ended(phase: Phase) -> admin.EventFailureReason:
    state = admin.EventErrorAlreadyInTerminalState(current_phase=name_of(phase))
    return admin.EventFailureReason(already_in_terminal_state=state)
