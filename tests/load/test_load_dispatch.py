"""Arrivals are fired once each, in order, and taken by free users; N workers share them exactly."""

import time
from collections.abc import Iterator

import gevent
import pytest

from soundcheck.load.arrivals import Arrivals
from soundcheck.load.dispatch import Dispatcher, Order, Share

SECONDS = 2.0
POISSON = Arrivals("poisson", (100.0,))

pytestmark = pytest.mark.usefixtures("_own_loop")


class Desk:
    """A dispatcher with what it told, and users that take ``each`` arrivals at most."""

    def __init__(self) -> None:
        self.fired: list[tuple[Order, bool]] = []
        self.taken: list[Order] = []
        self.dispatcher = Dispatcher()

    def begin(self, share: Share) -> None:
        """Begin a stage."""
        self.dispatcher.begin(share, lambda order, _, starved: self.fired.append((order, starved)))

    def user(
        self, takes: int = 1_000_000, holds: gevent.event.Event | None = None
    ) -> gevent.Greenlet:
        """Start a user; it keeps each arrival until ``holds`` is set, and takes so many."""

        def serve() -> None:
            for _ in range(takes):
                self.taken.append(self.dispatcher.take(gevent.getcurrent()))
                if holds is not None:
                    holds.wait()
                self.dispatcher.done()

        return gevent.spawn(serve)


@pytest.fixture
def desk() -> Iterator[Desk]:
    one = Desk()
    yield one
    one.dispatcher.close()


def past_share(index: int = 0, count: int = 1, *, most: int | None = None) -> Share:
    """Return a share all of whose arrivals are overdue: nothing depends on the machine's speed."""
    begin = time.monotonic_ns() - round(10 * SECONDS * 1e9)
    return Share(POISSON, SECONDS, 7, index, count, begin, most)


def until_fired(desk: Desk) -> None:
    with gevent.Timeout(20):
        while desk.dispatcher.fires or desk.dispatcher.backlog or desk.dispatcher.in_flight:
            gevent.sleep(0.001)


def test_one_worker_fires_every_arrival_of_the_schedule_at_its_time(desk: Desk) -> None:
    """What is fired are all arrivals, numbered from 0, at begin plus their time."""
    user = desk.user()
    share = past_share()
    desk.begin(share)
    until_fired(desk)
    expected = [share.begin + round(at * 1e9) for at in POISSON.times(SECONDS, 7)]
    assert [order for order, _ in desk.fired] == [Order(*one) for one in enumerate(expected)]
    assert desk.taken == [order for order, _ in desk.fired]
    user.kill()


@pytest.mark.parametrize("count", [2, 4])
def test_workers_share_the_arrivals_of_one(desk: Desk, count: int) -> None:
    """Together, N workers fire each arrival once, each those whose number modulo N is its own."""
    numbers: list[int] = []
    for index in range(count):
        desk.fired.clear()
        user = desk.user()
        desk.begin(past_share(index, count))
        until_fired(desk)
        own = [order.arrival for order, _ in desk.fired]
        assert {number % count for number in own} == {index}
        numbers += own
        user.kill()
    assert sorted(numbers) == list(range(len(list(POISSON.times(SECONDS, 7)))))


def test_arrivals_wait_where_no_user_is_free(desk: Desk) -> None:
    """An arrival without a user is told as starved, waits, and is left over if nobody comes."""
    desk.begin(past_share())
    with gevent.Timeout(20):
        while desk.dispatcher.fires:
            gevent.sleep(0.001)
    assert all(starved for _, starved in desk.fired)
    assert desk.dispatcher.backlog == len(desk.fired)
    assert desk.dispatcher.end() == [order for order, _ in desk.fired]
    assert desk.dispatcher.backlog == 0


def test_the_cap_of_requests_is_exact(desk: Desk) -> None:
    """Arrivals from the cap's number on are not fired, and it is told that the cap was hit."""
    user = desk.user()
    desk.begin(past_share(most=5))
    until_fired(desk)
    assert [order.arrival for order in desk.taken] == [0, 1, 2, 3, 4]
    assert desk.dispatcher.capped
    user.kill()


def test_a_closed_loop_keeps_as_many_under_way_as_it_is_told(desk: Desk) -> None:
    """With closed:3, three of five users get an arrival, and the next when one is done."""
    holds = gevent.event.Event()
    users = [desk.user(holds=holds) for _ in range(5)]
    now = time.monotonic_ns()
    desk.begin(Share(Arrivals("closed", (3.0,)), 3600, 1, 0, 1, now))
    with gevent.Timeout(20):
        while len(desk.taken) < 3:
            gevent.sleep(0.001)
    gevent.sleep(0)
    assert desk.dispatcher.in_flight == 3
    assert [order.arrival for order in desk.taken] == [0, 1, 2]
    gevent.killall(users)


def test_arrivals_that_a_late_loop_never_fired_are_counted(desk: Desk) -> None:
    """At the end they are told and returned as those that no user has taken."""
    desk.begin(past_share(most=7))
    left = desk.dispatcher.end()  # before the loop had a chance
    assert [order.arrival for order in left] == list(range(7))
    assert [order for order, _ in desk.fired] == left
    assert desk.dispatcher.end() == []


def test_a_killed_user_loses_no_arrival(desk: Desk) -> None:
    """A user that is ended while it waits gets nothing: the next one does."""
    gone, stays = desk.user(), desk.user()
    gevent.sleep(0)
    stays.kill()  # the last to have come would be the first to get work
    desk.begin(past_share(most=1))
    until_fired(desk)
    assert len(desk.taken) == 1
    gone.kill()
