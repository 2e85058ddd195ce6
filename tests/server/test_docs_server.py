"""What docs/server.md lists, held to the server."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from flyteasync.errors import Status
from flyteasync.idl.methods import METHODS
from flyteasync.server import Fault, ServerConfig
from flyteasync.server.faults import check_methods
from flyteasync.server.stats import Stats
from tests.server.client import RpcFailed
from tests.server.conftest import Connect

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text()
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"


def section(title: str) -> str:
    return next(part for part in PAGE.split("\n## ") if part.startswith(title))


def first_column(text: str) -> set[str]:
    return {
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in re.findall("`(.+?)`", line.split("|")[1])
    }


async def test_the_methods_that_answer_unimplemented_are_listed(connect: Connect) -> None:
    client = await connect()
    missing: set[str] = set()
    for path in (*METHODS, HEALTH_WATCH):
        try:
            await client.raw(path, b"")
        except RpcFailed as error:
            if error.status is Status.UNIMPLEMENTED:
                missing.add(path.rpartition("/")[2])
    listed = set(re.findall(r"`(\w+)`", section("Not there yet")))
    assert missing == listed - {"AuthMetadataService", "IdentityService", "Check"}


async def test_health_cannot_be_watched_and_the_answer_says_what_to_do(connect: Connect) -> None:
    client = await connect()
    with pytest.raises(RpcFailed, match=r"UNIMPLEMENTED: the embedded server does not report .* call Check"):
        await client.raw(HEALTH_WATCH, b"")


def test_the_faults_that_are_shown_as_json_are_faults() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```", section("Faults"), re.MULTILINE | re.DOTALL)
    check_methods(Fault.from_dict(fault) for fault in json.loads(shown))


def test_every_setting_is_listed() -> None:
    assert first_column(section("Settings")) >= {field.name for field in fields(ServerConfig)}


def test_every_counter_is_listed() -> None:
    assert first_column(section("Counters")) == {*Stats().to_dict(), "executions", "running", "relay"}
