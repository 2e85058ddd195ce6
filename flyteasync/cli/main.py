"""The commands, each imported when it runs."""

from __future__ import annotations

import importlib

import click
from typing_extensions import override

COMMANDS = {"demo": "demo", "serve": "serve"}
"""Command name to module; a module holds its command under the name of the command."""


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f".{COMMANDS[cmd_name]}", __package__), cmd_name)


@click.command(cls=LazyGroup)
@click.version_option(package_name="flyteasync")
def flyteasync() -> None:
    """Drive Flyte executions, and run an embedded flyteadmin."""
