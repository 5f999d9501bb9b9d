"""Judging a recorded run again: the options that it was made with, and its exchanges."""

import shutil
from dataclasses import replace
from pathlib import Path

from soundcheck.contract.deployment import Deployment, Recording
from soundcheck.contract.profile import Profile
from soundcheck.errors import SoundcheckError
from soundcheck.plugin.options import Options
from soundcheck.report.run import EXCHANGES, Run, load_run


def options_of(recorded: Path, options: Options) -> Options:
    """Return ``options`` for the run in the folder ``recorded``, with its target and model.

    What was claimed and which rules were selected is taken from the run too, unless ``options``
    name a profile, or rules: these replace the whole selection of the run. A run of before that
    recorded neither is judged by the profile of the name that it has, and whole.

    Raises SoundcheckError when there is no run, its profile is none of this version, or the new
    run would be written over it.
    """
    run = load_run(recorded)
    if options.out is not None and options.out.resolve() == recorded.resolve():
        raise SoundcheckError(f"{recorded} is the recorded run: choose another folder with --out")
    given = options.only or options.without
    selection = options if given else run.selection or options
    claims = Profile.from_data(run.claims) if run.claims and not options.profile else None
    return replace(
        options,
        base_url=run.target.base_url,
        model=run.target.model,
        api_key_env=run.target.api_key_env,
        reference=run.target.reference,
        profile=options.profile or run.profile,
        claims=claims,
        effort=options.effort or run.effort,
        only=selection.only,
        without=selection.without,
        replay=recorded,
    )


def encrypted(recorded: Path | None, judged: Deployment) -> Deployment:
    """Return the deployment on which the recorded run judged encryption, else ``judged``."""
    run = load_run(recorded) if recorded else None
    if run is None or run.encryption is None:
        return judged
    seen = run.encryption
    profile = Profile.from_data(seen.claims) if seen.claims else judged.profile
    return replace(
        judged, profile=profile, model=seen.model, tapped=seen.tapped, endpoint=seen.endpoint
    )


def recordings(recorded: Path) -> tuple[Recording, ...]:
    """Return the user's own recordings that the recorded run was judged on."""
    return tuple(Recording(one.name, one.language) for one in load_run(recorded).recordings)


def copy_exchanges(recorded: Path, out: Path) -> Run:
    """Copy the evidence of a recorded run into the run folder ``out``; return that run."""
    run = load_run(recorded)
    for path in (recorded / EXCHANGES).glob("*.json"):
        shutil.copyfile(path, out / EXCHANGES / path.name)
    return run


def told(run: Run) -> str:
    """Return which run was judged again, for the reports."""
    return f"{run.started} by Soundcheck {run.tool.version}"
