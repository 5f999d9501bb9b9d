"""How much is sent, and how fast: caps, a rate, and pauses that a deployment asks for.

What was counted stands in the run folder, so that all processes of a run keep to it together.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from soundcheck.contract.plan import Cost
from soundcheck.contract.verdict import Untestable
from soundcheck.errors import SoundcheckError
from soundcheck.http.exchange import Response

LONGEST_WAIT = 60.0
"""Seconds that a pause is waited for: a deployment that asks for more is asked nothing more."""

FIRST_GAP, LONGEST_GAP = 0.05, 1.0
"""Seconds between two requests after a first 429, and at most: each further burst doubles them."""

GIVEN_UP = 20
"""Requests in a row that stay refused by 429, after which no more is sent."""

_TICK = 0.5


class Held(Untestable):
    """A request was not sent: a cap is reached, or the deployment wants no more for now."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that one run may ask; ``None`` is no bound.

    Raises SoundcheckError for what is no amount.
    """

    requests: int | None = None
    audio_minutes: float | None = None
    upload_mb: float | None = None

    def __post_init__(self) -> None:
        """Refuse bounds under which nothing could be sent."""
        for name, value in asdict(self).items():
            if value is not None and not 0 < value < math.inf:
                raise SoundcheckError(f"--max-{name.replace('_', '-')} must be more than 0")

    def exceeded_by(self, cost: Cost) -> dict[str, str]:
        """Return the options that ``cost`` is too much for, and the value that each would need."""
        wanted = {
            "--max-requests": (self.requests, cost.requests, f"{cost.requests}"),
            "--max-audio-minutes": (
                self.audio_minutes,
                cost.audio_s / 60,
                f"{cost.audio_s / 60 + 0.05:.1f}",
            ),
            "--max-upload-mb": (
                self.upload_mb,
                cost.upload_bytes / 1e6,
                f"{cost.upload_bytes / 1e6 + 0.05:.1f}",
            ),
        }
        return {
            option: needed
            for option, (most, value, needed) in wanted.items()
            if most is not None and value > most
        }


@dataclass(frozen=True, slots=True)
class Manners:
    """How a deployment is asked: ``max_rate`` is in requests per second, ``None`` no bound."""

    caps: Caps = Caps()
    max_rate: float | None = None

    def __post_init__(self) -> None:
        """Refuse a rate at which nothing would ever be sent."""
        if self.max_rate is not None and not 0 < self.max_rate < math.inf:
            raise SoundcheckError("--max-rate must be more than 0 requests per second")


FREE = Manners()


class Traffic:
    """Gives leave to send; safe for the threads and processes that share ``folder``.

    ``wait`` sleeps for seconds and tells whether the run has ended.
    """

    def __init__(self, folder: Path, manners: Manners, wait: Callable[[float], bool]) -> None:
        self._file = folder / "traffic"
        self._lock = folder / "traffic.lock"
        self._manners = manners
        self._wait = wait
        self._counts = manners != FREE

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what reports have to tell: a cap that was reached, and pauses that were kept."""
        state = self._state()
        slowed = state["slowed"]
        times = "once" if slowed == 1 else f"{slowed} times"
        told = f"the deployment asked {times} for a pause (429 or 503): all requests kept to it"
        return tuple(filter(None, (state["held"], told if slowed else "")))

    @property
    def held(self) -> str:
        """Return why the rest is not sent, ``""`` while it is."""
        return str(self._state()["held"])

    def take(self, cost: Cost) -> None:
        """Wait until a request of ``cost`` may be sent, and count it.

        Raises :class:`Held` where it may not be sent in this run, ``Untestable`` when the run ends.
        """
        if not self._counts and not self._file.exists():
            return
        slot = None
        while True:
            with FileLock(self._lock):
                state, now = self._state(), time.monotonic()
                if slot is None:
                    self._count(state, cost)
                if slot is None or slot < state["until"]:
                    slot = max(now, state["next"], state["until"])
                    state["next"] = slot + self._gap(state)
                    self._write(state)
            if slot <= now:
                return
            if self._wait(min(_TICK, slot - now)):
                raise Untestable("the run was interrupted before it was answered")

    def _count(self, state: dict[str, Any], cost: Cost) -> None:
        if not state["held"]:
            spent = Cost(**state["spent"]).plus(cost.requests, cost.audio_s, cost.upload_bytes)
            exceeded = self._manners.caps.exceeded_by(spent)
            if exceeded:
                option = next(iter(exceeded))
                state["held"] = (
                    f"not all sent: {option} is reached; raise it, or go on with --resume RUN"
                )
            elif state["until"] - time.monotonic() > LONGEST_WAIT:
                seconds = state["until"] - time.monotonic()
                state["held"] = (
                    f"not all sent: the deployment asks for a pause of {seconds:.0f} s "
                    "(Retry-After); go on after it with --resume RUN"
                )
            else:
                state["spent"] = asdict(spent)
                return
        self._write(state)
        raise Held(state["held"])

    def answered(self, status: int | None) -> None:
        """Take note of the last answer to a request, after which it is not sent again."""
        if status != 429 and not self._file.exists():
            return
        with FileLock(self._lock):
            state = self._state()
            state["refused"] = state["refused"] + 1 if status == 429 else 0
            if state["refused"] >= GIVEN_UP:
                state["held"] = state["held"] or (
                    f"not all sent: {GIVEN_UP} requests in a row were refused by 429 (too many "
                    "requests); go on later with --resume RUN, more slowly with --max-rate"
                )
            self._write(state)

    def pause(self, seconds: float) -> None:
        """Let nobody send anything for ``seconds``, and everybody more slowly from then on."""
        with FileLock(self._lock):
            state, now = self._state(), time.monotonic()
            if now >= state["until"]:  # else one more answer to the same burst
                state["gap"] = min(LONGEST_GAP, max(FIRST_GAP, 2 * state["gap"]))
                state["slowed"] += 1
            state["until"] = max(state["until"], now + seconds)
            state["next"] = max(state["next"], state["until"])
            self._write(state)

    def _gap(self, state: dict[str, Any]) -> float:
        rate = self._manners.max_rate
        return max(float(state["gap"]), 1 / rate if rate else 0.0)

    def _state(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"spent": asdict(Cost()), "next": 0.0, "until": 0.0, "gap": 0.0}
        empty |= {"slowed": 0, "refused": 0, "held": ""}
        with contextlib.suppress(FileNotFoundError):
            empty |= json.loads(self._file.read_text(encoding="utf-8"))
        return empty

    def _write(self, state: dict[str, Any]) -> None:
        # Readers of the notes take no lock: they see the old state or the new one.
        partial = self._file.with_suffix(".part")
        partial.write_text(json.dumps(state), encoding="utf-8")
        partial.replace(self._file)


def retry_after(response: Response) -> float | None:
    """Return the seconds that Retry-After names (RFC 9110, section 10.2.3), else ``None``.

    A date is counted from the answer's own Date, where it has one: clocks differ.
    """
    headers = dict(response.headers)
    named = headers.get("retry-after", "").strip()
    if named.isascii() and named.isdigit():
        return float(named[:9])
    until = _date(named)
    if until is None:
        return None
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
