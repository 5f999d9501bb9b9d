"""Two load runs are compared only when alike, and chance alone raises no alarm."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundcheck.errors import SoundcheckError
from soundcheck.report.bootstrap import draws, quantile_ratios, share_difference, sum_ratio
from soundcheck.report.compare import NoVerdict, compare, judge
from soundcheck.report.validation import first_problem

MakeBench = Callable[..., Path]
SHARES = [0.5, 0.95]


def queued(seed: int, blocks: int = 12, mean: float = 0.2) -> tuple[Any, Any]:
    """Return times whose level wanders from block to block, as those of a queue do."""
    chance = np.random.default_rng(seed)
    numbers = chance.poisson(40, blocks)
    level = mean * np.exp(chance.normal(0, 0.1, blocks))
    values = chance.gamma(4, np.repeat(level, numbers) / 4)
    return values, np.repeat(np.arange(blocks), numbers)


def test_chance_raises_no_alarm() -> None:
    """Runs of one distribution are called worse in at most 5 % of seeds, at little tolerance."""
    alarms = 0
    for seed in range(60):
        drawn = draws(12, 12, seed, paired=False, resamples=300)
        found = quantile_ratios(queued(2 * seed), queued(2 * seed + 1), SHARES, drawn)
        alarms += any(judge((one.low, one.high), 0.02) == "worse" for one in found)
    assert alarms <= 3


def test_a_fifth_slower_is_found() -> None:
    """Twenty percent beyond a tolerance of five percent are found in nearly all seeds."""
    found = 0
    for seed in range(20):
        drawn = draws(40, 40, seed, paired=False, resamples=400)
        slow = queued(2 * seed + 1, 40, mean=0.24)
        (p50,) = quantile_ratios(queued(2 * seed, 40), slow, [0.5], drawn)
        found += judge((p50.low, p50.high), 0.05) == "worse"
    assert found >= 18


def test_the_same_arrivals_are_drawn_together() -> None:
    """Of paired runs only what differs between them is left: the interval is narrower by far."""
    values, blocks = queued(1)
    widths = []
    for paired in (True, False):
        drawn = draws(12, 12, 1, paired=paired)
        (one,) = quantile_ratios((values, blocks), (values * 1.2, blocks), [0.5], drawn)
        assert one.ratio == pytest.approx(1.2)
        widths.append(one.high - one.low)
    assert widths[0] < 0.01 < widths[1]


def test_sums_and_shares_have_intervals_too() -> None:
    """Throughput as a ratio, failures as a difference; nothing finished has no ratio."""
    ones = np.ones(20)
    chance = np.random.default_rng(1)
    audio = 100 + chance.normal(0, 5, 20)
    drawn = draws(20, 20, 1, paired=False)
    ratio = sum_ratio((audio, ones), (audio / 2, ones), drawn)
    assert ratio is not None
    assert ratio.low < 0.5 < ratio.high < 0.55
    assert sum_ratio((audio, ones), (audio * 0, ones), drawn) is None
    difference = share_difference((ones * 0, ones * 20), (ones, ones * 20), drawn)
    assert difference.low == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("interval", "more_is_better", "change"),
    [
        ((1.11, 1.3), False, "worse"),
        ((1.09, 1.3), False, "undecided"),
        ((0.8, 1.05), False, "same"),
        ((0.7, 0.9), False, "better"),
        ((0.7, 0.9), True, "worse"),
        ((1.2, 1.3), True, "better"),
        ((0.95, 1.02), True, "same"),
    ],
)
def test_only_a_whole_interval_decides(
    interval: tuple[float, float], more_is_better: bool, change: str
) -> None:
    """Worse or better is what lies beyond the tolerance with all of its interval."""
    assert judge(interval, 0.1, more_is_better=more_is_better) == change


def test_a_slower_run_is_worse(make_bench: MakeBench) -> None:
    """Latency and failures that grew are worse, and the document keeps its schema."""
    old = make_bench(name="old")
    slow = make_bench(name="slow", slower=1.25, failing=0.04)
    found = compare(old, slow)
    changes = {row.metric: row.change for row in found.rows}
    assert found.verdict == "worse"
    assert changes["latency p50"] == changes["latency p95"] == changes["failed"] == "worse"
    assert "latency p99" not in changes  # it takes 1,000 values
    assert first_problem(json.loads(json.dumps(found.to_json())), "compare") is None
    assert compare(old, slow) == found


def test_an_equal_run_is_not_worse(make_bench: MakeBench) -> None:
    """Of two runs of the same arrivals on the same server nothing is worse or undecided."""
    found = compare(make_bench(name="old", window=8), make_bench(name="new", window=8))
    assert found.verdict == "not worse"
    assert {row.change for row in found.rows} == {"same"}


def _search(document: dict[str, Any]) -> None:
    document["capacity"] = {
        "passed_rps": 40.0,
        "failed_rps": 42.0,
        "rtfx": None,
        "floor_latency_s": None,
        "ceiling_rtfx": None,
        "remeasured": [],
        "slo": "p95<1s",
        "note": "",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(definitions=2), "definitions of the metrics: version 1 and version 2"),
        (lambda d: d["clips"].update(sha256="0" * 64), "clip manifest"),
        (
            lambda d: d["stages"][0].update(arrivals="poisson:21"),
            "open poisson:21 for 8 s; give both",
        ),
        (lambda d: d["stages"][0].update(kind="closed"), "the offered load"),
        (lambda d: d["stages"][0].update(window_s=9.0), "for 9 s"),
        (lambda d: d["target"].update(transport="fast-http"), "transport: socket and fast-http"),
        (lambda d: d["options"].update(verify="none"), "verification: text, 0.1 and none"),
        (lambda d: d["options"].update(stream=0.5), "share of streams: 0 and 0.5"),
        (
            lambda d: d.update(reference={"recognizer": "lookup", "latency": None}),
            "recognizer: none and lookup",
        ),
        (_search, "only one is a search"),
    ],
)
def test_unlike_runs_are_refused(
    make_bench: MakeBench, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    """What was asked, offered or measured in another way is refused, with the difference."""
    old, new = make_bench(name="old", window=8), make_bench(name="new", window=8, change=change)
    with pytest.raises(SoundcheckError, match=message) as caught:
        compare(old, new)
    assert caught.value.exit_code == 2


def test_another_model_is_told(make_bench: MakeBench) -> None:
    """Models, servers and seeds may differ, for that is a question too; the reader is told."""

    def other(document: dict[str, Any]) -> None:
        document["target"]["model"] = "tiny"
        document["options"]["seed"] = 7

    found = compare(
        make_bench(name="old", window=8), make_bench(name="new", window=8, change=other)
    )
    assert "the model differs: OLD whisper-large-v3, NEW tiny" in found.notes
    assert "the seed differs: OLD 1, NEW 7" in found.notes


def test_no_verdict_where_nothing_can_be_told(make_bench: MakeBench) -> None:
    """INVALID runs, runs without an answer and windows of a few seconds give no verdict."""
    short = make_bench(name="short", window=5)
    with pytest.raises(NoVerdict, match="shorter than 8 s"):
        compare(short, short)
    with pytest.raises(NoVerdict, match="it is failed"):
        compare(make_bench("failed", name="a"), make_bench("failed", name="b"))
    invalid = make_bench("invalid", window=8)
    with pytest.raises(NoVerdict, match="it is invalid"):
        compare(invalid, invalid)


def test_samples_belong_to_their_document(make_bench: MakeBench) -> None:
    """Samples of another run beside a document are refused."""
    old, new = make_bench(name="old", window=8), make_bench(name="new", window=8)
    (new / "samples.csv.gz").write_bytes(
        (make_bench(name="x", rate=30.0, window=8) / "samples.csv.gz").read_bytes()
    )
    with pytest.raises(SoundcheckError, match="do they belong together"):
        compare(old, new)


def test_searches_are_compared_by_their_brackets(make_bench: MakeBench) -> None:
    """The extremes of both brackets are the interval; loads that both have are compared too."""

    def lower(document: dict[str, Any]) -> None:
        document["capacity"] |= {"passed_rps": 36.0, "failed_rps": 38.0}
        document["stages"] = document["stages"][:5]

    found = compare(
        make_bench("saturation", name="old", window=8),
        make_bench("saturation", name="new", window=8, change=lower),
    )
    capacity = found.rows[-1]
    assert (capacity.metric, capacity.change) == ("capacity", "worse")
    assert capacity.interval == (36 / 50, 38 / 48)
    assert {row.load for row in found.rows} == {
        *(f"poisson:{rate}" for rate in (4, 8, 16, 24, 32)),
        "search",
    }
