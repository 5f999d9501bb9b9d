"""The folder of a load run. What an earlier one left there stays until there is a new result.

The load generator writes into ``.new`` within the folder. A run that comes to nothing takes only
that away; a result takes the earlier one's place, ``bench.json`` last.
"""

import contextlib
import shutil
from pathlib import Path

from soundcheck.errors import SoundcheckError

BENCH, SAMPLES = "bench.json", "samples.csv.gz"
_OURS = {BENCH, SAMPLES, "report.html", "summary.md"}
_NEW = ".new"


def prepare(out: Path | None) -> Path:
    """Return the folder ``out``, or a new one below ``reports``, ready for a run.

    Raises SoundcheckError for a folder with other files, or one that cannot be written.
    """
    from soundcheck.plugin import folder

    try:
        if out is None:
            out = folder.new()
        out.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in (*out.iterdir(), *(out / _NEW).glob("*"))}
        if odd := sorted(names - _OURS - {_NEW}):
            raise SoundcheckError(
                f"{out} holds {odd[0]}, which is not of a load run; choose another folder with "
                "--out, or empty it"
            )
        # A process that was killed may have left a result there, or part of one.
        if not accept(out):
            shutil.rmtree(out / _NEW, ignore_errors=True)
        (out / _NEW).mkdir()
    except OSError as error:
        raise SoundcheckError(
            f"cannot write the folder {out or folder.REPORTS}: {error.strerror}; choose another "
            "with --out"
        ) from None
    return out


def pending(out: Path) -> Path:
    """Return where the load generator is to write, an absolute path."""
    return (out / _NEW).resolve()


def accept(out: Path) -> bool:
    """Put a new result in the place of an earlier one; tell whether there is one."""
    new = out / _NEW
    if not (new / BENCH).exists():
        return False
    for name in _OURS - {BENCH}:
        (out / name).unlink(missing_ok=True)
    for name in (SAMPLES, BENCH):
        with contextlib.suppress(FileNotFoundError):
            (new / name).replace(out / name)
    shutil.rmtree(new)
    return True


def discard(out: Path) -> None:
    """Take away what a run without a result left, and the folder too, if that is then empty."""
    shutil.rmtree(out / _NEW, ignore_errors=True)
    with contextlib.suppress(OSError):
        out.rmdir()
