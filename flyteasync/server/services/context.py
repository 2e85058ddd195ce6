"""What all services share."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ... import codec
from ..clock import Clock
from ..config import ServerConfig
from ..engine import Engine
from ..store import Store
from ..web import Web

Route = Callable[[Any], codec.Message]
"""Answers one RPC: a request message in, a reply message out, or a FlyteError with its status."""

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_NAME_LENGTH = 20


@dataclass(frozen=True, slots=True)
class Context:
    """The state, the settings, the engine and the HTTP side."""

    config: ServerConfig
    store: Store
    engine: Engine
    clock: Clock
    web: Web
    random: random.Random = field(default_factory=random.SystemRandom)

    def execution_name(self) -> str:
        """A name for an execution that came without one."""
        return "a" + "".join(self.random.choices(_NAME_ALPHABET, k=_NAME_LENGTH - 1))
