"""What a server says that cannot listen."""

import socket

import pytest

from flyteasync.errors import FlyteSystemUnavailableException
from flyteasync.server import Server, ServerConfig


async def test_a_taken_port_is_refused_with_the_address_and_the_reason() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(FlyteSystemUnavailableException, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            await Server(ServerConfig(port=port)).start()


async def test_an_address_of_another_machine_is_refused_with_the_reason() -> None:
    with pytest.raises(FlyteSystemUnavailableException, match=r"192\.0\.2\.1:0: Cannot assign requested address"):
        await Server(ServerConfig(host="192.0.2.1")).start()
