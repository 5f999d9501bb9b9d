"""What it costs to make a file at the limit of 25 MB: seconds and memory, in the worst format.

Each format has a process and an empty cache of its own. Memory is by how much the process's peak
grew over what it had with everything imported.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from figures import Figure

from soundcheck.audio.formats import NINE

SIZE = 26_214_401
MIB = 2**20

_PROGRAM = """
import json, sys, time
from pathlib import Path
from soundcheck.audio import Library, maker

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

library = Library(cache=Path(sys.argv[1]))
library.recipes
before, begin = peak(), time.perf_counter()
clip = library.clip(sys.argv[2])
elapsed, after = time.perf_counter() - begin, peak()
assert clip.size == clip.path.stat().st_size == int(sys.argv[3])
print(json.dumps({"seconds": elapsed, "bytes": after - before}))
"""


def boundary_file(extension: str) -> tuple[float, float]:
    """Return the seconds and the MiB that making a file of one byte above 25 MiB takes."""
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [
                *(sys.executable, "-c", _PROGRAM, cache),
                *(f"sized-{SIZE}.{extension}", str(SIZE)),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    told = json.loads(done.stdout)
    return told["seconds"], told["bytes"] / MIB


def boundary_files(repeats: int = 3) -> Iterator[Figure]:
    """Yield the best time of the slowest format, and the memory of the one that takes most."""
    best = {one: [boundary_file(one) for _ in range(repeats)] for one in NINE}
    seconds = {one: min(runs)[0] for one, runs in best.items()}
    memory = {one: max(run[1] for run in runs) for one, runs in best.items()}
    slowest, largest = max(seconds, key=seconds.__getitem__), max(memory, key=memory.__getitem__)
    yield Figure(f"boundary file, slowest format ({slowest})", seconds[slowest], "s", 1)
    yield Figure(f"boundary file, most memory ({largest})", memory[largest], "MiB", 100, gates=True)
