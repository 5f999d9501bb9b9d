"""Load: what a deployment can carry, measured by a generator that knows its own limits.

``import locust`` patches sockets and threads, so only the process that makes the load may do it.
The names below are fetched when they are asked for: the modules that only calculate (schedules,
histograms, the search for the capacity) can be used anywhere.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soundcheck.load.fast import FastTranscriptionUser
    from soundcheck.load.user import TranscriptionUser

__all__ = ["FastTranscriptionUser", "TranscriptionUser"]

_PLACES = {"TranscriptionUser": "user", "FastTranscriptionUser": "fast"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
