"""A server in a thread of this process."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future

from ..errors import FlyteUsageError
from .app import Server
from .config import ServerConfig
from .hosting import Addresses, Host, pending
from .references import HandlersReference, load_handlers

logger = logging.getLogger("flyteasync.server")


class ThreadHost(Host):
    """A thread with an event loop, and the server in it."""

    def __init__(self, config: ServerConfig, handlers: HandlersReference | None) -> None:
        self._config = config
        self._handlers = load_handlers(handlers)
        self._started: Future[Addresses] = pending()
        self._ended: Future[None] = pending()
        self._grace: Future[float] = pending()
        """Set when somebody wants the end, perhaps before the thread has a loop."""
        self._thread = threading.Thread(target=self._run, name="flyteasync server", daemon=True)

    def _begin(self) -> Future[Addresses]:
        if self._ended.done():
            raise FlyteUsageError("this host was stopped before it was started; make a new one")
        try:
            self._thread.start()
        except RuntimeError as error:
            raise FlyteUsageError("this host was started before; make a new one") from error
        return self._started

    def _end(self, grace: float) -> Future[None]:
        if not self._grace.done():
            self._grace.set_result(grace)
        if self._thread.ident is None and not self._ended.done():
            # It was never started, and now never will be.
            self._ended.set_result(None)
        return self._ended

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # the caller waits for it in another thread
            if not self._started.done():
                self._started.set_exception(error)
            else:
                logger.exception("the server at %s failed", self._started.result().endpoint)
        finally:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        server = Server(self._config, self._handlers)
        endpoint = await server.start()
        self._started.set_result(Addresses(endpoint, server.direct))
        grace = 0.0
        try:
            grace = await asyncio.wrap_future(self._grace)
        finally:
            await server.stop(grace)
