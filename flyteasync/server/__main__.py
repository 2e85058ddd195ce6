"""`python -m flyteasync.server`: a server in the foreground."""

from __future__ import annotations

import argparse
import sys

from ..errors import FlyteError
from .child import run_child
from .config import ServerConfig
from .host import run_forever


def main(arguments: list[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m flyteasync.server", description="Run an embedded flyteadmin.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="the port (default: a free one)")
    parser.add_argument(
        "--http-port",
        type=int,
        help="the port of signed URLs and /healthcheck (default: a free one, once it is needed)",
    )
    parser.add_argument("--handlers", metavar="MODULE:ATTRIBUTE", help="a dict of functions by task name")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        return run_child()
    try:
        config = ServerConfig(host=options.host, port=options.port, http_port=options.http_port)
        run_forever(config, options.handlers)
    except FlyteError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
