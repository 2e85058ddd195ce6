"""How a server is set up."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, get_args

from ..deadline import seconds
from ..errors import FlyteInvalidInputException
from .engine import EngineSettings, Unregistered
from .engine.handlers import MAX_COROUTINES, MAX_THREADS
from .faults import Fault
from .quantity import parse_quantity
from .relay import RelayConfig

RESOURCE_LIMITS: Mapping[str, str] = MappingProxyType({"CPU": "2", "MEMORY": "1Gi", "GPU": "1"})
"""What a task may ask for unless it is set otherwise; flyteadmin's defaults."""


_COUNTS = (
    "max_receive_bytes",
    "max_workflow_nodes",
    "max_parallelism",
    "max_system_retries",
    "max_upload_bytes",
    "max_stored_bytes",
)
_DURATIONS = (
    "phase_delay",
    "abort_delay",
    "retry_backoff",
    "node_execution_deadline",
    "node_active_deadline",
    "latency",
)
_OPTIONAL_DURATIONS = ("max_connection_age", "max_connection_age_grace")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything that can be set; the defaults are flyteadmin's where it has them.

    Attributes:
        host: the address to listen on. Whoever can reach it can run the handlers and the faults.
        port: the port; 0 picks a free one.
        projects: ids of the projects that exist from the start.
        domains: the domains of every project.
        max_receive_bytes: longer requests are answered with RESOURCE_EXHAUSTED.
        max_workflow_nodes: CreateWorkflow rejects workflows of more nodes; 0 is no limit.
        max_parallelism: how many nodes of an execution run at a time if neither it nor its launch plan says so.
        resource_limits: what a task may ask for, by the resource's name; None for a resource is no limit.
        unregistered: what becomes of a task without a handler: `fail`, `hang` (until it is aborted or times out),
            `echo` (it succeeds with its inputs, or zero values, as outputs), or `external` (executions of workflows
            that have such a task are left to whoever drives them with events).
        phase_delay: seconds of simulated work before a handler is called.
        abort_delay: seconds that an execution stays ABORTING; the real server needs some, and may never get done.
        retry_backoff: seconds before the second attempt of a node, doubled before every later one, at most 600.
        max_system_retries: how often an attempt that failed by the system's fault is repeated.
        node_execution_deadline: seconds that an attempt may take if its node does not say; 0 is no limit.
        node_active_deadline: seconds that all attempts of a node may take if it does not say; 0 is no limit.
        max_threads: how many plain handlers run at a time, each in a thread.
        max_coroutines: how many async handlers run at a time.
        skipping: whether time is skipped from the start when nothing else can happen.
        http_port: the port of signed URLs and `/healthcheck`; 0 picks a free one, None does so when one is needed.
        max_upload_bytes: how long an uploaded object may be.
        max_stored_bytes: how long all uploaded objects may be together; they are kept in memory.
        faults: what goes wrong from the start.
        latency: seconds that every RPC takes longer.
        max_connection_age: seconds after which a client is told to connect anew (GOAWAY); None is never. gRPC varies
            it by up to a tenth.
        max_connection_age_grace: seconds that calls then have before they are cut off; None is no limit.
        relay: puts a relay in front of the listener, which can make connections fail.

    Raises:
        FlyteInvalidInputException: a value that makes no sense; the text names it.
    """

    host: str = "127.0.0.1"
    port: int = 0
    projects: tuple[str, ...] = ("flytesnacks",)
    domains: tuple[str, ...] = ("development", "staging", "production")
    max_receive_bytes: int = 4 * 1024 * 1024
    max_workflow_nodes: int = 100
    max_parallelism: int = 25
    resource_limits: Mapping[str, str | None] = field(default_factory=lambda: RESOURCE_LIMITS)
    unregistered: Unregistered = "fail"
    phase_delay: float = 0.0
    abort_delay: float = 0.0
    retry_backoff: float = 0.0
    max_system_retries: int = 3
    node_execution_deadline: float = 0.0
    node_active_deadline: float = 0.0
    max_threads: int = MAX_THREADS
    max_coroutines: int = MAX_COROUTINES
    skipping: bool = False
    http_port: int | None = None
    max_upload_bytes: int = 64 * 1024 * 1024
    max_stored_bytes: int = 1024 * 1024 * 1024
    faults: tuple[Fault, ...] = ()
    latency: float = 0.0
    max_connection_age: float | None = None
    max_connection_age_grace: float | None = None
    relay: RelayConfig | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise FlyteInvalidInputException(f"port must be from 0 to 65535, got {self.port!r}")
        if not 0 <= (self.http_port or 0) <= 65535:
            raise FlyteInvalidInputException(f"http_port must be None or from 0 to 65535, got {self.http_port!r}")
        if self.unregistered not in get_args(Unregistered):
            raise FlyteInvalidInputException(
                f"unregistered must be one of {', '.join(get_args(Unregistered))}, got {self.unregistered!r}"
            )
        for name in _COUNTS:
            if getattr(self, name) < 0:
                raise FlyteInvalidInputException(f"{name} must be zero or more, got {getattr(self, name)!r}")
        for name in ("max_threads", "max_coroutines"):
            if getattr(self, name) < 1:
                raise FlyteInvalidInputException(f"{name} must be at least 1, got {getattr(self, name)!r}")
        for name in (*_DURATIONS, *(name for name in _OPTIONAL_DURATIONS if getattr(self, name) is not None)):
            seconds(getattr(self, name), name)
        for name, quantity in self.resource_limits.items():
            _check_quantity(name, quantity)

    def engine_settings(self) -> EngineSettings:
        """The settings that are the engine's."""
        return EngineSettings(**{item.name: getattr(self, item.name) for item in dataclasses.fields(EngineSettings)})

    def to_dict(self) -> dict[str, Any]:
        """The settings in JSON's types."""
        result = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        result["resource_limits"] = dict(self.resource_limits)
        result["faults"] = [fault.to_dict() for fault in self.faults]
        result["relay"] = None if self.relay is None else dataclasses.asdict(self.relay)
        return result

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ServerConfig:
        """Settings out of what `to_dict` returns; what is missing has its default.

        Raises:
            FlyteInvalidInputException: an unknown key, or a value that makes no sense.
        """
        values = dict(data)
        known = {item.name for item in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise FlyteInvalidInputException(f"unknown settings of a server: {', '.join(unknown)}")
        for name in ("projects", "domains"):
            if name in values:
                values[name] = tuple(values[name])
        if "faults" in values:
            values["faults"] = tuple(Fault.from_dict(item) for item in values["faults"])
        if values.get("relay") is not None:
            values["relay"] = RelayConfig.from_dict(values["relay"])
        return cls(**values)


def _check_quantity(name: str, quantity: str | None) -> None:
    try:
        parse_quantity(quantity or "0")
    except ValueError as error:
        raise FlyteInvalidInputException(f"resource_limits[{name!r}]: {error}, got {quantity!r}") from error
