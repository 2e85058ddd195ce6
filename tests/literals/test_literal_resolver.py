import copy
import enum
import pickle
from types import SimpleNamespace
from typing import Annotated, Any

import pytest

from flyteasync.errors import FlyteTypeException, FlyteValueException
from flyteasync.idl import core
from flyteasync.literals import LiteralsResolver, literal_type, to_literal


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


TYPES: dict[str, Any] = {"n": int, "c": Color, "names": list[str]}
VALUES: dict[str, Any] = {"n": 3, "c": Color.RED, "names": ["a", "b"]}
VARIABLES = {name: core.Variable(type=literal_type(kind)) for name, kind in TYPES.items()}


def literals() -> dict[str, core.Literal]:
    return {name: to_literal(VALUES[name], literal_type(kind)) for name, kind in TYPES.items()}


@pytest.fixture
def resolver() -> LiteralsResolver:
    return LiteralsResolver(literals(), VARIABLES)


def blob() -> core.Literal:
    return core.Literal(scalar=core.Scalar(blob=core.Blob(uri="s3://bucket/key")))


def test_a_value_is_read_by_its_variables_type(resolver: LiteralsResolver):
    assert resolver["n"] == 3
    assert resolver["names"] == ["a", "b"]
    assert resolver.get("c").value == "red"


def test_a_value_is_read_as_the_type_asked_for(resolver: LiteralsResolver):
    assert resolver.get("c", Color) is Color.RED
    assert resolver.get("c", as_type=str) == "red"
    assert resolver.get("n", float) == 3.0


def test_an_untyped_read_gives_what_was_last_read_with_a_type(resolver: LiteralsResolver):
    assert isinstance(resolver["n"], int)
    resolver.get("n", float)
    assert isinstance(resolver["n"], float)
    assert isinstance(resolver.get("n"), float)
    resolver.get("n", int)
    assert isinstance(resolver["n"], int)


def test_what_was_converted_is_kept_per_type(resolver: LiteralsResolver):
    first = resolver.get("names", list[str])
    loose = resolver.get("names", list)
    assert loose is not first
    assert resolver.get("names", list[str]) is first
    assert resolver["names"] is first
    assert resolver.get("names", list) is loose


def test_a_type_without_a_hash_can_be_asked_for(resolver: LiteralsResolver):
    marked = Annotated[list[str], {"unhashable": True}]
    assert resolver.get("names", marked) == ["a", "b"]
    assert resolver.get("names", marked) == ["a", "b"]


def test_a_type_hint_stands_in_for_the_guess(resolver: LiteralsResolver):
    assert resolver["c"] is not Color.RED
    resolver.update_type_hints({"c": Color})
    assert resolver["c"] is Color.RED
    assert resolver.get("c", str) == "red"


def test_a_hint_does_not_replace_what_was_read_with_a_type(resolver: LiteralsResolver):
    resolver.get("n", float)
    resolver.update_type_hints({"n": int})
    assert isinstance(resolver["n"], float)


def test_without_variables_the_literal_tells_its_type():
    assert LiteralsResolver(literals())["names"] == ["a", "b"]


def test_a_missing_name_is_a_value_error_by_index_and_an_attribute_error_by_get(resolver: LiteralsResolver):
    with pytest.raises(ValueError, match=r"^zz: there is no value of that name, known are: n, c, names$"):
        resolver["zz"]
    with pytest.raises(AttributeError, match=r"^zz: there is no value of that name, known are: n, c, names$"):
        resolver.get("zz")
    with pytest.raises(AttributeError):
        resolver.get("zz", int)
    with pytest.raises(FlyteValueException):
        resolver.get_literal("zz")


def test_a_literal_is_there_without_being_converted():
    resolver = LiteralsResolver({"f": blob()}, {})
    assert resolver.get_literal("f") == blob()
    assert resolver.literals == {"f": blob()}
    assert "f" in resolver
    assert list(resolver) == ["f"]
    assert resolver.native_values == {}


def test_a_value_of_an_unsupported_kind_is_refused_when_it_is_read():
    error = core.Literal(scalar=core.Scalar(error=core.Error(message="m")))
    resolver = LiteralsResolver({"f": error, "n": to_literal(1, literal_type(int))})
    assert resolver["n"] == 1
    with pytest.raises(FlyteTypeException, match=r"^f: reading a literal that holds error is not supported$"):
        resolver["f"]


def test_what_was_converted_so_far_can_be_seen(resolver: LiteralsResolver):
    assert resolver.native_values == {}
    resolver.get("c", Color)
    assert resolver["n"] == 3
    assert resolver.native_values == {"n": 3, "c": Color.RED}


def test_it_is_a_mapping(resolver: LiteralsResolver):
    assert len(resolver) == 3
    assert list(resolver.keys()) == ["n", "c", "names"]
    assert dict(resolver.items()) == {"n": 3, "c": "red", "names": ["a", "b"]}
    first, *_ = resolver.values()
    assert first == 3
    assert 5 not in resolver


def test_it_compares_to_a_dict_of_values(resolver: LiteralsResolver):
    assert LiteralsResolver({"c": to_literal("world", literal_type(str))}) == {"c": "world"}
    assert resolver == {"n": 3, "c": "red", "names": ["a", "b"]}
    assert resolver != {"n": 3}
    assert resolver != {"n": 3, "c": "red", "names": []}
    assert resolver != [3]
    assert LiteralsResolver({}) == {}


def test_resolvers_of_equal_literals_are_equal_without_converting():
    one, two = LiteralsResolver({"f": blob()}), LiteralsResolver({"f": blob()})
    assert one == two
    assert one.native_values == {}


def test_it_is_true_if_it_holds_anything(resolver: LiteralsResolver):
    assert resolver
    assert not LiteralsResolver({})


def test_it_has_no_hash_as_it_can_change(resolver: LiteralsResolver):
    with pytest.raises(TypeError):
        hash(resolver)


def test_it_needs_literals():
    with pytest.raises(ValueError, match="needs literals"):
        LiteralsResolver(None)  # pyright: ignore[reportArgumentType]


def test_a_context_is_accepted_for_callers_of_flytekit():
    assert LiteralsResolver(literals(), VARIABLES, object())["n"] == 3
    assert LiteralsResolver(literals=literals(), variable_map=VARIABLES, ctx=None).variable_map is VARIABLES


def test_assigning_converts_by_the_variable(resolver: LiteralsResolver):
    resolver["n"] = 5
    assert resolver["n"] == 5
    assert resolver.get_literal("n") == to_literal(5, literal_type(int))
    with pytest.raises(FlyteTypeException, match=r"^n: expected int, got str$"):
        resolver["n"] = "5"
    assert resolver["n"] == 5


def test_assigning_forgets_what_was_read(resolver: LiteralsResolver):
    resolver.get("n", float)
    resolver["n"] = 7
    assert resolver["n"] == 7
    assert resolver.get("n", float) == 7.0


def test_assigning_an_unknown_name_goes_by_the_value():
    resolver = LiteralsResolver({})
    resolver["a"] = 1
    resolver["f"] = blob()
    assert resolver.get_literal("a") == to_literal(1, literal_type(int))
    assert resolver.get_literal("f") == blob()


def test_the_callers_dict_is_never_changed():
    given = literals()
    resolver = LiteralsResolver(given)
    resolver["n"] = 5
    del resolver["c"]
    assert given == literals()


def test_names_can_be_removed(resolver: LiteralsResolver):
    assert resolver.pop("n") == 3
    assert "n" not in resolver
    assert resolver.pop("n", None) is None
    with pytest.raises(KeyError):
        resolver.pop("n")
    assert resolver.popitem()[0] in ("c", "names")
    resolver.clear()
    assert not resolver
    with pytest.raises(KeyError):
        resolver.popitem()


def test_clearing_converts_nothing():
    resolver = LiteralsResolver({"f": blob()})
    resolver.clear()
    assert len(resolver) == 0


def test_a_default_is_set_where_there_is_nothing(resolver: LiteralsResolver):
    assert resolver.setdefault("n", 9) == 3
    assert resolver.setdefault("new", 9) == 9
    resolver.update({"new": 10}, n=4)
    assert (resolver["new"], resolver["n"]) == (10, 4)


def test_a_resolver_can_be_made_of_names():
    assert LiteralsResolver.fromkeys(["a", "b"], 1) == {"a": 1, "b": 1}
    assert LiteralsResolver.fromkeys(["a"]) == {"a": None}


def test_a_copy_has_a_life_of_its_own(resolver: LiteralsResolver):
    resolver.update_type_hints({"n": float})
    resolver.get("c", Color)
    twin = resolver.copy()
    assert twin == resolver
    assert twin["c"] is Color.RED
    assert isinstance(twin["n"], float)
    del twin["n"]
    assert "n" in resolver


def test_it_can_be_pickled_and_copied_deeply(resolver: LiteralsResolver):
    resolver.get("c", Color)
    assert pickle.loads(pickle.dumps(resolver)) == resolver
    assert copy.deepcopy(resolver)["c"] is Color.RED


def test_it_can_be_pickled_after_an_enum_was_guessed(resolver: LiteralsResolver):
    assert resolver["c"] == "red"
    assert pickle.loads(pickle.dumps(resolver))["c"] == "red"


def test_its_representation_converts_nothing_and_stays_short():
    literals = {"s": to_literal("x" * 10_000, literal_type(str)), "f": blob()}
    literals["l"] = to_literal([0] * 10_000, literal_type(list[int]))
    resolver = LiteralsResolver(literals)
    assert repr(resolver).startswith("LiteralsResolver(s='xxxx")
    assert repr(resolver).endswith("f=<blob 's3://bucket/key'>, l=<list of 10000>)")
    assert len(repr(resolver)) < 200
    assert resolver.native_values == {}


def test_it_gives_what_a_call_would_have_returned(resolver: LiteralsResolver):
    interface = SimpleNamespace(outputs={"c": Color, "n": int, "names": list[str]})
    assert resolver.as_python_native(interface) == (Color.RED, 3, ["a", "b"])
    one = LiteralsResolver({"o0": to_literal(1, literal_type(int))})
    assert one.as_python_native(SimpleNamespace(outputs={"o0": float})) == 1.0
    assert LiteralsResolver({}).as_python_native(SimpleNamespace(outputs={})) is None


def test_an_output_that_is_not_there_is_named(resolver: LiteralsResolver):
    with pytest.raises(ValueError, match=r"^zz: there is no value of that name"):
        resolver.as_python_native(SimpleNamespace(outputs={**TYPES, "zz": int}))
