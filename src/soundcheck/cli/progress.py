"""How far a check is: a bar on a terminal, a few plain lines elsewhere, always on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from soundcheck.audio import Clip
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.plan import Cost
from soundcheck.contract.probe import Probe
from soundcheck.plugin.observer import Observer, Silent
from soundcheck.report.run import Result
from soundcheck.report.wording import plural, size


@contextmanager
def observer(quiet: bool) -> Iterator[Observer]:
    """Yield the observer that suits stderr; a quiet one says nothing."""
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
        yield _Told(console, bar)


class _Told:
    """Prints what is known as it becomes known, and moves the bar."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self._console = console
        self._bar = bar
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
        self._console.print(
            f"planned: {plural(requirements, 'requirement')} by "
            f"{plural(cost.requests, 'request')}, {cost.audio_s / 60:.1f} audio minutes, "
            f"{size(cost.upload_bytes)} to upload"
        )
        if searches.requests:
            self._console.print(
                f"and by searches: at most {plural(searches.requests, 'request')}, "
                f"{searches.audio_s / 60:.1f} audio minutes, {size(searches.upload_bytes)}"
            )
        self._requests = cost.requests
        self._bar.update(self._sending, total=cost.requests, visible=True)

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
