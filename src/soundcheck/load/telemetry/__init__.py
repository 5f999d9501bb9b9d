"""The server's own figures during a run: queue, cache, GPUs, power; and what they cost.

A process of its own reads them (``sampler``) into a file without a name; here they are only
counted up. So nothing waits for a metrics server that is slow, and nothing but a wrong setting
is ever raised: what could not be read is told once, in the notes.
"""

import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from soundcheck.errors import SoundcheckError
from soundcheck.load.telemetry.known import MOST_SERIES
from soundcheck.load.telemetry.records import NVML, Place, Records
from soundcheck.load.telemetry.scrape import checked, shown
from soundcheck.load.telemetry.summary import Window, idle_gpus, of_stage, plotted, renewal_s, worth

INTERVAL_S = 1.0
_END_SECONDS = 2.0
_SLOW_RENEWAL = 5.0


class WrongPattern(SoundcheckError):
    """An expression for names of metrics that is none."""


class Telemetry:
    """Reads the metrics of ``urls`` once a second, from ``start`` to ``stop``.

    Recorded are the known ones and those whose name one of the expressions ``patterns`` finds. If
    ``target``, the deployment's base URL, is on this machine, its GPUs are read too. ``gpu_price``
    is per GPU and hour; ``gpus`` says how many there are where nobody tells. HTTPS trusts ``roots``
    as well. Raises SoundcheckError for what cannot be meant.
    """

    def __init__(
        self,
        urls: Sequence[str] = (),
        patterns: Sequence[str] = (),
        *,
        target: str = "",
        gpu_price: float | None = None,
        gpus: int | None = None,
        roots: Path | None = None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._urls = [checked(url) for url in urls]
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise WrongPattern(f"{pattern!r} is no regular expression: {error}.") from None
        self._price = gpu_price
        self._gpus = gpus
        self._task = {
            "urls": self._urls,
            "patterns": list(patterns),
            "gpu": is_local(target),
            "roots": None if roots is None else str(roots),
            "interval_s": interval_s,
        }
        self._records = Records()
        self._process: subprocess.Popen[bytes] | None = None
        self._file: IO[bytes] | None = None
        self._read = 0
        self._troubles: list[str] = []

    def start(self, origin_ns: int | None = None) -> None:
        """Begin to read; times count from ``origin_ns`` of the monotonic clock (None: now)."""
        self._records.origin_ns = time.monotonic_ns() if origin_ns is None else origin_ns
        if self._process is not None or not (self._urls or self._task["gpu"]):
            return
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop
            self._process = subprocess.Popen(  # our own module, no shell
                [sys.executable, "-m", "soundcheck.load.telemetry.sampler"],
                stdin=subprocess.PIPE,
                stdout=self._file,
                stderr=subprocess.DEVNULL,
                # Ctrl-C must reach only this process, which then ends the child in order.
                start_new_session=True,
            )
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps(self._task).encode() + b"\n")
                self._process.stdin.flush()
        except OSError as error:
            self._troubles.append(f"The metrics could not be read: {error.strerror}.")

    def stop(self) -> None:
        """End the reading; what was read is kept."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is not None:
                self._troubles.append("The process that reads the metrics ended before the run.")
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._catch_up()
        if self._file is not None:
            self._file.close()
            self._file = None

    def stage_summary(self, begin_s: float, end_s: float) -> dict[str, float | None]:
        """Return the figures of a window, seconds after the run's begin; see ``of_stage``."""
        self._catch_up()
        return of_stage(self._records, begin_s, end_s)

    def result(self, windows: Sequence[Window]) -> dict[str, Any] | None:
        """Return what was found out, judged by ``windows``; None where there was nothing to read.

        A window is its begin, its end and the audio seconds transcribed in it.
        """
        self._catch_up()
        records = self._records
        if not self._urls and not records.places and not self._troubles:
            return None
        seen = len(records.gpus)
        gpus = self._gpus or seen or None
        found = worth(records, windows, gpus, self._price)
        names = (records.gpu_names.get(gpu, "") for gpu in records.gpus)
        return {
            "metrics_url": ", ".join(map(shown, self._urls)) or None,
            "series": plotted(records),
            "gpus": gpus,
            "gpu_names": [name for name in names if name],
            "rtfx_per_gpu": found.rtfx_per_gpu,
            "joules_per_audio_hour": found.joules_per_audio_hour,
            "cost_per_audio_hour": found.cost_per_audio_hour,
            "gpu_price_per_hour": self._price,
            "notes": [*self._troubles, *self._place_notes(), *self._gpu_notes(seen)],
        }

    def _place_notes(self) -> list[str]:
        notes = []
        for number, url in enumerate(self._urls):
            notes += _notes(shown(url), self._records.places.get(number))
        if (local := self._records.places.get(NVML)) is not None and local.failures:
            notes.append(f"This machine's GPUs were not read: {local.first_failure[1]}.")
        return notes

    def _gpu_notes(self, seen: int) -> list[str]:
        notes = []
        if self._gpus and seen and self._gpus != seen:
            notes.append(
                f"{seen} GPUs were seen, and {self._gpus} stated: energy is of those seen."
            )
        if seen and (idle := idle_gpus(self._records)):
            notes.append(f"{idle} of {seen} GPUs did nothing; they are counted all the same.")
        if seen and (every := renewal_s(self._records) or 0.0) > _SLOW_RENEWAL:
            notes.append(
                f"The GPUs' figures were renewed every {every:.0f} s only: those of short windows "
                "are rough."
            )
        if not seen and not self._gpus and self._price is not None:
            notes.append("No GPU was seen, so what an hour of audio costs is not known.")
        if seen and not self._records.has_exporter:
            notes.append("The GPUs are those of the machine that made the load.")
        return notes

    def _catch_up(self) -> None:
        """Take what the process has written since; lines are taken whole."""
        if self._file is None:
            return
        with suppress(OSError):
            while data := os.pread(self._file.fileno(), 2**22, self._read):
                whole = data.rfind(b"\n") + 1
                if not whole:
                    return
                self._read += whole
                for line in data[:whole].splitlines():
                    with suppress(ValueError, KeyError, TypeError):
                        self._records.take(line)


def is_local(url: str) -> bool:
    """Tell whether a URL's host is this machine by its loopback address."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _notes(url: str, place: Place | None) -> list[str]:
    """Return what must be said of one URL, a sentence each."""
    if place is None:
        return [f"{url} was not read: the run ended before."]
    at, why = place.first_failure
    if not place.readings:
        return [f"{url} was never read: {why}."]
    notes = []
    if place.failures:
        tries = place.failures + place.readings
        notes.append(f"{url}: {place.failures} of {tries} readings failed, at {at:.1f} s: {why}.")
    if place.is_empty:
        notes.append(f"{url} has none of the metrics that are known or asked for.")
    if place.left_out:
        notes.append(f"{url}: of the metrics asked for, {MOST_SERIES} series were recorded.")
    return notes
