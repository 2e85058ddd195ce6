"""Takes URLs and reads what they point at; makes no RPC."""

from .base import Item
from .storage import Storage

__all__ = ["Item", "Storage"]
