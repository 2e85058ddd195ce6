"""Running an execution once more: what is asked for, and what is known of the new execution before it is seen."""

from __future__ import annotations

from dataclasses import replace

from .. import codec
from ..idl import admin, core
from .context import AgainRequest

Mode = admin.ExecutionMetadataExecutionMode


def relaunch_request(source: core.WorkflowExecutionIdentifier, *, overwrite_cache: bool) -> AgainRequest:
    """Ask for the same with the same inputs."""
    return admin.ExecutionRelaunchRequest(id=source, overwrite_cache=overwrite_cache)


def recover_request(source: core.WorkflowExecutionIdentifier) -> AgainRequest:
    """Ask for the same without what has succeeded."""
    return admin.ExecutionRecoverRequest(id=source)


def named(request: AgainRequest, name: str) -> AgainRequest:
    """The same request for an execution of that name."""
    return replace(request, name=name)


def mode_of(request: AgainRequest) -> Mode:
    """How an execution is marked that the request made."""
    return Mode.RELAUNCH if isinstance(request, admin.ExecutionRelaunchRequest) else Mode.RECOVERED


def repeats(execution: admin.Execution, request: AgainRequest) -> bool:
    """Whether an execution is one that the request made."""
    metadata = execution.spec.metadata if execution.spec is not None else None
    return metadata is not None and metadata.mode == mode_of(request) and metadata.reference_execution == request.id


def spec_of_repetition(spec: admin.ExecutionSpec | None, request: AgainRequest) -> admin.ExecutionSpec | None:
    """The spec of the new execution, as far as that of its source is known."""
    if spec is None:
        return None
    copy = codec.decode(admin.ExecutionSpec, codec.encode(spec))
    metadata = copy.metadata if copy.metadata is not None else admin.ExecutionMetadata()
    metadata.mode = mode_of(request)
    metadata.reference_execution = request.id
    copy.metadata = metadata
    if isinstance(request, admin.ExecutionRelaunchRequest):
        copy.overwrite_cache = request.overwrite_cache
    return copy
