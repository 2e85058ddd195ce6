"""Cron expressions as the scheduler reads them: five fields, or one of the names that begin with `@`."""

from __future__ import annotations

import re

from .columns import duration_nanoseconds
from .failures import invalid

_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6} | {
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "oct": 10,
    "nov": 11,
    "dec": 12,
}
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
"""Bounds and names of minutes, hours, days of the month, months and days of the week."""

_NAMED = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
_EVERY = "@every "
_ZONE = re.compile(r"(CRON_)?TZ=\S+\s+")
_RANGE = re.compile(r"([^-/]+)(?:-([^-/]+))?(?:/(\d+))?")


def check_cron(text: str) -> None:
    """Check that a cron expression can be read.

    Raises:
        FlyteInvalidInputException: it cannot; the text names it and says why.
    """
    reason = _complaint(_ZONE.sub("", text, count=1) if _ZONE.match(text) else text)
    if reason is not None:
        raise invalid(f"invalid cron schedule [{text}]: {reason}")


def _complaint(text: str) -> str | None:
    if text.startswith(_EVERY):
        duration_nanoseconds(text.removeprefix(_EVERY))
        return None
    if text.startswith("@"):
        return None if text in _NAMED else f"unrecognized descriptor: {text}"
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return f"expected exactly {len(_FIELDS)} fields, found {len(fields)}"
    found = (
        _range_complaint(part, *bounds)
        for field, bounds in zip(fields, _FIELDS, strict=True)
        for part in field.split(",")
    )
    return next((reason for reason in found if reason is not None), None)


def _range_complaint(part: str, lowest: int, highest: int, names: dict[str, int]) -> str | None:
    match = _RANGE.fullmatch(part)
    if match is None:
        return f"not a range: {part!r}"
    first, last, step = match.groups()
    if step is not None and int(step) == 0:
        return f"step of range should be a positive number: {part}"
    if first in ("*", "?"):
        return None if last is None else f"not a range: {part!r}"
    numbers = [names.get(word.lower(), word) for word in (first, last) if word is not None]
    for number in numbers:
        if not (isinstance(number, int) or number.isdecimal()):
            return f"not a number: {number!r}"
        if not lowest <= int(number) <= highest:
            return f"{number} is not from {lowest} to {highest}: {part}"
    if len(numbers) == 2 and int(numbers[0]) > int(numbers[1]):
        return f"beginning of range ({numbers[0]}) beyond end of range ({numbers[1]}): {part}"
    return None
