"""A class becomes a dataclass when somebody first asks it to be one, whichever way."""

import dataclasses
import inspect
import os
import pickle
import subprocess
import sys
import threading
import typing
from collections.abc import Callable
from typing import Any

import betterproto2
import pytest

from flyteasync import codec
from flyteasync.codec import Message, decode, encode
from flyteasync.idl import core


def fresh() -> Any:
    """A message class that nobody has used."""

    @codec.dataclass(eq=False, repr=False)
    class Fresh(Message):
        text: str = betterproto2.field(1, betterproto2.TYPE_STRING)
        number: int = betterproto2.field(2, betterproto2.TYPE_INT32)
        inner: "core.Identifier | None" = betterproto2.field(3, betterproto2.TYPE_MESSAGE, optional=True)

    return Fresh


def is_made(cls: type) -> bool:
    return "__dataclass_fields__" in vars(cls)


def subclass(cls: Any) -> Any:
    """A user's dataclass on top of one that was not used."""

    @dataclasses.dataclass(eq=False, repr=False)
    class Sub(cls):
        more: str = betterproto2.field(4, betterproto2.TYPE_STRING)

    return Sub(text="a", more="b")


def matched(message: Any) -> tuple[Any, Any]:
    match message:
        case Message(text=text, number=number):
            return text, number
        case _:
            pytest.fail("no match")


WAYS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "construct": (lambda cls: cls(text="a").text, "a"),
    "construct by position": (lambda cls: cls("a", 5).number, 5),
    "decode": (lambda cls: decode(cls, b"\x0a\x01a").text, "a"),
    "parse": (lambda cls: cls.parse(b"\x0a\x01a").text, "a"),
    "fields": (lambda cls: [field.name for field in dataclasses.fields(cls)], ["text", "number", "inner"]),
    "is_dataclass": (dataclasses.is_dataclass, True),
    "match by position": (lambda cls: cls.__match_args__, ("text", "number", "inner")),
    "match by name": (lambda cls: matched(cls(text="a", number=5)), ("a", 5)),
    "replace": (lambda cls: encode(dataclasses.replace(cls(text="a"), number=5)), b"\x0a\x01a\x10\x05"),
    "asdict": (lambda cls: dataclasses.asdict(cls(text="a")), {"text": "a", "number": 0, "inner": None}),
    "signature": (lambda cls: list(inspect.signature(cls).parameters), ["text", "number", "inner"]),
    "subclass": (lambda cls: encode(subclass(cls)), b"\x0a\x01a\x22\x01b"),
    "subclass without fields": (lambda cls: type("Sub", (cls,), {})(text="a").text, "a"),
    "from_dict": (lambda cls: cls.from_dict({"text": "a"}).text, "a"),
    "oneofs": (lambda cls: cls._betterproto.oneof_field_by_group, {}),
    "new object": (lambda cls: isinstance(cls(), cls), True),
}


@pytest.mark.parametrize(("use", "result"), WAYS.values(), ids=WAYS.keys())
def test_a_class_that_was_not_used_can_be_used_in_any_way(use: Callable[[Any], Any], result: Any) -> None:
    cls = fresh()
    assert not is_made(cls)
    assert use(cls) == result
    assert is_made(cls)


def test_hints_and_documentation_need_no_dataclass() -> None:
    cls = fresh()
    assert typing.get_type_hints(cls)["text"] is str
    assert cls.__doc__ == "The protobuf message `Fresh`."
    assert issubclass(cls, Message)
    assert not is_made(cls)


def test_a_message_in_general_is_no_dataclass() -> None:
    assert not dataclasses.is_dataclass(Message)
    with pytest.raises(AttributeError, match="'Message' has no attribute '__match_args__'"):
        _ = Message.__match_args__  # pyright: ignore[reportAttributeAccessIssue]


def test_threads_that_use_a_class_first_at_once_agree_on_it() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(50):
            cls, barrier, results = fresh(), threading.Barrier(4), []

            def use(cls: Any = cls, barrier: threading.Barrier = barrier, results: list[Any] = results) -> None:
                barrier.wait()
                results.append((len(dataclasses.fields(cls)), decode(cls, b"\x0a\x01a\x1a\x00"), cls(text="a").text))

            threads = [threading.Thread(target=use) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert results == [(3, cls(text="a", inner=core.Identifier()), "a")] * 4
    finally:
        sys.setswitchinterval(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_can_use_new_classes_though_a_thread_was_busy_with_them_at_the_fork() -> None:
    code = """
import os, threading
import betterproto2
from flyteasync import codec

def use():
    @codec.dataclass(eq=False, repr=False)
    class Fresh(codec.Message):
        text: str = betterproto2.field(1, betterproto2.TYPE_STRING)
    codec.decode(Fresh, b"")

def use_forever():
    while not done.is_set():
        use()

done = threading.Event()
thread = threading.Thread(target=use_forever)
thread.start()
for _ in range(50):
    child = os.fork()
    if not child:
        use()
        os._exit(0)
    os.waitpid(child, 0)
done.set()
thread.join()
print("done")
"""
    assert python(code) == "done\n"


def python(code: str, stdin: bytes = b"") -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, input=stdin, capture_output=True, check=True, timeout=30).stdout.decode()


def test_importing_the_api_makes_no_dataclass() -> None:
    code = """
import flyteasync.idl.admin, flyteasync.idl.service
from flyteasync.idl.message_pool import default_message_pool as pool
print(len(pool.url_to_type), sum("__dataclass_fields__" in vars(cls) for cls in pool.url_to_type.values()))
"""
    assert python(code).split() == ["366", "0"]


def test_a_message_is_unpickled_where_its_class_was_not_used() -> None:
    message = core.Identifier(name="n")
    code = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()))"
    assert python(code, pickle.dumps(message)) == "Identifier(name='n')\n"
