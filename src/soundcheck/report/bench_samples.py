"""``samples.csv.gz``: every request of a load run, a row each, as numpy columns.

Times are seconds after the begin of the row's stage; an empty cell is what never came.
"""

import csv
import gzip
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from soundcheck.errors import SoundcheckError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns: TypeAlias = Mapping[str, NDArray[Any]]

WHOLE = (
    *("stage", "worker", "arrival", "stream", "upload_bytes"),
    *("deltas", "coalesced", "status"),
)
TEXTS = ("clip", "format", "language", "cause")
COLUMNS = (
    *("stage", "worker", "arrival", "clip", "format", "language", "stream", "audio_s"),
    *("upload_bytes", "intended_s", "dispatched_s", "sent_s", "headers_s", "first_text_s"),
    *("done_s", "latency_s", "ttfd_s", "deltas", "coalesced", "lag_us", "status", "cause"),
)
"""The columns of the file, in their order."""

_INT64 = 2**63


def read_samples(path: Path, wanted: Sequence[str] = COLUMNS) -> "Columns":
    """Return the ``wanted`` columns of the samples at ``path``.

    Whole numbers are int64, texts are texts, and all others float64, NaN where a cell is empty.

    Raises:
        SoundcheckError: the file is missing, cut off, no such table, or holds no numbers where
            numbers belong; the message names the file and the first problem.

    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            missing = [name for name in wanted if name not in header]
            if missing:
                raise SoundcheckError(f"{path}: has no column {missing[0]}; is it of another tool?")
            places = [header.index(name) for name in wanted]
            cells: list[list[str]] = [[] for _ in wanted]
            for row in rows:
                if len(row) != len(header):
                    raise SoundcheckError(
                        f"{path}: line {rows.line_num} has {len(row)} of {len(header)} cells; "
                        "was it cut off?"
                    )
                for column, place in zip(cells, places, strict=True):
                    column.append(row[place])
    except FileNotFoundError:
        raise SoundcheckError(f"{path}: there is no such file") from None
    except EOFError:
        raise SoundcheckError(f"{path}: ends in the middle; was it cut off?") from None
    except (gzip.BadGzipFile, zlib.error, csv.Error, UnicodeDecodeError) as error:
        raise SoundcheckError(f"{path}: is no compressed table: {error}") from None
    except OSError as error:
        raise SoundcheckError(f"{path}: cannot be read: {error.strerror}") from None
    return {name: _column(path, name, column) for name, column in zip(wanted, cells, strict=True)}


def _column(path: Path, name: str, cells: list[str]) -> "NDArray[Any]":
    import numpy as np

    if name in TEXTS:
        return np.array(cells, dtype=np.str_)
    try:
        if name in WHOLE:
            return np.array([_whole(cell) for cell in cells], dtype=np.int64)
        return np.array([cell or "nan" for cell in cells], dtype=np.float64)
    except (ValueError, OverflowError):
        wrong = next(cell for cell in cells if not _is_number(cell, whole=name in WHOLE))
        raise SoundcheckError(
            f"{path}: column {name} holds {wrong[:40]!r}, which is no such number"
        ) from None


def _whole(cell: str) -> int:
    return int(cell or 0)


def _is_number(cell: str, *, whole: bool) -> bool:
    try:
        return abs(_whole(cell)) < _INT64 if whole else isinstance(float(cell or 0), float)
    except ValueError:
        return False
