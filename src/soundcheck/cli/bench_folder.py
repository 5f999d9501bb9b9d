"""The folder of a load run. What an earlier one left there stays until there is a new result.

The load generator writes into a folder of its own within the folder, ``.new-…``, which is locked
for as long as this process lives: a run that comes to nothing takes only that away, and two runs
into one folder do not touch each other's.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from soundcheck.errors import SoundcheckError
from soundcheck.report.bench import FILE, SAMPLES

_RESULT = (SAMPLES, FILE)
_DERIVED = ("report.html", "summary.md")
_PENDING = ".new-"


class BenchFolder:
    """The folder ``path`` of a run; ``pending`` is where the load generator is to write."""

    def __init__(self, path: Path, pending: Path, lock: int) -> None:
        self.path = path
        self.pending = pending
        self._lock = lock  # released with the process

    @classmethod
    def prepare(cls, out: Path | None) -> "BenchFolder":
        """Return the folder ``out``, or a new one below ``reports``, ready for a run.

        Raises SoundcheckError for a folder with other files, or one that cannot be written.
        """
        from soundcheck.plugin import folder

        try:
            path = folder.new() if out is None else out
            path.mkdir(parents=True, exist_ok=True)
            if odd := sorted(_strange(path)):
                raise SoundcheckError(
                    f"{path} holds {odd[0]}, which is not of a load run; choose another folder "
                    "with --out, or empty it"
                )
            for left in sorted(path.glob(_PENDING + "*")):
                _settle(left, path)
            pending = Path(tempfile.mkdtemp(prefix=_PENDING, dir=path)).resolve()
            lock = os.open(pending, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_SH)
        except OSError as error:
            raise SoundcheckError(
                f"cannot write the folder {out or folder.REPORTS}: {error.strerror}; choose "
                "another with --out"
            ) from None
        return cls(path, pending, lock)

    def accept(self) -> None:
        """Put the result in the place of an earlier one, ``bench.json`` last.

        It can be done again where it was interrupted. Raises SoundcheckError where the folder
        cannot be written: the result then is where it was.
        """
        try:
            _move(self.pending, self.path)
        except OSError as error:
            raise SoundcheckError(
                f"cannot write the folder {self.path}: {error.strerror}; the result is in "
                f"{self.path / self.pending.name}"
            ) from None
        shutil.rmtree(self.pending, ignore_errors=True)

    def discard(self) -> None:
        """Take away what a run without a result left, and the folder, if that is then empty."""
        shutil.rmtree(self.pending, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()


def _strange(path: Path) -> Iterator[str]:
    """Yield the names of what is not of a load run."""
    # A report alone may be of anything.
    ours = (*_RESULT, *_DERIVED) if (path / FILE).is_file() else ()
    for one in path.iterdir():
        is_ours = one.name in ours and one.is_file()
        if not is_ours and not one.name.startswith(_PENDING):
            yield one.name


def _move(pending: Path, path: Path) -> None:
    for name in _DERIVED:
        (path / name).unlink(missing_ok=True)
    for name in _RESULT:
        with contextlib.suppress(FileNotFoundError):
            (pending / name).replace(path / name)


def _settle(left: Path, path: Path) -> None:
    """Put a result in its place whose process was killed before it could, and remove half ones.

    What is locked belongs to a process that lives.
    """
    lock = os.open(left, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (left / FILE).is_file():
            _move(left, path)
        shutil.rmtree(left, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)
