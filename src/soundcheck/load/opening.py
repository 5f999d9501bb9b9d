"""What happens before the load: forms are made, one request is sent, the client is measured."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from soundcheck.errors import ExitCode, SoundcheckError, Unreachable
from soundcheck.load import messages
from soundcheck.load.crew import Crew
from soundcheck.load.mixing import mix_request
from soundcheck.load.options import Settings, plain
from soundcheck.load.stage import Scenario

_PREPARE_S = 300.0
_SELFTEST_S = 60.0
_MARGIN_S = 15.0
_NO_KEY = "it wants a key (--stt-api-key-env), or refuses the one that a header holds"
_NO_ANSWER = ("refused", "unresolved", "tls", "reset", "timeout", "not-http")

logger = logging.getLogger(__name__)


class Opening:
    """Gets the workers of a run ready, and knows what they said.

    ``options`` are Locust's parsed ones. ``forms`` are the mix's descriptions by number, and
    ``floors`` the shortest service time seen of each form, in nanoseconds. ``recognizer`` is what
    the bundled reference says of its own, None of any other deployment.
    """

    def __init__(
        self,
        run: str,
        crew: Crew,
        settings: Settings,
        options: Mapping[str, Any],
        *,
        host: str,
        users: int,
        user_class: Any,
        scenario: Scenario,
        is_interrupted: Callable[[], bool],
    ) -> None:
        self._run = run
        self._crew = crew
        self._settings = settings
        self._host = host
        self._is_interrupted = is_interrupted
        self._told = {
            "run": run,
            "options": plain(options),
            "host": host,
            "users": users,
            "mix": mix_request(settings, user_class, scenario),
            "transport": settings.transport or user_class.transport,
        }
        self._asked_late: set[str] = set()
        self.prepared: set[str] = set()
        self.forms: dict[int, Mapping[str, Any]] = {}
        self.mix_sha256 = ""
        self.recognizer: str | None = None
        self.floors: dict[int, int] = {}
        self.selftest: dict[str, Any] | None = None

    @property
    def mean_audio_s(self) -> float:
        """Return the seconds of audio of a request of the mix, on average."""
        weights: float = sum(one["weight"] for one in self.forms.values())
        audio_s = sum(one["audio_s"] * one["weight"] for one in self.forms.values())
        return float(audio_s / weights) if audio_s else 1.0

    @property
    def stream_share(self) -> float:
        """Return the share of the mix's requests that ask for a stream."""
        share: float = sum(one["weight"] for one in self.forms.values() if one["stream"])
        return min(1.0, share)

    def prepare(self) -> tuple[str, ...]:
        """Have all workers make the forms; return their ids."""
        workers = self._crew.present()
        self._crew.forget(messages.READY)
        for worker in workers:
            self._crew.tell(worker, messages.PREPARE, self._told)
        answers = self._answers(messages.READY, workers, _PREPARE_S)
        if len({one["sha256"] for one in answers.values()}) > 1:
            raise SoundcheckError(
                "the workers make different clips: install the same version on all of them"
            )
        first = answers[workers[0]]
        self.mix_sha256 = first["sha256"]
        self.forms = {one["number"]: one for one in first["forms"]}
        self.prepared = set(workers)
        slo = self._settings.slo
        if slo.needs_stream and not self.stream_share:
            raise SoundcheckError(
                f"the SLO {slo} has a limit on the first text, which only streams have: "
                "add --stt-stream 1"
            )
        return workers

    def preflight(self, worker: str) -> str:
        """Send one request; return what is wrong with its answer, empty if nothing is.

        A deployment that is not there, or refuses the key or the path, raises Unreachable.
        """
        self._crew.forget(messages.PREFLIGHTED)
        self._crew.tell(worker, messages.PREFLIGHT, {"run": self._run})
        patience = self._settings.timeout + _MARGIN_S
        answer = self._answers(messages.PREFLIGHTED, (worker,), patience)[worker]
        cause, status, detail = answer["cause"], answer["status"], answer["detail"]
        self.recognizer = answer.get("recognizer")
        if floor := answer.get("floor"):
            self.floors[floor[0]] = floor[1]
        said = detail or str(status or cause)
        if status in (401, 403):
            name = self._settings.api_key_env
            key = f"the key in {name} is refused" if name else _NO_KEY
            raise Unreachable(f"{self._host}: {key} ({said})")
        if status in (404, 405):
            raise Unreachable(
                f"{self._host}: no transcriptions there ({said}): does the URL end as the API's "
                "does, normally in /v1, and is the model one of its own?"
            )
        if cause in _NO_ANSWER and not status:
            answered = "an answer that is no HTTP" if cause == "not-http" else "no answer"
            raise Unreachable(f"{self._host} gave {answered} ({said})")
        return said if cause else ""

    def test_selves(self, workers: tuple[str, ...], wanted: bool) -> str:
        """Have all workers measure at once what they can send; return what went wrong.

        They also leave out of garbage collection what is there by now, so this is always asked.
        """
        self._crew.forget(messages.SELFTESTED)
        for worker in workers:
            self._crew.tell(worker, messages.SELFTEST, {**self._told, "wanted": wanted})
        try:
            answers = self._answers(messages.SELFTESTED, workers, _SELFTEST_S)
        except SoundcheckError as error:
            if error.exit_code is not ExitCode.USAGE:
                raise
            return str(error)
        results = [one["result"] for one in answers.values() if one.get("result")]
        if results:
            self.selftest = combined(results)
        return ""

    def join_late_comers(self) -> int:
        """Prepare workers that came after the run began; return how many have got ready."""
        answers = self._crew.answered(messages.READY)
        ready = 0
        for worker in tuple(self._asked_late):
            answer = answers.get(worker)
            if answer is not None and answer["run"] == self._run:
                self._asked_late.discard(worker)
                if answer.get("sha256") == self.mix_sha256:
                    self.prepared.add(worker)
                    ready += 1
        for worker in self._crew.with_users():
            if worker not in self.prepared and worker not in self._asked_late:
                self._asked_late.add(worker)
                self._crew.tell(worker, messages.PREPARE, self._told)
        return ready

    def _answers(
        self, message: str, workers: tuple[str, ...], patience_s: float
    ) -> dict[str, Mapping[str, Any]]:
        return self._crew.answers(message, workers, self._run, patience_s, self._is_interrupted)


def combined(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the workers' self-tests as one: what they send adds up, the worst timing counts."""
    errors = [one["timing_error_us"] for one in results if one["timing_error_us"]]
    cpu = [one["cpu_us_per_request"] for one in results]
    return {
        "ceiling_rps": sum(one["ceiling_rps"] for one in results),
        "workers": len(results),
        "upload_bytes": results[0]["upload_bytes"],
        "cpu_us_per_request": sum(cpu) / len(cpu),
        "timing_error_us": max(errors, key=lambda one: one["user"]["p99"], default=None),
    }
