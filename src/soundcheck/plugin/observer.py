"""Who is told how a session gets on."""

from typing import Protocol

from soundcheck.audio import Clip
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.plan import Cost
from soundcheck.contract.probe import Probe
from soundcheck.report.run import Result


class Observer(Protocol):
    """Takes the events of a session as they happen."""

    def examined(self, deployment: Deployment) -> None:
        """Take the outcome of the preflight."""

    def making(self, clip: Clip | None, done: int, total: int) -> None:
        """Take that ``done`` of ``total`` clips are ready."""

    def planned(self, requirements: int, cost: Cost, searches: Cost) -> None:
        """Take what is going to be asked, and at most by searches, before any of it is sent."""

    def sent(self, probe: Probe) -> None:
        """Take that the answer to ``probe`` is recorded."""

    def judged(self, result: Result) -> None:
        """Take one result."""


class Silent:
    """An observer for sessions whose progress pytest itself shows."""

    def examined(self, deployment: Deployment) -> None:
        """Say nothing."""

    def making(self, clip: Clip | None, done: int, total: int) -> None:
        """Say nothing."""

    def planned(self, requirements: int, cost: Cost, searches: Cost) -> None:
        """Say nothing."""

    def sent(self, probe: Probe) -> None:
        """Say nothing."""

    def judged(self, result: Result) -> None:
        """Say nothing."""
