"""Python values to literals and back, without I/O."""

from .convert import literal_map, to_literal, to_python
from .resolver import LiteralsResolver
from .types import guess_type, literal_type, type_text

__all__ = ["LiteralsResolver", "guess_type", "literal_map", "literal_type", "to_literal", "to_python", "type_text"]
