"""The Locust user: it takes the next arrival, sends it, and records what came of it.

Importing this module imports Locust, which patches sockets and threads of the whole process.
"""

from collections.abc import Mapping
from functools import cache
from time import monotonic_ns
from typing import Any, ClassVar, Protocol

import gevent
from locust import User, events
from locust.exception import StopTest, StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from soundcheck.load.client import Measured, TranscriptionClient
from soundcheck.load.dispatch import Order
from soundcheck.load.form import Form
from soundcheck.load.install import install
from soundcheck.load.options import Settings, add_options
from soundcheck.load.sample import CAUSES
from soundcheck.load.scenarios import Steady
from soundcheck.load.stage import Scenario
from soundcheck.load.worker import CutOff, Worker, worker_of

NAME = "/audio/transcriptions"
"""What requests are called in Locust's statistics, beside their type POST, or TTFD."""


_AT_ONCE = tuple(map(CAUSES.index, ("unsent", "refused", "unresolved", "tls")))
_PAUSE_S = 0.5


class Client(Protocol):
    """What sends requests for a user: the project's own client, or another transport."""

    def transcribe(self, form: Form) -> Measured:
        """Send ``form`` and return what was measured; raises nothing for what a deployment does."""

    def close(self) -> None:
        """Give up the connection."""


class TranscriptionFailed(Exception):
    """A transcription that failed, for Locust's table of failures: its cause and status."""


class TranscriptionUser(User):
    """A caller of a speech-to-text API: one of the pool that serves a scenario's schedule.

    Subclass it in a locustfile; ``--host`` is the base URL, normally ending in ``/v1``. What a
    class attribute leaves None, the scenario decides; options of the command line go before both.
    A class with tasks of its own sets its own pace (a closed loop) and sends by ``transcribe``.
    """

    abstract = True

    scenario: ClassVar[Scenario] = Steady()
    """The load question: when requests begin, and in what stages."""
    durations: ClassVar[str | None] = None
    formats: ClassVar[str | None] = None
    languages: ClassVar[str | None] = None
    stream: ClassVar[float | None] = None
    clips: ClassVar[str | None] = None
    """Clips by name and weight, in place of durations, formats and languages."""
    fields: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Form fields to send beside the model."""
    headers: ClassVar[Mapping[str, str]] = {}
    """Header fields to send beside the key's."""
    transport: ClassVar[str] = "socket"
    """What the report says the requests were sent by."""
    follows_schedule: ClassVar[bool] = True
    """False in classes with tasks of their own."""

    _made: Client | None = None
    _ended_by: Exception | None = None
    _adds_context: ClassVar[bool] = False

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        own = [task for task in cls.tasks if task is not _serve]
        cls.follows_schedule = not own
        cls.tasks = own or [_serve]
        cls._adds_context = cls.context is not User.context

    @property
    def settings(self) -> Settings:
        """Return what the options say."""
        return self._worker.settings

    @property
    def client(self) -> Client:
        """Return the client of this user, made when it is first asked for."""
        if self._made is None:
            self._made = self.make_client()
        return self._made

    @property
    def _worker(self) -> Worker:
        return worker_of(self.environment)

    def make_client(self) -> Client:
        """Return what sends this user's requests; a subclass may send them otherwise."""
        settings = self.settings
        if settings.transport == "fast-http":
            from soundcheck.load.fast import fast_client

            return fast_client(self)
        return TranscriptionClient(
            self.host or "",
            key=settings.key,
            headers={**settings.header, **self.headers},
            query=settings.query,
            secrets=settings.secrets,
            timeout_s=settings.timeout,
            roots=settings.tls_roots,
        )

    def on_stop(self) -> None:
        """Give up the connection."""
        if self._made is not None:
            self._made.close()

    def transcribe(self, clip: str, **fields: str) -> Measured:
        """Send ``clip`` (a name of the library) with form ``fields``, for a task of a subclass.

        It waits until a stage runs. What is measured is recorded like the requests of a schedule,
        and returned. Raises SoundcheckError for a clip that there is none of.
        """
        worker = self._worker
        form = worker.own_form(clip, fields)
        while True:
            measured = self._next(worker, form)
            if measured is not None:
                return measured

    def _next(self, worker: Worker, form: Form | None = None) -> Measured | None:
        """Send the next arrival; None if it was cut off."""
        if self._ended_by is not None:
            raise self._ended_by
        me = self._greenlet
        # Locust may end a user that waits, but lets one that runs finish its task.
        self._state = LOCUST_STATE_WAITING
        order = worker.take(me)
        self._state = LOCUST_STATE_RUNNING
        dispatched = monotonic_ns()
        asked = form or worker.form(order)
        try:
            measured = (self._made or self.client).transcribe(asked)
        except BaseException as thrown:
            is_cut = isinstance(thrown, CutOff)
            worker.cut(me, order, dispatched, asked, leaves=not is_cut)
            if self._made is not None:
                self._made.close()
            if is_cut:
                return None
            raise
        worker.finished(me, order, dispatched, asked, measured, self._tell)
        if measured.cause and worker.pauses_after(measured.cause in _AT_ONCE):
            gevent.sleep(_PAUSE_S)
        return measured

    def _tell(self, form: Form, order: Order, measured: Measured, cause: int, latency: int) -> None:
        """Tell Locust, and whoever else listens, of a transcription."""
        context = {
            "clip": form.clip,
            "audio_s": form.audio_s,
            "stream": form.stream,
            "arrival": order.arrival,
        }
        if self._adds_context:
            context.update(self.context())
        fire = self.environment.events.request.fire
        try:
            fire(
                request_type="POST",
                name=NAME,
                response_time=latency / 1e6,
                response_length=measured.received,
                exception=_failure(cause, measured.status) if cause else None,
                context=context,
            )
            if form.stream and measured.first_text >= 0:
                fire(
                    request_type="TTFD",
                    name=NAME,
                    response_time=(measured.first_text - order.intended) / 1e6,
                    response_length=0,
                    exception=None,
                    context=context,
                )
        except (StopUser, StopTest) as wish:
            # A listener ends this user, but another one's greenlet may be telling of its request.
            self._ended_by = wish


def _serve(user: TranscriptionUser) -> None:
    """Serve the schedule until the user is asked to stop: the task of users without their own."""
    worker = user._worker
    while user._state != LOCUST_STATE_STOPPING:
        user._next(worker)


@cache
def _failure(cause: int, status: int) -> TranscriptionFailed:
    """Return one exception per cause and status: details that differ would flood the table."""
    name = CAUSES[cause]
    return TranscriptionFailed(f"{name} ({status})" if status else name)


events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.init.add_listener(install)  # type: ignore[no-untyped-call]
