"""A session: one deployment judged in one pytest session, from the preflight to the reports."""

import shutil
import time
import warnings
from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from soundcheck.audio import Clip, Library
from soundcheck.contract.answer import Answers
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.plan import (
    Cost,
    Entry,
    Selection,
    cost_of,
    cost_of_sent,
    distinct,
    plan_entry,
)
from soundcheck.contract.preflight import TIMEOUT, examine
from soundcheck.contract.probe import PREFLIGHT, Probe
from soundcheck.contract.profile import Profile, load_profile
from soundcheck.contract.requirement import requirement_of
from soundcheck.contract.send import Sender
from soundcheck.contract.target import Target
from soundcheck.contract.verdict import Verdict
from soundcheck.errors import SoundcheckError
from soundcheck.http.client import Client
from soundcheck.http.store import Store
from soundcheck.plugin.judgement import judge, result_of
from soundcheck.plugin.record import Facts, write_run
from soundcheck.report.run import EXCHANGES, FILE, Result

ENTRY = pytest.StashKey[Entry]()
NOTES = pytest.StashKey[list[str]]()
WORKER_INPUT = "soundcheck_out"
WORKER_OUTPUT = "soundcheck_planned"
RESULT = "soundcheck_result"
"""Attribute of a test report under which a result travels, also from xdist's workers."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; ``out`` is the run folder, made when it is ``None``."""

    base_url: str
    model: str | None = None
    profile: str = "openai"
    api_key_env: str | None = None
    out: Path | None = None
    jobs: int = 4
    effort: str = "quick"
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    timeout: float = 120.0
    reference: bool = False


class Observer(Protocol):
    """Who is told how a session gets on."""

    def examined(self, deployment: Deployment) -> None:
        """Take the outcome of the preflight."""

    def making(self, clip: Clip | None, done: int, total: int) -> None:
        """Take that ``done`` of ``total`` clips are ready."""

    def planned(self, requirements: int, cost: Cost) -> None:
        """Take what is going to be asked, before any of it is sent."""

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

    def planned(self, requirements: int, cost: Cost) -> None:
        """Say nothing."""

    def sent(self, probe: Probe) -> None:
        """Say nothing."""

    def judged(self, result: Result) -> None:
        """Say nothing."""


class Session:
    """Registered as a plugin: plans at collection, sends, judges, and writes the run folder.

    Under xdist the controller examines the deployment and writes the run, and each worker sends
    what its own tests read; the run folder's locks keep any probe from being sent twice.
    """

    def __init__(
        self, options: Options, profile: Profile, out: Path, observer: Observer | None = None
    ) -> None:
        self.out = out
        self._options = options
        self._observer = observer or Silent()
        self._begin = time.perf_counter()
        self._started = datetime.now(UTC)
        self._target = Target(
            options.base_url, options.model, options.api_key_env, timeout=options.timeout
        )
        self._selection = Selection(options.only, options.without, options.effort)
        self._library = Library()
        client = Client(
            self._target.base_url, headers=self._target.headers, timeout=options.timeout
        )
        self._client = client
        self._store = Store(out / EXCHANGES, [self._target.key or ""])
        self._sender = Sender(client, self._store, self._library, options.jobs)
        self.planned = Cost()
        self._results: list[Result] = []
        self._notes: list[str] = []
        self._interrupted = False
        self.problem: SoundcheckError | None = None
        self.deployment = examine(
            self._target, profile, lambda probe: self._sender.answer(probe, timeout=TIMEOUT)
        )
        self._observer.examined(self.deployment)

    @classmethod
    def starting(cls, options: Options, observer: Observer | None = None) -> "Session":
        """Return a session in a fresh run folder.

        Raises :class:`SoundcheckError` for a profile, folder or target that cannot be used.
        """
        profile = load_profile(options.profile)
        return cls(options, profile, _fresh(options.out or default_out()), observer)

    @classmethod
    def joining(cls, options: Options, out: Path) -> "Session":
        """Return a worker's session in the run folder of its controller."""
        return cls(options, load_profile(options.profile), out)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # -- collection: the plan ---------------------------------------------------------------------

    def pytest_report_header(self) -> str:
        """Name what is judged in pytest's own header."""
        found = self.deployment
        return (
            f"soundcheck: {self._target.base_url}, model {found.model}, profile "
            f"{found.profile.name}, dialect {found.dialect}, run folder {self.out}"
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of xdist the run folder."""
        node.workerinput[WORKER_INPUT] = str(self.out)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the plan's cost from a worker of xdist: every worker plans the same."""
        planned = getattr(node, "workeroutput", {}).get(WORKER_OUTPUT)
        if planned:
            self.planned = Cost(**planned)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Plan every requirement among the collected tests."""
        for item in items:
            rule = requirement_of(getattr(item, "function", None))
            if rule is None:
                continue
            parameters = getattr(item, "callspec", None)
            found = parameters.params.get("case") if parameters else None
            item.stash[ENTRY] = plan_entry(rule, found, self._selection, self.deployment)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Make the clips, tell the cost and send everything; under xdist tests send on demand."""
        if _is_controller(session.config):
            return
        entries = [item.stash[ENTRY] for item in session.items if ENTRY in item.stash]
        first = {probe.digest: probe for probe in map(self._on_model, PREFLIGHT)}
        probes = first | distinct(entries)
        try:
            self.planned = self._price(probes.values())
            judged = {entry.requirement.id for entry in entries if entry.probes is not None}
            self._observer.planned(len(judged), self.planned)
            if not _is_worker(session.config):
                self._sender.send_all(probes.values(), self._observer.sent)
        except KeyboardInterrupt:
            self._interrupt(entries)
        except SoundcheckError as error:  # a recipe or the cache is broken: nothing was sent
            self.problem = error
            pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)

    def _on_model(self, probe: Probe) -> Probe:
        return probe.on(self.deployment.model)

    def _price(self, probes: Iterable[Probe]) -> Cost:
        """Make the clips of ``probes`` and return what sending them costs."""
        names = sorted({name for probe in probes for name in probe.clips})
        self._observer.making(None, 0, len(names))
        clips = self._library.build(names, progress=self._observer.making)
        return cost_of(probes, lambda name: (clips[name].duration, clips[name].size))

    def _interrupt(self, entries: Iterable[Entry]) -> None:
        """Go on to judge what is recorded: an interrupt must not lose it."""
        planned = [entry for entry in entries if entry.probes is not None]
        complete = sum(map(self._answered, planned))
        self._interrupted = True
        self._notes.append(
            f"interrupted: {complete} of {len(planned)} cases had all their answers and were judged"
        )

    def _answered(self, entry: Entry) -> bool:
        return all(map(self._sender.recorded, (entry.probes or {}).values()))

    # -- judging ----------------------------------------------------------------------------------

    def answers(self, item: pytest.Item) -> Answers:
        """Return the answers to the probes of ``item``'s requirement."""
        entry = item.stash[ENTRY]
        return Answers(
            {
                name: self._sender.answer(probe, entry.model)
                for name, probe in (entry.probes or {}).items()
            }
        )

    def notes_of(self, item: pytest.Item) -> list[str]:
        """Return the list of sentences that the judge adds to the result of ``item``."""
        return item.stash.setdefault(NOTES, [])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip what the plan decided without a probe, and what an interrupt left unsent."""
        entry = item.stash.get(ENTRY, None)
        if entry is None:
            return
        if entry.verdict is not None:
            pytest.skip(f"{entry.verdict}: {entry.reason}")
        if self._interrupted and not self._answered(entry):
            item.stash[ENTRY] = entry.undecided("the run was interrupted before it was sent")
            pytest.skip("interrupted")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn the outcome of a judge into a result, which travels with the report."""
        report = yield
        entry = item.stash.get(ENTRY, None)
        if entry is None or not (report.when == "call" or report.outcome != "passed"):
            return report
        if report.when == "teardown":
            return report
        verdict, message = judge(entry, call.excinfo)
        notes = item.stash.get(NOTES, [])
        result = result_of(
            entry, verdict, "\n".join([message, *notes] if message else notes), call.duration
        )
        setattr(report, RESULT, asdict(result))
        if verdict in (Verdict.WARN, Verdict.INFO):
            report.outcome, report.longrepr = "passed", None
            _warn(item, f"{entry.level} not kept: {entry.requirement.rule} {message}")
        elif verdict in (Verdict.NOT_APPLICABLE, Verdict.UNTESTABLE) and report.failed:
            path, line, _ = item.location
            report.outcome, report.longrepr = "skipped", (path, line or 0, f"{verdict}: {message}")
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the results, in the controller too."""
        document = getattr(report, RESULT, None)
        if document is not None:
            result = Result(**document)
            self._results.append(result)
            self._observer.judged(result)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember a suite that cannot be read: its requirements are missing from the run."""
        if report.failed:
            self._notes.append(
                f"{report.nodeid} could not be collected; its requirements are missing"
            )

    # -- the end ----------------------------------------------------------------------------------

    def pytest_keyboard_interrupt(self) -> None:
        """Say in the run that judging was cut short."""
        self._notes.append(f"interrupted: {len(self._results)} cases had been judged")
        self._interrupted = True

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the run folder, except in a worker."""
        if self.problem is not None:
            return
        if _is_worker(session.config):
            output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
            output[WORKER_OUTPUT] = asdict(self.planned)
            return
        write_run(
            self.out,
            Facts(
                target=self._target,
                deployment=self.deployment,
                effort=self._options.effort,
                reference=self._options.reference,
                started=self._started,
                duration_s=time.perf_counter() - self._begin,
                planned=self.planned,
                spent=cost_of_sent(self._store.exchanges()),
                notes=tuple(self._notes),
                interrupted=self._interrupted,
            ),
            self._results,
        )


def default_out() -> Path:
    """Return a new folder name below ``reports`` for a run that begins now."""
    return Path("reports") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")


def _fresh(out: Path) -> Path:
    """Make the run folder, or empty it of an earlier run; nothing else in it is touched."""
    try:
        if (out / EXCHANGES).exists():
            shutil.rmtree(out / EXCHANGES)
        (out / FILE).unlink(missing_ok=True)
        (out / EXCHANGES).mkdir(parents=True)
    except OSError as error:
        raise SoundcheckError(
            f"cannot write the run folder {out}: {error.strerror}; choose another with --out"
        ) from None
    return out


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _is_controller(config: pytest.Config) -> bool:
    return not _is_worker(config) and config.getoption("dist", "no") != "no"


def _warn(item: pytest.Item, text: str) -> None:
    """Show a warning in pytest's summary, whatever the filters do with warnings of the code."""
    message = warnings.WarningMessage(pytest.PytestWarning(text), pytest.PytestWarning, "", 0)
    item.ihook.pytest_warning_recorded.call_historic(
        kwargs={
            "warning_message": message,
            "nodeid": item.nodeid,
            "when": "runtest",
            "location": None,
        }
    )
