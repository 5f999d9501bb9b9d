"""Schedules: the same for a seed, true to their rate, and exact when split over workers."""

import json
import math
from itertools import chain, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.errors import SoundcheckError
from soundcheck.load.arrivals import SEED, Arrivals, stage_seed

RATES = st.floats(0.1, 200).map(lambda rate: round(rate, 3))
MODELS = st.one_of(
    RATES.map(lambda rate: f"constant:{rate}"),
    RATES.map(lambda rate: f"poisson:{rate}"),
    st.tuples(RATES, st.floats(0.05, 20)).map(lambda both: f"gamma:{both[0]},{both[1]}"),
    st.tuples(RATES, RATES).map(lambda both: f"ramp:{both[0]}..{both[1]}"),
    st.tuples(RATES, RATES, st.floats(2, 30), st.floats(0.1, 1.9)).map(
        lambda all_: "burst:" + ",".join(map(str, all_))
    ),
)


@given(text=MODELS, seconds=st.floats(0.1, 20), seed=st.integers(0, 2**31))
def test_times_are_in_order_in_the_stage_and_the_same_for_a_seed(
    text: str, seconds: float, seed: int
) -> None:
    """A schedule is a function of model, length and seed; its times rise within the stage."""
    arrivals = Arrivals.parse(text)
    times = list(arrivals.times(seconds, seed))
    assert times == list(Arrivals.parse(str(arrivals)).times(seconds, seed))
    assert times == sorted(times)
    assert not times or 0 <= times[0] <= times[-1] < seconds


@given(text=MODELS)
def test_a_model_is_the_same_through_its_text_and_a_message(text: str) -> None:
    """What is shown, and what is sent to workers, is the model."""
    arrivals = Arrivals.parse(text)
    assert Arrivals.parse(str(arrivals)) == arrivals
    assert Arrivals.from_message(json.loads(json.dumps(arrivals.to_message()))) == arrivals


@given(text=MODELS, workers=st.integers(1, 7), seed=st.integers(0, 1000))
def test_workers_together_send_what_one_would(text: str, workers: int, seed: int) -> None:
    """Arrivals by number modulo the number of workers add up to the whole schedule."""
    arrivals = Arrivals.parse(text)
    shares = [
        [(n, time) for n, time in enumerate(arrivals.times(5, seed)) if n % workers == index]
        for index in range(workers)
    ]
    assert [time for _, time in sorted(chain(*shares))] == list(arrivals.times(5, seed))


@pytest.mark.parametrize(
    "text", ["constant:20", "poisson:20", "gamma:20,0.5", "ramp:0..40", "burst:15,65,10,1"]
)
def test_as_many_arrive_as_the_rate_says(text: str) -> None:
    """Over a long time the count is the mean rate's, within four standard deviations."""
    arrivals = Arrivals.parse(text)
    assert arrivals.rate == pytest.approx(20)
    count = sum(1 for _ in arrivals.times(2_000, 3))
    assert count == pytest.approx(40_000, abs=4 * math.sqrt(40_000 * 2))


@pytest.mark.parametrize(("shape", "squared"), [("poisson:50", 1), ("gamma:50,0.25", 4)])
def test_gaps_vary_as_the_model_says(shape: str, squared: float) -> None:
    """The squared coefficient of variation of the gaps is 1 for Poisson, 1 / SHAPE for gamma."""
    times = list(Arrivals.parse(shape).times(1_000, 5))
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert variance / mean**2 == pytest.approx(squared, rel=0.1)


def test_bursts_come_in_the_middle_of_their_period() -> None:
    """The peak rate holds for FOR seconds in the middle of every EVERY, the base rate elsewhere."""
    times = list(Arrivals.parse("burst:10,100,20,4").times(2_000, 1))
    within = [time for time in times if 8 <= time % 20 < 12]
    assert len(within) / 400 == pytest.approx(100, rel=0.03)
    assert (len(times) - len(within)) / 1_600 == pytest.approx(10, rel=0.05)


def test_a_ramp_grows_over_the_whole_stage() -> None:
    """In the second half of a ramp from 0 three times as many arrive as in the first."""
    times = list(Arrivals.parse("ramp:0..100").times(200, 2))
    assert sum(time >= 100 for time in times) / len(times) == pytest.approx(0.75, abs=0.02)


def test_a_closed_loop_has_no_schedule() -> None:
    """In a closed loop answers, not a clock, say when requests begin."""
    closed = Arrivals.parse("closed:8")
    assert (closed.is_closed, closed.under_way, closed.rate) == (True, 8, 0.0)
    assert list(closed.times(10, 1)) == []


def test_a_schedule_is_not_made_before_it_is_asked_for() -> None:
    """A soak of a week does not begin by listing its arrivals."""
    assert next(Arrivals.parse("poisson:1000").times(1e9, 1)) < 1


def test_a_trace_is_replayed_as_recorded(tmp_path: Path) -> None:
    """A trace's times are those of its file, up to the end of the stage; comments are not times."""
    file = tmp_path / "trace.txt"
    file.write_text("# seconds\n0\n0.5\n\n0.5\n7.25\n")
    trace = Arrivals.parse(f"trace:{file}")
    assert list(trace.times(7, 1)) == [0, 0.5, 0.5]
    assert (trace.length_s, trace.peak) == (7.25, 3)
    assert Arrivals.from_message(trace.to_message()) == trace
    assert Arrivals.parse(str(trace)) == trace


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"0\none\n", "trace.txt:2: 'one' is not a time in seconds"),
        (b"0\n\n3\n2\n", "trace.txt:4: 2 is before the line above it"),
        (b"-1\n", "trace.txt:1: -1 is not a time from 0 on"),
        (b"nan\n", "trace.txt:1: nan is not a time from 0 on"),
        (b"# none\n", "there is no arrival in this trace"),
        (b"\xff\xfe", "is no text"),
    ],
)
def test_a_wrong_trace_is_refused_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    """The message names the file and the line that cannot be used."""
    file = tmp_path / "trace.txt"
    file.write_bytes(content)
    with pytest.raises(SoundcheckError) as caught:
        Arrivals.parse(f"trace:{file}")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unknown kind ''"),
        ("possion:5", "poisson:RATE"),
        ("poisson", "write poisson:RATE"),
        ("poisson:fast", "not what poisson:RATE asks for"),
        ("poisson:0", "rates are greater than 0"),
        ("poisson:-1", "rates are greater than 0"),
        ("poisson:inf", "finite"),
        ("poisson:1e9", "up to 1000000 per second"),
        ("gamma:5", "write gamma:RATE,SHAPE"),
        ("gamma:5,0", "SHAPE"),
        ("ramp:1..2..3", "write ramp:FROM..TO"),
        ("burst:1,2,3,3", "less than the EVERY"),
        ("closed:1.5", "whole number"),
        ("closed:0", "whole number"),
        ("trace:/no/such/file", "cannot be read"),
        ("trace:\0", "cannot be read"),
    ],
)
def test_a_wrong_model_is_refused_with_what_would_be_right(text: str, said: str) -> None:
    """Every wrong text ends in one message, exit code 2."""
    with pytest.raises(SoundcheckError) as caught:
        Arrivals.parse(text)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_stages_of_a_run_have_seeds_of_their_own() -> None:
    """No two stages of runs with neighbouring seeds share a schedule."""
    seeds = {stage_seed(seed, stage) for seed in range(100) for stage in range(100)}
    assert len(seeds) == 10_000


@pytest.mark.parametrize("window_s", [12, 30, 60])
def test_the_default_seed_offers_what_the_rate_says(window_s: int) -> None:
    """At 50/s, after a warm-up of 3 or 5 s, as many arrive in a window as asked for, within 5 %."""
    times = list(Arrivals.parse("poisson:50").times(70, stage_seed(SEED, 1)))
    for warm_up_s in (3, 5):
        within = sum(warm_up_s <= time < warm_up_s + window_s for time in times)
        assert within == pytest.approx(50 * window_s, rel=0.05)
