"""What the endpoint of a configuration means: a host, a port, and whether TLS is spoken."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import FlyteInvalidInputException

_FORMS = "host, host:port, dns:///host:port, https://host[:port] or http://host[:port]"
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\]")


@dataclass(frozen=True)
class Endpoint:
    """Where flyteadmin listens.

    Attributes:
        host: name or address; an IPv6 address in brackets.
        port: TCP port.
        insecure: plain text instead of TLS.
    """

    host: str
    port: int
    insecure: bool

    @property
    def target(self) -> str:
        """`host:port`, as transports want it."""
        return f"{self.host}:{self.port}"


def parse_endpoint(text: str, *, insecure: bool = False) -> Endpoint:
    """Read an endpoint.

    A scheme decides about TLS: `http://` speaks plain text whatever `insecure` says. Without a port it is 443, or 80
    where plain text is spoken.

    Args:
        text: `host`, `host:port`, `dns:///host:port`, `https://host[:port]` or `http://host[:port]`.
        insecure: whether plain text is spoken where the scheme does not tell.

    Raises:
        FlyteInvalidInputException: the text is none of these, or says `https://` with `insecure`.
    """
    scheme, rest = _scheme(text.strip())
    if scheme == "https" and insecure:
        raise FlyteInvalidInputException(f"endpoint {_shown(text)}: https:// and insecure=True contradict each other")
    insecure = insecure or scheme == "http"
    host, port = _host_and_port(rest.rstrip("/"), text)
    if port is None:
        port = 80 if insecure else 443
    return Endpoint(host, port, insecure)


def _scheme(text: str) -> tuple[str, str]:
    """The scheme and what follows it; no scheme is an empty one."""
    for scheme, prefix in (("dns", "dns:///"), ("https", "https://"), ("http", "http://")):
        if text.lower().startswith(prefix):
            return scheme, text[len(prefix) :]
    return "", text


def _host_and_port(rest: str, text: str) -> tuple[str, int | None]:
    host, port = rest, ""
    if not rest.endswith("]") and ":" in rest:
        host, _, port = rest.rpartition(":")
        if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
            raise _refused(text)
    if not _HOST.fullmatch(host):
        raise _refused(text)
    return host, int(port) if port else None


def _refused(text: str) -> FlyteInvalidInputException:
    return FlyteInvalidInputException(f"endpoint {_shown(text)} is not one of: {_FORMS}")


def _shown(text: str) -> str:
    """The endpoint for an error text, without a user name and password that may be in it."""
    return repr(re.sub(r"[^/@]*@", "...@", text)[:200])
