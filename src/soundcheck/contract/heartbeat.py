"""The heartbeat: one plain request tells whether a deployment survived what was sent to it."""

import threading
from collections.abc import Callable

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
    ``model`` is asked for the sign of life. Safe to use from several threads: a fault that many
    probes meet at once is looked into once.
    """

    model = "whisper-1"

    def __init__(self, send: Callable[[Probe], Exchange], wait: Callable[[float], bool]) -> None:
        self._send = send
        self._wait = wait
        self._lock = threading.Lock()
        self._beats = 0
        self._hostile = 0
        self.stopped_after = ""

    def after(self, probe: Probe, exchange: Exchange) -> None:
        """Look into what ``exchange`` may mean for the deployment."""
        if probe.lane is Lane.PREFLIGHT:
            return
        suspicious = _broke_off(exchange)
        if probe.lane is Lane.HOSTILE:
            self._hostile += 1
            failed = exchange.response is not None and exchange.response.status >= 500
            suspicious = suspicious or failed or self._hostile % EVERY == 0
        if not suspicious:
            return
        seen = self._beats
        with self._lock:
            if self.stopped_after or self._beats > seen:  # another thread has just found out
                return
            if not self._is_there():
                self.stopped_after = (
                    f"the deployment stopped answering after {probe.told} "
                    f"(exchange {exchange.digest})"
                )

    def _is_there(self) -> bool:
        for pause in (*PAUSES, None):
            self._beats += 1
            beat = self._send(_beat(self._beats).on(self.model))
            if not _broke_off(beat) or pause is None or self._wait(pause):
                return not _broke_off(beat)
        return False


def _beat(number: int) -> Probe:
    return transcription(
        "hello.wav", language="en", lane=Lane.HOSTILE, patience=PATIENCE, repeat=1000 + number
    )


def _broke_off(exchange: Exchange) -> bool:
    return exchange.error is not None and exchange.error.kind in ("refused", "reset", "timeout")
