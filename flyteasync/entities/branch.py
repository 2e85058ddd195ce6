"""The conditions of a branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..idl import core

if TYPE_CHECKING:
    from .node import FlyteNode


@dataclass(frozen=True)
class IfBlock:
    """A condition, and the node that runs if it holds.

    Attributes:
        condition: the condition; None if the message has none.
        then_node: the node; None if the message has none.
    """

    condition: core.BooleanExpression | None
    then_node: FlyteNode | None

    def to_flyte_idl(self) -> core.IfBlock:
        """The message."""
        return core.IfBlock(condition=self.condition, then_node=message_of_node(self.then_node))


@dataclass(frozen=True)
class IfElseBlock:
    """Conditions, the first of which that holds chooses the node.

    Attributes:
        case: the first.
        other: the others, in order.
        else_node: the node that runs if none holds; None if the branch fails then.
        error: why the branch fails if none holds; None if there is an else_node.
    """

    case: IfBlock
    other: Sequence[IfBlock] = ()
    else_node: FlyteNode | None = None
    error: core.Error | None = None

    @property
    def nodes(self) -> list[FlyteNode]:
        """The nodes that are chosen from, in the order of their conditions."""
        nodes = [*(block.then_node for block in (self.case, *self.other)), self.else_node]
        return [node for node in nodes if node is not None]

    def to_flyte_idl(self) -> core.IfElseBlock:
        """The message."""
        return core.IfElseBlock(
            case=self.case.to_flyte_idl(),
            other=[block.to_flyte_idl() for block in self.other],
            else_node=message_of_node(self.else_node),
            error=self.error,
        )


def message_of_node(node: FlyteNode | None) -> core.Node | None:
    """The message of a node that may be missing."""
    return None if node is None else node.to_flyte_idl()
