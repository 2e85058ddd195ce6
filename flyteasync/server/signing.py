"""Signed URLs: who has one may do one thing with one object for some time; pure but for the key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote, urlencode

PREFIX = "/data/"
"""Under which path objects are: `/data/<scheme>/<the rest of their URL>`."""


class Signer:
    """Signs and checks with a key of its own, which dies with it.

    Args:
        now: the time that signatures expire by.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._key = secrets.token_bytes(32)

    def path(self, method: str, url: str, expires_at: datetime, md5: str = "") -> str:
        """The path and query that allow `method` on the object of `url` until then.

        Args:
            method: `GET` or `PUT`.
            url: the object's own URL.
            expires_at: when the permission ends.
            md5: what the `Content-MD5` header must be, in base64; empty if it does not matter.
        """
        scheme, _, rest = url.partition("://")
        expires = f"{expires_at.timestamp():.3f}"
        query = {"expires": expires, "signature": self._sign(method, url, expires, md5)}
        return f"{PREFIX}{quote(f'{scheme}/{rest}')}?{urlencode(query)}"

    def refusal(self, method: str, url: str, query: dict[str, str], md5: str) -> str:
        """Why a request is not allowed; empty if it is. `md5` is its header, which matters only if it was signed."""
        expires, signature = query.get("expires", ""), query.get("signature", "")
        wanted = [self._sign(method, url, expires, known) for known in (md5, "")]
        if not any(hmac.compare_digest(signature.encode(), known.encode()) for known in wanted):
            return "the signature does not fit the method, the path, the expiry and the Content-MD5 of the request"
        return "the signed URL has expired" if float(expires) <= self._now().timestamp() else ""

    def _sign(self, method: str, url: str, expires: str, md5: str) -> str:
        message = "\n".join((method, url, expires, md5)).encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


def object_url(path: str) -> str:
    """The URL of the object that a path (without percent signs) stands for; empty if it stands for none."""
    scheme, slash, rest = path.removeprefix(PREFIX).partition("/")
    return f"{scheme}://{rest}" if path.startswith(PREFIX) and slash and rest else ""
