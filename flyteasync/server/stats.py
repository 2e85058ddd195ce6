"""What the server counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..errors import Status


@dataclass(slots=True)
class Stats:
    """Counters since the server was started or they were reset.

    Attributes:
        calls: how many RPCs ended, by method and by the name of the status that was answered.
        bytes_in: bytes of request messages.
        bytes_out: bytes of reply messages.
        duplicates: creations of something that was there already, events included, however they were answered.
        hits: calls that a fault hit, by method.
        in_flight: RPCs that have not ended.
        peers: where the connections came from that calls came over.
        restarts: how often the listener was restarted.
    """

    calls: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    bytes_in: int = 0
    bytes_out: int = 0
    duplicates: int = 0
    hits: Counter[str] = field(default_factory=Counter[str])
    in_flight: int = 0
    peers: set[str] = field(default_factory=set[str])
    restarts: int = 0

    def ended(self, method: str, status: Status) -> None:
        """Count an RPC that ended."""
        self.calls.setdefault(method, Counter())[status.name] += 1

    def reset(self) -> None:
        """Start again from zero; what is in flight, and the number of restarts, stay."""
        self.calls.clear()
        self.hits.clear()
        self.peers.clear()
        self.bytes_in = self.bytes_out = self.duplicates = 0

    def to_dict(self) -> dict[str, Any]:
        """The counters in JSON's types."""
        # Not `asdict`: on Python 3.11 it rebuilds a Counter by counting its items.
        return {
            "calls": {method: dict(statuses) for method, statuses in self.calls.items()},
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "duplicates": self.duplicates,
            "hits": dict(self.hits),
            "in_flight": self.in_flight,
            "connections": len(self.peers),
            "restarts": self.restarts,
        }
