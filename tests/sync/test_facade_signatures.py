"""What callers, mocks and subclasses see of the facade's methods."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import FunctionType
from typing import Any
from unittest.mock import MagicMock, create_autospec

import pytest

import flyteasync
from flyteasync import errors, sync
from flyteasync.server.host import Host
from flyteasync.sync import FlyteRemote, FlyteWorkflowExecution

TWINS = [(FlyteRemote, flyteasync.FlyteRemote), (FlyteWorkflowExecution, flyteasync.FlyteWorkflowExecution)]
OTHER_DEFAULTS = {("execute", "on_conflict"): "adopt", ("wait", "sync_nodes"): True}
VERBS = [
    (facade, twin, name)
    for facade, twin in TWINS
    for name, member in inspect.getmembers(facade)
    if not name.startswith("_") and isinstance(member, FunctionType) and hasattr(twin, name)
]


def test_the_facade_has_every_verb_of_the_thin_async_classes() -> None:
    names = {name for _, _, name in VERBS}
    assert names >= {
        *("fetch_task", "fetch_workflow", "fetch_launch_plan", "fetch_execution", "execution", "execute"),
        *("sync", "wait", "terminate", "ping", "with_options", "aclose"),
    }


@pytest.mark.parametrize(("facade", "twin", "name"), VERBS, ids=lambda value: getattr(value, "__module__", value))
def test_a_verb_is_a_plain_function_with_the_signature_of_its_twin(facade: type, twin: type, name: str) -> None:
    method = getattr(facade, name)
    assert isinstance(method, FunctionType)
    assert not inspect.iscoroutinefunction(method)
    assert inspect.getdoc(method)
    own, expected = inspect.signature(method).parameters, inspect.signature(getattr(twin, name)).parameters
    assert list(own) == list(expected)
    for parameter in expected.values():
        default = OTHER_DEFAULTS.get((name, parameter.name), parameter.default)
        assert own[parameter.name].default == default, parameter.name
        assert own[parameter.name].kind == parameter.kind, parameter.name


BLOCKING = {"FlyteNodeExecution", "FlyteRemote", "FlyteTaskExecution", "FlyteWorkflowExecution", "Outcome"}
"""What awaits, or refers to what does, has a twin in the facade."""


@pytest.mark.parametrize("name", sync.__all__)
def test_public_name_can_be_imported(name: str) -> None:
    assert getattr(sync, name).__name__ == name


@pytest.mark.parametrize("name", flyteasync.__all__)
def test_every_public_name_of_the_package_is_here_as_itself_or_as_a_twin_that_blocks(name: str) -> None:
    here, there = getattr(sync, name), getattr(flyteasync, name)
    if name not in BLOCKING:
        assert here is there
        return
    assert here is not there
    assert here.__module__.startswith("flyteasync.sync.")
    awaiting = [verb for verb, member in inspect.getmembers(there) if inspect.iscoroutinefunction(member)]
    assert not [verb for verb in awaiting if inspect.iscoroutinefunction(getattr(here, verb, None))]


def test_every_error_is_here() -> None:
    assert set(errors.__all__) <= set(sync.__all__)
    assert sync.FlyteTimeout is errors.FlyteTimeout


def test_the_names_of_flytekit_remote_are_here() -> None:
    nodes = {"FlyteBranchNode", "FlyteNode", "FlyteTaskNode", "FlyteWorkflowNode"}
    executions = {"FlyteNodeExecution", "FlyteTaskExecution", "FlyteWorkflowExecution"}
    others = {"FlyteLaunchPlan", "FlyteRemote", "FlyteTask", "FlyteWorkflow"}
    assert nodes | executions | others <= set(sync.__all__)


FLYTEKIT = """
    activate_launchplan approve auto client config context deactivate_launchplan default_domain default_project download
    execute execute_local_launch_plan execute_local_task execute_local_workflow execute_reference_launch_plan
    execute_reference_task execute_reference_workflow execute_remote_task_lp execute_remote_wf fast_package
    fast_register_workflow fetch_active_launchplan fetch_execution fetch_launch_plan fetch_task fetch_task_lazy
    fetch_workflow fetch_workflow_lazy file_access find_launch_plan find_launch_plan_for_node for_endpoint for_sandbox
    generate_console_http_domain generate_console_url get get_domains get_execution_metrics
    get_extra_headers_for_protocol interactive_mode_enabled launch_backfill list_projects list_signals
    list_tasks_by_version raw_register recent_executions register_launch_plan register_script register_task
    register_workflow reject remote_context set_input set_signal sync sync_execution sync_node_execution
    sync_task_execution terminate upload_file wait
"""
"""The public names of the FlyteRemote of flytekit 1.16."""


def test_readme_tells_what_of_flytekits_remote_is_not_there_and_nothing_else() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    told = re.findall(r"`([\w*]+)`", readme.partition("Not there yet:")[2].partition("## ")[0])
    names = FLYTEKIT.split()
    missing = {name for name in names if not hasattr(FlyteRemote, name)}
    assert {name for name in missing if not any(fnmatch(name, pattern) for pattern in told)} == set()
    there = {name for name in names if name not in missing} - {"sync", "execute"}
    assert {name for name in there if any(fnmatch(name, pattern) for pattern in told)} == set()


def test_public_names_are_listed_in_order_and_others_are_no_names() -> None:
    assert sync.__all__ == sorted(sync.__all__)
    assert set(sync.__all__) <= set(dir(sync))
    with pytest.raises(AttributeError, match="FlyteNothing"):
        _ = sync.FlyteNothing


def test_importing_the_facade_costs_next_to_nothing() -> None:
    code = "import sys, flyteasync.sync; print(*(name for name in sys.modules if name.startswith('flyteasync')))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert set(loaded) == {"flyteasync", "flyteasync.on_demand", "flyteasync.sync"}


def test_autospec_sees_functions_and_not_coroutines() -> None:
    remote: Any = create_autospec(FlyteRemote, instance=True)
    remote.execute.return_value = "execution"
    assert remote.execute("plan", {"n": 1}, wait=True) == "execution"
    remote.execute.assert_called_once_with("plan", {"n": 1}, wait=True)
    with pytest.raises(TypeError):
        remote.execute()
    with pytest.raises(TypeError):
        remote.execute("plan", no_such_argument=1)
    with pytest.raises(AttributeError):
        _ = remote.no_such_verb
    assert remote.fetch_task(name="x") is not None
    assert not inspect.iscoroutine(remote.ping())


def test_a_mock_with_a_spec_sees_functions_and_not_coroutines() -> None:
    execution: Any = MagicMock(spec=FlyteWorkflowExecution)
    assert isinstance(execution, FlyteWorkflowExecution)
    execution.wait.return_value = execution
    execution.is_successful = True
    assert execution.wait(timeout=1).is_successful
    assert not inspect.iscoroutine(execution.sync())


def test_an_instances_verb_can_be_replaced(remote: FlyteRemote) -> None:
    remote.ping = lambda: "pong"  # type: ignore[method-assign, assignment, return-value]
    assert remote.ping() == "pong"


def test_a_subclass_can_override_verbs_and_call_those_of_its_base(host: Host) -> None:
    class Counting(FlyteRemote):
        executed = 0

        def execute(self, *args: Any, **kwargs: Any) -> FlyteWorkflowExecution:
            self.executed += 1
            return super().execute(*args, **kwargs)

    config = flyteasync.Config.for_endpoint(host.endpoint, insecure=True)
    with Counting(config, "flytesnacks", "development") as remote:
        execution = remote.execute(remote.fetch_launch_plan(name="nothing"), wait=True)
        assert execution.is_successful
        assert remote.executed == 1
        assert type(remote.with_options(timeout=1)) is Counting


DOCUMENTED = [
    sync.FlyteRemote,
    sync.FlyteWorkflowExecution,
    sync.FlyteNodeExecution,
    sync.FlyteTaskExecution,
    sync.Outcome,
    sync.Runs,
    sync.Completed,
    sync.Watch,
]


@pytest.mark.parametrize("shown", DOCUMENTED, ids=lambda shown: shown.__name__)
def test_what_editors_show_of_the_facade_is_true_of_the_facade(shown: type) -> None:
    """An editor shows the docstring that is written at a method, so none may be one of the async package."""
    members = inspect.getmembers(shown, lambda member: callable(member) or isinstance(member, property))
    for name, member in [("", shown), *((name, member) for name, member in members if not name.startswith("_"))]:
        text = inspect.getdoc(member) or ""
        assert text, name
        assert not re.search(r"\bawait\b|\basync (for|with)\b|comes with|\bcoroutine\b|\btask that\b", text), name
