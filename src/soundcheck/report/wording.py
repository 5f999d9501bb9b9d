"""The sentences and figures that every report shares, so that all of them say the same."""

from collections.abc import Iterable, Sequence

from soundcheck.report.gate import Baseline, Change, Kind, Waived
from soundcheck.report.outcomes import Outcome, with_verdict
from soundcheck.report.printable import one_line
from soundcheck.report.run import JUDGED, Cost, Costs, Deviation, Run, RunVerdict, Verdict

_TITLES: dict[RunVerdict, str] = {
    "conformant": "Conformant",
    "nonconformant": "Not conformant",
    "incomplete": "No verdict",
}
# How the counts are read out; the order of a summary, worst first.
COUNTED: dict[Verdict, str] = {
    "fail": "failed",
    "error": "in error",
    "untestable": "untestable",
    "warn": "warned",
    "waived": "waived",
    "info": "informational",
    "pass": "passed",
    "not-applicable": "not applicable",
    "not-selected": "not selected",
}
NOT_OBSERVABLE = (
    "Encryption during processing: nothing beyond attestation evidence can show it.",
    "What the service keeps, logs or forwards after it has answered.",
    "Which model really answered: only the name it gave and the text it returned.",
)
_GATES = {
    "holds": "The gate holds",
    "fails": "The gate fails",
    "undecided": "The gate is undecided",
}
KINDS: dict[Kind, str] = {
    "worse": "worse",
    "stricter": "judged more strictly",
    "new": "not judged before",
    "better": "better",
    "gone": "no longer judged",
}
_TEN_MS, _MINUTE, _HOUR = 0.01, 60, 3600
_KIB = 1024
_NAME_SHOWN = 200  # characters of what a recorded run is called


def title(run: Run) -> str:
    """Return the headline: a part of a profile that holds is not the profile, nor is a waiver."""
    if run.verdict != "conformant":
        return _TITLES[run.verdict]
    waived = any(one.waiver and one.waiver.verdict == "fail" for one in run.results)
    return (
        f"{'The selection holds' if is_partial(run) else 'Conformant'}{', with waivers' * waived}"
    )


def is_partial(run: Run) -> bool:
    """Tell whether required rules were left out by choice, other than by the effort."""
    return any(
        result.verdict == "not-selected"
        and result.level == "MUST"
        and "--effort" not in result.message
        for result in run.results
    )


def sentence(run: Run, found: Iterable[Outcome]) -> str:
    """Return what the verdict rests on, in one sentence that claims no more than was seen."""
    required = [outcome for outcome in found if outcome.level == "MUST"]
    waived = with_verdict(required, "waived")
    judged = with_verdict(required, "pass", "fail", "info")  # info: accepted by the profile
    failed = with_verdict(required, "fail")
    open_ones = with_verdict(required, "error", "untestable")
    observations = sum(
        result.level == "MUST" and result.verdict in ("pass", "fail")
        for one in judged
        for result in one.results
    )
    if run.verdict == "conformant":
        return (
            f"No violation of {plural(len(judged), 'required rule')} seen in "
            f"{plural(observations, 'observation')}."
            f"{_waived(waived)}{_left_out(run, required)}"
        )
    if run.verdict == "nonconformant" and failed:
        told = f"{len(failed)} of {plural(len(judged), 'required rule')} {fails(len(failed))}."
        return f"{told}{_waived(waived)}"
    if run.verdict == "nonconformant":
        return "No required rule fails, but the run does not stand as it is: see the notes."
    if not judged and not open_ones:
        return "Nothing that is required was judged."
    missing = (
        f"{plural(len(open_ones), 'required rule')} could not be judged"
        if open_ones
        else "The run did not come to its end"
    )
    seen = (
        f"{len(failed)} of the {len(judged)} judged {fails(len(failed))}"
        if failed
        else f"no violation seen in the {len(judged)} that {'was' if len(judged) == 1 else 'were'}"
    )
    return f"{missing}; {seen}." if judged else f"{missing}."


def _waived(waived: Sequence[Outcome]) -> str:
    if not waived:
        return ""
    verb = "fails and is" if len(waived) == 1 else "fail and are"
    return f" {len(waived)} more {verb} waived."


def waiver(one: Waived) -> str:
    """Return why a violation is lived with, and until when."""
    reason, link = (one_line(text, _NAME_SHOWN) for text in (one.reason, one.link))
    return f"Waived ({one.verdict}) until {one.expires}: {reason} ({link})"


def gate(run: Run) -> list[str]:
    """Return what is told of waivers and baseline, a line each, whether it holds first."""
    if run.gate is None:
        return []
    before = run.gate.baseline
    counts = [f"{plural(len(run.gate.problems), 'waiver')} to look at"] if run.gate.problems else []
    if before is not None:
        counts.append(against(before))
    told = f"{_GATES[run.gate.verdict]}{': ' if counts else '.'}{', '.join(counts)}"
    lines = [told, *(one_line(problem, 2 * _NAME_SHOWN) for problem in run.gate.problems)]
    return lines + ([changed(one) for one in before.changes] if before else [])


def changed(one: Change) -> str:
    """Return a change since the baseline, in a line."""
    then, now = one.old or "not there", one.new or "not there"
    why = f": {one_line(one.message, _NAME_SHOWN)}" if one.message and one.kind != "better" else ""
    return f"{KINDS[one.kind]}: {one_line(one.name, _NAME_SHOWN)} ({then} before, {now} now){why}"


def against(before: Baseline, called: str = "baseline") -> str:
    """Return how many rules changed since an earlier run, ``called`` so, and how."""
    kinds = [one.kind for one in before.changes]
    counts = [f"{kinds.count(kind)} {word}" for kind, word in KINDS.items() if kind in kinds]
    changes = ", ".join(counts) or "nothing got worse or better"
    return (
        f"{changes} since the {called} of {one_line(before.started, 40)} "
        f"({plural(before.same, 'violation')} as before)"
    )


def _left_out(run: Run, required: Iterable[Outcome]) -> str:
    """Return what a headline must add where required rules were left out by choice."""
    if not is_partial(run):
        return ""
    told = selection(run)
    number = plural(len(with_verdict(required, "not-selected")), "required rule")
    return f" {number} left out by choice{f' ({told})' if told else ''}."


def plural(number: int, noun: str) -> str:
    """Return ``number`` with its noun: ``"1 request"``, ``"1,200 requests"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def fails(number: int) -> str:
    """Return the verb that agrees with ``number``."""
    return "fails" if number == 1 else "fail"


def duration(seconds: float) -> str:
    """Return a duration of ``seconds`` to three figures or so: ``"21 ms"``, ``"2 min 05 s"``."""
    if seconds < 1:
        return f"{seconds * 1000:.{1 if seconds < _TEN_MS else 0}f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


def size(number: int) -> str:
    """Return ``number`` bytes in the unit that reads best."""
    if number < _KIB:
        return f"{number} B"
    amount = float(number)
    for unit in ("KiB", "MiB"):
        amount /= _KIB
        if amount < _KIB:
            return f"{amount:.1f} {unit}"
    return f"{amount / _KIB:.1f} GiB"


def cost(amount: Cost) -> str:
    """Return what ``amount`` holds: requests, audio minutes and bytes of upload."""
    return (
        f"{plural(amount.requests, 'request')}, {amount.audio_minutes:.1f} audio minutes, "
        f"{size(amount.upload_bytes)} uploaded"
    )


def spent(costs: Costs) -> str:
    """Return what was spent, how much of it on requests that were sent again, and its price."""
    again = f", {costs.again:,} of them sent again" if costs.again else ""
    requests, rest = cost(costs.spent).split(", ", 1)
    told = price(costs.spent.audio_minutes, costs.price, costs.currency)
    return f"{requests}{again}, {rest}{f', {told}' if told else ''}"


def price(audio_minutes: float, of_a_minute: float | None, currency: str) -> str:
    """Return what so many minutes cost, ``""`` where nobody said what one does."""
    if of_a_minute is None:
        return ""
    return f"about {audio_minutes * of_a_minute:.2f} {one_line(currency)}"


def planned_if_other(costs: Costs) -> str | None:
    """Return the planned cost where it is not what was spent, else ``None``."""
    return None if costs.planned == costs.spent else cost(costs.planned)


def dialect(run: Run) -> str:
    """Return the dialect that was seen, and the one claimed where it is another."""
    seen = run.dialect.detected
    return seen if seen == run.dialect.claimed else f"{seen} ({run.dialect.claimed} claimed)"


def deviation(one: Deviation) -> str:
    """Return why it is accepted that a rule is not kept, and who says so."""
    reason, source = (one_line(text, _NAME_SHOWN) for text in (one.reason, one.source))
    return f"Accepted by the profile: {reason} ({source})"


def deviations(found: Iterable[Outcome]) -> str | None:
    """Return the accepted deviations that occurred, or ``None`` where there was none."""
    names = [outcome.id for outcome in found if outcome.deviates]
    if not names:
        return None
    return f"{plural(len(names), 'deviation')} of the profile: {', '.join(names)}"


def idle_deviations(found: Iterable[Outcome]) -> str | None:
    """Return the sentence that names the accepted deviations that did not occur, if there are."""
    names = [outcome.id for outcome in found if outcome.is_idle]
    if not names:
        return None
    return (
        "the profile accepts deviations that did not occur here, and can do without them: "
        + ", ".join(names)
    )


def selection(run: Run) -> str:
    """Return what a run was narrowed to and what it left out, ``""`` when every rule was wanted."""
    if run.selection is None:
        return ""
    only, without = (
        ", ".join(one_line(name, _NAME_SHOWN) for name in names)
        for names in (run.selection.only, run.selection.without)
    )
    told = (f"only {only}" if only else "", f"without {without}" if without else "")
    return ", ".join(filter(None, told))


def encryption(run: Run) -> str | None:
    """Return where encryption was judged, or ``None`` where nothing of it was."""
    seen = run.encryption
    judged = {r.area for r in run.results if r.verdict in JUDGED} & {"transport", "wire"}
    if seen is None or not judged:
        return None
    places = []
    if "wire" in judged:
        places.append(f"a tap behind {one_line(seen.base_url, _NAME_SHOWN)}")
    if "transport" in judged:
        places.append(f"TLS of {one_line(seen.endpoint, _NAME_SHOWN)}")
    return f"{' and '.join(places)}, profile {one_line(seen.profile, _NAME_SHOWN)}"


def replay(run: Run) -> str | None:
    """Return the sentence that tells a run judged again from one that asked a deployment."""
    if run.replay_of is None:
        return None
    return f"Judged again from a recorded run of {one_line(run.replay_of, _NAME_SHOWN)}."


def target(run: Run) -> str:
    """Return what the target is called: its name and address, or that it is the reference."""
    if run.target.reference:
        return f"bundled reference deployment at {run.target.base_url}"
    return f"{run.target.name} at {run.target.base_url}" if run.target.name else run.target.base_url
