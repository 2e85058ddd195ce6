"""`flyteasync serve`: the embedded flyteadmin, until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path

import click

LOG_LEVELS = ("debug", "info", "warning", "error")


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
@click.option(
    "--seed-project",
    "projects",
    metavar="ID",
    multiple=True,
    help="A project that exists from the start; may be repeated.  [default: flytesnacks]",
)
@click.option(
    "--latency", default=0.0, type=click.FloatRange(0), metavar="SECONDS", help="What every RPC takes longer."
)
@click.option(
    "--faults",
    metavar="FILE|JSON",
    help="What goes wrong: a list of faults as JSON, or a file that has one; see docs/server.md.",
)
@click.option("--relay", is_flag=True, help="Put a relay in front, which can make connections fail.")
@click.option(
    "--log-level", default="warning", show_default=True, type=click.Choice(LOG_LEVELS), help="What is logged to stderr."
)
def serve(
    host: str,
    port: int,
    http_port: int | None,
    handlers: str | None,
    projects: tuple[str, ...],
    latency: float,
    faults: str | None,
    relay: bool,
    log_level: str,
) -> None:
    """Run an embedded flyteadmin until Ctrl-C, and print its endpoint."""
    import logging

    from ..errors import FlyteError
    from ..server import RelayConfig, ServerConfig
    from ..server.host import run_forever
    from .serve_faults import read_faults

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # A console script finds installed modules only, but people keep their handlers in the current directory.
    sys.path.insert(0, str(Path.cwd()))
    try:
        config = ServerConfig(
            host=host,
            port=port,
            http_port=http_port,
            latency=latency,
            faults=read_faults(faults) if faults else (),
            relay=RelayConfig() if relay else None,
            projects=projects or ServerConfig().projects,
        )
        run_forever(config, handlers)
    except FlyteError as error:
        raise click.ClickException(str(error)) from error
