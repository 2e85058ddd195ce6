"""A raw client of a server, and builders of what is registered with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import pytest

from flyteasync.server import Handler, Server, ServerConfig
from tests.server.client import Client

Connect = Callable[..., Any]


@pytest.fixture
async def connect() -> AsyncGenerator[Connect]:
    """Start servers in this loop and hand out clients of them; all end with the test."""
    servers: list[Server] = []
    clients: list[Client] = []

    async def start(handlers: Mapping[str, Handler] | None = None, **settings: Any) -> Client:
        server = Server(ServerConfig(**settings), handlers)
        servers.append(server)
        client = Client(await server.start(), server)
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.aclose()
    for server in servers:
        await server.stop()
