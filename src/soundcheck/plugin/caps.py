"""Plans that are larger than what the user allows: told before anything of them is sent."""

from collections.abc import Callable, Iterable, Mapping

from soundcheck.contract.plan import Cost
from soundcheck.contract.probe import Probe
from soundcheck.contract.traffic import Caps
from soundcheck.errors import ExitCode, SoundcheckError

Price = Callable[[Iterable[Probe]], Cost]


class OverCaps(SoundcheckError):
    """A plan that exceeds a cap; nothing of it was sent."""

    exit_code = ExitCode.NO_VERDICT


def over_caps(caps: Caps, cost: Cost, areas: Mapping[str, Iterable[Probe]], price: Price) -> str:
    """Return what to tell of a plan of ``cost`` that exceeds ``caps``.

    ``areas`` are the probes of each area of the catalogue, and ``price`` tells what probes cost:
    the areas that fit, the cheapest first, are named.
    """
    needed = " ".join(f"{option} {value}" for option, value in caps.exceeded_by(cost).items())
    fitting: dict[str, str] = {}
    together: dict[str, Probe] = {}
    for area, probes in sorted(areas.items(), key=lambda item: price(item[1]).requests):
        more = together | {probe.digest: probe for probe in probes}
        if probes and not caps.exceeded_by(price(more.values())):
            together, fitting[area] = more, f"--only {area}"
    narrowed = f"; {' '.join(fitting.values())} would fit" if fitting else ""
    return (
        f"the plan is more than a cap allows, and nothing of it was sent: it needs {needed}"
        f"{narrowed}; --yes sends as much as fits, and --resume RUN goes on later"
    )
