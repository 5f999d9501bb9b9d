"""The workers of a run as its conductor sees them: who is there, what they are told and answer.

In a run without workers the only one is the process itself.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gevent

from soundcheck.errors import ExitCode, Interrupted, SoundcheckError

LOCAL = "local"
_PRESENT = ("ready", "spawning", "running")
_GONE_S = 10.0
"""Seconds after which a worker counts as gone before the load: Locust calls it missing after three
without a sign of life, and a busy machine can keep it that long."""


class Crew:
    """Sends messages to workers, and keeps their answers until they are asked for."""

    def __init__(self, runner: Any, is_master: bool) -> None:
        self._runner = runner
        self._is_master = is_master
        self._answers: dict[str, dict[str, Mapping[str, Any]]] = {}

    @property
    def is_distributed(self) -> bool:
        """Tell whether the workers are other processes."""
        return self._is_master

    def present(self) -> tuple[str, ...]:
        """Return the ids of all workers that are there, the oldest first."""
        if not self._is_master:
            return (LOCAL,)
        clients = self._runner.clients
        found = [one.id for one in clients.all if one.state in _PRESENT]
        return tuple(sorted(found, key=self._runner.get_worker_index))

    def with_users(self) -> tuple[str, ...]:
        """Return the ids of the workers that have users."""
        if not self._is_master:
            return (LOCAL,)
        return tuple(one for one in self.present() if self._runner.clients[one].user_count)

    def tell(self, worker: str, message: str, data: Mapping[str, Any]) -> None:
        """Send a message to a worker; to one that has gone, nothing is sent."""
        if worker in self.present():
            self._runner.send_message(message, data, client_id=worker)

    def take(self, message: str, worker: str, data: Mapping[str, Any]) -> None:
        """Keep a worker's answer."""
        self._answers.setdefault(message, {})[worker] = data

    def forget(self, message: str) -> None:
        """Forget earlier answers of a kind, before asking again."""
        self._answers.pop(message, None)

    def answered(self, message: str) -> dict[str, Mapping[str, Any]]:
        """Return the answers of a kind that have come, by worker."""
        return self._answers.get(message, {})

    def answers(
        self,
        message: str,
        workers: Iterable[str],
        run: str,
        patience_s: float,
        is_interrupted: Callable[[], bool],
    ) -> dict[str, Mapping[str, Any]]:
        """Wait for the answers of ``workers`` in the run and return them by worker.

        Raises SoundcheckError when one reports a problem, goes, or is silent for too long.
        """
        asked = tuple(workers)
        deadline = time.monotonic() + patience_s
        away_since: dict[str, float] = {}
        while True:
            came = self._answers.get(message, {})
            found = {one: came[one] for one in asked if one in came and came[one]["run"] == run}
            for told in found.values():
                if "problem" in told:
                    error = SoundcheckError(told["problem"])
                    error.exit_code = ExitCode(told.get("exit_code", ExitCode.USAGE))
                    raise error
            if len(found) == len(asked):
                return found
            if is_interrupted():
                raise Interrupted("the run was stopped before the load began")
            present = self.present()
            now = time.monotonic()
            away_since = {
                one: away_since.get(one, now)
                for one in asked
                if one not in found and one not in present
            }
            gone = any(now - since > _GONE_S for since in away_since.values())
            if gone or now > deadline:
                error = SoundcheckError(
                    "a worker was lost before the load began"
                    if gone
                    else f"a worker did not get ready within {patience_s:.0f} s"
                )
                error.exit_code = ExitCode.NO_VERDICT
                raise error
            gevent.sleep(0.02)
