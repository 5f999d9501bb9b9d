"""A session: one deployment judged in one pytest session, from the preflight to the reports."""

import time
import warnings
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from soundcheck.audio import Library
from soundcheck.audio.recordings import load_recordings
from soundcheck.contract.answer import Answer, Answers
from soundcheck.contract.attempts import Attempted
from soundcheck.contract.canary import CANARY_CLIP
from soundcheck.contract.contracts import ENCRYPTION
from soundcheck.contract.credentials import MADE_UP
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.deployment import Recording as Own
from soundcheck.contract.heartbeat import expected_beats
from soundcheck.contract.line import Line
from soundcheck.contract.plan import (
    LEFT_OUT,
    Cost,
    Entry,
    Selection,
    cost_of,
    cost_of_searches,
    cost_of_sent,
    distinct,
    gathered,
    known_names,
    lacking,
    plan_entry,
    sent_again,
)
from soundcheck.contract.preflight import examine
from soundcheck.contract.probe import PREFLIGHT, TRIAL, Probe
from soundcheck.contract.profile import Profile
from soundcheck.contract.profile_check import check_names
from soundcheck.contract.requirement import Requirement, requirement_of
from soundcheck.contract.send import Sender
from soundcheck.contract.source import Recording, Source
from soundcheck.contract.verdict import Untestable, Verdict
from soundcheck.errors import Interrupted, SoundcheckError
from soundcheck.http.client import Client
from soundcheck.http.exchange import Headers
from soundcheck.http.store import Store
from soundcheck.plugin import folder, replay, resume
from soundcheck.plugin.caps import OverCaps, over_caps
from soundcheck.plugin.gatekeeper import Gatekeeper
from soundcheck.plugin.judgement import (
    is_limited,
    judge,
    out_of_reach,
    result_of,
    xfail_reason,
)
from soundcheck.plugin.observer import Aloud, Observer, Silent
from soundcheck.plugin.options import EFFORT, Options
from soundcheck.plugin.record import Facts, begin_run, told, write_run
from soundcheck.plugin.resume import Earlier
from soundcheck.plugin.tapping import Arrangement, Passage, open_way
from soundcheck.report.run import EXCHANGES, Encryption, Result, Run

ENTRY = pytest.StashKey[Entry]()
ATTEMPTS = pytest.StashKey[int]()
FOUND = pytest.StashKey[list[str]]()
ASKED = pytest.StashKey[list[str]]()
WORKER_INPUT = "soundcheck_out"
WORKER_TODAY = "soundcheck_today"
WORKER_OUTPUT = "soundcheck_planned"
RESULT = "soundcheck_result"
"""Attribute of a test report under which a result travels, also from xdist's workers."""


class Session:
    """Registered as a plugin: plans at collection, sends, judges, and writes the run folder.

    Under xdist the controller examines the deployment and writes the run, and each worker sends
    what its own tests read; the run folder's locks keep any probe from being sent twice.
    """

    def __init__(
        self,
        options: Options,
        profile: Profile,
        out: Path,
        observer: Observer | None = None,
        *,
        copying: bool = False,
        arrangement: Arrangement | None = None,
        gatekeeper: Gatekeeper | None = None,
    ) -> None:
        self.out = out
        self._options = options
        self._gatekeeper = gatekeeper or Gatekeeper(datetime.now(UTC).date())
        self._observer = observer or Silent()
        # Plain pytest shows its user what is skipped; the command line has reports for that.
        self._reported = observer is None or isinstance(observer, Aloud)
        self._begin = time.perf_counter()
        self._started = datetime.now(UTC)
        self._target = options.target()
        self._effort = options.effort or EFFORT
        self._selection = Selection(options.only, options.without, self._effort)
        self._library = Library()
        target = self._target
        self._store = Store(
            out / EXCHANGES, target.secrets, target.secret_headers, MADE_UP.values()
        )
        self._way: Passage | None = None
        self._source: Source = Recording(self._store)
        self.planned = Cost()
        self._results: dict[str, Result] = {}
        self._decided: dict[str, Result] = {}
        self._order: list[str] = []
        self._notes: list[str] = []
        self._lacking: list[str] = []
        self._replayed: Run | None = None
        self._interrupted = False
        self._joined = not copying
        self._is_planned = False
        self._has_begun = False
        self._earlier = Earlier()
        self.problem: SoundcheckError | None = None
        self.run: Run | None = None
        self.broken = False
        try:
            self._recordings = self._own_recordings(profile)
            if options.replay is None:
                self._way = open_way(
                    options, self._target, self._library, out, self._observer, arrangement
                )
                if arrangement is not None and arrangement.whole:
                    self._target = replace(self._target, base_url=self._way.base_url)
                self._source = self._sender(self._way.line)
            elif copying:
                self._replayed = replay.copy_exchanges(options.replay, out)
                self._notes += self._replayed.notes
            if options.resumed and copying:
                self._earlier = resume.reopened(out, self._store, profile, self._target)
            found = examine(self._target, profile, self._source.answer)
            self._earlier.check(found, self._target.base_url)
            self.deployment = replace(
                found, keyed=options.api_key_env is not None, recordings=self._recordings
            )
            self.encrypted = self._encrypted(arrangement)
            self._gatekeeper.check(options, self.deployment)
        except Untestable as error:  # a recording lacks the preflight, or a cap is below it
            self._source.close()
            self._discard()
            if options.replay is None:
                raise OverCaps(f"nothing was judged: {error}") from None
            raise SoundcheckError(f"{options.replay} cannot be judged again: {error}") from None
        except BaseException:
            self._source.close()
            self._discard()
            raise
        self._source.examined(self.deployment.model)
        self._observer.examined(self.deployment)

    def _discard(self) -> None:
        """Leave nothing behind of a run that came to nothing; what was there before stays."""
        if self._joined or self._has_begun:  # the folder is the controller's, or holds the run
            return
        if not self._options.resumed:
            folder.discard(self.out)
        for exchange in self._earlier.first:
            self._store.write(exchange)

    def _own_recordings(self, profile: Profile) -> tuple[Own, ...]:
        """Return the user's own recordings, which become clips of the run."""
        if self._options.replay is not None:
            return replay.recordings(self._options.replay)
        if self._options.speech is None:
            return ()
        own = load_recordings(self._options.speech, profile.limits.accepted)
        self._library.add(own.clips)
        self._notes += own.notes
        return tuple(Own(clip.name, clip.language) for clip in own.clips)

    def _sender(self, line: Line) -> Sender:
        target = self._target

        def client(headers: Headers) -> Client:
            timeout = self._options.timeout
            return Client(target.base_url, headers=headers, timeout=timeout, access=target.access)

        # What a gateway before the API asks for is not the API's key.
        own = {"authorization", "api-key", "x-api-key"}
        return Sender(
            client(target.headers),
            self._store,
            self._library,
            self.out / folder.LOCKS,
            self._options.jobs,
            line,
            self._options.manners,
            stranger=client(tuple(one for one in target.headers if one[0].lower() not in own)),
            key=target.key,
        )

    def _encrypted(self, arrangement: Arrangement | None) -> Deployment:
        """Return the deployment on which encryption is judged: an arranged one, or the target."""
        if self._way is None:
            return replay.encrypted(self._options.replay, self.deployment)
        seen = replace(
            self.deployment, tapped=self._way.tap is not None, endpoint=self._way.endpoint
        )
        if arrangement is None or arrangement.whole:
            return seen
        return replace(seen, profile=arrangement.profile, model=arrangement.model, listed=())

    def deployment_of(self, item: pytest.Item) -> Deployment:
        """Return the deployment that ``item`` judges."""
        rule = requirement_of(getattr(item, "function", None))
        seen = self.encrypted if rule and rule.area in ENCRYPTION else self.deployment
        entry = item.stash.get(ENTRY, None)
        return replace(seen, model=entry.model) if entry and entry.model else seen

    @classmethod
    def starting(
        cls,
        options: Options,
        observer: Observer | None = None,
        arrangement: Arrangement | None = None,
    ) -> "Session":
        """Return a session in a fresh run folder.

        ``arrangement`` is the deployment of our own whose encryption is judged in the same run.
        Raises :class:`SoundcheckError` for a profile, folder or target that cannot be used.
        """
        if options.replay is not None:
            options = replay.options_of(options.replay, options)
        profile = options.claimed()
        gatekeeper = Gatekeeper.opening(options, datetime.now(UTC).date())
        options.target()  # a mistake in it is told before the folder is touched
        if options.resumed and options.out is not None:
            out = folder.reopen(options.out)
        else:
            out = folder.prepare(options.out)
        return cls(
            options,
            profile,
            out,
            observer,
            copying=True,
            arrangement=arrangement,
            gatekeeper=gatekeeper,
        )

    @classmethod
    def joining(cls, options: Options, out: Path, today: str) -> "Session":
        """Return a worker's session in the run folder of its controller, and on the same day."""
        if options.replay is not None:
            options = replay.options_of(options.replay, options)
        gatekeeper = Gatekeeper.opening(options, date.fromisoformat(today))
        return cls(options, options.claimed(), out, gatekeeper=gatekeeper)

    def close(self) -> None:
        """Close the connections."""
        self._source.close()

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
        """Tell a worker of xdist the run folder; it sends as soon as it has planned."""
        if not self._has_begun:
            self._begin_run()
        node.workerinput[WORKER_INPUT] = str(self.out)
        node.workerinput[WORKER_TODAY] = self._gatekeeper.today.isoformat()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the plan's cost from a worker of xdist: every worker plans the same."""
        planned = getattr(node, "workeroutput", {}).get(WORKER_OUTPUT)
        if planned:
            self.planned = Cost(**planned)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Plan every requirement among the collected tests."""
        rules = _rules(items)
        _check_names((*self._selection.only, *self._selection.without), rules)
        if self._options.claims is None:  # a recorded profile may speak of what there was then
            self._refuse(lambda: check_names(self.deployment.profile, (one.id for one in rules)))
        for item in items:
            rule = requirement_of(getattr(item, "function", None))
            if rule is None:
                continue
            parameters = getattr(item, "callspec", None)
            found = parameters.params.get("case") if parameters else None
            deployment = self.deployment_of(item)
            item.stash[ENTRY] = plan_entry(rule, found, self._selection, deployment)
        planned = [item for item in items if ENTRY in item.stash]
        for item, entry in zip(
            planned, gathered(item.stash[ENTRY] for item in planned), strict=True
        ):
            item.stash[ENTRY] = entry
        self._lacking = lacking(item.stash[ENTRY] for item in planned)
        self._order = [item.nodeid for item in planned]
        if not self._reported:
            self._decided = {
                item.nodeid: self._result(item) for item in planned if item.stash[ENTRY].verdict
            }
            items[:] = [item for item in items if item.nodeid not in self._decided]
        self._is_planned = True

    def _refuse(self, check: Callable[[], None]) -> None:
        """End the session, before anything is sent, where ``check`` finds bad usage."""
        try:
            check()
        except SoundcheckError as error:
            self._end(error)

    def _end(self, error: SoundcheckError) -> NoReturn:
        """End the session by ``error``."""
        self._discard()
        self.problem = error
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)

    def _begin_run(self) -> None:
        """Let the run folder be that of this run: from now on something is sent."""
        if self._options.replay is None:  # else nothing is sent that could be lost
            begin_run(self.out, self._facts())
            folder.begin(self.out)
        self._has_begun = True

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Say in the run that pytest's own selection left requirements out."""
        left_out = sum(requirement_of(getattr(i, "function", None)) is not None for i in items)
        if left_out:
            self._notes.append(f"{left_out} cases were left out by pytest's own selection")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Make the clips, tell the cost and send everything; under xdist tests send on demand."""
        if not self._is_planned:  # pytest comes here after bad usage and an interrupt, too
            return
        entries = [item.stash[ENTRY] for item in session.items if ENTRY in item.stash]
        first = [probe.on(self.deployment.model) for probe in (*PREFLIGHT, TRIAL)]
        asked = {probe.digest: probe for probe in first if self._source.recorded(probe)}
        probes = asked | distinct(entries)
        try:
            if self._options.replay is not None:
                self._begin_run()
                return
            # What an earlier sitting has recorded is not sent again.
            open_ones = [probe for probe in probes.values() if not self._is_kept(probe)]
            whole, cost = (
                self._price([*them, *expected_beats(them)]) for them in (probes.values(), open_ones)
            )
            searches = cost_of_searches(entries, self.deployment)
            self.planned = whole.plus(searches.requests, searches.audio_s, searches.upload_bytes)
            judged = {entry.requirement.id for entry in entries if entry.probes is not None}
            self._observer.planned(len(judged), cost, searches)
            self._source.expect(probes.values())
            if not _is_worker(session.config):
                self._check_caps(entries, cost)
                self._begin_run()
                self._send(probes.values(), {probe.digest for probe in open_ones})
        except KeyboardInterrupt:
            if not (self._has_begun or self._joined):
                raise
            self._interrupt(entries)
        except SoundcheckError as error:  # a recipe or the cache is broken: nothing was sent
            self._end(error)

    def _send(self, probes: Iterable[Probe], planned: Collection[str]) -> None:
        """Send ``probes``, and tell the observer of those whose digests are among ``planned``."""

        def told(probe: Probe) -> None:
            if probe.digest in planned:
                self._observer.sent(probe)

        self._source.send_all(probes, told)

    def _is_kept(self, probe: Probe) -> bool:
        """Tell whether an earlier sitting of this run has the answer to ``probe``."""
        return bool(self._earlier.sittings) and self._source.recorded(probe)

    def _check_caps(self, entries: Iterable[Entry], cost: Cost) -> None:
        """Refuse a plan that cannot be carried out as a whole, before any of it is sent."""
        caps = self._options.manners.caps
        if self._options.agreed or not caps.exceeded_by(cost):
            return
        by_area: dict[str, list[Entry]] = {}
        for entry in entries:
            by_area.setdefault(entry.requirement.area, []).append(entry)
        areas = {name: distinct(one).values() for name, one in by_area.items()}
        raise OverCaps(over_caps(caps, cost, areas, self._price))

    def _price(self, probes: Iterable[Probe]) -> Cost:
        """Make the clips of ``probes`` and return what sending them costs."""
        probes = list(probes)
        named = {name for probe in probes for name in (*probe.clips, *probe.quoted)}
        names = sorted(named - {CANARY_CLIP})
        self._observer.making(None, 0, len(names))
        clips = self._library.build(names, progress=self._observer.making)
        if CANARY_CLIP in named and self._way is not None:
            clips[CANARY_CLIP] = self._way.line.canaries.clip
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
        return all(map(self._source.recorded, (entry.probes or {}).values()))

    # -- judging ----------------------------------------------------------------------------------

    def answers(self, item: pytest.Item) -> Answers:
        """Return the answers to the probes of ``item``'s requirement."""
        entry = item.stash[ENTRY]
        answers: dict[str, Answer | Untestable] = {}
        attempts = [1]
        for name, probe in (entry.probes or {}).items():
            try:
                answer = self._source.answer(probe)
            except Untestable as unsent:
                answers[name] = Untestable(f"{name}: {unsent}")
                continue
            # Kept for the result: reading them back for it would parse every exchange twice.
            attempts.append(answer.exchange.attempts)
            # To a rule over many requests a 429 is one answer among others, and may be its matter.
            many = entry.requirement.aggregate or bool(probe.crowd)
            limited = many and is_limited(answer.exchange)
            reason = None if limited else out_of_reach(answer.exchange)
            answers[name] = Untestable(f"{name}: {reason}") if reason else answer
        item.stash[ATTEMPTS] = max(attempts)
        return Answers(answers)

    def ask(self, item: pytest.Item, probe: Probe) -> Answer:
        """Return the answer to the next ``probe`` of the search that ``item`` makes.

        Raises ``Untestable`` when the search has used up its requests.
        """
        entry = item.stash[ENTRY]
        asked = item.stash.setdefault(ASKED, [])
        if entry.requirement.search is None:
            raise LookupError(f"{entry.requirement.id} asks on without being a search")
        budget = entry.requirement.search(self.deployment)
        probe = probe.on(entry.model)
        if probe.digest not in asked:
            if len(asked) >= budget.requests:
                raise Untestable(f"nothing was found in {budget.requests} requests")
            asked.append(probe.digest)
        else:  # what a judge comes back to is what it rests on: reports show that first
            asked.insert(0, asked.pop(asked.index(probe.digest)))
        try:
            answer = self._source.answer(probe)
        except KeyboardInterrupt:  # the others are judged by what is recorded
            self._source.stop()
            self._interrupted = True
            self._notes.append(f"interrupted in the search of {entry.requirement.id}")
            raise Untestable("the run was interrupted during the search") from None
        if reason := out_of_reach(answer.exchange):
            raise Untestable(reason)
        self._observer.sent(probe)
        return answer

    def found(self, item: pytest.Item, sentence: str) -> None:
        """Take what a judge found out, whatever its verdict will be."""
        item.stash.setdefault(FOUND, []).append(sentence)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip what the plan decided without a probe, and what an interrupt left unsent."""
        entry = item.stash.get(ENTRY, None)
        if entry is None:
            return
        if entry.verdict is not None:
            pytest.skip(f"{entry.verdict}: {entry.reason}")
        held = self._source.held
        if (self._interrupted or held) and not self._answered(entry):
            reason = "the run was interrupted before it was sent"
            item.stash[ENTRY] = entry.undecided(reason if self._interrupted else held)
            pytest.skip("not sent")

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
        result = self._result(item, call)
        verdict, message = Verdict(result.verdict), result.message
        setattr(report, RESULT, result.to_json())
        if verdict in (Verdict.WARN, Verdict.INFO):
            report.outcome, report.longrepr = "passed", None
            _warn(item, f"{entry.level} not kept: {entry.requirement.rule} {message}")
        elif verdict is Verdict.WAIVED or self._gatekeeper.is_known(result):
            report.outcome, report.longrepr = "skipped", None
            report.wasxfail = xfail_reason(result)
        elif verdict is Verdict.PASS and report.failed:  # several attempts, counted together
            report.outcome, report.longrepr = "passed", None
        elif verdict in (Verdict.NOT_APPLICABLE, Verdict.UNTESTABLE) and report.failed:
            path, line, _ = item.location
            report.outcome, report.longrepr = "skipped", (path, line or 0, f"{verdict}: {message}")
        return report

    def _result(self, item: pytest.Item, call: pytest.CallInfo[None] | None = None) -> Result:
        """Return the result of ``item``: by what its judge did, or by the plan alone."""
        entry = item.stash[ENTRY]
        verdict, message = judge(entry, call.excinfo if call else None)
        raised = call.excinfo.value if call and call.excinfo else None
        found, asked = (item.stash.get(key, []) for key in (FOUND, ASKED))
        result = result_of(
            entry,
            verdict,
            message,
            found=found,
            asked=asked,
            duration_s=call.duration if call else 0.0,
            attempts=item.stash.get(ATTEMPTS, 1),
            primary=self.deployment.model,
            attempted=raised if isinstance(raised, Attempted) else None,
        )
        return self._gatekeeper.settle(result)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the results, in the controller too."""
        document = getattr(report, RESULT, None)
        if document is not None:
            result = Result.from_json(document)
            self._results[report.nodeid] = result
            self._observer.judged(result)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember a suite that cannot be read: its requirements are missing from the run."""
        if report.failed:
            self.broken = True
            self._notes.append(
                f"{report.nodeid} could not be collected; its requirements are missing"
            )

    def _all_notes(self) -> Iterable[str]:
        tap = self._way.tap if self._way else None
        problems = (f"tap: {problem}" for problem in tap.problems) if tap else ()
        # What a recorded run lacked may be here now, and the other way round.
        notes = (note for note in self._notes if not note.startswith(LEFT_OUT))
        return dict.fromkeys((*notes, *self._lacking, *problems))

    def _encryption(self) -> Encryption:
        """Return where and by which claims encryption was judged."""
        seen = self.encrypted
        recorded = self._replayed.encryption if self._replayed else None
        base_url = self._way.base_url if self._way else self._target.base_url
        return Encryption(
            base_url=recorded.base_url if recorded else base_url,
            profile=seen.profile.name,
            model=seen.model,
            endpoint=seen.endpoint,
            tapped=seen.tapped,
            claims=None if seen.profile == self.deployment.profile else seen.profile.to_data(),
        )

    # -- the end ----------------------------------------------------------------------------------

    def pytest_keyboard_interrupt(self) -> None:
        """Say in the run that judging was cut short."""
        self._notes.append(f"interrupted: {len(self._results)} cases had been judged")
        self._interrupted = True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell the verdict and the report's place below pytest's own summary."""
        if self.run is None:  # what may lie in the folder is another one
            return
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
        if not self._has_begun:
            self._discard()
            if self._interrupted:
                self.problem = Interrupted("interrupted before anything was judged")
            return
        found = self._decided | self._results
        results = [found[name] for name in (*self._order, *found) if name in found]
        self.run = write_run(self.out, self._facts(), list(dict.fromkeys(results)))
        folder.begin(self.out)
        folder.finish(self.out)
        decided = any(Verdict(result.verdict).decided for result in results)
        if self._interrupted:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        elif self.run.gate is not None and self.run.gate.verdict == "fails":
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif not decided and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED  # nothing is no success

    def _facts(self) -> Facts:
        """Return what the run states beside its results."""
        sends = self._options.replay is None
        spent = cost_of_sent(self._store.exchanges()) if sends else Cost()
        again = sent_again(self._store.exchanges()) if sends else 0
        return Facts(
            target=self._target,
            deployment=self.deployment,
            api_key_env=self._options.api_key_env,
            selection=self._selection,
            reference=self._options.reference,
            started=self._started,
            duration_s=time.perf_counter() - self._begin,
            planned=Cost() if self._options.replay else self.planned,
            spent=spent.less(self._earlier.kept),
            again=again - self._earlier.again,
            price=self._options.price,
            currency=self._options.currency,
            replay_of=replay.told(self._replayed) if self._replayed else None,
            notes=(*self._source.notes, *self._all_notes(), *self._earlier.notes),
            encryption=self._encryption(),
            interrupted=self._interrupted or bool(self._source.held),
            gatekeeper=self._gatekeeper,
            earlier=self._earlier.sittings,
        )


def _rules(items: Iterable[pytest.Item]) -> list[Requirement]:
    return [rule for item in items if (rule := requirement_of(getattr(item, "function", None)))]


def _check_names(names: Iterable[str], rules: Collection[Requirement]) -> None:
    """Refuse names that select nothing: a typing error must not empty a gate."""
    known = known_names(rules)
    for name in names:
        if rules and name not in known:
            raise pytest.UsageError(f"no collected requirement or area is called {name!r}")


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


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
