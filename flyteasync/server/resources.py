"""What a task may ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..idl import core
from .failures import invalid
from .quantity import parse_quantity
from .text import proto_text

_NAMES = core.ResourcesResourceName

_CHECKED = {_NAMES.CPU, _NAMES.MEMORY, _NAMES.GPU, _NAMES.EPHEMERAL_STORAGE}


@dataclass(frozen=True, slots=True)
class _Quantity:
    text: str
    exact: Fraction

    @property
    def value(self) -> int:
        """Whole units, rounded up, which is what Kubernetes compares."""
        return -(-self.exact.numerator // self.exact.denominator)


def check_resources(identifier: core.Identifier, resources: core.Resources, limits: Mapping[str, str | None]) -> None:
    """A request must fit its limit, and both the platform's.

    Raises:
        FlyteInvalidInputException: it does not, or is no quantity.
    """
    requests = _quantities(identifier, resources.requests)
    own_limits = _quantities(identifier, resources.limits)
    for name, request in requests.items():
        limit = own_limits.get(name)
        text = limits.get(name.name or "")
        platform = None if text is None else _Quantity(text, parse_quantity(text))
        if name == _NAMES.GPU:
            if limit is not None and limit.value != request.value:
                raise invalid(
                    "For extended resource 'gpu' the default value must equal the limit value for task "
                    f"[{proto_text(identifier)}]"
                )
        else:
            _check_limit(name, request, limit, platform)
        if platform is not None and request.value > platform.value:
            raise _above_platform(f"{name.name} default", request, platform)


def _check_limit(
    name: core.ResourcesResourceName, request: _Quantity, limit: _Quantity | None, platform: _Quantity | None
) -> None:
    if limit is None:
        return
    if limit.value < request.value:
        raise invalid(
            f"Requested {name.name} default [{request.text}] is greater than the limit [{limit.text}]. "
            "Please fix your configuration"
        )
    if platform is not None and limit.value > platform.value:
        raise _above_platform(f"{name.name} limit", limit, platform)


def _above_platform(what: str, asked: _Quantity, platform: _Quantity) -> Exception:
    return invalid(
        f"Requested {what} [{asked.text}] is greater than current limit set in the platform configuration "
        f"[{platform.text}]. Please contact Flyte Admins to change these limits or consult the configuration"
    )


def _quantities(
    identifier: core.Identifier, entries: Iterable[core.ResourcesResourceEntry]
) -> dict[core.ResourcesResourceName, _Quantity]:
    result: dict[core.ResourcesResourceName, _Quantity] = {}
    for entry in entries:
        if entry.name not in _CHECKED:
            continue
        if entry.name in result:
            raise invalid(f"can't specify {entry.name.name} limit for task [{proto_text(identifier)}] multiple times")
        try:
            exact = parse_quantity(entry.value)
        except ValueError as error:
            raise invalid(
                f"Parsing of {entry.name.name} request failed for value {entry.value} - reason  {error}. "
                "Please follow K8s conventions for resources "
                "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"
            ) from error
        if entry.name == _NAMES.GPU and exact.denominator != 1:
            raise invalid(f"gpu for [{proto_text(identifier)}] must be a whole number, got: {entry.value} instead")
        result[entry.name] = _Quantity(entry.value, exact)
    return result
