"""Random messages of every generated type, judged by upb."""

import dataclasses
import random
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from flyteasync.codec import Message, decode, encode

from .fill import fill
from .twins import Twins, all_twins, flyte_twins, read_all, same

TYPES = [*flyte_twins(), all_twins(), all_twins("Leaf")]
SHARES = st.sampled_from((0.2, 0.5, 0.9))
SEEDS = st.integers(0, 2**32)


def of_every_type(examples: int) -> Any:
    """Run a test with random messages of upb of every type."""

    def decorate(test: Any) -> Any:
        @pytest.mark.parametrize("twins", TYPES, ids=[twins.name for twins in TYPES])
        @settings(max_examples=examples)
        @given(seed=SEEDS, share=SHARES)
        def run(twins: Twins, seed: int, share: float) -> None:
            chance = random.Random(seed)
            test(twins, fill(twins.theirs(), chance, share), chance)

        run.__name__ = test.__name__
        return run

    return decorate


def check(twins: Twins, theirs: Any, chance: random.Random) -> None:
    """Whether we and upb understand each other about one message."""
    data = theirs.SerializeToString()
    untouched, read, partly_read = (decode(twins.ours, data) for _ in range(3))
    if twins.name != "alltypes.All":  # which has lists that upb writes unpacked
        assert encode(untouched) == data
    read_all(read)
    same(theirs, read)
    for field in dataclasses.fields(partly_read):
        if chance.random() < 0.5:
            getattr(partly_read, field.name)
    for ours in (untouched, read, partly_read, rebuilt(read)):
        assert twins.theirs.FromString(encode(ours)) == theirs
        assert ours == read


def rebuilt(message: Message) -> Message:
    """The message that a user builds who wants an equal one."""
    values = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
    return type(message)(**{name: _rebuilt_value(value) for name, value in values.items()})


def _rebuilt_value(value: Any) -> Any:
    match value:
        case Message():
            return rebuilt(value)
        case list():
            return [_rebuilt_value(item) for item in value]
        case dict():
            return {key: _rebuilt_value(item) for key, item in value.items()}
        case _:
            return value


def check_json(twins: Twins, theirs: Any, _: random.Random) -> None:
    """Whether our JSON of a message is upb's, and is read as upb reads it."""
    try:
        want = json_format.MessageToDict(theirs)
    except (json_format.Error, ValueError):  # an infinite number in a Value
        return
    ours = decode(twins.ours, theirs.SerializeToString())
    assert ours.to_dict() == want
    parsed = json_format.Parse(ours.to_json(), twins.theirs())
    assert twins.theirs.FromString(encode(twins.ours.from_dict(want))) == parsed
    assert twins.ours.from_json(ours.to_json()) == decode(twins.ours, parsed.SerializeToString())


@of_every_type(examples=5)
def test_we_read_what_upb_writes_and_upb_reads_what_we_write(twins: Twins, theirs: Any, chance: random.Random) -> None:
    check(twins, theirs, chance)


@of_every_type(examples=3)
def test_json_is_that_of_the_official_package(twins: Twins, theirs: Any, chance: random.Random) -> None:
    check_json(twins, theirs, chance)


@pytest.mark.long
@pytest.mark.timeout(1200)
@of_every_type(examples=150)
def test_many_messages_of_every_type(twins: Twins, theirs: Any, chance: random.Random) -> None:
    check(twins, theirs, chance)
    check_json(twins, theirs, chance)
