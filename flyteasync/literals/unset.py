"""What stands for a field that its class has a default for, which only the task's code knows."""

import enum


class Unset(enum.Enum):
    """The type of `UNSET`."""

    UNSET = enum.auto()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<unset>"


UNSET = Unset.UNSET
"""Left out when a dataclass is written, so that the task's own default comes into effect."""
