"""The run folder: made for a run, or emptied of an earlier one, and nothing else ever deleted."""

import contextlib
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from soundcheck.errors import SoundcheckError
from soundcheck.report.run import EXCHANGES, FILE

LOCKS = ".locks"
TAP = "tap"
_OURS = {FILE, EXCHANGES, LOCKS, TAP, "report.html", "summary.md", "junit.xml", "results.sarif"}
_TAPPED = {"roots.pem", "canary.wav"}
_EXCHANGE = re.compile(r"[0-9a-f]{16}\.(json|[0-9]+\.part)")


def prepare(out: Path | None) -> Path:
    """Return the run folder ``out``, or a new one below ``reports``, ready to be written.

    A folder that holds an earlier run is emptied of it, reports included: they would be taken for
    this run's if it ended early. Raises :class:`SoundcheckError` for a folder with other files, or
    one that cannot be written.
    """
    try:
        out = new() if out is None else out
        out.mkdir(parents=True, exist_ok=True)
        _empty(out)
        (out / EXCHANGES).mkdir()
        (out / LOCKS).mkdir()
    except OSError as error:
        raise SoundcheckError(
            f"cannot write the run folder {out}: {error.strerror}; choose another with --out"
        ) from None
    return out


def reopen(out: Path) -> Path:
    """Return the folder of an earlier run, ready to be gone on with; its records stay.

    Raises :class:`SoundcheckError` where it cannot be written.
    """
    try:
        shutil.rmtree(out / LOCKS, ignore_errors=True)
        for partial in (out / EXCHANGES).glob("*.part"):  # it was killed while it wrote
            partial.unlink()
        (out / EXCHANGES).mkdir(exist_ok=True)
        (out / LOCKS).mkdir()
    except OSError as error:
        raise SoundcheckError(f"cannot write the run folder {out}: {error.strerror}") from None
    return out


def finish(out: Path) -> None:
    """Take the locks out of a run folder that no process uses any more."""
    shutil.rmtree(out / LOCKS, ignore_errors=True)


def discard(out: Path) -> None:
    """Take a run folder away in which nothing was judged, unless it holds something else."""
    for name in (EXCHANGES, LOCKS, TAP):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        out.rmdir()


def new() -> Path:
    """Make a folder named for this moment; runs that begin in the same second get their own."""
    stem = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    number = 1
    while True:
        folder = Path("reports") / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def _empty(out: Path) -> None:
    entries = {path.name for path in out.iterdir()}
    exchanges = [path.name for path in (out / EXCHANGES).glob("*")]
    strange = [name for name in exchanges if not _EXCHANGE.fullmatch(name)]
    tapped = [path.name for path in (out / TAP).glob("*") if path.name not in _TAPPED]
    if entries - _OURS or strange or tapped:
        odd = sorted(entries - _OURS) or [
            *(f"{EXCHANGES}/{name}" for name in strange),
            *(f"{TAP}/{name}" for name in tapped),
        ]
        raise SoundcheckError(
            f"{out} holds {odd[0]}, which is not of a Soundcheck run; choose another folder with "
            "--out, or empty it"
        )
    for name in entries:
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
