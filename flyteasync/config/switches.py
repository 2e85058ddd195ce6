"""Switches that only the environment has."""

from __future__ import annotations

from .entry import Entry, flag
from .file import NO_FILE

_ALLOW_PICKLE = Entry("sdk", "allow_pickle", None, flag)


def pickles_allowed() -> bool:
    """Whether the environment variable `FLYTE_SDK_ALLOW_PICKLE` says that pickles may be loaded.

    Raises:
        FlyteInvalidInputException: it is neither true nor false.
    """
    return _ALLOW_PICKLE.read(NO_FILE) is True
