"""Checking what is bound to a node's inputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import betterproto2

from ...idl import core
from ..text import proto_text
from ..typecheck import castable, scalar_type_of
from .words import END, START

if TYPE_CHECKING:
    # A graph checks bindings, which are checked against the graph.
    from .graph import Graph


def binding_type(binding: core.BindingData) -> core.LiteralType | None:
    """The type of a binding that refers to no node; None if it cannot be told."""
    return None if binding.scalar is None else scalar_type_of(binding.scalar)


@dataclass(frozen=True, slots=True)
class Binder:
    """Checks the bindings of one input of one node."""

    graph: Graph
    node: core.Node
    param: str

    def check(self, binding: core.BindingData, expected: core.LiteralType | None) -> set[str]:
        """Check against the expected type (None is not checked) and return the nodes it refers to."""
        name, value = betterproto2.which_one_of(binding, "value")
        if expected is not None and expected.union_type is not None and name in ("collection", "map"):
            return self._check_union(binding, expected, expected.union_type)
        match value:
            case core.Scalar():
                return self._check_scalar(value, expected)
            case core.OutputReference():
                return self._check_promise(value, expected)
            case core.BindingDataCollection():
                element = None if expected is None else expected.collection_type
                return self._check_elements(value.bindings, element, expected, "collection")
            case core.BindingDataMap():
                element = None if expected is None else expected.map_value_type
                return self._check_elements(value.bindings.values(), element, expected, "map")
            case core.LiteralOffloadedMetadata():
                return set()
            case _:
                self._mismatch(expected, "")
                return set()

    def _check_union(self, binding: core.BindingData, expected: core.LiteralType, union: core.UnionType) -> set[str]:
        """A list or map may go to a union if exactly one variant takes it."""
        matches: list[tuple[core.LiteralType, set[str]]] = []
        for variant in union.variants:
            attempt = self.graph.with_own_errors()
            found = Binder(attempt, self.node, self.param).check(binding, variant)
            if not attempt.errors:
                matches.append((variant, found))
        if len(matches) == 1:
            return matches[0][1]
        start = (
            f"Input [{self.param}] on node [{self.node.id}] expects bindings of union type [{proto_text(expected)}].  "
            f"Received [{proto_text(binding)}] which "
        )
        if not matches:
            text = "does not match any of the variants."
            self.graph.report("IncompatibleBindingUnionValue", self.node.id, start + text)
        else:
            first, second = proto_text(matches[0][0]), proto_text(matches[1][0])
            text = f"is ambiguous as both variants [{first}] and [{second}] match."
            self.graph.report("AmbiguousBindingUnionValue", self.node.id, start + text)
        return set()

    def _check_scalar(self, scalar: core.Scalar, expected: core.LiteralType | None) -> set[str]:
        kind = scalar_type_of(scalar)
        if kind is None:
            text = f"Unrecognized value [{betterproto2.which_one_of(scalar, 'value')[0]}]."
            self.graph.report("UnrecognizedValue", self.node.id, text)
        elif expected is not None and not castable(kind, expected):
            text = (
                f"Variable [{self.param}] (type [{proto_text(kind)}]) doesn't match expected type "
                f"[{proto_text(expected)}]."
            )
            self.graph.report("MismatchingTypes", self.node.id, text)
        enum = None if expected is None else expected.enum_type
        given = "" if scalar.primitive is None else scalar.primitive.string_value or ""
        if enum is not None and given not in enum.values:
            text = (
                f"Input [{self.param}] on node [{self.node.id}] is an Enum and expects value to be one of "
                f"[[{' '.join(enum.values)}]].  Received [{given}]"
            )
            self.graph.report("IllegalEnumValue", self.node.id, text)
        return set()

    def _check_elements(
        self,
        bindings: Iterable[core.BindingData],
        element: core.LiteralType | None,
        expected: core.LiteralType | None,
        received: str,
    ) -> set[str]:
        if expected is not None and element is None:
            self._mismatch(expected, received)
            return set()
        return {upstream for binding in bindings for upstream in self.check(binding, element)}

    def _mismatch(self, expected: core.LiteralType | None, received: str) -> None:
        text = (
            f"Input [{self.param}] on node [{self.node.id}] expects bindings of type [{proto_text(expected)}].  "
            f"Received [{received}]"
        )
        self.graph.report("MismatchingBindings", self.node.id, text)

    def _check_promise(self, promise: core.OutputReference, expected: core.LiteralType | None) -> set[str]:
        source = promise.node_id or START
        if source not in self.graph.interfaces or source == END:
            text = f"Referenced node [{source}] not found."
            self.graph.report("NodeReferenceNotFound", self.node.id, text)
            self._not_bound()
            return set()
        exists, found = self.graph.output_type(source, promise.var)
        if not exists or (found is None and self.graph.declares(source)):
            text = f"Variable [{promise.var}] not found on node [{source}]."
            self.graph.report("VariableNameNotFound", source, text)
            self._not_bound()
            return set()
        kind = None if found is None else self._follow(promise, found)
        if kind is not None and expected is not None and not castable(kind, expected):
            self._mismatching_variables(promise, kind, expected)
            return set()
        promise.node_id = source
        return {source}

    def _follow(self, promise: core.OutputReference, kind: core.LiteralType) -> core.LiteralType | None:
        """The type at the end of an attribute path; None if it cannot be told."""
        for attribute in promise.attr_path:
            structure = kind.structure
            if kind.collection_type is not None:
                kind = kind.collection_type
            elif kind.map_value_type is not None:
                kind = kind.map_value_type
            elif structure is not None and structure.dataclass_type:
                name = attribute.string_value or ""
                if name not in structure.dataclass_type:
                    text = f"Variable [{promise.var}] (type [{proto_text(kind)}]) doesn't have field [{name}]."
                    self.graph.report("FieldNotFound", self.node.id, text)
                    return None
                kind = structure.dataclass_type[name]
            else:
                return None
        return kind

    def _not_bound(self) -> None:
        self.graph.report("ParameterNotBound", self.node.id, f"Parameter not bound [{self.param}].")

    def _mismatching_variables(
        self, promise: core.OutputReference, kind: core.LiteralType, expected: core.LiteralType
    ) -> None:
        text = (
            f"The output variable '{promise.var}' has type [{proto_text(kind)}], but it's assigned to the input "
            f"variable '{self.param}' which has type type [{proto_text(expected)}]."
        )
        self.graph.report("MismatchingTypes", self.node.id, text)
