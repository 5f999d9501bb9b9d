"""The plan: the distinct probes of the selected requirements, and what they will cost."""

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from soundcheck.contract.attempts import times
from soundcheck.contract.contracts import ENCRYPTION
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.probe import TAP, TLS, Lane, Probe
from soundcheck.contract.profile import Deviation
from soundcheck.contract.requirement import EFFORTS, KEY, Case, Requirement
from soundcheck.contract.verdict import Level, Verdict
from soundcheck.errors import SoundcheckError
from soundcheck.http.exchange import Exchange

NO_TAP = (
    "nothing shows what leaves the proxy: give --tap 127.0.0.1:8443 --upstream HOST:PORT (its "
    "API), and when asked start the proxy through the tap, for example\n"
    "SSL_CERT_FILE=OUT/tap/roots.pem privatemode-proxy --apiEndpoint 127.0.0.1:8443"
)
"""Why a rule about the wire cannot be judged, and what to type."""

EXTRAS = {
    "openai": "the official client is not installed: pip install 'stt-soundcheck[sdk]'",
}
"""Why a rule that needs an optional package cannot be judged, and what to type."""

LEFT_OUT = "left out:"
"""How the note begins that tells what was not judged for want of an optional package."""

NO_TRANSPORT = (
    "plain HTTP on loopback: what is said there leaves the machine by no network (name the API "
    "behind it with --upstream to have its TLS judged)"
)
"""Why there is no transport to judge."""

NO_KEY = (
    "no key was given, so nothing is claimed of who may use it (name the environment variable that "
    "holds a key with --api-key-env)"
)
"""Why there is no authentication to judge."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which requirements the user asked for: by id or area, and by effort."""

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    effort: str = "quick"

    def reason_against(self, requirement: Requirement, case: Case | None = None) -> str | None:
        """Return why ``case`` of ``requirement`` is not selected, or ``None`` when it is."""
        if self.only and not _named(requirement, self.only):
            return "not named by --only"
        if _named(requirement, self.without):
            return "excluded by --without"
        effort = requirement.effort_of(case)
        if EFFORTS.index(effort) > EFFORTS.index(self.effort):
            return f"needs --effort {effort}"
        return None

    def touches(self, area: str) -> bool:
        """Tell whether anything of ``area`` may be selected, as far as names alone tell."""
        group = "encryption" if area in ENCRYPTION else area
        if {area, group} & set(self.without):
            return False
        # A number of the draft does not tell its area.
        fitting = (name.startswith((f"{area}/", "STT-")) for name in self.only)
        return not self.only or bool({area, group} & set(self.only)) or any(fitting)


def names_of(requirement: Requirement) -> tuple[str, ...]:
    """Return the names by which a user may select ``requirement``."""
    group = ("encryption",) if requirement.area in ENCRYPTION else ()
    return (requirement.id, requirement.area, *requirement.draft, *group)


def known_names(rules: Iterable[Requirement]) -> frozenset[str]:
    """Return every name by which one of ``rules`` can be selected."""
    return frozenset(name for rule in rules for name in names_of(rule))


def check_names(names: Iterable[str], rules: Iterable[Requirement]) -> None:
    """Raise :class:`SoundcheckError` for the first of ``names`` that selects none of ``rules``."""
    known = known_names(rules)
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "`soundcheck requirements` lists them"
            raise SoundcheckError(f"no requirement or area is called {name!r}: {hint}")


def _named(requirement: Requirement, names: Iterable[str]) -> bool:
    return not set(names).isdisjoint(names_of(requirement))


@dataclass(frozen=True, slots=True)
class Entry:
    """One requirement (and case) as planned: its probes, or the verdict that needs none."""

    requirement: Requirement
    case: Case | None
    level: Level
    model: str = ""
    probes: dict[str, Probe] | None = None
    verdict: Verdict | None = None
    reason: str = ""
    deviation: Deviation | None = None

    def undecided(self, reason: str) -> "Entry":
        """Return the entry as one that cannot be judged."""
        return replace(self, probes=None, verdict=Verdict.UNTESTABLE, reason=reason)


def plan_entry(
    requirement: Requirement, case: Case | None, selection: Selection, deployment: Deployment
) -> Entry:
    """Decide whether ``requirement`` is judged on ``deployment``, and by which probes."""
    profile = deployment.profile
    name = case.id if case else None
    entry = Entry(
        requirement,
        case,
        profile.level(requirement.id, name, requirement.level),
        deviation=profile.deviation(requirement.id, name),
    )
    if profile.requirements not in requirement.profiles:
        reason = f"not part of the {profile.requirements} contract"
        return replace(entry, verdict=Verdict.NOT_APPLICABLE, reason=reason)
    if reason := selection.reason_against(requirement, case) or "":
        return replace(entry, verdict=Verdict.NOT_SELECTED, reason=reason)
    if requirement.package and is_missing(requirement.package):
        # Who did not ask for it by name is told, but not failed for what a plain install lacks.
        asked = _named(requirement, selection.only)
        verdict = Verdict.UNTESTABLE if asked else Verdict.NOT_SELECTED
        return replace(entry, verdict=verdict, reason=EXTRAS[requirement.package])
    if requirement.area == "wire" and not deployment.tapped:
        return replace(entry, verdict=Verdict.UNTESTABLE, reason=NO_TAP)
    if requirement.area == "transport" and not deployment.endpoint:
        return replace(entry, verdict=Verdict.NOT_APPLICABLE, reason=NO_TRANSPORT)
    if KEY in requirement.needs and not deployment.keyed:
        return replace(entry, verdict=Verdict.NOT_APPLICABLE, reason=NO_KEY)
    model = deployment.model_for(tuple(need for need in requirement.needs if need != KEY))
    if model is None:
        wanted = ", ".join(requirement.needs)
        reason = f"no served model for which the profile claims {wanted}"
        return replace(entry, verdict=Verdict.NOT_APPLICABLE, reason=reason)
    probes = requirement.probes(case, replace(deployment, model=model))
    if requirement.repeat > 1 and selection.effort != "quick":
        probes = times(probes, requirement.repeat)
    return replace(entry, model=model, probes={name: p.on(model) for name, p in probes.items()})


def is_missing(package: str) -> bool:
    """Tell whether an optional package is not installed."""
    return importlib.util.find_spec(package) is None


def lacking(entries: Iterable[Entry]) -> list[str]:
    """Return, for each optional package that is not installed, what was left out for that."""
    left_out = Counter(
        (entry.requirement.package, entry.requirement.area)
        for entry in {entry.requirement.id: entry for entry in entries}.values()
        if entry.verdict is Verdict.NOT_SELECTED and entry.reason in EXTRAS.values()
    )
    return [
        f"{LEFT_OUT} {times} requirements of the area {area}: {EXTRAS[package]}"
        for (package, area), times in left_out.items()
    ]


def gathered(entries: Iterable[Entry]) -> list[Entry]:
    """Return ``entries`` with every planned request that has a mistake given to the aggregates."""
    planned = list(entries)
    mistaken = {
        f"{probe.mistake} ({probe.digest[:4]})": probe
        for probe in distinct(planned).values()
        if probe.mistake
    }
    return [
        replace(entry, probes=mistaken | entry.probes)
        if entry.requirement.aggregate and entry.probes is not None
        else entry
        for entry in planned
    ]


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests, seconds of audio and bytes uploaded."""

    requests: int = 0
    audio_s: float = 0.0
    upload_bytes: int = 0

    def plus(self, requests: int, audio_s: float, upload_bytes: int) -> "Cost":
        """Return the sum of this cost and another."""
        return Cost(
            self.requests + requests, self.audio_s + audio_s, self.upload_bytes + upload_bytes
        )

    def less(self, other: "Cost") -> "Cost":
        """Return what is left of this cost without ``other``, a part of it."""
        return self.plus(-other.requests, -other.audio_s, -other.upload_bytes)


def cost_of_sent(exchanges: Iterable[Exchange]) -> Cost:
    """Return what the recorded ``exchanges`` cost: requests, and the audio that they uploaded."""
    total = Cost()
    for exchange in exchanges:
        if exchange.request.method in (TLS, TAP):
            continue
        requests = [*(step.request for step in exchange.earlier), exchange.request]
        clips = [part for request in requests for part in request.parts if "clip" in part]
        seconds = sum(part["duration_s"] for part in clips)
        uploaded = sum(part["size"] for part in clips)
        times = exchange.attempts
        total = total.plus(times * len(requests), times * seconds, times * uploaded)
    return total


def sent_again(exchanges: Iterable[Exchange]) -> int:
    """Return how many requests of the recorded ``exchanges`` were sent again."""
    return sum(exchange.attempts - 1 for exchange in exchanges)


def distinct(entries: Iterable[Entry]) -> dict[str, Probe]:
    """Return every probe of ``entries`` once, by digest, in the order of the lanes."""
    found = {probe.digest: probe for entry in entries for probe in (entry.probes or {}).values()}
    lanes = list(Lane)
    return dict(sorted(found.items(), key=lambda item: lanes.index(item[1].lane)))


def cost_of_searches(entries: Iterable[Entry], deployment: Deployment) -> Cost:
    """Return the most that the searches among ``entries`` may cost."""
    total = Cost()
    for entry in entries:
        if entry.requirement.search is not None and entry.probes is not None:
            budget = entry.requirement.search(deployment)
            total = total.plus(budget.requests, budget.audio_s, budget.upload_bytes)
    return total


def cost_of(probes: Iterable[Probe], clip_cost: Callable[[str], tuple[float, int]]) -> Cost:
    """Return the cost of ``probes``, given (seconds, bytes) of a clip by name."""
    total = Cost()
    for probe in probes:
        if not probe.is_request:
            continue
        clips = [clip_cost(name) for name in probe.clips]
        seconds, sizes = sum(s for s, _ in clips), sum(size for _, size in clips)
        total = total.plus(probe.requests, seconds, sizes)
    return total
