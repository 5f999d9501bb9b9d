"""How long the lookup recognizer lets its requests take: a queue before equal servers.

Light, since every process that starts a deployment checks its settings.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from soundcheck.errors import SoundcheckError

DEFAULT_LATENCY: Final = "servers=4,mean=0.1,exponential,tokens=50"
_FORM: Final = "servers=4,mean=0.1,exponential,tokens=50"
_KINDS: Final = ("constant", "exponential", "lognormal")
_MOST_SERVERS = 100_000
_LONGEST = 3600.0


class WrongLatency(SoundcheckError):
    """A service model that cannot be read or meant."""


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """A queue (first come, first served) before ``servers`` servers; raises WrongLatency.

    A request takes one of them for a random time of ``mean`` seconds, distributed as ``kind`` says
    (``spread`` is the coefficient of variation, of a lognormal one only), and for ``per_audio_s``
    seconds more per second of its audio. Then its text is there. A stream has its first token then
    and ``tokens`` more per second (None: all at once), and keeps its server until the last.
    ``seed`` decides the random times: the n-th request that gets a server has the n-th.
    """

    servers: int = 1
    mean: float = 0.0
    kind: str = "constant"
    spread: float = 0.0
    tokens: float | None = None
    per_audio_s: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.servers <= _MOST_SERVERS:
            raise _wrong(f"servers is a number from 1 to {_MOST_SERVERS}")
        if not (0 <= self.mean <= _LONGEST and 0 <= self.per_audio_s <= _LONGEST):
            raise _wrong(f"times lie between 0 and {_LONGEST:g} seconds")
        if self.kind not in _KINDS:
            raise _wrong(f"a distribution is one of {', '.join(_KINDS)}")
        if self.tokens is not None and not 0 < self.tokens <= 1e6:
            raise _wrong("tokens is a number of tokens per second above 0")
        if self.kind == "lognormal" and not 0 < self.spread <= 100:
            raise _wrong(
                "lognormal needs its coefficient of variation (above 0), as in lognormal:0.5"
            )

    @classmethod
    def parse(cls, text: str) -> "ServiceModel":
        """Return what ``text`` says, as ``servers=4,mean=0.1,exponential,tokens=50``."""
        model, seen = cls(), set[str]()
        for item in filter(None, (part.strip() for part in text.split(","))):
            name, is_pair, value = item.partition("=")
            kind, _, spread = item.partition(":")
            given = name.strip() if is_pair else "distribution"
            if given in seen:
                raise _wrong(f"{given} is there twice", text)
            seen.add(given)
            if not is_pair and kind in _KINDS:
                if spread and kind != "lognormal":
                    raise _wrong(f"{kind} takes no number", text)
                model = _with(model, text, kind=kind, spread=_number(spread, item, text))
            elif given in ("servers", "seed"):
                model = _with(model, text, **{given: _whole(value, item, text)})
            elif given in ("mean", "tokens", "per_audio_s"):
                model = _with(model, text, **{given: _number(value, item, text)})
            else:
                raise _wrong(f"{item!r} is not known", text)
        if "mean" not in seen and "per_audio_s" not in seen:
            raise _wrong("the mean time of service (seconds) is missing", text)
        return model

    @property
    def gap_s(self) -> float:
        """Seconds from one token of a stream to the next."""
        return 1 / self.tokens if self.tokens else 0.0

    def times(self) -> Iterator[float]:
        """Yield the random part of each request's time in seconds; it never ends."""
        source = random.Random(self.seed)  # noqa: S311  # to be repeated, not to be secret
        sigma = math.sqrt(math.log1p(self.spread**2))
        mu = math.log(self.mean) - sigma**2 / 2 if self.mean else -math.inf
        while True:
            if not self.mean or self.kind == "constant":
                yield self.mean
            elif self.kind == "exponential":
                yield source.expovariate(1 / self.mean)
            else:
                yield source.lognormvariate(mu, sigma)

    def __str__(self) -> str:
        """Return the text that ``parse`` reads."""
        items = [f"servers={self.servers}", f"mean={self.mean:g}"]
        items.append(self.kind + (f":{self.spread:g}" if self.kind == "lognormal" else ""))
        if self.tokens is not None:
            items.append(f"tokens={self.tokens:g}")
        if self.per_audio_s:
            items.append(f"per_audio_s={self.per_audio_s:g}")
        if self.seed != 1:
            items.append(f"seed={self.seed}")
        return ",".join(items)


def _with(model: ServiceModel, text: str, **values: object) -> ServiceModel:
    try:
        return replace(model, **values)  # type: ignore[arg-type]  # checked by its own rules
    except WrongLatency as error:
        raise WrongLatency(f"{error} (in {text!r})") from None


def _number(value: str, item: str, text: str) -> float:
    if not value:
        return 0.0
    try:
        number = float(value)
    except ValueError:
        raise _wrong(f"{item!r} needs a number", text) from None
    if not math.isfinite(number):
        raise _wrong(f"{item!r} needs a finite number", text)
    return number


def _whole(value: str, item: str, text: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise _wrong(f"{item!r} needs a whole number", text) from None


def _wrong(why: str, text: str = "") -> WrongLatency:
    where = f" in {text!r}" if text else ""
    return WrongLatency(f"A service model is written like {_FORM}: {why}{where}.")
