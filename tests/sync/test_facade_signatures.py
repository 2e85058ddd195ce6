"""What callers, mocks and subclasses see of the facade's methods."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any
from unittest.mock import MagicMock, create_autospec

import pytest

import flyteasync
from flyteasync import sync
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


def test_the_names_of_the_package_are_the_classes() -> None:
    assert {getattr(sync, name).__name__ for name in sync.__all__} == set(sync.__all__)
    with pytest.raises(AttributeError, match="FlyteNothing"):
        _ = sync.FlyteNothing


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
