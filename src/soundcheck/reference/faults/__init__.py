"""Named defects and legal differences that the reference deployment can be told to have."""

import difflib
from collections.abc import Iterable

from soundcheck.errors import SoundcheckError
from soundcheck.reference.faults import (
    benign,
    formats,
    models,
    schema,
    subtitles,
    verbose,
)
from soundcheck.reference.faults.hooks import (
    Benign,
    Call,
    Deviation,
    Deviations,
    Fault,
    Registry,
    Reply,
)

__all__ = [
    "BENIGN",
    "FAULTS",
    "Benign",
    "Call",
    "Deviation",
    "Deviations",
    "Fault",
    "Reply",
    "UnknownFault",
    "choose",
]


def _named(*registries: Registry) -> dict[str, Deviation]:
    named: dict[str, Deviation] = {}
    for registry in registries:
        for one in registry.declared:
            if one.name in named:
                raise ValueError(f"two deviations are called {one.name}")
            named[one.name] = one
    return named


FAULTS = _named(schema.FAULTS, verbose.FAULTS, formats.FAULTS, subtitles.FAULTS, models.FAULTS)
BENIGN = _named(benign.VARIATIONS)


class UnknownFault(SoundcheckError):
    """A name that is neither a fault nor a benign variation."""


def choose(names: Iterable[str]) -> Deviations:
    """Return the faults and benign variations of these names; raises UnknownFault."""
    known = {**FAULTS, **BENIGN}
    chosen = []
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f" Did you mean {', '.join(close)}?" if close else ""
            raise UnknownFault(
                f"There is no fault called {name!r}.{hint} `soundcheck serve --list-faults` "
                "lists them all."
            )
        chosen.append(known[name])
    return Deviations(chosen)
