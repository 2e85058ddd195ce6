"""Addresses to listen on."""

from __future__ import annotations

import socket


def refusal(host: str, port: int) -> str:
    """Why an address cannot be listened on, in the operating system's words, which gRPC keeps to itself."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return "gRPC cannot bind it"


def reachable(host: str) -> str:
    """The host under which this machine itself reaches what listens on one."""
    return "127.0.0.1" if host in ("", "0.0.0.0", "::", "[::]") else host  # noqa: S104
