"""`FlyteRemote`: everything that a program asks of a Flyte backend."""

from .remote import FlyteRemote

__all__ = ["FlyteRemote"]
