"""Searching for a request that a deployment does not answer as it must, and for the simplest.

Hypothesis makes up the requests, by a fixed seed and without its database of examples, and makes
one that failed simpler as long as a simpler one fails too. All is a function of the answers: a
recorded search is judged again by them. What it asks is counted: equal requests are asked once.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from soundcheck.audio.library import cache_folder
from soundcheck.contract.answer import Answer
from soundcheck.contract.probe import Probe
from soundcheck.contract.schema import enveloped
from soundcheck.contract.verdict import Untestable

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

SEED = 20_480
"""What all searches begin with: the same answers lead to the same requests."""

MOST_UNANSWERED = 8
"""Requests without an answer that a search waits for: each takes all of its patience."""

Ask = Callable[[Probe], Answer]


class _Over(BaseException):
    """Ends a search at once; nothing in Hypothesis may take it for a failure of the test."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was not answered as it must be: why, and the digest of the exchange."""

    probe: Probe
    why: str
    exchange: str


@dataclass(slots=True)
class Search:
    """One search: it asks by ``ask``, ``most`` requests at most, half of them until one fails.

    An error need not come in its ``envelope`` where that is accepted. ``failed`` are those that
    did, in order, ``stopped`` says what ended the search early.
    """

    ask: Ask
    most: int
    envelope: bool = True
    failed: list[Failure] = field(default_factory=list)
    exchanges: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    stopped: str = ""
    _known: dict[str, bool] = field(default_factory=dict)

    def run(self, requests: "SearchStrategy[Probe]") -> Failure | None:
        """Return the simplest failure found, ``None`` where all was answered as it must be."""
        # Half a second of imports, which runs without a search are spared.
        from hypothesis import HealthCheck, Phase, Verbosity, find, settings
        from hypothesis.errors import NoSuchExample

        chosen = settings(
            max_examples=self.most // 2,
            database=None,
            deadline=None,
            derandomize=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            print_blob=False,
            backend="hypothesis",
        )
        with _nothing_but_the_seed(), suppress(NoSuchExample, _Over):
            simplest = find(requests, self._fails, settings=chosen, random=Random(SEED))  # noqa: S311
            return next(one for one in self.failed if one.probe.digest == simplest.digest)
        return self.failed[-1] if self.failed else None

    def _fails(self, probe: Probe) -> bool:
        """Tell whether ``probe`` is answered as it must not be; asks only what it may."""
        if probe.digest in self._known:
            return self._known[probe.digest]
        if len(self.exchanges) >= self.most or self.outcomes["timeout"] > MOST_UNANSWERED:
            return False
        try:
            answer = self.ask(probe)
        except Untestable as error:
            self.stopped = str(error)
            raise _Over from None
        why, outcome = judged(probe, answer, envelope=self.envelope)
        self.outcomes[outcome] += 1
        self.exchanges.append(answer.exchange.digest)
        if why:
            self.failed.append(Failure(probe, why, answer.exchange.digest))
        self._known[probe.digest] = bool(why)
        return bool(why)

    @property
    def told(self) -> str:
        """Return what was asked and answered, and by which seed, for the report."""
        from hypothesis import __version__

        seen = ", ".join(f"{times} x {outcome}" for outcome, times in sorted(self.outcomes.items()))
        return f"{len(self.exchanges)} requests by seed {SEED} (Hypothesis {__version__}): {seen}"


def judged(probe: Probe, answer: Answer, *, envelope: bool = True) -> tuple[str, str]:
    """Return what is wrong with the answer to an odd request, ``""`` if nothing, and its outcome.

    Right is a transcript, in JSON where no other format is asked for, or a client error, which
    comes in its ``envelope`` where that is asked for.
    """
    error = answer.exchange.error
    in_json = all(part.name != "response_format" for part in probe.parts)
    try:
        if answer.status == 200:
            _ = answer.text if in_json else answer.body
        elif envelope:
            enveloped(answer.refused())
        else:
            answer.refused()
    except AssertionError as wrong:
        return str(wrong), error.kind if error is not None else str(answer.status)
    return "", str(answer.status)


def search_for_failure(
    ask: Ask,
    most: int,
    requests: "SearchStrategy[Probe]",
    found: Callable[[str], None],
    after: Probe,
    *,
    envelope: bool = True,
) -> None:
    """Fail if one of ``most`` odd ``requests`` is not answered as it must be.

    The report has the simplest such request, by its ``mistake``. Errors come in an ``envelope``
    unless a profile accepts that they do not. ``after`` is what the deployment
    must still transcribe in the end. Raises ``Untestable`` where the search was cut short.
    """
    search = Search(ask, most - 1, envelope)
    simplest = search.run(requests)
    found(search.told)
    last, reason = None, ""
    try:
        last = ask(after)
    except Untestable as error:
        reason = str(error)
    died = _first_about(search.exchanges, (search.stopped, reason))
    if simplest is not None:
        with suppress(Untestable):
            ask(simplest.probe)  # what a judge comes back to is shown first
        told = f"{simplest.probe.mistake}: {simplest.why} (exchange {simplest.exchange})"
        raise AssertionError(f"{told}; {died}" if died else told)
    if died:
        raise AssertionError(died)
    if last is None or search.stopped:
        raise Untestable(search.stopped or reason)
    if last.status != 200:
        raise AssertionError(f"after all of them: {last.excerpt}")


def _first_about(exchanges: list[str], reasons: Iterable[str]) -> str:
    """Return the first of ``reasons`` that names one of ``exchanges``: it ended the deployment."""
    return next((one for one in reasons if any(name in one for name in exchanges)), "")


@contextmanager
def _nothing_but_the_seed() -> Iterator[None]:
    """Keep Hypothesis from what would make searches differ, and from the folder one works in.

    Since 6.131 it tries numbers and words out of the source of whatever is loaded: what is sent
    would differ with the program that a run is part of. And it keeps its tables of characters in a
    folder ``.hypothesis``, where it was started.
    """
    from hypothesis import configuration

    home = vars(configuration).get("__hypothesis_home_directory")
    configuration.set_hypothesis_home_dir(home or cache_folder() / "hypothesis")
    try:
        with _without_words_of_modules():
            yield
    finally:
        configuration.set_hypothesis_home_dir(home)


@contextmanager
def _without_words_of_modules() -> Iterator[None]:
    from hypothesis.internal.conjecture import providers

    nothing = getattr(providers, "Constants", None)
    cache = getattr(providers, "CONSTANTS_CACHE", None)
    if nothing is None or cache is None:
        yield
        return
    usual = providers._get_local_constants
    empty = nothing()
    providers._get_local_constants = lambda: empty
    cache.cache.clear()
    try:
        yield
    finally:
        providers._get_local_constants = usual
        cache.cache.clear()
