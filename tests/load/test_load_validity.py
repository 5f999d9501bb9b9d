"""Valid or not: the client's limits are named, and a slow deployment is none of them."""

import json
from collections.abc import Callable

import pytest

from soundcheck.load.arrivals import Arrivals
from soundcheck.load.histogram import Histogram
from soundcheck.load.validity import Judgement, Vitals, Window, judge, limit_of, users_needed

Setting = Callable[[Vitals], None]


def lags(seconds: float, count: int, late_s: float = 0.0, late: int = 0) -> Histogram:
    one = Histogram()
    one.record(int(seconds * 1e9), count - late)
    if late:
        one.record(int(late_s * 1e9), late)
    return one


def healthy(worker: int = 0, arrivals: int = 2_000) -> Vitals:
    return Vitals(
        worker=worker,
        users=256,
        intended=arrivals,
        sent=arrivals,
        cpu=0.12,
        run_delay_share=0.01,
        descriptors_free=900,
        ports_free=28_000,
        schedule_lag=lags(0.0003, arrivals),
        dispatch_lag=lags(0.0004, arrivals),
        loop_lag=lags(0.0005, 2_000),
        user_kernel=lags(0.0001, arrivals),
    )


def judged(
    vitals: Vitals,
    arrivals: str = "poisson:100",
    *,
    floor_service_s: float | None = 0.02,
    slo_s: float | None = None,
    latency_s: float | None = 0.02,
    streaming: bool = False,
    latency: Histogram | None = None,
) -> Judgement:
    return judge(
        Window(
            Arrivals.parse(arrivals),
            [vitals],
            streaming=streaming,
            floor_service_s=floor_service_s,
            slo_s=slo_s,
            latency_s=latency_s,
            latency=latency,
        )
    )


def test_a_healthy_client_is_no_limit() -> None:
    """Lags as measured on an idle core, p99 4.6 ms, leave a window valid."""
    vitals = healthy()
    vitals.schedule_lag = lags(0.0006, 2_000, 0.0045, 40)
    vitals.loop_lag = lags(0.0006, 2_000, 0.0046, 40)
    assert judged(vitals) == Judgement()


def test_a_frozen_server_is_no_limit_of_the_client() -> None:
    """Two seconds in which nothing is answered are in the latency; the window stays valid."""
    vitals = healthy(arrivals=1_000)
    vitals.starved = 0
    assert judged(vitals).valid


def test_a_frozen_server_that_keeps_all_users_waiting_is_told_as_what_it_is() -> None:
    """Users enough for the deployment at its best wait because it stopped: valid, with a remark."""
    vitals = healthy(arrivals=1_000)
    vitals.users, vitals.starved = 64, 136
    vitals.dispatch_lag = lags(0.0004, 1_000, 1.36, 136)
    found = judged(vitals)
    assert found.valid
    assert "kept all 64 users waiting: 13.6 %" in found.remarks[0]
    assert "up to 1.36 s" in found.remarks[0]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("rate", "lag_s"), [(100, 0.0135), (1_000, 0.13)])
def test_the_flood_after_a_thaw_is_not_the_clients_fault(
    rate: int, lag_s: float, streaming: bool
) -> None:
    """Answers that come all at once after two seconds are read in turn: the window is valid."""
    late = 2 * rate
    vitals = healthy(arrivals=10 * rate)
    vitals.user_kernel = lags(0.0001, 10 * rate, lag_s, late)
    vitals.loop_lag = lags(0.0005, 1_000, lag_s, 15)
    vitals.schedule_lag = lags(0.0003, 10 * rate, lag_s, rate // 5)
    latency = lags(0.02, 10 * rate, 1.9, late)
    assert judged(vitals, f"poisson:{rate}", latency=latency, streaming=streaming).valid


def test_lag_that_is_the_latency_is_the_client() -> None:
    """A tail that the client made itself excuses nothing."""
    vitals = healthy(arrivals=1_000)
    vitals.loop_lag = lags(0.0005, 1_000, 1.9, 200)
    assert judged(vitals, latency=lags(0.02, 1_000, 1.9, 200)).limit == "client core"
    vitals.loop_lag = lags(0.03, 1_000)
    assert judged(vitals, latency=lags(0.05, 1_000, 1.9, 200)).limit == "client core"


def test_a_client_that_burns_its_core_is_the_limit() -> None:
    """A loop that is 400 ms late is the client's doing, however many arrivals wait for users."""
    vitals = healthy(arrivals=3_200)
    vitals.schedule_lag = lags(0.05, 3_200, 0.369, 100)
    vitals.loop_lag = lags(0.05, 400, 0.403, 20)
    vitals.cpu, vitals.starved, vitals.unsent = 0.76, 1_547, 1_547
    found = judged(vitals, "poisson:800")
    assert found.limit == "client core"
    assert "403 ms late" in found.advice
    assert "--processes" in found.advice


def test_users_that_are_taken_away_make_a_window_invalid() -> None:
    """What waits for users that are gone is no latency of the deployment's."""
    vitals = healthy()
    vitals.users_left = 1
    assert not judged(vitals).limit  # nobody missed them
    vitals.starved = vitals.intended // 2
    found = judged(vitals)
    assert found.limit == "pool"
    assert "of 256 users 255 left" in found.advice
    assert not judged(vitals, "closed:256").limit


def test_a_pool_that_the_server_at_its_best_would_need_more_than_is_the_limit() -> None:
    """8 users cannot hold 1,000 requests a second of 20 ms each: 20 are busy on average."""
    vitals = healthy(arrivals=4_000)
    vitals.users, vitals.starved, vitals.unsent, vitals.backlog_end = 8, 3_900, 2_519, 2_519
    vitals.dispatch_lag = lags(1.28, 4_000)
    found = judged(vitals, "poisson:1000")
    assert found.limit == "pool"
    assert "all 8 users were waiting" in found.advice
    assert "--users 34" in found.advice


def test_an_overloaded_server_that_leaves_arrivals_unsent_is_no_limit_of_the_client() -> None:
    """Misses by the thousand behind a queue that the deployment made are a valid finding."""
    vitals = healthy(arrivals=4_000)
    vitals.users, vitals.starved, vitals.unsent = 64, 3_000, 1_500
    assert judged(vitals, "poisson:200").valid


def test_arrivals_that_nobody_sends_though_users_are_free_are_the_client() -> None:
    """Unsent arrivals over 0.5 % without a starved pool are the schedule's failure."""
    vitals = healthy()
    vitals.unsent = 11
    assert judged(vitals).limit == "schedule"
    vitals.unsent = 10
    assert judged(vitals).valid


def test_a_few_arrivals_that_waited_for_a_frozen_server_are_its_own() -> None:
    """Of six, four keep all users busy and two are never sent: nobody was free to send them."""
    vitals = healthy(arrivals=6)
    vitals.users, vitals.sent, vitals.starved, vitals.unsent = 4, 4, 2, 2
    assert judged(vitals, "poisson:1", floor_service_s=0.02).valid


def test_a_late_schedule_on_a_free_loop_is_named_so() -> None:
    """Arrivals that are fired late limit the client though its loop is not late."""
    vitals = healthy()
    vitals.schedule_lag = lags(0.0003, 2_000, 0.012, 21)
    assert judged(vitals).limit == "schedule"
    assert judged(vitals, "closed:8").valid


def test_a_single_hiccup_does_not_void_a_window() -> None:
    """A core that was away for 200 ms once in 20 s has cost one tick in a hundred: valid."""
    vitals = healthy()
    vitals.loop_lag = lags(0.0005, 2_000, 0.2, 20)
    assert judged(vitals).valid
    vitals.loop_lag = lags(0.0005, 2_000, 0.2, 21)
    assert judged(vitals).limit == "client core"


def test_few_arrivals_are_not_judged_by_one_or_two_of_them() -> None:
    """With 20 arrivals a p99 is the greatest: three must be late."""
    vitals = healthy(arrivals=20)
    vitals.schedule_lag = lags(0.0003, 20, 0.02, 2)
    assert judged(vitals).valid
    vitals.schedule_lag = lags(0.0003, 20, 0.02, 3)
    assert judged(vitals).limit == "schedule"


@pytest.mark.parametrize(
    ("slo_s", "latency_s", "valid"),
    [(None, 0.02, False), (0.2, 2.0, False), (1.0, 0.02, True), (None, 0.2, True)],
)
def test_lag_is_compared_with_what_is_asked_about(
    slo_s: float | None, latency_s: float, valid: bool
) -> None:
    """15 ms are too much beside 20 ms or a limit of 200 ms, and nothing beside a second."""
    vitals = healthy()
    vitals.loop_lag = lags(0.0005, 2_000, 0.015, 100)
    assert judged(vitals, slo_s=slo_s, latency_s=latency_s).valid is valid


def test_streams_are_not_measured_by_their_latency() -> None:
    """The whole answer of a stream takes long; its gaps do not endure 15 ms of lag."""
    vitals = healthy()
    vitals.loop_lag = lags(0.0005, 2_000, 0.015, 100)
    assert not judged(vitals, latency_s=5.0, streaming=True).valid


def test_advice_tells_neighbours_and_garbage_from_work() -> None:
    """What kept the loop is said: other processes, collections, or its own work."""
    vitals = healthy()
    vitals.loop_lag = lags(0.0005, 2_000, 0.05, 100)
    assert "used 12% of a core: something held up the machine" in judged(vitals).advice
    vitals.cpu = 0.9
    assert "90% of a core used; add workers" in judged(vitals).advice
    vitals.gc_longest_ns = 48_000_000
    assert "garbage collections stopped it for up to 48 ms" in judged(vitals).advice
    vitals.run_delay_share = 0.34
    assert "other processes held its core for 34%" in judged(vitals).advice
    vitals.loop_lag = lags(0.0005, 2_000, 1.4, 100)
    assert "event loop was 1.4 s late" in judged(vitals).advice


def test_a_batch_that_is_read_in_turn_is_no_limit() -> None:
    """128 streams that get their text in one instant are read within 3 ms: valid."""
    vitals = healthy()
    vitals.user_kernel = lags(0.001, 6_400, 0.0029, 500)
    vitals.deltas = 6_400
    assert judged(vitals, streaming=True).valid
    vitals.user_kernel = lags(0.001, 6_400, 0.012, 500)
    assert judged(vitals, streaming=True).limit == "timing"


def test_deltas_that_were_read_together_are_the_clients_only_if_it_was_late() -> None:
    """A server that sends in groups is remarked on; a client that read late is INVALID."""
    vitals = healthy()
    vitals.deltas, vitals.coalesced = 6_400, 3_500
    found = judged(vitals, streaming=True)
    assert found.valid
    assert "54.7 % of the deltas arrived together" in found.remarks[0]
    vitals.user_kernel = lags(0.0005, 6_400, 0.004, 700)
    assert judged(vitals, streaming=True).limit == "timing"


@pytest.mark.parametrize(
    ("name", "value", "limit"), [("descriptors_free", 1, "descriptors"), ("ports_free", 0, "ports")]
)
def test_what_the_system_ran_out_of_is_named(name: str, value: int, limit: str) -> None:
    """No descriptors or ports left is a limit of the client's machine; unknown is none."""
    vitals = healthy()
    setattr(vitals, name, value)
    assert judged(vitals).limit == limit
    setattr(vitals, name, None)
    assert judged(vitals).valid


def test_a_worker_that_is_lost_or_sick_voids_the_window() -> None:
    """Neither is hidden by the good figures of the other workers."""
    arrivals = Arrivals.parse("poisson:100")
    sick, lost = healthy(1), healthy(2)
    sick.loop_lag = lags(0.05, 2_000)
    lost.lost = True
    found = judge(Window(arrivals, [healthy(), sick], 2))
    assert (found.limit, found.worker) == ("client core", 1)
    assert str(found).startswith("client core: the client's event loop")
    found = judge(Window(arrivals, [healthy(), lost], 2))
    assert (found.limit, found.worker) == ("worker lost", 2)
    assert judge(Window(arrivals, [healthy()], 2)).limit == "worker lost"
    window = Window(arrivals, [healthy(), sick, lost], 3)
    assert [limit_of(window, one) for one in window.workers] == ["", "client core", "worker lost"]


def test_users_needed_follow_from_rate_and_service() -> None:
    """Little's law and three deviations; bursts need more, and the peak counts."""
    assert users_needed(Arrivals.parse("constant:100"), 0.04) == 10
    assert users_needed(Arrivals.parse("burst:10,100,20,4"), 0.04) == 10
    assert users_needed(Arrivals.parse("gamma:100,0.25"), 0.04) > 10
    assert users_needed(Arrivals.parse("poisson:100"), 0.04, share=0.25) == 4


def test_vitals_are_the_same_through_a_message() -> None:
    """What a worker sends of itself is what the judge gets."""
    vitals = healthy()
    assert Vitals.from_message(json.loads(json.dumps(vitals.to_message()))) == vitals
