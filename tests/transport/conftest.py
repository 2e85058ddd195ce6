"""Both transports, behind one fixture: what is promised of one is promised of the other."""

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, get_args

import pytest

from flyteasync.server.host import serve_in_process
from flyteasync.transport import Transport, TransportName, TransportOptions, make_transport

Connect = Callable[..., Transport]


@pytest.fixture(params=get_args(TransportName))
def transport_name(request: pytest.FixtureRequest) -> TransportName:
    return request.param


@pytest.fixture
async def connect(transport_name: TransportName) -> AsyncGenerator[Connect]:
    """Makes a plain-text transport to an endpoint, with any of the options, and closes it at the end."""
    made: list[Transport] = []

    def to(endpoint: str, **options: Any) -> Transport:
        made.append(make_transport(transport_name, TransportOptions(endpoint, **{"insecure": True} | options)))
        return made[-1]

    yield to
    for transport in made:
        await transport.aclose(0)


@pytest.fixture(scope="package")
def endpoint() -> Iterator[str]:
    """An embedded server in a process of its own, for tests that have more than one loop or process."""
    host = serve_in_process()
    yield host.start()
    host.stop()
