"""Verdicts and figures are put into words that claim no more than was seen."""

from collections.abc import Callable

import pytest

from soundcheck.report.outcomes import outcomes
from soundcheck.report.run import Cost, Result, Run, Selection
from soundcheck.report.wording import cost, duration, plural, selection, sentence, size

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]


def said(make_run: MakeRun, make_result: MakeResult, verdict: str, verdicts: list[str]) -> str:
    results = [make_result(id=f"a/r{n}", verdict=one) for n, one in enumerate(verdicts)]
    run = make_run(results=results, verdict=verdict)
    return sentence(run, outcomes(run))


@pytest.mark.parametrize(
    ("verdict", "verdicts", "expected"),
    [
        (
            "conformant",
            ["pass", "pass", "not-applicable"],
            "No violation of 2 required rules seen in 2 observations.",
        ),
        ("nonconformant", ["pass", "fail"], "1 of 2 required rules fails."),
        ("nonconformant", ["fail", "fail", "error"], "2 of 2 required rules fail."),
        (
            "nonconformant",
            ["pass"],
            "No required rule fails, but the run does not stand as it is: see the notes.",
        ),
        (
            "incomplete",
            ["pass", "untestable"],
            "1 required rule could not be judged; no violation seen in the 1 that was.",
        ),
        (
            "incomplete",
            ["pass", "pass", "fail"],
            "The run did not come to its end; 1 of the 3 judged fails.",
        ),
    ],
)
def test_the_sentence_says_what_the_verdict_rests_on(
    make_run: MakeRun, make_result: MakeResult, verdict: str, verdicts: list[str], expected: str
) -> None:
    """Counts are of required rules that were judged; nothing is called proven."""
    assert said(make_run, make_result, verdict, verdicts) == expected


def test_only_required_rules_count_for_the_verdict(
    make_run: MakeRun, make_result: MakeResult
) -> None:
    """SHOULD and MAY rules do not enter the sentence."""
    levels = ("MUST", "SHOULD", "MAY", "MUST")
    results = [make_result(id=f"a/r{n}", level=level) for n, level in enumerate(levels)]
    run = make_run(results=results, verdict="conformant")
    assert "2 required rules" in sentence(run, outcomes(run))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 ms"),
        (0.0042, "4.2 ms"),
        (0.0213, "21 ms"),
        (12.34, "12.3 s"),
        (125, "2 min 05 s"),
        (7260, "2 h 01 min"),
    ],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    """A duration has the unit that suits it."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (26214400, "25.0 MiB"), (2**33, "8.0 GiB")],
)
def test_sizes_read_well(number: int, text: str) -> None:
    """A size has the binary unit that suits it."""
    assert size(number) == text


def test_cost_names_all_three_amounts() -> None:
    """Requests, audio and upload stand together, with the noun's number."""
    assert cost(Cost(1, 3.14, 2048)) == "1 request, 3.1 audio minutes, 2.0 KiB uploaded"
    assert plural(1200, "case") == "1,200 cases"


def test_the_selection_names_what_was_asked_for(make_run: MakeRun) -> None:
    """What a run was narrowed to and what it left out is told; of a whole run there is nothing."""
    chosen = Selection(only=("limits", "errors/envelope"), without=("limits/long-audio",))
    told = selection(make_run(selection=chosen))
    assert told == "only limits, errors/envelope, without limits/long-audio"
    assert selection(make_run(selection=Selection())) == ""
    assert selection(make_run()) == ""
