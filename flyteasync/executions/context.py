"""What execution objects need of the remote that made them."""

from __future__ import annotations

from typing import Protocol

from ..idl import admin
from ..idl.services import AdminService
from ..literals import Access
from ..watcher import Name, Watcher
from .workflows import WorkflowCache

AgainRequest = admin.ExecutionRelaunchRequest | admin.ExecutionRecoverRequest
"""What has an execution run once more."""


class Context(Protocol):
    """The connection of a remote, as execution objects see it."""

    @property
    def admin(self) -> AdminService:
        """The admin service, with the remote's options."""
        ...

    @property
    def admin_once(self) -> AdminService:
        """The same, without repeating what fails."""
        ...

    @property
    def watcher(self) -> Watcher:
        """The poller that serves all waits of the connection."""
        ...

    @property
    def access(self) -> Access:
        """What values are read through that are not in messages, and whether pickles may be loaded."""
        ...

    @property
    def workflows(self) -> WorkflowCache:
        """The workflows that the connection remembers."""
        ...

    def console_url(self, name: Name) -> str:
        """Where Flyte's console shows an execution."""
        ...

    async def launch_again(self, request: AgainRequest, execution_name: str | None = None) -> Name:
        """Have an execution run once more, exactly once; the name of the new one."""
        ...
