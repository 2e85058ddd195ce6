"""Counters and gauges of a remote, by flat names."""

from __future__ import annotations

from .connection import Connector


def metrics_of(connector: Connector) -> dict[str, float]:
    """The numbers that `FlyteRemote.metrics` gives."""
    stats, connection = connector.stats, connector.connection
    watcher = None if connection is None else connection.watcher
    # Copies, since another thread may look while calls are made.
    successes, failures, retries = dict(stats.successes), dict(stats.failures), dict(stats.retries)
    result: dict[str, float] = {
        "launched": connector.launches["launched"],
        "adopted": connector.launches["adopted"],
        "waiting": 0 if watcher is None else watcher.waiting,
        "done": 0 if watcher is None else watcher.done,
        "polls": 0 if watcher is None else watcher.polls,
        "lag": 0.0 if watcher is None else watcher.lag,
        "rpcs.in_flight": stats.in_flight,
        "retries": sum(retries.values()),
    }
    result |= {f"rpcs.{method}.OK": count for method, count in successes.items()}
    result |= {f"rpcs.{method}.{status}": count for (method, status), count in failures.items()}
    result |= {f"retries.{method}": count for method, count in retries.items()}
    return result
