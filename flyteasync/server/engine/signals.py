"""The signals that gates wait for."""

from __future__ import annotations

from ...idl import core
from ..failures import duplicate_row
from ..rows import SignalKey, SignalRow
from ..store import Store
from .activity import Activity, Wait


def get_or_create(store: Store, key: SignalKey, kind: core.LiteralType) -> SignalRow:
    """The signal of that key and type, which is stored if there is none.

    Raises:
        FlyteEntityAlreadyExistsException: there is one of the same key and another type.
    """
    row = store.signals.get(key)
    if row is None:
        (project, domain, name), signal_id = key
        row = SignalRow(
            execution_project=project, execution_domain=domain, execution_name=name, signal_id=signal_id, type=kind
        )
        store.signals.insert(row)
    elif row.type != kind:
        # The real lookup takes the type for a part of the key, and the insert then finds the row.
        raise duplicate_row("signals_pkey")
    return row


class Signals:
    """Who waits for which signal."""

    def __init__(self, store: Store, activity: Activity) -> None:
        self._store = store
        self._activity = activity
        self._waits: dict[SignalKey, list[Wait[core.Literal]]] = {}

    def row(self, key: SignalKey, kind: core.LiteralType) -> SignalRow:
        """The signal, which can be listed from now on; raises as `get_or_create`."""
        return get_or_create(self._store, key, kind)

    async def wait(self, key: SignalKey) -> core.Literal:
        """Wait until somebody sets the signal, and return its value."""
        wait = Wait[core.Literal](self._activity, outside=True)
        waits = self._waits.setdefault(key, [])
        waits.append(wait)
        try:
            return await wait
        finally:
            waits.remove(wait)
            if not waits and self._waits.get(key) is waits:
                del self._waits[key]

    def set(self, row: SignalRow, value: core.Literal) -> None:
        """Store a signal's value, and let go on what waits for it."""
        row.value = value
        self._store.signals.touch(row)
        for wait in self._waits.get(row.key, ()):
            wait.settle(value)
