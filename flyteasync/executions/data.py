"""Loads the values of executions: from the server's answer, else from where that says that they are.

flyteadmin answers empty values if there are none, and also if they are too large or cannot be read. A URL in the
answer, and the URIs of closures, tell which, and lead to the values.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
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
from ..literals import Access, LiteralsResolver
from ..literals.offloaded import Offloaded, find_offloaded
from ..watcher import Name
from .base import Data
from .concurrent import map_concurrently

logger = logging.getLogger("flyteasync.executions")

MAX_VALUES_BYTES = 256 * 1024 * 1024
"""The most bytes that inputs or outputs, or one offloaded literal, are fetched of."""

FETCH_LIMIT = 60.0
"""Seconds that fetching the inputs, or the outputs, of one execution may take, besides RPCs."""

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
        inputs_uri: where the inputs are stored; empty if the server does not say.
        outputs_uri: likewise for the outputs.
        inputs: the variables of the interface, if known.
        outputs: likewise.
        hints: Python types by name.
    """

    succeeded: bool
    inputs_uri: str = ""
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
        self._seen: dict[str, dict[str, core.Literal]] = {}

    def recall(self, expected: Expected) -> Data | None:
        """The values, if they are known without asking; None if the server has to be asked.

        They are if there are none by the interface, or if values stored at the same URI were loaded before: those of an
        attempt are its node's, and those of the end node the execution's.
        """
        inputs = self._recalled(expected.inputs_uri, expected.inputs)
        outputs = self._recalled(expected.outputs_uri, expected.outputs) if expected.succeeded else None
        if inputs is None or (outputs is None and expected.succeeded):
            return None
        return Data(
            self._resolver(inputs, expected.inputs, expected.hints),
            None if outputs is None else self._resolver(outputs, expected.outputs, expected.hints),
        )

    def remember(self, uri: str, values: LiteralsResolver | None) -> None:
        """Note which values are stored at a URI; empty ones may be values that the server did not show."""
        if uri and values:
            self._seen[uri] = values.literals

    async def load(self, answer: Answer, expected: Expected, execution: Name | None = None) -> Data:
        """The values of one execution, or of a node or attempt of the execution that is named. Costs no RPC."""
        # Where nobody knows whether there are inputs, an empty answer most often says that there are none.
        inputs_uri = expected.inputs_uri if expected.inputs else ""
        inputs = await self._side(answer.full_inputs, answer.inputs, inputs_uri, expected.inputs, expected.hints)
        inputs.tell(execution)
        self.remember(expected.inputs_uri, inputs.values)
        if not expected.succeeded:
            return Data(inputs.values, unreadable_inputs=inputs.reason)
        outputs = await self._side(
            answer.full_outputs, answer.outputs, expected.outputs_uri, expected.outputs, expected.hints
        )
        outputs.tell(execution)
        self.remember(expected.outputs_uri, outputs.values)
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
        literals = dict(shown.literals) if shown is not None else {}
        signed = blob.url if blob is not None and blob.bytes > 0 else ""
        places = [] if literals or variables == {} else [place for place in (signed, uri) if place]
        if places or next(find_offloaded(literals), None) is not None:
            try:
                literals = await self._in_time(self._complete(literals, places))
            except FlyteError as error:
                return _Side(None, str(error))
        return _Side(self._resolver(literals, variables, hints))

    def _resolver(
        self,
        literals: dict[str, core.Literal],
        variables: dict[str, core.Variable] | None,
        hints: Mapping[str, Any] | None,
    ) -> LiteralsResolver:
        resolver = LiteralsResolver(literals, variables, access=self._access)
        resolver.update_type_hints(hints or {})
        return resolver

    def _recalled(self, uri: str, variables: dict[str, core.Variable] | None) -> dict[str, core.Literal] | None:
        return {} if variables == {} else self._seen.get(uri)

    async def _complete(self, literals: dict[str, core.Literal], places: list[str]) -> dict[str, core.Literal]:
        """The literals, or those at one of the places, with what was offloaded of them."""
        if places:
            literals = await self._elsewhere(places)
        if offloaded := list(find_offloaded(literals)):
            await self._fetch_all(offloaded)
        return literals

    async def _elsewhere(self, places: list[str]) -> dict[str, core.Literal]:
        """The values at the first place that can be read."""
        failures: list[FlyteError] = []
        for place in places:
            try:
                return _decoded(await self._read(place), place)
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

    async def _in_time(self, fetching: Awaitable[dict[str, core.Literal]]) -> dict[str, core.Literal]:
        scope = asyncio.timeout(FETCH_LIMIT)
        try:
            async with scope:
                return await fetching
        except TimeoutError:
            if not scope.expired():
                raise
            raise FlyteDeadlineExceeded(f"the values were not fetched within {FETCH_LIMIT:g} s") from None


def _decoded(content: bytes, place: str) -> dict[str, core.Literal]:
    try:
        return codec.decode(core.LiteralMap, content).literals
    except FlyteDecodeError as error:
        raise FlyteDecodeError(f"{without_query(place)}: {error}") from error


@dataclass(frozen=True)
class _Side:
    values: LiteralsResolver | None
    reason: str | None = None

    def tell(self, execution: Name | None) -> None:
        """Log why there are no values."""
        if self.reason is not None:
            extra = None if execution is None else execution.extra()
            logger.info("values could not be fetched: %s", self.reason, extra=extra)
