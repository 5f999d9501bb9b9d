"""From the outcome of a judge to a result."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from soundcheck.contract.attempts import Attempted
from soundcheck.contract.contracts import ENCRYPTION
from soundcheck.contract.plan import Entry
from soundcheck.contract.verdict import VIOLATED, NotObserved, Untestable, Verdict, sentence_of
from soundcheck.http.exchange import Exchange
from soundcheck.report.run import Deviation, Repeat, Result


def judge(entry: Entry, raised: pytest.ExceptionInfo[BaseException] | None) -> tuple[Verdict, str]:
    """Return the verdict on ``entry`` and why, from what its judge raised."""
    if entry.verdict is not None:
        return entry.verdict, entry.reason
    if raised is None:
        return Verdict.PASS, ""
    error = raised.value
    if isinstance(error, Attempted):
        return error.decided(entry.level)
    if isinstance(error, NotObserved):
        return Verdict.NOT_APPLICABLE, f"not observed: {error}"
    if isinstance(error, Untestable):
        return Verdict.UNTESTABLE, str(error)
    if isinstance(error, (AssertionError, pytest.fail.Exception)):
        return VIOLATED[entry.level], sentence_of(error)
    if isinstance(error, pytest.skip.Exception):
        return Verdict.NOT_APPLICABLE, str(error)
    return Verdict.ERROR, f"{type(error).__name__}: {error} ({_place(entry, raised)})"


def _place(entry: Entry, raised: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the last line of the judge's own file on the way to an error, else where it arose.

    A typing error in a requirement often arises in what it calls, where its author has no business.
    """
    file = "/" + entry.requirement.test.partition("::")[0]
    own = [frame for frame in raised.traceback if Path(frame.path).as_posix().endswith(file)]
    return f"{own[-1].path}:{own[-1].lineno + 1}" if own else str(raised._getreprcrash() or "")


def result_of(
    entry: Entry,
    verdict: Verdict,
    message: str,
    *,
    found: Sequence[str],
    asked: Sequence[str],
    duration_s: float,
    attempts: int,
    primary: str,
    attempted: Attempted | None = None,
) -> Result:
    """Return the result of one requirement (and case); what no file can hold is escaped.

    ``found`` are the judge's findings, ``asked`` the digests of what its search sent, ``primary``
    is the model under test; ``attempted`` are the attempts of one that was judged several times.
    """
    rule, accepted = entry.requirement, entry.deviation
    said = [*found, *([attempted.found(entry.level)] if attempted else [])]
    repeats = tuple(
        Repeat(
            verdict=attempt.verdict(entry.level).value,
            message=_printable(attempt.told),
            exchanges=attempt.exchanges,
        )
        for attempt in (attempted.attempts if attempted else ())
    )
    digests = [probe.digest for probe in (entry.probes or {}).values()]
    return Result(
        id=rule.id,
        area=rule.area,
        level=entry.level,
        verdict=verdict.value,
        rule=rule.rule,
        source=rule.source,
        case=entry.case.id if entry.case else None,
        message=_printable(message),
        found=_printable("; ".join(said)),
        repeats=repeats,
        test=rule.test,
        exchanges=tuple(dict.fromkeys([*digests, *asked])),
        attempts=attempts,
        effort=rule.effort_of(entry.case),
        duration_s=round(duration_s, 6),
        draft=rule.draft,
        model=entry.model if entry.model != primary and rule.area not in ENCRYPTION else "",
        deviation=Deviation(reason=accepted.reason, source=accepted.source) if accepted else None,
    )


def out_of_reach(exchange: Exchange) -> str | None:
    """Return why an exchange says nothing of the deployment's conformance, if so."""
    if exchange.error is not None and exchange.error.kind == "refused":
        return "the deployment could not be reached any more"
    if is_limited(exchange):
        return f"the deployment answered 429 (too many requests) to {exchange.attempts} attempts"
    return None


def is_limited(exchange: Exchange) -> bool:
    """Tell whether the last attempt was refused by 429."""
    return exchange.response is not None and exchange.response.status == 429


def xfail_reason(result: Result) -> str:
    """Return how pytest is told of a failure that is expected: waived, or known before."""
    waiver = result.waiver
    if waiver is None:
        return f"as in the baseline: {result.message}"
    return f"waived until {waiver.expires} ({waiver.reason}, {waiver.link}): {result.message}"


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
