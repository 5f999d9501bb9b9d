"""The conductor: begins a run with Locust's test, and ends the test with the run.

It lives in Locust's master, or in the only process where there is none. The web UI can start, stop
and start again.
"""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent

from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.load.crew import Crew
from soundcheck.load.options import Settings
from soundcheck.load.run import Run

_FINISH_S = 30.0

logger = logging.getLogger(__name__)


class Conductor:
    """Leads the runs of one Locust process, one after the other."""

    def __init__(self, environment: Any, runner: Any, *, is_master: bool) -> None:
        self._environment = environment
        self._runner = runner
        self._crew = Crew(runner, is_master)
        self._run: Run | None = None
        self._greenlet: gevent.Greenlet | None = None

    def on_answer(self, environment: Any, msg: Any, **_: Any) -> None:
        """Take a worker's answer to PREPARE, PREFLIGHT or SELFTEST."""
        self._crew.take(msg.type, msg.node_id, msg.data)

    def on_delta(self, environment: Any, msg: Any, **_: Any) -> None:
        """Take a worker's report of the stage under way."""
        if self._run is not None:
            self._run.report(msg.data)

    def on_test_start(self, environment: Any, **_: Any) -> None:
        """Begin a run."""
        if self._greenlet is None or self._greenlet.ready():
            self._run = None
            self._greenlet = gevent.spawn(self._conduct)

    def on_end(self, environment: Any, **_: Any) -> None:
        """Save what there is when the test is ended, by whomever, before its run is over."""
        run, greenlet = self._run, self._greenlet
        if greenlet is None or greenlet.ready() or greenlet is gevent.getcurrent():
            return
        if run is not None and not run.is_over:
            run.is_interrupted = True
            # A second Ctrl-C, perhaps sent by whoever started this, must not lose the result.
            with undisturbed():
                greenlet.join(timeout=_FINISH_S)

    def _conduct(self) -> None:
        environment = self._environment
        run: Run | None = None
        code = ExitCode.INTERNAL
        try:
            settings = Settings.read(
                vars(environment.parsed_options), with_key=not self._crew.is_distributed
            )
            run = self._run = Run(environment, self._runner, self._crew, settings)
            code = run.conduct()
        except SoundcheckError as error:
            code = error.exit_code
            tell_error(str(error))
            if environment.web_ui is not None:
                # What is on standard error nobody sees there: the page has a list of exceptions.
                self._runner.log_exception("local", str(error), "")
            if run is not None:
                run.progress.tell("error", text=str(error), exit_code=int(code))
        except Exception:
            logger.exception("The load run broke off")
            tell_error("the load run broke off, a fault of soundcheck: see above")
        finally:
            if run is not None:
                run.close()
        environment.process_exit_code = int(code)
        if run is not None and run.is_interrupted:
            return  # whoever ended the test goes on with that
        if environment.parsed_options.headless:
            self._runner.quit()
        else:
            self._runner.stop()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put off Ctrl-C: what is done within is bounded in time, and must not be half done."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def tell_error(text: str) -> None:
    """Tell the user what is wrong, in one message."""
    sys.stderr.write(f"soundcheck: {text}\n")
    sys.stderr.flush()
