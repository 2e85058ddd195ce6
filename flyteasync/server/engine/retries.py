"""Whether a failed attempt is repeated, as the propeller decides it; pure."""

from __future__ import annotations

from dataclasses import dataclass

from ...idl import core

Kind = core.ExecutionErrorErrorKind

MAX_BACKOFF = 600.0
"""Seconds that the wait before an attempt does not exceed."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a node's attempts are repeated.

    Attributes:
        attempts: how many attempts may fail by the user's fault, the last one included.
        system_retries: how often an attempt that failed by the system's fault is repeated.
        backoff: seconds before the second attempt; doubled before every later one.
    """

    attempts: int
    system_retries: int
    backoff: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a node after a failed attempt, and the figures for the error's text."""

    again: bool
    current: int
    limit: int


def judge(policy: RetryPolicy, kind: Kind, attempt: int, system_failures: int) -> Verdict:
    """Whether to go on after a failure.

    Args:
        policy: the node's.
        kind: the failure's.
        attempt: the number of the failed attempt, from 0.
        system_failures: how many attempts before it failed by the system's fault.
    """
    if kind == Kind.SYSTEM:
        return Verdict(system_failures < policy.system_retries, system_failures, policy.system_retries)
    current = attempt + 1 - system_failures
    return Verdict(current < policy.attempts, current, policy.attempts)


def backoff(policy: RetryPolicy, attempt: int) -> float:
    """Seconds to wait before an attempt, numbered from 0."""
    if attempt < 1 or policy.backoff <= 0:
        return 0.0
    # An exponent of more than this is beyond any limit, and of more than 1,023 beyond a float.
    return min(policy.backoff * 2.0 ** min(attempt - 1, 60), MAX_BACKOFF)


def user_attempts(node: core.Node, template: core.TaskTemplate | None) -> int:
    """How many attempts a node has: what the node says, unless that is 0, else what its task says."""
    own = None if node.metadata is None else node.metadata.retries
    if own is not None and own.retries:
        return own.retries + 1
    of_task = None if template is None or template.metadata is None else template.metadata.retries
    return 1 if of_task is None else of_task.retries + 1
