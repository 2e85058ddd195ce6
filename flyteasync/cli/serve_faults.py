"""Reads the faults that `flyteasync serve` is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from ..errors import FlyteInvalidInputException
from ..server import Fault


def read_faults(given: str) -> tuple[Fault, ...]:
    """Faults out of JSON, or out of the file of that name that has it: one object, or a list of them.

    Raises:
        FlyteInvalidInputException: the file cannot be read, or there is no such fault; the text says which.
    """
    inline = given.lstrip()[:1] in ("[", "{")
    where = "--faults" if inline else given
    try:
        data: Any = json.loads(given if inline else Path(given).read_bytes())
    except OSError as error:
        raise FlyteInvalidInputException(
            f"--faults takes JSON, which begins with '[' or '{{', or a file: cannot read {given}: {error.strerror}"
        ) from error
    except ValueError as error:
        raise FlyteInvalidInputException(f"{where} is not JSON: {error}") from error
    faults = cast("list[Any]", data if isinstance(data, list) else [data])
    return tuple(_fault(item, f"{where}, fault {number}") for number, item in enumerate(faults, 1))


def _fault(data: Any, where: str) -> Fault:
    if not isinstance(data, dict):
        raise FlyteInvalidInputException(
            f'{where}: expected an object such as {{"method": "GetExecution"}}, got {data!r}'
        )
    try:
        return Fault.from_dict(cast("dict[str, Any]", data))
    except FlyteInvalidInputException as error:
        raise FlyteInvalidInputException(f"{where}: {error}") from error
