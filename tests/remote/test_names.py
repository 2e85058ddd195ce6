"""Names of executions."""

from __future__ import annotations

import enum
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.errors import FlyteInvalidInputException
from flyteasync.remote.names import LONGEST, check_name, execution_name, generate_name

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
    if accepted(f"{prefix}-{'a' * 19}"):
        name = generate_name(prefix)
        assert re.fullmatch("-[bcdfghjklmnpqrstvwxz2456789]{19}", name.removeprefix(prefix))
        assert accepted(name)
    else:
        with pytest.raises(FlyteInvalidInputException, match="execution_name_prefix"):
            generate_name(prefix)


def test_the_longest_prefix_is_flytekits() -> None:
    assert len(generate_name("x" * 43)) == LONGEST
    with pytest.raises(FlyteInvalidInputException, match="execution_name_prefix"):
        generate_name("x" * 44)


def test_the_longest_name_and_one_more() -> None:
    assert accepted("x" * LONGEST)
    with pytest.raises(FlyteInvalidInputException, match="64 characters; at most 63"):
        check_name("x" * (LONGEST + 1))


# Names made of parts ...

PARTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=80)
    | st.binary(max_size=20)
    | st.dates()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)


def typed(part: object) -> object:
    """A part with its type, since Python takes 1, 1.0 and True for equal, and 0.0 and -0.0."""
    return tuple(typed(item) for item in part) if isinstance(part, tuple) else (type(part), repr(part))


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_any_parts_make_a_valid_name_which_is_always_the_same(parts: list[object]) -> None:
    name = execution_name(*parts)
    assert accepted(name)
    assert SUBDOMAIN.fullmatch(name)
    assert FLYTEADMIN.fullmatch(name)
    assert execution_name(*parts) == name


@given(st.lists(PARTS, min_size=1, max_size=3), st.lists(PARTS, min_size=1, max_size=3))
def test_different_parts_make_different_names(one: list[object], other: list[object]) -> None:
    same = typed(tuple(one)) == typed(tuple(other))
    assert (execution_name(*one) == execution_name(*other)) is same


def test_a_name_made_of_parts_is_the_same_in_every_process_and_release() -> None:
    """Whoever resumes with a newer release relies on it."""
    assert execution_name("train", "2024-06-01", 17) == "train-2024-06-01-17-gbgv4qvkwrrf"
    assert execution_name("Ärger", None, [1, (2.5, b"x")]) == "rger-none-1-2-5-78-cbmvw5lb4vbt"


def test_a_name_shows_the_beginning_of_its_parts_as_far_as_there_is_room() -> None:
    assert execution_name("nightly Report", 7).startswith("nightly-report-7-")
    long = execution_name("x" * 100)
    assert len(long) == LONGEST
    assert long.startswith("x" * 50 + "-")
    assert execution_name("x" * 101) != long


def test_the_member_of_an_enum_is_a_part_like_its_value() -> None:
    class Colour(str, enum.Enum):  # noqa: UP042 # its str() is not its value, other than a StrEnum's
        RED = "red"

    assert execution_name(Colour.RED) == execution_name("red")


@pytest.mark.parametrize("parts", [(), (object(),), ({"a": 1},), ([{1}],)])
def test_parts_whose_text_may_change_from_run_to_run_are_refused(parts: tuple[object, ...]) -> None:
    with pytest.raises(FlyteInvalidInputException, match="part"):
        execution_name(*parts)
