"""Which certificates to trust: the one place for all transports."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FlyteInvalidInputException, Status
from .base import TransportError, TransportOptions

logger = logging.getLogger("flyteasync.transport")

ROOTS_VARIABLES = ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "SSL_CERT_FILE")
"""Environment variables that name a file of certificates to trust; the first that is set counts, for all transports."""

FETCH_LIMIT = 5.0
"""Seconds that looking at a server's certificate may take."""


def roots_file(options: TransportOptions) -> Path | None:
    """The PEM file of the certificates to trust; None to trust what the library trusts by itself.

    Raises:
        FlyteInvalidInputException: it cannot be read, or holds no certificate.
    """
    named = options.ca_cert_file or next((os.environ[name] for name in ROOTS_VARIABLES if os.environ.get(name)), None)
    if named is None:
        return None
    path = Path(named).expanduser()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise FlyteInvalidInputException(f"the CA certificate file {named!r} holds no certificate in PEM") from error
    except OSError as error:
        raise FlyteInvalidInputException(
            f"the CA certificate file {named!r} cannot be read: {error.strerror}"
        ) from error
    return path


def client_context(options: TransportOptions) -> ssl.SSLContext:
    """TLS for asyncio, offering HTTP/2.

    Raises:
        FlyteInvalidInputException: see `roots_file`.
    """
    if options.insecure_skip_verify:
        return _unverified()
    context = ssl.create_default_context(cafile=roots_file(options))
    context.set_alpn_protocols(["h2"])
    return context


def warn_of_blind_trust(options: TransportOptions) -> None:
    """Say in the log, once a connection, that certificates are not verified."""
    if options.insecure_skip_verify and not options.insecure:
        logger.warning(
            "insecure_skip_verify: whatever certificate %s shows is trusted, so anybody on the way can read and change"
            " what is sent",
            options.endpoint,
        )


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


@dataclass(frozen=True)
class ShownCertificate:
    """What a server shows.

    Attributes:
        pem: the certificate.
        name: a name that it is made out to; None if it has none.
    """

    pem: bytes
    name: str | None


async def shown_certificate(endpoint: str) -> ShownCertificate:
    """Look at the certificate of a server, for a library that cannot do without one to trust.

    Raises:
        TransportError: the server does not answer, or its certificate cannot be trusted even on its own account.
    """
    try:
        async with asyncio.timeout(FETCH_LIMIT):
            der, _ = await _shake_hands(endpoint, _unverified())
            # Only a verified certificate is taken apart by the ssl module.
            context = _unverified()
            context.verify_mode = ssl.CERT_REQUIRED
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(cadata=der)
            _, name = await _shake_hands(endpoint, context)
    except ssl.SSLCertVerificationError as error:
        text = f"{endpoint} shows a certificate that gRPC does not accept from anybody: {error.verify_message}"
        hint = "; transport='grpclib' does"
        raise TransportError(Status.UNAVAILABLE, text + hint, unprocessed=True) from None
    except (OSError, ValueError) as error:
        reason = str(error) or f"no answer in {FETCH_LIMIT:g} s"
        text = f"cannot connect to {endpoint}: {reason}"
        raise TransportError(Status.UNAVAILABLE, text, unprocessed=True) from None
    return ShownCertificate(ssl.DER_cert_to_PEM_cert(der).encode(), name)


async def _shake_hands(endpoint: str, context: ssl.SSLContext) -> tuple[bytes, str | None]:
    """The certificate that the server shows, and, if the context verifies it, a name in it."""
    host, port = split(endpoint)
    _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True)
        assert der is not None  # a TLS server always shows one
        return der, name_in(tls.getpeercert() or {})
    finally:
        writer.transport.abort()


def name_in(certificate: Mapping[str, Any]) -> str | None:
    """A name that a certificate, as the ssl module takes it apart, is made out to."""
    alternatives: dict[str, str] = dict(certificate.get("subjectAltName", ()))
    subject: dict[str, str] = dict(pair for pairs in certificate.get("subject", ()) for pair in pairs)
    name = alternatives.get("DNS") or alternatives.get("IP Address") or subject.get("commonName")
    return name.replace("*", "any") if name else None


def split(endpoint: str) -> tuple[str, int]:
    """Host, without the brackets of an IPv6 address, and port."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)
