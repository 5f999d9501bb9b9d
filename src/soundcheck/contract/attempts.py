"""Requirements that are noisy by nature are judged several times, and every attempt is shown.

Timing is such a matter: one slow moment of a network says little. How the attempts count:

* A MUST fails with a single attempt that fails. A violation that was seen is one, and no majority
  hides it.
* A SHOULD or MAY is not kept where at least half of the attempts say so; a smaller part is told.
* What could be judged in no attempt is as undecided as the first one; an attempt that could not be
  judged makes the requirement untestable unless the others decide it against the deployment.

Attempts are made from effort ``full`` on. ``quick`` makes one: audio is what a check costs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import Any

from soundcheck.contract.answer import Answers
from soundcheck.contract.probe import Probe
from soundcheck.contract.verdict import (
    VIOLATED,
    Level,
    NotObserved,
    Untestable,
    Verdict,
    sentence_of,
)

_MARK = " (attempt "


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt raised (``None``: the rule was kept), and the exchanges that it read."""

    raised: Exception | None
    exchanges: tuple[str, ...] = ()

    def verdict(self, level: Level) -> Verdict:
        """Return what the attempt alone would have decided."""
        if self.raised is None:
            return Verdict.PASS
        if isinstance(self.raised, NotObserved):
            return Verdict.NOT_APPLICABLE
        return Verdict.UNTESTABLE if isinstance(self.raised, Untestable) else VIOLATED[level]

    @property
    def told(self) -> str:
        """Return why, in one line."""
        return "" if self.raised is None else sentence_of(self.raised)


class Attempted(Exception):
    """Raised by a judge that was asked several times: its ``attempts``, to be counted by level."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        super().__init__(f"{len(attempts)} attempts")
        self.attempts = tuple(attempts)

    def decided(self, level: Level) -> tuple[Verdict, str]:
        """Return the verdict for a requirement of ``level``, and why."""
        verdicts = [attempt.verdict(level) for attempt in self.attempts]
        failed = [n for n, verdict in enumerate(verdicts) if verdict is VIOLATED[level]]
        if failed and (level == "MUST" or 2 * len(failed) >= len(verdicts)):
            first = self.attempts[failed[0]].told
            return VIOLATED[level], f"{first} ({len(failed)} of {len(verdicts)} attempts)"
        for undecided in (Verdict.UNTESTABLE, Verdict.NOT_APPLICABLE):
            if undecided in verdicts and (undecided is Verdict.UNTESTABLE or not _passed(verdicts)):
                number = verdicts.index(undecided)
                return undecided, f"attempt {number + 1}: {self.attempts[number].told}"
        return Verdict.PASS, ""

    def found(self, level: Level) -> str:
        """Return the sentence that tells of every attempt."""
        told = (
            f"{attempt.verdict(level)}{f' ({attempt.told})' if attempt.raised else ''}"
            for attempt in self.attempts
        )
        return f"{len(self.attempts)} attempts: {', '.join(told)}"


def _passed(verdicts: Sequence[Verdict]) -> bool:
    return Verdict.PASS in verdicts


def times(probes: Mapping[str, Probe], attempts: int) -> dict[str, Probe]:
    """Return ``probes`` and as many more sets of them as make ``attempts`` in all."""
    return dict(probes) | {
        _name(name, number): replace(probe, repeat=probe.repeat + number)
        for number in range(1, attempts)
        for name, probe in probes.items()
        if probe.is_request
    }


def repeated(judge: Callable[..., None], attempts: int) -> Callable[..., None]:
    """Return ``judge`` as one that is asked once for each set of answers that it is given."""

    @wraps(judge)
    def judging(answers: Answers, **more: Any) -> None:
        sets = [answers.picked(partial(_in_attempt, n)) for n in range(attempts)]
        if not any(map(len, sets[1:])):  # the effort allows for one attempt
            return judge(answers=answers, **more)
        made = []
        for one in sets:
            digests = tuple(one.digests)
            try:
                judge(answers=one, **more)
            except (AssertionError, NotObserved, Untestable) as raised:
                made.append(Attempt(raised, digests))
            else:
                made.append(Attempt(None, digests))
        raise Attempted(made)

    return judging


def _name(name: str, number: int) -> str:
    return f"{name}{_MARK}{number + 1})"


def _in_attempt(number: int, name: str) -> str | None:
    """Return what the probe ``name`` is called within attempt ``number``, if it is part of it."""
    own, _, attempt = name.partition(_MARK)
    return own if (attempt.rstrip(")") or "1") == str(number + 1) else None
