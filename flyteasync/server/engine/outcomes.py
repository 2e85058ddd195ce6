"""What a handler may end with, beside returning a task's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...idl import core


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicWorkflow:
    """The workflow that a dynamic task generated: a handler returns one instead of outputs.

    Its nodes run under the task's node, and its outputs become those of the task. It has no inputs: what the handler
    knows is bound to its nodes as literals.

    Attributes:
        nodes: its nodes, as in a `WorkflowTemplate`.
        outputs: a binding for each output of the task.
        tasks: the tasks that its nodes refer to; those that are registered with the server can be left out.
        sub_workflows: the workflows that its nodes refer to as sub-workflows.
    """

    nodes: Sequence[core.Node]
    outputs: Sequence[core.Binding] = ()
    tasks: Sequence[core.TaskTemplate] = ()
    sub_workflows: Sequence[core.WorkflowTemplate] = ()

    @classmethod
    def from_spec(cls, spec: core.DynamicJobSpec) -> DynamicWorkflow:
        """The same from the message that flytekit's dynamic tasks write."""
        return cls(nodes=spec.nodes, outputs=spec.outputs, tasks=spec.tasks, sub_workflows=spec.subworkflows)


class TaskFailed(Exception):
    """What a handler raises to fail an attempt with exactly this error.

    Any other exception fails it, too: by the user's fault, and to be repeated if retries are left.

    Args:
        message: the error's text.
        code: its code.
        kind: whose fault it is. Failures by the system's fault are repeated whatever retries the task has.
        recoverable: whether the attempt may be repeated; if not, the node fails at once with this very error.
    """

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "USER:TaskFailed",
        kind: Literal["user", "system"] = "user",
        recoverable: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.kind = kind
        self.recoverable = recoverable
