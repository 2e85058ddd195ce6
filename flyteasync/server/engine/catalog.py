"""Which outputs may stand for a task's, and by which key they are found; pure.

The names are those of the real catalogue's datasets and tags. The hashes in them are of the same length, but not the
same ones: nobody compares them but the server that made them.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import betterproto2

from ... import codec
from ...idl import core
from ..inputs import variables_of
from ..typecheck import type_tag

_SIGNATURE_LENGTH = 8


@dataclass(frozen=True, slots=True)
class CacheRule:
    """How a node's outputs are cached.

    Attributes:
        version: outputs of another version are not used.
        serialize: whether of equal runs at the same time only one takes place.
        ignored: inputs that make no difference.
    """

    version: str
    serialize: bool
    ignored: frozenset[str]


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Where outputs are found."""

    project: str
    domain: str
    name: str
    version: str
    tag: str

    @property
    def dataset(self) -> core.Identifier:
        """The id of the dataset that holds all outputs of a task with this interface and version."""
        return core.Identifier(
            resource_type=core.ResourceType.DATASET,
            project=self.project,
            domain=self.domain,
            name=self.name,
            version=self.version,
        )


def cache_rule(node: core.Node, template: core.TaskTemplate) -> CacheRule | None:
    """How a task node is cached; None if it is not. The node's word goes before its task's."""
    task, own = template.metadata or core.TaskMetadata(), node.metadata or core.NodeMetadata()
    cacheable = task.discoverable if own.cacheable is None else own.cacheable
    version = (task.discovery_version if own.cache_version is None else own.cache_version).strip(" ")
    if not cacheable or not version:
        return None
    serialize = task.cache_serializable if own.cache_serializable is None else own.cache_serializable
    return CacheRule(version, serialize, frozenset(task.cache_ignore_input_vars))


def cache_key(template: core.TaskTemplate, rule: CacheRule, inputs: Mapping[str, core.Literal]) -> CacheKey:
    """The key of what a task makes of these inputs: its version does not matter, its interface does."""
    task_id = template.id or core.Identifier()
    interface = template.interface or core.TypedInterface()
    signature = "-".join(_signature(variables_of(side)) for side in (interface.inputs, interface.outputs))
    relevant = {name: literal for name, literal in inputs.items() if name not in rule.ignored}
    return CacheKey(
        project=task_id.project,
        domain=task_id.domain,
        name=f"flyte_task-{task_id.name}",
        version=f"{rule.version}-{signature}",
        tag=f"flyte_cached-{_digest(_canonical_map(relevant))}",
    )


def catalog_metadata(
    key: CacheKey, artifact_id: str, source: core.TaskExecutionIdentifier | None
) -> core.CatalogMetadata:
    """What a node's metadata say of the outputs that it stored or used."""
    return core.CatalogMetadata(
        dataset_id=key.dataset,
        artifact_tag=core.CatalogArtifactTag(artifact_id=artifact_id, name=key.tag),
        source_task_execution=source,
    )


def _signature(variables: Mapping[str, core.Variable]) -> str:
    kinds = ((name, variable.type or core.LiteralType()) for name, variable in sorted(variables.items()))
    parts = [[name, codec.encode(dataclasses.replace(kind, metadata=None)).hex()] for name, kind in kinds]
    return _digest(parts)[:_SIGNATURE_LENGTH]


def _digest(value: object) -> str:
    data = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _canonical_map(literals: Mapping[str, core.Literal]) -> object:
    return {name: _canonical(literal) for name, literal in literals.items()}


def _canonical(literal: core.Literal) -> object:
    """A literal as JSON in which nothing depends on the order of a map; a hash of its own stands for its value."""
    if literal.hash:
        return ["hash", literal.hash]
    match betterproto2.which_one_of(literal, "value"):
        case _, core.Scalar() as scalar:
            return ["scalar", _canonical_scalar(scalar)]
        case _, core.LiteralCollection() as collection:
            return ["list", _canonical_list(collection.literals)]
        case _, core.LiteralMap() as literals:
            return ["map", _canonical_map(literals.literals)]
        case _, core.LiteralOffloadedMetadata() as offloaded:
            return ["offloaded", offloaded.uri]
        case _:
            return []


def _canonical_list(literals: Iterable[core.Literal]) -> object:
    return [_canonical(literal) for literal in literals]


def _canonical_scalar(scalar: core.Scalar) -> object:
    if scalar.generic is not None:
        return scalar.generic.to_dict()
    if scalar.union is not None:
        kind, value = scalar.union.type or core.LiteralType(), scalar.union.value or core.Literal()
        return [type_tag(kind), betterproto2.which_one_of(kind, "type")[0], _canonical(value)]
    return codec.encode(scalar).hex()
