"""flytekit's own Options and settings of `execute`, given to both clients, arrive alike in the server."""

from __future__ import annotations

import asyncio
import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import flyteasync
from flyteasync.cli.demo_workflow import NAME, register
from flyteasync.errors import FlyteTypeException
from flyteasync.idl import admin
from flyteasync.server.host import serve_in_process
from tests.support.backend import DOMAIN, PROJECT

pytest.importorskip("flytekit.remote")
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from flytekit import Email
    from flytekit.configuration import Config
    from flytekit.core.options import Options
    from flytekit.models.common import Annotations, Labels, RawOutputDataConfig
    from flytekit.models.core.execution import WorkflowExecutionPhase
    from flytekit.models.security import Identity, SecurityContext
    from flytekit.remote import FlyteRemote

INPUTS = {"n": 3, "name": "x"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with serve_in_process(handlers="flyteasync.cli.demo_workflow:HANDLERS") as host:
        asyncio.run(_register(host.endpoint))
        yield host.endpoint


def our_remote(endpoint: str) -> flyteasync.FlyteRemote:
    return flyteasync.FlyteRemote(flyteasync.Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN)


async def _register(endpoint: str) -> None:
    async with our_remote(endpoint) as remote:
        await register(remote.admin, PROJECT, DOMAIN)


async def ours(endpoint: str, **settings: Any) -> str:
    async with our_remote(endpoint) as remote:
        plan = await remote.fetch_launch_plan(name=NAME)
        return (await remote.execute(plan, INPUTS, **settings)).id.name


def theirs(endpoint: str, **settings: Any) -> str:
    remote = FlyteRemote(Config.for_endpoint(endpoint, insecure=True), PROJECT, DOMAIN)
    plan = remote.fetch_launch_plan(name=NAME)
    return remote.execute(plan, inputs=INPUTS, **settings).id.name


async def stored(endpoint: str, name: str) -> admin.ExecutionSpec:
    async with our_remote(endpoint) as remote:
        execution = await remote.fetch_execution(name=name)
        assert execution.spec is not None
        return execution.spec


SETTINGS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "labels": {"options": Options(labels=Labels({"team": "ml", "empty": ""}))},
    "annotations": {"options": Options(annotations=Annotations({"a": "any text"}))},
    "raw output": {"options": Options(raw_output_data_config=RawOutputDataConfig("s3://bucket/here"))},
    "security context": {
        "options": Options(security_context=SecurityContext(run_as=Identity(iam_role="r", k8s_service_account="s")))
    },
    "default_from": {"options": Options.default_from(k8s_service_account="s", raw_data_prefix="s3://b")},
    "max_parallelism": {"options": Options(max_parallelism=7)},
    "disabled notifications": {"options": Options(disable_notifications=True)},
    "overwrite_cache": {"overwrite_cache": True},
    "interruptible": {"interruptible": True},
    "not interruptible": {"interruptible": False},
    "envs": {"envs": {"A": "1", "B": ""}},
    "tags": {"tags": ["one", "two"]},
    "cluster_pool": {"cluster_pool": "gpu"},
    "execution_cluster_label": {"execution_cluster_label": "eu"},
}


def said(spec: admin.ExecutionSpec) -> dict[str, Any]:
    """What a spec says, by field; flytekit sends empty messages where it has nothing to say, and we send none."""
    values = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}
    return {name: value for name, value in values.items() if value or value is False}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
async def test_what_both_clients_send_is_stored_alike(endpoint: str, settings: dict[str, Any]) -> None:
    mine = await stored(endpoint, await ours(endpoint, **settings))
    other = await stored(endpoint, await asyncio.to_thread(theirs, endpoint, **settings))
    assert said(mine) == said(other)


async def test_notifications_arrive_which_flytekit_itself_loses(endpoint: str) -> None:
    """flytekit sends `disable_all=False` with them, which takes their place in the oneof."""
    mail = Email(phases=[WorkflowExecutionPhase.FAILED], recipients_email=["a@example.com"])
    options = Options(notifications=[mail], disable_notifications=False)
    mine = await stored(endpoint, await ours(endpoint, options=options))
    other = await stored(endpoint, await asyncio.to_thread(theirs, endpoint, options=options))
    assert mine.notifications is not None
    (notification,) = mine.notifications.notifications
    assert notification.email == admin.EmailNotification(recipients_email=["a@example.com"])
    assert other.notifications is None


async def test_something_else_than_options_is_refused(endpoint: str) -> None:
    with pytest.raises(FlyteTypeException, match="options must be"):
        await ours(endpoint, options=Labels({"a": "b"}))
