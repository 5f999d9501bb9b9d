"""Where a session's answers come from: a deployment, or a run that was recorded earlier."""

from collections.abc import Callable, Iterable
from typing import Protocol

from soundcheck.contract.answer import Answer
from soundcheck.contract.probe import Probe
from soundcheck.contract.uploaded import uploaded
from soundcheck.contract.verdict import Untestable
from soundcheck.http.store import Store


class Source(Protocol):
    """Gives the answers to probes."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a report has to tell of the sending."""

    @property
    def held(self) -> str:
        """Why the rest was not sent, ``""`` while it is: a cap, or a pause asked for."""

    def examined(self, model: str) -> None:
        """Take the model under test, once it is known."""

    def expect(self, probes: Iterable[Probe]) -> None:
        """Take note of all that will be asked for: some of it goes out together."""

    def recorded(self, probe: Probe) -> bool:
        """Tell whether the answer to ``probe`` is already in the run folder."""

    def answer(self, probe: Probe, *, timeout: float | None = None) -> Answer:
        """Return the answer to ``probe``; raises ``Untestable`` where there can be none."""

    def send_all(self, probes: Iterable[Probe], progress: Callable[[Probe], None]) -> None:
        """See to it that every one of ``probes`` is answered; ``progress`` is told of each."""

    def stop(self) -> None:
        """Send nothing more."""

    def close(self) -> None:
        """Let go of every connection."""


class Recording:
    """The exchanges of a run folder, judged again; nothing is sent."""

    notes: tuple[str, ...] = ()
    held = ""

    def __init__(self, store: Store) -> None:
        self._store = store

    def examined(self, model: str) -> None:
        """Take the model under test, which no request needs any more."""

    def expect(self, probes: Iterable[Probe]) -> None:
        """Take no note: nothing is sent."""

    def recorded(self, probe: Probe) -> bool:
        """Tell whether the run holds the answer to ``probe``."""
        return self._store.path(probe.digest).exists()

    def answer(self, probe: Probe, *, timeout: float | None = None) -> Answer:
        """Return the recorded answer.

        Raises ``Untestable`` where the run has none that can be read.
        """
        try:
            exchange = self._store.load(probe.digest)
            clip = None if exchange is None else uploaded(exchange)
        except (ValueError, KeyError, TypeError, OSError):
            raise Untestable(f"the recorded exchange {probe.digest} is damaged") from None
        if exchange is None:
            raise Untestable("the recorded run has no answer to this request")
        return Answer(exchange, clip)

    def send_all(self, probes: Iterable[Probe], progress: Callable[[Probe], None]) -> None:
        """Send nothing."""

    def stop(self) -> None:
        """Do nothing: nothing is sent."""

    def close(self) -> None:
        """Do nothing: there are no connections."""
