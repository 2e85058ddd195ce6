"""Signals: values that gates wait for."""

from __future__ import annotations

from ... import codec
from ...idl import admin, core, methods
from .. import validation
from ..columns import Entity
from ..engine.signals import get_or_create
from ..failures import invalid, missing
from ..filters import parse_filters
from ..inputs import UNKNOWN_TYPE, is_open
from ..listing import parse_order, parse_token, select
from ..rows import SignalKey, SignalRow
from ..text import proto_text
from ..typecheck import castable, literal_type_of
from .context import Context, Route


class SignalService:
    """The RPCs of SignalService."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._engine = context.engine

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.GET_OR_CREATE_SIGNAL.path: self.get_or_create,
            methods.LIST_SIGNALS.path: self.list,
            methods.SET_SIGNAL.path: self.set,
        }

    def get_or_create(self, request: admin.SignalGetOrCreateRequest) -> admin.Signal:
        """The signal of that id and type; its execution need not exist."""
        key = _check_id(request.id)
        if request.type is None:
            raise missing("type")
        return _message(get_or_create(self._store, key, request.type))

    def list(self, request: admin.SignalListRequest) -> admin.SignalList:
        """One page of an execution's signals."""
        execution = request.workflow_execution_id
        if execution is None or not (execution.project and execution.domain and execution.name):
            raise missing("execution_id")
        validation.check_limit(request.limit)
        page = select(
            self._store.signals.group((execution.project, execution.domain, execution.name)),
            entity=Entity.SIGNAL,
            filters=parse_filters(request.filters, Entity.SIGNAL),
            order=parse_order(request.sort_by, Entity.SIGNAL),
            offset=parse_token(request.token, "ListSignals"),
            limit=request.limit,
        )
        return admin.SignalList(signals=[_message(row) for row in page.rows], token=page.token)

    def set(self, request: admin.SignalSetRequest) -> admin.SignalSetResponse:
        """Give a signal that exists a value; a second one silently takes the place of the first."""
        key = _check_id(request.id)
        if request.value is None:
            raise missing("value")
        row = self._store.signals.get(key)
        if row is None:
            (project, domain, name), signal_id = key
            shown = f"{{{{{project} {domain} {name}}} {signal_id}}}"
            raise invalid(f"failed to validate that signal [{shown}] exists, err: [signal does not exist]")
        _check_value(row, request.value)
        self._engine.set_signal(row, request.value)
        return admin.SignalSetResponse()


def _check_id(identifier: core.SignalIdentifier | None) -> SignalKey:
    if identifier is None:
        raise missing("id")
    if identifier.execution_id is None:
        raise missing("execution_id")
    validation.require(identifier.signal_id, "signal_id")
    execution = validation.check_execution_id(identifier.execution_id)
    return ((execution.project, execution.domain, execution.name), identifier.signal_id)


def _check_value(row: SignalRow, value: core.Literal) -> None:
    kind = literal_type_of(value)
    if kind is None or is_open(kind):
        raise invalid(f"Failed to validate literal type for [] with err: {UNKNOWN_TYPE}")
    # It is the signal's type that has to be castable, which a union is not to one of its variants.
    if not castable(row.type, kind):
        # The real server prints the stored type as Go prints bytes.
        stored = " ".join(str(byte) for byte in codec.encode(row.type))
        raise invalid(
            f"requested signal value [{proto_text(value)}] is not castable to existing signal type [[{stored}]]"
        )


def _message(row: SignalRow) -> admin.Signal:
    (project, domain, name), signal_id = row.key
    execution = core.WorkflowExecutionIdentifier(project=project, domain=domain, name=name)
    return admin.Signal(
        id=core.SignalIdentifier(signal_id=signal_id, execution_id=execution), type=row.type, value=row.value
    )
