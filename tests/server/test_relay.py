"""The relay in front of a server, tried with plain bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from flyteasync.errors import FlyteInvalidInputException, FlyteSystemUnavailableException
from flyteasync.server.relay import Outage, Relay, RelayConfig
from tests.support.loop import clock, eventually, settle

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that sends back what it gets, and ends when its client does."""

    def __init__(self) -> None:
        self.port = 0
        self.got = 0
        self.reading = asyncio.Event()
        self.reading.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.reading.wait()
            while data := await reader.read(65536):
                self.got += len(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass  # the relay reset it
        finally:
            writer.close()
            self._tasks.discard(task)

    async def __aenter__(self) -> Echo:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def echo() -> AsyncGenerator[Echo]:
    async with Echo() as server:
        yield server


@asynccontextmanager
async def relaying(echo: Echo, config: RelayConfig | None = None) -> AsyncGenerator[Relay]:
    relay = Relay("127.0.0.1", echo.port, config)
    await relay.start("127.0.0.1", 0)
    try:
        yield relay
    finally:
        await relay.aclose()


@pytest.fixture
async def relay(echo: Echo) -> AsyncGenerator[Relay]:
    async with relaying(echo) as relay:
        yield relay


Connect = Callable[[Relay], Any]


@pytest.fixture
async def connect() -> AsyncGenerator[Connect]:
    """Connect to a relay; all connections end with the test."""
    writers: list[asyncio.StreamWriter] = []

    async def to(relay: Relay) -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(relay.endpoint.rpartition(":")[2]))
        writers.append(writer)
        return reader, writer

    yield to
    for writer in writers:
        writer.transport.abort()
    await settle()


async def ask(connection: Connection, data: bytes = b"hello") -> bytes:
    reader, writer = connection
    writer.write(data)
    await writer.drain()
    async with asyncio.timeout(10):
        return await reader.readexactly(len(data))


async def is_reset(connection: Connection) -> bool:
    """Whether a connection ends, and as a crash does."""
    try:
        async with asyncio.timeout(10):
            assert await connection[0].read() == b""
    except ConnectionResetError:
        return True
    return False


async def test_bytes_are_passed_on_as_they_are_and_counted(relay: Relay, connect: Connect) -> None:
    data = bytes(range(256)) * 1000
    connection: Connection = await connect(relay)
    reader, writer = connection
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    assert (relay.stats.bytes_in, relay.stats.bytes_out) == (len(data), len(data))
    assert (relay.stats.accepted, relay.stats.open, relay.stats.killed) == (1, 1, 0)


async def test_the_end_of_one_direction_is_passed_on_and_the_other_goes_on(
    echo: Echo, relay: Relay, connect: Connect
) -> None:
    echo.reading.clear()
    reader, writer = await connect(relay)
    writer.write(b"all of it")
    writer.write_eof()
    echo.reading.set()
    async with asyncio.timeout(10):
        assert await reader.read() == b"all of it"
    await eventually(lambda: relay.stats.open == 0)


async def test_killed_connections_are_reset_and_new_ones_work(relay: Relay, connect: Connect) -> None:
    first, second = await connect(relay), await connect(relay)
    assert (await ask(first), await ask(second)) == (b"hello", b"hello")
    assert relay.kill() == 2
    assert await is_reset(first)
    assert await is_reset(second)
    assert await ask(await connect(relay)) == b"hello"
    assert (relay.stats.killed, relay.stats.open, relay.kill(0)) == (2, 1, 0)


async def test_the_oldest_connection_can_be_killed_alone(relay: Relay, connect: Connect) -> None:
    first, second = await connect(relay), await connect(relay)
    assert (await ask(first), await ask(second)) == (b"hello", b"hello")
    assert relay.kill(1) == 1
    assert await is_reset(first)
    assert await ask(second) == b"hello"


async def test_connections_are_killed_again_and_again(echo: Echo, connect: Connect) -> None:
    async with relaying(echo, RelayConfig(kill_every=60)) as relay:
        for _ in range(3):
            connection = await connect(relay)
            assert await ask(connection) == b"hello"
            await clock().advance(60)
            assert await is_reset(connection)
        relay.set_kill_every(0)
        connection = await connect(relay)
        await clock().advance(120)
        assert await ask(connection) == b"hello"


async def test_a_stalled_relay_holds_bytes_and_delivers_them_later(echo: Echo, relay: Relay, connect: Connect) -> None:
    old = await connect(relay)
    assert await ask(old) == b"hello"
    relay.set_mode("stall")
    new = await connect(relay)
    asked = [asyncio.create_task(ask(connection, b"held")) for connection in (old, new)]
    await eventually(lambda: relay.stats.accepted == 2)
    await settle()
    assert echo.got == len(b"hello")
    relay.set_mode("open")
    assert await asyncio.gather(*asked) == [b"held", b"held"]


async def test_a_stalled_relay_takes_in_no_more_than_it_can_hold(echo: Echo, relay: Relay, connect: Connect) -> None:
    _, writer = await connect(relay)
    relay.set_mode("stall")
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while True:
            writer.write(bytes(65536))
            await writer.drain()
            sent += 65536

    task = asyncio.create_task(flood())
    await eventually(lambda: sent)
    before = -1
    while sent != before:  # the buffers of two sockets, and the relay's own
        before = sent
        await settle(200)
    assert sent < 16 * 1024 * 1024
    assert relay.stats.bytes_in == 0
    task.cancel()


async def test_a_refusing_relay_resets_those_who_arrive_and_leaves_the_others_alone(
    relay: Relay, connect: Connect
) -> None:
    old = await connect(relay)
    assert await ask(old) == b"hello"
    relay.set_mode("refuse")
    assert await is_reset(await connect(relay))
    assert await ask(old) == b"hello"
    relay.set_mode("open")
    assert await ask(await connect(relay)) == b"hello"
    assert (relay.stats.accepted, relay.stats.refused, relay.stats.killed) == (2, 1, 0)


async def test_a_relay_that_is_down_resets_everybody(relay: Relay, connect: Connect) -> None:
    old = await connect(relay)
    assert await ask(old) == b"hello"
    relay.set_mode("down")
    assert await is_reset(old)
    assert await is_reset(await connect(relay))
    assert (relay.stats.refused, relay.stats.killed) == (1, 1)


async def test_outages_begin_and_end_at_their_times(echo: Echo, connect: Connect) -> None:
    outages = (Outage(after=10, seconds=5), Outage(after=100, seconds=20, mode="stall"))
    async with relaying(echo, RelayConfig(outages=outages)) as relay:
        seen: list[str] = []
        for passed in (9, 2, 5, 80, 5, 21):
            await clock().advance(passed)
            seen.append(relay.mode)
        assert seen == ["open", "down", "open", "open", "stall", "open"]
        assert await ask(await connect(relay)) == b"hello"


async def test_an_outage_can_be_planned_later(relay: Relay) -> None:
    relay.plan([Outage(seconds=3, mode="refuse")])
    await clock().advance(0)
    assert relay.mode == "refuse"
    await clock().advance(3)
    assert relay.mode == "open"


async def test_who_connects_while_the_server_is_away_is_reset(echo: Echo, relay: Relay, connect: Connect) -> None:
    await echo.__aexit__()
    assert await is_reset(await connect(relay))


async def test_a_client_that_vanishes_leaves_nothing_behind(relay: Relay, connect: Connect) -> None:
    connections = [await connect(relay) for _ in range(20)]
    for connection in connections:
        assert await ask(connection) == b"hello"
    assert relay.stats.open == 20
    for _, writer in connections:
        writer.transport.abort()
    await eventually(lambda: relay.stats.open == 0)


async def test_a_relay_that_is_closed_resets_everybody_and_leaves_its_port(echo: Echo, connect: Connect) -> None:
    relay = Relay("127.0.0.1", echo.port, RelayConfig(kill_every=5, outages=(Outage(after=3, seconds=3),)))
    await relay.start("127.0.0.1", 0)
    port = int(relay.endpoint.rpartition(":")[2])
    connection = await connect(relay)
    relay.set_mode("stall")
    await connect(relay)
    await relay.aclose()
    await relay.aclose()
    assert await is_reset(connection)
    again = Relay("127.0.0.1", echo.port)
    assert await again.start("127.0.0.1", port) == relay.endpoint
    await again.aclose()


async def test_an_address_that_is_taken_cannot_be_relayed(echo: Echo, relay: Relay) -> None:
    port = int(relay.endpoint.rpartition(":")[2])
    other = Relay("127.0.0.1", echo.port)
    with pytest.raises(FlyteSystemUnavailableException, match=f"cannot listen on 127.0.0.1:{port}: Address already"):
        await other.start("127.0.0.1", port)
    await other.aclose()


def make(kind: type[Any], settings: dict[str, Any]) -> object:
    return kind(**settings)


@pytest.mark.parametrize(
    ("kind", "settings", "text"),
    [
        (Outage, {"seconds": -1}, "seconds of an outage must be zero or more seconds, got -1"),
        (Outage, {"seconds": 1, "after": "x"}, "after of an outage must be a number of seconds"),
        (Outage, {"seconds": 1, "mode": "x"}, "mode of a relay must be one of open, stall, refuse, down, got 'x'"),
        (RelayConfig, {"kill_every": -1}, "kill_every of a relay must be zero or more seconds, got -1"),
        (RelayConfig.from_dict, {"data": {"killed": 1}}, "a relay has kill_every and outages; unknown killed"),
        (
            Outage.from_dict,
            {"data": {"after": 1}},
            "an outage has seconds, and perhaps after and mode; got {'after': 1}",
        ),
    ],
)
def test_settings_that_make_no_sense_are_rejected(kind: type[Any], settings: dict[str, Any], text: str) -> None:
    with pytest.raises(FlyteInvalidInputException) as caught:
        make(kind, settings)
    assert str(caught.value).startswith(text)
