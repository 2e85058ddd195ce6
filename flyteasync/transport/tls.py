"""Which certificates to trust."""

from __future__ import annotations

from pathlib import Path

import grpc

from ..errors import FlyteInvalidInputException


def channel_credentials(ca_cert_file: str | None) -> grpc.ChannelCredentials:
    """TLS credentials that trust the file's certificates, or gRPC's bundled roots.

    Raises:
        FlyteInvalidInputException: the file cannot be read.
    """
    if ca_cert_file is None:
        return grpc.ssl_channel_credentials()
    try:
        roots = Path(ca_cert_file).expanduser().read_bytes()
    except OSError as error:
        raise FlyteInvalidInputException(
            f"the CA certificate file {ca_cert_file!r} cannot be read: {error.strerror}"
        ) from error
    return grpc.ssl_channel_credentials(root_certificates=roots)
