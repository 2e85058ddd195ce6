"""Ids and places that the propeller derives: nodes, child executions, inputs and outputs; pure."""

from __future__ import annotations

import base64
import re

from ...idl import core
from ..rows import ExecutionKey

MAX_NODE_ID = 20
MAX_CHILD_NAME = 20
MAX_GENERATED_NAME = 50
MAX_LABEL = 63

_ALPHABET = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "abcdefghijklmnopqrstuvwxyz123456")
# The propeller's own base 32, in characters that Kubernetes takes in names.

_FNV = {32: (0x811C9DC5, 0x01000193), 64: (0xCBF29CE484222325, 0x100000001B3)}
"""Offset basis and prime, by the size of the hash in bits."""

_NOT_IN_LABELS = re.compile(r"[^-a-z0-9]+")


def unique_node_id(spec_node_id: str, parent: str = "", parent_attempt: int = 0) -> str:
    """The id of a node's execution: its id in the workflow, and before it the node that it runs under, if any.

    Args:
        spec_node_id: its id in the compiled workflow.
        parent: the unique id of the node that it runs under; empty at the top.
        parent_attempt: the attempt of that node.
    """
    parts = [parent, str(parent_attempt), spec_node_id] if parent else [spec_node_id]
    return _fitting("-".join(parts), MAX_NODE_ID)


def child_execution_name(execution: str, node_id: str, attempt: int) -> str:
    """The name of the execution that a launch plan node starts."""
    text = f"{execution}-{node_id}-{attempt}"
    return text if len(text) <= MAX_CHILD_NAME else hashed(text, 64)


def generated_name(execution: str, node_id: str, attempt: int) -> str:
    """The name of an attempt's pod."""
    return _fitting(f"{execution}-{node_id}-{attempt}", MAX_GENERATED_NAME)


def external_id(execution: str, node_id: str, index: int, attempt: int) -> str:
    """The name of an attempt of an element of an array node."""
    return f"{generated_name(execution, node_id, attempt)}-n{index}-{attempt}"


def hashed(text: str, bits: int = 32) -> str:
    """A text as 8 (or 14) characters that Kubernetes takes: the propeller's FNV-1a of 32 (or 64) bits in base 32."""
    digest, prime = _FNV[bits]
    mask = (1 << bits) - 1
    for byte in text.encode():
        digest = (digest ^ byte) * prime & mask
    encoded = base64.b32encode(digest.to_bytes(bits // 8, "big")).decode().rstrip("=")
    return "f" + encoded.translate(_ALPHABET)


def label_value(text: str) -> str:
    """A text as Kubernetes takes it as the value of a label."""
    return _NOT_IN_LABELS.sub("-", text.lower())[:MAX_LABEL].strip("-")


def _fitting(text: str, limit: int) -> str:
    return text if len(text) <= limit else hashed(text)


def base_directory(execution: ExecutionKey) -> str:
    """Where all data of an execution's nodes is."""
    return f"mem://flyte/metadata/propeller/{'-'.join(execution)}"


def data_directory(parent: str, spec_node_id: str) -> str:
    """Where the data of a node is, inside of its workflow's directory."""
    return f"{parent}/{spec_node_id}/data"


def output_directory(data: str, attempt: int) -> str:
    """Where the outputs of one attempt are, inside of its node's directory."""
    return f"{data}/{attempt}"


def inputs_uri(data: str) -> str:
    """Where a node's inputs are."""
    return f"{data}/inputs.pb"


def outputs_uri(outputs: str) -> str:
    """Where the outputs of one attempt are."""
    return f"{outputs}/outputs.pb"


def futures_uri(outputs: str) -> str:
    """Where a dynamic node's workflow is."""
    return f"{outputs}/futures.pb"


def execution_id(key: ExecutionKey) -> core.WorkflowExecutionIdentifier:
    """The id of an execution."""
    return core.WorkflowExecutionIdentifier(project=key[0], domain=key[1], name=key[2])
