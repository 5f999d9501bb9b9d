"""The closing summary says the verdict first, fits the terminal and lets nothing act on it."""

import io
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from soundcheck.report.run import Encryption, Result, Run, Target
from soundcheck.report.terminal import render

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]
FOLDER = Path("reports/2026-11-22")


def printed(
    run: Run,
    width: int = 80,
    terminal: bool = False,
    again: tuple[tuple[str, ...], ...] = (("staging",),),
    resumed: tuple[tuple[str, ...], ...] = (),
) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
        legacy_windows=False,
    )
    console.print(render(run, FOLDER, again, resumed), crop=False)
    return out.getvalue()


def test_the_summary_says_what_matters_in_order(make_run: MakeRun) -> None:
    """Verdict, counts, notes, findings worst first, cost, report and the next command."""
    text = printed(make_run())
    order = (
        "Not conformant: whisper-large-v3 with the vllm profile",
        "2 of 5 required rules fail. 1 more fails and is waived.",
        "2 failed, 1 untestable, 1 warned, 1 waived",
        "note: 2 of 41 requests needed another attempt",
        "fail       schema/verbose-duration-number  MUST",
        "The duration in a verbose_json answer is a JSON number",
        '"duration" is the string "3.75"; expected a JSON number.',
        "webm: status 500 for sentence.webm",
        "m4a (error): no answer in 3 attempts",
        "untestable models/unknown-is-404  MUST",
        "warn       schema/segments-inside-audio  SHOULD",
        "waived     formats/eight-khz",
        "target     staging at http://127.0.0.1:41234/v1",
        "spent      41 requests, 3.1 audio minutes",
        "planned    44 requests",
        "report     reports/2026-11-22/report.html",
        "next       soundcheck check staging",
    )
    positions = [text.index(words) for words in order]
    assert positions == sorted(positions)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_fit(make_run: MakeRun, width: int) -> None:
    """No line is wider than the terminal, long words included."""
    long = replace(make_run().results[2], message="x" * 390)
    lines = printed(make_run(results=[long]), width).splitlines()
    assert max(map(len, lines)) <= width


def test_colours_only_on_a_terminal(make_run: MakeRun) -> None:
    """A file or a pipe gets plain text, a terminal the same text with colours."""
    plain, coloured = printed(make_run()), printed(make_run(), terminal=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b[" in coloured


@settings(max_examples=60)
@given(text=st.text(st.characters(exclude_categories=())))
def test_server_text_never_drives_the_terminal(
    make_run: MakeRun, make_result: MakeResult, text: str
) -> None:
    """Escapes, markup of rich and other controls in any place are shown, not obeyed."""
    evil = f"[red]\x1b[2J\x07{text}"
    texts = {"rule": evil, "source": evil, "message": evil, "found": evil}
    result = make_result(verdict="fail", case=evil, **texts)
    target = Target(base_url=evil, model=evil, profile="vllm")
    run = make_run(results=[result], notes=(evil,), target=target, replay_of=evil)
    shown = printed(run, 200)
    assert "[red]\\x1b[2J\\x07" in shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", shown)


AGAIN = (("http://host/v1",), ("--profile", "my own.toml"))


def next_command(
    run: Run,
    again: tuple[tuple[str, ...], ...] = AGAIN,
    resumed: tuple[tuple[str, ...], ...] = (),
    *,
    width: int = 80,
    terminal: bool = False,
) -> list[str] | None:
    text = re.sub(r"\x1b\[[0-9;]*m", "", printed(run, width, terminal, again, resumed))
    _, found, command = text.partition("\nnext ")
    return shlex.split(command.replace("\\\n", "")) if found else None  # as a shell joins lines


def test_the_next_command_repeats_the_failures(make_run: MakeRun) -> None:
    """The command can be copied, over several lines too, and checks the same for what failed."""
    command = next_command(make_run())
    assert command is not None
    assert command[:5] == ["soundcheck", "check", "http://host/v1", "--profile", "my own.toml"]
    assert command[5:7] == ["--only", "schema/verbose-duration-number"]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("width", [40, 41, 47, 60, 80, 200])
def test_the_next_command_can_be_copied_at_any_width(
    make_run: MakeRun, width: int, terminal: bool
) -> None:
    """No line of it is broken but by a backslash, however long its words are."""
    long = "https://speech.staging.internal.example.com:8443/some/path/to/openai/v1"
    again = ((long,), ("--profile", "encrypting-proxy"), ("--speech", "my own recordings/of me"))
    command = next_command(make_run(), again, width=width, terminal=terminal)
    assert command is not None
    assert command[:7] == ["soundcheck", "check", *(word for group in again for word in group)]
    assert command[7:9] == ["--only", "schema/verbose-duration-number"]


@pytest.mark.parametrize("note", ["interrupted: 3 of 9 cases", "not all sent: --max-requests"])
def test_an_unfinished_run_is_gone_on_with(make_run: MakeRun, note: str) -> None:
    """The next command resumes what can be resumed, and begins again what cannot."""
    resumed = (("--max-rate", "2"),)
    run = make_run(notes=(note,))
    expected = ["soundcheck", "check", "--resume", str(FOLDER), "--max-rate", "2"]
    assert next_command(run, resumed=resumed) == expected
    ours = replace(run, target=replace(run.target, reference=True))
    tapped = replace(
        run, encryption=Encryption(base_url="http://h/v1", profile="p", model="m", tapped=True)
    )
    for other in (ours, tapped, replace(run, replay_of="a run"), make_run()):
        command = next_command(other, resumed=resumed)
        assert command is not None
        assert command[2] == AGAIN[0][0]


def test_the_next_command_follows_the_verdict(make_run: MakeRun) -> None:
    """A good reference run leads to one's own deployment, a partial run to the whole."""
    good = [replace(make_run().results[0], verdict="pass")]
    reference = replace(make_run().target, name=None, reference=True)
    run = make_run(results=good, verdict="conformant", target=reference)
    assert next_command(run) == ["soundcheck", "check", "https://HOST/v1", "--model", "MODEL"]
    assert next_command(make_run(results=good, verdict="conformant")) is None
    left_out = replace(
        good[0], id="a/left-out", verdict="not-selected", message="not named by --only"
    )
    partial = make_run(results=[*good, left_out], verdict="conformant")
    assert next_command(partial) == ["soundcheck", "check", *AGAIN[0], *AGAIN[1]]
    assert "The selection holds" in printed(partial)
    assert "left out by choice" in " ".join(printed(partial).split())


def test_what_was_found_is_listed_when_there_is_something(
    make_run: MakeRun, make_result: MakeResult
) -> None:
    """A line per finding, also of rules that are kept, and no list without any."""
    results = [
        *(make_result(id="a/at", case=c, found="the limit is 26 MB") for c in ("wav", "flac")),
        make_result(id="a/on", found="streams in the vllm dialect"),
    ]
    text = printed(make_run(results=results, verdict="conformant"))
    assert "\nfound      a/at (wav, flac): the limit is 26 MB\n" in text
    assert "\n           a/on: streams in the vllm dialect\n" in text
    assert "found  " not in printed(make_run())
    many = [make_result(id=f"a/r{n}", found="x" * 300) for n in range(40)]
    assert "and 28 more in the report" in printed(make_run(results=many))


def test_a_run_that_was_judged_again_says_so(make_run: MakeRun) -> None:
    """The recorded run is named below the headline."""
    text = printed(make_run(replay_of="an earlier run"))
    told = "\nJudged again from a recorded run of an earlier run.\n"
    assert text.index("required rules fail.") < text.index(told) < text.index("2 failed")


def test_cases_that_say_the_same_share_a_line(make_run: MakeRun, make_result: MakeResult) -> None:
    """Nine formats that fail alike are one message with their names."""
    results = [make_result(case=str(n), verdict="fail", message="no text") for n in range(6)]
    results.append(make_result(case="other", verdict="fail", message="status 500"))
    text = printed(make_run(results=results))
    assert "0, 1, 2, 3 and 2 more cases: no text\n" in text
    assert "other: status 500\n" in text


def test_long_findings_are_cut(make_run: MakeRun) -> None:
    """Many requirements, cases and lines leave a summary that says what it left out."""
    base = make_run().results[2]
    results = [
        replace(base, id=f"a/r{number}", case=str(case), message="line\n" * 50)
        for number in range(30)
        for case in range(9)
    ]
    text = printed(make_run(results=results))
    assert "and 10 more in the report" in text
    assert "and 5 more cases" in text
    assert text.count("\n") < 700
