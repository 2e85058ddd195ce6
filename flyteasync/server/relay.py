"""A byte relay in front of the server: what goes wrong with connections, on command.

gRPC's server cannot lose one connection, or hold its bytes back; whoever stands between it and its clients can.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ..deadline import seconds
from ..errors import FlyteInvalidInputException, FlyteSystemUnavailableException
from .listening import refusal

RelayMode = Literal["open", "stall", "refuse", "down"]

CHUNK = 64 * 1024
"""Bytes that are read at a time; a direction of a connection holds at most about four times as many."""

_RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which connections fail.

    Attributes:
        after: seconds from when it was planned to its beginning.
        seconds: how long it lasts; at its end the relay is open.
        mode: what it is like: `down` resets all connections, and new ones as they arrive; `refuse` resets new ones and
            leaves the others alone; `stall` accepts connections, and holds all bytes back until the end.

    Raises:
        FlyteInvalidInputException: a value that makes no sense; the text names it.
    """

    after: float = 0.0
    seconds: float
    mode: RelayMode = "down"

    def __post_init__(self) -> None:
        seconds(self.after, "after of an outage")
        seconds(self.seconds, "seconds of an outage")
        check_mode(self.mode)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Outage:
        """An outage out of an object of JSON, whose `seconds` must be there.

        Raises:
            FlyteInvalidInputException: an unknown key, or a value that makes no sense.
        """
        if set(data) - {"after", "seconds", "mode"} or "seconds" not in data:
            raise FlyteInvalidInputException(f"an outage has seconds, and perhaps after and mode; got {dict(data)!r}")
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayConfig:
    """How a relay behaves from its start.

    Attributes:
        kill_every: seconds after which all connections are reset, again and again; 0 is never.
        outages: times, from the start on, in which connections fail.
    """

    kill_every: float = 0.0
    outages: tuple[Outage, ...] = ()

    def __post_init__(self) -> None:
        seconds(self.kill_every, "kill_every of a relay")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RelayConfig:
        """Settings out of an object of JSON.

        Raises:
            FlyteInvalidInputException: an unknown key, or a value that makes no sense.
        """
        if unknown := sorted(set(data) - {"kill_every", "outages"}):
            raise FlyteInvalidInputException(f"a relay has kill_every and outages; unknown {', '.join(unknown)}")
        return cls(
            kill_every=data.get("kill_every", 0.0),
            outages=tuple(Outage.from_dict(outage) for outage in data.get("outages", ())),
        )


def check_mode(mode: object) -> None:
    """Refuse what is no mode of a relay.

    Raises:
        FlyteInvalidInputException: it is none.
    """
    if mode not in get_args(RelayMode):
        raise FlyteInvalidInputException(
            f"mode of a relay must be one of {', '.join(get_args(RelayMode))}, got {mode!r}"
        )


@dataclass(slots=True)
class RelayStats:
    """Counters of a relay.

    Attributes:
        accepted: connections that were passed on.
        refused: connections that were reset as they arrived.
        killed: connections that were reset later.
        open: connections that are there now.
        bytes_in: bytes passed on to the server.
        bytes_out: bytes passed on to clients.
    """

    accepted: int = 0
    refused: int = 0
    killed: int = 0
    open: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def reset(self) -> None:
        """Start again from zero; what is open stays."""
        self.accepted = self.refused = self.killed = self.bytes_in = self.bytes_out = 0

    def to_dict(self) -> dict[str, int]:
        """The counters in JSON's types."""
        return asdict(self)


class Relay:
    """Passes bytes on between clients and a server at `host:port`; it belongs to the loop that it is started in.

    Attributes:
        endpoint: where clients connect to; empty before the start.
        stats: what was counted.
    """

    def __init__(self, host: str, port: int, config: RelayConfig | None = None) -> None:
        self.endpoint = ""
        self.stats = RelayStats()
        self._target = host.strip("[]"), port
        self._config = config or RelayConfig()
        self._mode: RelayMode = "open"
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._connections: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._ending: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._kill_every = 0.0
        self._next_kill: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the endpoint; port 0 is a free one.

        Raises:
            FlyteSystemUnavailableException: the address cannot be listened on.
        """
        try:
            self._server = await asyncio.start_server(self._accept, host.strip("[]"), port, limit=CHUNK)
        except OSError:
            reason = refusal(host, port)
            raise FlyteSystemUnavailableException(f"cannot listen on {host}:{port}: {reason}") from None
        self.endpoint = f"{host}:{self._server.sockets[0].getsockname()[1]}"
        self.set_kill_every(self._config.kill_every)
        self.plan(self._config.outages)
        return self.endpoint

    @property
    def mode(self) -> RelayMode:
        """`open`, or how connections fail now."""
        return self._mode

    def set_mode(self, mode: RelayMode) -> None:
        """Have connections fail from now on, or no longer (`open`); see `Outage`.

        Raises:
            FlyteInvalidInputException: there is no such mode.
        """
        check_mode(mode)
        self._mode = mode
        if mode == "stall":
            self._flowing.clear()
        else:
            self._flowing.set()
        if mode == "down":
            self.kill()

    def plan(self, outages: Iterable[Outage]) -> None:
        """Have connections fail at some later time, too."""
        for outage in outages:
            self._later(outage.after, lambda outage=outage: self._begin(outage))

    def kill(self, most: int | None = None) -> int:
        """Reset the oldest `most` connections, or all, and return how many those were."""
        chosen = list(self._connections)[:most]
        for task in chosen:
            self._connections.pop(task)
            self._ending.add(task)
            task.cancel()
        self.stats.killed += len(chosen)
        return len(chosen)

    def set_kill_every(self, interval: float) -> None:
        """Reset all connections again and again, every so many seconds from now on; 0 is no longer.

        Raises:
            FlyteInvalidInputException: not zero or more seconds.
        """
        self._kill_every = seconds(interval, "kill_every of a relay")
        if self._next_kill is not None:
            self._next_kill.cancel()
            self._next_kill = None
        if self._kill_every:
            self._next_kill = asyncio.get_running_loop().call_later(self._kill_every, self._kill_again)

    async def aclose(self) -> None:
        """Stop listening, and reset all connections."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.set_kill_every(0)
        if self._server is None:
            return
        self._server.close()
        self.set_mode("down")  # which refuses what the loop has accepted and not yet told of
        if self._ending:
            await asyncio.wait(self._ending)
        await self._server.wait_closed()

    # Timers ...

    def _kill_again(self) -> None:
        self.kill()
        self.set_kill_every(self._kill_every)

    def _begin(self, outage: Outage) -> None:
        self.set_mode(outage.mode)
        self._later(outage.seconds, lambda: self.set_mode("open"))

    def _later(self, delay: float, action: Callable[[], object]) -> None:
        def ring() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(delay, ring)
        self._timers.add(timer)

    # Connections ...

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Called by the loop for every connection."""
        if self._mode in ("refuse", "down"):
            self.stats.refused += 1
            _reset(writer)
            return
        self.stats.accepted += 1
        self.stats.open += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="flyteasync relay")
        self._connections[task] = None
        task.add_done_callback(lambda task: self._ended(task, writer))

    def _ended(self, task: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
        _reset(writer)  # one that was cancelled before its first step has not come to its own clean-up
        self._connections.pop(task, None)
        self._ending.discard(task)
        self.stats.open -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on in both directions until both have ended, or one of them fails."""
        writers = [writer]
        try:
            await self._flowing.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=CHUNK)
            writers.append(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far_writer, self._count_in))
                group.create_task(self._pass_on(far_reader, writer, self._count_out))
            for each in writers:
                each.close()
                await each.wait_closed()
        except* OSError:
            pass  # one of them went away, or the server does not listen: so the other one loses its connection, too
        finally:
            for each in writers:
                _reset(each)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]
    ) -> None:
        while data := await reader.read(CHUNK):
            await self._flowing.wait()
            writer.write(data)
            count(len(data))
            await writer.drain()
        await self._flowing.wait()
        writer.write_eof()

    def _count_in(self, count: int) -> None:
        self.stats.bytes_in += count

    def _count_out(self, count: int) -> None:
        self.stats.bytes_out += count


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crash does: the other side sees a reset, not an end. One that has ended stays as it is."""
    connection: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it has ended
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
