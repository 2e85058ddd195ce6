"""A message is a dataclass to its users, whether it was built by hand or decoded, read or not."""

import copy
import dataclasses
import datetime
import inspect
import io
import math
import pickle
from collections.abc import Callable

import betterproto2
import pytest

from flyteasync.codec import Message, decode, encode
from flyteasync.errors import FlyteDecodeError, FlyteTypeException
from flyteasync.idl import admin, core

from .twins import all_types, read_all

UTC = datetime.UTC
PHASE = core.WorkflowExecutionPhase
UNKNOWN = b"\x9a\x06\x02zz"  # field 99


def built() -> admin.Execution:
    return admin.Execution(
        id=core.WorkflowExecutionIdentifier(project="p", domain="d", name="n"),
        spec=admin.ExecutionSpec(labels=admin.Labels(values={"a": "b"}), max_parallelism=3, interruptible=False),
        closure=admin.ExecutionClosure(
            phase=PHASE.RUNNING,
            outputs=admin.LiteralMapBlob(uri="s3://x"),
            created_at=datetime.datetime(2024, 2, 29, 12, 30, 0, 123456, UTC),
            duration=datetime.timedelta(seconds=-1.5),
            notifications=[admin.Notification(phases=[PHASE.FAILED, PHASE.ABORTED])],
        ),
    )


def decoded() -> admin.Execution:
    return decode(admin.Execution, encode(built()))


def read() -> admin.Execution:
    message = decoded()
    read_all(message)
    return message


def partly_read() -> admin.Execution:
    message = decoded()
    assert message.closure is not None
    assert message.closure.error is None
    return message


FORMS: dict[str, Callable[[], admin.Execution]] = {
    "built": built,
    "decoded": decoded,
    "read": read,
    "partly read": partly_read,
    "unpickled": lambda: pickle.loads(pickle.dumps(partly_read())),
    "copied": lambda: copy.copy(partly_read()),
    "deeply copied": lambda: copy.deepcopy(partly_read()),
    "from a dict": lambda: admin.Execution.from_dict(decoded().to_dict()),
    "from JSON": lambda: admin.Execution.from_json(decoded().to_json()),
    "replaced": lambda: dataclasses.replace(decoded()),
    "loaded": lambda: admin.Execution().load(io.BytesIO(encode(built()))),
}


@pytest.fixture(params=FORMS.values(), ids=FORMS.keys())
def message(request: pytest.FixtureRequest) -> admin.Execution:
    return request.param()


def closure_of(message: admin.Execution) -> admin.ExecutionClosure:
    assert message.closure is not None
    return message.closure


@pytest.mark.parametrize("other", FORMS.values(), ids=FORMS.keys())
def test_equal_messages_are_equal(message: admin.Execution, other: Callable[[], admin.Execution]) -> None:
    assert message == other()
    assert encode(message) == encode(other())
    assert repr(message) == repr(other())
    assert message.to_dict() == other().to_dict()


def test_messages_that_differ_are_not_equal(message: admin.Execution) -> None:
    other = built()
    closure_of(other).phase = PHASE.FAILED
    assert message != other
    assert message != closure_of(message)
    assert message != "x"


def test_a_message_is_not_hashable(message: admin.Execution) -> None:
    with pytest.raises(TypeError):
        hash(message)


def test_repr_shows_what_is_set_and_nothing_else() -> None:
    closure = admin.ExecutionClosure(phase=PHASE.RUNNING, outputs=admin.LiteralMapBlob())
    assert repr(closure) == f"ExecutionClosure(outputs=LiteralMapBlob(), phase={PHASE.RUNNING!r})"


def test_repr_of_a_malformed_message_shows_what_can_be_seen() -> None:
    message = decode(admin.Execution, encode(admin.Execution(id=core.WorkflowExecutionIdentifier())) + b"\x1a\x01\x08")
    assert repr(message) == "Execution(id=WorkflowExecutionIdentifier(), closure=<malformed>)"


def test_a_change_is_written(message: admin.Execution) -> None:
    closure_of(message).phase = PHASE.FAILED
    assert message.spec is not None
    assert message.spec.labels is not None
    message.spec.labels.values["new"] = "x"
    closure_of(message).notifications.append(admin.Notification())
    again = decode(admin.Execution, encode(message))
    assert closure_of(again).phase is PHASE.FAILED
    assert len(closure_of(again).notifications) == 2
    assert again.spec is not None
    assert again.spec.labels is not None
    assert again.spec.labels.values == {"a": "b", "new": "x"}


def test_a_field_that_was_never_read_can_be_replaced(message: admin.Execution) -> None:
    message.closure = admin.ExecutionClosure(phase=PHASE.FAILED)
    message.spec = None
    again = decode(admin.Execution, encode(message))
    assert again.spec is None
    assert again.closure == admin.ExecutionClosure(phase=PHASE.FAILED)


def test_replace_changes_one_field_and_leaves_the_original(message: admin.Execution) -> None:
    other = dataclasses.replace(message, spec=None)
    assert other.spec is None
    assert message.spec is not None
    assert other.closure == message.closure


def test_asdict_goes_all_the_way_down(message: admin.Execution) -> None:
    values = dataclasses.asdict(message)
    assert values["closure"]["phase"] is PHASE.RUNNING
    assert values["spec"]["labels"] == {"values": {"a": "b"}}
    assert values["closure"]["error"] is None


def test_a_message_matches_patterns(message: admin.Execution) -> None:
    match message:
        case admin.Execution(
            core.WorkflowExecutionIdentifier(project="p"), closure=admin.ExecutionClosure(phase=phase)
        ):
            assert phase is PHASE.RUNNING
        case _:
            pytest.fail("no match")


def test_is_set_tells_what_is_set(message: admin.Execution) -> None:
    assert message.is_set("spec")
    assert message.spec is not None
    assert message.spec.is_set("interruptible")
    assert not message.spec.is_set("cluster_assignment")
    assert message.spec.is_set("max_parallelism")
    assert not message.spec.is_set("overwrite_cache")
    assert closure_of(message).is_set("notifications")
    with pytest.raises(AttributeError):
        message.is_set("nothing")


def test_a_message_is_true_if_anything_in_it_is_set(message: admin.Execution) -> None:
    assert message
    message.id = message.spec = message.closure = None
    assert not message


def test_a_shallow_copy_shares_and_a_deep_copy_does_not(message: admin.Execution) -> None:
    shallow, deep = copy.copy(message), copy.deepcopy(message)
    closure_of(message).phase = PHASE.FAILED
    closure_of(message).notifications.clear()
    assert closure_of(shallow).phase is PHASE.FAILED
    assert closure_of(shallow).notifications == []
    assert closure_of(deep).phase is PHASE.RUNNING
    assert len(closure_of(deep).notifications) == 1
    shallow.spec = None
    assert message.spec is not None


def test_a_deep_copy_of_a_list_keeps_what_is_one_object_one_object(message: admin.Execution) -> None:
    one, other = copy.deepcopy([message, message])
    assert one is other
    assert one is not message


def test_an_empty_message_that_is_set_is_not_lost(message: admin.Execution) -> None:
    message.spec = admin.ExecutionSpec()
    for other in (
        decode(admin.Execution, encode(message)),
        copy.deepcopy(message),
        pickle.loads(pickle.dumps(message)),
    ):
        assert other.spec is not None
        assert not other.spec
        assert encode(other) == encode(message)


def test_what_one_of_the_oneof_is_set_can_be_asked(message: admin.Execution) -> None:
    assert betterproto2.which_one_of(closure_of(message), "output_result") == (
        "outputs",
        admin.LiteralMapBlob(uri="s3://x"),
    )
    assert betterproto2.which_one_of(admin.ExecutionClosure(), "output_result") == ("", None)


def test_absent_fields_have_fresh_defaults() -> None:
    for make in (admin.ExecutionClosure, lambda: decode(admin.ExecutionClosure, b"")):
        one, other = make(), make()
        one.notifications.append(admin.Notification())
        assert one.notifications == [admin.Notification()]
        assert other.notifications == []
        assert one.phase is PHASE.UNDEFINED
        assert one.error is None
        assert one.started_at is None


PASSING_ON: dict[str, Callable[[Message], bytes]] = {
    "encode": encode,
    "bytes": bytes,
    "copy": lambda message: encode(copy.copy(message)),
    "deepcopy": lambda message: encode(copy.deepcopy(message)),
    "pickle": lambda message: encode(pickle.loads(pickle.dumps(message))),
    "SerializeToString": lambda message: message.SerializeToString(),
}


@pytest.mark.parametrize("pass_on", PASSING_ON.values(), ids=PASSING_ON.keys())
def test_unknown_fields_survive(pass_on: Callable[[Message], bytes]) -> None:
    data = b"\x0a\x01p" + UNKNOWN
    for touch in (lambda m: None, repr, read_all):
        message = decode(core.WorkflowExecutionIdentifier, data)
        touch(message)
        assert pass_on(message) == data


def test_unknown_fields_of_a_sub_message_survive_its_being_changed() -> None:
    message = decode(admin.Execution, b"\x0a\x08\x0a\x01p" + UNKNOWN)
    assert message.id is not None
    message.id.name = "n"
    assert encode(message) == b"\x0a\x0b\x0a\x01p\x22\x01n" + UNKNOWN


def test_not_a_number_is_equal_to_itself() -> None:
    values = all_types()
    for one, other in (
        (values.All(one_double=math.nan), values.All(one_double=math.nan)),
        (values.All(many_double=[1.0, math.nan]), values.All(many_double=[1.0, float("nan")])),
        (values.All(map_bool_double={True: math.nan}), values.All(map_bool_double={True: float("nan")})),
    ):
        assert one == other == decode(values.All, encode(one))
    assert values.All(many_double=[math.nan]) != values.All(many_double=[math.nan, 1.0])
    assert values.All(map_bool_double={True: math.nan}) != values.All(map_bool_double={True: 1.0})


def test_fields_can_be_given_by_position_in_the_order_of_the_class() -> None:
    assert core.WorkflowExecutionIdentifier("p", "d", name="n") == core.WorkflowExecutionIdentifier(
        project="p", domain="d", name="n"
    )
    assert core.WorkflowExecutionIdentifier.__match_args__ == ("project", "domain", "name", "org")


@pytest.mark.parametrize(
    ("construct", "text"),
    [
        (lambda: core.WorkflowExecutionIdentifier(nothing=1), "has no field 'nothing'"),  # pyright: ignore[reportCallIssue]
        (lambda: core.WorkflowExecutionIdentifier("p", project="q"), "project was given twice"),
        (lambda: core.WorkflowExecutionIdentifier(*"abcdef"), "has 4 fields, but 6 values"),
    ],
)
def test_fields_that_do_not_exist_are_refused(construct: Callable[[], Message], text: str) -> None:
    with pytest.raises(FlyteTypeException, match=text):
        construct()


def test_a_field_may_have_any_name() -> None:
    message = all_types().All(self="s", cls="c", from_="f", lambda_="l", name="n", class_=1)
    assert decode(type(message), encode(message)) == message


def test_signature_shows_the_fields() -> None:
    parameters = inspect.signature(core.WorkflowExecutionIdentifier).parameters
    assert list(parameters) == ["project", "domain", "name", "org"]
    assert parameters["project"].default == ""
    assert inspect.signature(admin.Execution).parameters["closure"].default is None


def test_a_message_is_read_from_a_stream_with_its_size() -> None:
    identifier = core.WorkflowExecutionIdentifier(project="p")
    stream = io.BytesIO()
    identifier.dump(stream, delimit=True)
    stream.write(b"rest")
    stream.seek(0)
    merged = core.WorkflowExecutionIdentifier(name="n").load(stream, betterproto2.SIZE_DELIMITED)
    assert merged == core.WorkflowExecutionIdentifier(project="p", name="n")
    assert stream.read() == b"rest"
    with pytest.raises(FlyteDecodeError, match="WorkflowExecutionIdentifier: 1 of 2 bytes"):
        core.WorkflowExecutionIdentifier().load(io.BytesIO(b"\x0a"), 2)
    with pytest.raises(FlyteDecodeError, match="WorkflowExecutionIdentifier"):
        core.WorkflowExecutionIdentifier().load(io.BytesIO(b""), betterproto2.SIZE_DELIMITED)


def test_a_class_with_a_constructor_of_its_own_is_a_message_too() -> None:
    @dataclasses.dataclass(eq=False, repr=False)
    class Status(Message):
        code: int = betterproto2.field(1, betterproto2.TYPE_INT32)
        details: list[core.Identifier] = betterproto2.field(2, betterproto2.TYPE_MESSAGE, repeated=True)

    status = Status(code=5, details=[core.Identifier(name="x")])
    assert decode(Status, encode(status)) == status
    assert Status() == decode(Status, b"")
    assert copy.deepcopy(status) == status
    assert "details=[Identifier(name='x')]" in repr(status)


class Named(core.WorkflowExecutionIdentifier):
    """A subclass without fields of its own."""

    @property
    def path(self) -> str:
        return f"{self.project}/{self.domain}/{self.name}"


def test_a_subclass_is_decoded_encoded_and_accepted_in_place_of_its_base() -> None:
    named = Named(project="p", domain="d", name="n")
    again = decode(Named, encode(named))
    assert type(again) is Named
    assert again.path == "p/d/n"
    assert pickle.loads(pickle.dumps(again)) == named
    assert decode(admin.Execution, encode(admin.Execution(id=named))).id == core.WorkflowExecutionIdentifier(
        "p", "d", "n"
    )


def test_other_buffers_can_be_decoded_and_other_things_cannot() -> None:
    data = encode(built())
    assert decode(admin.Execution, bytearray(data)) == decode(admin.Execution, memoryview(data)) == built()
    for wrong in ("text", 5, None):
        with pytest.raises(FlyteTypeException, match="expected bytes to decode a Execution"):
            decode(admin.Execution, wrong)  # pyright: ignore[reportArgumentType]


def test_a_decoded_message_does_not_follow_changes_of_the_buffer() -> None:
    data = bytearray(encode(built()))
    message = decode(admin.Execution, data)
    data[:] = bytes(len(data))
    assert message == built()
