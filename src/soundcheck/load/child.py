"""The self-test's process, as the worker that starts it sees it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import gevent

from soundcheck.errors import SoundcheckError

_CHILD_SECONDS = 120.0


class Child:
    """The self-test's process: it makes missing clips, and measures when it is told to go.

    Its answers are lines of JSON; ``error`` in one ends it. Neither Locust nor its patches are
    there, so that making clips, in processes of its own, is as safe as elsewhere.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "soundcheck.load.selftest"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process, which then ends the child
        )
        task = {name: told[name] for name in ("mix", "users", "transport")}
        self._write(json.dumps({**task, "secure": told["host"].startswith("https")}))

    def go(self) -> None:
        """Let it measure."""
        self._write("go")

    def answer(self) -> dict[str, Any]:
        """Return its next answer; raises SoundcheckError for what it says is wrong."""
        line = b""
        if self._process.stdout is not None:
            with gevent.Timeout(_CHILD_SECONDS, False):
                line = self._process.stdout.readline()
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:
            self.end()
            raise SoundcheckError("the self-test ended before its time") from None
        if "error" in told:
            raise SoundcheckError(told["error"])
        return told

    def end(self) -> None:
        """End it, by force if need be."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write(self, line: str) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(line.encode() + b"\n")
                self._process.stdin.flush()
