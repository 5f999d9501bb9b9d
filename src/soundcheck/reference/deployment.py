"""A reference deployment as a child process, for checks and tests that need one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from soundcheck.reference.child import ReferenceFailed, started
from soundcheck.reference.settings import Counts, Settings

__all__ = ["ReferenceFailed", "Running", "start_reference"]


@dataclass(frozen=True, slots=True)
class Running:
    """A deployment that answers: the API's base URL, and the id of its process."""

    base_url: str
    pid: int


@contextmanager
def start_reference(
    dialect: str = "openai",
    faults: Sequence[str] = (),
    api_key: str | None = None,
    port: int = 0,
    workers: int | None = None,
    max_file: int | None = None,
    limit_counts: Counts | None = None,
    recognizer: str = "speech",
    latency: str | None = None,
) -> Iterator[Running]:
    """Start a reference deployment on 127.0.0.1 and end it when the block is left.

    ``port`` 0 takes a free one; the rest as in ``Settings``. Raises SoundcheckError for a wrong
    setting or a taken port, ReferenceFailed if the process does not come up. The process ends by
    itself if this one dies.
    """
    settings = Settings(
        dialect, api_key, tuple(faults), workers, max_file, limit_counts, recognizer, latency
    )
    told = {**asdict(settings), "port": port}
    name = "The reference deployment"
    with started("soundcheck.reference.server", told, name) as (answer, pid):
        yield Running(answer["base_url"], pid)
