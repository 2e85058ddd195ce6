"""The command line in processes of its own, with pipes or in a pseudo-terminal."""

import codecs
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

FLYTEASYNC = (sys.executable, "-m", "flyteasync")

LIMIT = 30.0
"""Seconds after which a command that should have ended, or said something, makes its test fail."""

# A shell does this to a foreground job: only the processes of a controlling terminal get its Ctrl-C.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)

_IGNORE = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "


def run(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*FLYTEASYNC, *arguments], capture_output=True, text=True, timeout=LIMIT, cwd=cwd, env=environment(env)
    )


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with additions; what is imported here is importable there, wherever it starts."""
    paths = [(extra or {}).get("PYTHONPATH"), *(path for path in sys.path if path)]
    return {**os.environ, **(extra or {}), "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


@contextmanager
def started(*command: str, env: Mapping[str, str] | None = None) -> Generator[subprocess.Popen[str]]:
    """A process with pipes for its output, which ends with the block at the latest."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(env)
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[float, str, str]:
    """Send a signal and wait for the end; returns the seconds that it took, and what is left of the output."""
    began = time.monotonic()
    process.send_signal(number)
    out, errors = process.communicate(timeout=LIMIT)
    return time.monotonic() - began, out, errors


class Terminal:
    """A command that runs in the foreground of a terminal of its own."""

    def __init__(self, *arguments: str, ignoring_ctrl_c: bool = False) -> None:
        """Start the command; one that ignores Ctrl-C from its start is what `nohup` and background jobs are like."""
        self._terminal, inner = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", (_IGNORE if ignoring_ctrl_c else "") + _TAKE_TERMINAL, *FLYTEASYNC, *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            env=environment({"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}),
        )
        os.close(inner)
        self.seen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end inside of a character

    def read_until(self, pattern: str) -> None:
        """Read what the command shows until it has shown something that a regular expression finds."""
        deadline = time.monotonic() + LIMIT
        while not re.search(pattern, self.seen):
            assert self._read(deadline), f"ended without showing {pattern!r}: {self.seen!r}"

    def press_ctrl_c(self) -> None:
        os.write(self._terminal, b"\x03")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command itself."""
        self._process.send_signal(number)

    def finish(self) -> int:
        """Read to the end, and return the exit status."""
        deadline = time.monotonic() + LIMIT
        while self._read(deadline):
            pass
        return self._process.wait(LIMIT)

    def processes(self) -> list[str]:
        """The command lines of all that lives in this terminal's session."""
        lines: list[str] = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) == self._process.pid and state != "Z":
                    lines.append((folder / "cmdline").read_text().replace("\0", " "))
        return lines

    def wait_for(self, condition: Callable[[list[str]], bool]) -> None:
        """Wait until the session's processes are as they should be."""
        deadline = time.monotonic() + LIMIT
        while not condition(lines := self.processes()):
            assert time.monotonic() < deadline, f"these live: {lines}"
            time.sleep(0.01)

    def _read(self, deadline: float) -> bool:
        """Read once; False at the end."""
        ready, _, _ = select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing new for {LIMIT:g} s: {self.seen!r}"
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # how Linux tells the end of a terminal
            return False
        self.seen += self._decoder.decode(data)
        return bool(data)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)
