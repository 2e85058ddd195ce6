"""Python values to literals and back, without I/O.

Most programs convert values long after they are imported, so names are imported when they are first asked for.
"""

from typing import TYPE_CHECKING

from ..on_demand import on_demand
from .store import Access, Item, Store

if TYPE_CHECKING:
    from .conversion import Converted, convert, literal_map, to_literal, to_python
    from .datasets import StructuredDataset
    from .handles import FlyteDirectory, FlyteFile
    from .json import Parsed, from_json, json_of, json_schema
    from .pickles import FlytePickle
    from .reading import Problem
    from .resolver import LiteralsResolver
    from .types import guess_type, literal_type, type_text
    from .unset import UNSET
    from .uploads import Content, Location, Upload

_HOMES = {
    "Content": "uploads",
    "convert": "conversion",
    "Converted": "conversion",
    "FlyteDirectory": "handles",
    "FlyteFile": "handles",
    "FlytePickle": "pickles",
    "from_json": "json",
    "guess_type": "types",
    "json_of": "json",
    "json_schema": "json",
    "literal_map": "conversion",
    "literal_type": "types",
    "LiteralsResolver": "resolver",
    "Location": "uploads",
    "Parsed": "json",
    "Problem": "reading",
    "StructuredDataset": "datasets",
    "to_literal": "conversion",
    "to_python": "conversion",
    "type_text": "types",
    "UNSET": "unset",
    "Upload": "uploads",
}

__all__ = [
    "UNSET",
    "Access",
    "Content",
    "Converted",
    "FlyteDirectory",
    "FlyteFile",
    "FlytePickle",
    "Item",
    "LiteralsResolver",
    "Location",
    "Parsed",
    "Problem",
    "Store",
    "StructuredDataset",
    "Upload",
    "convert",
    "from_json",
    "guess_type",
    "json_of",
    "json_schema",
    "literal_map",
    "literal_type",
    "to_literal",
    "to_python",
    "type_text",
]

__getattr__, __dir__ = on_demand(__name__, _HOMES)
