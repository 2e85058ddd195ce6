"""The group of all commands, and how they end.

A command's module imports what its work needs only when it runs, so that help comes at once.
"""

from __future__ import annotations

import os

import click

from .demo import demo
from .serve import serve

INTERRUPTED = 130
"""Exit status after Ctrl-C, by the shells' convention."""


@click.group()
@click.version_option(package_name="flyteasync")
def flyteasync() -> None:
    """Drive Flyte executions, and run an embedded flyteadmin."""
    # gRPC's core writes log lines to standard error, about things that our errors tell anyway.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


flyteasync.add_command(demo)
flyteasync.add_command(serve)


def run() -> int:
    """Run the command line, and return the exit status; Ctrl-C ends every command without a word."""
    try:
        return flyteasync.main(standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
