"""Judging a recorded run again: the options that it was made with, and its exchanges."""

import shutil
from dataclasses import replace
from pathlib import Path

from soundcheck.errors import SoundcheckError
from soundcheck.plugin.options import Options
from soundcheck.report.run import EXCHANGES, Run, load_run


def options_of(recorded: Path, options: Options) -> Options:
    """Return ``options`` for the run in the folder ``recorded``, with its target and model.

    Raises SoundcheckError when there is no run, or the new one would be written over it.
    """
    run = load_run(recorded)
    if options.out is not None and options.out.resolve() == recorded.resolve():
        raise SoundcheckError(f"{recorded} is the recorded run: choose another folder with --out")
    return replace(
        options,
        base_url=run.target.base_url,
        model=run.target.model,
        api_key_env=run.target.api_key_env,
        reference=run.target.reference,
        profile=options.profile or run.profile,
        effort=options.effort or run.effort,
        replay=recorded,
    )


def copy_exchanges(recorded: Path, out: Path) -> Run:
    """Copy the evidence of a recorded run into the run folder ``out``; return that run."""
    run = load_run(recorded)
    for path in (recorded / EXCHANGES).glob("*.json"):
        shutil.copyfile(path, out / EXCHANGES / path.name)
    return run


def told(run: Run) -> str:
    """Return which run was judged again, for the reports."""
    return f"{run.started} by Soundcheck {run.tool.version}"
