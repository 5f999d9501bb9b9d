"""One run: a scenario's stages, one after the other, and the files that it leaves."""

import logging
import tempfile
import time
import uuid
from collections.abc import Mapping
from typing import Any

import gevent

from soundcheck.errors import ExitCode, Interrupted, SoundcheckError
from soundcheck.load import messages, result
from soundcheck.load.arrivals import stage_seed
from soundcheck.load.attendance import Attendance
from soundcheck.load.bench_file import check_folder, write_bench, write_report, write_samples
from soundcheck.load.crew import Crew
from soundcheck.load.gathering import Gathering, Spool
from soundcheck.load.judged import Judged, Scale, judged, verdict
from soundcheck.load.messages import StageOrder
from soundcheck.load.opening import Opening
from soundcheck.load.options import Settings
from soundcheck.load.own_pace import scenario_of
from soundcheck.load.progress import Progress
from soundcheck.load.stage import Capacity, Met, Observation, Plan, Stage
from soundcheck.load.telemetry import Telemetry
from soundcheck.load.verified import is_verified

SHARE_OF_CEILING = 0.6
"""Share of the client's ceiling from which on a rate is refused: near it, waiting begins here."""

EXIT_CODES = {
    "measured": ExitCode.OK,
    "met": ExitCode.OK,
    "missed": ExitCode.FAILED,
    "failed": ExitCode.FAILED,
    "invalid": ExitCode.NO_VERDICT,
    "incomplete": ExitCode.NO_VERDICT,
}

_SPAWN_S = 30.0
_BEGIN_LOCAL_S, _BEGIN_DISTRIBUTED_S = 0.2, 1.0
_SECOND = 1_000_000_000

logger = logging.getLogger(__name__)


class Run:
    """One run, from Locust's test start to its files. Raises SoundcheckError for wrong options.

    ``is_interrupted`` is set to have it end and save what there is.
    """

    def __init__(self, environment: Any, runner: Any, crew: Crew, settings: Settings) -> None:
        self._runner = runner
        self._crew = crew
        self._settings = settings
        self._options = environment.parsed_options
        self._user_class = environment.user_classes[0]
        self._scenario = scenario_of(environment.user_classes)
        self._own_pace = not self._user_class.follows_schedule
        self._users = max(1, runner.target_user_count)
        self._host = str(environment.host or self._user_class.host or "").rstrip("/")
        self._id = uuid.uuid4().hex
        self._origin = time.monotonic_ns()
        self._started = time.time()
        self._rows: list[dict[str, Any]] = []
        self._sent = 0
        self._is_gone = False
        self._cut = ""
        self._gathering: Gathering | None = None
        self._problems: list[str] = []
        self.is_over = False
        self.is_interrupted = False
        self.progress = Progress(settings.progress_fd)
        # Whoever reads the progress has options of shorter names: soundcheck bench.
        self._prefix = "--stt-" if settings.progress_fd is None else "--"
        self._opening = Opening(
            self._id,
            crew,
            settings,
            vars(self._options),
            host=self._host,
            users=self._users,
            user_class=self._user_class,
            scenario=self._scenario,
            is_interrupted=self._is_stopped,
        )
        if settings.out is not None:
            check_folder(settings.out)
        self._telemetry = Telemetry(
            settings.metrics_url,
            settings.metrics_match,
            target=self._host,
            gpu_price=settings.gpu_price,
            gpus=settings.gpus,
            roots=settings.tls_roots,
        )
        self._spool = Spool(
            tempfile.TemporaryFile(dir=settings.out, buffering=0)  # noqa: SIM115 - see close
        )
        self._full = ""

    def report(self, message: Mapping[str, Any]) -> None:
        """Take a worker's report of the stage under way; others are too late."""
        gathering = self._gathering
        if gathering is None or message["run"] != self._id:
            return
        if message["stage"] != gathering.number:
            return
        if trouble := message.get("trouble"):
            self._problem(f"A user's task broke off: {trouble}")
        opening = self._opening
        for form in message.get("forms", ()):
            opening.forms[form["number"]] = form
        for number, service in message["floors"].items():
            opening.floors[number] = min(service, opening.floors.get(number, service))
        try:
            gathering.add(message)
        except OSError as error:
            self._full = f"the samples cannot be kept: {error.strerror}"

    def close(self) -> None:
        """Give up what the run holds."""
        self.is_over = True
        self._telemetry.stop()
        self._spool.close()

    def conduct(self) -> ExitCode:
        """Lead the run to its end and return the exit code; raises SoundcheckError."""
        self._telemetry.start(self._origin)
        plan = self._open()
        course = self._scenario.course(plan)
        capacity: Capacity | None = None
        try:
            stage = next(course)
            while True:
                stage = course.send(self._measure(stage))
        except StopIteration as end:
            capacity = end.value
        return self._finish(capacity)

    def _open(self) -> Plan:
        opening, settings = self._opening, self._settings
        self._scenario.estimate_s(plan_of(settings, self._users))  # may refuse the options
        workers = opening.prepare()
        if wrong := opening.preflight(workers[0]):
            self._note(f"The first request failed ({wrong}); the load goes on.")
        self._sent += 1
        wanted = settings.selftest and settings.ceiling is None and not self._own_pace
        if wanted:
            self._note("Measuring what this client can send.")
        if wrong := opening.test_selves(workers, wanted):
            self._problem(f"The client's ceiling is not known: {wrong}.")
        plan = plan_of(
            settings, self._users, self._ceiling, opening.mean_audio_s, opening.recognizer
        )
        seconds = self._scenario.estimate_s(plan)
        text = f"{self._scenario.name}: {self._scenario.question} About {seconds:.0f} s."
        logger.info(text)
        self.progress.tell("plan", text=text, seconds=seconds)
        self._wait_for_users()
        return plan

    @property
    def _ceiling(self) -> float | None:
        if self._settings.ceiling is not None:
            return self._settings.ceiling
        measured = self._opening.selftest
        return None if measured is None else float(measured["ceiling_rps"])

    def _wait_for_users(self) -> None:
        patience = _SPAWN_S + self._users / max(self._options.spawn_rate or 1, 1)
        deadline = time.monotonic() + patience
        while self._runner.state in ("ready", "spawning") and time.monotonic() < deadline:
            gevent.sleep(0.02)
            if self._is_stopped():
                raise Interrupted("the run was stopped before the load began")
        if not self._crew.with_users():
            raise Interrupted("no worker has any users: see their logs")

    def _measure(self, stage: Stage) -> Observation:
        """Run a stage, and once more if it was INVALID and asks for that."""
        rows = len(self._rows)
        found = self._stage(stage, repeated=False)
        was_run = len(self._rows) > rows
        if found.limit and stage.repeat_invalid and not found.ended and was_run:
            self._note(f"{stage.name} is INVALID and run once more. {found.limit}")
            found = self._stage(stage, repeated=True)
        return found

    def _stage(self, stage: Stage, *, repeated: bool) -> Observation:
        if cap := self._cap():
            return self._not_run(cap, ended=True)
        if told := self._over_ceiling(stage):
            if not any(row["measured"] for row in self._rows):
                raise SoundcheckError(told)
            self._problem(f"{stage.name} was not run: {told}.")
            return self._not_run(f"client ceiling: {told}", ended=False)
        if self._opening.join_late_comers():
            self._note("A worker that joined late takes part from here on.")
        prepared = self._opening.prepared
        workers = tuple(one for one in self._crew.with_users() if one in prepared)
        if not workers:
            return self._not_run("no worker is left", ended=True)
        number = len(self._rows) + 1
        seed = stage_seed(self._settings.seed, number)
        begin_in = _BEGIN_DISTRIBUTED_S if self._crew.is_distributed else _BEGIN_LOCAL_S
        gathering = self._gathering = Gathering(number, workers, self._spool)
        begin_s = (time.monotonic_ns() - self._origin) / _SECOND + begin_in
        most = self._settings.max_requests
        left = None if most is None else most - self._sent
        for index, worker in enumerate(workers):
            place = (index, len(workers))
            order = StageOrder(
                self._id, number, stage, seed, *place, begin_in, left, self._own_pace
            )
            self._crew.tell(worker, messages.STAGE, order.to_message())
        length = stage.warm_up_s + stage.window_s
        self.progress.tell("stage", number=number, name=stage.name, seconds=length)
        begin = (self._origin / _SECOND) + begin_s
        attendance = Attendance(gathering, stage, self._crew, self.progress, self._id, begin)
        cut = attendance.attend(self._cap)
        self._gathering = None
        if gathering.missing and not cut:
            lost = f"{len(gathering.missing)} of {len(workers)} workers"
            self._problem(f"{stage.name} lost {lost}: see their logs.")
        if attendance.is_gone and not self._cut:
            self._is_gone = True
            self._cut = cut = f"the deployment is gone: nothing listens at {self._host} any more"
        elif gathering.capped and not cut:
            cut = f"{self._prefix}max-requests {most} is reached"
        self._cut = self._cut or cut
        return self._judge(gathering, stage, begin_s, repeated, cut, seed)

    def _judge(
        self,
        gathering: Gathering,
        stage: Stage,
        begin_s: float,
        repeated: bool,
        cut: str,
        seed: int,
    ) -> Observation:
        settings, opening = self._settings, self._opening
        share = 0.0 if settings.verify == "none" else settings.verify_share
        scale = Scale(
            settings.slo,
            opening.forms,
            floor_s(opening.floors, opening.forms),
            lambda arrival: is_verified(arrival, seed, share),
        )
        told = judged(
            gathering,
            stage,
            scale,
            cut=cut,
            begin_s=begin_s,
            repeated=repeated,
            breathe=lambda: gevent.sleep(0),
        )
        self._take(told)
        opens = begin_s + stage.warm_up_s
        told.row["server"] = self._telemetry.stage_summary(opens, opens + stage.window_s)
        return told.observation

    def _take(self, told: Judged) -> None:
        self._rows.append(told.row)
        self._sent += told.sent
        for remark in told.remarks:
            self._problem(f"{told.row['name']}: {remark}")

    def _over_ceiling(self, stage: Stage) -> str:
        """Return what is wrong with a rate that this client could not send honestly."""
        ceiling, rate = self._ceiling, stage.arrivals.peak
        if not self._settings.selftest or ceiling is None or rate <= SHARE_OF_CEILING * ceiling:
            return ""
        return (
            f"{rate:.4g} requests per second are more than {SHARE_OF_CEILING:.0%} of the "
            f"{ceiling:.0f} that this client can send (self-test): add workers (--processes), "
            f"lower the rate, or try it all the same with {self._prefix}no-selftest"
        )

    def _cap(self) -> str:
        """Return what allows no more load, empty if nothing does."""
        if self._cut:
            return self._cut
        if self.is_interrupted:
            return "the run was stopped"
        if self._full:
            return self._full
        if self.progress.is_deserted:
            return "the program that started the run is gone"
        most, longest = self._settings.max_requests, self._settings.max_duration
        if most is not None and self._sent >= most:
            return f"{self._prefix}max-requests {most} is reached"
        if longest is not None and time.monotonic_ns() - self._origin > longest * _SECOND:
            return f"{self._prefix}max-duration {longest:g}s is over"
        return ""

    def _is_stopped(self) -> bool:
        return self.is_interrupted or self.progress.is_deserted

    def _not_run(self, why: str, *, ended: bool) -> Observation:
        if ended:
            self._cut = self._cut or why
        met = (Met(0, 0),) * len(self._settings.slo.limits)
        return Observation(0, 0, 0, 0, 0.0, 0.0, met=met, limit=why, ended=ended)

    def _finish(self, capacity: Capacity | None) -> ExitCode:
        if self._cut:
            self._problem(f"The run ended before its time: {self._cut}.")
        found = None if capacity is None else capacity.passed_rps is not None
        told = verdict(self._rows, gone=self._is_gone, ended=bool(self._cut), found=found)
        self._telemetry.stop()
        opening, settings = self._opening, self._settings
        facts = result.Facts(
            scenario=self._scenario,
            verdict=told,
            base_url=self._host,
            transport=settings.transport or self._user_class.transport,
            started=self._started,
            duration_s=(time.monotonic_ns() - self._origin) / _SECOND,
            users=self._users,
            processes=max(1, len(opening.prepared)),
            stream_share=opening.stream_share,
            mix_sha256=opening.mix_sha256,
            forms=list(opening.forms.values()),
            selftest=opening.selftest,
            capacity=capacity,
            recognizer=opening.recognizer,
            server=self._telemetry.result([_window(row) for row in self._rows if _counts(row)]),
            problems=self._problems,
        )
        bench = result.bench(settings, facts, self._rows)
        if settings.out is not None:
            numbers = {row["number"] for row in self._rows}
            chunks = self._spool.chunks()
            write_samples(settings.out, chunks, opening.forms, numbers, lambda: gevent.sleep(0))
            write_bench(settings.out, bench)  # last: where it is, there is all of the result
        self.progress.tell("end", verdict=told)
        if settings.progress_fd is None:  # else somebody else tells the result
            self._summarize(told)
        return EXIT_CODES[told]

    def _summarize(self, told: str) -> None:
        for row in self._rows:
            if row["measured"]:
                logger.info(result.line(row))
        out = self._settings.out
        kept = "--stt-out DIR keeps the result" if out is None else f"result in {out}"
        logger.info("Verdict: %s; %s", told, kept)
        if out is not None:
            write_report(out)

    def _note(self, text: str) -> None:
        logger.info(text)
        self.progress.tell("note", text=text)

    def _problem(self, text: str) -> None:
        if text not in self._problems:
            self._problems.append(text)
            self._note(text)


def plan_of(
    settings: Settings,
    users: int,
    ceiling_rps: float | None = None,
    mean_audio_s: float = 1.0,
    recognizer: str | None = None,
) -> Plan:
    """Return what a scenario is told."""
    return Plan(
        rate=settings.rate,
        duration_s=settings.window,
        warm_up_s=settings.warm_up,
        users=users,
        seed=settings.seed,
        slo=settings.slo,
        arrivals=settings.arrivals,
        ceiling_rps=ceiling_rps,
        mean_audio_s=mean_audio_s,
        options={"reference": recognizer},
    )


def floor_s(floors: Mapping[int, int], forms: Mapping[int, Mapping[str, Any]]) -> float | None:
    """Return the mean over the mix of each form's shortest service time, in seconds.

    ``floors`` has them in nanoseconds; forms that were not seen are left out.
    """
    weights = {number: forms.get(number, {}).get("weight") or 1e-9 for number in floors}
    if not weights:
        return None
    mean = sum(floors[number] * weight for number, weight in weights.items())
    return float(mean / sum(weights.values()) / _SECOND)


def _counts(row: Mapping[str, Any]) -> bool:
    return bool(row["measured"] and row["valid"])


def _window(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return begin and end of a stage's window in the run, and the audio transcribed in it."""
    opens = row["begin_s"] + row["warm_up_s"]
    return opens, opens + row["window_s"], row["audio_s"]
