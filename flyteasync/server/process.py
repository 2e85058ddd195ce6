"""A server in a process of its own.

The parent writes its settings as one line of JSON to the child's standard input, and the child answers with one line on
its standard output: `{"endpoint": ..., "direct": ...}` or `{"error": ..., "invalid": ...}`. A second line of the
parent, the grace in seconds, or the end of its standard input ends the child: so it cannot outlive its parent, however
that ends.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from ..errors import FlyteError, FlyteInvalidInputException, FlyteSystemUnavailableException, FlyteUsageError
from .config import ServerConfig
from .hosting import Addresses, Host, pending
from .references import HandlersReference, refer

START_TIMEOUT = 20.0
"""Seconds in which the child must listen."""

KILL_AFTER = 2.0
"""Seconds beside the grace after which a child that does not end is killed."""

_KEPT_LINES = 50


class ProcessHost(Host):
    """A child process, with one thread that passes its standard error on and one that waits for its end."""

    def __init__(self, config: ServerConfig, handlers: HandlersReference | None) -> None:
        self._hello = {"config": config.to_dict(), "handlers": refer(handlers)}
        self._started: Future[Addresses] = pending()
        self._ended: Future[None] = pending()
        self._process: subprocess.Popen[bytes] | None = None
        self._errors = threading.Thread(target=self._pass_errors_on, name="flyteasync server errors", daemon=True)
        self._writing = threading.Lock()
        self._last_words: deque[str] = deque(maxlen=_KEPT_LINES)

    @property
    def pid(self) -> int | None:
        """The child's process id; None before the start."""
        return None if self._process is None else self._process.pid

    def _begin(self) -> Future[Addresses]:
        if self._process is not None or self._ended.done():
            raise FlyteUsageError("this host was started before; make a new one")
        self._process = _spawn()
        # What this process can import, its handlers' modules above all, the child must find too.
        self._tell({**self._hello, "sys_path": sys.path})
        self._errors.start()
        threading.Thread(target=self._watch, name="flyteasync server watch", daemon=True).start()
        return self._started

    def _end(self, grace: float) -> Future[None]:
        process = self._process
        if process is None:
            if not self._ended.done():
                self._ended.set_result(None)
        elif not self._ended.done():
            self._tell({"grace": grace})
            self._hang_up()
            timer = _after(grace + KILL_AFTER, process.kill)
            self._ended.add_done_callback(lambda _: timer.cancel())
        return self._ended

    def _tell(self, message: object) -> None:
        """Write a line to the child, which may be gone."""
        assert self._process is not None
        assert self._process.stdin is not None
        with self._writing, contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _hang_up(self) -> None:
        """Close the child's standard input."""
        assert self._process is not None
        assert self._process.stdin is not None
        with self._writing, contextlib.suppress(OSError):
            self._process.stdin.close()

    def _watch(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        timer = _after(START_TIMEOUT, process.kill)
        line = process.stdout.readline()
        timer.cancel()
        reply: dict[str, str] = {}
        with contextlib.suppress(ValueError):
            reply = json.loads(line)
        if "endpoint" in reply:
            self._started.set_result(Addresses(reply["endpoint"], reply["direct"]))
        process.wait()
        self._hang_up()
        self._errors.join()
        process.stdout.close()
        if not self._started.done():
            self._started.set_exception(self._failure(reply, process.returncode))
        self._ended.set_result(None)

    def _failure(self, reply: dict[str, str], code: int) -> FlyteError:
        last_words = "".join(self._last_words).strip()
        if "error" in reply:
            kind = FlyteInvalidInputException if reply.get("invalid") else FlyteSystemUnavailableException
            return kind(f"the server's process failed: {reply['error']}" + (f"\n{last_words}" if last_words else ""))
        return FlyteSystemUnavailableException(
            f"the server's process ended (exit code {code}) before it listened, or did not within "
            f"{START_TIMEOUT:g} seconds" + (f":\n{last_words}" if last_words else "")
        )

    def _pass_errors_on(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        with self._process.stderr as errors:
            for line in errors:
                text = line.decode(errors="replace")
                self._last_words.append(text)
                # Whoever replaced standard error may have closed it since.
                with contextlib.suppress(OSError, ValueError):
                    sys.stderr.write(text)


def _spawn() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "flyteasync.server", "--child"]
    pipe = subprocess.PIPE
    # Ctrl-C reaches the whole group of processes; ending this one is our business.
    group = None if sys.platform == "win32" else 0
    try:
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, process_group=group)  # noqa: S603
    except OSError as error:
        raise FlyteSystemUnavailableException(f"the server's process cannot be started: {error}") from error


def _after(seconds: float, action: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer
