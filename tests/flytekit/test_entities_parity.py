"""Compiled workflows of every kind of node give the same entities as flytekit's own promotion, and are used alike.

The workflows are serialised by flytekit and compiled by the embedded server.
"""

import asyncio
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from flyteasync.codec import Message
from flyteasync.entities import (
    Entity,
    FlyteArrayNode,
    FlyteBranchNode,
    FlyteGateNode,
    FlyteLaunchPlan,
    FlyteNode,
    FlyteTask,
    FlyteWorkflow,
    LazyEntity,
    TypedInterface,
)
from flyteasync.errors import FlyteAssertion
from flyteasync.idl import admin, core
from flyteasync.interop import message_of, pb2_of
from flyteasync.server.compiler import LaunchPlanInterface, compile_workflow, entity_key

# Not "flytekit" alone: that is the name of this folder, too.
pytest.importorskip("flytekit.core.type_engine")
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from flytekit import (
        LaunchPlan,
        Resources,
        approve,
        conditional,
        dynamic,
        map_task,
        sleep,
        task,
        wait_for_input,
        workflow,
    )
    from flytekit.configuration import Image, ImageConfig, SerializationSettings
    from flytekit.core.context_manager import ExecutionState, FlyteContextManager
    from flytekit.core.node_creation import create_node
    from flytekit.models.core.compiler import CompiledWorkflowClosure
    from flytekit.models.interface import TypedInterface as TheirInterface
    from flytekit.models.launch_plan import LaunchPlan as LaunchPlanModel
    from flytekit.models.task import TaskSpec
    from flytekit.models.task import TaskTemplate as TheirTemplate
    from flytekit.remote import entities as theirs
    from flytekit.remote.interface import TypedInterface as TheirRemoteInterface
    from flytekit.tools.translator import get_serializable

SETTINGS = SerializationSettings(
    project="p", domain="d", version="v", image_config=ImageConfig(default_image=Image("i", "image", "tag"))
)


@task
def inc(a: int) -> int:
    return a + 1


@task
def greet(name: str, numbers: list[int], ages: dict[str, int]) -> str:
    return name


@task
def two(a: int) -> tuple[int, str]:
    return a, ""


@task
def nothing() -> None: ...


@workflow
def inner(a: int) -> int:
    return inc(a=inc(a=a))


@workflow
def middle(a: int) -> int:
    return inner(a=a)


@workflow
def launched(a: int, b: str = "x") -> int:
    return inc(a=a)


launched_plan = LaunchPlan.get_or_create(launched, "launched_plan", default_inputs={"b": "y"})


@workflow
def clean_up(a: int) -> None:
    inc(a=a)


@dynamic
def grow(n: int) -> int:
    return inc(a=n)


@workflow
def plain(a: int) -> int:
    return inc(a=a)


@workflow
def nested(a: int) -> int:
    return middle(a=inner(a=a))


@workflow
def launches(a: int) -> int:
    return launched_plan(a=launched_plan(a=a))


@workflow
def chooses(a: int) -> int:
    x = inc(a=a)
    return (
        conditional("choice")
        .if_(x == 1)
        .then(inc(a=x))
        .elif_(x == 2)
        .then(launched_plan(a=a))
        .elif_(x == 3)
        .then(conditional("deeper").if_(x > 0).then(inc(a=a)).else_().fail("neither"))
        .else_()
        .then(inner(a=a))
    )


@workflow
def maps(a: int) -> list[int | None]:
    return map_task(inc, concurrency=3, min_success_ratio=0.5)(a=[a, a, 3])


@workflow
def gates(a: int) -> str:
    pause = sleep(timedelta(seconds=3))
    name = wait_for_input("name", timeout=timedelta(seconds=5), expected_type=str)
    seen = approve(inc(a=a), "seen", timeout=timedelta(hours=1))
    greeting = greet(name=name, numbers=[seen, 1], ages={"x": seen})
    pause >> greeting
    return greeting


@workflow
def is_dynamic(a: int) -> int:
    return grow(n=a)


@workflow(on_failure=clean_up)
def has_failure_node(a: int) -> int:
    return inc(a=a)


@workflow
def overrides(a: int) -> int:
    return inc(a=a).with_overrides(
        requests=Resources(cpu="2"), container_image="other:1", cache=True, cache_version="1"
    )


@workflow
def no_interface() -> None:
    first = nothing()
    second = nothing()
    first >> second


@workflow
def binds_inputs_inside_of_containers(a: int) -> str:
    return greet(name="x", numbers=[a], ages={"x": a})


WORKFLOWS = [
    plain,
    nested,
    launches,
    chooses,
    maps,
    gates,
    is_dynamic,
    has_failure_node,
    overrides,
    no_interface,
]


def serialised(entity: Any) -> dict[Any, Any]:
    models: OrderedDict[Any, Any] = OrderedDict()
    get_serializable(models, SETTINGS, entity)
    return models


def compiled(entity: Any) -> tuple[core.CompiledWorkflowClosure, dict[Any, Any]]:
    """The compiled workflow, and flytekit's specs of its launch plans by flytekit's identifiers."""
    models = serialised(entity)
    tasks = [message_of(core.TaskTemplate, model.template) for model in models.values() if isinstance(model, TaskSpec)]
    by_key = {entity_key(template.id): template for template in tasks}
    plans = {model.id: model.spec for model in models.values() if isinstance(model, LaunchPlanModel)}
    interface = message_of(core.TypedInterface, models_interface(launched))
    interfaces = {launched_plan.name: LaunchPlanInterface(interface, optional=frozenset({"b"}))}
    spec = message_of(admin.WorkflowSpec, models[entity])
    closure = compile_workflow(
        spec.template, spec.sub_workflows, lambda found: by_key[entity_key(found)], lambda found: interfaces[found.name]
    )
    return closure, plans


def models_interface(entity: Any) -> Any:
    return serialised(entity)[entity].template.interface


def both(entity: Any) -> tuple[FlyteWorkflow, Any]:
    closure, plans = compiled(entity)
    mine = FlyteWorkflow.promote_from_closure(closure, plans)
    model = CompiledWorkflowClosure.from_flyte_idl(pb2_of(closure))
    return mine, theirs.FlyteWorkflow.promote_from_closure(model, plans)


def same(mine: Message, their: Any) -> bool:
    """Whether a message and flytekit's object say the same."""
    return message_of(type(mine), their) == mine


def uncompiled(their: Any) -> core.Binding:
    """flytekit's binding; within containers it leaves the start node in, where the compiler has put it."""
    binding = message_of(core.Binding, their)
    stack = [binding.binding]
    while stack:
        data = stack.pop()
        if data.promise is not None and data.promise.node_id == "start-node":
            assert data is not binding.binding
            data.promise.node_id = ""
        stack += data.collection.bindings if data.collection is not None else []
        stack += data.map.bindings.values() if data.map is not None else []
    return binding


def pairs(mine: FlyteWorkflow, their: Any) -> Iterator[tuple[FlyteNode, Any]]:
    assert [node.id for node in mine.flyte_nodes] == [node.id for node in their.flyte_nodes]
    for ours, other in zip(mine.flyte_nodes, their.flyte_nodes, strict=True):
        yield from with_arms(ours, other)


def with_arms(ours: FlyteNode, other: Any) -> Iterator[tuple[FlyteNode, Any]]:
    yield ours, other
    if ours.branch_node is not None:
        mine, their = ours.branch_node.if_else, other.branch_node.if_else
        yield from with_arms(mine.case.then_node, their.case.then_node)
        for left, right in zip(mine.other, their.other, strict=True):
            assert same(left.condition, right.condition)
            yield from with_arms(left.then_node, right.then_node)
        assert (mine.else_node is None) == (their.else_node is None)
        assert (mine.error is None) == (their.error is None)
        if mine.else_node is not None:
            yield from with_arms(mine.else_node, their.else_node)
    if ours.array_node is not None:
        yield from with_arms(ours.array_node.node, other.array_node.node)


@pytest.mark.parametrize("entity", WORKFLOWS, ids=lambda entity: entity.__name__)
def test_nodes_are_those_of_flytekit(entity: Any) -> None:
    compared = list(pairs(*both(entity)))
    assert compared
    for mine, their in compared:
        assert mine.id == their.id
        assert same(mine.metadata, their.metadata)
        assert mine.inputs == [uncompiled(binding) for binding in their.inputs]
        assert mine.output_aliases == []


@pytest.mark.parametrize("entity", WORKFLOWS, ids=lambda entity: entity.__name__)
def test_nodes_wait_for_those_that_flytekit_says(entity: Any) -> None:
    mine, their = both(entity)
    for ours, other in zip(mine.flyte_nodes, their.flyte_nodes, strict=True):
        assert ours.upstream_node_ids == other.upstream_node_ids
        assert [node.id for node in ours.upstream_nodes] == [node.id for node in other.upstream_nodes]


def test_nodes_that_a_branch_chooses_from_know_what_they_wait_for() -> None:
    # flytekit does not resolve these.
    mine, _ = both(chooses)
    arm = mine.node_map["n1-n0"]
    assert arm is mine.node_map["n1"].branch_node.if_else.case.then_node
    assert arm.upstream_nodes == [mine.node_map["n0"]]


@pytest.mark.parametrize("entity", WORKFLOWS, ids=lambda entity: entity.__name__)
def test_what_nodes_run_is_what_flytekit_says(entity: Any) -> None:
    for mine, their in pairs(*both(entity)):
        assert type(mine.flyte_entity).__name__ == type(their.flyte_entity).__name__
        match mine.flyte_entity:
            case FlyteTask() | FlyteWorkflow() as ours:
                assert same(ours.id, their.flyte_entity.id)
                assert same(ours.interface.to_flyte_idl(), their.flyte_entity.interface)
            case FlyteLaunchPlan() as ours:
                assert same(ours.id, their.flyte_entity.id)
                assert same(ours.spec, their.flyte_entity)
            case FlyteGateNode() as ours:
                assert same(ours.to_flyte_idl(), their.gate_node)
                assert same(ours.condition, their.gate_node.condition)
            case FlyteArrayNode() as ours:
                assert ours.parallelism == their.array_node._parallelism
                assert ours.min_success_ratio == their.array_node._min_success_ratio
                assert (ours.min_successes or 0) == their.array_node._min_successes
            case FlyteBranchNode() as ours:
                assert same(ours.if_else.case.condition, their.branch_node.if_else.case.condition)
            case None:
                pytest.fail(f"nothing is known of {mine}")


@pytest.mark.parametrize("entity", WORKFLOWS, ids=lambda entity: entity.__name__)
def test_workflows_are_those_of_flytekit(entity: Any) -> None:
    mine, their = both(entity)
    assert same(mine.id, their.id)
    assert same(mine.interface.to_flyte_idl(), their.interface)
    assert same(mine.metadata, their.metadata)
    assert same(mine.metadata_defaults, their.metadata_defaults)
    assert mine.outputs == [message_of(core.Binding, binding) for binding in their.outputs]
    assert [part.name for part in mine.flyte_sub_workflows] == [part.name for part in their.flyte_sub_workflows]
    assert [part.name for part in mine.flyte_tasks] == [part.name for part in their.flyte_tasks]


def test_the_failure_node_is_told_from_the_others() -> None:
    mine, _ = both(has_failure_node)
    assert mine.failure_node is not None
    assert mine.failure_node is mine.flyte_nodes[-1]
    assert [node.id for node in mine.template.nodes] == ["n0"]
    assert mine.template.failure_node.id == mine.failure_node.id


def test_a_spec_is_registered_again_as_flytekit_wrote_it() -> None:
    # Not with branches: their nodes keep the ids that the compiler gave them.
    for entity in (plain, nested, launches, maps, gates, has_failure_node, binds_inputs_inside_of_containers):
        closure, plans = compiled(entity)
        mine = FlyteWorkflow.promote_from_closure(closure, plans).to_flyte_idl()
        original = message_of(admin.WorkflowSpec, serialised(entity)[entity])
        assert mine.template == original.template
        assert {part.id.name: part for part in mine.sub_workflows} == {
            part.id.name: part for part in original.sub_workflows
        }


def test_workflow_inputs_inside_of_containers_are_no_promises_of_the_start_node() -> None:
    # flytekit leaves these as they were compiled.
    mine, their = both(binds_inputs_inside_of_containers)
    texts = {binding.var: str(binding) for binding in mine.flyte_nodes[0].inputs}
    assert set(texts) == {"name", "numbers", "ages"}
    assert not any("start-node" in text for text in texts.values())
    assert any("start-node" in str(binding) for binding in their.flyte_nodes[0].inputs)


def task_template() -> core.TaskTemplate:
    return message_of(core.TaskTemplate, serialised(inc)[inc].template)


def test_task_properties_are_those_of_flytekit() -> None:
    template = task_template()
    mine = FlyteTask.promote_from_model(template)
    their = theirs.FlyteTask.promote_from_model(TheirTemplate.from_flyte_idl(pb2_of(template)))
    assert same(mine.id, their.id)
    assert (mine.name, mine.type, mine.task_type_version) == (their.name, their.type, their.task_type_version)
    assert (mine.custom, mine.config) == (their.custom, their.config or {})
    assert same(mine.metadata, their.metadata)
    assert same(mine.interface.to_flyte_idl(), their.interface)
    assert same(mine.container, their.container)
    assert (mine.k8s_pod, mine.sql, mine.should_register) == (their.k8s_pod, their.sql, their.should_register)
    assert int(mine.resource_type) == their.resource_type
    assert mine.entity_type_text == their.entity_type_text
    assert same(mine.to_flyte_idl(), their)


def test_entities_are_made_of_flytekits_models() -> None:
    closure, plans = compiled(chooses)
    model = CompiledWorkflowClosure.from_flyte_idl(pb2_of(closure))
    mine = FlyteWorkflow.promote_from_closure(model, plans)
    assert mine.interface == FlyteWorkflow.promote_from_closure(closure, plans).interface
    assert [str(node) for node in mine.flyte_nodes] == [
        "<FlyteNode n0: task p/d/test_entities_parity.inc/v>",
        "<FlyteNode n1: branch to n1-n0, n1-n1, n1-n2, n1-n3>",
    ]
    their = theirs.FlyteTask.promote_from_model(TheirTemplate.from_flyte_idl(pb2_of(task_template())))
    assert FlyteTask.from_flyte_idl(their) == FlyteTask.promote_from_model(task_template())
    built = FlyteTask(
        their.id, their.type, their.metadata, their.interface, their.custom, their.container, config=their.config
    )
    assert built.template == task_template()


@pytest.mark.parametrize("bound", [set(), {"name"}])
@pytest.mark.parametrize("excluded", [set(), {"numbers"}])
def test_interfaces_are_listed_as_flytekit_lists_them(bound: set[str], excluded: set[str]) -> None:
    message = message_of(core.TypedInterface, models_interface(greet))
    mine = TypedInterface.from_flyte_idl(message).transform_interface_to_list(bound, excluded)
    model = TheirRemoteInterface.promote_from_model(TheirInterface.from_flyte_idl(pb2_of(message)))
    assert same(mine.to_flyte_idl(), model.transform_interface_to_list(bound, excluded))


def fetched_task() -> FlyteTask:
    return FlyteTask.promote_from_model(task_template())


def fetched_workflow() -> FlyteWorkflow:
    return FlyteWorkflow.promote_from_closure(*compiled(nested))


def fetched_plan() -> FlyteLaunchPlan:
    spec = admin.LaunchPlanSpec(
        workflow_id=core.Identifier(resource_type=core.ResourceType.WORKFLOW, project="p", domain="d", name="w"),
        default_inputs=core.ParameterMap(
            parameters={
                "a": core.Parameter(var=integer(), required=True),
                "b": core.Parameter(var=integer(), default=core.Literal(scalar=core.Scalar(none_type=core.Void()))),
            }
        ),
        fixed_inputs=core.LiteralMap(literals={"c": core.Literal()}),
    )
    closure = admin.LaunchPlanClosure(expected_outputs=core.VariableMap(variables={"o0": integer()}))
    identifier = core.Identifier(
        resource_type=core.ResourceType.LAUNCH_PLAN, project="p", domain="d", name="plan", version="v"
    )
    return FlyteLaunchPlan.promote_from_model(identifier, spec, closure=closure)


def integer() -> core.Variable:
    return core.Variable(type=core.LiteralType(simple=core.SimpleType.INTEGER))


async def fetch_task() -> FlyteTask:
    return fetched_task()


def fetched_lazily() -> LazyEntity[FlyteTask]:
    lazy = LazyEntity(fetched_task().name, fetch_task)
    asyncio.run(lazy.entity())
    return lazy


FETCHED: list[Callable[[], Entity]] = [fetched_task, fetched_workflow, fetched_plan, fetched_lazily]


def spec_of(entity: Any) -> admin.WorkflowSpec:
    """The spec of a workflow that calls an entity twice, changes a node, and orders nodes."""

    @workflow
    def caller(a: int) -> int:
        first = entity(a=a).with_overrides(node_name="first")
        second = entity(a=first)
        local = inc(a=7)
        local >> second
        return second

    return message_of(admin.WorkflowSpec, serialised(caller)[caller])


@pytest.mark.parametrize("fetch", FETCHED, ids=lambda fetch: fetch.__name__)
def test_fetched_entity_becomes_a_node_as_flytekits_own(fetch: Callable[[], Entity]) -> None:
    spec = spec_of(fetch())
    assert spec == spec_of(fetch().to_flytekit())
    assert len(spec.template.nodes) == 3
    assert [node.upstream_node_ids for node in spec.template.nodes] == [[], ["first", "n2"], []]


@pytest.mark.parametrize("fetch", FETCHED, ids=lambda fetch: fetch.__name__)
def test_local_execution_mode_is_flytekits(fetch: Callable[[], Entity]) -> None:
    assert fetch().local_execution_mode() is fetch().to_flytekit().local_execution_mode()


@pytest.mark.parametrize("fetch", FETCHED, ids=lambda fetch: fetch.__name__)
def test_node_metadata_is_flytekits(fetch: Callable[[], Entity]) -> None:
    assert same(fetch().construct_node_metadata(), fetch().to_flytekit().construct_node_metadata())


@pytest.mark.parametrize("fetch", FETCHED, ids=lambda fetch: fetch.__name__)
def test_create_node_takes_what_to_flytekit_gives(fetch: Callable[[], Entity]) -> None:
    entity = fetch()

    @workflow
    def caller(a: int) -> int:
        return create_node(entity.to_flytekit(), a=a).o0

    spec = message_of(admin.WorkflowSpec, serialised(caller)[caller])
    assert [node.metadata.name for node in spec.template.nodes] == [entity.name.rpartition(".")[2]]
    assert entity.to_flytekit() is entity.to_flytekit()
    assert "_twin" not in vars(pickle.loads(pickle.dumps(entity)))


def test_fetched_entity_is_launched_by_a_dynamic_task() -> None:
    entity = fetched_task()

    @dynamic
    def caller(a: int) -> int:
        return entity(a=entity(a=a))

    with FlyteContextManager.with_context(
        FlyteContextManager.current_context().with_serialization_settings(SETTINGS)
    ) as context:
        state = context.execution_state.with_params(mode=ExecutionState.Mode.TASK_EXECUTION)
        with FlyteContextManager.with_context(context.with_execution_state(state)) as inside:
            spec = caller.compile_into_workflow(inside, caller._task_function, a=1)
    assert [node.id for node in spec.nodes] == ["dn0", "dn1"]
    assert {node.task_node.reference_id.name for node in spec.nodes} == {entity.name}


def test_missing_and_extra_inputs_are_refused_by_flytekit() -> None:
    entity = fetched_task()
    for wrong in ({}, {"a": 1, "zz": 2}):

        @workflow
        def caller(given: Any = wrong) -> int:
            return entity(**given)

        with pytest.raises(AssertionError, match=r"Missing input|Too many inputs"):
            compile_with(entity, wrong)


def compile_with(entity: Entity, inputs: dict[str, Any]) -> None:
    @workflow
    def caller() -> int:
        return entity(**inputs)

    serialised(caller)


def test_fixed_input_of_a_launch_plan_is_refused() -> None:
    with pytest.raises(AssertionError, match="Fixed inputs cannot be specified"):
        compile_with(fetched_plan(), {"a": 1, "c": 2})


def test_launch_plan_without_interface_is_no_node() -> None:
    plan = FlyteLaunchPlan.promote_from_model(core.Identifier(name="plan"), admin.LaunchPlanSpec())
    with pytest.raises(FlyteAssertion, match="fetch_launch_plan"):
        compile_with(plan, {"a": 1})


@pytest.mark.parametrize("fetch", FETCHED, ids=lambda fetch: fetch.__name__)
def test_local_run_of_a_workflow_calls_the_stand_in(fetch: Callable[[], Entity]) -> None:
    entity = fetch()
    given: list[dict[str, Any]] = []

    @workflow
    def caller(a: int) -> int:
        entity(a=a)
        return inc(a=a)

    with pytest.raises(AssertionError, match="cannot be run on this machine"):
        caller(a=1)
    entity.execute = lambda **inputs: given.append(inputs)
    assert caller(a=1) == 2
    assert list(given[0]) == ["a"]


def test_arm_that_is_not_taken_does_not_run_a_fetched_entity() -> None:
    entity = fetched_task()
    given: list[dict[str, Any]] = []
    entity.execute = lambda **inputs: given.append(inputs)

    @workflow
    def caller(a: int) -> None:
        conditional("choice").if_(a == 1).then(entity(a=a)).else_().then(inc(a=a))

    caller(a=2)
    assert given == []
    with pytest.raises(AssertionError, match="did not resolve in a promise"):
        caller(a=1)
    assert [list(inputs) for inputs in given] == [["a"]]


def test_outside_of_workflows_a_fetched_entity_cannot_run() -> None:
    with pytest.raises(FlyteAssertion, match="cannot be run on this machine"):
        fetched_task()(a=1)
