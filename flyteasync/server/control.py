"""The control API: what a running server can be told and asked, beside flyteadmin's own API.

Three unary methods with JSON as message bytes, open to whoever reaches the listener (loopback by default):

* `/flyteasync.server.Control/SetFaults`: a list of faults (see `Fault.to_dict`) replaces those that are set; answers
  `{"faults": <how many>}`.
* `/flyteasync.server.Control/GetStats`: an object, `{"reset": true}` to start from zero afterwards; answers the
  counters of `Stats` with `executions` (how many are stored) and `running` (how many are under way).
* `/flyteasync.server.Control/Ping`: anything; answers `{}`.

Faults never hit these methods, and they are not counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from ..errors import FlyteInvalidInputException
from .engine import Engine
from .failures import invalid
from .faults import Fault, Faults
from .stats import Stats
from .store import Store

SERVICE = "/flyteasync.server.Control/"
SET_FAULTS = SERVICE + "SetFaults"
GET_STATS = SERVICE + "GetStats"
PING = SERVICE + "Ping"


class Control:
    """Answers the control API."""

    def __init__(self, faults: Faults, stats: Stats, store: Store, engine: Engine) -> None:
        self._faults = faults
        self._stats = stats
        self._store = store
        self._engine = engine
        self._methods: Mapping[str, Callable[[Any], Any]] = {
            SET_FAULTS: self._set_faults,
            GET_STATS: self._get_stats,
            PING: lambda payload: {},
        }

    def handles(self, path: str) -> bool:
        """Whether a path is one of the control API."""
        return path in self._methods

    def call(self, path: str, payload: bytes) -> bytes:
        """Answer one call.

        Raises:
            FlyteInvalidInputException: the payload is not what the method takes.
        """
        try:
            data = json.loads(payload) if payload else None
        except ValueError as error:
            raise invalid(f"the payload of {path} is not JSON: {error}") from error
        return json.dumps(self._methods[path](data)).encode()

    def _set_faults(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, list) or not all(isinstance(item, dict) for item in cast("list[object]", data)):
            raise invalid("SetFaults takes a list of objects")
        try:
            faults = [Fault.from_dict(item) for item in cast("list[dict[str, Any]]", data)]
        except FlyteInvalidInputException as error:
            raise invalid(str(error)) from error
        self._faults.replace(faults)
        return {"faults": len(faults)}

    def _get_stats(self, data: Any) -> dict[str, Any]:
        result = self._stats.to_dict() | {
            "executions": len(self._store.executions.rows()),
            "running": self._engine.running,
        }
        if isinstance(data, dict) and cast("dict[str, object]", data).get("reset"):
            self._stats.reset()
        return result
