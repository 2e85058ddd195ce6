"""The interface of an array node and that of what it runs for each element; pure.

flytekit registers the task of a `map_task` with the interface of the whole, and launch plans have that of an element:
the array node says which of the two it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection

from ..idl import core
from .inputs import variables_of


def element_interface(interface: core.TypedInterface | None, array: core.ArrayNode) -> core.TypedInterface:
    """The interface of one element: lists become their items, unless they are bound as they are."""
    interface = interface or core.TypedInterface()
    if array.is_original_sub_node_interface:
        return interface
    return _with_types(interface, array.bound_inputs, _item_type)


def array_interface(interface: core.TypedInterface | None, array: core.ArrayNode) -> core.TypedInterface:
    """The interface of the whole."""
    interface = interface or core.TypedInterface()
    if not array.is_original_sub_node_interface:
        return interface
    return _with_types(interface, array.bound_inputs, _list_type)


def _item_type(kind: core.LiteralType) -> core.LiteralType:
    return kind if kind.collection_type is None else kind.collection_type


def _list_type(kind: core.LiteralType) -> core.LiteralType:
    return core.LiteralType(collection_type=kind)


def _with_types(
    interface: core.TypedInterface, bound: Collection[str], change: Callable[[core.LiteralType], core.LiteralType]
) -> core.TypedInterface:
    def changed(variables: core.VariableMap | None, kept: Collection[str]) -> core.VariableMap:
        return core.VariableMap(
            variables={
                name: variable
                if name in kept or variable.type is None
                else dataclasses.replace(variable, type=change(variable.type))
                for name, variable in variables_of(variables).items()
            }
        )

    return core.TypedInterface(inputs=changed(interface.inputs, bound), outputs=changed(interface.outputs, ()))
