"""The client's own pulse: alarms that ring, lag that is seen, and readings that have a sense."""

import gc
import time

import gevent
import pytest

from soundcheck.load import alarm as alarms
from soundcheck.load.validity import Vitals
from soundcheck.load.vitals import TICK, Pulse, descriptors_free, ports_free

SECOND = 1_000_000_000

pytestmark = pytest.mark.usefixtures("_own_loop")


@pytest.mark.parametrize("kind", [alarms._TimerAlarm, alarms._LoopAlarm])
def test_an_alarm_rings_once_and_never_early(kind: type) -> None:
    """Set to a time past or to come, it rings once, not before that time; closed, never."""
    rings: list[int] = []
    one = kind(lambda: rings.append(time.monotonic_ns()))
    for at in (1, time.monotonic_ns() + SECOND // 100):
        rings.clear()
        one.set(at)
        with gevent.Timeout(20):
            while not rings:
                gevent.sleep(0.001)
        assert len(rings) == 1
        assert rings[0] >= at - 1_000_000  # the loop's own timers count in milliseconds
    one.set(1)
    one.close()
    gevent.sleep(0.01)
    assert len(rings) == 1


def test_a_stall_counts_every_tick_that_it_swallowed() -> None:
    """A loop held for twenty ticks has at least that many late ones, not a single one."""
    pulse, vitals = Pulse(), Vitals()
    pulse.start()
    begin = time.monotonic_ns()
    pulse.watch(vitals, begin, begin + 3600 * SECOND)
    until = begin + 20 * TICK
    while time.monotonic_ns() < until:
        pass
    with gevent.Timeout(20):
        while vitals.loop_lag.count < 20:
            gevent.sleep(0.001)
    assert vitals.loop_lag.above(2 * TICK / SECOND) >= 16
    assert pulse.second() >= 18 * TICK
    pulse.settle()
    assert vitals.cpu is not None
    assert vitals.cpu > 0
    pulse.stop()


def test_pauses_of_the_garbage_collector_are_counted_in_the_window_alone() -> None:
    """A collection shorter than a millisecond, or outside of the window, is none."""
    pulse, vitals = Pulse(), Vitals()
    pulse.start()
    pulse.watch(vitals, 0, 1)
    gc.collect()
    assert vitals.gc_pauses == 0
    pulse.stop()
    assert pulse._collected not in gc.callbacks


def test_what_is_left_is_a_number_or_unknown() -> None:
    """Free descriptors and ports are plausible on this machine, or not told."""
    for left in (descriptors_free(), ports_free()):
        assert left is None or 0 <= left < 2**31
