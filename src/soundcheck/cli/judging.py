"""Running the suites over one deployment, in this process and on our own terms."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundcheck.errors import ExitCode, SoundcheckError

if TYPE_CHECKING:
    from soundcheck.plugin.options import Options
    from soundcheck.plugin.session import Session
    from soundcheck.plugin.tapping import Arrangement

TOGETHER = 2.0
"""Seconds after a first interrupt in which others are taken for the same one."""


def judge(
    options: "Options",
    again: list[tuple[str, ...]],
    beside: "Arrangement | None",
    own: tuple[Path, ...] = (),
    *,
    resumed: Iterable[tuple[str, ...]] = (),
    quiet: bool,
    as_json: bool,
) -> ExitCode:
    """Run the suites over one deployment, tell the outcome, and return the exit code.

    ``again`` are the words after ``soundcheck check`` by which a user does the same again,
    ``resumed`` those after ``--resume RUN`` by which a run that did not come to its end goes on;
    ``beside`` is a deployment of our own whose encryption is judged too, and ``own`` are folders of
    a user's requirements. Progress is shown unless ``quiet``; ``as_json`` prints ``run.json``.
    Raises :class:`SoundcheckError` where nothing could be judged.
    """
    import pytest

    from soundcheck import suites
    from soundcheck.cli.progress import observer
    from soundcheck.contract.verdict import Verdict, exit_code
    from soundcheck.http.access import is_loopback
    from soundcheck.plugin import SESSION
    from soundcheck.plugin.session import Session
    from soundcheck.report.run import FILE
    from soundcheck.report.terminal import render

    costs = not (options.agreed or options.reference or is_loopback(options.base_url))
    with _one_interrupt(), observer(quiet, options, asks=costs) as watching:
        session = Session.starting(options, watching, beside)
        try:
            status = _run_pytest(
                [
                    str(suites.folder("conformance")),
                    f"--rootdir={suites.folder('conformance').parent}",
                    *(str(folder.resolve()) for folder in own),
                ],
                session,
                SESSION,
            )
        finally:
            session.close()
    if session.problem is not None:
        raise session.problem
    if session.broken or status not in (
        pytest.ExitCode.OK,
        pytest.ExitCode.TESTS_FAILED,
        pytest.ExitCode.INTERRUPTED,
        pytest.ExitCode.NO_TESTS_COLLECTED,  # nothing was decided: the run says why
    ):
        raise _suite_failure(status)
    run = session.run
    if run is None:
        raise _suite_failure(status)
    if not run.results:
        raise _suite_failure(status)
    if as_json:
        sys.stdout.write((session.out / FILE).read_text(encoding="utf-8"))
    else:
        from rich.console import Console

        if options.replay is not None and not (run.counts["fail"] or run.counts["error"]):
            again = []  # the same answers once more would tell the same
        Console().print(render(run, session.out, again, resumed), crop=False)
    verdicts = [Verdict(result.verdict) for result in run.results]
    return exit_code(run.verdict, verdicts, run.gate.verdict if run.gate else "")


def _run_pytest(arguments: list[str], session: "Session", name: str) -> int:
    """Run pytest in this process on its own terms: no user configuration, no other plugins."""
    import pytest

    class Registrar:
        """Registers the session under the name that the plugin looks for."""

        def pytest_configure(self, config: Any) -> None:
            # Nobody reads pytest's own report of a failure, and its long form takes most of a run.
            config.option.tbstyle = "value"
            config.pluginmanager.register(session, name)

    ours = ["-p", "soundcheck.plugin", "-p", "no:terminal", "-p", "no:cacheprovider"]
    ours += ["-p", "no:logging", "-p", "no:unraisableexception", "-p", "no:threadexception"]
    ours += ["--disable-plugin-autoload", "-c", os.devnull, "--import-mode=importlib"]
    added = os.environ.pop("PYTEST_ADDOPTS", None)
    try:
        return int(pytest.main([*ours, *arguments], plugins=[Registrar()]))
    finally:
        if added is not None:
            os.environ["PYTEST_ADDOPTS"] = added


def _suite_failure(status: int) -> SoundcheckError:
    error = SoundcheckError(f"the suites could not be run (pytest ended with {status})")
    error.exit_code = ExitCode.INTERNAL
    return error


@contextlib.contextmanager
def _one_interrupt() -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the run in order, so that its results are kept.

    Signals that come with the first (from a terminal and a wrapper, say) are the same wish; one
    that comes later wants out at once.
    """
    begun: float | None = None

    def handle(*_: object) -> None:
        nonlocal begun
        if begun is None:
            begun = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - begun > TOGETHER:
            os._exit(ExitCode.NO_VERDICT)

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
