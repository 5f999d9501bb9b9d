"""An alarm in a gevent loop that goes off at a time of the monotonic clock, within microseconds.

gevent's own timers are those of libev: they count from when the loop last looked at the clock, in
milliseconds, so that they are half a millisecond late in the middle. A timerfd is a file that
becomes readable at a given time: the loop wakes up for it as for a socket. Elsewhere than on Linux
the loop's timer has to do, and the schedule lag tells how well it does.
"""

import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from gevent import get_hub

_CLOCK_MONOTONIC = 1
_NONBLOCK = 0o4000
_CLOEXEC = 0o2000000
_ABSOLUTE = 1
_READ = 1
_SECOND = 1_000_000_000


class Alarm(Protocol):
    """Calls back, in the hub, once after each ``set``."""

    def set(self, at: int) -> None:
        """Go off when ``time.monotonic_ns()`` is ``at``, or at once if that is past."""

    def close(self) -> None:
        """Never go off again."""


def alarm(callback: Callable[[], None]) -> Alarm:
    """Return an alarm that calls ``callback`` in the hub: it must not block there."""
    try:
        return _TimerAlarm(callback)
    except (OSError, AttributeError):
        return _LoopAlarm(callback)


class _Interval(ctypes.Structure):
    """C's ``struct itimerspec``."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class _TimerAlarm:
    """By a timerfd of Linux, which Python has only from 3.13 on."""

    def __init__(self, callback: Callable[[], None]) -> None:
        if sys.platform != "linux":
            raise OSError("no timerfd here")
        library = ctypes.CDLL(None, use_errno=True)
        self._settime = library.timerfd_settime
        self._descriptor: int = library.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK | _CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._callback = callback
        self._value = _Interval()
        self._watcher: Any = get_hub().loop.io(self._descriptor, _READ)
        self._watcher.start(self._ring)

    def set(self, at: int) -> None:
        # A time in the past rings at once; zero would turn the timer off.
        self._value.value_s, self._value.value_ns = divmod(max(at, 1), _SECOND)
        self._settime(self._descriptor, _ABSOLUTE, ctypes.byref(self._value), None)

    def close(self) -> None:
        if self._descriptor >= 0:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._descriptor)
            self._descriptor = -1

    def _ring(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:  # set anew since the loop saw it
            return
        self._callback()


class _LoopAlarm:
    """By the loop's timer."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._timer: Any = None

    def set(self, at: int) -> None:
        self.close()
        loop = get_hub().loop
        loop.update_now()
        self._timer = loop.timer(max(0.0, (at - time.monotonic_ns()) / _SECOND))
        self._timer.start(self._callback)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
