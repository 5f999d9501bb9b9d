"""The samples of a load run for a comparison: by offered load, in blocks of time.

Values belong to the block of the window in which their request was intended to begin, finished
audio to that in which it was finished.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from soundcheck.errors import SoundcheckError
from soundcheck.report.bench import SAMPLES, Bench, Stage
from soundcheck.report.bench_samples import read_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from soundcheck.report.bench_samples import Columns

    Numbers: TypeAlias = NDArray[np.float64]
    Places: TypeAlias = NDArray[np.int64]

Load: TypeAlias = tuple[str, str, float, float]
"""What is offered in a stage: its kind, arrivals, window and warm-up (seconds)."""

_BLOCKS, _LEAST_S, _MOST_S = 20, 1.0, 5.0  # blocks of a window, and their length
_SLACK = 0.01  # share of arrivals that may lie beyond a window's edge by rounding
_SAME_S = 1e-5
_WANTED = ("stage", "intended_s", "done_s", "latency_s", "ttfd_s", "audio_s", "cause")


@dataclass(frozen=True, slots=True)
class Pooled:
    """The samples of all valid windows of one load.

    ``begun`` and ``done`` are the blocks in which they were intended and finished, -1 outside of
    the window; ``number`` is how many blocks of ``block_s`` seconds there are.
    """

    columns: "Columns"
    begun: "Places"
    done: "Places"
    number: int
    block_s: float


def loads_of(bench: Bench) -> dict[Load, list[Stage]]:
    """Return the measured stages by what was offered in them."""
    found: dict[Load, list[Stage]] = {}
    for stage in bench.measured:
        key = (stage.kind, stage.arrivals, stage.window_s, stage.warm_up_s)
        found.setdefault(key, []).append(stage)
    return found


def pool(folder: Path, loads: Mapping[Load, Sequence[Stage]]) -> dict[Load, Pooled]:
    """Return the samples of the valid windows of each load that has any.

    Raises:
        SoundcheckError: the samples cannot be read, or are not those that bench.json counts.

    """
    path = folder / SAMPLES
    columns = read_samples(path, _WANTED)
    valid = {load: [one for one in stages if one.valid] for load, stages in loads.items()}
    return {load: _pooled(path, columns, load, stages) for load, stages in valid.items() if stages}


def _pooled(path: Path, columns: "Columns", load: Load, stages: Sequence[Stage]) -> Pooled:
    import numpy as np

    _, _, window_s, warm_up_s = load
    number = max(1, int(window_s / min(max(window_s / _BLOCKS, _LEAST_S), _MOST_S)))
    block_s = window_s / number

    def blocks(rows: "Places", name: str, place: int) -> "Places":
        after = np.nan_to_num(columns[name][rows] - warm_up_s, nan=-1.0)
        inside = (after >= 0) & (after < window_s)
        block = np.minimum(after // block_s, number - 1) + place * number
        return np.where(inside, block, -1).astype(np.int64)

    chosen, begun, done = [], [], []
    for place, stage in enumerate(stages):
        rows = np.flatnonzero(columns["stage"] == stage.number)
        chosen.append(rows)
        begun.append(blocks(rows, "intended_s", place))
        done.append(blocks(rows, "done_s", place))
        counted, expected = int((begun[-1] >= 0).sum()), stage.counts.intended
        if abs(counted - expected) > max(2, _SLACK * expected):
            raise SoundcheckError(
                f"{path}: has {counted} arrivals in the window of stage {stage.number}, bench.json "
                f"counts {expected}; do they belong together?"
            )
    rows = np.concatenate(chosen)
    kept = {name: column[rows] for name, column in columns.items()}
    total = number * len(stages)
    return Pooled(kept, np.concatenate(begun), np.concatenate(done), total, block_s)


def are_paired(old: Pooled, new: Pooled) -> bool:
    """Tell whether both were offered the same arrivals, as runs of one seed are."""
    import numpy as np

    if old.number != new.number:
        return False
    first, second = (
        np.sort(run.columns["intended_s"][run.begun >= 0] + 1e6 * run.begun[run.begun >= 0])
        for run in (old, new)
    )
    return len(first) == len(second) and bool(np.all(np.abs(first - second) < _SAME_S))


def times(run: Pooled, metric: str) -> "tuple[Numbers, Places]":
    """Return the values of successes that were intended within a window, and their blocks."""
    import numpy as np

    values = np.asarray(run.columns[metric], dtype=np.float64)
    chosen = (run.begun >= 0) & (run.columns["cause"] == "") & (values > 0)
    return values[chosen], run.begun[chosen]


def throughput(run: Pooled) -> "tuple[Numbers, Numbers]":
    """Return the audio that was finished and the seconds that passed, by block."""
    import numpy as np

    chosen = (run.done >= 0) & (run.columns["cause"] == "")
    audio = np.bincount(
        run.done[chosen], weights=run.columns["audio_s"][chosen], minlength=run.number
    )
    return audio.astype(np.float64), np.full(run.number, run.block_s)


def failures(run: Pooled) -> "tuple[Numbers, Numbers]":
    """Return failures and arrivals by block."""
    import numpy as np

    inside = run.begun >= 0
    failed = inside & (run.columns["cause"] != "")
    return (
        np.bincount(run.begun[failed], minlength=run.number).astype(np.float64),
        np.bincount(run.begun[inside], minlength=run.number).astype(np.float64),
    )
