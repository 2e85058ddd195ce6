"""Launching what ran before once more: RelaunchExecution and RecoverExecution."""

from __future__ import annotations

from ... import codec
from ...idl import admin, core, methods
from .. import validation
from ..engine import records
from ..failures import internal
from ..rows import ExecutionRow
from .context import Context, Route
from .executions import find_execution
from .launching import LaunchService

_Mode = admin.ExecutionMetadataExecutionMode


class RelaunchService:
    """RPCs that create an execution from another one, whatever that one's phase is."""

    def __init__(self, context: Context, launching: LaunchService) -> None:
        self._context = context
        self._launching = launching

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.RELAUNCH_EXECUTION.path: self.relaunch,
            methods.RECOVER_EXECUTION.path: self.recover,
        }

    def relaunch(self, request: admin.ExecutionRelaunchRequest) -> admin.ExecutionCreateResponse:
        """Run the same once more; the child of a node stays its child."""
        source = self._source(request.id)
        spec, _ = _copy(source, _Mode.RELAUNCH)
        spec.overwrite_cache = request.overwrite_cache
        return self._launch(source, spec, request.name)

    def recover(self, request: admin.ExecutionRecoverRequest) -> admin.ExecutionCreateResponse:
        """Run the same once more, without what has succeeded; of the request's metadata only the parent counts."""
        source = self._source(request.id)
        spec, metadata = _copy(source, _Mode.RECOVERED)
        if request.metadata is not None:
            metadata.parent_node_execution = request.metadata.parent_node_execution
        return self._launch(source, spec, request.name)

    def _source(self, identifier: core.WorkflowExecutionIdentifier | None) -> ExecutionRow:
        return find_execution(self._context, validation.check_execution_id(identifier))

    def _launch(self, source: ExecutionRow, spec: admin.ExecutionSpec, name: str) -> admin.ExecutionCreateResponse:
        inputs = self._context.store.data.get(source.user_inputs_uri)
        if inputs is None:
            raise internal(f"failed to read the inputs at {source.user_inputs_uri}")
        project, domain, _ = source.key
        request = admin.ExecutionCreateRequest(project=project, domain=domain, name=name, spec=spec, inputs=inputs)
        return self._launching.launch(request, source.id)


def _copy(source: ExecutionRow, mode: _Mode) -> tuple[admin.ExecutionSpec, admin.ExecutionMetadata]:
    """A spec of its own that refers to its source, and that spec's metadata."""
    spec = codec.decode(admin.ExecutionSpec, codec.encode(source.spec))
    metadata = spec.metadata = spec.metadata or admin.ExecutionMetadata()
    metadata.mode = mode
    metadata.reference_execution = records.execution_id(source)
    return spec, metadata
