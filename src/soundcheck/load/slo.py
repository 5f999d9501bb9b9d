"""Service level objectives: ``p95<2s,ttfd_p95<600ms,errors<1%``."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from soundcheck.errors import SoundcheckError

_TIME = re.compile(r"(?:(latency|ttfd)_)?p([0-9]+(?:\.[0-9]+)?)<([0-9]*\.?[0-9]+)(ms|s)")
_ERRORS = re.compile(r"errors<([0-9]*\.?[0-9]+)%")
_EXAMPLE = "write limits as p95<2s, ttfd_p95<600ms or errors<1%, with commas between them"


@dataclass(frozen=True, slots=True)
class Limit:
    """At least ``share`` of all arrivals keep ``metric`` under ``limit_s`` (errors: no limit).

    ``p95<2s`` is latency, 0.95, 2.0. ``errors<1%`` is errors, 0.99, None: a share that succeeds.
    """

    metric: Literal["latency", "ttfd", "errors"]
    share: float
    limit_s: float | None
    text: str

    def kept(self, latency_s: float | None, ttfd_s: float | None) -> bool:
        """Tell whether one arrival keeps it; None is an error or a time that never came.

        A text that began in time does not help an answer that failed in the end.
        """
        if self.limit_s is None or latency_s is None:
            return latency_s is not None
        time = latency_s if self.metric == "latency" else ttfd_s
        return time is not None and time < self.limit_s


@dataclass(frozen=True, slots=True)
class Slo:
    """Limits, all of which must be kept; falsy where there are none."""

    limits: tuple[Limit, ...]

    @classmethod
    def parse(cls, text: str) -> "Slo":
        """Return what ``text`` says; raises SoundcheckError with what would be right.

        An empty text is no limit. Blanks and capitals do not matter; ``latency_p95`` is ``p95``.
        """
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        limits: list[Limit] = []
        for part in parts:
            limit = _limit(part)
            for other in limits:
                if (other.metric, other.share) == (limit.metric, limit.share) or (
                    limit.metric == other.metric == "errors"
                ):
                    raise SoundcheckError(
                        f"the SLO says {other.text} and {limit.text}: keep one of them"
                    )
            limits.append(limit)
        return cls(tuple(limits))

    @property
    def needs_stream(self) -> bool:
        """Tell whether a limit speaks of the first text, which only streams have."""
        return any(limit.metric == "ttfd" for limit in self.limits)

    @property
    def shortest_s(self) -> float | None:
        """Return the shortest time that a limit names, which timing errors are compared with."""
        return min((one.limit_s for one in self.limits if one.limit_s is not None), default=None)

    @property
    def longest_s(self) -> float | None:
        """Return the longest latency that a limit names: how long a good answer may take."""
        times = [one.limit_s for one in self.limits if one.metric == "latency" and one.limit_s]
        return max(times, default=None)

    def __bool__(self) -> bool:
        return bool(self.limits)

    def __str__(self) -> str:
        return ",".join(limit.text for limit in self.limits)


def _limit(part: str) -> Limit:
    said = f"the SLO {part!r}"
    compact = re.sub(r"\s+", "", part).lower()
    if found := _ERRORS.fullmatch(compact):
        percent = Decimal(found[1])
        if not 0 < percent < 100:
            raise SoundcheckError(f"{said}: the share of errors is between 0 % and 100 %")
        return Limit("errors", float(1 - percent / 100), None, f"errors<{_plain(percent)}%")
    if found := _TIME.fullmatch(compact):
        rank, time = Decimal(found[2]), Decimal(found[3])
        if not 50 <= rank <= Decimal("99.9"):
            raise SoundcheckError(f"{said}: percentiles go from p50 to p99.9")
        if len(_plain(rank)) > 4:
            raise SoundcheckError(f"{said}: a percentile has at most one decimal, like p99.9")
        seconds = time / 1000 if found[4] == "ms" else time
        if not 0 < seconds <= 86_400:
            raise SoundcheckError(f"{said}: a limit is more than 0 and at most a day")
        metric: Literal["latency", "ttfd"] = "ttfd" if found[1] == "ttfd" else "latency"
        prefix = "ttfd_" if metric == "ttfd" else ""
        text = f"{prefix}p{_plain(rank)}<{_plain(time)}{found[4]}"
        return Limit(metric, float(rank / 100), float(seconds), text)
    raise SoundcheckError(f"{said}: {_hint(compact)}{_EXAMPLE}")


def _hint(compact: str) -> str:
    """Return what is most likely wrong, where that can be told."""
    if not compact:
        return "a limit is missing between commas; "
    if ">" in compact:
        return "limits are upper limits, with <; "
    if "<=" in compact:
        return "write < instead of <=; "
    if re.fullmatch(r"(\w+_)?p[0-9.]+<[0-9.]+", compact):
        return "the unit is missing, s or ms; "
    if re.fullmatch(r"errors?<[0-9.]+", compact):
        return "the share of errors needs its %; "
    if (found := re.match(r"([a-z]+)_p", compact)) and found[1] not in ("latency", "ttfd"):
        return f"{found[1]!r} is not measured, latency and ttfd are; "
    return ""


def _plain(number: Decimal) -> str:
    """Return a number without exponent and needless zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
