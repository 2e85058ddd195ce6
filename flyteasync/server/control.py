"""The control API: what a running server can be told and asked, beside flyteadmin's own API.

Unary methods with JSON as message bytes, open to whoever reaches the listener (loopback by default):

* `/flyteasync.server.Control/SetFaults`: a list of faults (see `Fault.to_dict`) replaces those that are set; answers
  `{"faults": <how many>}`.
* `/flyteasync.server.Control/GetStats`: an object, `{"reset": true}` to start from zero afterwards; answers the
  counters of `Stats` with `executions` (how many are stored), `running` (how many are under way), and `relay` (the
  counters of the relay, or null).
* `/flyteasync.server.Control/SetSkipping`: a boolean; answers `{"skipping": <that>}`. While it is on, time is skipped
  when nothing else can happen.
* `/flyteasync.server.Control/Advance`: an object, `{"seconds": 3600}` and perhaps `"patience"`; moves the engine's
  clock on, and answers `{"now": <its time>}` when all that became due has happened.
* `/flyteasync.server.Control/SetRelay`: an object, with `"mode"` (see `Outage`) or `"kill_every"` (seconds; 0 is never)
  or both; answers `{"mode": <the relay's>}`.
* `/flyteasync.server.Control/PlanOutages`: a list of outages, `{"seconds": 5}` and perhaps `"after"` and `"mode"`;
  answers `{"outages": <how many>}`.
* `/flyteasync.server.Control/KillConnections`: an object, `{"most": 1}` for the oldest only; answers
  `{"killed": <how many>}`.
* `/flyteasync.server.Control/Restart`: an object, perhaps with `"grace"` and `"downtime"` (seconds); the answer `{}`
  may get lost, and `restarts` among the counters grows when it is done.
* `/flyteasync.server.Control/Ping`: anything; answers `{"now": <the engine's time>, "direct": <the port on which the
  control API is answered whatever the relay does, or null if there is none>}`.

Faults and latency never hit these methods, and they are not counted. Those of the relay are FAILED_PRECONDITION if
there is none.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from ..deadline import seconds
from ..errors import FlyteError, FlyteInvalidInputException
from .clock import Clock
from .engine import Engine
from .engine.skipping import PATIENCE
from .failures import failed_precondition, invalid
from .faults import Fault, Faults, check_methods
from .relay import Outage, Relay
from .stats import Stats
from .store import Store

logger = logging.getLogger("flyteasync.server")

SERVICE = "/flyteasync.server.Control/"
SET_FAULTS = SERVICE + "SetFaults"
GET_STATS = SERVICE + "GetStats"
SET_SKIPPING = SERVICE + "SetSkipping"
ADVANCE = SERVICE + "Advance"
SET_RELAY = SERVICE + "SetRelay"
PLAN_OUTAGES = SERVICE + "PlanOutages"
KILL_CONNECTIONS = SERVICE + "KillConnections"
RESTART = SERVICE + "Restart"
PING = SERVICE + "Ping"


class Controlled(Protocol):
    """What the control API asks of the server."""

    direct: str
    store: Store
    stats: Stats
    faults: Faults
    relay: Relay | None

    async def restart(self, grace: float, downtime: float) -> None:
        """Take the listener away, and bring it back."""
        ...


class Control:
    """Answers the control API."""

    def __init__(self, server: Controlled, engine: Engine, clock: Clock) -> None:
        self._server = server
        self._engine = engine
        self._clock = clock
        self._restarts: set[asyncio.Task[None]] = set()
        self._methods: Mapping[str, Callable[[Any], Any]] = {
            SET_FAULTS: self._set_faults,
            GET_STATS: self._get_stats,
            SET_SKIPPING: self._set_skipping,
            SET_RELAY: self._set_relay,
            PLAN_OUTAGES: self._plan_outages,
            KILL_CONNECTIONS: self._kill_connections,
            RESTART: self._restart,
            PING: self._ping,
        }

    def handles(self, path: str) -> bool:
        """Whether a path is one of the control API."""
        return path in self._methods or path == ADVANCE

    async def call(self, path: str, payload: bytes, _: str) -> bytes:
        """Answer one call.

        Raises:
            FlyteInvalidInputException: the payload is not what the method takes.
            FlytePreconditionFailed: there is no relay.
        """
        try:
            data = json.loads(payload) if payload else None
        except ValueError as error:
            raise invalid(f"the payload of {path} is not JSON: {error}") from error
        try:
            answer = await self._advance(data) if path == ADVANCE else self._methods[path](data)
        except FlyteInvalidInputException as error:
            raise invalid(str(error)) from error
        return json.dumps(answer).encode()

    async def aclose(self) -> None:
        """Give up what is under way."""
        for task in self._restarts:
            task.cancel()
        if self._restarts:
            await asyncio.wait(self._restarts)

    def _now(self) -> dict[str, Any]:
        return {"now": self._clock.now().isoformat()}

    def _ping(self, data: Any) -> dict[str, Any]:
        relayed = self._server.relay is not None
        return self._now() | {"direct": int(self._server.direct.rpartition(":")[2]) if relayed else None}

    def _set_skipping(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, bool):
            raise invalid("SetSkipping takes a boolean")
        self._engine.set_skipping(data)
        return {"skipping": data}

    async def _advance(self, data: Any) -> dict[str, Any]:
        values = _object("Advance", data)
        how_far = seconds(values.get("seconds", "nothing"), "seconds")
        patience = seconds(values.get("patience", PATIENCE), "patience")
        await self._engine.advance(how_far, patience)
        return self._now()

    def _set_faults(self, data: Any) -> dict[str, Any]:
        faults = [Fault.from_dict(item) for item in _objects("SetFaults", data)]
        check_methods(faults)
        self._server.faults.replace(faults)
        return {"faults": len(faults)}

    def _get_stats(self, data: Any) -> dict[str, Any]:
        server, relay = self._server, self._server.relay
        result = server.stats.to_dict() | {
            "executions": len(server.store.executions.rows()),
            "running": self._engine.running,
            "relay": None if relay is None else relay.stats.to_dict(),
        }
        if data is not None and _object("GetStats", data).get("reset"):
            server.stats.reset()
            if relay is not None:
                relay.stats.reset()
        return result

    # Connections ...

    @property
    def _relay(self) -> Relay:
        if self._server.relay is None:
            raise failed_precondition("this server has no relay: start it with one, ServerConfig(relay=RelayConfig())")
        return self._server.relay

    def _set_relay(self, data: Any) -> dict[str, Any]:
        values, relay = _object("SetRelay", data, "mode", "kill_every"), self._relay
        if "kill_every" in values:
            relay.set_kill_every(values["kill_every"])
        if "mode" in values:
            relay.set_mode(values["mode"])
        return {"mode": relay.mode}

    def _plan_outages(self, data: Any) -> dict[str, Any]:
        outages = [Outage.from_dict(item) for item in _objects("PlanOutages", data)]
        self._relay.plan(outages)
        return {"outages": len(outages)}

    def _kill_connections(self, data: Any) -> dict[str, Any]:
        most = _object("KillConnections", data, "most").get("most")
        if most is not None and (not isinstance(most, int) or most < 0):
            raise invalid(f"most must be a number of connections, or null for all, got {most!r}")
        return {"killed": self._relay.kill(most)}

    def _restart(self, data: Any) -> dict[str, Any]:
        values = _object("Restart", data, "grace", "downtime")
        grace = seconds(values.get("grace", 0.0), "grace")
        downtime = seconds(values.get("downtime", 0.0), "downtime")
        # The listener that goes away is the one that has to answer this.
        task = asyncio.get_running_loop().create_task(self._restarted(grace, downtime))
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)
        return {}

    async def _restarted(self, grace: float, downtime: float) -> None:
        try:
            await self._server.restart(grace, downtime)
        except FlyteError:
            logger.exception("the server could not be restarted")


def _object(method: str, data: Any, *keys: str) -> dict[str, Any]:
    """An object, which has no other keys than these if there are any; null is an empty one."""
    if not isinstance(data, dict | type(None)):
        raise invalid(f"{method} takes an object")
    values = cast("dict[str, Any]", data or {})
    if keys and (unknown := sorted(set(values) - set(keys))):
        raise invalid(f"{method} takes {' and '.join(keys)}; unknown {', '.join(unknown)}")
    return values


def _objects(method: str, data: Any) -> list[dict[str, Any]]:
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in cast("list[object]", data)):
        raise invalid(f"{method} takes a list of objects")
    return cast("list[dict[str, Any]]", data)
