"""Python values to literals and back, without I/O."""

from .convert import Converted, convert, literal_map, to_literal, to_python
from .datasets import StructuredDataset
from .handles import FlyteDirectory, FlyteFile
from .json import Parsed, from_json, json_of, json_schema
from .pickles import FlytePickle
from .reading import Problem
from .resolver import LiteralsResolver
from .store import Access, Item, Store
from .types import guess_type, literal_type, type_text
from .unset import UNSET
from .uploads import Content, Location, Upload

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
