"""Outputs of earlier runs, and which node is about to make some."""

from __future__ import annotations

import uuid

from ...idl import admin, core
from ..rows import CacheEntry
from ..store import Store
from .activity import Activity, Wait
from .catalog import CacheKey, catalog_metadata

Status = core.CatalogCacheStatus


class Cache:
    """The catalogue of outputs, and the reservations of keys whose outputs are being made."""

    def __init__(self, store: Store, activity: Activity) -> None:
        self._store = store
        self._activity = activity
        self._reserved: dict[CacheKey, list[Wait[None]]] = {}

    def get(self, key: CacheKey) -> CacheEntry | None:
        """What was stored under a key, if anything."""
        return self._store.cache.get(_path(key))

    def put(
        self, key: CacheKey, outputs: core.LiteralMap, source: core.TaskExecutionIdentifier | None
    ) -> admin.TaskNodeMetadata:
        """Store outputs in place of what was there, and return what the node's metadata say of it."""
        metadata = catalog_metadata(key, str(uuid.uuid4()), source)
        self._store.cache[_path(key)] = CacheEntry(outputs, metadata)
        return admin.TaskNodeMetadata(cache_status=Status.CACHE_POPULATED, catalog_key=metadata)

    def hit(self, entry: CacheEntry) -> admin.TaskNodeMetadata:
        """What the metadata of a node say that uses stored outputs."""
        return admin.TaskNodeMetadata(cache_status=Status.CACHE_HIT, catalog_key=entry.metadata)

    async def reserve(self, key: CacheKey) -> None:
        """Wait until nobody makes the outputs of this key; from then on it is the caller who does."""
        while key in self._reserved:
            wait = Wait[None](self._activity)
            self._reserved[key].append(wait)
            await wait
        self._reserved[key] = []

    def release(self, key: CacheKey) -> None:
        """End a reservation, with or without outputs."""
        for wait in self._reserved.pop(key, ()):
            wait.settle(None)


def _path(key: CacheKey) -> str:
    return "/".join((key.project, key.domain, key.name, key.version, key.tag))
