"""What samples of a stage say, by hand: counts, rates, limits, tables and the timeline."""

import math
import random
from typing import Any

import pytest

from soundcheck.load.arrivals import Arrivals
from soundcheck.load.sample import CAUSES, NEVER, Sample
from soundcheck.load.saturation import wilson
from soundcheck.load.slo import Slo
from soundcheck.load.stage import Met, Stage
from soundcheck.load.window import WindowReading, duration_class, slo_rows

SECOND = 1_000_000_000
STAGE = Stage("10/s", Arrivals("poisson", (10.0,)), window_s=10.0, warm_up_s=2.0)
FORMS: dict[int, dict[str, Any]] = {
    0: {"audio_s": 3.0, "format": "wav", "language": "en", "stream": False},
    1: {"audio_s": 20.0, "format": "mp3", "language": "de", "stream": True},
}


def sample(
    arrival: int, begins_s: float, takes_s: float | None, *, form: int = 0, cause: str = ""
) -> Sample:
    begin = round(begins_s * SECOND)
    done = NEVER if takes_s is None else begin + round(takes_s * SECOND)
    first = begin + SECOND // 10 if form == 1 and not cause else NEVER
    number = CAUSES.index(cause)
    sent = NEVER if takes_s is None else begin
    return Sample(
        1, 0, arrival, form, begin, sent, sent, sent, first, done, NEVER, 200, number, 0, 0, 0
    )


def reading(samples: list[Sample], slo: str = "") -> WindowReading:
    one = WindowReading(STAGE, FORMS, Slo.parse(slo), lambda arrival: arrival % 2 == 0)
    one.add(samples)
    return one


CASES = [
    sample(0, 1.0, 0.5),  # of the warm-up, done in it
    sample(1, 1.9, 0.5),  # of the warm-up, done within the window
    sample(2, 2.0, 0.5),
    sample(3, 5.0, 1.5, form=1),
    sample(4, 11.9, 0.5),  # of the window, done after it
    sample(5, 6.0, 0.1, cause="http-5xx"),
    sample(6, 7.0, 0.1, cause="wrong-text"),
    sample(7, 8.0, None, cause="unsent"),
    sample(8, 12.0, 0.1),  # after the window
]


def test_counts_are_of_arrivals_intended_within_the_window() -> None:
    """Counts leave out warm-up and drain; what was never sent is counted apart."""
    one = reading(CASES)
    assert (one.intended, one.succeeded, one.failed, one.unsent) == (6, 3, 2, 1)
    assert dict(one.causes) == {"http-5xx": 1, "wrong-text": 1, "unsent": 1}
    assert one.sent_in_all == 8
    assert one.verified_count == 3  # arrivals 2 and 4, and 6 whose text was wrong


def test_rates_are_of_successes_done_within_the_window() -> None:
    """The achieved rate and RTFx count what was complete in it, whenever it began."""
    one = reading(CASES)
    assert one.achieved_rps == pytest.approx(3 / 10)
    assert one.rtfx == pytest.approx((3 + 3 + 20) / 10)


def test_failures_and_unsent_arrivals_miss_every_limit() -> None:
    """A limit of the first text counts streams alone; all others count every arrival."""
    one = reading(CASES, "p50<1s,ttfd_p50<200ms,errors<60%")
    assert one.met == (Met(6, 2), Met(1, 1), Met(6, 3))
    assert one.all_met == Met(6, 2)


def test_tables_have_a_row_per_kind() -> None:
    """Formats, durations and languages are told apart, failures with them."""
    tables = reading(CASES).tables()
    assert [(row["key"], row["count"], row["failed"]) for row in tables["format"]] == [
        ("mp3", 1, 0),
        ("wav", 5, 3),
    ]
    assert [row["key"] for row in tables["duration"]] == [duration_class(3), duration_class(20)]


def test_the_timeline_counts_every_second_of_the_stage() -> None:
    """Offered, begun and done add up to all samples; nothing is under way at the end."""
    rows = reading(CASES).timeline({})
    assert [row["t_s"] for row in rows] == list(range(13))
    assert sum(row["offered"] for row in rows) == len(CASES)
    assert sum(row["begun"] for row in rows) == len(CASES) - 1
    assert sum(row["done"] for row in rows) == 6
    assert rows[-1]["in_flight"] == 0


@pytest.mark.parametrize(("wrong", "kept"), [(0, 20), (1, 19), (5, 13), (10, 3)])
def test_answers_that_were_not_compared_are_no_better(wrong: int, kept: int) -> None:
    """Of twenty fast answers half are compared: where those are wrong, so are some others."""
    causes = {2 * number: "wrong-text" for number in range(wrong)}
    samples = [sample(one, 3.0, 0.1, cause=causes.get(one, "")) for one in range(20)]
    one = reading(samples, "p95<1s,errors<1%")
    assert one.met == (Met(20, kept), Met(20, kept))
    assert one.all_met == Met(20, kept)


def test_a_queue_that_grows_has_a_slope() -> None:
    """Ten more under way each second is a slope of ten; a queue that only varies has none."""
    grows = [sample(number, number / 10, 60.0) for number in range(120)]
    slope, error = reading(grows).in_flight_slope()
    assert slope == pytest.approx(10, rel=0.01)
    assert error < 0.1
    chance = random.Random(3)
    steady = [sample(number, number / 100, chance.expovariate(5)) for number in range(1200)]
    slope, error = reading(steady).in_flight_slope()
    assert abs(slope) < 4 * error
    assert math.isfinite(error)


@pytest.mark.parametrize(
    ("kept", "arrivals", "verdict"),
    [
        (1000, 1000, "met"),
        (951, 1000, "met"),
        (940, 1000, "missed"),
        (20, 20, "undecided"),
        (10, 20, "missed"),
        (0, 0, "undecided"),
    ],
)
def test_the_share_seen_decides_unless_there_were_too_few(
    kept: int, arrivals: int, verdict: str
) -> None:
    """A limit is undecided only where even all of the arrivals could not have shown it."""
    (row,) = slo_rows(Slo.parse("p95<2s"), [Met(arrivals, kept)], wilson)
    assert row["verdict"] == verdict
