"""A part of a reference deployment as a child process: told its settings, ended in order."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any

from soundcheck.errors import ExitCode, SoundcheckError

_START_SECONDS = 60.0
_END_SECONDS = 10.0


class ReferenceFailed(SoundcheckError):
    """A part of the reference deployment did not start."""

    exit_code = ExitCode.INTERNAL


@contextmanager
def started(
    module: str, told: Mapping[str, Any], name: str
) -> Iterator[tuple[dict[str, Any], int]]:
    """Start ``python -m module`` and end it when the block is left.

    It gets ``told`` as a line of JSON, and what it answers with, once it works, is returned with
    the id of its process. ``name`` is what messages call it. Raises SoundcheckError for what the
    child refuses (an answer with ``error`` and ``exit_code``), ReferenceFailed if it does not come
    up. The child ends by itself if this process dies.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603  # our own module, no shell
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            # Ctrl-C must reach only this process, which then ends the child in order.
            start_new_session=True,
        )
        try:
            yield _answer(process, told, name, log), process.pid
        finally:
            _end(process)


def _answer(
    process: subprocess.Popen[bytes], told: Mapping[str, Any], name: str, log: IO[bytes]
) -> dict[str, Any]:
    """Tell the child its settings (by a pipe: a key must not show in the list of processes)."""
    if process.stdin is None or process.stdout is None:
        raise LookupError("the child has no pipes")
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(told).encode() + b"\n")
        process.stdin.flush()
    line = _first_line(process.stdout)
    if not line:
        log.seek(0)
        tail = "\n".join(log.read().decode(errors="replace").splitlines()[-5:])
        raise ReferenceFailed(f"{name} did not start.\n{tail}".rstrip())
    message: dict[str, Any] = json.loads(line)
    if "error" in message:
        error = SoundcheckError(message["error"])
        error.exit_code = ExitCode(message["exit_code"])
        raise error
    return message


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
