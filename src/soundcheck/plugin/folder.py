"""The run folder: made for a run, or emptied of an earlier one, and nothing else ever deleted.

An earlier run is put aside, within the folder, until something of the new one is to be sent: a run
that comes to nothing leaves the earlier one as it was. What a killed process left behind is told by
names: all of it lies in ``.earlier``, or a part in ``.earlier.moving`` while it goes there or back.
A ``run.json`` beside ``.earlier`` is that of a new run, which has begun.
"""

import contextlib
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from soundcheck.errors import SoundcheckError
from soundcheck.report.run import EXCHANGES, FILE

LOCKS = ".locks"
TAP = "tap"
REPORTS = Path("reports")
"""Where new run folders are made."""

_ASIDE, _MOVING = ".earlier", ".earlier.moving"
_OURS = {FILE, EXCHANGES, LOCKS, TAP, "report.html", "summary.md", "junit.xml", "results.sarif"}
_TAPPED = {"roots.pem", "canary.wav"}
_EXCHANGE = re.compile(r"[0-9a-f]{16}\.(json|[0-9]+\.part)")


def prepare(out: Path | None) -> Path:
    """Return the run folder ``out``, or a new one below ``reports``, ready to be written.

    An earlier run in it is put aside: :func:`begin` drops it, :func:`discard` brings it back.
    Raises :class:`SoundcheckError` for a folder with other files, or one that cannot be written.
    """
    try:
        folder = new() if out is None else out
        folder.mkdir(parents=True, exist_ok=True)
        for each in (folder, folder / _ASIDE, folder / _MOVING):
            if each.exists():
                _check(each)
        _settle(folder)
        _put_aside(folder)
        (folder / EXCHANGES).mkdir()
        (folder / LOCKS).mkdir()
    except OSError as error:
        raise SoundcheckError(
            f"cannot write the run folder {out or REPORTS}: {error.strerror}; choose another with "
            "--out"
        ) from None
    return folder


def begin(out: Path) -> None:
    """Drop the earlier run that was put aside, now that ``run.json`` is that of the new one."""
    shutil.rmtree(out / _ASIDE, ignore_errors=True)


def reopen(out: Path) -> Path:
    """Return the folder of an earlier run, ready to be gone on with; its records stay.

    Raises :class:`SoundcheckError` where it cannot be written.
    """
    try:
        _settle(out)
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
    """Take a run out of its folder that has not begun, and the folder too, if that is then empty.

    An earlier run that was put aside is there again.
    """
    with contextlib.suppress(OSError):
        if (out / _ASIDE).exists():
            _settle(out)
        elif not (out / FILE).exists():
            _remove_new(out)
        out.rmdir()


def new() -> Path:
    """Make a folder named for this moment; runs that begin in the same second get their own."""
    stem = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    number = 1
    while True:
        folder = REPORTS / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def _check(out: Path) -> None:
    """Refuse a folder that holds anything but a run, and an earlier one put aside."""
    entries = {path.name for path in out.iterdir()} - {_ASIDE, _MOVING}
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


def _put_aside(out: Path) -> None:
    entries = list(out.iterdir())
    if not entries:
        return
    (out / _MOVING).mkdir()
    for path in entries:
        path.rename(out / _MOVING / path.name)
    (out / _MOVING).rename(out / _ASIDE)


def _settle(out: Path) -> None:
    """Leave one run in ``out``: the one that has begun, else the earlier one."""
    if (out / _ASIDE).exists():
        if (out / FILE).exists():
            begin(out)
            return
        _remove_new(out)
        (out / _ASIDE).rename(out / _MOVING)
    if (out / _MOVING).exists():
        for path in (out / _MOVING).iterdir():
            path.rename(out / path.name)
        (out / _MOVING).rmdir()


def _remove_new(out: Path) -> None:
    """Remove what there is of a run that has not begun."""
    for name in (EXCHANGES, LOCKS, TAP):
        shutil.rmtree(out / name, ignore_errors=True)
