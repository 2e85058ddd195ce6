"""What the server counts, as the control API shows it."""

import json

from flyteasync.errors import Status
from flyteasync.server.stats import Stats


def test_counters_are_shown_in_the_types_of_json() -> None:
    stats = Stats()
    stats.ended("GetExecution", Status.OK)
    stats.ended("GetExecution", Status.OK)
    stats.ended("GetExecution", Status.NOT_FOUND)
    stats.hits["GetExecution"] += 1
    shown = json.loads(json.dumps(stats.to_dict()))
    assert shown["calls"] == {"GetExecution": {"OK": 2, "NOT_FOUND": 1}}
    assert shown["hits"] == {"GetExecution": 1}
