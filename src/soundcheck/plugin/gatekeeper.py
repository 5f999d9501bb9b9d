"""Waivers and a baseline, applied to the results of a run as they come and when all are there."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from soundcheck.contract.deployment import Deployment
from soundcheck.contract.verdict import GATES
from soundcheck.contract.waivers import Waiver, Waivers, load_waivers
from soundcheck.errors import SoundcheckError
from soundcheck.plugin.options import EFFORT, Options
from soundcheck.report.changes import compared, is_known, is_open, unlike
from soundcheck.report.gate import Gate, GateVerdict, State, Waived, WaiverEntry
from soundcheck.report.run import Result, Run, load_run_file

_WAIVABLE = {"fail", "warn"}
_OPEN = {"untestable", "error", "not-selected"}


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """What a run is held to: waivers as of ``today``, and an earlier run, if there are any."""

    today: datetime.date
    waivers: Waivers | None = None
    baseline: Run | None = None

    @classmethod
    def opening(cls, options: Options, today: datetime.date) -> "Gatekeeper":
        """Return the keeper that ``options`` ask for.

        Raises :class:`SoundcheckError` for a file of waivers or a baseline that cannot be used.
        """
        return cls(
            today,
            load_waivers(options.waivers) if options.waivers else None,
            load_run_file(options.baseline) if options.baseline else None,
        )

    def check(self, options: Options, deployment: Deployment) -> None:
        """Refuse a baseline that is a run of another kind; raises :class:`SoundcheckError`."""
        if self.baseline is None:
            return
        reason = unlike(
            self.baseline,
            profile=deployment.profile.name,
            model=deployment.model,
            effort=options.effort or EFFORT,
            dialect=deployment.dialect,
        )
        if reason is not None:
            raise SoundcheckError(
                f"{options.baseline} is no baseline for this run: {reason}; make one that is "
                "alike, or leave out --baseline"
            )

    def settle(self, result: Result) -> Result:
        """Return ``result``, waived if it is a violation for which a waiver holds."""
        if self.waivers is None or result.verdict not in _WAIVABLE:
            return result
        waiver = self.waivers.waiver(result.id, result.case, self.today)
        if waiver is None:
            return result
        waived = Waived(
            reason=waiver.reason,
            link=waiver.link,
            expires=waiver.expires.isoformat(),
            verdict=result.verdict,
        )
        return replace(result, verdict="waived", waiver=waived)

    def is_known(self, result: Result) -> bool:
        """Tell whether ``result`` is a failure that the baseline does not hold against the run."""
        return self.baseline is not None and is_known(self.baseline, result)

    def gate(self, run: Run, *, interrupted: bool) -> Gate | None:
        """Return whether a pipeline may go on after ``run``; ``None`` where nobody asked."""
        if self.waivers is None and self.baseline is None:
            return None
        entries = self._entries(run.results)
        before = compared(self.baseline, run) if self.baseline else None
        verdict: GateVerdict
        if any(entry.told for entry in entries):
            verdict = "fails"
        elif before is None:
            verdict = GATES[run.verdict]
        elif any(change.fails for change in before.changes):
            verdict = "fails"
        elif interrupted or is_open(self.baseline, run):
            verdict = "undecided"
        else:
            verdict = "holds"
        return Gate(
            verdict=verdict,
            waivers_file=str(self.waivers.path) if self.waivers else "",
            waivers=entries,
            baseline=before,
        )

    def _entries(self, results: Sequence[Result]) -> tuple[WaiverEntry, ...]:
        if self.waivers is None:
            return ()
        return tuple(self._entry(waiver, results) for waiver in self.waivers.entries)

    def _entry(self, waiver: Waiver, results: Sequence[Result]) -> WaiverEntry:
        state, why = self._state(waiver, results)
        path = self.waivers.path.name if self.waivers else ""
        return WaiverEntry(
            id=waiver.id,
            case=waiver.case,
            reason=waiver.reason,
            link=waiver.link,
            expires=waiver.expires.isoformat(),
            line=waiver.line,
            state=state,
            told=f"{path}:{waiver.line}: the waiver of {waiver.told} {why}" if why else "",
        )

    def _state(self, waiver: Waiver, results: Sequence[Result]) -> tuple[State, str]:
        """Return what became of a waiver, and why that makes the gate fail, if it does."""
        if waiver.is_expired(self.today):
            return "expired", f"expired on {waiver.expires}: fix what it is for, or decide again"
        fitting = [one for one in results if waiver.fits(one.id, one.case)]
        if not fitting:
            unknown = _unknown(waiver, results)
            return ("unknown", unknown) if unknown else ("not-judged", "")
        if any(one.verdict == "waived" for one in fitting):
            return "used", ""
        verdicts = {one.verdict for one in fitting}
        if verdicts & {"pass", "info"} and not verdicts & _OPEN:
            return "stale", "is stale: nothing fails there any more; take it out"
        return "not-judged", ""


def _unknown(waiver: Waiver, results: Sequence[Result]) -> str:
    """Return why nothing can be what ``waiver`` is for, or ``""`` where it was left out alone."""
    from soundcheck.contract.catalogue import load_catalogue

    cases: dict[str, set[str]] = {}
    for rule in load_catalogue():  # what was not collected, by pytest's own choice, is no mistake
        cases[rule.id] = {case.id for case in rule.cases}
    for one in results:
        cases.setdefault(one.id, set()).update({one.case} - {None})  # type: ignore[arg-type]
    if waiver.id not in cases:
        close = get_close_matches(waiver.id, cases, n=1)
        hint = f"did you mean {close[0]}?" if close else "`soundcheck requirements` lists them"
        return f"is for nothing: no requirement has this id; {hint}"
    known = sorted(cases[waiver.id])
    if waiver.case is not None and waiver.case not in known:
        there = f"its cases are {', '.join(known)}" if known else "it has no cases"
        return f"is for nothing: the requirement has no such case; {there}"
    return ""
