"""Where in an execution a node stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """What a workflow's nodes run under.

    Attributes:
        directory: where the nodes' data is.
        unique_id: the id of the node above; empty at the top.
        attempt: which attempt of it.
        row_id: the serial number of its row.
    """

    directory: str
    unique_id: str = ""
    attempt: int = 0
    row_id: int | None = None

    @property
    def retry_group(self) -> str:
        """The attempt as nodes' metadata have it."""
        return str(self.attempt) if self.unique_id else ""
