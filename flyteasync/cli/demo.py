"""`flyteasync demo`: the main job, end to end, on an embedded server."""

from __future__ import annotations

import click


@click.command()
@click.option("--executions", default=200, show_default=True, type=click.IntRange(1), help="How many to launch.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def demo(executions: int, as_json: bool) -> None:
    """Launch, await and check many executions on an embedded server.

    Exits with status 0 only if every output was right.
    """
    import asyncio

    from ..errors import FlyteError
    from .demo_render import progress, show
    from .demo_run import run
    from .ending import cancelled_by_sigterm, ended_by_sigterm

    try:
        # The cursor is hidden as long as there is progress to show.
        with ended_by_sigterm(), progress() as live:
            report = asyncio.run(cancelled_by_sigterm(run(executions, live)))
    except FlyteError as error:
        raise click.ClickException(str(error)) from error
    show(report, as_json=as_json)
    raise click.exceptions.Exit(0 if report.right else 1)
