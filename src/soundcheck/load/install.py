"""What is hooked into Locust when it starts: the conductor, the worker, and checks of the options.

A user's mistake ends the process here with one message and exit code 2, before anything is sent.
"""

import signal
import sys
from typing import Any, NoReturn

import gevent
from locust import stats
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from soundcheck.errors import SoundcheckError
from soundcheck.load import messages
from soundcheck.load.client import Measured
from soundcheck.load.conductor import Conductor, tell_error, undisturbed
from soundcheck.load.endpoint import Endpoint
from soundcheck.load.form import Form
from soundcheck.load.options import Settings
from soundcheck.load.own_pace import scenario_of
from soundcheck.load.rounding import three_digits
from soundcheck.load.run import plan_of
from soundcheck.load.worker import Worker, keep


def install(environment: Any, runner: Any, web_ui: Any = None, **_: Any) -> None:
    """Add conductor and worker to a Locust process that has users of ours."""
    ours = [one for one in environment.user_classes if hasattr(one, "follows_schedule")]
    if not ours or runner is None:
        return
    stats.bucket_response_time = three_digits  # type: ignore[assignment]
    is_worker = isinstance(runner, WorkerRunner)
    options = environment.parsed_options
    if not is_worker:
        try:
            if len(ours) != len(environment.user_classes):
                raise SoundcheckError(
                    "the locustfile has users of other kinds as well: name those to run at the end "
                    "of the command line"
                )
            scenario_of(ours)
            _take_run_time(options)
            settings = Settings.read(vars(options), with_key=not isinstance(runner, MasterRunner))
            host = environment.host or ours[0].host
            if host:
                Endpoint.of(host, settings.key, settings.header, settings.query, settings.secrets)
            elif options.headless or options.autostart:
                raise SoundcheckError(
                    "there is no URL: add --host, the API's base URL, normally ending in /v1"
                )
            if options.headless or options.autostart:
                # What a scenario cannot do without is told before anything is made or sent.
                scenario_of(ours).estimate_s(plan_of(settings, options.num_users or 1))
        except SoundcheckError as error:
            _refuse(error)
        if web_ui is not None:
            _check_forms(web_ui, options)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        gevent.signal_handler(signal.SIGINT, _interrupt)
    if not isinstance(runner, MasterRunner):
        _install_worker(environment, runner, ours[0])
    if isinstance(runner, LocalRunner | MasterRunner):
        _install_conductor(environment, runner)


def _interrupt() -> None:
    """End the main greenlet by Ctrl-C. By default whichever happens to run is ended.

    That may be the one that conducts the run, and its result would be lost.
    """
    gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())


def _install_worker(environment: Any, runner: Any, user_class: Any) -> None:
    def preflight(form: Form) -> Measured:
        user = user_class(environment)
        user.host = worker.host
        client = user.make_client()
        try:
            measured: Measured = client.transcribe(form)
        finally:
            client.close()
        return measured

    worker = Worker(runner.send_message, lambda: runner.user_count, preflight)
    keep(environment, worker)
    environment.events.user_error.add_listener(lambda exception, **_: worker.broke(exception))
    runner.register_message(messages.PREPARE, worker.on_prepare)
    runner.register_message(messages.PREFLIGHT, worker.on_preflight)
    runner.register_message(messages.SELFTEST, worker.on_selftest)
    runner.register_message(messages.STAGE, worker.on_stage)
    runner.register_message(messages.ABORT, worker.on_abort)
    if isinstance(runner, WorkerRunner):
        # A worker that ends, by Ctrl-C for one, reports what it has before it says good-bye.
        def end(**_: Any) -> None:
            with undisturbed():
                worker.abort()

        environment.events.quitting.add_listener(end)


def _install_conductor(environment: Any, runner: Any) -> None:
    conductor = Conductor(environment, runner, is_master=isinstance(runner, MasterRunner))
    for message in (messages.READY, messages.PREFLIGHTED, messages.SELFTESTED):
        runner.register_message(message, conductor.on_answer)
    runner.register_message(messages.DELTA, conductor.on_delta)
    environment.events.test_start.add_listener(conductor.on_test_start)
    environment.events.test_stopping.add_listener(conductor.on_end)
    environment.events.quitting.add_listener(conductor.on_end)


def _take_run_time(options: Any) -> None:
    """Take ``-t`` for the length of the window: Locust would cut the warm-up and drain off it."""
    if options.run_time and not options.stt_window:
        options.stt_window = f"{options.run_time}s"
    options.run_time = None


def _check_forms(web_ui: Any, options: Any) -> None:
    """Refuse wrong options in the web UI's form, where Locust would start a test with them.

    Its run time is the window's length, as ``-t`` is.
    """
    from flask import jsonify, request
    from werkzeug.datastructures import ImmutableMultiDict, MultiDict

    @web_ui.app.before_request  # type: ignore[untyped-decorator]
    def check() -> Any:
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        form = MultiDict(request.form)
        run_time = form.pop("run_time", "")
        if run_time and not form.get("stt_window"):
            form["stt_window"] = run_time
        try:
            Settings.read({**vars(options), **form.to_dict()}, with_key=False)
            Endpoint.of(form.get("host") or "", None, {})
        except SoundcheckError as error:
            return jsonify({"success": False, "message": str(error)})
        request.form = ImmutableMultiDict(form)  # what Locust reads next
        return None


def _refuse(error: SoundcheckError) -> NoReturn:
    tell_error(str(error))
    sys.exit(int(error.exit_code))
