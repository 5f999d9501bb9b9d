"""From the results of a session to its run folder."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from soundcheck import __version__
from soundcheck.contract import plan
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.target import Target
from soundcheck.contract.verdict import Verdict, run_verdict
from soundcheck.errors import SoundcheckError
from soundcheck.plugin.gatekeeper import Gatekeeper
from soundcheck.report import wording, write_reports
from soundcheck.report.outcomes import outcomes
from soundcheck.report.run import (
    Cost,
    Costs,
    Dialect,
    Encryption,
    Recording,
    Result,
    Run,
    Selection,
    Sitting,
    Tool,
    count_requirements,
    load_run,
    save_run,
)
from soundcheck.report.run import Target as RunTarget


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run states beside its results."""

    target: Target
    deployment: Deployment
    api_key_env: str | None
    selection: plan.Selection
    reference: bool
    started: datetime
    duration_s: float
    planned: plan.Cost
    spent: plan.Cost
    again: int
    price: float | None
    currency: str
    notes: tuple[str, ...]
    interrupted: bool
    replay_of: str | None
    encryption: Encryption
    gatekeeper: Gatekeeper
    earlier: tuple[Sitting, ...] = ()


def write_run(out: Path, facts: Facts, results: Sequence[Result]) -> Run:
    """Write ``run.json`` and every report derived from it to ``out``; return the run."""
    run = _run(facts, results)
    if idle := wording.idle_deviations(outcomes(run)):
        run = replace(run, notes=tuple(dict.fromkeys((*run.notes, idle))))
    run = replace(run, gate=facts.gatekeeper.gate(run, interrupted=facts.interrupted))
    save_run(out, run)
    write_reports(out, run)
    return run


def begin_run(out: Path, facts: Facts) -> None:
    """Write a ``run.json`` that says that nothing was judged yet, should the run be killed."""
    note = f"the run did not come to its end; go on with: soundcheck check --resume {out}"
    save_run(out, _run(replace(facts, notes=(note,)), ()))


def told(out: Path) -> list[str]:
    """Return the lines that tell the run in ``out``: its verdict, what it rests on, its report."""
    try:
        run = load_run(out)
    except SoundcheckError as error:
        return [str(error)]
    return [
        f"{wording.title(run)}: {wording.sentence(run, outcomes(run))}",
        *wording.gate(run),
        *run.notes,
        f"report: {out / 'report.html'}",
    ]


def _run(facts: Facts, results: Sequence[Result]) -> Run:
    profile, seen = facts.deployment.profile, facts.deployment.dialect
    notes = facts.notes
    if seen not in ("unknown", profile.dialect):
        other = (
            f"the answers are in the {seen} dialect; the profile {profile.name} claims "
            f"{profile.dialect}"
        )
        notes = (other, *(note for note in notes if note != other))  # a replay has it already
    verdict = run_verdict((result.level, Verdict(result.verdict)) for result in results)
    if facts.interrupted and verdict == "conformant":
        verdict = "incomplete"
    return Run(
        tool=Tool(version=__version__, python=platform.python_version()),
        target=RunTarget(
            name=facts.target.way.name,
            base_url=facts.target.base_url,
            model=facts.deployment.model,
            profile=profile.name,
            api_key_env=facts.api_key_env,
            reference=facts.reference,
        ),
        profile=profile.name,
        effort=facts.selection.effort,  # type: ignore[arg-type]  # one of the option's choices
        dialect=Dialect(claimed=profile.dialect, detected=seen),  # type: ignore[arg-type]
        started=facts.started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        duration_s=round(facts.duration_s, 3),
        verdict=verdict,  # type: ignore[arg-type]
        notes=notes,
        counts=count_requirements(results),
        cost=Costs(
            planned=_cost(facts.planned),
            spent=_summed(_cost(facts.spent), facts.earlier),
            again=facts.again + sum(sitting.again for sitting in facts.earlier),
            price=facts.price,
            currency=facts.currency,
        ),
        results=tuple(results),
        replay_of=facts.replay_of,
        claims=profile.to_data(),
        encryption=facts.encryption,
        earlier=facts.earlier,
        recordings=tuple(
            Recording(name=one.name, language=one.language) for one in facts.deployment.recordings
        ),
        selection=Selection(only=facts.selection.only, without=facts.selection.without),
    )


def _summed(cost: Cost, earlier: Sequence[Sitting]) -> Cost:
    """Return ``cost`` and what the sittings before had cost."""
    return Cost(
        requests=cost.requests + sum(one.spent.requests for one in earlier),
        audio_minutes=round(
            cost.audio_minutes + sum(one.spent.audio_minutes for one in earlier), 3
        ),
        upload_bytes=cost.upload_bytes + sum(one.spent.upload_bytes for one in earlier),
    )


def _cost(cost: plan.Cost) -> Cost:
    return Cost(
        requests=cost.requests,
        audio_minutes=round(cost.audio_s / 60, 3),
        upload_bytes=cost.upload_bytes,
    )
