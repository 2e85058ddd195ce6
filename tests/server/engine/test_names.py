"""Ids that the propeller derives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.server.engine.names import (
    child_execution_name,
    external_id,
    generated_name,
    hashed,
    label_value,
    unique_node_id,
)


@pytest.mark.parametrize(
    ("spec", "parent", "attempt", "expected"),
    [
        ("n0", "", 0, "n0"),
        ("n1", "n0", 0, "n0-0-n1"),
        ("dn0", "n0", 1, "n0-1-dn0"),
        ("n2", "n0-0-n1", 0, "n0-0-n1-0-n2"),
        ("start-node", "n0", 0, "n0-0-start-node"),
        ("x" * 20, "", 0, "x" * 20),
        ("x" * 24, "", 0, "fuaa3aji"),
    ],
)
def test_a_nodes_id_tells_what_it_runs_under(spec: str, parent: str, attempt: int, expected: str) -> None:
    assert unique_node_id(spec, parent, attempt) == expected


NAMES = st.from_regex(r"[a-z][a-z0-9\-]{0,40}", fullmatch=True)


@given(NAMES, NAMES, st.integers(0, 99))
def test_ids_and_names_never_exceed_their_limits(execution: str, node: str, attempt: int) -> None:
    assert len(unique_node_id(node, execution, attempt)) <= 20
    name = child_execution_name(execution, node, attempt)
    assert len(name) <= 20
    assert name[0].isalpha()
    assert len(generated_name(execution, node, attempt)) <= 50


def test_long_child_names_are_hashed_with_64_bits() -> None:
    assert child_execution_name("e1", "n0", 0) == "e1-n0-0"
    hashed = child_execution_name("a" * 20, "n0", 0)
    assert (len(hashed), hashed[0]) == (14, "f")
    assert hashed != child_execution_name("a" * 20, "n0", 1)


def test_hashes_are_the_propellers() -> None:
    text = "x-y-z-m-n-y-z-m-n-y-z-m-n"
    assert (hashed(text), hashed(text, 64)) == ("fe63sz6y", "fwp4bky2kucex5")


def test_elements_of_arrays_have_names_with_their_index() -> None:
    assert external_id("e1", "n0", 3, 1) == "e1-n0-1-n3-1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("pkg.Mod.my_wf", "pkg-mod-my-wf"), ("--x--", "x"), ("a" * 70, "a" * 63)],
)
def test_a_label_is_what_kubernetes_takes(text: str, expected: str) -> None:
    assert label_value(text) == expected
