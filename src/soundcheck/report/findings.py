"""What wants attention in a run, with its evidence, as the page shows it.

Recorded exchanges are shown in full once and only as long as there is room: a page on which
hundreds of rules fail must still open.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from soundcheck.report.evidence import Evidence, load_evidence
from soundcheck.report.frames import Frames
from soundcheck.report.outcomes import Outcome, alike_in, tally, with_verdict
from soundcheck.report.run import NOTEWORTHY, Result, Run, Target, Verdict

SECTIONS: tuple[tuple[str, str, tuple[Verdict, ...]], ...] = (
    ("failed", "Failed", ("fail",)),
    ("not-judged", "Could not be judged", ("error", "untestable")),
    ("warnings", "Warnings", ("warn",)),
    ("waived", "Waived", ("waived",)),
    ("information", "For information", ("info",)),
)
_EXCHANGES_SHOWN = 4  # per case; further ones are linked
_CASES_SHOWN = 30  # per finding, with their exchanges; further ones in a line each
_OPEN_FINDINGS = 5  # that show their first exchange unfolded
_EVIDENCE_ROOM = 1_600_000  # characters of exchanges in full; later ones are linked
_MESSAGES_ROOM = 900_000  # characters of messages, divided among those who have one
_MESSAGE_SHOWN, _MESSAGE_LEAST = 4000, 240
_CAUSES_SHOWN, _RELATED_SHOWN = 3, 8  # per finding, and requirements that share one

Place: TypeAlias = Literal["here", "above", "file"]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One exchange under a finding: in full ``here``, or by a link to where it is."""

    evidence: Evidence
    place: Place
    unfolded: bool


@dataclass(frozen=True, slots=True)
class Cause:
    """An exchange in which the deployment itself failed, and the other rules it failed."""

    evidence: Evidence
    related: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class CaseView:
    """Cases of a finding that say the same, with their exchanges; ``more`` are those left out.

    ``result`` is the first of them, ``names`` are theirs: nothing where there are no cases.
    """

    result: Result
    names: tuple[str, ...]
    exhibits: tuple[Exhibit, ...]
    more: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A requirement that wants attention.

    ``cases`` made its verdict, ``further`` did as well and only have a line each, ``others`` are
    the cases that were kept or left out, counted by ``tally``.
    """

    outcome: Outcome
    causes: tuple[Cause, ...]
    cases: tuple[CaseView, ...]
    further: tuple[Result, ...]
    others: tuple[Result, ...]
    tally: str


@dataclass(frozen=True, slots=True)
class Section:
    """The findings of one kind, under their heading."""

    anchor: str
    title: str
    findings: tuple[Finding, ...]


def sections(run: Run, folder: Path, found: tuple[Outcome, ...]) -> Iterator[Section]:
    """Yield the kinds of findings that ``run`` has, worst first, with evidence from ``folder``."""
    shelf = _Shelf(folder, run.target)
    related = _related(shelf, found)
    unfold = _OPEN_FINDINGS
    for anchor, title, verdicts in SECTIONS:
        findings = []
        for outcome in with_verdict(found, *verdicts):
            findings.append(_finding(shelf, outcome, related, unfold > 0))
            unfold -= 1
        if findings:
            yield Section(anchor, title, tuple(findings))


def message_limit(run: Run) -> int:
    """Return how many characters of each message fit the page."""
    told = sum(bool(result.message) for result in run.results if result.verdict in NOTEWORTHY)
    return max(_MESSAGE_LEAST, min(_MESSAGE_SHOWN, _MESSAGES_ROOM // max(1, told)))


class _Shelf:
    """The exchanges of a run: each read once, and shown in full once while there is room."""

    def __init__(self, folder: Path, target: Target) -> None:
        self._folder, self._target = folder, target
        self._read: dict[str, Evidence] = {}
        self._places: dict[str, Place] = {}
        self._room = _EVIDENCE_ROOM

    def evidence(self, digest: str) -> Evidence:
        """Return the exchange ``digest``."""
        if digest not in self._read:
            self._read[digest] = load_evidence(self._folder, digest, self._target)
        return self._read[digest]

    def place(self, digest: str) -> Place:
        """Return where an exchange is shown that is wanted now."""
        known = self._places.get(digest)
        if known is not None:
            return known
        needed = _length(self.evidence(digest))
        fits = needed <= self._room
        self._room -= needed if fits else 0
        self._places[digest] = "above" if fits else "file"
        return "here" if fits else "file"


def _finding(
    shelf: _Shelf, outcome: Outcome, related: dict[str, tuple[str, ...]], unfold: bool
) -> Finding:
    cases = []
    noteworthy = outcome.noteworthy
    for alike in alike_in(noteworthy[:_CASES_SHOWN]):
        exhibits = []
        shown = dict.fromkeys(one for r in alike for one in r.exchanges[:_EXCHANGES_SHOWN])
        for digest in shown:
            place = shelf.place(digest)
            exhibits.append(Exhibit(shelf.evidence(digest), place, unfold and place == "here"))
            unfold = False
        more = dict.fromkeys(one for r in alike for one in r.exchanges if one not in shown)
        names = tuple(result.case for result in alike if result.case is not None)
        cases.append(CaseView(alike[0], names, tuple(exhibits), tuple(more)))
    others = tuple(one for one in outcome.results if one not in noteworthy)
    return Finding(
        outcome,
        tuple(islice(_causes(shelf, outcome, related), _CAUSES_SHOWN)),
        tuple(cases),
        noteworthy[_CASES_SHOWN:],
        others,
        tally(one.verdict for one in others),
    )


def _related(shelf: _Shelf, found: Iterable[Outcome]) -> dict[str, tuple[str, ...]]:
    """Return, by exchange in which the deployment failed, the requirements that it fails."""
    users: dict[str, dict[str, None]] = {}
    for outcome in found:
        if outcome.verdict in NOTEWORTHY:
            for digest in _judged(outcome):
                users.setdefault(digest, {})[outcome.id] = None
    return {
        digest: tuple(names)
        for digest, names in users.items()
        if len(names) > 1 and shelf.evidence(digest).trouble
    }


def _causes(
    shelf: _Shelf, outcome: Outcome, related: dict[str, tuple[str, ...]]
) -> Iterator[Cause]:
    for digest in _judged(outcome):
        names = tuple(name for name in related.get(digest, ()) if name != outcome.id)
        if names:
            more = max(0, len(names) - _RELATED_SHOWN)
            yield Cause(shelf.evidence(digest), names[:_RELATED_SHOWN], more)


def _judged(outcome: Outcome) -> list[str]:
    """Return the exchanges of the cases that want attention, each once."""
    return list(dict.fromkeys(one for result in outcome.noteworthy for one in result.exchanges))


def _length(evidence: Evidence) -> int:
    """Return about how many characters the page needs for ``evidence``."""
    from markupsafe import escape

    shown = [getattr(evidence, field.name) for field in fields(evidence)]
    return 3000 + sum(len(escape(text)) for value in shown for text in _texts(value))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for member in value:
            yield from _texts(member)
    elif isinstance(value, Frames):
        for frame in (*value.first, *value.last):
            yield frame.data
            yield " " * 150  # its row
    elif is_dataclass(value):
        yield " " * 150  # its row
        for field in fields(value):
            yield from _texts(getattr(value, field.name))
