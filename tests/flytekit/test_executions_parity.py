"""Executions are made of flytekit's own models, and have what flytekit's have."""

import inspect
import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import flyteasync
from flyteasync import codec, sync
from flyteasync.idl import admin, core
from flyteasync.interop import pb2_of
from tests.contract.surface import Signature, signature_of
from tests.server.build import execution_id, identifier

# Not "flytekit" alone: that is the name of this folder, too.
pytest.importorskip("flytekit.core.type_engine")
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from flytekit.core.type_engine import LiteralsResolver as TheirResolver
    from flytekit.models.admin.task_execution import TaskExecution
    from flytekit.models.execution import Execution
    from flytekit.models.node_execution import NodeExecution
    from flytekit.remote import executions as theirs

PACKAGES = [flyteasync, sync]
SURFACE: dict[str, Any] = json.loads((Path(__file__).parents[1] / "contract" / "executions_surface.json").read_text())
CALLABLES = [
    (name, member, parameters)
    for name, surface in SURFACE.items()
    for member, parameters in [("__init__", surface["init"]), *surface["methods"].items()]
]

NODE_ID = core.NodeExecutionIdentifier(node_id="n0", execution_id=execution_id("run"))
ERROR = core.ExecutionError(code="USER:Bad", message="no luck", kind=core.ExecutionErrorErrorKind.USER)
EXECUTION = admin.Execution(
    id=execution_id("run"),
    spec=admin.ExecutionSpec(
        launch_plan=identifier("plan", core.ResourceType.LAUNCH_PLAN),
        metadata=admin.ExecutionMetadata(mode=admin.ExecutionMetadataExecutionMode.RELAUNCH, principal="me"),
        tags=["a"],
    ),
    closure=admin.ExecutionClosure(phase=core.WorkflowExecutionPhase.FAILED, error=ERROR),
)
NODE = admin.NodeExecution(
    id=NODE_ID,
    input_uri="s3://b/in",
    metadata=admin.NodeExecutionMetaData(spec_node_id="n0", is_parent_node=True),
    closure=admin.NodeExecutionClosure(phase=core.NodeExecutionPhase.FAILED, error=ERROR),
)
TASK = admin.TaskExecution(
    id=core.TaskExecutionIdentifier(
        task_id=identifier("t", core.ResourceType.TASK), node_execution_id=NODE_ID, retry_attempt=2
    ),
    input_uri="s3://b/in",
    is_parent=True,
    closure=admin.TaskExecutionClosure(phase=core.TaskExecutionPhase.FAILED, error=ERROR),
)
MODELS = [
    ("FlyteWorkflowExecution", Execution, EXECUTION),
    ("FlyteNodeExecution", NodeExecution, NODE),
    ("FlyteTaskExecution", TaskExecution, TASK),
]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
@pytest.mark.parametrize(("name", "model", "message"), MODELS, ids=[name for name, _, _ in MODELS])
def test_an_execution_is_made_of_flytekits_model(package: Any, name: str, model: Any, message: codec.Message) -> None:
    ours = getattr(package, name).promote_from_model(model.from_flyte_idl(pb2_of(message)))
    assert ours == getattr(package, name).promote_from_model(message)
    their = getattr(theirs, name).promote_from_model(model.from_flyte_idl(pb2_of(message)))
    assert (ours.is_done, ours.closure.phase) == (their.is_done, their.closure.phase)
    assert (ours.error.code, ours.error.message) == (their.error.code, their.error.message)
    assert codec.encode(ours.id) == their.id.to_flyte_idl().SerializeToString()
    assert pb2_of(message).FromString(ours.serialize_to_string()).id == their.to_flyte_idl().id
    assert ours == getattr(package, name).promote_from_model(their), "flytekit's own execution is taken, too"
    for field in ("input_uri", "is_parent"):
        if hasattr(their, field):
            assert getattr(ours, field) == getattr(their, field)


@pytest.mark.parametrize(("name", "member", "stored"), CALLABLES, ids=lambda value: value if str(value) else "")
def test_the_stored_surface_is_flytekits(name: str, member: str, stored: Signature) -> None:
    their = TheirResolver if name == "LiteralsResolver" else getattr(theirs, name)
    if member == "verbose_string" and not hasattr(their, member):
        pytest.skip("newer releases of flytekit do not have it")
    assert signature_of(their, member) == stored


@pytest.mark.parametrize("name", SURFACE)
def test_the_stored_properties_are_flytekits(name: str) -> None:
    their = TheirResolver if name == "LiteralsResolver" else getattr(theirs, name)
    properties = {
        member
        for member, value in inspect.getmembers_static(their, lambda value: isinstance(value, property))
        if not member.startswith("_")
    }
    assert set(SURFACE[name]["properties"]) == properties
