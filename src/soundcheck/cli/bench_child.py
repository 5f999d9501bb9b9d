"""The load generator as a child process: Locust, with its progress read from a pipe.

Locust patches sockets and threads of the process that imports it, so that is never this one. The
child is in a process group of its own: Ctrl-C in a terminal reaches this process alone, which asks
the child once to end and to save what was measured.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundcheck.errors import ExitCode, Interrupted

TOGETHER_S = 2.0
"""Seconds after a first interrupt in which others are taken for the same one."""
SILENCE_S = 900.0
"""Seconds without a word from the child after which it is given up; it makes audio at first."""
FINISH_S = 60.0
"""Seconds that the child has to end after it told that it is done."""

# A terminal that is closed must not lose a run, either.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LINES = 40
_SHOWN = 15
_CHUNK = 1 << 16

Told = Callable[[Mapping[str, Any]], None]
"""Takes an event of the child: see ``soundcheck.load.progress``."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the child ended: its exit code (below 0: by a signal), and what it said at the end."""

    code: int
    verdict: str
    error: str
    last_lines: str
    interrupted: bool


def command(locustfile: Path, host: str, options: Sequence[tuple[str, str]]) -> list[str]:
    """Return the command line of the child, but for the descriptor of its progress.

    It is one that anybody can type: ``options`` are pairs like ``("--stt-rate", "20")``.
    """
    words = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"]
    words += ["--host", host]
    # One word each: a value may begin with a hyphen.
    return words + [f"{name}={value}" if value else name for name, value in options]


def run(words: Sequence[str], told: Told) -> Ended:
    """Run the child to its end and hand every event to ``told``.

    The first interrupt (or SIGTERM, SIGHUP) is passed on, once; a later one ends the child at once
    and raises Interrupted. Nothing of the child is left behind.
    """
    reader, writer = os.pipe()
    child: subprocess.Popen[bytes] | None = None
    ears: _Ears | None = None
    try:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            [*words, f"--stt-progress-fd={writer}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(writer,),
            process_group=0,
            # Locust reads options from variables too: a run is what its command line says.
            env={name: text for name, text in os.environ.items() if name[:7] != "LOCUST_"},
        )
        os.close(writer)
        writer = -1
        ears = _Ears(child)
        with _passed_on(child) as interrupts:
            return _followed(child, reader, told, interrupts, ears)
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
        if child is not None:
            _end(child)
        if ears is not None:
            ears.last_lines()


class _Ears:
    """Keeps the last lines that the child writes to standard error."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def last_lines(self) -> list[str]:
        """Return the lines, once the child and all that it started have ended."""
        self._thread.join(timeout=5)
        return list(self._lines)

    def _listen(self) -> None:
        stream = self._child.stderr
        assert stream is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(ValueError, OSError), stream:
            for line in stream:
                self._lines.append(line.decode(errors="replace").rstrip())


class _Interrupts:
    """Ctrl-C and SIGTERM as they come: the first is passed on to the child, once."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child
        self._begun: float | None = None
        self.at_once = False

    def __call__(self, *_: object) -> None:
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGINT)
        elif now - self._begun > TOGETHER_S:
            self.at_once = True

    @property
    def any(self) -> bool:
        """Tell whether there was one."""
        return self._begun is not None


@contextlib.contextmanager
def _passed_on(child: "subprocess.Popen[bytes]") -> Iterator[_Interrupts]:
    interrupts = _Interrupts(child)
    numbers = [n for n in _ENDING if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupts) for number in numbers}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _followed(
    child: "subprocess.Popen[bytes]",
    reader: int,
    told: Told,
    interrupts: _Interrupts,
    ears: _Ears,
) -> Ended:
    received = bytearray()
    ending: dict[str, str] = {}
    was_told = False
    deadline = time.monotonic() + SILENCE_S
    is_open = True
    while child.poll() is None and time.monotonic() < deadline:
        if interrupts.at_once:
            raise Interrupted("ended at once; what was measured is lost")
        if interrupts.any and not was_told:
            was_told = True
            told({"event": "interrupted"})
            deadline = time.monotonic() + FINISH_S
        if not is_open or not select.select([reader], [], [], 0.2)[0]:
            time.sleep(0 if is_open else 0.1)
            continue
        is_open = _read(reader, received)
        for event in _events(received):
            _take(event, told, ending)
            left = FINISH_S if "verdict" in ending or was_told else SILENCE_S
            deadline = time.monotonic() + left
    is_given_up = child.poll() is None
    _end(child)
    while is_open and select.select([reader], [], [], 0)[0]:  # what came at the very end
        is_open = _read(reader, received)
    for event in _events(received):
        _take(event, told, ending)
    said = ears.last_lines()
    return Ended(
        code=ExitCode.INTERNAL if is_given_up else child.returncode,
        verdict=ending.get("verdict", ""),
        error=ending.get("error", "") or _own_message(said),
        last_lines="\n".join(said[-_SHOWN:]),
        interrupted=interrupts.any,
    )


def _take(event: Mapping[str, Any], told: Told, ending: dict[str, str]) -> None:
    if event.get("event") == "end":
        ending["verdict"] = str(event.get("verdict", ""))
    elif event.get("event") == "error":
        ending["error"] = str(event.get("text", ""))
    told(event)


def _read(reader: int, received: bytearray) -> bool:
    """Read what there is; tell whether more may come."""
    data = os.read(reader, _CHUNK)
    received += data
    return bool(data)


def _events(received: bytearray) -> Iterator[Mapping[str, Any]]:
    """Take the whole lines off ``received``; one that is no event is passed over."""
    *lines, rest = bytes(received).split(b"\n")
    received[:] = rest
    for line in lines:
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event


def _own_message(lines: Sequence[str]) -> str:
    """Return what the child said is wrong: its own message, or that of its command line's parser.

    The parser's comes after a usage of many lines, which says nothing to somebody who typed
    another command.
    """
    for line in reversed(lines):
        if line.startswith("soundcheck: "):
            return line.removeprefix("soundcheck: ")
        if line.startswith("locust: error: "):
            return line.removeprefix("locust: error: ")
    return ""


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End what is left of the child and of its workers."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
