"""flytekit's older configuration files, in INI form."""

from __future__ import annotations

import configparser
from pathlib import Path

from ..errors import FlyteInvalidInputException


def read_ini(path: Path, text: str) -> configparser.ConfigParser:
    """The sections of a file.

    Raises:
        FlyteInvalidInputException: the text is no INI; tells the line and shows nothing of it, which may be secret.
    """
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text, source=str(path))
    except configparser.Error as error:
        # Its own text quotes the line.
        raise FlyteInvalidInputException(f"the configuration file {path} is not valid INI: {_what(error)}") from None
    if parser.has_section("internal"):
        raise FlyteInvalidInputException(f"the configuration file {path} must not have a section 'internal'")
    return parser


def _what(error: configparser.Error) -> str:
    """What is wrong and where."""
    match error:
        case configparser.MissingSectionHeaderError():
            return f"line {error.lineno} stands before the first section"
        case configparser.ParsingError() if error.errors:
            return f"line {error.errors[0][0]} is neither a section nor an option"
        case configparser.DuplicateSectionError():
            return f"section {error.section!r} occurs twice"
        case configparser.DuplicateOptionError():
            return f"option {error.option!r} of section {error.section!r} occurs twice"
        case _:
            return type(error).__name__
