"""What each member of flytekit's entities does here that only its class has; none is satisfied by its name."""

from __future__ import annotations

from typing import Any

import pytest

from flyteasync import codec
from flyteasync.entities import (
    EntityKey,
    FlyteLaunchPlan,
    FlyteNode,
    FlyteTask,
    FlyteTaskNode,
    FlyteWorkflow,
    TypedInterface,
)
from flyteasync.errors import FlyteAssertion, FlyteTypeException, FlyteValueException
from flyteasync.idl import admin, core
from flyteasync.interop import pb2_of
from tests.contract.behaviours import forms, goes_there_and_back, promotes
from tests.contract.known import a_plan, a_task, a_workflow, behaviour
from tests.entities.build import (
    INT,
    INT_TO_INT,
    STR,
    closure_of_everything,
    plan_id,
    plan_spec,
    promise,
    task_id,
    template,
    variables,
    workflow,
    workflow_id,
)

DOCS = admin.DescriptionEntity(short_description="does much")
POD = core.K8SPod(primary_container_name="main")
SQL = core.Sql(statement="select 1")
SECURITY = core.SecurityContext(run_as=core.Identity(iam_role="role"))
RESOURCES = core.ExtendedResources(shared_memory=core.SharedMemory(mount_path="/shm"))


# Tasks ...


@behaviour("FlyteTask.__init__")
async def _() -> None:
    known = a_task()
    for identifier, metadata, interface, container in zip(
        *map(forms, (task_id("flows.inc"), known.metadata, INT_TO_INT, known.template.container)),  # pyright: ignore[reportArgumentType]
        strict=True,
    ):
        made = FlyteTask(identifier, "python-task", metadata, interface, {}, container, 2, config={"pool": "small"})
        assert made == known
    with pytest.raises(FlyteValueException, match="one of container, k8s_pod and sql, got container and sql"):
        FlyteTask(task_id("t"), "x", None, None, None, core.Container(), sql=SQL)
    with pytest.raises(FlyteTypeException, match="custom: expected what JSON can hold"):
        FlyteTask(task_id("t"), "x", None, None, {"a": object()})


@behaviour("FlyteTask.type", "FlyteTask.task_type_version", "FlyteTask.metadata", "FlyteTask.config")
async def _() -> None:
    task = a_task()
    assert (task.type, task.task_type_version, task.config) == ("python-task", 2, {"pool": "small"})
    assert task.metadata == template().metadata
    bare = FlyteTask(task_id("t"), "x", None, None, None)
    assert (bare.task_type_version, bare.config, bare.metadata) == (0, {}, core.TaskMetadata())


@behaviour("FlyteTask.interface")
async def _() -> None:
    assert a_task().interface == TypedInterface.from_flyte_idl(INT_TO_INT)
    assert FlyteTask(task_id("t"), "x", None, None, None).interface.is_empty


@behaviour("FlyteTask.custom")
async def _() -> None:
    custom = {"a": [1.5, {"b": None}], "t": True}
    assert FlyteTask(task_id("t"), "x", None, None, custom).custom == custom
    assert a_task().custom == {}


@behaviour("FlyteTask.container", "FlyteTask.k8s_pod", "FlyteTask.sql")
async def _() -> None:
    container = a_task().container
    assert container is not None
    assert container.image == "image:1"
    targets: list[dict[str, Any]] = [{"container": container}, {"k8s_pod": POD}, {"sql": SQL}]
    for given in targets:
        task = FlyteTask(task_id("t"), "x", None, None, None, **given)
        shown = {"container": task.container, "k8s_pod": task.k8s_pod, "sql": task.sql}
        assert shown == {**dict.fromkeys(shown), **given}


@behaviour("FlyteTask.security_context", "FlyteTask.extended_resources", "FlyteTask.should_register")
async def _() -> None:
    made = FlyteTask(
        task_id("t"), "x", None, None, None, None, 0, SECURITY, extended_resources=RESOURCES, should_register=True
    )
    assert (made.security_context, made.extended_resources, made.should_register) == (SECURITY, RESOURCES, True)
    bare = a_task()
    assert (bare.security_context, bare.extended_resources, bare.should_register) == (None, None, False)


@behaviour("FlyteTask.promote_from_model", "FlyteTask.template")
async def _() -> None:
    made = promotes(FlyteTask, FlyteTask.promote_from_model, template(), workflow("w"))
    assert made.template == template()


@behaviour("FlyteTask.from_flyte_idl", "FlyteTask.to_flyte_idl", "FlyteTask.serialize_to_string", "FlyteTask.docs")
async def _() -> None:
    spec = admin.TaskSpec(template=template(), description=DOCS)
    made = goes_there_and_back(FlyteTask, spec, template())
    assert (made.to_flyte_idl(), made.docs) == (spec, DOCS)
    assert a_task().docs is None


@behaviour("FlyteTask.short_string", "FlyteTask.verbose_string", "FlyteTask.is_empty")
async def _() -> None:
    task = a_task()
    assert task.short_string() == "task p/d/flows.inc/v1"
    assert "image: 'image:1'" in task.verbose_string()
    assert not task.is_empty
    assert FlyteTask.from_flyte_idl(b"").is_empty
    assert not FlyteTask.from_flyte_idl(admin.TaskSpec(description=DOCS)).is_empty


# Workflows ...


@behaviour("FlyteWorkflow.__init__", "FlyteWorkflow.should_register")
async def _() -> None:
    known = a_workflow()
    assert not known.should_register
    for identifier, interface, metadata, defaults in zip(
        forms(known.id), forms(INT_TO_INT), forms(known.metadata), forms(known.metadata_defaults), strict=True
    ):
        made = FlyteWorkflow(
            identifier,
            known.flyte_nodes[:-1],
            interface,
            known.outputs,
            metadata,
            defaults,
            known.flyte_sub_workflows,
            known.flyte_tasks,
            {EntityKey.of(plan_id("plan")): plan_spec()},
            known.compiled_closure,
            True,
            failure_node=known.failure_node,
        )
        assert made == known
        assert made.should_register
        assert (made.flyte_sub_workflows, made.flyte_tasks) == (known.flyte_sub_workflows, known.flyte_tasks)
        assert made.compiled_closure is known.compiled_closure
    with pytest.raises(FlyteAssertion, match="needs an id"):
        FlyteWorkflow(known.id, [FlyteNode("", [], [], None, FlyteTaskNode(a_task()))], None, [], None, None)


@behaviour("FlyteWorkflow.promote_from_closure")
async def _() -> None:
    closure = closure_of_everything()
    made = promotes(FlyteWorkflow, FlyteWorkflow.promote_from_closure, closure, template())
    assert made.node_map["n0"].flyte_entity == a_task()
    assert made.compiled_closure == closure == closure_of_everything()
    given = FlyteWorkflow.promote_from_closure(closure, {EntityKey.of(plan_id("unknown_plan")): pb2_of(plan_spec())})
    launched = given.node_map["n3-n2"].flyte_entity
    assert isinstance(launched, FlyteLaunchPlan)
    assert launched.spec == plan_spec()


@behaviour("FlyteWorkflow.promote_from_model")
async def _() -> None:
    parts = {EntityKey.of(workflow_id(name)): workflow(name) for name in ("outer", "inner", "clean_up")}
    made = promotes(
        FlyteWorkflow,
        lambda form: FlyteWorkflow.promote_from_model(
            form,
            parts,
            {EntityKey.of(task_id("flows.inc")): a_task()},
            {EntityKey.of(plan_id("plan")): plan_spec()},
        ),
        a_workflow().template,
        template(),
    )
    found = [made.node_map[name].flyte_entity for name in ("n0", "n1")]
    assert found == [a_task(), FlyteWorkflow.promote_from_model(workflow("outer"))]
    launched = made.node_map["n2"].flyte_entity
    assert isinstance(launched, FlyteLaunchPlan)
    assert launched.spec == plan_spec()


@behaviour(
    "FlyteWorkflow.from_flyte_idl",
    "FlyteWorkflow.to_flyte_idl",
    "FlyteWorkflow.serialize_to_string",
    "FlyteWorkflow.docs",
)
async def _() -> None:
    known = a_workflow()
    spec = admin.WorkflowSpec(template=known.template, sub_workflows=known.sub_workflows, description=DOCS)
    made = goes_there_and_back(FlyteWorkflow, spec, template())
    assert (made.to_flyte_idl(), made.docs) == (spec, DOCS)
    assert known.docs is None
    assert codec.decode(admin.WorkflowSpec, known.serialize_to_string()).template == known.template


@behaviour("FlyteWorkflow.get_non_system_nodes")
async def _() -> None:
    nodes = [core.Node(id=name) for name in ("start-node", "n0", "x-start-node", "end-node")]
    assert FlyteWorkflow.get_non_system_nodes(nodes) == [nodes[1], nodes[2]]


@behaviour("FlyteWorkflow.template")
async def _() -> None:
    found = a_workflow().template
    assert [node.id for node in found.nodes][:2] == ["n0", "n1"]
    assert "start-node'" not in str([node.inputs for node in found.nodes])
    assert found.outputs == [promise("o0", "n0", "o0")]


@behaviour("FlyteWorkflow.flyte_nodes", "FlyteWorkflow.nodes", "FlyteWorkflow.failure_node")
async def _() -> None:
    known = a_workflow()
    ids = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8-start-node", "fn0"]
    assert [node.id for node in known.flyte_nodes] == [node.id for node in known.nodes] == ids
    assert known.failure_node is known.flyte_nodes[-1]
    assert FlyteWorkflow.promote_from_model(workflow("w")).failure_node is None


@behaviour("FlyteWorkflow.flyte_sub_workflows", "FlyteWorkflow.sub_workflows", "FlyteWorkflow.flyte_tasks")
async def _() -> None:
    known = a_workflow()
    assert [part.name for part in known.flyte_sub_workflows] == ["outer", "inner", "clean_up"]
    assert known.node_map["n1"].flyte_entity is known.flyte_sub_workflows[0]
    assert known.sub_workflows == [part.template for part in known.flyte_sub_workflows]
    assert known.flyte_tasks == [a_task()]


@behaviour(
    "FlyteWorkflow.interface", "FlyteWorkflow.outputs", "FlyteWorkflow.metadata", "FlyteWorkflow.metadata_defaults"
)
async def _() -> None:
    known = a_workflow()
    assert known.interface == TypedInterface.from_flyte_idl(INT_TO_INT)
    assert known.outputs == [promise("o0", "n0", "o0")]
    assert (known.metadata.tags, known.metadata_defaults.interruptible) == ({"team": "one"}, True)
    bare = FlyteWorkflow(workflow_id("w"), [], None, [], None, None)
    assert (bare.interface.is_empty, bare.outputs) == (True, [])
    assert (bare.metadata, bare.metadata_defaults) == (core.WorkflowMetadata(), core.WorkflowMetadataDefaults())


@behaviour("FlyteWorkflow.short_string", "FlyteWorkflow.verbose_string", "FlyteWorkflow.is_empty")
async def _() -> None:
    known = a_workflow()
    assert known.short_string() == "workflow p/d/main/v1"
    assert "signal_id: 'go'" in known.verbose_string()
    assert not known.is_empty
    assert FlyteWorkflow.from_flyte_idl(b"").is_empty
    assert not FlyteWorkflow.from_flyte_idl(admin.WorkflowSpec(description=DOCS)).is_empty


# Launch plans ...

PARTS: dict[str, codec.Message] = {
    "workflow_id": workflow_id("main"),
    "entity_metadata": admin.LaunchPlanMetadata(notifications=[admin.Notification()]),
    "default_inputs": plan_spec().default_inputs or core.ParameterMap(),
    "fixed_inputs": plan_spec().fixed_inputs or core.LiteralMap(),
    "labels": admin.Labels(values={"a": "b"}),
    "annotations": admin.Annotations(values={"c": "d"}),
    "auth_role": admin.AuthRole(assumable_iam_role="role"),
    "raw_output_data_config": admin.RawOutputDataConfig(output_location_prefix="s3://b"),
    "security_context": SECURITY,
    "concurrency_policy": admin.ConcurrencyPolicy(max=2),
}
SCALARS: dict[str, Any] = {"max_parallelism": 7, "overwrite_cache": True}


@behaviour("FlyteLaunchPlan.__init__", *(f"FlyteLaunchPlan.{name}" for name in [*PARTS, *SCALARS]))
async def _() -> None:
    spec = admin.LaunchPlanSpec(**PARTS, **SCALARS)  # pyright: ignore[reportArgumentType]
    for index, identifier in enumerate(forms(plan_id("plan"))):
        given: dict[str, Any] = {name: forms(part)[index] for name, part in PARTS.items()}
        made = FlyteLaunchPlan(identifier, **given, **SCALARS)
        assert {name: getattr(made, name) for name in [*PARTS, *SCALARS]} == {**PARTS, **SCALARS}
        assert made == FlyteLaunchPlan.promote_from_model(plan_id("plan"), spec)
    bare = FlyteLaunchPlan(plan_id("plan"))
    for name, part in PARTS.items():
        optional = name in ("workflow_id", "security_context", "concurrency_policy")
        assert getattr(bare, name) == (None if optional else type(part)())
    assert (bare.max_parallelism, bare.overwrite_cache) == (0, False)


@behaviour("FlyteLaunchPlan.promote_from_model")
async def _() -> None:
    made = promotes(
        FlyteLaunchPlan, lambda form: FlyteLaunchPlan.promote_from_model(plan_id("plan"), form), plan_spec(), template()
    )
    assert (made.id, made.spec) == (plan_id("plan"), plan_spec())
    for form in forms(plan_id("plan")):
        assert FlyteLaunchPlan.promote_from_model(form, plan_spec()) == made


@behaviour("FlyteLaunchPlan.from_flyte_idl", "FlyteLaunchPlan.to_flyte_idl", "FlyteLaunchPlan.serialize_to_string")
async def _() -> None:
    made = goes_there_and_back(FlyteLaunchPlan, plan_spec(), admin.LaunchPlan(spec=plan_spec()))
    assert made.to_flyte_idl() == plan_spec()
    assert made.id == core.Identifier(resource_type=core.ResourceType.LAUNCH_PLAN)


@behaviour("FlyteLaunchPlan.interface", "FlyteLaunchPlan.flyte_workflow")
async def _() -> None:
    assert a_plan().interface.short_string() == "(a: int, b: str) -> (o0: str)"
    assert a_plan().flyte_workflow is None
    known = a_workflow()
    launching = FlyteLaunchPlan.promote_from_model(plan_id("plan"), plan_spec(), flyte_workflow=known)
    assert launching.flyte_workflow is known
    assert launching.interface.short_string() == "(a: int, b: str) -> (o0: int)"
    with pytest.raises(FlyteAssertion, match=r"cannot be told from its spec: `remote.fetch_launch_plan"):
        _ = FlyteLaunchPlan(plan_id("plan")).interface


@behaviour("FlyteLaunchPlan.is_scheduled")
async def _() -> None:
    for schedule, expected in (
        (None, False),
        (admin.Schedule(), False),
        (admin.Schedule(rate=admin.FixedRate(value=5)), True),
        (admin.Schedule(cron_schedule=admin.CronSchedule(schedule="@daily")), True),
        (admin.Schedule(cron_expression="0 * * * ? *"), True),
    ):
        metadata = admin.LaunchPlanMetadata(schedule=schedule)
        assert FlyteLaunchPlan(plan_id("p"), entity_metadata=metadata).is_scheduled is expected


@behaviour("FlyteLaunchPlan.short_string", "FlyteLaunchPlan.is_empty")
async def _() -> None:
    assert a_plan().short_string() == "launch plan p/d/plan/v1"
    assert not a_plan().is_empty
    assert FlyteLaunchPlan(plan_id("plan")).is_empty


# Interfaces ...


@behaviour("TypedInterface.__init__", "TypedInterface.inputs", "TypedInterface.outputs")
async def _() -> None:
    for form in forms(core.Variable(type=INT)):
        made = TypedInterface({"a": form}, {"o0": form})
        assert (made.inputs, made.outputs) == (variables(a=INT), variables(o0=INT))


@behaviour("TypedInterface.from_flyte_idl", "TypedInterface.to_flyte_idl", "TypedInterface.serialize_to_string")
async def _() -> None:
    made = goes_there_and_back(TypedInterface, INT_TO_INT, core.Variable())
    assert made.to_flyte_idl() == INT_TO_INT
    assert (list(made.inputs), list(made.outputs)) == (["a"], ["o0"])


@behaviour(
    "TypedInterface.transform_interface_to_list", in_flytekit="test_interfaces_are_listed_as_flytekit_lists_them"
)
async def _() -> None:
    made = TypedInterface(variables(a=INT, b=STR, c=STR), variables(o0=INT))
    listed = made.transform_interface_to_list({"b"}, {"c"})
    assert listed.short_string() == "(a: list[int], b: str) -> (o0: list[int])"
    assert made.short_string() == "(a: int, b: str, c: str) -> (o0: int)"


@behaviour("TypedInterface.short_string", "TypedInterface.verbose_string", "TypedInterface.is_empty")
async def _() -> None:
    made = TypedInterface.from_flyte_idl(INT_TO_INT)
    assert made.short_string() == "(a: int) -> (o0: int)"
    assert made.verbose_string().startswith("inputs:\n  variables['a']:\n    type:\n      simple: INTEGER")
    assert not made.is_empty
    assert TypedInterface({}, {}).is_empty
