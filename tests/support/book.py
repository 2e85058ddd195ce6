"""A server that answers from a book of executions, whose phases a test sets."""

from __future__ import annotations

from flyteasync.codec import encode
from flyteasync.errors import Status
from flyteasync.idl import admin
from flyteasync.watcher import TERMINAL_PHASES, Name
from flyteasync.watcher.plan import Phase
from tests.support.backend import DOMAIN, PROJECT
from tests.support.wire import Call, Refusal


def message_of(name: str, phase: Phase) -> admin.Execution:
    """An execution as the server shows it."""
    return admin.Execution(
        id=Name(PROJECT, DOMAIN, name).identifier(),
        closure=admin.ExecutionClosure(phase=phase),
    )


class Book:
    """Answers for a `Wire`: to whoever asks for executions, their phases; to all other calls, an empty message."""

    def __init__(self, **phases: Phase) -> None:
        self.phases = phases

    async def __call__(self, call: Call) -> bytes:
        if call.method == "GetExecution":
            name = call.request.id.name
            if name not in self.phases:
                raise Refusal(Status.NOT_FOUND, f"no {name}")
            return encode(message_of(name, self.phases[name]))
        if call.method == "ListExecutions":
            return encode(admin.ExecutionList(executions=self._listed(call.request.filters)))
        return b""

    def _listed(self, filters: str) -> list[admin.Execution]:
        wanted = filters.partition("(execution_name,")[2].partition(")")[0].split(";")
        ended = "(phase," in filters
        return [
            message_of(name, phase)
            for name, phase in self.phases.items()
            if name in wanted and (phase in TERMINAL_PHASES or not ended)
        ]
