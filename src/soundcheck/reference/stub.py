"""A stub of a deployment: it answers at once, for almost no work, and transcribes nothing.

What a client of load can do at most, and how wrong its time stamps are, is measured against it. It
is one process with one thread (``stub_server``). ``python -m soundcheck.reference.stub`` is what
``start_stub`` runs: it reads its settings as a line of JSON from standard input, answers on
standard output with ``base_url`` and ``root_pem``, and ends when standard input is closed.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path

from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.reference.child import started
from soundcheck.reference.settings import DIALECTS

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SHOWN = 4  # words of an answer when no number of deltas says otherwise


class WrongStub(SoundcheckError):
    """A setting of the stub that cannot be meant."""


@dataclass(frozen=True, slots=True)
class StubSettings:
    """How the stub answers; raises WrongStub.

    ``port`` 0 takes a free one. An answer comes ``delay_s`` seconds after the last byte of its
    request. Where the form has ``stream=true``, the head comes at once, the first of ``deltas``
    deltas after ``delay_s``, each other ``delta_gap_s`` after the one before, and the end one gap
    after the last. With ``on_one_tick`` the deltas of all streams come at the same instants.
    From ``freeze_at_s`` after the first request the whole server stands still for ``freeze_s``.
    ``tls`` serves HTTPS under a root made for the run. ``text`` is what is answered (empty: some
    words, one per delta). ``status`` other than 200 answers every transcription with that error.
    """

    port: int = 0
    delay_s: float = 0.0
    deltas: int = _SHOWN
    delta_gap_s: float = 0.0
    dialect: str = "openai"
    freeze_at_s: float | None = None
    freeze_s: float = 0.0
    tls: bool = False
    on_one_tick: bool = False
    text: str = ""
    status: int = 200

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise WrongStub(f"The stub speaks {' and '.join(DIALECTS)}, not {self.dialect!r}.")
        times = (self.delay_s, self.delta_gap_s, self.freeze_at_s or 0.0, self.freeze_s)
        if min(times) < 0 or self.deltas < 0:
            raise WrongStub("The stub's times and its number of deltas cannot be negative.")
        if not 200 <= self.status <= 599:
            raise WrongStub(f"A status is a number from 200 to 599, not {self.status}.")

    @property
    def pieces(self) -> tuple[str, ...]:
        """Return the texts of the deltas, which make up the transcript."""
        if not self.text:
            words = islice(cycle(_WORDS), self.deltas)
            return tuple(word if not at else f" {word}" for at, word in enumerate(words))
        count = min(self.deltas, len(self.text))
        ends = [len(self.text) * at // count for at in range(count + 1)] if count else [0]
        return tuple(self.text[a:b] for a, b in pairwise(ends))

    @property
    def transcript(self) -> str:
        """Return the whole text that is answered."""
        return self.text or "".join(self.pieces) or " ".join(_WORDS[:_SHOWN])


@dataclass(frozen=True, slots=True)
class Stub:
    """A stub that answers: its API's base URL, its process, and its root (PEM) if it has TLS.

    The root's file is there as long as the stub is.
    """

    base_url: str
    pid: int
    roots: Path | None


@contextmanager
def start_stub(settings: StubSettings | None = None) -> Iterator[Stub]:
    """Start a stub on 127.0.0.1 and end it when the block is left.

    Raises SoundcheckError for a taken port, ReferenceFailed if it does not come up.
    """
    told = asdict(settings or StubSettings())
    with (
        tempfile.TemporaryDirectory() as folder,
        started("soundcheck.reference.stub", told, "The stub") as (answer, pid),
    ):
        roots = None
        if answer["root_pem"]:
            roots = Path(folder, "roots.pem")
            roots.write_text(answer["root_pem"], encoding="ascii")
        yield Stub(answer["base_url"], pid, roots)


def main() -> int:
    """Run as the child of ``start_stub``."""
    from soundcheck.reference.stub_server import StubServer, settle

    try:
        server = StubServer(StubSettings(**json.loads(sys.stdin.buffer.readline())))
    except SoundcheckError as error:
        _say({"error": str(error), "exit_code": error.exit_code})
        return error.exit_code
    _say({"base_url": server.base_url, "root_pem": server.root_pem})
    settle()
    server.run(sys.stdin.fileno())
    return ExitCode.OK


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
