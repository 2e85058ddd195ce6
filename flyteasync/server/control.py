"""The control API: what a running server can be told and asked, beside flyteadmin's own API.

Unary methods with JSON as message bytes, open to whoever reaches the listener (loopback by default):

* `/flyteasync.server.Control/SetFaults`: a list of faults (see `Fault.to_dict`) replaces those that are set; answers
  `{"faults": <how many>}`.
* `/flyteasync.server.Control/GetStats`: an object, `{"reset": true}` to start from zero afterwards; answers the
  counters of `Stats` with `executions` (how many are stored) and `running` (how many are under way).
* `/flyteasync.server.Control/SetSkipping`: a boolean; answers `{"skipping": <that>}`. While it is on, time is skipped
  when nothing else can happen.
* `/flyteasync.server.Control/Advance`: an object, `{"seconds": 3600}` and perhaps `"patience"`; moves the engine's
  clock on, and answers `{"now": <its time>}` when all that became due has happened.
* `/flyteasync.server.Control/Ping`: anything; answers `{"now": <the engine's time>}`.

Faults never hit these methods, and they are not counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from ..deadline import seconds
from ..errors import FlyteInvalidInputException
from .clock import Clock
from .engine import Engine
from .engine.skipping import PATIENCE
from .failures import invalid
from .faults import Fault, Faults
from .stats import Stats
from .store import Store

SERVICE = "/flyteasync.server.Control/"
SET_FAULTS = SERVICE + "SetFaults"
GET_STATS = SERVICE + "GetStats"
SET_SKIPPING = SERVICE + "SetSkipping"
ADVANCE = SERVICE + "Advance"
PING = SERVICE + "Ping"


class Control:
    """Answers the control API."""

    def __init__(self, faults: Faults, stats: Stats, store: Store, engine: Engine, clock: Clock) -> None:
        self._clock = clock
        self._faults = faults
        self._stats = stats
        self._store = store
        self._engine = engine
        self._methods: Mapping[str, Callable[[Any], Any]] = {
            SET_FAULTS: self._set_faults,
            GET_STATS: self._get_stats,
            SET_SKIPPING: self._set_skipping,
            PING: lambda payload: self._now(),
        }

    def handles(self, path: str) -> bool:
        """Whether a path is one of the control API."""
        return path in self._methods or path == ADVANCE

    async def call(self, path: str, payload: bytes) -> bytes:
        """Answer one call.

        Raises:
            FlyteInvalidInputException: the payload is not what the method takes.
        """
        try:
            data = json.loads(payload) if payload else None
        except ValueError as error:
            raise invalid(f"the payload of {path} is not JSON: {error}") from error
        answer = await self._advance(data) if path == ADVANCE else self._methods[path](data)
        return json.dumps(answer).encode()

    def _now(self) -> dict[str, Any]:
        return {"now": self._clock.now().isoformat()}

    def _set_skipping(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, bool):
            raise invalid("SetSkipping takes a boolean")
        self._engine.set_skipping(data)
        return {"skipping": data}

    async def _advance(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise invalid("Advance takes an object")
        values = cast("dict[str, Any]", data)
        try:
            how_far = seconds(values.get("seconds", "nothing"), "seconds")
            patience = seconds(values.get("patience", PATIENCE), "patience")
        except FlyteInvalidInputException as error:
            raise invalid(str(error)) from error
        await self._engine.advance(how_far, patience)
        return self._now()

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
