"""Hand-made and damaged bytes: what upb rejects we reject, what it accepts we read the same."""

import contextlib
import random
import tracemalloc
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from flyteasync.codec import decode, encode
from flyteasync.errors import FlyteDecodeError

from .fill import damage, fill
from .twins import Twins, all_twins, differs_arguably, flyte_twins, read_all, same
from .wire_cases import CASES
from .wire_writing import block, number


def judged(twins: Twins, data: bytes) -> Any:
    """What upb reads; None if it rejects the bytes."""
    try:
        return twins.theirs.FromString(data)
    except DecodeError:
        return None


def agree(twins: Twins, data: bytes) -> None:
    """Fail unless we accept what upb accepts, see what it sees, and pass on what it would pass on."""
    want = judged(twins, data)
    if want is None:
        with pytest.raises(FlyteDecodeError, match=r"\w"):
            read_all(decode(twins.ours, data))
        return
    untouched, read = decode(twins.ours, data), decode(twins.ours, data)
    read_all(read)
    same(want, read)
    for ours in (untouched, read):
        assert twins.theirs.FromString(encode(ours)) == want


@pytest.mark.parametrize("data", CASES.values(), ids=CASES.keys())
def test_a_rule_of_the_wire_format_is_kept_as_upb_keeps_it(data: bytes) -> None:
    agree(all_twins(), data)


def test_a_time_beyond_what_python_has_fails_when_it_is_read_and_names_the_field() -> None:
    ours = all_twins().ours
    data = number(3, 7) + block(101, number(1, 253402300800)) + block(102, number(1, 1 << 62))
    message: Any = decode(ours, data)
    assert message.one_int32 == 7
    assert encode(message) == data
    with pytest.raises(FlyteDecodeError, match=r"All\.time: a Timestamp of 253402300800 seconds"):
        _ = message.time
    with pytest.raises(FlyteDecodeError, match=r"All\.duration: a Duration of 4611686018427387904 seconds"):
        _ = message.duration
    assert encode(message) == data


def test_nanoseconds_survive_being_read_unless_the_time_is_changed() -> None:
    data = block(101, number(1, 1) + number(2, 123456789))
    message: Any = decode(all_twins().ours, data)
    assert message.time.microsecond == 123456
    assert encode(message) == data
    message.time = message.time.replace(microsecond=5)
    assert all_twins().theirs.FromString(encode(message)).time.nanos == 5000


def test_an_entry_of_a_map_with_an_unknown_field_is_kept_as_go_keeps_it() -> None:
    message: Any = decode(all_twins().ours, block(71, block(1, b"k") + number(9, 9) + block(2, b"v")))
    assert message.map_string_string == {"k": "v"}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x80", "All, a tag: the bytes end too early"),
        (b"\x18", "All.one_int32: the bytes end too early"),
        (block(14, b"\xff"), "All.one_string: text that is not UTF-8"),
        (number(9999, 1)[:-1], "All, field 9999: the bytes end too early"),
        (b"\x1e", "All, field 3: wire type 6, which does not exist"),
        (b"\x18" + b"\xff" * 11, "All.one_int32: a number of more than 10 bytes"),
        (block(41, b"\0" * 12), "All.many_double: numbers that are cut off"),
        (block(17, b"\x0a\x05a"), "Leaf.text: the bytes end too early"),
        (block(101, b"\x08"), "All.time: the bytes end too early"),
        (block(71, block(1, b"\xff")), "an entry of All.map_string_string.key: text that is not UTF-8"),
    ],
)
def test_an_error_names_message_and_field(data: bytes, text: str) -> None:
    with pytest.raises(FlyteDecodeError) as caught:
        read_all(decode(all_twins().ours, data))
    assert str(caught.value) == text


def test_reading_malformed_bytes_fails_each_time() -> None:
    message: Any = decode(all_twins().ours, block(17, b"\x0a\x05a"))
    for _ in range(2):
        with pytest.raises(FlyteDecodeError):
            _ = message.one_leaf


def judge_damage(seed: int, count: int) -> None:
    """Judge random damage to random messages."""
    chance = random.Random(seed)
    flyte, others = flyte_twins(), [all_twins(), all_twins("Leaf")]
    for _ in range(count):
        twins = chance.choice(others if chance.random() < 0.3 else flyte)
        data = damage(fill(twins.theirs(), chance, chance.choice((0.1, 0.3, 0.6))).SerializeToString(), chance)
        want = judged(twins, data)
        if want is None or not differs_arguably(want):
            agree(twins, data)
        else:
            with contextlib.suppress(FlyteDecodeError):
                read_all(decode(twins.ours, data))


def test_damaged_bytes_are_judged_as_upb_judges_them() -> None:
    judge_damage(seed=1, count=4000)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(100, 120))
def test_much_damage_is_judged_as_upb_judges_it(seed: int) -> None:
    judge_damage(seed, count=6000)


def test_no_beginning_of_a_message_is_accepted_that_upb_rejects() -> None:
    twins = all_twins()
    data = fill(twins.theirs(), random.Random(3), 0.25).SerializeToString()
    for end in range(min(len(data), 1500)):
        agree(twins, data[:end])


def test_memory_stays_in_proportion_to_the_bytes() -> None:
    size = 30_000
    hostile = {
        "unknown fields": number(9999, 1) * (size // 4),
        "known and unknown fields in turns": (number(9999, 1) + number(3, 1)) * (size // 6),
        "a sub-message in pieces": block(17, b"") * (size // 3),
        "members of a oneof in turns": (number(81, 5) + block(83, b"")) * (size // 6),
        "empty messages": block(57, b"") * (size // 3),
        "one key again and again": block(72, b"") * (size // 3),
    }
    for data in hostile.values():
        tracemalloc.start()
        read_all(decode(all_twins().ours, data))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 200 * size
