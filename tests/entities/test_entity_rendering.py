"""Messages as text: what is set, in order, with long values cut."""

from datetime import UTC, datetime, timedelta

from flyteasync.codec import decode
from flyteasync.entities.rendering import WIDTH, html_of, message_text
from flyteasync.idl import admin, core
from flyteasync.idl.google import protobuf


def test_only_what_is_set_is_shown() -> None:
    assert message_text(core.TaskTemplate()) == ""
    assert message_text(core.TaskTemplate(type="x")) == "type: 'x'"


def test_zero_of_a_field_that_can_be_unset_is_shown() -> None:
    assert message_text(core.Primitive(integer=0)) == "integer: 0"
    assert message_text(core.LiteralType(simple=core.SimpleType.NONE)) == "simple: NONE"


def test_set_but_empty_message_is_shown() -> None:
    assert message_text(core.GateNode(approve=core.ApproveCondition())) == "approve:"


def test_values_read_as_in_python() -> None:
    closure = admin.ExecutionClosure(
        phase=core.WorkflowExecutionPhase.RUNNING,
        started_at=datetime(2024, 1, 2, tzinfo=UTC),
        duration=timedelta(seconds=90),
    )
    assert message_text(closure).split("\n") == [
        "phase: RUNNING",
        "started_at: 2024-01-02T00:00:00+00:00",
        "duration: 0:01:30",
    ]
    assert message_text(core.Binary(value=b"\x00secret", tag="msgpack")) == "value: <7 bytes>\ntag: 'msgpack'"
    assert message_text(core.Identifier(name="a\nb")) == "name: 'a\\nb'"


def test_struct_is_one_line_of_json() -> None:
    struct = protobuf.Struct.from_dict({"a": [1.5, {"b": None}], "é": "x"})
    assert message_text(core.TaskTemplate(custom=struct)) == 'custom: {"a": [1.5, {"b": null}], "é": "x"}'


def test_lists_and_maps_have_an_entry_for_each_item() -> None:
    container = core.Container(args=["a", "b"], env=[core.KeyValuePair(key="k", value="v")])
    assert message_text(container) == "args: 'a'\nargs: 'b'\nenv:\n  key: 'k'\n  value: 'v'"
    assert message_text(admin.Labels(values={"a": "b"})) == "values['a']: 'b'"


def test_long_value_is_cut() -> None:
    text = message_text(core.Identifier(name="x" * 10_000))
    assert len(text) < WIDTH + 20
    assert text.endswith("...")


def test_enum_value_that_is_not_known_is_a_number() -> None:
    assert message_text(decode(core.Identifier, b"\x08\x63")) == "resource_type: 99"


def test_page_escapes_everything() -> None:
    page = html_of("<t>", {"<h>": [("<a>", "<b>")]}, "<m>")
    assert "<h4>&lt;t&gt;</h4>" in page
    assert "<caption>&lt;h&gt;</caption><tr><td>&lt;a&gt;</td><td>&lt;b&gt;</td></tr>" in page
    assert "<pre>&lt;m&gt;</pre>" in page
