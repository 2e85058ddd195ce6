"""What `flyteasync demo` shows."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .demo_run import Report


def progress() -> Progress:
    """Live progress, for people: on standard error, only if that is a terminal, and gone when the work is done."""
    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def show(report: Report, *, as_json: bool) -> None:
    """Print the report to standard output."""
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        Console().print(_table(report))


def _table(report: Report) -> Table:
    table = Table(title=f"{report.executions} executions, {'all right' if report.right else 'NOT all right'}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in (
        ("succeeded", report.succeeded),
        ("failed", report.failed),
        ("wrong outputs", report.mismatches),
        ("launches per second", report.launches_per_s),
        ("seconds in all", report.wall_s),
        ("end to outputs, p50 (s)", report.detect_p50_s),
        ("end to outputs, p95 (s)", report.detect_p95_s),
        *((f"RPCs: {method}", count) for method, count in report.rpcs.items()),
    ):
        table.add_row(name, str(value))
    return table
