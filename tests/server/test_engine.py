"""How executions run."""

from __future__ import annotations

from flyteasync.idl import core
from tests.server.build import node, promise, task, workflow
from tests.server.conftest import Connect


async def test_a_workflow_runs_its_tasks_in_order_and_returns_its_outputs(connect: Connect) -> None:
    client = await connect({"double": lambda x: x * 2, "add": lambda a, b: a + b})
    plan = await client.register(
        workflow(
            "wf",
            [
                node("n0", "double", {"x": promise("x")}),
                node("n1", "double", {"x": promise("n0.o0")}),
                node("n2", "add", {"a": promise("n0.o0"), "b": promise("n1.o0")}),
            ],
            {"x": int},
            {"o0": (int, promise("n2.o0"))},
        ),
        [task("double", {"x": int}, {"o0": int}), task("add", {"a": int, "b": int}, {"o0": int})],
    )
    identifier = await client.launch(plan, "first", {"x": 7})
    execution = await client.finish(identifier)
    assert execution.closure.phase == core.WorkflowExecutionPhase.SUCCEEDED, execution.closure.error
    assert await client.outputs(identifier) == {"o0": 42}
