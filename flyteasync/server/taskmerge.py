"""How the events of an attempt add up to its closure: logs, custom info, metadata, reasons; pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from ..idl import admin, core, event
from ..idl.google.protobuf import NullValue, Struct, Value
from .engine.records import TERMINAL_TASK

_Phase = core.TaskExecutionPhase
_PENDING = (_Phase.QUEUED, _Phase.INITIALIZING)


def merge_logs(existing: Sequence[core.TaskLog], latest: Sequence[core.TaskLog]) -> list[core.TaskLog]:
    """The latest logs, and those existing ones that none of them replaces by URI or by name."""
    uris = {log.uri for log in latest}
    names = {log.name for log in latest if log.name}
    return [*latest, *(log for log in existing if log.uri not in uris and log.name not in names)]


def visible_logs(logs: Iterable[core.TaskLog], phase: core.TaskExecutionPhase) -> list[core.TaskLog]:
    """The logs that are to be shown in a phase."""
    return [
        log
        for log in logs
        if not (log.hide_once_finished and phase in TERMINAL_TASK) and (log.show_while_pending or phase not in _PENDING)
    ]


def merge_custom(existing: Struct | None, latest: Struct | None) -> Struct | None:
    """A JSON merge: what the latest one says replaces what was there, key by key."""
    if existing is None or latest is None:
        return existing if latest is None else latest
    fields = dict(existing.fields)
    for key, value in latest.fields.items():
        old = fields.get(key)
        if value.null_value is not None and value.null_value == NullValue.NULL_VALUE:
            fields.pop(key, None)
        elif old is not None and old.struct_value is not None and value.struct_value is not None:
            fields[key] = Value(struct_value=merge_custom(old.struct_value, value.struct_value))
        else:
            fields[key] = value
    return Struct(fields=fields)


def merge_metadata(
    existing: event.TaskExecutionMetadata | None, latest: event.TaskExecutionMetadata | None
) -> event.TaskExecutionMetadata | None:
    """What the latest one sets, and the external resources of both."""
    if existing is None or latest is None:
        return existing if latest is None else latest
    return event.TaskExecutionMetadata(
        generated_name=latest.generated_name or existing.generated_name,
        external_resources=merge_resources(existing.external_resources, latest.external_resources),
        resource_pool_info=latest.resource_pool_info,
        plugin_identifier=latest.plugin_identifier or existing.plugin_identifier,
        instance_class=latest.instance_class or existing.instance_class,
    )


def merge_resources(
    existing: Iterable[event.ExternalResourceInfo], latest: Iterable[event.ExternalResourceInfo]
) -> list[event.ExternalResourceInfo]:
    """The sub-tasks of an attempt, one for each index and retry, in that order."""
    found = {(item.index, item.retry_attempt): item for item in existing}
    for item in latest:
        key = (item.index, item.retry_attempt)
        found[key] = _merge_resource(found[key], item) if key in found else item
    return [found[key] for key in sorted(found)]


def _merge_resource(
    existing: event.ExternalResourceInfo, latest: event.ExternalResourceInfo
) -> event.ExternalResourceInfo:
    return dataclasses.replace(
        existing,
        external_id=latest.external_id or existing.external_id,
        phase=latest.phase,
        cache_status=latest.cache_status or existing.cache_status,
        logs=merge_logs(existing.logs, latest.logs),
    )


def with_visible_logs(
    metadata: event.TaskExecutionMetadata | None, phase: core.TaskExecutionPhase
) -> event.TaskExecutionMetadata | None:
    """The metadata with the logs of external resources that are to be shown in a phase."""
    if metadata is None:
        return None
    resources = [dataclasses.replace(item, logs=visible_logs(item.logs, phase)) for item in metadata.external_resources]
    return dataclasses.replace(metadata, external_resources=resources)


def new_reasons(seen: event.TaskExecutionEvent, last: str) -> list[admin.Reason]:
    """The reasons that an event adds, given the last one: its list, or its single one unless that was known."""
    if seen.reasons:
        return [admin.Reason(occurred_at=item.occurred_at, message=item.reason) for item in seen.reasons]
    if seen.reason and seen.reason != last:
        return [admin.Reason(occurred_at=seen.occurred_at, message=seen.reason)]
    return []
