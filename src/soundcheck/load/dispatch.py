"""A worker's part of a stage: arrivals are fired in time, and each is taken by a free user.

The schedule is the same on all workers, and each fires those arrivals whose number modulo the
number of workers is its own. Firing and taking are apart: an arrival that finds no free user waits,
and its latency counts from when it was to begin.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any, NamedTuple, TypeAlias

from gevent import get_hub

from soundcheck.load.alarm import alarm
from soundcheck.load.arrivals import Arrivals

_SECOND = 1_000_000_000
# So many overdue arrivals are fired in one go before the loop gets to read answers again.
_IN_ONE_GO = 32


class Order(NamedTuple):
    """An arrival to be sent: its number in the stage, and when it was to begin (monotonic ns)."""

    arrival: int
    intended: int


Fired: TypeAlias = Callable[[Order, int, bool], None]
"""Is told of an arrival that is due, with the time (monotonic ns) and whether no user was free."""


@dataclass(frozen=True, slots=True)
class Share:
    """A worker's share of a stage.

    It begins at ``begin`` (monotonic ns) and fires for ``seconds``. ``index`` is the worker's place
    among ``count``. Of all arrivals of the stage, those from number ``most`` on are over the cap of
    requests and are not fired (None: no cap).
    """

    arrivals: Arrivals
    seconds: float
    seed: int
    index: int
    count: int
    begin: int
    most: int | None = None


class Dispatcher:
    """The desk where users wait for arrivals, and the clock that fires them.

    The last user to have come is the first to get work: so the fewest connections are in use, and
    they do not grow cold.
    """

    def __init__(self) -> None:
        self._fired: Fired = lambda order, now, starved: None
        self._hub: Any = get_hub()
        self._idle: list[Any] = []
        self._backlog: deque[Order] = deque()
        self._alarm = alarm(self._ring)
        self._due: Iterator[Order] = iter(())
        self._next: Order | None = None
        self._share: Share | None = None
        self._closed_next = 0
        self._closed_end = 0
        self._permits = 0
        self.in_flight = 0
        self.capped = False

    @property
    def backlog(self) -> int:
        """Return how many arrivals are due and wait for a user."""
        return len(self._backlog)

    @property
    def fires(self) -> bool:
        """Tell whether arrivals are still to come."""
        if self._share is None:
            return False
        if self._share.arrivals.is_closed:
            return not self.capped and monotonic_ns() < self._closed_end
        return self._next is not None

    def begin(self, share: Share, fired: Fired) -> None:
        """Fire the arrivals of ``share``, and tell ``fired`` of each.

        What an earlier stage left is given up.
        """
        self.end()
        self._fired = fired
        self._share = share
        self.capped = False
        if share.arrivals.is_closed:
            under_way = share.arrivals.under_way
            self._permits = under_way // share.count + (share.index < under_way % share.count)
            self._closed_next = share.index
            self._closed_end = share.begin + round(share.seconds * _SECOND)
            self._alarm.set(share.begin)
            return
        self._due = self._orders(share)
        self._next = next(self._due, None)
        if self._next is not None:
            self._alarm.set(self._next.intended)

    def end(self) -> list[Order]:
        """Fire nothing more; return the arrivals that were due and that no user has taken.

        Among them are those that a loop which came too late never fired.
        """
        left = list(self._backlog)
        self._backlog.clear()
        now = monotonic_ns()
        while (order := self._next) is not None and order.intended <= now:
            self._next = next(self._due, None)
            self._fired(order, now, False)
            left.append(order)
        self._next = None
        self._share = None
        self._permits = 0
        return left

    def take(self, user: Any) -> Order:
        """Wait for the next arrival and return it; then ``done`` has to be called once.

        ``user`` is the greenlet that asks.
        """
        if self._backlog:
            order = self._backlog.popleft()
        elif (due := self._closed_order() or self._due_order()) is not None:
            order = due
        else:
            self._idle.append(user)
            try:
                order = self._hub.switch()
            except BaseException:
                if user in self._idle:
                    self._idle.remove(user)
                raise
        self.in_flight += 1
        return order

    def done(self, leaves: bool = False) -> None:
        """Say that an arrival which was taken is over; ``leaves``: its user will take no more."""
        self.in_flight -= 1
        if leaves and self._permits and self._idle:
            self._alarm.set(0)

    def close(self) -> None:
        """Give up the clock."""
        self.end()
        self._alarm.close()

    def _orders(self, share: Share) -> Iterator[Order]:
        """Yield this worker's arrivals. Times are absolute: a late one does not delay the next."""
        for number, at in enumerate(share.arrivals.times(share.seconds, share.seed)):
            if share.most is not None and number >= share.most:
                self.capped = True
                return
            if number % share.count == share.index:
                yield Order(number, share.begin + round(at * _SECOND))

    def _ring(self) -> None:
        """Fire what is due. Runs in the hub: users are switched to from here, one by one."""
        if self._permits:
            self._ring_closed()
            return
        for _ in range(_IN_ONE_GO):
            order = self._next
            if order is None:
                return
            now = monotonic_ns()
            if order.intended > now:
                break
            self._next = next(self._due, None)
            if self._idle:
                self._fired(order, now, False)
                self._idle.pop().switch(order)
            else:
                self._fired(order, now, True)
                self._backlog.append(order)
        if self._next is not None:
            self._alarm.set(self._next.intended)

    def _due_order(self) -> Order | None:
        """Return the next arrival if its time has come, so that it need not wait for the loop.

        The loop may be long in reading answers: a server that was stopped gives them all at once.
        """
        order = self._next
        if order is None or order.intended > (now := monotonic_ns()):
            return None
        self._next = next(self._due, None)
        self._fired(order, now, False)
        return order

    def _ring_closed(self) -> None:
        """Set the closed loop going: each user that comes back takes its next arrival itself."""
        while self._idle and (order := self._closed_order()) is not None:
            self._idle.pop().switch(order)

    def _closed_order(self) -> Order | None:
        """Return the next arrival of a closed loop, None where one more may not be under way."""
        share = self._share
        if self.in_flight >= self._permits or share is None:
            return None
        now = monotonic_ns()
        if not share.begin <= now < self._closed_end:
            return None
        number = self._closed_next
        if share.most is not None and number >= share.most:
            self.capped = True
            return None
        self._closed_next = number + share.count
        order = Order(number, now)
        self._fired(order, now, False)
        return order
