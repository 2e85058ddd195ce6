"""URIs as they may be shown."""

from __future__ import annotations

import re

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")

_WITH_CONTAINER = ("abfs", "abfss", "wasb", "wasbs")
"""Schemes that have a container where others have a user."""


def scheme_of(uri: str) -> str:
    """The scheme in lower case; empty for a local path."""
    match = SCHEME.match(uri)
    return match[1].lower() if match else ""


def without_query(uri: str) -> str:
    """A URI as it may be shown: what follows the path may be a signature, and so may be a user before the host."""
    scheme = scheme_of(uri)
    if not scheme:
        return uri
    shown = re.split(r"[?#]", uri, maxsplit=1)[0] if scheme in ("http", "https") else uri.partition("?")[0]
    head, _, rest = shown.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{head}://{authority if scheme in _WITH_CONTAINER else authority.rpartition('@')[2]}{slash}{path}"
