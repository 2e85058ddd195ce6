"""What each member of flytekit's entities does here, without flytekit; none is satisfied by its name."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from flyteasync import entities
from tests.contract import shown_of_calls, shown_of_entities, shown_of_nodes
from tests.contract.behaviours import FAILURES, leave_the_name_alone
from tests.contract.known import RUNNABLE, behaviour

PARITY = Path(__file__).parent.parent / "flytekit" / "test_entities_parity.py"
REGISTERING = (shown_of_calls, shown_of_entities, shown_of_nodes)
"""Importing them fills the register."""


@pytest.fixture(autouse=True)
def without_flytekit(monkeypatch: pytest.MonkeyPatch) -> None:
    """flytekit cannot be imported, nor was it."""
    for name in {"flytekit", *(name for name in sys.modules if name.startswith("flytekit."))}:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("place", behaviour.places)
async def test_member_does_what_flytekit_documents(place: str) -> None:
    await behaviour.by_place[place]()


@pytest.mark.parametrize("place", behaviour.places)
async def test_the_name_alone_does_not_do(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, member = place.split(".")
    leave_the_name_alone(monkeypatch, getattr(entities, name), member)
    with pytest.raises(FAILURES):
        await behaviour.by_place[place]()


def test_there_is_nothing_to_show_of_what_is_not_there() -> None:
    assert set(behaviour.by_place) == set(behaviour.places)


def test_what_is_left_to_flytekit_is_shown_beside_it() -> None:
    tests = set(re.findall(r"^def (test_\w+)", PARITY.read_text(), re.MULTILINE))
    assert set(behaviour.in_flytekit.values()) <= tests
    assert {f"{name}.compile" for name in RUNNABLE} <= behaviour.in_flytekit.keys()
