"""Hand-made wire data for `alltypes.All`: every rule of the wire format that has two sides."""

from .wire_writing import (
    END_GROUP,
    FIXED32,
    FIXED64,
    LEN,
    START_GROUP,
    VARINT,
    block,
    leaf,
    number,
    padded,
    raw_varint,
    tag,
)

MINUS_ONE = (1 << 64) - 1


def nested(levels: int, inside: bytes = b"") -> bytes:
    """Messages in messages, all through `All.all`."""
    for _ in range(levels):
        inside = block(151, inside)
    return inside


MERGING = {
    "a sub-message in pieces": block(17, leaf(text="a", tags=["x"])) + block(17, leaf(number=5, tags=["y"])),
    "a sub-message's map in pieces": block(17, leaf(labels={"a": "b"})) + block(17, leaf(labels={"a": "c", "d": "e"})),
    "a sub-message of a sub-message in pieces": nested(1, block(17, leaf(text="a")))
    + nested(1, block(17, leaf(number=5))),
    "a piece that ends in the next one": block(17, b"\x0a\x05a") + block(17, b"bcde"),
    "a time in pieces": block(101, number(1, 5)) + block(101, number(2, 7000)),
    "a time in pieces, one cut": block(101, b"\x08") + block(101, b"\x05"),
    "a wrapper in pieces": block(104, number(1, 5)) + block(104, b""),
    "a scalar twice": number(3, 1) + number(3, 2),
    "a scalar, then zero": number(3, 1) + number(3, 0),
    "a string twice, the first one malformed": block(14, b"\xff") + block(14, b"a"),
}

ONEOFS = {
    "the last member wins": number(81, 5) + block(82, b"x"),
    "a message, then a scalar": block(83, leaf(text="a")) + number(81, 0),
    "a message in pieces": block(83, leaf(text="a")) + block(83, leaf(number=3)),
    "a message, another member, the message": block(83, leaf(text="a")) + number(81, 5) + block(83, leaf(number=3)),
    "a time, then a bool": block(87, number(1, 5)) + number(86, 0),
    "a malformed message that another member replaces": block(83, b"\x0a\x05a") + number(81, 5),
    "a message malformed inside that another member replaces": block(83, block(4, b"\x0a\x05a")) + number(81, 5),
    "a malformed time that another member replaces": block(87, b"\x08") + number(81, 5),
    "members in pieces of the message around": nested(1, number(81, 5)) + nested(1, block(82, b"x")),
    "messages in pieces of the message around": nested(1, block(83, leaf(text="a")))
    + nested(1, block(83, leaf(number=1))),
}

REPEATED = {
    "packed": block(43, b"\x01\x02" + raw_varint(MINUS_ONE)),
    "unpacked": number(43, 1) + number(43, 2),
    "packed and unpacked": number(43, 1) + block(43, b"\x02\x03") + number(43, 4),
    "packed, empty": block(43, b""),
    "packed where unpacked is declared": block(61, b"\x01\x02"),
    "packed enums, some unknown": block(56, b"\x01\x63" + raw_varint((1 << 64) - 3)),
    "packed doubles cut": block(41, b"\0" * 12),
    "packed fixed32 cut": block(49, b"\0" * 6),
    "packed varint cut": block(43, b"\x01\x80"),
    "packed varint that runs into the next field": block(43, b"\x01\x80") + number(3, 1),
    "packed beyond the end": tag(43, LEN) + b"\x05\x01",
    "packed fixed32": block(49, b"\x01\0\0\0\xff\xff\xff\xff"),
    "packed bools": block(53, b"\0\x01\x02" + raw_varint(1 << 32)),
    "packed uint64": block(46, raw_varint(MINUS_ONE)),
    "packed sint32": block(47, b"\x01\x02" + raw_varint((1 << 32) - 1)),
    "unpacked double": tag(41, FIXED64) + b"\0" * 8,
    "unpacked double cut": tag(41, FIXED64) + b"\0" * 7,
    "unpacked string beyond the end": block(54, b"a") + tag(54, LEN) + b"\x05ab",
    "empty strings": block(54, b"") * 3,
    "empty messages": block(57, b"") * 2,
    "empty wrappers": block(123, b"") * 2,
    "empty times": block(121, b"") * 2,
    "bytes": block(55, b"") + block(55, b"\xff"),
}

MAPS = {
    "no value": block(72, number(1, 5)),
    "no key": block(72, block(2, leaf(text="a"))),
    "an empty entry": block(71, b""),
    "a key twice": block(71, block(1, b"k") + block(2, b"1")) + block(71, block(1, b"k") + block(2, b"2")),
    "a key twice, the first value malformed": block(72, block(2, b"\x0a\x05a")) + block(72, block(2, leaf(text="a"))),
    "a key twice, the first value malformed inside": block(72, block(2, block(4, b"\x0a\x05a"))) + block(72, b""),
    "value before key": block(71, block(2, b"1") + block(1, b"k")),
    "a key twice in one entry": block(71, block(1, b"j") + block(1, b"k") + block(2, b"1")),
    "a key and two texts": block(71, block(1, b"k") + block(2, b"1") + block(2, b"2")),
    "a key and a time in pieces": block(77, block(1, b"k") + block(2, number(1, 5)) + block(2, number(2, 7000))),
    "a key as long as to look like another": block(71, block(1, b"k" * 127 + b"\x12") + block(2, b"v" * 17)),
    "a long value": block(71, block(1, b"k") + block(2, b"v" * 300)) + block(71, block(2, b"w" * 20000)),
    "no enum": block(74, number(1, 1)),
    "no time": block(77, block(1, b"k")),
    "no wrapper": block(78, block(1, b"k")),
    "no double": block(73, number(1, 1)),
    "a value in pieces": block(72, number(1, 5) + block(2, leaf(text="a")) + block(2, leaf(number=1))),
    "an entry cut": tag(71, LEN) + b"\x05\x0a",
    "an entry cut inside": block(71, b"\x0a\x05a"),
    "a value cut inside": block(72, block(2, b"\x0a\x05a")),
    "a key that is not UTF-8": block(71, block(1, b"\xff")),
}

UNKNOWN = {
    "a varint": number(9999, 5),
    "all wire types": number(9999, 5)
    + block(9998, b"abc")
    + tag(9997, FIXED32)
    + b"1234"
    + tag(9996, FIXED64)
    + b"12345678",
    "a group": tag(9995, START_GROUP) + number(1, 5) + block(3, b"x") + tag(9995, END_GROUP),
    "a group in a group": tag(9995, START_GROUP) + tag(7, START_GROUP) + tag(7, END_GROUP) + tag(9995, END_GROUP),
    "a group with the number of a field": tag(3, START_GROUP) + number(1, 5) + tag(3, END_GROUP),
    "a group that does not end": tag(9995, START_GROUP) + number(1, 5),
    "the end of no group": tag(9995, END_GROUP),
    "the end of no group, with the number of a field": tag(3, END_GROUP),
    "groups that overlap": tag(9995, START_GROUP)
    + tag(9994, START_GROUP)
    + tag(9995, END_GROUP)
    + tag(9994, END_GROUP),
    "a group cut": tag(9995, START_GROUP) + b"\x08",
    "between known fields": number(3, 1) + number(9999, 5) + number(4, 2) + number(9998, 6),
    "in a sub-message": block(17, number(77, 5) + leaf(text="a")),
    "in a time": block(101, number(1, 1) + number(9, 9)),
    "the highest number": number(536870911, 5) + number(536870910, 6),
    "cut": number(3, 1) + tag(9999, LEN) + b"\x05a",
}

WIRE_TYPES = {
    "string as varint": number(14, 5),
    "int as bytes": block(3, b"\x05"),
    "int as fixed32": tag(3, FIXED32) + b"1234",
    "message as varint": number(17, 1),
    "double as varint": number(1, 1),
    "map as varint": number(71, 1),
    "string list as varint": number(54, 1),
    "wire type 6": b"\x16",
    "wire type 7": b"\x17",
    "wire type 7 of a long tag": raw_varint(9999 << 3 | 7),
    "field 0, a varint": b"\x00\x01",
    "field 0, bytes": b"\x02\x00",
    "field 0 in a time": block(101, b"\x00\x01"),
    "field 0 in a wrapper": block(103, b"\x00\x01"),
    "field 0 in an entry of a map": block(71, b"\x00\x01"),
    "a padded tag in a time": block(101, padded(8, 3) + b"\x01"),
    "field 0, padded": padded(2, 3) + b"\x00",
}

CUT = {
    "nothing at all": b"",
    "a tag": b"\x80",
    "a varint": b"\x18\x80",
    "no varint": b"\x18",
    "a length": b"\x72\x80",
    "no length": b"\x72",
    "a string": b"\x72\x05ab",
    "a string within a character": b"\x72\x02\xc3",
    "bytes": b"\x7a\x05ab",
    "fixed32": tag(2, FIXED32) + b"12",
    "fixed64": tag(1, FIXED64) + b"1234567",
    "a sub-message": block(17, b"\x0a\x05a"),
    "a huge length": b"\x72\xff\xff\xff\xff\x0f",
    "a length of 2**31": tag(14, LEN) + raw_varint(1 << 31) + b"a",
    "a length of more than 32 bits": b"\x72" + b"\xff" * 9 + b"\x01",
    "a time": block(101, b"\x08"),
}

NUMBERS = {
    "a varint of 10 bytes": b"\x18" + b"\xff" * 9 + b"\x01",
    "a varint of more than 64 bits": b"\x18" + b"\xff" * 9 + b"\x7f",
    "a varint of 64 bits whose highest is lost": b"\x20" + b"\xff" * 9 + b"\x7e",
    "a varint of 11 bytes": b"\x18" + b"\xff" * 10 + b"\x01",
    "a varint padded to 10 bytes": b"\x18" + padded(5, 10),
    "a varint padded to 11 bytes": b"\x18" + padded(5, 11),
    **{f"a tag padded to {n} bytes": padded(3 << 3, n) + b"\x05" for n in (2, 5, 6)},
    **{f"an unknown tag padded to {n} bytes": padded(3000 << 3, n) + b"\x05" for n in (3, 5, 6)},
    **{f"a length padded to {n} bytes": b"\x72" + padded(1, n) + b"a" for n in (2, 5, 6)},
    **{f"a sub-message's length padded to {n} bytes": tag(17, LEN) + padded(3, n) + b"\x0a\x01a" for n in (2, 5, 6)},
    **{f"a packed length padded to {n} bytes": tag(43, LEN) + padded(1, n) + b"\x05" for n in (2, 5, 6)},
    **{f"an unknown length padded to {n} bytes": tag(3000, LEN) + padded(1, n) + b"a" for n in (2, 5, 6)},
    "a tag of more than 32 bits": b"\x98\x80\x80\x80\x80\x01\x05",
    "a tag of 33 bits in 5 bytes": b"\xf8\xff\xff\xff\x1f\x05",
    "the highest tag": b"\xf8\xff\xff\xff\x0f\x05",
    "int32 of 64 bits": number(3, (1 << 35) + 5),
    "int32 -1 in 5 bytes": number(3, 0xFFFFFFFF),
    "enum -3 in 5 bytes": number(16, 0xFFFFFFFD),
    "enum of more than 32 bits": number(16, (1 << 32) + 7),
    "enum unknown": number(16, 99),
    "enum at the lower end": number(16, MINUS_ONE - (1 << 31) + 1),
    "uint32 of more than 32 bits": number(5, (1 << 40) + 7),
    "sint32 of more than 32 bits": number(7, (1 << 33) + 3),
    "sint64 at the ends": number(8, MINUS_ONE) + number(48, MINUS_ONE - 1),
    "bool 2": number(13, 2),
    "bool 2**32": number(13, 1 << 32),
    "bool 2**63": number(13, 1 << 63),
    "-0.0": tag(1, FIXED64) + b"\0" * 7 + b"\x80" + tag(2, FIXED32) + b"\0\0\0\x80",
    "infinite": tag(1, FIXED64) + b"\0" * 6 + b"\xf0\xff",
}

TEXT = {
    "not UTF-8": block(14, b"\xff"),
    "not UTF-8 in a list": block(54, b"\xc0\x80"),
    "not UTF-8 in a oneof": block(82, b"\xff"),
    "not UTF-8 in a wrapper": block(110, block(1, b"\xff")),
    "a surrogate": block(14, b"\xed\xa0\x80"),
    "a zero": block(14, b"\0"),
    "long": block(14, b"x" * 300),
}

PRESENCE = {
    "optional zeros": number(23, 0) + block(34, b"") + block(35, b"") + number(33, 0) + number(36, 0) + block(37, b""),
    "optional 0.0": tag(21, FIXED64) + b"\0" * 8 + tag(22, FIXED32) + b"\0" * 4,
    "an empty sub-message": block(17, b""),
    "an empty sub-message in an empty sub-message": block(17, block(4, b"")),
    "an empty member of a oneof": block(83, b""),
    "an empty time and wrapper": block(101, b"") + block(103, b""),
}

TIMES = {
    "negative duration": block(102, number(1, MINUS_ONE) + number(2, (1 << 64) - 500000000)),
    "small negative duration": block(102, number(2, (1 << 64) - 1000)),
    "duration with nanoseconds": block(102, number(1, 1) + number(2, 1999)),
    "negative duration with nanoseconds": block(102, number(2, (1 << 64) - 1999)),
    "duration of mixed signs": block(102, number(1, 1) + number(2, (1 << 64) - 500000000)),
    "timestamp before 1970": block(101, number(1, (1 << 64) - 5) + number(2, 999999000)),
    "timestamp with negative nanoseconds": block(101, number(1, 5) + number(2, (1 << 64) - 1000)),
    "timestamp of year 1": block(101, number(1, (1 << 64) - 62135596800)),
    "timestamp with nanoseconds": block(101, number(1, 1) + number(2, 123456789)),
    "timestamp with too many nanoseconds": block(101, number(1, 1) + number(2, 2000000000)),
    "seconds as fixed64": block(101, tag(1, FIXED64) + b"\x01" + b"\0" * 7),
}

WELL_KNOWN = {
    "struct": block(131, block(1, block(1, b"a") + block(2, number(1, 0)))),
    "value without kind": block(132, b""),
    "null value": block(132, number(1, 0)),
    "value with two kinds": block(132, number(1, 0) + block(3, b"x")),
    "list": block(133, block(1, block(3, b"x")) + block(1, b"")),
    "any": block(136, block(1, b"type.googleapis.com/x") + block(2, b"\xff")),
}

ORDER_AND_DEPTH = {
    "large field numbers": number(536870911, 5) + block(2047, b"x") + block(2048, leaf(text="q")),
    "fields in reverse": block(14, b"x") + number(3, 1) + tag(2, FIXED32) + b"\0\0\x80?",
    "nested 100 deep": nested(100),
    "nested 101 deep": nested(101),
    "a group nested 100 deep": nested(99, tag(99, START_GROUP) + tag(99, END_GROUP)),
    "a group nested 101 deep": nested(100, tag(99, START_GROUP) + tag(99, END_GROUP)),
    "a map's value nested 100 deep": nested(98, block(72, block(2, b""))),
    "a map's value nested 101 deep": nested(99, block(72, block(2, b""))),
    "a map's entry nested 101 deep": nested(100, block(71, b"")),
    "a map's plain entry nested 101 deep": nested(100, block(71, block(1, b"k") + block(2, b"v"))),
    "a time nested 101 deep": nested(100, block(101, b"")),
    "a wrapper nested 101 deep": nested(100, block(103, b"")),
    "groups nested 100 deep": b"".join([tag(99, START_GROUP)] * 100 + [tag(99, END_GROUP)] * 100),
    "groups nested 101 deep": b"".join([tag(99, START_GROUP)] * 101 + [tag(99, END_GROUP)] * 101),
}

CASES = {
    f"{topic}: {name}": data
    for topic, cases in {
        "merging": MERGING,
        "oneofs": ONEOFS,
        "lists": REPEATED,
        "maps": MAPS,
        "unknown fields": UNKNOWN,
        "wire types": WIRE_TYPES,
        "cut off": CUT,
        "numbers": NUMBERS,
        "text": TEXT,
        "presence": PRESENCE,
        "times": TIMES,
        "well-known types": WELL_KNOWN,
        "order and depth": ORDER_AND_DEPTH,
    }.items()
    for name, data in cases.items()
}
assert VARINT == 0
