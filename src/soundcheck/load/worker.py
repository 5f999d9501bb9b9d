"""The worker's end of a load run: makes the load of each stage, and ships what came of it.

There is one for each process that has users. It does what the conductor's messages say.
"""

import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from weakref import WeakKeyDictionary

import gevent
from gevent import GreenletExit

from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.load import messages
from soundcheck.load.child import Child
from soundcheck.load.client import Measured
from soundcheck.load.client import told as without_secrets
from soundcheck.load.dispatch import Dispatcher, Order, Share
from soundcheck.load.form import Form
from soundcheck.load.messages import StageOrder
from soundcheck.load.mix import Mix
from soundcheck.load.mixing import OwnForms, describe, make_mix
from soundcheck.load.options import Settings
from soundcheck.load.origin import recognizer_of
from soundcheck.load.recorder import Recorder
from soundcheck.load.sample import CAUSES
from soundcheck.load.verified import is_verified
from soundcheck.load.verify import wrong
from soundcheck.load.vitals import Pulse, quiet_garbage

REPORT_EVERY_S = 1.0
TOGETHER = 32
"""How many answered requests are recorded and told in one go.

After an upload the processor's caches hold its bytes and not this code, which takes twice the time
then. Thirty-two take half a millisecond: not enough to be late for what comes meanwhile.
"""
_SECOND = 1_000_000_000
_TIMEOUT = CAUSES.index("timeout")
_INTERRUPTED = CAUSES.index("interrupted")
_WRONG = CAUSES.index("wrong-text")
_CUT_SECONDS = 2.0
# A user's own tasks set the pace: the number of users is the only limit.
_NO_LIMIT = 100_000

logger = logging.getLogger(__name__)


class CutOff(GreenletExit):  # type: ignore[misc]
    """Thrown into a user whose request is given up: at the end of the drain, or by an abort."""


Tell: TypeAlias = Callable[[Form, Order, Measured, int, int], None]
"""Tells others of a request: its form, arrival, measures, cause, and latency in nanoseconds."""


class Preflight(Protocol):
    """Sends one request, as a user would."""

    def __call__(self, form: Form) -> Measured:
        """Return what was measured."""


class Worker:
    """What the users of one process share: the mix, the dispatcher, the recorder.

    ``send`` sends a message to the conductor, ``users`` returns how many users there are, and
    ``preflight`` sends a form as one of them would.
    """

    def __init__(self, send: Any, users: Any, preflight: Any) -> None:
        self._send = send
        self._users = users
        self._preflight = preflight
        self._dispatcher = Dispatcher()
        self._pulse = Pulse()
        self._recorder: Recorder | None = None
        self._order: StageOrder | None = None
        self._busy: set[Any] = set()
        self._unsettled: deque[tuple[Order, int, int, Form, Measured, Tell]] = deque()
        self._cut_cause = _TIMEOUT
        self._trouble = ""
        self._runs: gevent.Greenlet | None = None
        self._seed = self._count = 1
        self._mix_request: Any = None
        self._mix: Mix | None = None
        self._own: OwnForms | None = None
        self._child: Child | None = None
        self._measured: dict[str, Any] | None = None
        self._is_quiet = False
        self._finishes = False
        self.settings = Settings()
        self.host = ""

    # What users call.

    def take(self, user: Any) -> Order:
        """Wait for the next arrival and return it; then ``finished`` or ``cut`` has to follow.

        ``user`` is the greenlet that asks.
        """
        order = self._dispatcher.take(user)
        self._busy.add(user)
        return order

    def form(self, order: Order) -> Form:
        """Return what the arrival is to send: the same on whatever worker.

        Raises LookupError where no mix was prepared.
        """
        if self._mix is None:
            raise LookupError("no mix was prepared")
        return self._mix.choose(order.arrival, self._seed, self._count)

    def own_form(self, clip: str, fields: Mapping[str, str]) -> Form:
        """Return the form of ``clip`` with ``fields``, for a user's own task.

        Raises SoundcheckError for a clip that there is none of.
        """
        if self._own is None:
            self._own = OwnForms(self.settings.model)
        return self._own.get(clip, fields)

    def finished(
        self,
        user: Any,
        order: Order,
        dispatched: int,
        form: Form,
        measured: Measured,
        tell: Tell,
    ) -> None:
        """Say that an arrival is over: it is recorded and told by ``tell``, soon or at once.

        ``dispatched`` is when ``user``, a greenlet, took it (monotonic ns).
        """
        self._busy.discard(user)
        self._dispatcher.done()
        ended = measured.done if measured.done >= 0 else time.monotonic_ns()
        self._unsettled.append((order, dispatched, ended, form, measured, tell))
        stage = self._order
        if len(self._unsettled) >= TOGETHER or stage is None or stage.own_pace:
            self.settle()

    def settle(self) -> None:
        """Record and tell what is over."""
        recorder, unsettled = self._recorder, self._unsettled
        while unsettled:
            order, dispatched, ended, form, measured, tell = unsettled.popleft()
            cause = measured.cause
            if not cause and measured.text != form.transcript:  # most are as they should be
                cause = self._judged(order, form, measured)
            if recorder is not None:
                recorder.finished(order, dispatched, ended, form, measured, cause)
            tell(form, order, measured, cause, ended - order.intended)

    def _judged(self, order: Order, form: Form, measured: Measured) -> int:
        """Return the cause that verification finds in an answer, 0 for none."""
        settings = self.settings
        if (
            settings.verify == "none"
            or not is_verified(order.arrival, self._seed, settings.verify_share)
            or not wrong(measured.text, form.transcript, settings.verify)
        ):
            return 0
        measured.detail = f"said {form.transcript[:80]!r}, got {measured.text[:80]!r}"
        return _WRONG

    def cut(self, user: Any, order: Order, dispatched: int, form: Form, leaves: bool) -> None:
        """Record an arrival whose request was given up; ``leaves``: so is its user."""
        self._busy.discard(user)
        self._dispatcher.done(leaves)
        if self._recorder is not None:
            cause = _INTERRUPTED if leaves else self._cut_cause
            told = "no answer when the drain ended" if cause == _TIMEOUT else "the run was ended"
            measured = Measured(cause=cause, detail=told)
            ended = time.monotonic_ns()
            self._recorder.finished(order, dispatched, ended, form, measured, cause)

    def broke(self, error: BaseException) -> None:
        """Take note of what a user's own task raised, the first time: it is told in the report."""
        last = traceback.extract_tb(error.__traceback__)[-1:]
        place = "".join(f" at {Path(one.filename).name}:{one.lineno}" for one in last)
        secrets = (*self.settings.secrets, *filter(None, (self.settings.key,)))
        self._trouble = self._trouble or without_secrets(
            f"{type(error).__name__}{place}: {error}", secrets
        )

    def pauses_after(self, at_once: bool) -> bool:
        """Tell whether a user waits after a failure, which came ``at_once`` or as an answer.

        Where users set the pace, one that fails at once would take the next at once. And nobody
        asks for load in a stage that only looks how long an answer takes.
        """
        order = self._order
        if order is None or not (order.own_pace or order.stage.arrivals.is_closed):
            return False
        return at_once or not order.stage.measured

    # What the conductor's messages say.

    def on_prepare(self, environment: Any, msg: Any, **_: Any) -> None:
        """Make the forms, in a greenlet of its own."""
        gevent.spawn(self._answer, messages.READY, self._prepare, msg.data)

    def on_preflight(self, environment: Any, msg: Any, **_: Any) -> None:
        """Send one request."""
        gevent.spawn(self._answer, messages.PREFLIGHTED, self._send_one, msg.data)

    def on_selftest(self, environment: Any, msg: Any, **_: Any) -> None:
        """Measure what can be sent from here."""
        gevent.spawn(self._answer, messages.SELFTESTED, self._test_self, msg.data)

    def on_stage(self, environment: Any, msg: Any, **_: Any) -> None:
        """Make the load of a stage."""
        arrived = time.monotonic_ns()
        if self._runs is not None:
            self._runs.kill(block=False)
        self._runs = gevent.spawn(self._run, StageOrder.from_message(msg.data), arrived)

    def on_abort(self, environment: Any, msg: Any, **_: Any) -> None:
        """Cut off the stage, if one runs, and report what there is."""
        gevent.spawn(self.abort)

    def abort(self) -> None:
        """Cut off what is under way; send the final report."""
        runs, self._runs = self._runs, None
        if runs is not None:
            runs.kill(block=True)
        if self._order is not None:
            self._finish(_INTERRUPTED)

    def _answer(self, message: str, do: Any, told: Mapping[str, Any]) -> None:
        """Send what ``do`` returns, or what went wrong: the conductor waits for an answer."""
        try:
            answer: dict[str, Any] = do(told)
        except SoundcheckError as error:
            answer = {"problem": str(error), "exit_code": int(error.exit_code)}
        except Exception as error:
            logger.exception("A worker could not do what it was told")
            problem = f"a worker failed, a fault of soundcheck: {error!r:.200}"
            answer = {"problem": problem, "exit_code": int(ExitCode.INTERNAL)}
        self._send(message, {"run": told["run"], **answer})

    def _prepare(self, told: Mapping[str, Any]) -> dict[str, Any]:
        self._trouble = ""
        self.settings = Settings.read(told["options"])
        self.host = told["host"]
        if told["mix"] != self._mix_request or self._mix is None:
            self._measured = None
            self._end_child()
            self._child = Child(told)
            self._child.answer()  # the clips are made
            self._mix = make_mix(told["mix"])
            self._mix_request = told["mix"]
        return {"sha256": self._mix.sha256, "forms": describe(self._mix.forms)}

    def _send_one(self, told: Mapping[str, Any]) -> dict[str, Any]:
        if self._mix is None:
            raise LookupError("no mix was prepared")
        form = min(self._mix.forms, key=lambda one: one.audio_s)
        measured = self._preflight(form)
        answer: dict[str, Any] = {"status": measured.status, "cause": CAUSES[measured.cause]}
        answer["detail"] = measured.detail
        if not measured.cause:
            answer["recognizer"] = recognizer_of(
                self.host, self.settings.key, self.settings.tls_roots
            )
        if measured.done >= 0 and not measured.cause:
            answer["floor"] = [form.number, measured.done - measured.begun]
        return answer

    def _test_self(self, told: Mapping[str, Any]) -> dict[str, Any]:
        try:
            if told["wanted"] and self._measured is None:
                if self._child is None:
                    self._child = Child(told)
                    self._child.answer()
                self._child.go()
                self._measured = self._child.answer()
        finally:
            self._end_child()
            if not self._is_quiet:
                quiet_garbage()
                self._pulse.start()
                self._is_quiet = True
        return {"result": self._measured if told["wanted"] else None}

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _run(self, told: StageOrder, arrived: int) -> None:
        if self._order is not None:
            self._finish(_INTERRUPTED)
        stage = told.stage
        begin = arrived + round(told.begin_in_s * _SECOND)
        opens = begin + round(stage.warm_up_s * _SECOND)
        closes = opens + round(stage.window_s * _SECOND)
        seconds = stage.warm_up_s + stage.window_s
        users = self._users()
        arrivals = stage.arrivals
        if told.own_pace:
            arrivals = type(arrivals)("closed", (float(_NO_LIMIT),))
        self._seed, self._count = told.seed, told.count
        recorder = Recorder(told.number, told.index, begin, (opens, closes), users)
        self._recorder, self._order = recorder, told
        self._pulse.watch(recorder.vitals, opens, closes)
        self._dispatcher.begin(
            Share(arrivals, seconds, told.seed, told.index, told.count, begin, told.most),
            recorder.fired,
        )
        self._wait_and_report(begin, begin + round(seconds * _SECOND))
        recorder.vitals.backlog_end = self._dispatcher.backlog
        recorder.vitals.users_left = self._users()
        deadline = time.monotonic_ns() + round(stage.drain_s * _SECOND)
        next_report = time.monotonic_ns() + _SECOND
        # The last arrivals may not have been fired yet, where the loop was late.
        while self._dispatcher.fires or self._dispatcher.backlog or self._dispatcher.in_flight:
            now = time.monotonic_ns()
            if now >= deadline:
                break
            if now >= next_report:
                self._report()
                next_report += _SECOND
            gevent.sleep(0.02)
        # From here on an abort would find nothing to do.
        self._runs = None
        self._finish(_TIMEOUT)

    def _wait_and_report(self, begin: int, end: int) -> None:
        """Report at every whole second of the stage until its last arrival was due."""
        at = begin
        while at < end:
            at = min(at + round(REPORT_EVERY_S * _SECOND), end)
            gevent.sleep(max(0.0, (at - time.monotonic_ns()) / _SECOND))
            if at < end:
                self._report()
            if not self._dispatcher.fires and self._dispatcher.capped:
                return

    def _finish(self, cause: int) -> None:
        """Cut off what is still under way, count what was never sent, and report for good."""
        if self._finishes:
            return
        self._finishes = True
        for order in self._dispatcher.end():
            if self._recorder is not None and self._order is not None:
                own = self._order.own_pace or self._mix is None
                self._recorder.unsent(order, 0 if own else self.form(order).number)
        self._cut_cause = cause
        for user in list(self._busy):
            # Not kill(): it takes away a greenlet's arguments, by which Locust finds its user.
            gevent.get_hub().loop.run_callback(self._cut_off, user)
        patience = time.monotonic() + _CUT_SECONDS
        while self._dispatcher.in_flight and time.monotonic() < patience:
            gevent.sleep(0.005)
        self._pulse.settle()
        self._report(final=True)
        self._recorder = self._order = None
        self._finishes = False

    def _cut_off(self, user: Any) -> None:
        """Have a user give up its request, if it is still at it. Runs in the hub."""
        if user in self._busy:
            user.throw(CutOff)

    def _report(self, final: bool = False) -> None:
        recorder, order = self._recorder, self._order
        if recorder is None or order is None:
            return
        self.settle()
        told = recorder.delta()
        told.update(
            run=order.run,
            stage=order.number,
            index=order.index,
            second=round((time.monotonic_ns() - recorder.begin) / _SECOND),
            in_flight=self._dispatcher.in_flight,
            backlog=self._dispatcher.backlog,
            lag_ns=self._pulse.second(),
            final=final,
            capped=self._dispatcher.capped,
        )
        if self._own is not None and self._own.untold:
            told["forms"] = describe(self._own.untold)
            self._own.untold = []
        if self._trouble:
            told["trouble"] = self._trouble
        if final:
            told["vitals"] = recorder.vitals.to_message()
        self._send(messages.DELTA, told)


_workers: "WeakKeyDictionary[Any, Worker]" = WeakKeyDictionary()


def worker_of(environment: Any) -> Worker:
    """Return the worker of a Locust environment's process."""
    return _workers[environment]


def keep(environment: Any, worker: Worker) -> None:
    """Make ``worker`` that of the environment."""
    _workers[environment] = worker
