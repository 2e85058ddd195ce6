"""Object stores: S3, Google Cloud Storage and Azure, through obstore."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ..config import DataConfig, scheme_of, without_query
from ..errors import (
    FlyteAuthenticationException,
    FlyteEntityNotExistException,
    FlyteError,
    FlyteInvalidInputException,
    FlytePermissionDenied,
    FlyteSystemUnavailableException,
    FlyteUsageError,
)
from .base import CHUNK, Body, Item, md5_of

# An extra, which checking types must not need.
obstore: Any = importlib.import_module("obstore")
stores: Any = importlib.import_module("obstore.store")
exceptions: Any = importlib.import_module("obstore.exceptions")

STORES_KEPT = 64
"""Buckets whose connections are kept."""


_METADATA_SERVICE = "169.254.169.254"


@dataclass(frozen=True)
class Place:
    """Where an object is.

    Attributes:
        scheme: the kind of store.
        bucket: the bucket or container.
        account: Azure's account; empty if the URI does not name one.
        key: the path below the bucket.
    """

    scheme: str
    bucket: str
    account: str
    key: str

    @classmethod
    def of(cls, uri: str) -> Place:
        """The place that a URI names.

        Raises:
            FlyteInvalidInputException: it names no bucket.
        """
        scheme = scheme_of(uri)
        authority, _, key = uri[len(scheme) + 3 :].partition("/")
        container, at, host = authority.partition("@")
        bucket, account = (container, host.partition(".")[0]) if at else (authority, "")
        if not bucket:
            raise FlyteInvalidInputException(f"{without_query(uri)} names no bucket")
        return cls(scheme, bucket, account, key.strip("/"))


class ObjectSource:
    """Reads `s3://`, `gs://`, `abfs://` and `az://` URIs."""

    def __init__(self, config: DataConfig, timeout: float) -> None:
        self._config = config
        self._timeout = timeout
        self._store_of: Callable[[str, str, str], Any] = lru_cache(maxsize=STORES_KEPT)(self._make)

    @asynccontextmanager
    async def get(self, uri: str) -> AsyncGenerator[Body]:
        """The object, opened."""
        store, place, shown = self._open(uri)
        try:
            result = await obstore.get_async(store, place.key)
        except (exceptions.BaseError, OSError) as error:
            raise _mapped(error, shown) from None
        attributes = {str(name).lower(): str(value) for name, value in result.attributes.items()}
        md5 = md5_of(attributes.get("flytecontentmd5"))
        yield Body(_chunks(result.stream(min_chunk_size=CHUNK), shown), result.meta["size"], md5)

    async def items(self, uri: str) -> list[Item]:
        """The objects below a prefix; the object itself if the URI is one."""
        store, place, shown = self._open(uri)
        root = uri[: len(uri) - len(uri.partition("://")[2].partition("/")[2])].rstrip("/")
        found: list[Item] = []
        try:
            async for batch in obstore.list(store, place.key or None):
                found += [_item(root, place.key, meta) for meta in batch]
            if not found and place.key:
                meta = await obstore.head_async(store, place.key)
                return [Item(f"{root}/{place.key}", place.key.rpartition("/")[2], meta["size"])]
        except (exceptions.BaseError, OSError) as error:
            raise _mapped(error, shown) from None
        return sorted(found, key=lambda item: item.name)

    def _open(self, uri: str) -> tuple[Any, Place, str]:
        if _first_process() != os.getpid():
            raise FlyteUsageError(
                "object stores were used before this process was forked, and would hang here: start it by spawn"
            )
        place = Place.of(uri)
        return self._store_of(place.scheme, place.bucket, place.account), place, without_query(uri)

    def _make(self, scheme: str, bucket: str, account: str) -> Any:
        options: Any = {"timeout": f"{self._timeout:g}s", "connect_timeout": f"{min(self._timeout, 10):g}s"}
        retry: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=self._timeout)}
        try:
            if scheme in ("s3", "s3a"):
                return _s3(bucket, self._config, options, retry)
            if scheme == "gs":
                return stores.GCSStore(bucket, client_options=options, retry_config=retry)
            return _azure(bucket, account, self._config, options, retry)
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise FlyteInvalidInputException(
                f"the store of {scheme}://{bucket} cannot be set up: {type(error).__name__}"
            ) from None


def _s3(bucket: str, config: DataConfig, options: dict[str, Any], retry: Any) -> Any:
    s3 = config.s3
    settings: dict[str, Any] = {}
    if s3.endpoint:
        settings["endpoint"] = s3.endpoint
        options["allow_http"] = urlsplit(s3.endpoint).scheme == "http"
    if s3.access_key_id and s3.secret_access_key:
        settings |= {"access_key_id": s3.access_key_id, "secret_access_key": s3.secret_access_key}
    if s3.adressing_style == "virtual":
        settings["virtual_hosted_style_request"] = True
    retry["max_retries"] = s3.retries
    return stores.S3Store(bucket, client_options=options, retry_config=retry, **settings)


def _azure(container: str, account: str, config: DataConfig, options: Any, retry: Any) -> Any:
    azure = config.azure
    settings = {
        "account_name": account or azure.account_name,
        "account_key": azure.account_key,
        "tenant_id": azure.tenant_id,
        "client_id": azure.client_id,
        "client_secret": azure.client_secret,
    }
    given: Any = {name: value for name, value in settings.items() if value}
    return stores.AzureStore(container, client_options=options, retry_config=retry, **given)


def _item(root: str, prefix: str, meta: Any) -> Item:
    path = str(meta["path"])
    return Item(f"{root}/{path}", path[len(prefix) :].lstrip("/") if prefix else path, meta["size"])


async def _chunks(stream: Any, shown: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in stream:
            yield bytes(chunk)
    except (exceptions.BaseError, OSError) as error:
        raise _mapped(error, shown) from None


def _mapped(error: Exception, shown: str) -> FlyteError:
    """An error of a store as this package's."""
    what = f"{shown}: {_said(str(error)) or type(error).__name__}"
    if isinstance(error, (FileNotFoundError, exceptions.NotFoundError)) or " 404 " in what:  # a list of no bucket
        return FlyteEntityNotExistException(f"{shown} does not exist")
    if isinstance(error, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)):
        return FlytePermissionDenied(what)
    if _METADATA_SERVICE in what:  # the last place that is looked for credentials, if nothing else has them
        return FlyteAuthenticationException(f"{shown}: no credentials were found for it")
    return FlyteSystemUnavailableException(what)


def _said(text: str) -> str:
    """What a store's error says, without what may have been signed: queries, and bodies of replies."""
    code = re.search(r"<Code>(\w+)</Code>", text)
    first = re.sub(r"\?\S*", "", text.partition("\n")[0].partition("<")[0]).strip()
    return f"{first[:300]} {code[1] if code else ''}".strip()


@lru_cache(maxsize=1)
def _first_process() -> int:
    """The process that used object stores first."""
    return os.getpid()
