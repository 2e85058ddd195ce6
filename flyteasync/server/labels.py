"""Kubernetes' rules for names and labels, with its texts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .failures import invalid

MAX_LABELS = 16

_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_NAME})?"
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"

_CHARACTERS = (
    "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)


def dns_label_errors(value: str) -> list[str]:
    """Why a value is no RFC 1123 label; empty if it is one."""
    errors = [] if len(value) <= 63 else ["must be no more than 63 characters"]
    if not re.fullmatch(_DNS_LABEL, value):
        errors.append(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
            "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
            f"'{_DNS_LABEL}')"
        )
    return errors


def qualified_name_errors(value: str) -> list[str]:
    """Why a value is no qualified name (`example.com/name`); empty if it is one."""
    prefix, slash, name = value.rpartition("/")
    errors: list[str] = []
    if "/" in prefix:
        return [
            f"a qualified name must {_CHARACTERS} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
            f"validation is '{_NAME}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    if slash and not prefix:
        errors.append("prefix part must be non-empty")
    elif prefix and not (len(prefix) <= 253 and re.fullmatch(_SUBDOMAIN, prefix)):
        errors.append("prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters")
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > 63:
        errors.append("name part must be no more than 63 characters")
    if not re.fullmatch(_NAME, name):
        errors.append(
            f"name part must {_CHARACTERS} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            f"'{_NAME}')"
        )
    return errors


def label_value_errors(value: str) -> list[str]:
    """Why a value is no label value; empty if it is one."""
    errors = [] if len(value) <= 63 else ["must be no more than 63 characters"]
    if not re.fullmatch(_LABEL_VALUE, value):
        errors.append(
            f"a valid label must be an empty string or {_CHARACTERS} (e.g. 'MyValue',  or 'my_value',  or '12345', "
            f"regex used for validation is '{_LABEL_VALUE}')"
        )
    return errors


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise FlyteInvalidInputException unless these may be labels of a Kubernetes object."""
    if len(labels) > MAX_LABELS:
        raise invalid(f"labels map cannot exceed {MAX_LABELS} entries")
    for key, value in labels.items():
        if errors := qualified_name_errors(key):
            raise invalid(f"invalid label key [{key}]: [{' '.join(errors)}]")
        if errors := label_value_errors(value):
            raise invalid(f"invalid label value [{value}]: [{' '.join(errors)}]")
