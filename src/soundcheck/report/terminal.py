"""The closing summary of a run on the terminal: verdict, what is wrong, where the report lies."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soundcheck.report.outcomes import Outcome, alike_in, outcomes, with_verdict
from soundcheck.report.printable import one_line, printable
from soundcheck.report.run import Result, Run, RunVerdict, Verdict
from soundcheck.report.wording import (
    COUNTED,
    deviations,
    dialect,
    duration,
    encryption,
    gate,
    is_partial,
    planned_if_other,
    plural,
    replay,
    sentence,
    spent,
    target,
    title,
    waiver,
)

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderableType
    from rich.text import Text

_VERDICT_STYLES: dict[RunVerdict, str] = {
    "conformant": "bold green",
    "nonconformant": "bold red",
    "incomplete": "bold yellow",
}
_STYLES: dict[Verdict, str] = {
    "fail": "bold red",
    "error": "bold magenta",
    "untestable": "bold magenta",
    "warn": "yellow",
    "waived": "yellow",
    "pass": "green",
}
_TOLD: tuple[Verdict, ...] = ("fail", "error", "untestable", "warn", "waived")
_AGAIN: tuple[Verdict, ...] = ("fail", "error")
_AGAIN_SHOWN = 3  # findings that the next command looks at
_REQUIREMENTS_SHOWN = 20
_CASES_SHOWN = 4
_MESSAGE_LINES, _MESSAGE_SHOWN = 4, 400
_FINDINGS_SHOWN = 12
_FINDING_SHOWN = 160  # characters
_NAMES_SHOWN = 4  # cases that say the same
_GATE_STYLES = {"holds": "bold green", "fails": "bold red", "undecided": "bold yellow"}
_GATE_SHOWN = 16  # lines of waivers and changes
_INDENT = 11  # columns: the longest label and a space
_COMMAND_WIDTH = 66  # columns of a command at most before it is broken by backslashes
_DEEPER = "  "  # before the further lines of a command
_UNFINISHED = ("interrupted", "not all sent")  # how the note of a run begins that can be resumed


def render(
    run: Run,
    folder: Path,
    again: Iterable[tuple[str, ...]] = (),
    resumed: Iterable[tuple[str, ...]] = (),
) -> "Group":
    """Return the summary of ``run``, whose reports lie in ``folder``, to be printed by rich.

    ``again`` holds the words, in groups, that follow ``soundcheck check`` to check the same again,
    ``resumed`` those that follow ``--resume FOLDER`` to go on. A line of a command may be wider
    than the console: print it without cropping.
    """
    from rich.console import Group

    found = outcomes(run)
    told = list(with_verdict(found, *_TOLD))
    blocks: list[RenderableType] = [_headline(run, found)]
    unsent = [outcome for outcome in told if _is_unsent(outcome, run)]
    told = [outcome for outcome in told if outcome not in unsent]
    for outcome in told[:_REQUIREMENTS_SHOWN]:
        label = _text(outcome.verdict, _STYLES.get(outcome.verdict, ""))
        blocks.append(_Labelled(label, _requirement(outcome)))
    if len(told) > _REQUIREMENTS_SHOWN:
        blocks.append(f"and {len(told) - _REQUIREMENTS_SHOWN} more in the report\n")
    if unsent:
        blocks.append(f"{plural(len(unsent), 'requirement')} not reached\n")
    findings = _findings(found)
    if findings is not None:
        blocks.append(_Labelled(_text("found"), findings))
    blocks += _closing(run, found, folder)
    if _is_resumable(run) and again:
        blocks.append(_Command([("--resume", str(folder)), *resumed]))
    elif words := _next_words(run, told, list(again)):
        blocks.append(_Command(words))
    return Group(*blocks)


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A label with text beside it, wrapped there; unlike a table it pads no line with spaces.

    A command that is copied from padded lines breaks where a backslash ends a line.
    """

    label: "Text"
    text: "Text"

    def __rich_console__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> "Iterator[RenderableType]":
        width = max(20, options.max_width - _INDENT)
        for number, line in enumerate(self.text.wrap(console, width, overflow="fold")):
            label = self.label if number == 0 else _text("")
            yield label + " " * (_INDENT - label.cell_len) + line if line.plain else ""


@dataclass(frozen=True, slots=True)
class _Command:
    """The next command, to be copied: of the words in ``groups`` a group shares a line if it fits.

    A long word begins further left. One that is wider than the console is left whole: the terminal
    itself wraps it, and gives back one line.
    """

    groups: list[tuple[str, ...]]

    def __rich_console__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> "Iterator[RenderableType]":
        width = min(_COMMAND_WIDTH, options.max_width - _INDENT - len(" \\"))
        label = _text("next", "dim") + " " * (_INDENT - len("next"))
        for number, line in enumerate(_broken("soundcheck check", self.groups, width)):
            shown = label + _text(line, "bold")
            if number and shown.cell_len > options.max_width:
                shown = _text(_DEEPER + line.lstrip(), "bold")
            shown.no_wrap, shown.overflow = True, "ignore"
            yield shown
            label = _text(" " * _INDENT)


def _headline(run: Run, found: tuple[Outcome, ...]) -> "Text":
    text = _text("\n" + title(run), _VERDICT_STYLES[run.verdict])
    text.append(f": {one_line(run.target.model)} with the {one_line(run.profile)} profile\n")
    text.append(f"{sentence(run, found)}\n")
    again = replay(run)
    text.append(f"{again}\n" if again else "")
    shown = [verdict for verdict in COUNTED if run.counts[verdict]]
    for number, verdict in enumerate(shown):
        text.append(", " if number else "")
        text.append(f"{run.counts[verdict]:,} {COUNTED[verdict]}", _STYLES.get(verdict, ""))
    text.append("\n" if shown else "Nothing was judged.\n")
    for number, line in enumerate((told := gate(run))[:_GATE_SHOWN]):
        style = _GATE_STYLES[run.gate.verdict] if run.gate else ""
        text.append("gate: ", style)
        text.append(f"{line}\n", "" if number else "bold")
    if len(told) > _GATE_SHOWN:
        text.append(f"and {len(told) - _GATE_SHOWN} more in the report\n")
    for note in run.notes:
        text.append("note: ", "bold yellow")
        text.append(f"{one_line(note)}\n")
    return text


def _requirement(outcome: Outcome) -> "Text":
    text = _text(outcome.id, "bold")
    text.append(f"  {outcome.level}\n", "dim")
    text.append(f"{one_line(outcome.rule)}\n", "dim")
    noteworthy = outcome.noteworthy
    groups = alike_in(noteworthy)
    for alike in groups[:_CASES_SHOWN]:
        result = alike[0]
        if result.case is not None:
            other = f" ({result.verdict})" if result.verdict != outcome.verdict else ""
            text.append(f"{_names(alike)}{other}: ", "bold")
        text.append(f"{_first_lines(result.message or 'no message was given')}\n")
        if result.waiver:
            text.append(f"{waiver(result.waiver)}\n", "dim")
    more = sum(len(alike) for alike in groups[_CASES_SHOWN:])
    if more:
        text.append(f"and {plural(more, 'more case')}\n")
    return text


def _names(alike: list[Result]) -> str:
    """Return the names of cases that say the same."""
    shown = ", ".join(one_line(one.case or "(all)") for one in alike[:_NAMES_SHOWN])
    more = len(alike) - _NAMES_SHOWN
    return f"{shown} and {plural(more, 'more case')}" if more > 0 else shown


def _findings(found: tuple[Outcome, ...]) -> "Text | None":
    """Return what the judges found, a line each, or nothing."""
    lines = []
    for outcome in found:
        for stated, cases in outcome.found.items():
            names = [one_line(case, 40) for case in cases[:_NAMES_SHOWN] if case]
            if len(cases) > _NAMES_SHOWN:
                names.append(f"{len(cases) - _NAMES_SHOWN} more")
            where = f" ({', '.join(names)})" if names else ""
            lines.append((f"{outcome.id}{where}: ", one_line(stated, _FINDING_SHOWN)))
    if not lines:
        return None
    text = _text("")
    for where, stated in lines[:_FINDINGS_SHOWN]:
        text.append(where, "dim")
        text.append(f"{stated}\n")
    if len(lines) > _FINDINGS_SHOWN:
        text.append(f"and {len(lines) - _FINDINGS_SHOWN} more in the report\n")
    return text


def _first_lines(message: str) -> str:
    shown = printable(message).expandtabs(4)
    lines = shown[:_MESSAGE_SHOWN].split("\n")
    cut = len(shown) > _MESSAGE_SHOWN or len(lines) > _MESSAGE_LINES
    return "\n".join(lines[:_MESSAGE_LINES]) + (" …" if cut else "")


def _is_unsent(outcome: Outcome, run: Run) -> bool:
    """Tell whether an interrupted or capped run did not reach a requirement."""
    asked = any(one.exchanges for one in outcome.noteworthy)
    return _is_unfinished(run) and outcome.verdict == "untestable" and not asked


def _is_unfinished(run: Run) -> bool:
    return any(note.startswith(_UNFINISHED) for note in run.notes)


def _is_resumable(run: Run) -> bool:
    """Tell whether ``--resume`` goes on with ``run``: one of a deployment that is still there."""
    tapped = run.encryption is not None and run.encryption.tapped
    return _is_unfinished(run) and not (run.replay_of or run.target.reference or tapped)


def _closing(run: Run, found: tuple[Outcome, ...], folder: Path) -> "list[_Labelled]":
    rows = {
        "target": one_line(target(run)),
        "dialect": f"{dialect(run)}, effort {run.effort}",
        "encryption": encryption(run),
        "accepted": deviations(found),
        "spent": f"{spent(run.cost)}, {duration(run.duration_s)}",
        "planned": planned_if_other(run.cost),
        "report": one_line(str(folder / "report.html")),
    }
    return [
        _Labelled(_text(name, "dim"), _text(value))
        for name, value in rows.items()
        if value is not None
    ]


def _next_words(
    run: Run, told: list[Outcome], again: list[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """Return the words that check the findings again, the rest, or one's own deployment."""
    failed = [("--only", outcome.id) for outcome in told if outcome.verdict in _AGAIN]
    if not again:
        return []
    if run.verdict == "conformant" and not failed and not is_partial(run):
        return [("https://HOST/v1",), ("--model", "MODEL")] if run.target.reference else []
    return [*again, *failed[:_AGAIN_SHOWN]]


def _broken(command: str, groups: list[tuple[str, ...]], width: int) -> list[str]:
    """Return ``command`` with the words of ``groups`` in as few lines as fit into ``width``.

    A shell joins the lines again: all but the last end in a backslash.
    """
    lines = [command]
    for group in groups:
        words = [shlex.quote(one_line(word)) for word in group]
        whole = " ".join(words)
        for part in [whole] if len(whole) + len(_DEEPER) <= width else words:
            if len(lines[-1]) + 1 + len(part) > width:
                lines.append(_DEEPER + part)
            else:
                lines[-1] += f" {part}"
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]


def _text(content: str, style: str = "") -> "Text":
    from rich.text import Text

    text = Text()
    text.append(content, style)
    return text
