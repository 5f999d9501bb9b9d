"""Named defects and legal differences that the reference deployment can be told to have."""

import difflib
from collections.abc import Iterable

from soundcheck.errors import SoundcheckError
from soundcheck.reference.faults import (
    auth,
    benign,
    benign_errors,
    benign_streams,
    clients,
    errors,
    formats,
    forms,
    http,
    limits,
    models,
    parameters,
    quality,
    robustness,
    schema,
    sdk,
    streams,
    subtitles,
    verbose,
)
from soundcheck.reference.faults.hooks import (
    SLOWEST,
    Benign,
    BreakOff,
    Call,
    Deviation,
    Deviations,
    Event,
    Fault,
    Registry,
    Reply,
)

__all__ = [
    "BENIGN",
    "FAULTS",
    "SLOWEST",
    "Benign",
    "BreakOff",
    "Call",
    "Deviation",
    "Deviations",
    "Event",
    "Fault",
    "Reply",
    "UnknownFault",
    "choose",
    "unknown",
]


def _named(*registries: Registry) -> dict[str, Deviation]:
    named: dict[str, Deviation] = {}
    for registry in registries:
        for one in registry.declared:
            if one.name in named:
                raise ValueError(f"two deviations are called {one.name}")
            named[one.name] = one
    return named


FAULTS = _named(
    auth.FAULTS,
    errors.FAULTS,
    schema.FAULTS,
    verbose.FAULTS,
    formats.FAULTS,
    subtitles.FAULTS,
    models.FAULTS,
    parameters.FAULTS,
    limits.FAULTS,
    robustness.FAULTS,
    http.FAULTS,
    quality.FAULTS,
    clients.FAULTS,
    sdk.FAULTS,
    streams.FAULTS,
    forms.FAULTS,
)
BENIGN = _named(benign.VARIATIONS, benign_errors.VARIATIONS, benign_streams.VARIATIONS)


class UnknownFault(SoundcheckError):
    """A name that is neither a fault nor a benign variation."""


def unknown(name: str, known: Iterable[str]) -> UnknownFault:
    """Return the error that tells which of the ``known`` names may have been meant."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(close)}?" if close else ""
    return UnknownFault(
        f"There is no fault called {name!r}.{hint} `soundcheck serve --list-faults` lists them all."
    )


def choose(names: Iterable[str]) -> Deviations:
    """Return the faults and benign variations of these names; raises UnknownFault."""
    known = {**FAULTS, **BENIGN}
    chosen = []
    for name in names:
        if name not in known:
            raise unknown(name, known)
        chosen.append(known[name])
    return Deviations(chosen)
