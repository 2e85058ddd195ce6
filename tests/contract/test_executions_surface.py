"""Every class, method, parameter and property of flytekit's executions is here, but for the differences listed."""

import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import flyteasync
from flyteasync import sync
from tests.contract.surface import Signature, assert_reasoned, differences_told, signature_of

HERE = Path(__file__).parent
PAGE = "executions.md"
SURFACE: dict[str, dict[str, Any]] = json.loads((HERE / "executions_surface.json").read_text())
ENTITIES: dict[str, Any] = json.loads((HERE / "seed_surface.json").read_text())
DIFFERENCES: list[dict[str, Any]] = json.loads((HERE / "executions_differences.json").read_text())
BY_PLACE = {(package, difference["where"]): difference for difference in DIFFERENCES for package in difference["in"]}

PACKAGES = [flyteasync, sync]
COROUTINES = {"FlyteWorkflowExecution.sync", "FlyteWorkflowExecution.wait"}
"""What asks the server: to be awaited in the async package, blocking in the facade."""

CALLABLES = [
    (package, name, member, parameters)
    for package in PACKAGES
    for name, surface in SURFACE.items()
    for member, parameters in [("__init__", surface["init"]), *surface["methods"].items()]
]
PROPERTIES = [
    (package, name, member)
    for package in PACKAGES
    for name, surface in SURFACE.items()
    for member in surface["properties"]
]


def text(value: object) -> str | None:
    return value.__name__ if isinstance(value, ModuleType) else str(value)


@pytest.mark.parametrize(("package", "name", "member", "expected"), CALLABLES, ids=text)
def test_signature_is_flytekits(package: ModuleType, name: str, member: str, expected: Signature) -> None:
    difference = BY_PLACE.get((package.__name__, f"{name}.{member}"))
    signature = signature_of(getattr(package, name), member)
    if difference is None:
        assert signature == expected
    else:
        assert signature == difference["ours"]
        assert signature != expected, "no longer a difference: take it off the list"


@pytest.mark.parametrize(("package", "name", "member"), PROPERTIES, ids=text)
def test_property_is_there_and_says_what_it_is(package: ModuleType, name: str, member: str) -> None:
    static = inspect.getattr_static(getattr(package, name), member)
    assert isinstance(static, property)
    assert static.__doc__


@pytest.mark.parametrize(("package", "name", "member", "expected"), CALLABLES, ids=text)
def test_only_what_asks_the_server_is_awaited(package: ModuleType, name: str, member: str, expected: Signature) -> None:
    asks = package is flyteasync and f"{name}.{member}" in COROUTINES
    assert inspect.iscoroutinefunction(getattr(getattr(package, name), member)) is asks


@pytest.mark.parametrize("place", BY_PLACE, ids=lambda place: "-".join(place))
def test_difference_is_about_a_member_and_has_a_reason(place: tuple[str, str]) -> None:
    name, member = place[1].split(".")
    assert member == "__init__" or member in SURFACE[name]["methods"]
    assert len(BY_PLACE[place]["reason"].split()) > 4
    assert place[0] in {package.__name__ for package in PACKAGES}


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference["where"])
def test_difference_is_in_the_documentation(difference: dict[str, Any]) -> None:
    name, member = difference["where"].split(".")
    shown = f"{name}(" if member == "__init__" else member
    assert [row for row in differences_told(PAGE) if shown in row[0]]


@pytest.mark.parametrize("row", differences_told(PAGE), ids=lambda row: row[0])
def test_every_difference_in_the_documentation_has_a_reason(row: tuple[str, ...]) -> None:
    assert_reasoned(row)


@pytest.mark.parametrize("package", PACKAGES, ids=text)
@pytest.mark.parametrize("name", ["FlyteTask", "FlyteWorkflow", "TypedInterface"])
def test_the_entities_of_the_same_page_are_in_both_packages(package: ModuleType, name: str) -> None:
    assert name in ENTITIES, "their surface has a test of its own"
    assert getattr(package, name) is getattr(flyteasync, name)


@pytest.mark.parametrize("package", PACKAGES, ids=text)
@pytest.mark.parametrize("name", SURFACE)
def test_every_public_member_says_what_it_is(package: ModuleType, name: str) -> None:
    cls = getattr(package, name)
    for member, value in inspect.getmembers_static(cls):
        if not member.startswith("_") and (callable(value) or isinstance(value, property | classmethod)):
            assert inspect.getdoc(getattr(cls, member)), member
