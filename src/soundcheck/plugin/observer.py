"""Who is told how a session gets on."""

import sys
from typing import Protocol

import pytest

from soundcheck.audio import Clip
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.plan import Cost
from soundcheck.contract.probe import Probe
from soundcheck.report.run import Result


class Observer(Protocol):
    """Takes the events of a session as they happen."""

    def examined(self, deployment: Deployment) -> None:
        """Take the outcome of the preflight."""

    def tapping(self, instructions: str) -> None:
        """Take what the user has to type, now that the tap listens."""

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

    def tapping(self, instructions: str) -> None:
        """Say nothing."""

    def making(self, clip: Clip | None, done: int, total: int) -> None:
        """Say nothing."""

    def planned(self, requirements: int, cost: Cost, searches: Cost) -> None:
        """Say nothing."""

    def sent(self, probe: Probe) -> None:
        """Say nothing."""

    def judged(self, result: Result) -> None:
        """Say nothing."""


class Aloud(Silent):
    """An observer for plain pytest that tells only what the user has to do."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def tapping(self, instructions: str) -> None:
        """Print ``instructions`` past pytest's capture."""
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if capture is None:
            sys.stderr.write(f"{instructions}\n")
            return
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"{instructions}\n")
