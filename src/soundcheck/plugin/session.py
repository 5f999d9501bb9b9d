"""A session: one deployment judged in one pytest session, from the preflight to the reports."""

import time
import warnings
from collections.abc import Generator, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from soundcheck.audio import Library
from soundcheck.contract.answer import Answers
from soundcheck.contract.plan import (
    Cost,
    Entry,
    Selection,
    cost_of,
    cost_of_sent,
    distinct,
    plan_entry,
)
from soundcheck.contract.preflight import examine
from soundcheck.contract.probe import PREFLIGHT, TRIAL, Probe
from soundcheck.contract.profile import Profile, load_profile
from soundcheck.contract.requirement import requirement_of
from soundcheck.contract.send import Sender
from soundcheck.contract.target import Target
from soundcheck.contract.verdict import Untestable, Verdict
from soundcheck.errors import SoundcheckError
from soundcheck.http.client import Client
from soundcheck.http.exchange import Exchange
from soundcheck.http.store import Store
from soundcheck.plugin import folder
from soundcheck.plugin.judgement import judge, result_of
from soundcheck.plugin.observer import Observer, Silent
from soundcheck.plugin.record import Facts, told, write_run
from soundcheck.report.run import EXCHANGES, Result

ENTRY = pytest.StashKey[Entry]()
ATTEMPTS = pytest.StashKey[int]()
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

    def __post_init__(self) -> None:
        """Refuse numbers that nothing could be sent with."""
        if self.jobs < 1 or self.timeout <= 0:
            raise SoundcheckError("jobs must be at least 1 and timeout more than 0 seconds")


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
        self._sender = Sender(client, self._store, self._library, out / folder.LOCKS, options.jobs)
        self.planned = Cost()
        self._results: list[Result] = []
        self._notes: list[str] = []
        self._interrupted = False
        self.problem: SoundcheckError | None = None
        self.broken = False
        try:
            self.deployment = examine(self._target, profile, self._sender.answer)
        except BaseException:
            client.close()
            folder.discard(out)
            raise
        self._observer.examined(self.deployment)

    @classmethod
    def starting(cls, options: Options, observer: Observer | None = None) -> "Session":
        """Return a session in a fresh run folder.

        Raises :class:`SoundcheckError` for a profile, folder or target that cannot be used.
        """
        profile = load_profile(options.profile)
        return cls(options, profile, folder.prepare(options.out), observer)

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
        _check_names((*self._selection.only, *self._selection.without), items)
        for item in items:
            rule = requirement_of(getattr(item, "function", None))
            if rule is None:
                continue
            parameters = getattr(item, "callspec", None)
            found = parameters.params.get("case") if parameters else None
            item.stash[ENTRY] = plan_entry(rule, found, self._selection, self.deployment)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Say in the run that pytest's own selection left requirements out."""
        left_out = sum(requirement_of(getattr(i, "function", None)) is not None for i in items)
        if left_out:
            self._notes.append(f"{left_out} cases were left out by pytest's own selection")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Make the clips, tell the cost and send everything; under xdist tests send on demand."""
        if _is_controller(session.config):
            return
        entries = [item.stash[ENTRY] for item in session.items if ENTRY in item.stash]
        first = [probe.on(self.deployment.model) for probe in (*PREFLIGHT, TRIAL)]
        asked = {probe.digest: probe for probe in first if self._sender.recorded(probe)}
        probes = asked | distinct(entries)
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
        answers = {name: self._sender.answer(probe) for name, probe in (entry.probes or {}).items()}
        # Kept for the result: reading them back for it would parse every exchange twice.
        item.stash[ATTEMPTS] = max((a.exchange.attempts for a in answers.values()), default=1)
        for name, answer in answers.items():
            if reason := _out_of_reach(answer.exchange):
                raise Untestable(f"{name}: {reason}")
        return Answers(answers)

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
        result = result_of(entry, verdict, message, call.duration, item.stash.get(ATTEMPTS, 1))
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
            self.broken = True
            self._notes.append(
                f"{report.nodeid} could not be collected; its requirements are missing"
            )

    # -- the end ----------------------------------------------------------------------------------

    def pytest_keyboard_interrupt(self) -> None:
        """Say in the run that judging was cut short."""
        self._notes.append(f"interrupted: {len(self._results)} cases had been judged")
        self._interrupted = True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell the verdict and the report's place below pytest's own summary."""
        terminalreporter.section("soundcheck")
        for line in told(self.out):
            terminalreporter.write_line(line)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the run folder, except in a worker."""
        if self.problem is not None:
            return
        if _is_worker(session.config):
            output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
            output[WORKER_OUTPUT] = asdict(self.planned)
            return
        facts = Facts(
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
        )
        write_run(self.out, facts, self._results)
        folder.finish(self.out)
        decided = any(Verdict(result.verdict).decided for result in self._results)
        if self._interrupted:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        elif not decided and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED  # nothing is no success


def _out_of_reach(exchange: Exchange) -> str | None:
    """Return why an exchange says nothing of the deployment's conformance, if so."""
    if exchange.error is not None and exchange.error.kind == "refused":
        return "the deployment could not be reached any more"
    if exchange.response is not None and exchange.response.status == 429:
        return f"the deployment answered 429 (too many requests) to {exchange.attempts} attempts"
    return None


def _check_names(names: Iterable[str], items: Iterable[pytest.Item]) -> None:
    """Refuse names that select nothing: a typing error must not empty a gate."""
    rules = [rule for item in items if (rule := requirement_of(getattr(item, "function", None)))]
    known = {name for rule in rules for name in (rule.id, rule.area, *rule.draft)}
    for name in names:
        if rules and name not in known:
            raise pytest.UsageError(f"no collected requirement or area is called {name!r}")


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
