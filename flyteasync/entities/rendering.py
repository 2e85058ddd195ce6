"""Messages as text for people: indented, only what is set, long values cut."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from ..codec import Message
from ..idl.google import protobuf

WIDTH = 200
"""Characters of a value that are shown."""

INDENT = "  "


def message_text(message: Message) -> str:
    """The message, one field a line, in the order of the IDL."""
    return "\n".join(_message(message))


def html_of(title: str, tables: Mapping[str, Sequence[tuple[str, str]]], text: str) -> str:
    """A title, two-column tables under their headings, and a text that can be folded out; everything is escaped."""
    import html  # notebooks alone need it

    parts = [f"<h4>{html.escape(title)}</h4>"]
    for heading, rows in tables.items():
        cells = "".join(f"<tr><td>{html.escape(left)}</td><td>{html.escape(right)}</td></tr>" for left, right in rows)
        parts.append(f"<table><caption>{html.escape(heading)}</caption>{cells}</table>")
    parts.append(f"<details><summary>message</summary><pre>{html.escape(text)}</pre></details>")
    return "".join(parts)


def link_html(url: str | None) -> str:
    """A link to a page, if there is one."""
    import html  # as above

    text = html.escape(url or "")
    return f'<p><a href="{text}">{text}</a></p>' if text else ""


def _message(message: Message) -> Iterator[str]:
    for field in dataclasses.fields(cast("Any", message)):
        value = getattr(message, field.name)
        # What may be unset is None then; of the rest, zero is what an unset field reads as.
        if value is None or (not isinstance(value, Message) and _is_zero(value, field)):
            continue
        yield from _field(field.name, value)


def _is_zero(value: Any, field: dataclasses.Field[Any]) -> bool:
    return not value and not field.metadata["betterproto"].optional


def _field(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _entry(f"{name}:", item)
    elif isinstance(value, dict):
        for key, item in cast("dict[Any, Any]", value).items():
            yield from _entry(f"{name}[{key!r}]:", item)
    else:
        yield from _entry(f"{name}:", value)


def _entry(label: str, value: Any) -> Iterable[str]:
    if isinstance(value, Message) and not isinstance(value, protobuf.Struct):
        return [label, *(INDENT + line for line in _message(value))]
    return [f"{label} {_scalar(value)}"]


def _scalar(value: Any) -> str:
    match value:
        case protobuf.Struct():
            text = json.dumps(value.to_dict(), ensure_ascii=False)
        case enum.Enum():
            text = value.name or str(value.value)
        case bytes():
            return f"<{len(value)} bytes>"
        case str():
            text = repr(value)
        case datetime():
            text = value.isoformat()
        case _:
            text = str(value)
    return text if len(text) <= WIDTH else text[:WIDTH] + "..."
