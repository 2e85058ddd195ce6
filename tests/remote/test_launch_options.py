"""Settings of a launch: each arrives in what the server stores, and a bad one is refused before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from flyteidl.admin import common_pb2
from flyteidl.core import security_pb2

from flyteasync import Options, codec
from flyteasync.errors import FlyteInvalidInputException, FlyteTypeException, FlyteUserException
from flyteasync.idl import admin, core
from flyteasync.remote.options import settings_of
from tests.support.backend import Backend

Phase = core.WorkflowExecutionPhase
RUN_AS = core.SecurityContext(run_as=core.Identity(k8s_service_account="runner", iam_role="arn:aws:iam::1:role/r"))
MAIL = admin.Notification(
    phases=[Phase.FAILED], email=admin.EmailNotification(recipients_email=["ops@example.com"], template="t")
)


async def stored(backend: Backend, **settings: Any) -> admin.ExecutionSpec:
    """What the server has of an execution that was launched with these settings."""
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    execution = await backend.remote.execute(plan, **settings)
    found = await backend.remote.admin.get_execution(admin.WorkflowExecutionGetRequest(id=execution.id))
    assert found.spec is not None
    return found.spec


ARRIVING: dict[str, tuple[dict[str, Any], str, Any]] = {
    "overwrite_cache": ({"overwrite_cache": True}, "overwrite_cache", True),
    "interruptible": ({"interruptible": True}, "interruptible", True),
    "not interruptible": ({"interruptible": False}, "interruptible", False),
    "envs": (
        {"envs": {"A": "1", "EMPTY": ""}},
        "envs",
        admin.Envs(values=[core.KeyValuePair(key="A", value="1"), core.KeyValuePair(key="EMPTY")]),
    ),
    "tags": ({"tags": ["one", "two"]}, "tags", ["one", "two"]),
    "tags as a tuple": ({"tags": ("one",)}, "tags", ["one"]),
    "cluster_pool": (
        {"cluster_pool": "gpu"},
        "cluster_assignment",
        admin.ClusterAssignment(cluster_pool_name="gpu"),
    ),
    "execution_cluster_label": (
        {"execution_cluster_label": "eu"},
        "execution_cluster_label",
        admin.ExecutionClusterLabel(value="eu"),
    ),
    "labels": (
        {"options": Options(labels={"team": "ml", "example.com/empty": ""})},
        "labels",
        admin.Labels(values={"team": "ml", "example.com/empty": ""}),
    ),
    "labels as a message": (
        {"options": Options(labels=admin.Labels(values={"team": "ml"}))},
        "labels",
        admin.Labels(values={"team": "ml"}),
    ),
    "annotations": (
        {"options": Options(annotations={"owner": "any text: at all"})},
        "annotations",
        admin.Annotations(values={"owner": "any text: at all"}),
    ),
    "raw output": (
        {"options": Options(raw_output_data_config="s3://bucket/here")},
        "raw_output_data_config",
        admin.RawOutputDataConfig(output_location_prefix="s3://bucket/here"),
    ),
    "raw output as bytes": (
        {"options": Options(raw_output_data_config=b"\n\x06s3://b")},
        "raw_output_data_config",
        admin.RawOutputDataConfig(output_location_prefix="s3://b"),
    ),
    "security context": ({"options": Options(security_context=RUN_AS)}, "security_context", RUN_AS),
    "service account": (
        {"options": Options.default_from(k8s_service_account="runner")},
        "security_context",
        core.SecurityContext(run_as=core.Identity(k8s_service_account="runner")),
    ),
    "raw data prefix": (
        {"options": Options.default_from(raw_data_prefix="gs://b/x")},
        "raw_output_data_config",
        admin.RawOutputDataConfig(output_location_prefix="gs://b/x"),
    ),
    "auth role": (
        {"options": Options(auth_role=admin.AuthRole(kubernetes_service_account="old"))},
        "auth_role",
        admin.AuthRole(kubernetes_service_account="old"),
    ),
    "max_parallelism": ({"options": Options(max_parallelism=7)}, "max_parallelism", 7),
    "notifications": (
        {"options": Options(notifications=[MAIL])},
        "notifications",
        admin.NotificationList(notifications=[MAIL]),
    ),
    "disabled notifications": (
        {"options": Options(notifications=[MAIL], disable_notifications=True)},
        "disable_all",
        True,
    ),
    "overwrite_cache of options": ({"options": Options(overwrite_cache=True)}, "overwrite_cache", True),
    "the argument before the option": (
        {"options": Options(overwrite_cache=True), "overwrite_cache": False},
        "overwrite_cache",
        False,
    ),
}


@pytest.mark.parametrize(("settings", "field", "value"), list(ARRIVING.values()), ids=list(ARRIVING))
async def test_a_setting_arrives_in_what_the_server_stores(
    backend: Backend, settings: dict[str, Any], field: str, value: Any
) -> None:
    assert getattr(await stored(backend, **settings), field) == value


async def test_disabled_notifications_reach_nobody(backend: Backend) -> None:
    spec = await stored(backend, options=Options(notifications=[MAIL], disable_notifications=True))
    assert spec.notifications is None


async def test_notifications_are_those_of_the_execution(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    execution = await backend.remote.execute(plan, options=Options(notifications=[MAIL]), wait=True)
    assert execution.closure.notifications == [MAIL]


async def test_nothing_given_is_nothing_sent(backend: Backend) -> None:
    for settings in ({}, {"options": Options()}, {"tags": [], "envs": {}, "cluster_pool": ""}):
        spec = await stored(backend, **settings)
        assert (spec.tags, spec.overwrite_cache, spec.interruptible) == ([], False, None)
        for field in (
            "envs",
            "labels",
            "annotations",
            "notifications",
            "disable_all",
            "auth_role",
            "cluster_assignment",
        ):
            assert getattr(spec, field) is None, field


async def test_all_settings_arrive_from_execute_many_in_every_execution(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    runs = backend.remote.execute_many(
        plan,
        [{}, {}],
        options=Options(labels={"team": "ml"}, annotations={"a": "b"}, security_context=RUN_AS, max_parallelism=3),
        overwrite_cache=True,
        interruptible=True,
        envs={"A": "1"},
        tags=["nightly"],
        cluster_pool="gpu",
        execution_cluster_label="eu",
        poll_interval=0,
    )
    async with runs:
        assert [run.is_successful async for run in runs] == [True, True]
    for execution in await backend.executions():
        spec = execution.spec
        assert spec is not None
        assert spec.labels == admin.Labels(values={"team": "ml"})
        assert spec.annotations == admin.Annotations(values={"a": "b"})
        assert (spec.security_context, spec.max_parallelism) == (RUN_AS, 3)
        assert (spec.overwrite_cache, spec.interruptible, spec.tags) == (True, True, ["nightly"])
        assert spec.envs == admin.Envs(values=[core.KeyValuePair(key="A", value="1")])
        assert spec.cluster_assignment == admin.ClusterAssignment(cluster_pool_name="gpu")
        assert spec.execution_cluster_label == admin.ExecutionClusterLabel(value="eu")


async def test_an_execution_is_found_by_its_tags_and_labels(backend: Backend) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    execution = await backend.remote.execute(plan, tags=["nightly"], options=Options(labels={"team": "ml"}))
    await backend.remote.execute(plan)
    for filters in ("eq(execution_tag.key,nightly)", "eq(execution_tag.key,team)+eq(execution_tag.value,ml)"):
        request = admin.ResourceListRequest(
            id=admin.NamedEntityIdentifier(project=execution.id.project, domain=execution.id.domain),
            limit=10,
            filters=filters,
        )
        assert [found.id for found in (await backend.remote.admin.list_executions(request)).executions] == [
            execution.id
        ]


@dataclass
class Model:
    """A model of flytekit: what makes a pb2 message."""

    message: Any

    def to_flyte_idl(self) -> Any:
        return self.message


async def test_options_of_flytekit_are_taken_as_they_are(backend: Backend) -> None:
    options = SimpleNamespace(
        labels=Model(common_pb2.Labels(values={"team": "ml"})),
        annotations=Model(common_pb2.Annotations(values={"a": "b"})),
        raw_output_data_config=Model(common_pb2.RawOutputDataConfig(output_location_prefix="s3://b")),
        security_context=Model(
            security_pb2.SecurityContext(run_as=security_pb2.Identity(k8s_service_account="runner"))
        ),
        max_parallelism=3,
        notifications=[Model(common_pb2.Notification.FromString(codec.encode(MAIL)))],
        disable_notifications=False,
    )
    spec = await stored(backend, options=options)
    assert spec.labels == admin.Labels(values={"team": "ml"})
    assert spec.annotations == admin.Annotations(values={"a": "b"})
    assert spec.raw_output_data_config == admin.RawOutputDataConfig(output_location_prefix="s3://b")
    assert spec.security_context == core.SecurityContext(run_as=core.Identity(k8s_service_account="runner"))
    assert spec.max_parallelism == 3
    assert spec.notifications == admin.NotificationList(notifications=[MAIL])


BAD: dict[str, tuple[dict[str, Any], type[FlyteUserException], str]] = {
    "options of another kind": ({"options": {"labels": {}}}, FlyteTypeException, "options must be Options"),
    "a text as a flag": ({"overwrite_cache": "yes"}, FlyteTypeException, "overwrite_cache must be True or False"),
    "a number as a flag": ({"interruptible": 1}, FlyteTypeException, "interruptible must be True or False"),
    "envs that are pairs": ({"envs": [("A", "1")]}, FlyteTypeException, "envs must be a mapping of texts"),
    "a number in envs": ({"envs": {"A": 1}}, FlyteTypeException, "envs must be a mapping of texts"),
    "an env without a name": ({"envs": {"": "1"}}, FlyteInvalidInputException, "environment variable"),
    "an env with = in its name": ({"envs": {"A=B": "1"}}, FlyteInvalidInputException, "environment variable"),
    "a text as tags": ({"tags": "one"}, FlyteTypeException, "tags must be a list of texts"),
    "a number as a tag": ({"tags": [1]}, FlyteTypeException, "tags must be a list of texts"),
    "a tag twice": ({"tags": ["a", "a"]}, FlyteInvalidInputException, "'a' is there twice"),
    "an empty tag": ({"tags": [""]}, FlyteInvalidInputException, "is empty"),
    "a tag that is a label": (
        {"tags": ["a"], "options": Options(labels={"a": ""})},
        FlyteInvalidInputException,
        "'a' is a label without a value",
    ),
    "a number as a pool": ({"cluster_pool": 1}, FlyteTypeException, "cluster_pool must be a text"),
    "a number as a cluster": ({"execution_cluster_label": 1}, FlyteTypeException, "execution_cluster_label must be"),
    "labels that are a text": ({"options": Options(labels="a=b")}, FlyteTypeException, "labels: "),
    "a number in labels": ({"options": Options(labels={"a": 1})}, FlyteTypeException, "labels must be a mapping"),
    "another message as labels": ({"options": Options(labels=RUN_AS)}, FlyteTypeException, "labels: "),
    "a label's key with a space": ({"options": Options(labels={"a b": "c"})}, FlyteInvalidInputException, "'a b'"),
    "a label's key that is long": ({"options": Options(labels={"a" * 64: "c"})}, FlyteInvalidInputException, "63"),
    "a label's bad prefix": ({"options": Options(labels={"A_/b": "c"})}, FlyteInvalidInputException, "DNS name"),
    "a label's value": ({"options": Options(labels={"a": "b c"})}, FlyteInvalidInputException, "the value of 'a'"),
    "more labels than Flyte takes": (
        {"options": Options(labels={f"k{index}": "v" for index in range(17)})},
        FlyteInvalidInputException,
        "labels: Flyte takes at most 16, got 17",
    ),
    "an annotation's key": ({"options": Options(annotations={"": "c"})}, FlyteInvalidInputException, "annotations: "),
    "raw output of a number": ({"options": Options(raw_output_data_config=5)}, FlyteTypeException, "raw_output"),
    "raw output nowhere": ({"options": Options(raw_output_data_config="")}, FlyteInvalidInputException, "s3://"),
    "a text as a context": ({"options": Options(security_context="me")}, FlyteTypeException, "security_context: "),
    "a text as a role": ({"options": Options(auth_role="me")}, FlyteTypeException, "auth_role: "),
    "negative parallelism": ({"options": Options(max_parallelism=-1)}, FlyteInvalidInputException, "max_parallelism"),
    "huge parallelism": ({"options": Options(max_parallelism=2**31)}, FlyteInvalidInputException, "max_parallelism"),
    "a flag as parallelism": ({"options": Options(max_parallelism=True)}, FlyteTypeException, "max_parallelism"),
    "half a parallelism": ({"options": Options(max_parallelism=0.5)}, FlyteTypeException, "max_parallelism"),
    "one notification": ({"options": Options(notifications=MAIL)}, FlyteTypeException, "notifications must be a list"),
    "a notification of None": ({"options": Options(notifications=[None])}, FlyteTypeException, "notifications: "),
    "a text as a flag of options": (
        {"options": Options(disable_notifications="no")},
        FlyteTypeException,
        "disable_notifications must be",
    ),
}


@pytest.mark.parametrize(("settings", "error", "text"), list(BAD.values()), ids=list(BAD))
@pytest.mark.parametrize("many", [False, True], ids=["execute", "execute_many"])
async def test_a_bad_setting_is_refused_before_anything_is_sent(
    backend: Backend, settings: dict[str, Any], error: type[FlyteUserException], text: str, many: bool
) -> None:
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    backend.server.stats.reset()

    async def launch() -> None:
        if many:
            backend.remote.execute_many(plan, [{}], **settings)
        else:
            await backend.remote.execute(plan, **settings)

    with pytest.raises(error) as caught:
        await launch()
    assert text in str(caught.value)
    assert backend.calls() == 0


SECRET = "hunter2"
SECRETS: dict[str, dict[str, Any]] = {
    "envs beside a number": {"envs": {"PASSWORD": SECRET, "PORT": 8080}},
    "envs as bytes": {"envs": {"PASSWORD": SECRET.encode()}},
    "envs as pairs": {"envs": [("PASSWORD", SECRET)]},
    "envs as a text": {"envs": f"PASSWORD={SECRET}"},
    "a bad name beside it": {"envs": {"PASSWORD": SECRET, "A=B": "c"}},
    "options that are a dictionary": {"options": {"envs": {"PASSWORD": SECRET}}},
    "a label's value": {"options": Options(labels={"PASSWORD": f"{SECRET} {SECRET}"})},
    "a label's type": {"options": Options(labels={"PASSWORD": SECRET.encode()})},  # pyright: ignore[reportArgumentType]
    "an annotation's type": {"options": Options(annotations={"PASSWORD": [SECRET]})},  # pyright: ignore[reportArgumentType]
    "a flag": {"overwrite_cache": SECRET},
}


@pytest.mark.parametrize("settings", SECRETS.values(), ids=SECRETS)
def test_what_is_refused_is_named_and_its_value_is_not_shown(settings: dict[str, Any]) -> None:
    with pytest.raises(FlyteUserException) as caught:
        settings_of(settings.get("options"), **{key: value for key, value in settings.items() if key != "options"})
    assert SECRET not in str(caught.value) + repr(caught.value)


def test_a_value_of_the_wrong_type_is_told_with_its_key() -> None:
    wrong: Any = {"HOST": "here", "PORT": 8080}
    with pytest.raises(FlyteTypeException, match=r"envs must be a mapping of texts, got int as the value of 'PORT'$"):
        settings_of(None, envs=wrong)


def test_settings_do_not_show_environment_variables() -> None:
    assert SECRET not in repr(settings_of(None, envs={"PASSWORD": SECRET}))


async def test_a_message_of_the_callers_is_copied(backend: Backend) -> None:
    labels = admin.Labels(values={"a": "b"})
    plan = await backend.remote.fetch_launch_plan(name="nothing")
    execution = await backend.remote.execute(plan, options=Options(labels=labels))
    assert execution.spec.labels == labels
    execution.spec.labels.values["x"] = "changed"
    assert labels == admin.Labels(values={"a": "b"})
