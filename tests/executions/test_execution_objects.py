"""Executions, nodes and attempts as objects over messages: comparing, showing, and what is odd in a message."""

from __future__ import annotations

from typing import Any

import pytest

from flyteasync import FlyteNodeExecution, FlyteTaskExecution, FlyteWorkflowExecution, codec
from flyteasync.executions.base import Data
from flyteasync.idl import admin, core
from flyteasync.literals import LiteralsResolver
from tests.server.build import execution_id, identifier, literal
from tests.support.backend import Backend

Phase = core.WorkflowExecutionPhase


def execution(name: str = "run", **closure: Any) -> FlyteWorkflowExecution:
    model = admin.Execution(id=execution_id(name), closure=admin.ExecutionClosure(**closure))
    return FlyteWorkflowExecution.promote_from_model(model)


def node(name: str = "n0", run: str = "run", **closure: Any) -> FlyteNodeExecution:
    node_id = core.NodeExecutionIdentifier(node_id=name, execution_id=execution_id(run))
    return FlyteNodeExecution(admin.NodeExecution(id=node_id, closure=admin.NodeExecutionClosure(**closure)))


def attempt(number: int = 0, node_name: str = "n0", task: str = "t", **closure: Any) -> FlyteTaskExecution:
    task_id = core.TaskExecutionIdentifier(
        task_id=identifier(task, core.ResourceType.TASK),
        node_execution_id=core.NodeExecutionIdentifier(node_id=node_name, execution_id=execution_id("run")),
        retry_attempt=number,
    )
    return FlyteTaskExecution(admin.TaskExecution(id=task_id, closure=admin.TaskExecutionClosure(**closure)))


def html(shown: Any) -> str:
    """What a notebook shows."""
    return shown._repr_html_()


SAME = [
    (execution(), execution(phase=Phase.FAILED), [execution("other")]),
    (node(), node(phase=core.NodeExecutionPhase.FAILED), [node("n1"), node(run="other")]),
    (
        attempt(),
        attempt(phase=core.TaskExecutionPhase.FAILED),
        [attempt(1), attempt(node_name="n1"), attempt(task="u")],
    ),
]


@pytest.mark.parametrize(("one", "same", "others"), SAME, ids=["execution", "node", "attempt"])
def test_equality_and_hash_go_by_identifier(one: Any, same: Any, others: list[Any]) -> None:
    assert one == same
    assert hash(one) == hash(same)
    assert len({one, same, *others}) == 1 + len(others)
    for other in [*others, None, "text", one.id]:
        assert one != other


def test_an_execution_is_not_the_node_or_attempt_of_the_same_name() -> None:
    assert len({execution(), node("run"), attempt(task="run")}) == 3


@pytest.mark.parametrize("made", [execution(phase=77), node(phase=77), attempt(phase=77)], ids=repr)
def test_a_phase_that_is_newer_than_this_package_is_shown_by_its_number(made: Any) -> None:
    assert not made.is_done
    assert made.short_string().endswith("(77)")
    assert "77" in made.verbose_string()


@pytest.mark.parametrize(
    "cls", [FlyteWorkflowExecution, FlyteNodeExecution, FlyteTaskExecution], ids=lambda cls: cls.__name__
)
def test_an_empty_message_is_an_execution_that_nothing_is_known_of(cls: Any) -> None:
    made = cls.from_flyte_idl(b"")
    assert made.is_empty
    assert made.serialize_to_string() == b""
    assert not made.is_done
    assert made == cls.from_flyte_idl(b"")
    assert repr(made)
    assert html(made)


def test_what_a_newer_server_says_besides_is_kept() -> None:
    extra = codec.encode(admin.Execution(id=execution_id("run"))) + b"\xfa\x3e\x03new"  # field 1007
    assert FlyteWorkflowExecution.from_flyte_idl(extra).serialize_to_string() == extra


# In a notebook ...


def test_a_notebook_shows_values_and_error_and_no_markup_of_theirs() -> None:
    values = LiteralsResolver({"text": literal("<b>bold</b>")})
    shown = html(FlyteNodeExecution(node().to_flyte_idl(), Data(values, values)))
    assert "<caption>inputs</caption>" in shown
    assert "<caption>outputs</caption>" in shown
    assert "&lt;b&gt;bold" in shown
    assert "<b>" not in shown
    error = core.ExecutionError(code="USER:Bad", message="<script>")
    shown = html(execution(phase=Phase.FAILED, error=error))
    assert "USER:Bad" in shown
    assert "&lt;script&gt;" in shown
    assert "<a href" not in shown, "it has no remote"


async def test_a_notebook_links_to_the_console(backend: Backend) -> None:
    handle = backend.remote.execution("run", project='p"><script>')
    shown = html(handle)
    assert shown.startswith(f'<p><a href="http://{backend.server.endpoint}/console/projects/p&quot;&gt;&lt;script&gt;/')
    assert "<script>" not in shown
