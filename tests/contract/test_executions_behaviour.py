"""What each member of flytekit's executions does here, in both packages; none is satisfied by its name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from types import ModuleType

import pytest

import flyteasync
from flyteasync import codec, sync
from flyteasync.errors import FlyteAssertion, FlyteTimeout, FlyteTypeException, FlyteUsageError
from flyteasync.idl import admin, core
from flyteasync.interop import message_of, pb2_of
from flyteasync.literals import LiteralsResolver, literal_type, to_literal
from flyteasync.server.host import Host
from tests.contract.behaviours import FAILURES, Behaviours, forms, goes_there_and_back, leave_the_name_alone
from tests.contract.world import World, serving
from tests.server.build import execution_id

behaviour: Behaviours[[World]] = Behaviours("executions_surface.json")

Phase = core.WorkflowExecutionPhase
NodePhase = core.NodeExecutionPhase
TaskPhase = core.TaskExecutionPhase


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with serving() as started:
        yield started


@pytest.fixture(params=[flyteasync, sync], ids=lambda package: package.__name__)
async def world(host: Host, request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    package: ModuleType = request.param
    made = World(package, host)
    yield made
    await made.do(made.remote.aclose(0))


@pytest.mark.parametrize("place", behaviour.places)
async def test_member_does_what_flytekit_documents(place: str, world: World) -> None:
    await behaviour.by_place[place](world)


# What the base declares its subclasses answer.
@pytest.mark.parametrize("place", [place for place in behaviour.places if not place.startswith("RemoteExecutionBase.")])
async def test_the_name_alone_does_not_do(place: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name, member = place.split(".")
    leave_the_name_alone(monkeypatch, getattr(world.package, name), member)
    with pytest.raises(FAILURES):
        await behaviour.by_place[place](world)


def test_there_is_nothing_to_show_of_what_is_not_there() -> None:
    assert set(behaviour.by_place) == set(behaviour.places)


# What all have ...


@behaviour("RemoteExecutionBase.__init__")
async def _(world: World) -> None:
    base = world.package.RemoteExecutionBase
    with pytest.raises(TypeError, match="abstract"):
        base()
    for found in (await world.synced("done"), await world.node(), await world.attempt()):
        assert isinstance(found, base)


@behaviour("RemoteExecutionBase.inputs", "RemoteExecutionBase.outputs")
async def _(world: World) -> None:
    for found in (await world.synced("done"), await world.node(), await world.attempt()):
        assert (dict(found.inputs), dict(found.outputs)) == ({"x": 1}, {"o0": 2})


@behaviour("RemoteExecutionBase.error", "RemoteExecutionBase.is_done")
async def _(world: World) -> None:
    for found in (await world.synced("failed"), await world.node("failed"), await world.attempt("failed")):
        assert found.is_done
        assert "no luck" in found.error.message


# Executions of workflows ...


@behaviour("FlyteWorkflowExecution.__init__")
async def _(world: World) -> None:
    cls = world.package.FlyteWorkflowExecution
    for identifier in forms(execution_id("done")):
        execution = cls({"o0": float}, world.remote, id=identifier)
        await world.do(execution.sync())
        assert isinstance(execution.outputs["o0"], float)
        assert execution.is_done
    closure = admin.ExecutionClosure(phase=Phase.RUNNING)
    spec = admin.ExecutionSpec(tags=["a"])
    made = cls(id=execution_id("e"), spec=pb2_of(spec), closure=codec.encode(closure))
    assert (made.closure, made.spec, made.id) == (closure, spec, execution_id("e"))
    with pytest.raises(FlyteTypeException):
        cls(id=spec)


@behaviour("FlyteWorkflowExecution.promote_from_model")
async def _(world: World) -> None:
    done = await world.synced("done")
    model = message_of(admin.Execution, done)
    cls = world.package.FlyteWorkflowExecution
    execution = goes_there_and_back(cls, model, admin.NodeExecution(), "promote_from_model")
    assert execution.is_successful
    with pytest.raises(FlyteUsageError, match="without a remote"):
        await world.do(execution.sync())
    execution = cls.promote_from_model(model, world.remote, {"o0": float})
    await world.do(execution.sync())
    assert isinstance(execution.outputs["o0"], float)


@behaviour("FlyteWorkflowExecution.from_flyte_idl")
async def _(world: World) -> None:
    model = message_of(admin.Execution, await world.synced("failed"))
    execution = goes_there_and_back(
        world.package.FlyteWorkflowExecution, model, admin.NodeExecution(), "from_flyte_idl"
    )
    assert "no luck" in execution.error.message


@behaviour("FlyteWorkflowExecution.to_flyte_idl")
async def _(world: World) -> None:
    execution = await world.synced("done")
    message = execution.to_flyte_idl()
    assert message.id.name == "done"
    assert int(message.closure.phase) == Phase.SUCCEEDED
    assert isinstance(message, admin.Execution) is (world.package is flyteasync)
    assert type(message).__module__.endswith("_pb2") is (world.package is sync)


@behaviour("FlyteWorkflowExecution.serialize_to_string", "FlyteWorkflowExecution.is_empty")
async def _(world: World) -> None:
    execution = await world.synced("done")
    wire = execution.serialize_to_string()
    assert pb2_of(admin.Execution()).FromString(wire).id.name == "done"
    assert not execution.is_empty
    assert world.package.FlyteWorkflowExecution.from_flyte_idl(b"").is_empty


@behaviour("FlyteWorkflowExecution.short_string", "FlyteWorkflowExecution.verbose_string")
async def _(world: World) -> None:
    execution = await world.synced("done")
    assert execution.short_string() == "flytesnacks/development/done (SUCCEEDED)"
    assert execution.short_string() in repr(execution)
    assert "phase: SUCCEEDED" in execution.verbose_string()
    assert "'done'" in execution.verbose_string()


@behaviour("FlyteWorkflowExecution.sync")
async def _(world: World) -> None:
    execution = world.remote.execution("done")
    assert not execution.is_done
    assert await world.do(execution.sync()) is execution
    assert execution.is_done
    assert not execution.node_executions
    await world.do(execution.sync(True))
    assert set(execution.node_executions) == {"start-node", "n0", "n1", "n2", "end-node"}


@behaviour("FlyteWorkflowExecution.wait")
async def _(world: World) -> None:
    execution = world.remote.execution("done")
    assert await world.do(execution.wait(30, 1)) is execution
    assert bool(execution.node_executions) is (world.package is sync)
    assert dict(execution.outputs) == {"o0": 2}
    with pytest.raises(FlyteTimeout, match="running"):
        await world.do(world.remote.execution("running").wait(timeout=0))


@behaviour("FlyteWorkflowExecution.id")
async def _(world: World) -> None:
    execution = world.remote.execution("done", project="p", domain="d")
    assert (execution.id.project, execution.id.domain, execution.id.name) == ("p", "d", "done")


@behaviour("FlyteWorkflowExecution.closure", "FlyteWorkflowExecution.spec")
async def _(world: World) -> None:
    execution = world.remote.execution("done")
    assert execution.closure.phase == Phase.UNDEFINED, "there is one before the first sync"
    assert codec.encode(execution.spec) == b""
    await world.do(execution.sync())
    assert execution.closure.phase == Phase.SUCCEEDED
    assert execution.closure.started_at is not None
    assert execution.spec.launch_plan.name == "outer"


@behaviour("FlyteWorkflowExecution.inputs", "FlyteWorkflowExecution.outputs")
async def _(world: World) -> None:
    handle = world.remote.execution("done")
    with pytest.raises(FlyteAssertion, match="not loaded"):
        _ = handle.inputs
    with pytest.raises(FlyteAssertion, match="Please wait until the execution has completed"):
        _ = handle.outputs
    execution = await world.synced("done")
    assert (dict(execution.inputs), dict(execution.outputs)) == ({"x": 1}, {"o0": 2})
    for name, reason in (("failed", "no luck"), ("aborted", "enough of it"), ("running", "in progress")):
        execution = await world.synced(name)
        assert execution.inputs
        with pytest.raises(FlyteAssertion, match=reason):
            _ = execution.outputs


@behaviour("FlyteWorkflowExecution.error")
async def _(world: World) -> None:
    assert (await world.synced("done")).error is None
    assert "no luck" in (await world.synced("failed")).error.message
    aborted = (await world.synced("aborted")).error
    assert (aborted.code, aborted.message) == ("Aborted", "enough of it")
    with pytest.raises(FlyteAssertion, match="Please wait until"):
        _ = (await world.synced("running")).error


@behaviour("FlyteWorkflowExecution.is_done", "FlyteWorkflowExecution.is_successful")
async def _(world: World) -> None:
    ends = {"done": (True, True), "failed": (True, False), "aborted": (True, False), "running": (False, False)}
    for name, expected in ends.items():
        execution = await world.synced(name)
        assert (execution.is_done, execution.is_successful) == expected
    timed_out = admin.Execution(closure=admin.ExecutionClosure(phase=Phase.TIMED_OUT))
    assert world.package.FlyteWorkflowExecution.promote_from_model(timed_out).is_done


@behaviour("FlyteWorkflowExecution.execution_url")
async def _(world: World) -> None:
    url = world.remote.execution("done").execution_url
    assert url.endswith("/console/projects/flytesnacks/domains/development/executions/done")
    assert world.package.FlyteWorkflowExecution(id=execution_id("done")).execution_url is None


@behaviour("FlyteWorkflowExecution.flyte_workflow")
async def _(world: World) -> None:
    assert world.remote.execution("done").flyte_workflow is None
    assert (await world.synced("done")).flyte_workflow.id.name == "outer"
    fetched = await world.do(world.remote.fetch_execution(name="done"))
    assert (fetched.flyte_workflow is not None) is (world.package is sync), "as flytekit's fetch_execution does"
    assert (await world.do(fetched.fetch_workflow())).name == "outer"
    assert fetched.flyte_workflow.name == "outer"


@behaviour("FlyteWorkflowExecution.node_executions")
async def _(world: World) -> None:
    assert dict(world.remote.execution("done").node_executions) == {}
    nodes = (await world.synced("done")).node_executions
    assert all(type(node) is world.package.FlyteNodeExecution for node in nodes.values())
    assert {name: node.id.node_id for name, node in nodes.items()} == {name: name for name in nodes}


# Executions of nodes ...


@behaviour("FlyteNodeExecution.__init__")
async def _(world: World) -> None:
    cls = world.package.FlyteNodeExecution
    model = message_of(admin.NodeExecution, await world.node())
    for form in forms(model):
        node = cls(form)
        assert node.is_done
        for read in ("inputs", "outputs"):
            with pytest.raises(FlyteAssertion, match=r"not loaded yet: `(await )?execution\.sync\(sync_nodes=True\)`"):
                getattr(node, read)
    empty = cls(admin.NodeExecution())
    assert not empty.is_done
    assert (empty.executions, empty.id.node_id, empty.input_uri) == ([], "", "")


@behaviour("FlyteNodeExecution.promote_from_model", "FlyteNodeExecution.from_flyte_idl")
async def _(world: World) -> None:
    model = message_of(admin.NodeExecution, await world.node("failed"))
    for method in ("promote_from_model", "from_flyte_idl"):
        node = goes_there_and_back(world.package.FlyteNodeExecution, model, admin.Execution(), method)
        assert "no luck" in node.error.message


@behaviour("FlyteNodeExecution.to_flyte_idl")
async def _(world: World) -> None:
    message = (await world.node()).to_flyte_idl()
    assert message.id.node_id == "n0"
    assert isinstance(message, admin.NodeExecution) is (world.package is flyteasync)


@behaviour("FlyteNodeExecution.serialize_to_string", "FlyteNodeExecution.is_empty")
async def _(world: World) -> None:
    node = await world.node()
    assert codec.decode(admin.NodeExecution, node.serialize_to_string()).id == node.id
    assert not node.is_empty
    assert world.package.FlyteNodeExecution.from_flyte_idl(b"").is_empty


@behaviour("FlyteNodeExecution.short_string", "FlyteNodeExecution.verbose_string")
async def _(world: World) -> None:
    node = await world.node()
    assert node.short_string() == "node n0 (SUCCEEDED)"
    assert "node n0 (SUCCEEDED)" in repr(node)
    assert "spec_node_id: 'n0'" in node.verbose_string()


@behaviour("FlyteNodeExecution.id", "FlyteNodeExecution.metadata", "FlyteNodeExecution.closure")
async def _(world: World) -> None:
    nodes = (await world.synced("done")).node_executions
    assert (nodes["n1"].id.node_id, nodes["n1"].id.execution_id.name) == ("n1", "done")
    assert (nodes["n1"].metadata.spec_node_id, nodes["n1"].metadata.is_parent_node) == ("n1", True)
    assert nodes["n1"].closure.phase == NodePhase.SUCCEEDED


@behaviour("FlyteNodeExecution.input_uri")
async def _(world: World) -> None:
    node = await world.node()
    assert node.input_uri == message_of(admin.NodeExecution, node).input_uri != ""


@behaviour("FlyteNodeExecution.inputs", "FlyteNodeExecution.outputs")
async def _(world: World) -> None:
    for name in ("n0", "n1", "n2"):
        node = await world.node("done", name)
        assert (dict(node.inputs), dict(node.outputs)) == ({"x": 1}, {"o0": 2})
    for name in ("failed", "running", "aborted"):
        node = await world.node(name)
        assert node.inputs
        with pytest.raises(FlyteAssertion, match="in progress" if name == "running" else "ended in failure"):
            _ = node.outputs


@behaviour("FlyteNodeExecution.interface")
async def _(world: World) -> None:
    for name in ("n0", "n1", "n2"):
        interface = (await world.node("done", name)).interface
        assert (set(interface.inputs), set(interface.outputs)) == ({"x"}, {"o0"})
    assert world.package.FlyteNodeExecution(admin.NodeExecution()).interface is None


@behaviour("FlyteNodeExecution.error", "FlyteNodeExecution.is_done")
async def _(world: World) -> None:
    assert (await world.node()).error is None
    assert "no luck" in (await world.node("failed")).error.message
    assert (await world.node("aborted")).error.message
    running = await world.node("running")
    assert not running.is_done
    with pytest.raises(FlyteAssertion, match="Please wait until"):
        _ = running.error
    for phase in (NodePhase.RECOVERED, NodePhase.SKIPPED):
        closure = admin.NodeExecutionClosure(phase=phase)
        node = world.package.FlyteNodeExecution.promote_from_model(admin.NodeExecution(closure=closure))
        assert node.is_done
        assert node.error is None


@behaviour("FlyteNodeExecution.task_executions", "FlyteNodeExecution.executions")
async def _(world: World) -> None:
    nodes = (await world.synced("done")).node_executions
    (attempt,) = nodes["n0"].task_executions
    assert type(attempt) is world.package.FlyteTaskExecution
    assert nodes["n0"].executions == [attempt]
    assert nodes["n1"].task_executions == nodes["n2"].task_executions == []
    assert nodes["n1"].executions == list(nodes["n1"].subworkflow_node_executions.values())
    assert nodes["n2"].executions == nodes["n2"].workflow_executions
    assert nodes["start-node"].executions == []


@behaviour("FlyteNodeExecution.subworkflow_node_executions")
async def _(world: World) -> None:
    below = (await world.node("done", "n1")).subworkflow_node_executions
    assert set(below) == {"n1-0-start-node", "n1-0-a", "n1-0-end-node"}
    assert type(below["n1-0-a"]) is world.package.FlyteNodeExecution
    assert dict(below["n1-0-a"].outputs) == {"o0": 2}
    assert (await world.node()).subworkflow_node_executions == {}


@behaviour("FlyteNodeExecution.workflow_executions")
async def _(world: World) -> None:
    (launched,) = (await world.node("done", "n2")).workflow_executions
    assert type(launched) is world.package.FlyteWorkflowExecution
    assert set(launched.node_executions) == {"start-node", "a", "end-node"}
    assert dict(launched.outputs) == {"o0": 2}
    assert await world.do(launched.sync()) is launched
    assert (await world.node()).workflow_executions == []


# Executions of tasks ...


@behaviour("FlyteTaskExecution.__init__")
async def _(world: World) -> None:
    cls = world.package.FlyteTaskExecution
    for form in forms(message_of(admin.TaskExecution, await world.attempt())):
        attempt = cls(form)
        assert attempt.is_done
        with pytest.raises(FlyteAssertion, match="not loaded yet"):
            _ = attempt.outputs
    assert not cls(admin.TaskExecution()).is_done


@behaviour("FlyteTaskExecution.promote_from_model", "FlyteTaskExecution.from_flyte_idl")
async def _(world: World) -> None:
    model = message_of(admin.TaskExecution, await world.attempt("failed"))
    for method in ("promote_from_model", "from_flyte_idl"):
        attempt = goes_there_and_back(world.package.FlyteTaskExecution, model, admin.Execution(), method)
        assert "no luck" in attempt.error.message


@behaviour("FlyteTaskExecution.to_flyte_idl")
async def _(world: World) -> None:
    message = (await world.attempt()).to_flyte_idl()
    assert message.id.task_id.name == "step"
    assert isinstance(message, admin.TaskExecution) is (world.package is flyteasync)


@behaviour("FlyteTaskExecution.serialize_to_string", "FlyteTaskExecution.is_empty")
async def _(world: World) -> None:
    attempt = await world.attempt()
    assert codec.decode(admin.TaskExecution, attempt.serialize_to_string()).id == attempt.id
    assert not attempt.is_empty
    assert world.package.FlyteTaskExecution.from_flyte_idl(b"").is_empty


@behaviour("FlyteTaskExecution.short_string", "FlyteTaskExecution.verbose_string")
async def _(world: World) -> None:
    attempt = await world.attempt()
    assert attempt.short_string() == "task step attempt 0 (SUCCEEDED)"
    assert attempt.short_string() in repr(attempt)
    assert "name: 'step'" in attempt.verbose_string()


@behaviour("FlyteTaskExecution.id", "FlyteTaskExecution.closure", "FlyteTaskExecution.is_parent")
async def _(world: World) -> None:
    attempt = await world.attempt()
    assert (attempt.id.task_id.name, attempt.id.node_execution_id.node_id) == ("step", "n0")
    assert attempt.id.retry_attempt == 0
    assert attempt.closure.phase == TaskPhase.SUCCEEDED
    assert not attempt.is_parent
    assert world.package.FlyteTaskExecution(admin.TaskExecution(is_parent=True)).is_parent


@behaviour("FlyteTaskExecution.input_uri")
async def _(world: World) -> None:
    attempt = await world.attempt()
    assert attempt.input_uri == message_of(admin.TaskExecution, attempt).input_uri != ""


@behaviour("FlyteTaskExecution.inputs", "FlyteTaskExecution.outputs")
async def _(world: World) -> None:
    attempt = await world.attempt()
    assert (dict(attempt.inputs), dict(attempt.outputs)) == ({"x": 1}, {"o0": 2})
    for name, reason in (("failed", "no luck"), ("aborted", "ended in failure"), ("running", "in progress")):
        with pytest.raises(FlyteAssertion, match=reason):
            _ = (await world.attempt(name)).outputs


@behaviour("FlyteTaskExecution.error", "FlyteTaskExecution.is_done")
async def _(world: World) -> None:
    assert (await world.attempt()).error is None
    assert "no luck" in (await world.attempt("failed")).error.message
    assert (await world.attempt("aborted")).error.message
    closure = admin.TaskExecutionClosure(phase=TaskPhase.ABORTED, reason="evicted")
    error = world.package.FlyteTaskExecution(admin.TaskExecution(closure=closure)).error
    assert (error.code, error.message) == ("Aborted", "evicted")
    running = await world.attempt("running")
    assert not running.is_done
    with pytest.raises(FlyteAssertion, match="Please wait until"):
        _ = running.error


@behaviour("FlyteTaskExecution.task")
async def _(world: World) -> None:
    task = (await world.attempt()).task
    assert task.id.name == "step"
    assert set(task.interface.inputs) == {"x"}
    assert world.package.FlyteTaskExecution(admin.TaskExecution()).task is None


# Values ...

VARIABLES = {"n": core.Variable(type=literal_type(int)), "names": core.Variable(type=literal_type(list[str]))}


def resolver() -> LiteralsResolver:
    values = {"n": 3, "names": ["a", "b"]}
    kinds = {"n": int, "names": list[str]}
    return LiteralsResolver({name: to_literal(values[name], literal_type(kinds[name])) for name in values}, VARIABLES)


@behaviour("LiteralsResolver.__init__", "LiteralsResolver.variable_map", "LiteralsResolver.literals")
async def _(world: World) -> None:
    cls = world.package.LiteralsResolver
    literals = {"n": to_literal(3, literal_type(int))}
    made = cls(literals, VARIABLES, None)
    assert (made.literals, made.variable_map, made["n"]) == (literals, VARIABLES, 3)
    assert cls(literals).variable_map is None
    with pytest.raises(ValueError, match="needs literals"):
        cls(None)


@behaviour("LiteralsResolver.get", "LiteralsResolver.native_values")
async def _(world: World) -> None:
    outputs = (await world.synced("done")).outputs
    assert outputs.native_values == {}
    assert isinstance(outputs.get("o0", float), float)
    assert isinstance(outputs["o0"], float), "an untyped read gives what was last read with a type"
    assert isinstance(outputs.get("o0", as_type=int), int)
    assert outputs.native_values == {"o0": 2}
    with pytest.raises(AttributeError, match="zz"):
        outputs.get("zz")
    with pytest.raises(ValueError, match="zz"):
        _ = outputs["zz"]


@behaviour("LiteralsResolver.get_literal")
async def _(world: World) -> None:
    assert (await world.synced("done")).outputs.get_literal("o0").scalar.primitive.integer == 2
    with pytest.raises(ValueError, match="zz"):
        resolver().get_literal("zz")


@behaviour("LiteralsResolver.update_type_hints")
async def _(world: World) -> None:
    outputs = (await world.synced("done")).outputs
    outputs.update_type_hints({"o0": float})
    assert isinstance(outputs["o0"], float)


@behaviour("LiteralsResolver.as_python_native")
async def _(world: World) -> None:
    execution = await world.synced("done")
    assert execution.outputs.as_python_native(execution.flyte_workflow.python_interface) == 2


@behaviour("LiteralsResolver.keys", "LiteralsResolver.values", "LiteralsResolver.items")
async def _(world: World) -> None:
    outputs = (await world.synced("done")).outputs
    assert list(outputs.keys()) == ["o0"]
    first, *_ = outputs.values()
    assert first == 2
    assert {name: value for name, value in outputs.items()} == {"o0": 2} == outputs  # noqa: C416 # as callers write it


@behaviour("LiteralsResolver.pop", "LiteralsResolver.popitem", "LiteralsResolver.clear")
async def _(world: World) -> None:
    values = resolver()
    assert values.pop("n") == 3
    assert values.pop("n", 7) == 7
    with pytest.raises(KeyError):
        values.pop("n")
    assert values.popitem() == ("names", ["a", "b"])
    with pytest.raises(KeyError):
        values.popitem()
    values = resolver()
    values.clear()
    assert not values


@behaviour("LiteralsResolver.setdefault", "LiteralsResolver.update")
async def _(world: World) -> None:
    values = resolver()
    assert values.setdefault("n", 9) == 3
    assert values.setdefault("new", 9) == 9
    values.update({"new": 10}, n=4)
    values.update([("names", ["c"])])
    assert values == {"n": 4, "names": ["c"], "new": 10}
    with pytest.raises(TypeError, match="expected int"):
        values["n"] = "four"


@behaviour("LiteralsResolver.copy")
async def _(world: World) -> None:
    values = resolver()
    twin = values.copy()
    twin["n"] = 5
    assert (type(twin), twin["n"], values["n"]) == (LiteralsResolver, 5, 3)


@behaviour("LiteralsResolver.fromkeys")
async def _(world: World) -> None:
    assert world.package.LiteralsResolver.fromkeys(["a", "b"], 1) == {"a": 1, "b": 1}
    assert world.package.LiteralsResolver.fromkeys(["a"]) == {"a": None}
