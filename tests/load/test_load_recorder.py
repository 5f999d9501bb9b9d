"""What workers record and ship adds up to what one worker would have recorded."""

import io
import random
from array import array
from collections.abc import Callable

from soundcheck.load.client import Measured
from soundcheck.load.dispatch import Order
from soundcheck.load.form import Form
from soundcheck.load.gathering import Gathering, Spool
from soundcheck.load.measured import GAPS
from soundcheck.load.recorder import METRICS, Recorder
from soundcheck.load.sample import CAUSES, NEVER, Sample

SECOND = 1_000_000_000
WINDOW = (2 * SECOND, 12 * SECOND)
Stream = Callable[..., Form]


def measured(begun: int, took: int) -> Measured:
    one = Measured(begun=begun, sent=begun + took // 4, status=200, received=50, lag=3_000)
    one.headers = one.first_text = begun + took // 2
    one.last_text = one.done = begun + took
    one.deltas, one.text = 3, "hello"
    one.gaps = array(GAPS, (took // 8, took // 8))
    return one


def gathered(workers: int, form: Form, deltas: int) -> Gathering:
    """Return 500 arrivals, recorded by so many workers with so many reports each."""
    chance = random.Random(1)
    arrivals = [(number, chance.randrange(0, 14 * SECOND)) for number in range(500)]
    took = [chance.randrange(10_000_000, SECOND) for _ in arrivals]
    gathering = Gathering(1, tuple(map(str, range(workers))), Spool(io.BytesIO()))
    for index in range(workers):
        recorder = Recorder(1, index, 0, WINDOW, 8)
        own = arrivals[index::workers]
        for place, (number, intended) in enumerate(own):
            order = Order(number, intended)
            recorder.fired(order, intended + 1_000, False)
            cause = CAUSES.index("http-5xx") if number % 50 == 0 else 0
            one = measured(intended, took[number])
            recorder.finished(order, intended + 2_000, one.done, form, one, cause)
            last = place == len(own) - 1
            if last or place % (len(own) // deltas) == 0:
                told = recorder.delta()
                told |= {"index": index, "second": 1, "lag_ns": 5, "in_flight": 0, "backlog": 0}
                told |= {"capped": False, "final": last}
                if last:
                    told["vitals"] = recorder.vitals.to_message()
                gathering.add(told)
    return gathering


def test_the_sum_is_the_same_for_any_number_of_workers_and_reports(small_form: Stream) -> None:
    """One worker with one report and four with many give equal histograms and samples."""
    form = small_form(stream=True)
    one, four = gathered(1, form, 1), gathered(4, form, 9)
    assert one.complete
    assert four.complete
    for name in METRICS:
        assert one.histograms[name].count > 0
        assert one.histograms[name] == four.histograms[name]

    def plain(gathering: Gathering) -> list[Sample]:
        chunks = gathering.samples()
        return sorted(sample._replace(worker=0) for chunk in chunks for sample in chunk)

    assert plain(one) == plain(four)
    assert len(plain(one)) == 500


def test_only_arrivals_of_the_window_are_in_histograms(small_form: Stream) -> None:
    """Warm-up and what came after the window are samples, and nothing else."""
    recorder = Recorder(1, 0, 0, WINDOW, 8)
    for number, intended in enumerate((WINDOW[0] - 1, WINDOW[0], WINDOW[1] - 1, WINDOW[1])):
        order = Order(number, intended)
        recorder.fired(order, intended, False)
        one = measured(intended, SECOND)
        recorder.finished(order, intended, one.done, small_form(), one, 0)
    told = recorder.delta()
    assert recorder.vitals.intended == recorder.vitals.sent == 2
    assert told["histograms"]["latency"]["counts"] == [2]
    assert told["done"] == 4


def test_an_unsent_arrival_is_a_sample_without_times(small_form: Stream) -> None:
    """What no user took is a miss: counted, with its cause, and with no time but its own."""
    recorder = Recorder(1, 2, 100, WINDOW, 8)
    recorder.unsent(Order(7, WINDOW[0]), 3)
    spool = Spool(io.BytesIO())
    spool.add(recorder.delta()["samples"])
    ((sample,),) = spool.chunks()
    assert (sample.arrival, sample.form, sample.worker) == (7, 3, 2)
    assert (sample.intended, sample.done) == (WINDOW[0] - 100, NEVER)
    assert CAUSES[sample.cause] == "unsent"
    assert recorder.vitals.unsent == 1


def test_want_of_descriptors_is_the_clients_limit(small_form: Stream) -> None:
    """A request that the client could not send for its own limits is unsent, not failed."""
    recorder = Recorder(1, 0, 0, WINDOW, 8)
    failed = Measured(
        cause=CAUSES.index("unsent"), detail="the client's own limit: Too many open files"
    )
    begun = WINDOW[0]
    recorder.finished(Order(0, begun), begun, begun, small_form(), failed, failed.cause)
    recorder.delta()
    assert recorder.vitals.descriptors_free == 0
    assert (recorder.vitals.sent, recorder.vitals.unsent) == (0, 1)
