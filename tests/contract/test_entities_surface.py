"""Every class, method, parameter and property of flytekit's entities is here, but for the differences listed."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from flyteasync import entities
from tests.contract.surface import Signature, assert_reasoned, differences_told, signature_of

HERE = Path(__file__).parent
SURFACE: dict[str, dict[str, Any]] = json.loads((HERE / "seed_surface.json").read_text())
DIFFERENCES: list[dict[str, Any]] = json.loads((HERE / "entities_differences.json").read_text())
BY_PLACE = {difference["where"]: difference for difference in DIFFERENCES}

CALLABLES = [
    (name, member, parameters)
    for name, surface in SURFACE.items()
    for member, parameters in [("__init__", surface["init"]), *surface["methods"].items()]
]
PROPERTIES = [(name, member) for name, surface in SURFACE.items() for member in surface["properties"]]


@pytest.mark.parametrize(("name", "member", "expected"), CALLABLES, ids=lambda value: value if str(value) else "")
def test_signature_is_flytekits(name: str, member: str, expected: Signature) -> None:
    difference = BY_PLACE.get(f"{name}.{member}")
    signature = signature_of(getattr(entities, name), member)
    if difference is None:
        assert signature == expected
    else:
        assert signature == difference["ours"]
        assert signature != expected, "no longer a difference: take it off the list"


@pytest.mark.parametrize(("name", "member"), PROPERTIES)
def test_property_is_there(name: str, member: str) -> None:
    cls = getattr(entities, name)
    static = inspect.getattr_static(cls, member)
    if f"{name}.{member}" in BY_PLACE:
        assert inspect.iscoroutinefunction(static)
    elif member in ("entity_type_text", "resource_type"):
        assert isinstance(static, str | int)  # the same for all objects of the class
    else:
        assert isinstance(static, property)
        assert static.__doc__


@pytest.mark.parametrize("place", BY_PLACE)
def test_difference_is_about_a_member_and_has_a_reason(place: str) -> None:
    name, member = place.split(".")
    surface = SURFACE[name]
    assert member == "__init__" or member in surface["methods"] or member in surface["properties"]
    assert len(BY_PLACE[place]["reason"].split()) > 4


@pytest.mark.parametrize("place", BY_PLACE)
def test_difference_is_in_the_documentation(place: str) -> None:
    shown = f"`{place.removesuffix('.__init__')}{'(' if place.endswith('.__init__') else ''}"
    assert [row for row in differences_told("entities.md") if row[0].startswith(shown)]


@pytest.mark.parametrize("row", differences_told("entities.md"), ids=lambda row: row[0])
def test_every_difference_in_the_documentation_has_a_reason(row: tuple[str, ...]) -> None:
    assert_reasoned(row)


def test_places_are_listed_once() -> None:
    assert len(BY_PLACE) == len(DIFFERENCES)


@pytest.mark.parametrize("name", SURFACE)
def test_every_public_member_says_what_it_is(name: str) -> None:
    for member, value in inspect.getmembers_static(getattr(entities, name)):
        if not member.startswith("_") and (callable(value) or isinstance(value, property | classmethod)):
            assert inspect.getdoc(getattr(getattr(entities, name), member)), member
