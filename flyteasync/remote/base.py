"""What the parts of FlyteRemote share."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import FlyteInvalidInputException, FlyteUsageError
from ..idl.services import AdminService
from ..literals import Access, Store
from ..rpc import CallOptions, RetryPolicy, RpcCaller
from ..watcher import Name, Watcher
from .connection import Connection, Connector
from .console import execution_url

if TYPE_CHECKING:
    from ..executions import WorkflowCache


class Values:
    """The access to values of a remote and its views, made when it is first needed."""

    def __init__(self, config: Config, store: Store | None, allow_pickle: bool | None) -> None:
        self._config = config
        self._store = store
        self._allow_pickle = allow_pickle

    @cached_property
    def access(self) -> Access:
        """Reads through the given store, else through one that the configuration describes."""
        if self._store is not None:
            return Access(self._store, self._allow_pickle)
        from ..storage import Storage  # a program that reads no values does not pay for it

        return Access(Storage(self._config.data_config), self._allow_pickle)


class RemoteBase:
    """Configuration, defaults, and the way to the connection; implements `executions.Context`."""

    _config: Config
    _connector: Connector
    _options: CallOptions
    _default_project: str | None
    _default_domain: str | None
    _values: Values
    _view: RpcCaller | None = None
    """The caller of a remote that has options of its own, for as long as the connection is the same."""

    @property
    def config(self) -> Config:
        """The configuration that the remote was made with."""
        return self._config

    @property
    def default_project(self) -> str | None:
        """The project of calls that name none."""
        return self._default_project

    @property
    def default_domain(self) -> str | None:
        """The domain of calls that name none."""
        return self._default_domain

    @property
    def admin(self) -> AdminService:
        """The RPCs of flyteadmin, typed, with the remote's options; needs a running event loop."""
        return AdminService(self._caller)

    @property
    def admin_once(self) -> AdminService:
        """The same, each call with a single attempt."""
        return AdminService(self._connection.caller.view(replace(self._options, retry=RetryPolicy(max_attempts=1))))

    @property
    def watcher(self) -> Watcher:
        """The poller that serves all waits of the connection."""
        return self._connection.watcher

    @property
    def access(self) -> Access:
        """What values are read through that are not in messages, and whether pickles may be loaded."""
        return self._values.access

    @property
    def workflows(self) -> WorkflowCache:
        """The workflows that the connection remembers."""
        return self._connection.workflows

    def console_url(self, name: Name) -> str:
        """Where Flyte's console shows an execution."""
        return execution_url(self._config.platform, name)

    @property
    def _connection(self) -> Connection:
        return self._connector.get()

    @property
    def _caller(self) -> RpcCaller:
        caller = self._connection.caller
        if self._options is caller.options:
            return caller
        view = self._view
        if view is None or view.options is not self._options or not view.shares(caller):
            view = self._view = caller.view(self._options)
        return view

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Refuse to be pickled or copied: a connection belongs to one process, and to one event loop."""
        raise FlyteUsageError("a remote cannot be pickled or copied: make another one with its `config`")

    def _scope(self, project: str | None, domain: str | None) -> tuple[str, str]:
        """Project and domain of a call.

        Raises:
            FlyteInvalidInputException: one is given neither by the call nor by the remote.
        """
        found = (project or self._default_project, domain or self._default_domain)
        for what, value in zip(("project", "domain"), found, strict=True):
            if not value:
                raise FlyteInvalidInputException(
                    f"no {what} given: pass {what}=, or make the remote with default_{what}="
                )
        return found[0] or "", found[1] or ""
