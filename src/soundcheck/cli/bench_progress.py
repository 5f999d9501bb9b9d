"""How far a load run is: a line that changes on a terminal, a few plain lines elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from soundcheck.cli.bench_child import Told
from soundcheck.report.bench_wording import seconds
from soundcheck.report.printable import one_line
from soundcheck.report.wording import plural

FIRST_S, PLAIN_S = 2.0, 5.0
"""Seconds to the first plain line of a stage, and between those after it; about 20 at most."""
SEPARATOR = " · "
_TEXT = 300


@contextmanager
def progress(quiet: bool) -> Iterator[Told]:
    """Yield what takes the events of a load run; a quiet one says nothing."""
    if quiet:
        yield lambda event: None
        return
    console = Console(stderr=True, highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
    with Progress(
        *columns,
        console=console,
        transient=True,
        refresh_per_second=5,
        disable=not console.is_terminal,
    ) as line:
        yield _Shown(console, line)


class _Shown:
    """Prints what is said once, and moves the line with every tick."""

    def __init__(self, console: Console, line: Progress) -> None:
        self._console = console
        self._line = line
        self._task = line.add_task("getting ready", total=None)
        self._stage = ""
        self._next_s = 0.0

    def __call__(self, event: Mapping[str, Any]) -> None:
        told = {"tick": self._tick, "stage": self._begin, "interrupted": self._interrupted}
        if event["event"] in told:
            told[event["event"]](event)
        elif event["event"] in ("plan", "note"):
            self._say(one_line(str(event["text"]), _TEXT).replace("--stt-", "--"))

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=not self._console.is_terminal)

    def _begin(self, event: Mapping[str, Any]) -> None:
        self._stage = f"{event['number']} {one_line(str(event['name']), 40)}"
        self._next_s = FIRST_S
        self._line.update(self._task, description=self._stage)
        if not self._console.is_terminal:
            self._say(f"stage {self._stage}: {round(event['seconds'], 1):g} s")

    def _tick(self, event: Mapping[str, Any]) -> None:
        elapsed, whole = event["elapsed_s"], event["of_s"]
        figures = _figures(event)
        at = f"{min(elapsed, whole):.0f}/{whole:.0f} s"
        self._line.update(
            self._task,
            description=_fitting([self._stage, at, *figures], self._console.width - 4),
        )
        if self._console.is_terminal or elapsed < self._next_s or elapsed > whole:
            return
        self._next_s = elapsed + max(PLAIN_S, whole / 20)
        self._say(f"  {elapsed:.0f} of {whole:.0f} s: {SEPARATOR.join(figures)}")

    def _interrupted(self, _: Mapping[str, Any]) -> None:
        self._say("interrupted: saving what was measured (once more ends it at once)")


def _figures(event: Mapping[str, Any]) -> list[str]:
    """Return what the last second was like, the most important first."""
    return [
        f"offered {event['offered_rps']:.0f}/s",
        f"answered {event['achieved_rps']:.0f}/s",
        f"p95 {seconds(event['p95_s']) or '-'}",
        plural(event["errors"], "error"),
        f"lag {event['lag_ms']:.1f} ms",
        f"{event['in_flight']} under way",
    ]


def _fitting(parts: Sequence[str], width: int) -> str:
    """Return as many of ``parts`` as fit into one line."""
    while len(parts) > 1 and len(SEPARATOR.join(parts)) > width:
        parts = parts[:-1]
    return SEPARATOR.join(parts)
