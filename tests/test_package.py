"""Importing the package costs next to nothing, and every public name is there."""

import importlib
import pkgutil
import subprocess
import sys
import types

import pytest

import flyteasync


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after a statement."""
    code = f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*sorted(set(sys.modules) - before))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_import_brings_neither_grpc_nor_generated_code() -> None:
    loaded = modules_after("import flyteasync")
    assert {name for name in loaded if name.startswith("flyteasync")} == {"flyteasync", "flyteasync.on_demand"}
    assert not loaded & {"grpc", "betterproto2", "anyio", "asyncio", "httpx2", "yaml", "tenacity"}


def test_a_remote_brings_nothing_that_only_some_values_need() -> None:
    loaded = modules_after("from flyteasync import FlyteRemote; import flyteasync.literals, flyteasync.storage")
    assert not loaded & {"httpx2", "obstore", "pandas", "pyarrow", "cloudpickle", "flytekit", "flyteidl"}


def test_a_remote_that_is_ready_to_send_has_no_machinery_for_values_or_failures() -> None:
    loaded = modules_after("from flyteasync import Config, FlyteRemote; FlyteRemote(Config.for_endpoint('dns:///x'))")
    parts = (
        "entities.workflow",
        "executions.workflow",
        "literals.conversion",
        "remote.runs",
        "storage",
        "watcher.watch",
    )
    assert not loaded & {f"flyteasync.{part}" for part in parts}
    assert not loaded & {"msgspec", "tenacity", "pickle", "configparser", "html", "yaml"}


def test_the_cli_module_is_light_until_a_command_runs() -> None:
    assert not modules_after("import flyteasync.cli") & {"grpc", "betterproto2", "rich"}


@pytest.mark.parametrize("name", flyteasync.__all__)
def test_public_name_can_be_imported(name: str) -> None:
    assert getattr(flyteasync, name).__name__ == name


def test_public_names_are_listed_in_order() -> None:
    assert flyteasync.__all__ == sorted(flyteasync.__all__)
    assert set(flyteasync.__all__) <= set(dir(flyteasync))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="FlyteNothing"):
        _ = flyteasync.FlyteNothing


@pytest.mark.parametrize("package", ["entities", "executions", "literals", "remote", "testing", "watcher"])
def test_no_public_name_is_that_of_a_module(package: str) -> None:
    """Importing the module would put it in the place of the name."""
    imported = importlib.import_module(f"flyteasync.{package}")
    modules = {module.name for module in pkgutil.iter_modules(imported.__path__)}
    assert modules.isdisjoint(imported.__all__)
    for name in imported.__all__:
        assert not isinstance(getattr(imported, name), types.ModuleType)
