"""Gate nodes: somebody approves, somebody gives a value, or time passes."""

from __future__ import annotations

from ...errors import FlyteError
from ...idl import core
from . import failures
from .failures import NodeFailed
from .node import Attempt, Literals, NodeRun

_BOOLEAN = core.LiteralType(simple=core.SimpleType.BOOLEAN)


async def run_gate(node: NodeRun, attempt: Attempt) -> Literals:
    """Wait for what the gate waits for.

    Raises:
        NodeFailed: somebody disapproved, or the gate has no condition.
    """
    gate = node.node.gate_node or core.GateNode()
    if gate.approve is not None:
        return _approved(await _signal(node, attempt, gate.approve.signal_id, _BOOLEAN), attempt.inputs)
    if gate.signal is not None:
        value = await _signal(node, attempt, gate.signal.signal_id, gate.signal.type or core.LiteralType())
        return {gate.signal.output_variable_name: value}
    if gate.sleep is not None:
        node.book.running(attempt.began)
        seconds = 0.0 if gate.sleep.duration is None else gate.sleep.duration.total_seconds()
        # Counted as the node's time limit is, so that a sleep which just fits into it does.
        await node.shared.sleep_until(attempt.began + seconds)
        return {}
    raise NodeFailed(failures.bad_specification(node.node.id, "is a gate without a condition"))


async def _signal(node: NodeRun, attempt: Attempt, signal_id: str, kind: core.LiteralType) -> core.Literal:
    """The value of a signal, which can be listed, and set, from now on."""
    signals = node.shared.signals
    try:
        row = signals.row((node.scope.run.key, signal_id), kind)
    except FlyteError as error:
        raise NodeFailed(failures.signal_error(error)) from error
    if row.value is not None:
        return row.value
    node.book.running(attempt.began)
    return await signals.wait(row.key)


def _approved(value: core.Literal, inputs: Literals) -> Literals:
    """What was to be approved, if it was."""
    primitive = None if value.scalar is None else value.scalar.primitive
    if primitive is None or primitive.boolean is None:
        raise NodeFailed(failures.not_a_boolean(value))
    if not primitive.boolean:
        raise NodeFailed(failures.rejected())
    return inputs
