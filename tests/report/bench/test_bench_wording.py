"""Figures have three digits and a unit; sentences claim no more than was measured."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soundcheck.report import bench_wording as wording
from soundcheck.report.bench import load_bench
from soundcheck.report.bench_honesty import honesty, limits
from soundcheck.report.bench_tables import stage_table

MakeBench = Callable[..., Path]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (0.00012345, "0.000123"),
        (0.9996, "1.00"),
        (9.999, "10.0"),
        (19.94, "19.9"),
        (2412.3, "2,410"),
        (1_234_567, "1,230,000"),
        (-3.456, "-3.46"),
    ],
)
def test_figures_have_three_digits(number: float, shown: str) -> None:
    """A number is rounded to three significant digits, never written with an exponent."""
    assert wording.figure(number) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, ""),
        (0, "0 s"),
        (3.1e-6, "3.10 µs"),
        (0.00099949, "999 µs"),
        (0.00099951, "1.00 ms"),
        (0.25, "250 ms"),
        (0.9996, "1.00 s"),
        (14.26, "14.3 s"),
        (754.0, "12 min 34 s"),
    ],
)
def test_times_have_the_unit_that_reads_best(amount: float | None, shown: str) -> None:
    """Microseconds, milliseconds, seconds or minutes; nothing for what was not measured."""
    assert wording.seconds(amount) == shown


@pytest.mark.parametrize(
    ("part", "shown"), [(1, "100 %"), (0.99996, "99.99 %"), (0.05, "5.00 %"), (0, "0 %")]
)
def test_nearly_all_is_not_all(part: float, shown: str) -> None:
    """A share is not rounded up to a hundred percent."""
    assert wording.share(part) == shown


@pytest.mark.parametrize(
    ("kind", "title", "sentence"),
    [
        ("steady", "p95 ", "requests per second half of the answers came within"),
        ("saturation", "Capacity 48.0 to 50.0 requests/s", "keeps p95<1s lies between 48.0 and"),
        ("gpu", "SLO met", "The first text came after"),
        ("invalid", "INVALID: the client was the limit", "nothing here is a verdict"),
        ("failed", "No request succeeded", "most frequent cause is http-5xx: 503"),
        ("closed", "p95 ", "With a closed loop \\(closed:8\\) half of"),
    ],
)
def test_the_headline_says_what_was_found(
    make_bench: MakeBench, kind: str, title: str, sentence: str
) -> None:
    """Each kind of run has its headline and sentence."""
    bench = load_bench(make_bench(kind, **({"window": 4} if kind == "saturation" else {})))
    assert wording.title(bench).startswith(title)
    assert re.search(sentence, wording.sentence(bench))


@pytest.mark.parametrize(
    ("verified", "succeeded", "title"),
    [(3, 50, "All answers that were compared are wrong"), (9, 50, "The deployment failed")],
)
def test_a_deployment_that_fails_with_answers_says_how(
    make_bench: MakeBench, verified: int, succeeded: int, title: str
) -> None:
    """Wrong answers, and an end under load, are not the same as no answers."""

    def change(document: dict[str, Any]) -> None:
        document["verdict"] = "failed"
        document["stages"] = document["stages"][:1]
        stage = document["stages"][0]
        stage["errors"] = [{"cause": "wrong-text", "count": 3, "example": "x"}]
        counts = {"succeeded": succeeded, "failed": 3, "verified": verified}
        stage["counts"] |= counts | {"intended": succeeded + 3, "unsent": 0, "sent": succeeded + 3}

    bench = load_bench(make_bench(change=change))
    assert wording.title(bench).startswith(title)
    assert wording.sentence(bench)


def test_a_window_that_was_cut_off_shows_what_was_measured(make_bench: MakeBench) -> None:
    """Percentiles of what was answered, but no rate: how long it ran is not known."""

    def cut(document: dict[str, Any]) -> None:
        document["verdict"] = "incomplete"
        document["stages"] = document["stages"][:1]
        limit = "cut off: the run was stopped"
        document["stages"][0] |= {"valid": False, "limit": limit, "rtfx": None}
        document["stages"][0] |= {"achieved_rps": None}

    bench = load_bench(make_bench(change=cut))
    assert "Until it was cut off: at " in wording.sentence(bench)
    assert "seconds of audio" not in wording.sentence(bench)
    table = stage_table(bench.stages)
    assert table.rows[0][table.headings.index("Latency p50")]


def test_too_few_requests_are_no_early_end(make_bench: MakeBench) -> None:
    """A run that came to its end without a verdict says why there is none."""

    def few(document: dict[str, Any]) -> None:
        document["verdict"] = "incomplete"

    bench = load_bench(make_bench(change=few))
    assert wording.title(bench) == "No verdict: too few requests to tell"
    assert "until then" not in wording.sentence(bench)


@pytest.mark.parametrize(("intended", "told"), [(678, True), (606, False), (594, False)])
def test_a_schedule_that_had_another_rate_is_told(
    make_bench: MakeBench, intended: int, told: bool
) -> None:
    """Where chance put more arrivals into a window than asked for, headline and table say so."""

    def chance(document: dict[str, Any]) -> None:
        document["stages"] = document["stages"][:1]
        stage = document["stages"][0]
        stage |= {"offered_rps": 50.0, "window_s": 12.0}
        stage["counts"] |= {"intended": intended}

    bench = load_bench(make_bench(change=chance))
    assert (" at 50.0 requests/s (its schedule had 56.5/s)" in wording.title(bench)) is told
    assert ("(the schedule of this seed had 56.5/s" in wording.sentence(bench)) is told
    table = stage_table(bench.stages)
    assert table.rows[0][table.headings.index("Offered")] == (
        "50.0/s (56.5/s)" if told else "50.0/s"
    )


def test_a_search_that_kept_the_slo_says_where(make_bench: MakeBench) -> None:
    """Its headline is the capacity, and the windows at its ends are told as they were."""

    def met(document: dict[str, Any]) -> None:
        document["verdict"] = "met"
        document["capacity"]["remeasured"] = [[48.0, True], [50.0, True], [48.0, True]]

    bench = load_bench(make_bench("saturation", change=met, window=3))
    assert wording.title(bench) == "Capacity 48.0 to 50.0 requests/s"
    told = "48.0/s kept it in 2 of 2 windows and 50.0/s kept it in 1 of 1 window."
    assert told in wording.sentence(bench)


def test_a_knee_lies_below_the_load_that_was_not_kept_up_with(make_bench: MakeBench) -> None:
    """Without a search, the highest rate that was answered as fast as it came is the knee."""

    def ramp(document: dict[str, Any]) -> None:
        stage = document["stages"][0]
        document["stages"] = [
            stage
            | {"number": n, "offered_rps": rate, "achieved_rps": done, "window_s": 30.0}
            | {"counts": stage["counts"] | {"succeeded": int(30 * rate)}}
            for n, (rate, done) in enumerate([(10.0, 10.0), (20.0, 19.7), (30.0, 24.0)], 1)
        ]

    bench = load_bench(make_bench(change=ramp, window=3))
    assert wording.knee(bench) == 20.0
    assert "above 20.0 requests per second not all was answered" in wording.sentence(bench)


def _told(bench_folder: Path) -> dict[str, tuple[str, str]]:
    return {one.title: (one.kind, one.text) for one in honesty(load_bench(bench_folder))}


def test_evidence_for_a_sound_run(make_bench: MakeBench) -> None:
    """Validity, headroom, timing error, lags, arrivals, transport and verification are told."""
    told = _told(make_bench("steady", window=5))
    assert {title for title, (kind, _) in told.items() if kind == "bad"} == set()
    assert "is 0." in told["Ceiling"][1]
    assert "p99 312 µs" in told["Timing error"][1]
    assert "dispatch p99 600 µs" in told["Lag of the client"][1]
    assert "seed 1, 12 distinct clips" in told["To repeat it"][1]


def test_a_timing_error_that_shows_is_told(make_bench: MakeBench) -> None:
    """Stamps that are late by more than a tenth of the shortest median are no good sign."""

    def late(document: dict[str, Any]) -> None:
        document["selftest"]["timing_error_us"]["kernel"]["p99"] = 200_000.0

    kind, text = _told(make_bench("steady", change=late, window=5))["Timing error"]
    assert kind == "bad"
    assert "of the shortest median here" in text


def test_doubts_are_told(make_bench: MakeBench) -> None:
    """A closed loop, no verification, a stand-in as the target and another transport are named."""
    told = _told(make_bench("closed"))
    assert "latency is not under a fixed arrival rate" in told["Arrivals"][1]
    assert told["Verification"] == ("bad", "none: a fast wrong answer would count as a success")
    assert "say nothing about any other deployment" in told["Target"][1]
    assert told["Transport"][1].startswith("fast-http")


def test_what_was_not_measured_is_said_to_be_missing(make_bench: MakeBench) -> None:
    """Without a self-test and without the client's figures, the report says so."""
    folder = make_bench("failed", change=lambda d: d["stages"][0].update(client=None))
    told = _told(folder)
    assert told["Timing error"] == ("note", "not measured")
    assert told["Lag of the client"] == ("note", "not measured")
    assert told["Ceiling"][1].startswith("not known")


def test_equal_limits_are_told_once(make_bench: MakeBench) -> None:
    """Windows of the same limit stand together, the advice apart from the limit's name."""

    def twice(document: dict[str, Any]) -> None:
        document["stages"].append(document["stages"][0] | {"number": 2, "name": "again"})

    ((windows, limit, advice),) = limits(load_bench(make_bench("invalid", change=twice, window=3)))
    assert (windows, limit) == ("20/s, again", "pool")
    assert "--users 44" in advice
