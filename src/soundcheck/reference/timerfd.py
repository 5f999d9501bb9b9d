"""A timer of the kernel's as a file descriptor: epoll's own timeouts count in milliseconds."""

import ctypes
import os
from typing import Final

_MONOTONIC: Final = 1
_CLOSE_ON_EXEC: Final = 0o2000000
_NON_BLOCKING: Final = 0o4000
_ABSOLUTE: Final = 1


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


class Timer:
    """A descriptor that becomes readable at a time; Linux only (raises OSError elsewhere)."""

    def __init__(self) -> None:
        # Python has these calls from 3.13 on.
        library = ctypes.CDLL(None, use_errno=True)
        try:
            self._set = library.timerfd_settime
            descriptor = library.timerfd_create(_MONOTONIC, _CLOSE_ON_EXEC | _NON_BLOCKING)
        except AttributeError:
            raise OSError("this system has no timer descriptors") from None
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), "no timer can be had")
        self._descriptor: int = descriptor
        self._setting = _Setting()
        self._pointer = ctypes.byref(self._setting)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def at(self, nanoseconds: int) -> None:
        """Let it become readable at a time of ``time.monotonic_ns()``, which may be past."""
        value = self._setting.value
        # Zero would disarm it.
        value.seconds, value.nanoseconds = divmod(max(1, nanoseconds), 1_000_000_000)
        self._set(self._descriptor, _ABSOLUTE, self._pointer, None)

    def clear(self) -> None:
        """Let it be readable no more until its next time."""
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
