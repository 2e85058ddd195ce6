"""Tasks show their template, whichever way they were made."""

import pickle
from typing import Any

import pytest

from flyteasync.codec import encode
from flyteasync.entities import FlyteTask, TypedInterface
from flyteasync.errors import FlyteTypeException, FlyteValueException
from flyteasync.idl import admin, core
from flyteasync.interop import pb2_of
from tests.entities.build import INT_TO_INT, identifier, task_id, template


@pytest.fixture
def task() -> FlyteTask:
    return FlyteTask.promote_from_model(template())


def test_properties_show_the_template(task: FlyteTask) -> None:
    assert task.template == template()
    assert task.id == task_id("flows.inc")
    assert task.name == "flows.inc"
    assert task.type == "python-task"
    assert task.metadata.discoverable
    assert task.interface == TypedInterface.from_flyte_idl(INT_TO_INT)
    assert task.container is not None
    assert task.container.image == "image:1"
    assert task.task_type_version == 2
    assert task.config == {"pool": "small"}
    assert task.resource_type is core.ResourceType.TASK
    assert task.entity_type_text == "Task"
    assert not task.should_register


def test_what_a_template_does_not_have_is_none_or_empty() -> None:
    task = FlyteTask.promote_from_model(core.TaskTemplate())
    assert task.id == core.Identifier(resource_type=core.ResourceType.TASK)
    assert task.name == ""
    assert task.metadata == core.TaskMetadata()
    assert task.interface.is_empty
    assert task.custom == {}
    assert task.config == {}
    assert [task.container, task.k8s_pod, task.sql, task.security_context, task.extended_resources] == [None] * 5
    assert task.docs is None


def test_constructor_makes_the_same_task(task: FlyteTask) -> None:
    made = FlyteTask(
        task.id,
        task.type,
        task.metadata,
        task.interface,
        task.custom,
        task.container,
        task.task_type_version,
        config=task.config,
        should_register=True,
    )
    assert made == task
    assert made.should_register


def test_constructor_takes_messages_in_any_form(task: FlyteTask) -> None:
    made = FlyteTask(
        pb2_of(task.id),
        task.type,
        encode(task.metadata),
        pb2_of(INT_TO_INT),
        None,
        container=pb2_of(task.container),
        task_type_version=2,
        config=task.config,
    )
    assert made == task


def test_every_part_of_the_constructor_has_its_property() -> None:
    pod, sql = core.K8SPod(primary_container_name="main"), core.Sql(statement="select 1")
    security = core.SecurityContext(run_as=core.Identity(iam_role="role"))
    resources = core.ExtendedResources(shared_memory=core.SharedMemory(mount_path="/shm"))
    custom = {"a": [1.5, {"b": None}], "t": True}
    task = FlyteTask(
        task_id("t"), "x", None, None, custom, security_context=security, k8s_pod=pod, extended_resources=resources
    )
    assert task.k8s_pod == pod
    assert task.security_context == security
    assert task.extended_resources == resources
    assert task.custom == custom
    assert FlyteTask(task_id("t"), "sql", None, None, {}, sql=sql).sql == sql


def test_more_than_one_target_is_refused() -> None:
    with pytest.raises(FlyteValueException, match="got container and sql"):
        FlyteTask(task_id("t"), "x", None, None, None, container=core.Container(), sql=core.Sql())


@pytest.mark.parametrize("custom", [{"a": object()}, {"a": {1, 2}}])
def test_custom_is_what_json_can_hold(custom: dict[str, Any]) -> None:
    with pytest.raises(FlyteTypeException, match="custom: expected what JSON can hold"):
        FlyteTask(task_id("t"), "x", None, None, custom)


def test_spec_goes_there_and_back_with_its_docs(task: FlyteTask) -> None:
    docs = admin.DescriptionEntity(short_description="adds one")
    spec = admin.TaskSpec(template=template(), description=docs)
    for given in (spec, encode(spec), pb2_of(spec)):
        made = FlyteTask.from_flyte_idl(given)
        assert made.to_flyte_idl() == spec
        assert made.docs == docs
        assert made.serialize_to_string() == encode(spec)
    assert task.to_flyte_idl() == admin.TaskSpec(template=template())
    assert made != task


def test_a_template_is_no_spec() -> None:
    with pytest.raises(FlyteTypeException, match=r"expected flyteidl.admin.TaskSpec.*got flyteidl.core.TaskTemplate"):
        FlyteTask.from_flyte_idl(template())


def test_template_is_taken_in_any_form(task: FlyteTask) -> None:
    for given in (encode(template()), pb2_of(template())):
        assert FlyteTask.promote_from_model(given) == task


def test_tasks_are_equal_by_content_and_can_be_keys(task: FlyteTask) -> None:
    twin = FlyteTask.promote_from_model(template())
    assert twin == task
    assert hash(twin) == hash(task)
    other = template()
    other.type = "other"
    assert FlyteTask.promote_from_model(other) != task
    assert {task: 1}[twin] == 1
    assert task != "task"


def test_strings_say_what_it_is(task: FlyteTask) -> None:
    assert repr(task) == "<FlyteTask p/d/flows.inc/v1>"
    assert task.short_string() == "task p/d/flows.inc/v1"
    assert "    env:\n      key: 'LEVEL'\n      value: 'debug'" in task.verbose_string()
    assert not task.is_empty
    assert FlyteTask.from_flyte_idl(b"").to_flyte_idl().template == core.TaskTemplate()


def test_notebook_shows_the_interface_escaped() -> None:
    message = template()
    message.id = identifier("<script>")
    page = FlyteTask.promote_from_model(message)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<caption>inputs</caption><tr><td>a</td><td>int</td></tr>" in page


def test_pickle_keeps_the_task(task: FlyteTask) -> None:
    assert pickle.loads(pickle.dumps(task)) == task


def test_template_that_was_given_is_kept_with_what_is_not_known_of() -> None:
    unknown = encode(template()) + b"\xfa\x3f\x03new"
    assert FlyteTask.promote_from_model(unknown).template == template()
    assert b"new" in FlyteTask.promote_from_model(unknown).serialize_to_string()


def test_subclass_is_made_by_every_way_in() -> None:
    class Mine(FlyteTask):
        pass

    assert type(Mine.promote_from_model(template())) is Mine
    assert type(Mine.from_flyte_idl(admin.TaskSpec(template=template()))) is Mine
    assert Mine.promote_from_model(template()) != FlyteTask.promote_from_model(template())
