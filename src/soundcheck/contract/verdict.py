"""Levels, and verdicts: of one case, of a requirement (its worst case) and of a whole run."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, TypeAlias

from soundcheck.errors import ExitCode

Level: TypeAlias = Literal["MUST", "SHOULD", "MAY"]
MUST: Level = "MUST"
SHOULD: Level = "SHOULD"
MAY: Level = "MAY"


class Verdict(StrEnum):
    """What was decided about a requirement, from good to bad as listed."""

    NOT_SELECTED = "not-selected"
    NOT_APPLICABLE = "not-applicable"
    PASS = "pass"  # noqa: S105 - a verdict, not a password
    INFO = "info"
    WARN = "warn"
    WAIVED = "waived"
    UNTESTABLE = "untestable"
    ERROR = "error"
    FAIL = "fail"

    @property
    def decided(self) -> bool:
        """Tell whether the deployment's behaviour was judged."""
        return self in DECIDED


DECIDED = frozenset({Verdict.PASS, Verdict.INFO, Verdict.WARN, Verdict.WAIVED, Verdict.FAIL})


VIOLATED: dict[Level, Verdict] = {MUST: Verdict.FAIL, SHOULD: Verdict.WARN, MAY: Verdict.INFO}
"""What a rule that was not kept comes to, by its level."""


class NotObserved(Exception):
    """Raised by a judge: the condition of a conditional rule never occurred."""


class Untestable(Exception):
    """Raised by a judge: something that only the user can supply is missing."""


def sentence_of(raised: BaseException) -> str:
    """Return what a judge's error says, without pytest's own rendering of an assertion below it."""
    return str(raised).partition("\nassert ")[0].strip()


def run_verdict(requirements: Iterable[tuple[str, Verdict]]) -> str:
    """Return the verdict of a run from (level, verdict) of every requirement.

    ``nonconformant`` when a MUST failed; ``incomplete`` when a MUST could not be decided, a judge
    broke or nothing was decided at all; else ``conformant``.
    """
    pairs = list(requirements)
    if any(verdict is Verdict.FAIL for _, verdict in pairs):
        return "nonconformant"
    if any(verdict is Verdict.ERROR for _, verdict in pairs):
        return "incomplete"
    if any(level == "MUST" and verdict is Verdict.UNTESTABLE for level, verdict in pairs):
        return "incomplete"
    return "conformant" if any(verdict.decided for _, verdict in pairs) else "incomplete"


GATES: dict[str, Literal["holds", "fails", "undecided"]] = {
    "conformant": "holds",
    "nonconformant": "fails",
    "incomplete": "undecided",
}
"""Whether a pipeline may go on by the verdict of a run alone."""


def exit_code(verdict: str, verdicts: Iterable[Verdict], gate: str = "") -> ExitCode:
    """Return the exit code of a run from its verdict and those of its requirements.

    Where waivers or a baseline were given, ``gate`` (holds, fails or undecided) takes the place of
    the verdict.
    """
    stands = gate or GATES[verdict]
    if stands == "fails":
        return ExitCode.FAILED
    if Verdict.ERROR in set(verdicts):
        return ExitCode.INTERNAL
    return ExitCode.OK if stands == "holds" else ExitCode.NO_VERDICT
