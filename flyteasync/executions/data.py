"""Loads the values of executions: from the server's answer, else from where that says that they are.

flyteadmin answers empty values if there are none, and also if they are too large or cannot be read. A URL in the
answer, and the URIs of closures, tell which, and lead to the values.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from .. import codec
from ..config import without_query
from ..errors import (
    FlyteDeadlineExceeded,
    FlyteDecodeError,
    FlyteEntityNotExistException,
    FlyteError,
    FlytePermissionDenied,
    FlyteResourceExhausted,
    FlyteUsageError,
)
from ..idl import admin, core
from ..literals import Access
from .base import Data
from .concurrent import map_concurrently

if TYPE_CHECKING:
    from ..literals import LiteralsResolver
    from ..literals.offloaded import Offloaded

logger = logging.getLogger("flyteasync.executions")

MAX_VALUES_BYTES = 256 * 1024 * 1024
"""The most bytes that inputs or outputs, or one offloaded literal, are fetched of."""

FETCH_LIMIT = 60.0
"""Seconds that fetching the inputs or outputs of one execution may take, besides RPCs."""

CONCURRENT_FETCHES = 8
"""Offloaded literals of one execution that are fetched at the same time."""


class Answer(Protocol):
    """What the Get...Data RPCs answer."""

    inputs: admin.UrlBlob | None
    outputs: admin.UrlBlob | None
    full_inputs: core.LiteralMap | None
    full_outputs: core.LiteralMap | None


@dataclass(frozen=True)
class Expected:
    """What is known of the values of an execution.

    Attributes:
        succeeded: whether there are outputs.
        outputs_uri: where they are stored; empty if the server does not say.
        inputs: the variables of the interface, if known.
        outputs: likewise.
        hints: Python types by name.
    """

    succeeded: bool
    outputs_uri: str = ""
    inputs: dict[str, core.Variable] | None = None
    outputs: dict[str, core.Variable] | None = None
    hints: Mapping[str, Any] | None = None


class DataLoader:
    """Makes values of answers, and fetches what they lack; one for each sync.

    A failure to fetch is no failure of the sync: it is told when the values are read.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._unreachable: dict[str, FlyteError] = {}

    async def load(self, answer: Answer, expected: Expected) -> Data:
        """The values of one execution. Costs no RPC."""
        inputs = await self._side(answer.full_inputs, answer.inputs, "", expected.inputs, expected.hints)
        if not expected.succeeded:
            return Data(inputs.values, unreadable_inputs=inputs.reason)
        outputs = await self._side(
            answer.full_outputs, answer.outputs, expected.outputs_uri, expected.outputs, expected.hints
        )
        return Data(inputs.values, outputs.values, outputs.reason, inputs.reason)

    async def _side(
        self,
        shown: core.LiteralMap | None,
        blob: admin.UrlBlob | None,
        uri: str,
        variables: dict[str, core.Variable] | None,
        hints: Mapping[str, Any] | None,
    ) -> _Side:
        """Inputs, or outputs."""
        from ..literals import LiteralsResolver  # a program that reads no values does not pay for them
        from ..literals.offloaded import find_offloaded

        literals = dict(shown.literals) if shown is not None else {}
        signed = blob.url if blob is not None and blob.bytes > 0 else ""
        try:
            if not literals and variables != {} and (signed or uri):
                literals = await self._in_time(self._elsewhere([place for place in (signed, uri) if place]))
            if offloaded := list(find_offloaded(literals)):
                await self._in_time(self._fetch_all(offloaded))
        except FlyteError as error:
            logger.info("values could not be fetched: %s", error)
            return _Side(None, str(error))
        resolver = LiteralsResolver(literals, variables, access=self._access)
        resolver.update_type_hints(hints or {})
        return _Side(resolver)

    async def _elsewhere(self, places: list[str]) -> dict[str, core.Literal]:
        """The values at the first place that can be read."""
        failures: list[FlyteError] = []
        for place in places:
            try:
                return codec.decode(core.LiteralMap, await self._read(place)).literals
            except FlyteDecodeError as error:
                failures.append(FlyteDecodeError(f"{without_query(place)}: {error}"))
            except FlyteError as error:
                failures.append(error)
        raise type(failures[-1])("; ".join(str(failure) for failure in failures)) from failures[-1]

    async def _fetch_all(self, offloaded: list[Offloaded]) -> None:
        limit = asyncio.Semaphore(CONCURRENT_FETCHES)

        async def fetch(one: Offloaded) -> None:
            async with limit:
                one.put(one.decode(await self._read(one.metadata.uri)))

        await map_concurrently(fetch, offloaded)

    async def _read(self, uri: str) -> bytes:
        """The bytes at a place; a store that could not be reached is not tried again."""
        if self._access.store is None:
            raise FlyteUsageError(f"{without_query(uri)}: there is no store to read through")
        parts = urlsplit(uri)
        root = f"{parts.scheme}://{parts.netloc}"
        if root in self._unreachable:
            raise type(self._unreachable[root])(f"{without_query(uri)}: not tried after {self._unreachable[root]}")
        try:
            return await self._access.store.read(uri, max_bytes=MAX_VALUES_BYTES)
        except (FlyteEntityNotExistException, FlytePermissionDenied, FlyteResourceExhausted, FlyteDecodeError):
            raise  # others there may be readable
        except FlyteError as error:
            self._unreachable[root] = error
            raise

    async def _in_time(self, fetching: Any) -> Any:
        scope = asyncio.timeout(FETCH_LIMIT)
        try:
            async with scope:
                return await fetching
        except TimeoutError:
            if not scope.expired():
                raise
            raise FlyteDeadlineExceeded(f"the values were not fetched within {FETCH_LIMIT:g} s") from None


@dataclass(frozen=True)
class _Side:
    values: LiteralsResolver | None
    reason: str | None = None
