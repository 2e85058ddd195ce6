"""Ids that the propeller derives: unique node ids and the places of inputs and outputs; pure."""

from __future__ import annotations

import base64

from ..rows import ExecutionKey

MAX_NODE_ID = 20

_ALPHABET = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "abcdefghijklmnopqrstuvwxyz123456")
# The propeller's own base 32, in characters that Kubernetes takes in names.


def unique_node_id(spec_node_id: str) -> str:
    """The id of a top-level node's execution: its id in the workflow, hashed if that is too long."""
    return spec_node_id if len(spec_node_id) <= MAX_NODE_ID else hashed(spec_node_id)


def hashed(text: str) -> str:
    """A text as eight characters that Kubernetes takes in names: the propeller's FNV-1a of 32 bits in base 32."""
    digest = 0x811C9DC5
    for byte in text.encode():
        digest = (digest ^ byte) * 0x01000193 & 0xFFFFFFFF
    encoded = base64.b32encode(digest.to_bytes(4, "big")).decode().rstrip("=")
    return "f" + encoded.translate(_ALPHABET)


def node_input_uri(execution: ExecutionKey, node_id: str) -> str:
    """Where a node's inputs are."""
    return f"{_base(execution)}/{node_id}/data/inputs.pb"


def node_output_uri(execution: ExecutionKey, node_id: str, attempt: int) -> str:
    """Where the outputs of one attempt of a node are."""
    return f"{_base(execution)}/{node_id}/data/{attempt}/outputs.pb"


def _base(execution: ExecutionKey) -> str:
    return f"mem://flyte/metadata/propeller/{'-'.join(execution)}"
