"""Launch plans show their spec, and their interface as far as it is known."""

import pickle

import pytest

from flyteasync.codec import encode
from flyteasync.entities import FlyteLaunchPlan, FlyteWorkflow
from flyteasync.errors import FlyteAssertion, FlyteTypeException
from flyteasync.idl import admin, core
from flyteasync.interop import pb2_of
from tests.entities.build import (
    INT,
    INT_TO_INT,
    STR,
    plan_id,
    plan_spec,
    text,
    variables,
    workflow,
    workflow_id,
)

CLOSURE = admin.LaunchPlanClosure(
    expected_inputs=plan_spec().default_inputs,
    expected_outputs=core.VariableMap(variables=variables(o0=STR)),
)


@pytest.fixture
def plan() -> FlyteLaunchPlan:
    return FlyteLaunchPlan.promote_from_model(plan_id("plan"), plan_spec(), closure=CLOSURE)


def test_properties_show_the_spec(plan: FlyteLaunchPlan) -> None:
    assert plan.id == plan_id("plan")
    assert plan.name == "plan"
    assert plan.spec == plan_spec()
    assert plan.workflow_id == workflow_id("main")
    assert plan.default_inputs == plan_spec().default_inputs
    assert plan.fixed_inputs.literals == {"c": text("fixed")}
    assert plan.resource_type is core.ResourceType.LAUNCH_PLAN
    assert plan.entity_type_text == "Launch Plan"
    assert plan.short_string() == "launch plan p/d/plan/v1"
    assert repr(plan) == "<FlyteLaunchPlan p/d/plan/v1>"


def test_every_part_of_the_constructor_has_its_property() -> None:
    made = FlyteLaunchPlan(
        pb2_of(plan_id("plan")),
        pb2_of(workflow_id("main")),
        admin.LaunchPlanMetadata(notifications=[admin.Notification()]),
        plan_spec().default_inputs,
        encode(plan_spec().fixed_inputs or core.LiteralMap()),
        labels=admin.Labels(values={"a": "b"}),
        annotations=admin.Annotations(values={"c": "d"}),
        auth_role=admin.AuthRole(assumable_iam_role="role"),
        raw_output_data_config=admin.RawOutputDataConfig(output_location_prefix="s3://b"),
        max_parallelism=7,
        security_context=core.SecurityContext(run_as=core.Identity(iam_role="other")),
        overwrite_cache=True,
        concurrency_policy=admin.ConcurrencyPolicy(max=2),
    )
    assert made.id == plan_id("plan")
    assert made.workflow_id == workflow_id("main")
    assert len(made.entity_metadata.notifications) == 1
    assert set(made.parameters) == {"a", "b"}
    assert made.fixed_inputs == plan_spec().fixed_inputs
    assert made.labels.values == {"a": "b"}
    assert made.annotations.values == {"c": "d"}
    assert made.auth_role.assumable_iam_role == "role"
    assert made.raw_output_data_config.output_location_prefix == "s3://b"
    assert made.max_parallelism == 7
    assert made.security_context is not None
    assert made.security_context.run_as == core.Identity(iam_role="other")
    assert made.overwrite_cache
    assert made.concurrency_policy == admin.ConcurrencyPolicy(max=2)
    assert FlyteLaunchPlan.promote_from_model(plan_id("plan"), made.to_flyte_idl()) == made


def test_what_a_spec_does_not_have_is_none_or_empty() -> None:
    made = FlyteLaunchPlan(plan_id("plan"))
    assert made.to_flyte_idl() == admin.LaunchPlanSpec()
    assert made.is_empty
    assert [made.workflow_id, made.security_context, made.concurrency_policy, made.flyte_workflow] == [None] * 4
    assert made.labels == admin.Labels()
    assert made.annotations == admin.Annotations()
    assert made.auth_role == admin.AuthRole()
    assert made.raw_output_data_config == admin.RawOutputDataConfig()
    assert made.entity_metadata == admin.LaunchPlanMetadata()
    assert made.parameters == {}
    assert made.max_parallelism == 0
    assert not made.overwrite_cache


def test_interface_is_what_a_caller_may_give_and_gets(plan: FlyteLaunchPlan) -> None:
    assert plan.interface.short_string() == "(a: int, b: str) -> (o0: str)"
    assert plan.interface.required == {"a"}


def test_interface_is_not_guessed_from_a_spec() -> None:
    made = FlyteLaunchPlan.promote_from_model(plan_id("plan"), plan_spec())
    with pytest.raises(FlyteAssertion, match=r"p/d/plan/v1 cannot be told from its spec: `remote.fetch_launch_plan"):
        _ = made.interface
    assert "<caption>" not in made._repr_html_()


def test_interface_comes_with_the_workflow_too() -> None:
    template = workflow("main")
    template.interface = core.TypedInterface(
        inputs=core.VariableMap(variables=variables(a=INT, b=STR, c=STR, d=INT)),
        outputs=core.VariableMap(variables=variables(o0=INT)),
    )
    main = FlyteWorkflow.promote_from_model(template)
    made = FlyteLaunchPlan.promote_from_model(plan_id("plan"), plan_spec(), flyte_workflow=main)
    assert made.flyte_workflow is main
    assert made.interface.short_string() == "(a: int, b: str, d: int) -> (o0: int)"
    assert made.interface.required == {"a", "d"}


def test_compiled_template_tells_the_interface() -> None:
    template = core.LaunchPlanTemplate(interface=INT_TO_INT, fixed_inputs=plan_spec().fixed_inputs)
    made = FlyteLaunchPlan.promote_from_template(plan_id("plan"), template)
    assert made.interface.short_string() == "(a: int) -> (o0: int)"
    assert made.fixed_inputs == plan_spec().fixed_inputs
    with_spec = FlyteLaunchPlan.promote_from_template(plan_id("plan"), template, plan_spec())
    assert with_spec.interface.required == {"a"}
    assert with_spec.spec == plan_spec()


@pytest.mark.parametrize(
    ("schedule", "scheduled"),
    [
        (None, False),
        (admin.Schedule(), False),
        (admin.Schedule(cron_expression="* * * * *"), True),
        (admin.Schedule(rate=admin.FixedRate(value=5)), True),
        (admin.Schedule(rate=admin.FixedRate()), False),
        (admin.Schedule(cron_schedule=admin.CronSchedule(schedule="@daily")), True),
        (admin.Schedule(cron_schedule=admin.CronSchedule()), False),
    ],
)
def test_plan_is_scheduled_if_its_schedule_says_when(schedule: admin.Schedule | None, scheduled: bool) -> None:
    made = FlyteLaunchPlan(plan_id("plan"), entity_metadata=admin.LaunchPlanMetadata(schedule=schedule))
    assert made.is_scheduled is scheduled


def test_spec_is_taken_in_any_form() -> None:
    for given in (plan_spec(), encode(plan_spec()), pb2_of(plan_spec())):
        made = FlyteLaunchPlan.from_flyte_idl(given)
        assert made.to_flyte_idl() == plan_spec()
        assert made.name == ""
    with pytest.raises(FlyteTypeException, match=r"LaunchPlanSpec.*got flyteidl.admin.LaunchPlan$"):
        FlyteLaunchPlan.from_flyte_idl(admin.LaunchPlan())


def test_plans_are_equal_by_identifier_and_spec(plan: FlyteLaunchPlan) -> None:
    twin = FlyteLaunchPlan.promote_from_model(plan_id("plan"), plan_spec())
    assert twin == plan
    assert hash(twin) == hash(plan)
    assert FlyteLaunchPlan.promote_from_model(plan_id("other"), plan_spec()) != plan
    assert FlyteLaunchPlan(plan_id("plan")) != plan
    assert pickle.loads(pickle.dumps(plan)).interface == plan.interface


def test_notebook_shows_the_interface(plan: FlyteLaunchPlan) -> None:
    assert "<caption>outputs</caption><tr><td>o0</td><td>str</td></tr>" in plan._repr_html_()
