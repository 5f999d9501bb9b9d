"""When requests are to begin: one seeded schedule for all workers.

The times of a schedule are those of a point process with a given rate. Where the rate changes, a
unit-rate Poisson process is run through the inverse of the rate's integral (Çinlar 1975), so that
one seed gives one schedule. Random numbers come from ``random.Random``, whose ``random()`` Python
promises to keep the same for a seed.
"""

import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundcheck.errors import SoundcheckError

FASTEST = 1_000_000.0
"""The highest rate in requests per second that a schedule may ask for."""
SEED = 44
"""The seed of who names none. Its Poisson arrivals are nearly as many as the rate says, also in
short windows: chance allows a tenth more or less in the 12 s of ``soundcheck bench`` by itself.
"""
LARGEST_TRACE = 5_000_000
"""The most arrivals that a trace file may have."""

_FORMS = {
    "constant": "constant:RATE",
    "poisson": "poisson:RATE",
    "gamma": "gamma:RATE,SHAPE",
    "ramp": "ramp:FROM..TO",
    "burst": "burst:BASE,PEAK,EVERY,FOR",
    "trace": "trace:FILE",
    "closed": "closed:N",
}
_COUNTS = {"constant": 1, "poisson": 1, "gamma": 2, "ramp": 2, "burst": 4, "closed": 1}


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A model of arrivals, written ``kind:numbers`` as ``parse`` reads it.

    * ``constant:RATE``, ``poisson:RATE``, ``gamma:RATE,SHAPE`` (1 is Poisson, less is burstier)
    * ``ramp:FROM..TO``: Poisson whose rate grows over the whole stage
    * ``burst:BASE,PEAK,EVERY,FOR``: Poisson at BASE, and at PEAK for the FOR seconds in the middle
      of every EVERY seconds
    * ``trace:FILE``: a time in seconds per line
    * ``closed:N``: no schedule, N requests under way

    Rates are in requests per second. A trace's ``numbers`` are its times and ``file`` its name.
    """

    kind: str
    numbers: tuple[float, ...]
    file: str = ""

    @classmethod
    def parse(cls, text: str) -> "Arrivals":
        """Return what ``text`` says; raises SoundcheckError with what would be right.

        A trace file has a time in seconds per line, in order; empty lines and those that begin
        with # are passed over.
        """
        kind, colon, rest = text.strip().partition(":")
        kind = kind.strip().lower()
        if kind not in _FORMS:
            known = ", ".join(_FORMS.values())
            raise SoundcheckError(f"arrivals {text!r}: unknown kind {kind!r}; write one of {known}")
        if not colon or not rest.strip():
            raise SoundcheckError(f"arrivals {text!r}: write {_FORMS[kind]}")
        if kind == "trace":
            file = rest.strip()
            return cls("trace", tuple(_read_trace(Path(file))), file)
        parts = re.split(r"\.\.|,", rest) if kind == "ramp" else rest.split(",")
        try:
            numbers = tuple(float(part) for part in parts)
        except ValueError:
            raise SoundcheckError(
                f"arrivals {text!r}: {rest!r} is not what {_FORMS[kind]} asks for"
            ) from None
        if len(numbers) != _COUNTS[kind]:
            raise SoundcheckError(f"arrivals {text!r}: write {_FORMS[kind]}")
        if problem := _problem(kind, numbers):
            raise SoundcheckError(f"arrivals {text!r}: {problem}")
        return cls(kind, numbers)

    @classmethod
    def from_message(cls, message: Any) -> "Arrivals":
        """Return what ``to_message`` gave."""
        return cls(message["kind"], tuple(message["numbers"]), message["file"])

    def to_message(self) -> Any:
        """Return plain lists, numbers and texts for a message; a trace's times included."""
        return {"kind": self.kind, "numbers": list(self.numbers), "file": self.file}

    @property
    def is_closed(self) -> bool:
        """Tell whether the next request waits for an answer."""
        return self.kind == "closed"

    @property
    def under_way(self) -> int:
        """Return how many requests a closed loop keeps under way (0 where open)."""
        return int(self.numbers[0]) if self.is_closed else 0

    @property
    def length_s(self) -> float | None:
        """Return how long a trace lasts in seconds; None where there is no end."""
        return self.numbers[-1] if self.kind == "trace" else None

    @property
    def rate(self) -> float:
        """Return the mean rate in requests per second (0 where closed)."""
        first = self.numbers[0]
        if self.kind == "closed":
            return 0.0
        if self.kind == "ramp":
            return (first + self.numbers[1]) / 2
        if self.kind == "burst":
            base, peak, every, length = self.numbers
            return base + (peak - base) * length / every
        if self.kind == "trace":
            return len(self.numbers) / max(self.numbers[-1], 1.0)
        return first

    @property
    def peak(self) -> float:
        """Return the highest rate in requests per second: what the client must be able to send."""
        if self.kind == "ramp":
            return max(self.numbers)
        if self.kind == "burst":
            return max(self.numbers[:2])
        if self.kind == "trace":
            return _busiest_second(self.numbers)
        return self.rate

    def times(self, seconds: float, seed: int) -> Iterator[float]:
        """Yield the times of all arrivals in [0, ``seconds``), in order: the same for a seed.

        A closed loop has none.
        """
        if self.kind == "closed":
            return iter(())
        if self.kind == "trace":
            return (time for time in self.numbers if time < seconds)
        if self.kind == "constant":
            return _constant(self.numbers[0], seconds)
        chance = random.Random(seed)  # noqa: S311 - a schedule is no secret
        if self.kind == "gamma":
            return _gamma(self.numbers[0], self.numbers[1], seconds, chance)
        if self.kind == "ramp":
            return _ramp(self.numbers[0], self.numbers[1], seconds, chance)
        if self.kind == "burst":
            return _burst(self.numbers, seconds, chance)
        return _poisson(self.numbers[0], seconds, chance)

    def __str__(self) -> str:
        """Return the text that ``parse`` reads."""
        if self.kind == "trace":
            return f"trace:{self.file}"
        between = ".." if self.kind == "ramp" else ","
        return f"{self.kind}:{between.join(_plain(number) for number in self.numbers)}"


def stage_seed(seed: int, stage: int) -> int:
    """Return the seed of the stage with that number: windows of a run must not repeat each other.

    Both are mixed so that no two (seed, stage) of practical size meet.
    """
    return seed * 1_000_003 + stage


def _problem(kind: str, numbers: tuple[float, ...]) -> str:
    """Return what is wrong with the numbers, or an empty text."""
    if not all(math.isfinite(number) for number in numbers):
        return "numbers must be finite"
    if kind == "closed":
        if numbers[0] != int(numbers[0]) or not 1 <= numbers[0] <= 100_000:
            return "N is a whole number from 1 to 100000"
        return ""
    rates = numbers[:2] if kind in ("ramp", "burst") else numbers[:1]
    if max(rates) <= 0 or min(rates) < 0:
        return "rates are greater than 0"
    if max(rates) > FASTEST:
        return f"rates go up to {FASTEST:.0f} per second"
    if kind == "gamma" and not 0.01 <= numbers[1] <= 1000:
        return "SHAPE is between 0.01 (bursts) and 1000 (nearly constant)"
    if kind == "burst" and not 0 < numbers[3] < numbers[2]:
        return "a burst lasts FOR seconds, more than 0 and less than the EVERY seconds between them"
    return ""


def _constant(rate: float, seconds: float) -> Iterator[float]:
    # Products, not sums: sums of a rounded gap would drift over hours.
    number = 0
    while (time := number / rate) < seconds:
        yield time
        number += 1


def _unit_poisson(chance: random.Random) -> Iterator[float]:
    """Yield the times of a Poisson process of rate 1, without end."""
    time = 0.0
    while True:
        time -= math.log(1.0 - chance.random())
        yield time


def _poisson(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    for unit in _unit_poisson(chance):
        if (time := unit / rate) >= seconds:
            return
        yield time


def _gamma(rate: float, shape: float, seconds: float, chance: random.Random) -> Iterator[float]:
    time = 0.0
    while True:
        time += chance.gammavariate(shape, 1 / (rate * shape))
        if time >= seconds:
            return
        yield time


def _ramp(first: float, last: float, seconds: float, chance: random.Random) -> Iterator[float]:
    growth = (last - first) / seconds if seconds > 0 else 0.0
    whole = (first + last) / 2 * seconds
    for unit in _unit_poisson(chance):
        if unit >= whole:
            return
        # first * t + growth / 2 * t² = unit, solved without cancellation for small growth.
        root = math.sqrt(max(first * first + 2 * growth * unit, 0.0))
        yield min(2 * unit / (first + root), math.nextafter(seconds, 0))


def _burst(numbers: tuple[float, ...], seconds: float, chance: random.Random) -> Iterator[float]:
    base, peak, every, length = numbers
    quiet = (every - length) / 2
    before, during = base * quiet, peak * length
    period = 2 * before + during
    for unit in _unit_poisson(chance):
        periods, rest = divmod(unit, period)
        if rest < before:
            within = rest / base
        elif rest < before + during or not base:
            within = quiet + (rest - before) / peak
        else:
            within = quiet + length + (rest - before - during) / base
        if (time := periods * every + within) >= seconds:
            return
        yield time


def _read_trace(path: Path) -> Iterator[float]:
    """Yield the times of a trace file; raises SoundcheckError that names the line."""
    last = 0.0
    count = 0
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                text = line.strip()
                if not text or text.startswith("#"):
                    continue
                where = f"{path}:{number}"
                try:
                    time = float(text)
                except ValueError:
                    raise SoundcheckError(
                        f"{where}: {text[:40]!r} is not a time in seconds"
                    ) from None
                if not 0 <= time < math.inf:
                    raise SoundcheckError(f"{where}: {text[:40]} is not a time from 0 on")
                if time < last:
                    raise SoundcheckError(f"{where}: {text[:40]} is before the line above it")
                count += 1
                if count > LARGEST_TRACE:
                    raise SoundcheckError(f"{where}: more than {LARGEST_TRACE} arrivals")
                last = time
                yield time
    except UnicodeDecodeError:
        raise SoundcheckError(f"{path}: the trace is no text (UTF-8)") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SoundcheckError(f"{path}: the trace cannot be read: {reason}") from None
    if not count:
        raise SoundcheckError(f"{path}: there is no arrival in this trace")


def _busiest_second(times: tuple[float, ...]) -> float:
    """Return the most arrivals within any second."""
    most = first = 0
    for index, time in enumerate(times):
        while times[first] <= time - 1:
            first += 1
        most = max(most, index - first + 1)
    return float(most)


def _plain(number: float) -> str:
    """Return a number so that ``float`` reads the same one, whole ones without a point."""
    return str(int(number)) if number == int(number) else repr(float(number))
