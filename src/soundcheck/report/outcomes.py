"""Requirements as a report shows them: each with its cases and the worst of their verdicts."""

from collections.abc import Iterable
from dataclasses import dataclass

from soundcheck.report.run import (
    LEVELS,
    NOTEWORTHY,
    VERDICTS,
    Deviation,
    Level,
    Result,
    Run,
    Verdict,
    worst,
)

# The order of chapters: from the shape of one answer to what lies around it.
AREAS = (
    "schema",
    "formats",
    "parameters",
    "streaming",
    "limits",
    "errors",
    "models",
    "auth",
    "http",
    "robustness",
    "quality",
    "sdk",
    "transport",
    "wire",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One requirement: what it says, its worst verdict, and its results case by case.

    Its level is the strictest of its cases', some of which the profile may not insist on.
    """

    id: str
    area: str
    level: Level
    rule: str
    source: str
    draft: tuple[str, ...]
    test: str
    verdict: Verdict
    results: tuple[Result, ...]

    @property
    def has_cases(self) -> bool:
        """Whether the requirement was judged case by case."""
        return any(result.case is not None for result in self.results)

    @property
    def noteworthy(self) -> tuple[Result, ...]:
        """The results to be explained, worst first: whatever neither passed nor was left out.

        Where there are none, those that made the verdict.
        """
        wanted = [result for result in self.results if result.verdict in NOTEWORTHY]
        if not wanted:
            wanted = [result for result in self.results if result.verdict == self.verdict]
        return tuple(sorted(wanted, key=lambda result: VERDICTS.index(result.verdict)))

    @property
    def reason(self) -> str:
        """The distinct messages behind the verdict, one after the other."""
        return "\n".join(dict.fromkeys(r.message for r in self.noteworthy if r.message))

    @property
    def found(self) -> dict[str, list[str]]:
        """What the judges state about the deployment, and the cases in which they do."""
        stated: dict[str, list[str]] = {}
        for result in self.results:
            if result.found:
                stated.setdefault(result.found, []).append(result.case or "")
        return stated

    @property
    def deviation(self) -> Deviation | None:
        """The deviation that the profile accepts, if there is one."""
        return next((one.deviation for one in self.results if one.deviation), None)

    @property
    def deviates(self) -> bool:
        """Whether a deviation that the profile accepts occurred."""
        return any(one.deviation and one.verdict == "info" for one in self.results)

    @property
    def is_idle(self) -> bool:
        """Whether a deviation that the profile accepts occurred in none of its cases."""
        verdicts = {one.verdict for one in self.results if one.deviation}
        return "pass" in verdicts and verdicts <= {"pass", "not-applicable"}

    @property
    def tally(self) -> str:
        """How many cases have each verdict: ``"8 pass, 1 fail"``."""
        return tally(result.verdict for result in self.results)


def outcomes(run: Run) -> tuple[Outcome, ...]:
    """Return the run's requirements by chapter, inside one as they first occur."""
    by_id: dict[str, list[Result]] = {}
    for result in run.results:
        by_id.setdefault(result.id, []).append(result)
    found = [
        Outcome(
            id=first.id,
            area=first.area,
            level=min((result.level for result in results), key=LEVELS.index),
            rule=first.rule,
            source=first.source,
            draft=first.draft,
            test=first.test,
            verdict=worst(result.verdict for result in results),
            results=tuple(results),
        )
        for results in by_id.values()
        for first in results[:1]
    ]
    return tuple(one for members in by_area(found).values() for one in members)


def by_area(found: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Return the requirements of each area: known areas in chapter order, then the others."""
    areas: dict[str, list[Outcome]] = {}
    for outcome in found:
        areas.setdefault(outcome.area, []).append(outcome)
    position = {area: number for number, area in enumerate(AREAS)}
    return dict(
        sorted(areas.items(), key=lambda item: (position.get(item[0], len(AREAS)), item[0]))
    )


def with_verdict(found: Iterable[Outcome], *verdicts: Verdict) -> tuple[Outcome, ...]:
    """Return the requirements whose verdict is one of ``verdicts``, in the order of those."""
    chosen = [outcome for outcome in found if outcome.verdict in verdicts]
    return tuple(sorted(chosen, key=lambda outcome: verdicts.index(outcome.verdict)))


def alike_in(results: Iterable[Result]) -> list[list[Result]]:
    """Return the results in groups that have verdict, message, finding and waiver in common."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for one in results:
        groups.setdefault((one.verdict, one.message, one.found, one.waiver), []).append(one)
    return list(groups.values())


def tally(verdicts: Iterable[Verdict]) -> str:
    """Say how often each verdict occurs, the good first: ``"8 pass, 1 warn, 1 fail"``."""
    counts: dict[Verdict, int] = dict.fromkeys(VERDICTS, 0)
    for verdict in verdicts:
        counts[verdict] += 1
    order: tuple[Verdict, ...] = ("pass", *(verdict for verdict in VERDICTS if verdict != "pass"))
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in order if counts[verdict])
