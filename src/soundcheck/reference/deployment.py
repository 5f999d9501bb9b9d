"""A reference deployment as a child process, for checks and tests that need one."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import IO

from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.reference.settings import Counts, Settings

_START_SECONDS = 60.0
_END_SECONDS = 10.0


class ReferenceFailed(SoundcheckError):
    """The reference deployment did not start."""

    exit_code = ExitCode.INTERNAL


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
) -> Iterator[Running]:
    """Start a reference deployment on 127.0.0.1 and end it when the block is left.

    ``port`` 0 takes a free one; the rest as in ``Settings``. Raises SoundcheckError for a wrong
    setting or a taken port, ReferenceFailed if the process does not come up. The process ends by
    itself if this one dies.
    """
    settings = Settings(dialect, api_key, tuple(faults), workers, max_file, limit_counts)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "soundcheck.reference.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            # Ctrl-C must reach only this process, which then ends the child in order.
            start_new_session=True,
        )
        try:
            yield Running(_started(process, settings, port, log), process.pid)
        finally:
            _end(process)


def _started(
    process: subprocess.Popen[bytes], settings: Settings, port: int, log: IO[bytes]
) -> str:
    """Tell the child its settings (by a pipe: a key must not show in the list of processes)."""
    if process.stdin is None or process.stdout is None:
        raise LookupError("the child has no pipes")
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps({**asdict(settings), "port": port}).encode() + b"\n")
        process.stdin.flush()
    line = _first_line(process.stdout)
    if not line:
        log.seek(0)
        tail = "\n".join(log.read().decode(errors="replace").splitlines()[-5:])
        raise ReferenceFailed(f"The reference deployment did not start.\n{tail}".rstrip())
    message = json.loads(line)
    if "error" in message:
        error = SoundcheckError(message["error"])
        error.exit_code = ExitCode(message["exit_code"])
        raise error
    return str(message["base_url"])


def _first_line(stream: IO[bytes]) -> bytes:
    """Return the child's first line, empty if it ends or stays silent for too long."""
    deadline = time.monotonic() + _START_SECONDS
    line = b""
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            return b""
        piece = os.read(stream.fileno(), 4096)
        if not piece:
            return b""
        line += piece
    return line


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child in order by closing its input; by force, with its workers, if that fails."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    try:
        process.wait(_END_SECONDS)
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
