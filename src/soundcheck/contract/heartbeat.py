"""The heartbeat: one plain request tells whether a deployment survived what was sent to it."""

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from soundcheck.contract.probe import Lane, Probe, transcription
from soundcheck.http.exchange import Exchange

EVERY = 10
"""Hostile probes between two heartbeats when nothing seems wrong."""

PATIENCE = 30.0
"""Seconds that a heartbeat may take: a deployment that needs longer for two words is down."""

PAUSES = (1.0, 4.0)
"""Seconds between the heartbeats of one check: a supervisor may start a server again meanwhile."""


class Heartbeat:
    """Watches exchanges and asks, where one went wrong, whether the deployment still answers.

    ``send`` sends a probe; ``wait`` sleeps for seconds and tells whether the run has ended;
    ``model`` is asked for the sign of life. What was found stands in the file ``grave``, for all
    processes that share a run folder. Safe to use from several threads: a fault that many probes
    meet at once is looked into once.
    """

    model = "whisper-1"

    def __init__(
        self, send: Callable[[Probe], Exchange], wait: Callable[[float], bool], grave: Path
    ) -> None:
        self._send = send
        self._wait = wait
        self._grave = grave
        self._lock = threading.Lock()
        self._beats = 0
        self._hostile = 0
        self._last = ""

    @property
    def stopped_after(self) -> str:
        """Return what the deployment stopped answering after, ``""`` while it answers."""
        try:
            return self._grave.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def after(self, probe: Probe, exchange: Exchange) -> None:
        """Look into what ``exchange`` may mean for the deployment."""
        if probe.lane in (Lane.PREFLIGHT, Lane.WIRE) or not probe.is_request:
            return
        told = f"{probe.told} (exchange {exchange.digest})"
        # Who only met a closed door did not close it.
        closed = exchange.error is not None and exchange.error.kind == "refused"
        suspect = self._last if closed and self._last else told
        self._last = self._last if closed else told
        suspicious = exchange.error is not None
        if probe.lane is Lane.HOSTILE:
            self._hostile += 1
            failed = exchange.response is not None and exchange.response.status >= 500
            suspicious = suspicious or failed or self._hostile % EVERY == 0
        if not suspicious:
            return
        seen = self._beats
        with self._lock:
            if self._beats > seen or self.stopped_after:  # another has just found out
                return
            if not self._is_there():
                message = f"the deployment stopped answering after {suspect}"
                self._grave.write_text(message, encoding="utf-8")

    def _is_there(self) -> bool:
        for pause in (*PAUSES, None):
            self._beats += 1
            beat = self._send(_beat(self._beats).on(self.model))
            if beat.error is None or pause is None or self._wait(pause):
                return beat.error is None
        return False


def expected_beats(probes: Iterable[Probe]) -> list[Probe]:
    """Return the heartbeats that sending ``probes`` takes where nothing goes wrong."""
    hostile = sum(probe.lane is Lane.HOSTILE and probe.is_request for probe in probes)
    return [_beat(number) for number in range(hostile // EVERY)]


def _beat(number: int) -> Probe:
    return transcription(
        "hello.wav",
        language="en",
        lane=Lane.HOSTILE,
        patience=PATIENCE,
        repeat=1000 * os.getpid() + number,  # other processes of the run have hearts of their own
    )
