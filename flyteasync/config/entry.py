"""Where each setting is found, and how its text becomes a value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from ..errors import FlyteInvalidInputException
from .file import ConfigFile


@dataclass(frozen=True)
class Entry:
    """One setting.

    Attributes:
        section: the section of INI files; with the option it names the environment variable.
        option: the option in that section.
        yaml: the path of keys in YAML files, with dots between them; None if only the other sources have it.
        parse: makes the value; raises TypeError or ValueError with what was expected.
        secret: whether errors must not show the value.
    """

    section: str
    option: str
    yaml: str | None = None
    parse: Callable[[Any], Any] = str
    secret: bool = False

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return f"FLYTE_{self.section}_{self.option}".upper()

    def read(self, file: ConfigFile) -> Any:
        """The value, from the environment if it is there, else from the file; None if neither sets it.

        Raises:
            FlyteInvalidInputException: the value is not what the setting takes; names where it was found.
        """
        if self.variable in os.environ:
            return self._value(os.environ[self.variable], f"environment variable {self.variable}")
        if file.ini is not None:
            import configparser  # imported already by whoever read the file

            where = f"{file.path}: [{self.section}] {self.option}"
            try:
                return self._value(file.ini.get(self.section, self.option, fallback=None), where)
            except configparser.InterpolationError:
                raise FlyteInvalidInputException(f"{where}: a % must be written as %%") from None
        return self._value(self._in_yaml(file), f"{file.path}: {self.yaml}")

    def _in_yaml(self, file: ConfigFile) -> Any:
        """What the YAML file holds under the path of keys."""
        if self.yaml is None:
            return None
        here: Any = file.yaml
        passed: list[str] = []
        for key in self.yaml.split("."):
            if here is None:
                return None
            if not isinstance(here, Mapping):
                raise FlyteInvalidInputException(f"{file.path}: {'.'.join(passed)}: expected a mapping")
            here = cast("Mapping[str, Any]", here).get(key)
            passed.append(key)
        return here

    def _value(self, raw: Any, where: str) -> Any:
        if raw is None or raw == "" or raw == []:
            return None
        try:
            return self.parse(raw)
        except (TypeError, ValueError) as error:
            got = type(raw).__name__ if self.secret else repr(raw)
            raise FlyteInvalidInputException(f"{where}: expected {error}, got {got}") from None


def text(raw: Any) -> str:
    """A text; a number is taken for one, as YAML cannot tell a numeric id from a number."""
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        raise TypeError("a text")
    return str(raw)


def flag(raw: Any) -> bool:
    """A truth value."""
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    value = known.get(str(raw).strip().lower()) if isinstance(raw, (str, bool, int)) else None
    if value is None:
        raise ValueError("true or false")
    return value


def count(raw: Any) -> int:
    """A whole number, not negative."""
    if isinstance(raw, (str, int)) and not isinstance(raw, bool) and str(raw).strip().isdecimal():
        return int(raw)
    raise ValueError("a whole number")


def seconds(raw: Any) -> timedelta:
    """A duration in whole seconds."""
    return timedelta(seconds=count(raw))


def texts(raw: Any) -> list[str]:
    """A list of texts; one text is split at its commas."""
    if isinstance(raw, str):
        return raw.split(",")
    if not isinstance(raw, list):
        raise TypeError("a list of texts, or one text with commas")
    return [text(item) for item in cast("list[Any]", raw)]


def read_all(entries: Mapping[str, Entry], file: ConfigFile) -> dict[str, Any]:
    """The values of the settings that are set, by field."""
    values = {field: entry.read(file) for field, entry in entries.items()}
    return {field: value for field, value in values.items() if value is not None}
