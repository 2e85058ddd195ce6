"""Whatever stands for a message becomes the generated one, and that becomes flyteidl's."""

import importlib
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from flyteasync.codec import Message, encode
from flyteasync.errors import FlyteDecodeError, FlyteTypeException
from flyteasync.idl import core
from flyteasync.idl.message_pool import default_message_pool
from flyteasync.interop import message_of, optional_message_of, pb2_of
from flyteasync.interop.messages import full_name

IDENTIFIER = core.Identifier(resource_type=core.ResourceType.TASK, project="p", name="\x00 é")


class Anything:
    """Has every attribute, as mocks do."""

    def __getattr__(self, name: str) -> Any:
        return Anything()

    def __call__(self) -> Any:
        return Anything()


def pb2_identifier() -> Any:
    module: Any = importlib.import_module("flyteidl.core.identifier_pb2")
    return module.Identifier.FromString(encode(IDENTIFIER))


def test_generated_message_is_returned_as_it_is() -> None:
    assert message_of(core.Identifier, IDENTIFIER) is IDENTIFIER


def test_bytes_are_decoded() -> None:
    assert message_of(core.Identifier, encode(IDENTIFIER)) == IDENTIFIER
    assert message_of(core.Identifier, b"") == core.Identifier()


def test_pb2_message_is_taken() -> None:
    assert message_of(core.Identifier, pb2_identifier()) == IDENTIFIER


@pytest.mark.parametrize("inner", [IDENTIFIER, encode(IDENTIFIER), pb2_identifier()], ids=["generated", "bytes", "pb2"])
def test_what_makes_a_message_is_asked_for_it(inner: Any) -> None:
    assert message_of(core.Identifier, SimpleNamespace(to_flyte_idl=lambda: inner)) == IDENTIFIER


def test_foreign_message_that_does_not_tell_its_type_is_taken() -> None:
    foreign = SimpleNamespace(SerializeToString=lambda: encode(IDENTIFIER))
    assert message_of(core.Identifier, foreign) == IDENTIFIER


def test_none_stays_none() -> None:
    assert optional_message_of(core.Identifier, None) is None
    assert optional_message_of(core.Identifier, IDENTIFIER) is IDENTIFIER


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (core.Node(id="n0"), "flyteidl.core.Node"),
        (pb2_of(core.Node(id="n0")), "flyteidl.core.Node"),
        ("text", "str"),
        (None, "NoneType"),
        (object(), "object"),
        (core.Identifier, "ABCMeta"),
        (Anything(), "Anything"),
        (SimpleNamespace(to_flyte_idl=lambda: 5), "SimpleNamespace"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_anything_else_is_refused_by_name(wrong: Any, name: str) -> None:
    with pytest.raises(FlyteTypeException, match=f"expected flyteidl.core.Identifier.*got {name}$"):
        message_of(core.Identifier, wrong)


def test_bytes_of_something_else_are_refused() -> None:
    with pytest.raises(FlyteDecodeError, match="Identifier"):
        message_of(core.Identifier, b"\x12\x01\xff")


def test_pb2_message_has_the_same_content_and_the_type_that_flytekit_uses() -> None:
    message = pb2_of(IDENTIFIER)
    assert type(message) is type(pb2_identifier())
    assert message == pb2_identifier()


def test_every_generated_message_has_a_pb2_class() -> None:
    importlib.import_module("flyteasync.idl.event")
    classes: list[type[Message]] = list(default_message_pool.type_to_url)
    assert len(classes) > 300
    for cls in classes:
        assert pb2_of(cls()).DESCRIPTOR.full_name == full_name(cls)


def test_nested_message_is_found_by_its_full_name() -> None:
    entry = core.ResourcesResourceEntry(value="1")
    assert pb2_of(entry).value == "1"
    assert full_name(core.ResourcesResourceEntry) == "flyteidl.core.Resources.ResourceEntry"


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_missing_flyteidl_is_told_with_what_to_install() -> None:
    said = run(
        "import sys; sys.modules['flyteidl'] = None\n"
        "from flyteasync.idl import core; from flyteasync.interop import pb2_of\n"
        "try: pb2_of(core.Identifier())\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    assert said.startswith(
        "FlyteUsageError flyteidl.core.Identifier as a pb2 message needs flyteidl: pip install flyteidl"
    )


def test_neither_flyteidl_nor_flytekit_is_imported_before_it_is_needed() -> None:
    loaded = run(
        "import sys, flyteasync.entities as e, flyteasync.idl.core as c\n"
        "t = e.FlyteTask.promote_from_model(c.TaskTemplate(type='x'))\n"
        "t.to_flyte_idl(), repr(t), t.python_interface\n"
        "try: t(a=1)\nexcept AssertionError: pass\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('flyteidl', 'flytekit', 'google')])"
    )
    assert loaded == "[]"
