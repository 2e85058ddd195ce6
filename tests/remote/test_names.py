"""Names of executions."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.errors import FlyteInvalidInputException
from flyteasync.remote.names import LONGEST, check_name, generate_name

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""What Kubernetes takes."""

FLYTEADMIN = re.compile(r"^[a-z][a-z\-0-9]*$")
"""What flyteadmin takes, 63 characters at the most."""


def accepted(name: str) -> bool:
    try:
        return check_name(name) == name
    except FlyteInvalidInputException:
        return False


@given(st.text(string.ascii_letters + string.digits + "-_.\n ä", max_size=66))
def test_a_name_is_accepted_if_flyteadmin_and_kubernetes_both_take_it(name: str) -> None:
    valid = bool(SUBDOMAIN.fullmatch(name) and FLYTEADMIN.match(name) and len(name) <= 63)
    assert accepted(name) is valid


@given(st.text("az09-", min_size=1, max_size=64))
def test_a_name_of_the_right_characters_is_accepted_by_its_ends_and_length(name: str) -> None:
    assert accepted(name) is (name[0] in "az" and name[-1] != "-" and len(name) <= 63)


def test_generated_names_are_valid_and_flyteadmins_own() -> None:
    names = {generate_name() for _ in range(1000)}
    assert len(names) == 1000
    for name in names:
        assert re.fullmatch("a[bcdfghjklmnpqrstvwxz2456789]{19}", name)
        assert accepted(name)


@given(st.text(string.ascii_letters + string.digits + "-_.", max_size=50))
def test_a_prefix_makes_a_valid_name_or_is_refused(prefix: str) -> None:
    if accepted(f"{prefix}-{'a' * 20}"):
        name = generate_name(prefix)
        assert name.startswith(f"{prefix}-a")
        assert accepted(name)
    else:
        with pytest.raises(FlyteInvalidInputException, match="execution_name_prefix"):
            generate_name(prefix)


def test_the_longest_name_and_one_more() -> None:
    assert accepted("x" * LONGEST)
    with pytest.raises(FlyteInvalidInputException, match="64 characters; at most 63"):
        check_name("x" * (LONGEST + 1))
