"""`flyteasync serve`: the embedded flyteadmin, until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=30080, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option(
    "--http-port",
    type=click.IntRange(0, 65535),
    help="Port of signed URLs and /healthcheck; by default a free one, once it is needed.",
)
@click.option(
    "--handlers",
    metavar="MODULE:ATTRIBUTE",
    help="What runs the tasks: a dict of functions by task name, importable from here or installed.",
)
def serve(host: str, port: int, http_port: int | None, handlers: str | None) -> None:
    """Run an embedded flyteadmin until Ctrl-C, and print its endpoint."""
    from ..errors import FlyteError
    from ..server import ServerConfig
    from ..server.host import run_forever

    # A console script finds installed modules only, but people keep their handlers in the current directory.
    sys.path.insert(0, str(Path.cwd()))
    try:
        run_forever(ServerConfig(host=host, port=port, http_port=http_port), handlers)
    except FlyteError as error:
        raise click.ClickException(str(error)) from error
