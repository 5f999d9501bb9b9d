"""What got worse and what got better from one check to a later one of the same kind.

A growing suite fails nobody in retrospect: a rule that the earlier run did not judge may be
violated now, which is told, and a rule that has become stricter finds what was there before.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from soundcheck.errors import SoundcheckError
from soundcheck.report.gate import Baseline, Change, Kind
from soundcheck.report.run import Result, Run

SCHEMA = "soundcheck/changes/1"
_VIOLATED = {"fail", "warn", "info", "waived"}
_RANK = {"info": 0, "warn": 1, "waived": 2, "fail": 2}
_JUDGED = {*_VIOLATED, "pass"}


def unlike(old: Run, *, profile: str, model: str, effort: str, dialect: str) -> str | None:
    """Return why ``old`` cannot be compared with a run of these, or ``None``.

    ``dialect`` is the one that the answers were in; an ``unknown`` one is like any other.
    """
    pairs = {
        "profile": (old.profile, profile),
        "model": (old.target.model, model),
        "effort": (old.effort, effort),
        "dialect of the answers": (old.dialect.detected, dialect),
    }
    for name, (before, now) in pairs.items():
        if before != now and "unknown" not in (before, now):
            return f"the {name} is {before} in the earlier run and {now} in the later one"
    return None


def compared(old: Run, new: Run) -> Baseline:
    """Return what has changed from ``old`` to ``new``, what got worse first."""
    before = {(one.id, one.case): one for one in old.results}
    after = {(one.id, one.case): one for one in new.results}
    names = [*after, *(name for name in before if name not in after)]
    found = [change for name in names for change in _change(before.get(name), after.get(name))]
    order: list[Kind] = ["worse", "stricter", "new", "better", "gone"]
    same = sum(
        before[name].verdict in _VIOLATED - {"info"}
        and after[name].verdict in _VIOLATED
        and _kind(before[name].verdict, after[name].verdict) is None
        for name in before.keys() & after.keys()
    )
    return Baseline(
        started=old.started,
        version=old.tool.version,
        same=same,
        changes=tuple(sorted(found, key=lambda one: (order.index(one.kind), not one.fails))),
    )


def is_open(old: Run | None, new: Run) -> bool:
    """Tell whether something required is open in ``new`` that was not open in ``old``.

    A run in which nothing at all was decided is open.
    """
    before = {(one.id, one.case): one.verdict for one in old.results} if old else {}
    left = [
        one
        for one in new.results
        if one.verdict == "error" or (one.level, one.verdict) == ("MUST", "untestable")
    ]
    decided = any(one.verdict in _JUDGED for one in new.results)
    return not decided or any(before.get((one.id, one.case)) != one.verdict for one in left)


@dataclass(frozen=True, slots=True)
class Changes:
    """Two checks, and what changed from the ``old`` one to the ``new``."""

    old: Run
    new: Run
    baseline: Baseline

    @property
    def is_worse(self) -> bool:
        """Tell whether a required rule fails that was kept before."""
        return any(change.fails for change in self.baseline.changes)

    @property
    def verdict(self) -> str:
        """Return ``worse``, ``not worse``, or ``undecided`` where the new run left more open."""
        if self.is_worse:
            return "worse"
        cut_short = self.new.verdict == "incomplete" != self.old.verdict
        return "undecided" if cut_short or is_open(self.old, self.new) else "not worse"

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``soundcheck compare --json`` prints."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "old": _named(self.old),
            "new": _named(self.new),
            "same": self.baseline.same,
            "changes": [asdict(change) for change in self.baseline.changes],
        }


def compared_runs(old: Run, new: Run) -> Changes:
    """Return what changed from ``old`` to ``new``.

    Raises :class:`SoundcheckError` where they are runs of different kinds.
    """
    reason = unlike(
        old,
        profile=new.profile,
        model=new.target.model,
        effort=new.effort,
        dialect=new.dialect.detected,
    )
    if reason is not None:
        raise SoundcheckError(f"these runs cannot be compared: {reason}")
    return Changes(old, new, compared(old, new))


def _named(run: Run) -> dict[str, str]:
    return {
        "started": run.started,
        "version": run.tool.version,
        "base_url": run.target.base_url,
        "model": run.target.model,
        "profile": run.profile,
        "verdict": run.verdict,
    }


def is_known(old: Run, result: Result) -> bool:
    """Tell whether ``result`` violates what the earlier run let pass or had violated as well."""
    before = next((r for r in old.results if (r.id, r.case) == (result.id, result.case)), None)
    return result.verdict == "fail" and not any(one.fails for one in _change(before, result))


def _change(before: Result | None, after: Result | None) -> Iterator[Change]:
    old = before.verdict if before else None
    new = after.verdict if after else None
    kind = _kind(old, new)
    told = after if after is not None and new in _VIOLATED else before
    if kind is not None and told is not None:
        yield Change(
            id=told.id,
            case=told.case,
            level=told.level,
            kind=kind,
            old=old,
            new=new,
            fails=kind == "worse" and new == "fail",
            message=told.message,
        )


def _kind(old: str | None, new: str | None) -> Kind | None:
    """Return what has happened to a rule, or ``None`` where that is nothing to tell."""
    if old in _JUDGED and new in _JUDGED:
        if old == "waived" and new == "fail":
            return "worse"  # what was lived with then is so no longer
        if old == "pass":
            return None if new == "pass" else "worse"
        if new == "pass":
            return "better"
        return "stricter" if _RANK[new or ""] > _RANK[old or ""] and new == "fail" else None
    if new in ("fail", "warn"):
        return "new"
    if old in _JUDGED and new != "not-selected":
        return "gone"
    return None
