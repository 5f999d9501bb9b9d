"""How far a check is: a bar on a terminal, a few plain lines elsewhere, always on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from soundcheck.audio import Clip
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.plan import Cost
from soundcheck.contract.probe import Probe
from soundcheck.contract.traffic import Caps
from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.plugin.observer import Observer, Silent
from soundcheck.plugin.options import Options
from soundcheck.report.run import Result
from soundcheck.report.wording import plural, price, size

COSTLY = Caps(requests=250, audio_minutes=15, upload_mb=300)
"""What nobody is asked for: the bounds of the effort quick."""


@contextmanager
def observer(quiet: bool, options: Options, *, asks: bool = False) -> Iterator[Observer]:
    """Yield the observer that suits stderr; a quiet one says nothing.

    One that ``asks`` has the user agree to a costly plan, where there is a user: on a terminal.
    """
    if quiet:
        yield Silent()
        return
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        yield _Told(console, bar, options, asks=asks and sys.stdin.isatty())


class _Told:
    """Prints what is known as it becomes known, and moves the bar."""

    def __init__(self, console: Console, bar: Progress, options: Options, *, asks: bool) -> None:
        self._console = console
        self._bar = bar
        self._options = options
        self._asks = asks and console.is_terminal
        self._making = bar.add_task("making audio", total=0, visible=False)
        self._sending = bar.add_task("sending", total=0, visible=False)
        self._requests = 0
        self._sent = 0

    def examined(self, deployment: Deployment) -> None:
        self._console.print(
            f"model {deployment.model}, profile {deployment.profile.name}, "
            f"dialect {deployment.dialect}",
            markup=False,
        )
        profile, seen = deployment.profile, deployment.dialect
        if seen not in ("unknown", profile.dialect):
            self._console.print(
                f"the profile {profile.name} claims the {profile.dialect} dialect: is "
                f"--profile {seen} meant?",
                markup=False,
            )

    def tapping(self, instructions: str) -> None:
        # Unwrapped, to be copied; also where progress is not shown.
        self._console.print(instructions, markup=False, soft_wrap=True)

    def making(self, clip: Clip | None, done: int, total: int) -> None:
        self._bar.update(self._making, total=total, completed=done, visible=done < total)

    def planned(self, requirements: int, cost: Cost, searches: Cost) -> None:
        of_a_minute, currency = self._options.price, self._options.currency
        told = price(cost.audio_s / 60, of_a_minute, currency)
        self._console.print(
            f"planned: {plural(requirements, 'requirement')} by "
            f"{plural(cost.requests, 'request')}, {cost.audio_s / 60:.1f} audio minutes, "
            f"{size(cost.upload_bytes)} to upload{f', {told}' if told else ''}",
            markup=False,
        )
        if searches.requests:
            self._console.print(
                f"and by searches: at most {plural(searches.requests, 'request')}, "
                f"{searches.audio_s / 60:.1f} audio minutes, {size(searches.upload_bytes)}"
            )
        whole = cost.plus(searches.requests, searches.audio_s, searches.upload_bytes)
        if self._asks and COSTLY.exceeded_by(whole):
            self._agree()
        self._requests = cost.requests
        self._bar.update(self._sending, total=cost.requests, visible=True)

    def _agree(self) -> None:
        self._bar.stop()
        try:
            agreed = typer.confirm("Send this?", err=True)
        except typer.Abort:  # Ctrl-C, which is no fault
            raise KeyboardInterrupt from None
        if not agreed:
            error = SoundcheckError(
                "nothing of it was sent; --only, --without and --effort make it smaller, caps "
                "bound it, --yes sends it unasked"
            )
            error.exit_code = ExitCode.NO_VERDICT
            raise error
        self._bar.start()

    def sent(self, probe: Probe) -> None:
        if not probe.is_request:  # nobody planned to ask it
            return
        self._sent += 1
        self._bar.update(self._sending, completed=self._sent)
        quarter = max(1, self._requests // 4)
        if not self._console.is_terminal and self._sent % quarter == 0:
            self._console.print(f"sent {self._sent} of {self._requests}")

    def judged(self, result: Result) -> None:
        self._bar.update(self._sending, visible=False)
