"""Where configuration files are, and what is in them: flytectl's YAML, or flytekit's older INI."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import FlyteInvalidInputException

if TYPE_CHECKING:
    import configparser

logger = logging.getLogger("flyteasync.config")

FILE_VARIABLES = ("_FLYTECTL_CONFIG_PYFLYTE_OVERRIDE", "FLYTECTL_CONFIG")
"""The environment variables that may hold a file's path; the first one is pyflyte's own."""


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file that was read.

    Attributes:
        path: where it is.
        yaml: what a YAML file holds; None for an INI file.
        ini: what an INI file holds; None for a YAML file.
    """

    path: Path
    yaml: Mapping[str, Any] | None = None
    ini: configparser.ConfigParser | None = None

    def __repr__(self) -> str:
        return f"ConfigFile({str(self.path)!r})"  # its contents may be secrets


ConfigSource = str | os.PathLike[str] | ConfigFile | None
"""What callers may name as the file: a path, a file that was read already, or None to look in the usual places."""


NO_FILE = ConfigFile(Path(os.devnull), yaml={})
"""Stands for a file where there is none."""


def load(source: ConfigSource) -> ConfigFile:
    """Read the configuration file.

    None looks for, in this order: the path in `FLYTECTL_CONFIG`, `flytekit.config` in the working directory,
    `~/.flyte/config` and `~/.flyte/config.yaml`. Files whose names end in `yaml` or `yml` are YAML, others INI.

    Returns:
        The file; `NO_FILE` if `source` is None and there is none.

    Raises:
        FlyteInvalidInputException: the file that was named does not exist, or a file is not what its name says.
    """
    if isinstance(source, ConfigFile):
        return source
    path = next(_usual_places(), None) if source is None else Path(source).expanduser()
    if path is None:
        return NO_FILE
    return _read_yaml(path) if path.name.endswith(("yaml", "yml")) else _read_ini(path)


def _usual_places() -> Iterator[Path]:
    """The files that exist where one may be, first the one to take."""
    for variable in FILE_VARIABLES:
        if value := os.environ.get(variable):
            path = Path(value).expanduser()
            if path.is_file():
                yield path
            else:
                logger.warning("%s names %s, which does not exist: looking elsewhere", variable, path)
            # An override replaces the other variable even if its file is not there, as in flytekit.
            break
    candidates = [Path("flytekit.config")]
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home directory
        pass
    else:
        candidates += [home / ".flyte" / "config", home / ".flyte" / "config.yaml"]
    yield from (path for path in candidates if path.is_file())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FlyteInvalidInputException(f"the configuration file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FlyteInvalidInputException(f"the configuration file {path} cannot be read: {error}") from error


def _read_yaml(path: Path) -> ConfigFile:
    text = _text(path)
    import yaml  # only those who have a file pay for it

    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        # The cause quotes the line, which may hold a secret.
        raise FlyteInvalidInputException(f"the configuration file {path} is not valid YAML{where}") from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise FlyteInvalidInputException(f"the configuration file {path} must hold a mapping of sections")
    return ConfigFile(path, yaml=cast("dict[str, Any]", content))


def _read_ini(path: Path) -> ConfigFile:
    text = _text(path)
    from .ini import read_ini  # only those who have such a file pay for the parser

    return ConfigFile(path, ini=read_ini(path, text))
