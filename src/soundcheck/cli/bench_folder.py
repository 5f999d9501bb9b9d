"""The folder of a load run: made for it, or emptied of an earlier one, and nothing else deleted."""

import contextlib
from pathlib import Path

from soundcheck.errors import SoundcheckError

BENCH = "bench.json"
_OURS = {BENCH, "samples.csv.gz", "report.html", "summary.md"}


def prepare(out: Path | None) -> Path:
    """Return the folder ``out``, or a new one below ``reports``, ready to be written.

    A folder that holds an earlier load run is emptied of it: its report would be taken for this
    run's if it ended early. Raises SoundcheckError for a folder with other files, or one that
    cannot be written.
    """
    from soundcheck.plugin import folder

    try:
        if out is None:
            return folder.new()
        out.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in out.iterdir()}
        if odd := sorted(names - _OURS):
            raise SoundcheckError(
                f"{out} holds {odd[0]}, which is not of a load run; choose another folder with "
                "--out, or empty it"
            )
        for name in names:
            (out / name).unlink()
    except OSError as error:
        raise SoundcheckError(
            f"cannot write the folder {out or folder.REPORTS}: {error.strerror}; choose another "
            "with --out"
        ) from None
    return out


def discard(out: Path) -> None:
    """Take a folder away in which nothing was measured, unless it holds something else."""
    for name in _OURS:
        with contextlib.suppress(OSError):
            (out / name).unlink()
    with contextlib.suppress(OSError):
        out.rmdir()
