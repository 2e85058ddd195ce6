"""Executions, nodes and attempts as the blocking facade shows them."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import pytest
from google.protobuf import json_format

from flyteasync.errors import FlyteExecutionFailed, FlyteTimeout, FlyteUsageError, Status
from flyteasync.idl import admin, core
from flyteasync.server import Fault
from flyteasync.server.host import Host
from flyteasync.sync import FlyteNodeExecution, FlyteRemote, FlyteTaskExecution, FlyteWorkflowExecution
from tests.support.backend import LONG_TEXT
from tests.sync.conftest import Misbehave, calls, stats

Mode = admin.ExecutionMetadataExecutionMode
OUTPUTS = {"text": "hello x: 3 squares", "total": 5, "roots": [0, 1, 4]}


def test_a_result_is_the_outputs_or_the_remote_error(remote: FlyteRemote) -> None:
    assert dict(remote.execution("finished").result()) == OUTPUTS
    with pytest.raises(FlyteExecutionFailed) as caught:
        remote.execution("failed").result()
    assert caught.value.error.message.endswith(LONG_TEXT)
    with pytest.raises(FlyteTimeout):
        remote.execution("running").result(timeout=0)


@pytest.mark.parametrize("verb", ["relaunch", "recover"])
def test_a_repetition_shows_how_far_it_is_at_once(remote: FlyteRemote, verb: str) -> None:
    execution = getattr(remote.execution("finished"), verb)()
    assert type(execution) is FlyteWorkflowExecution
    assert execution.closure.created_at is not None
    metadata = execution.spec.metadata
    assert metadata is not None
    assert metadata.mode == (Mode.RELAUNCH if verb == "relaunch" else Mode.RECOVERED)
    assert dict(execution.wait().outputs) == OUTPUTS


def test_a_fetched_execution_has_its_values_and_its_workflow(remote: FlyteRemote, host: Host) -> None:
    stats(host, reset=True)
    execution = remote.fetch_execution(name="finished")
    assert dict(execution.outputs) == OUTPUTS
    assert execution.flyte_workflow is not None
    assert execution.flyte_workflow.name == "demo.report"
    assert remote.fetch_execution(name="finished").flyte_workflow is execution.flyte_workflow
    assert calls(host) == {"GetExecution": 2, "GetExecutionData": 2, "GetWorkflow": 1}


def test_an_execution_whose_workflow_cannot_be_read_is_fetched(remote: FlyteRemote, misbehave: Misbehave) -> None:
    misbehave(Fault(method="GetWorkflow", status=Status.NOT_FOUND))
    execution = remote.fetch_execution(name="finished")
    assert dict(execution.outputs) == OUTPUTS
    assert execution.flyte_workflow is None


def test_nodes_and_attempts_stay_the_same_objects_until_the_next_sync(remote: FlyteRemote) -> None:
    execution = remote.execution("finished").sync(sync_nodes=True)
    node = execution.node_executions["n2"]
    assert type(node) is FlyteNodeExecution
    assert execution.node_executions["n2"] is node
    assert type(node.task_executions[0]) is FlyteTaskExecution
    assert node.task_executions[0] is node.task_executions[0]
    assert node.subworkflow_node_executions is node.subworkflow_node_executions


def test_one_node_is_read_on_its_own(remote: FlyteRemote) -> None:
    node = remote.execution("finished").fetch_node("n1")
    assert type(node) is FlyteNodeExecution
    assert dict(node.outputs) == {"o0": "hello x"}
    assert type(node.task_executions[0]) is FlyteTaskExecution


def test_messages_are_flyteidls_own(remote: FlyteRemote) -> None:
    execution = remote.execution("finished").sync(sync_nodes=True)
    node = execution.node_executions["n2"]
    for shown in (execution, node, node.task_executions[0]):
        message: Any = shown.to_flyte_idl()
        assert message.DESCRIPTOR.full_name.startswith("flyteidl.admin.")
        assert message.FromString(shown.serialize_to_string()) == message
    assert json_format.MessageToDict(execution.to_flyte_idl())["id"]["name"] == "finished"


def test_an_execution_made_of_a_message_works_with_a_remote(remote: FlyteRemote) -> None:
    message = remote.execution("finished").sync().to_flyte_idl()
    execution = FlyteWorkflowExecution.promote_from_model(message)
    assert execution.is_successful
    assert execution.execution_url is None
    assert remote.sync(execution) is execution
    assert dict(execution.outputs) == OUTPUTS
    assert execution.execution_url is not None
    assert execution == remote.execution("finished")


def test_a_subclass_is_made_of_a_message_as_one(remote: FlyteRemote) -> None:
    class Shown(FlyteWorkflowExecution):
        """As some programs have it."""

    execution = Shown.promote_from_model(admin.Execution(), remote)
    assert type(execution) is Shown
    made = Shown(None, remote, id=core.WorkflowExecutionIdentifier(project="p", domain="d", name="n"))
    assert made.execution_url is not None
    assert type(made) is Shown


def test_an_execution_is_let_go_of_with_its_nodes(remote: FlyteRemote) -> None:
    execution = remote.execution("finished").sync(sync_nodes=True)
    gone = [weakref.ref(execution), weakref.ref(execution.node_executions["n0"])]
    del execution
    gc.collect()
    assert not any(reference() for reference in gone)


@pytest.mark.parametrize("how", ["pickle", "copy", "deepcopy"])
def test_an_execution_is_pickled_and_copied_with_all_that_it_shows(remote: FlyteRemote, how: str) -> None:
    execution = remote.execution("finished").wait()
    make: Any = {"pickle": lambda one: pickle.loads(pickle.dumps(one)), "copy": copy.copy, "deepcopy": copy.deepcopy}
    twin: FlyteWorkflowExecution = make[how](execution)
    assert type(twin) is FlyteWorkflowExecution
    assert twin is not execution
    assert twin == execution
    assert dict(twin.outputs) == OUTPUTS
    node = twin.node_executions["n2"]
    assert type(node) is FlyteNodeExecution
    assert type(pickle.loads(pickle.dumps(node)).task_executions[0]) is FlyteTaskExecution
    if how == "pickle":
        assert twin.execution_url is None
        with pytest.raises(FlyteUsageError, match="without a remote"):
            twin.sync()
        assert remote.sync(twin) is twin
    assert twin.execution_url == execution.execution_url
    assert twin.wait() is twin


def test_a_remote_is_not_pickled(remote: FlyteRemote) -> None:
    with pytest.raises(FlyteUsageError, match="make another one with its `config`"):
        pickle.dumps(remote)
