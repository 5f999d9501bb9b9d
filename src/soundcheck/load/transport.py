"""One keep-alive connection on a plain socket, waited for by gevent's event loop.

The sockets are the operating system's own, without gevent's wrapper: a read waits first, because
an answer is never there already, so no call fails in vain. Each read is stamped twice: by the
kernel when its last bytes arrived (``SO_TIMESTAMPNS``, where there is such a thing), and by us
straight after it.
"""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from time import monotonic_ns
from typing import Any

import gevent
import gevent.socket
from gevent import getcurrent
from gevent.monkey import get_original

from soundcheck.http.limits import CONNECT_TIMEOUT
from soundcheck.load.clock import CLOCK
from soundcheck.load.failure import Failure

READABLE, WRITABLE = 1, 2
READ_SIZE = 2**13
IDLE_NS = 250_000_000
"""Nanoseconds after which an unused connection is looked at before it is used again."""

_STAMPS: int = getattr(socket, "SO_TIMESTAMPNS", 35)
_TIMESPEC = struct.Struct("@ll")
_STAMP_SPACE = socket.CMSG_SPACE(_TIMESPEC.size)
_OWN_LIMITS = {
    errno.EMFILE,
    errno.ENFILE,
    errno.EADDRNOTAVAIL,
    errno.ENOBUFS,
    errno.ENOMEM,
}
_NOTHING = memoryview(b"")
_Socket: Any = get_original("socket", "socket")


def connect(host: str, port: int, deadline_ns: int) -> Any:
    """Return the socket of a new connection, which never blocks; raises Failure.

    Making it takes at most until ``deadline_ns`` (monotonic) and ``CONNECT_TIMEOUT``.
    """
    left = (deadline_ns - monotonic_ns()) / 1e9
    late = Failure("timeout", "no connection in time")
    try:
        with gevent.Timeout(max(min(left, CONNECT_TIMEOUT), 0.001), late):
            return _connected(host, port)
    except socket.gaierror as failed:
        raise Failure("unresolved", f"{host}: {failed.strerror}") from None
    except OSError as failed:
        if own_limit(failed):
            raise Failure("unsent", f"the client's own limit: {failed.strerror}") from None
        cause = "timeout" if failed.errno == errno.ETIMEDOUT else "refused"
        raise Failure(cause, failed.strerror or str(failed)) from None


def _connected(host: str, port: int) -> Any:
    """Return a socket that is connected to the first of the host's addresses that lets it."""
    failed: OSError | None = None
    for family, address in _addresses(host, port):
        connecting = _Socket(family, socket.SOCK_STREAM)
        try:
            connecting.setblocking(False)
            connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = connecting.connect_ex(address)
            if code == errno.EINPROGRESS:
                gevent.socket.wait_write(connecting.fileno())
                code = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                return connecting
            failed = OSError(code, os.strerror(code))
        except OSError as error:
            failed = error
        except BaseException:
            connecting.close()
            raise
        connecting.close()
    raise failed or socket.gaierror(socket.EAI_NONAME, "no address")


def _addresses(host: str, port: int) -> Iterable[tuple[int, Any]]:
    """Return the addresses of a host; one that is given as such is not looked up."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host)
            return [(family, (host, port))]
    found = gevent.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def own_limit(failed: OSError) -> bool:
    """Tell whether a connection failed for want of something on this machine."""
    return failed.errno in _OWN_LIMITS


class Line:
    """A connection over the socket ``connected``, used by one greenlet at a time.

    ``user_ns`` and ``kernel_ns`` are the monotonic times of the last read; ``kernel_ns`` is None
    where the kernel has no stamp to give. ``is_reusable`` is for the exchange to set: whether its
    answer came to the end, and left the connection fit for the next.
    """

    __slots__ = (
        "_deadline",
        "_failed",
        "_hub",
        "_reader",
        "_rest",
        "_since",
        "_socket",
        "_switch",
        "_timer",
        "_writer",
        "is_reusable",
        "kernel_ns",
        "user_ns",
    )

    def __init__(self, connected: Any) -> None:
        self._socket = connected
        self._hub = gevent.get_hub()
        self._reader = self._hub.loop.io(connected.fileno(), READABLE)
        self._writer: Any = None
        self._timer: Any = None
        self._switch: Any = None
        self._failed: BaseException | None = None
        self._rest = _NOTHING  # each of its own would take as much memory as all else here
        self._deadline = 0
        self.user_ns = self._since = monotonic_ns()
        self.kernel_ns: int | None = None
        self.is_reusable = False
        with contextlib.suppress(OSError):  # other systems, and some sandboxes, have no stamps
            connected.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)

    def close(self) -> None:
        """Give the connection up."""
        for watcher in (self._reader, self._writer, self._timer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._writer = self._timer = None
        self._socket.close()

    def is_stale(self, now_ns: int) -> bool:
        """Tell whether the peer has closed the connection, or sent what nobody asked for."""
        if now_ns - self.user_ns < IDLE_NS:
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    @property
    def stamp(self) -> int:
        """Return the time of the last read: the kernel's where there is one, else ours."""
        return self.user_ns if self.kernel_ns is None else self.kernel_ns

    def begin(self, now_ns: int, deadline_ns: int) -> None:
        """Begin an exchange of this greenlet's, at ``now_ns``, that ends by ``deadline_ns``."""
        self._since = now_ns
        self._deadline = deadline_ns
        self.is_reusable = False
        self._switch = getcurrent().switch
        if self._timer is None:
            self._wake_after(deadline_ns - now_ns)

    def end(self) -> None:
        """End the exchange: the connection is kept for the next one."""
        self._switch = None

    def hasten(self, left_ns: int) -> None:
        """Bring the exchange's end forward, to ``left_ns`` nanoseconds from now at most."""
        self._deadline = min(self._deadline, monotonic_ns() + left_ns)
        self._wake_after(left_ns)

    def send(self, pieces: Sequence[bytes], size: int) -> bool:
        """Send ``pieces`` of ``size`` bytes together; tell whether the kernel has all of them.

        The last piece is large, and is not copied. What is left waits for ``push``.
        """
        try:
            sent = self._socket.sendmsg(pieces)
        except BlockingIOError:
            sent = 0
        if sent == size:
            return True
        last = len(pieces[-1])
        if sent < size - last:
            self._rest = memoryview(b"".join(pieces))[sent:]
        else:
            self._rest = memoryview(pieces[-1])[last - (size - sent) :]
        return False

    def push(self) -> bool:
        """Send more of what is left; tell whether the kernel has all of it."""
        try:
            sent = self._socket.send(self._rest)
        except BlockingIOError:
            return False
        self._rest = self._rest[sent:]
        return not self._rest

    def wait(self) -> int:
        """Wait until more can be sent or read; return READABLE, WRITABLE or both."""
        writer = self._writer
        if writer is None:
            writer = self._hub.loop.io(self._socket.fileno(), READABLE | WRITABLE)
            self._writer = writer
        events = 0
        while not events:
            writer.start(self._switch, pass_events=True)
            try:
                events = self._hub.switch()
            finally:
                writer.stop()
            if not events:
                self._check_time()
        return int(events)

    def receive(self) -> bytes:
        """Wait for the next bytes, and return them; none if the peer has closed its side.

        Raises Failure at the deadline, OSError if the connection breaks.
        """
        reader, switch, hub = self._reader, self._switch, self._hub
        while True:
            reader.start(switch, READABLE)
            try:
                hub.switch()
            finally:
                reader.stop()
            try:
                data = self._read()
            except BlockingIOError:
                self._check_time()
                continue
            if self.user_ns >= self._deadline:
                raise Failure("timeout", "the answer was not complete in time")
            return data

    def follow(self, take: Callable[[bytes], bool]) -> None:
        """Hand what comes to ``take``, at once, until that says it was all; no bytes are the end.

        ``take`` runs in the loop itself and must not wait: that saves two switches of greenlets
        for each read. Raises what ``receive`` does, and what ``take`` raises.
        """
        self._reader.start(self._readable, take)
        try:
            while not self._hub.switch():
                self._check_time()
        finally:
            self._reader.stop()
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def _readable(self, take: Callable[[bytes], bool]) -> None:
        """Hand the next bytes to who follows. Runs in the loop, where nothing may be raised."""
        try:
            if not take(self._read()):
                return
        except BlockingIOError:
            return
        except BaseException as failed:
            self._failed = failed
        self._reader.stop()
        self._switch(READABLE)

    def _read(self) -> bytes:
        """Return what is there, and stamp it; raises BlockingIOError where there is nothing."""
        data, ancillary, _, _ = self._socket.recvmsg(READ_SIZE, _STAMP_SPACE)
        self.user_ns = now = monotonic_ns()
        if len(ancillary) == 1 and ancillary[0][1] == _STAMPS:
            seconds, rest = _TIMESPEC.unpack(ancillary[0][2])
            self.kernel_ns = CLOCK.monotonic(seconds * 1_000_000_000 + rest, self._since, now)
        else:
            self.kernel_ns = None
        return data  # type: ignore[no-any-return]

    def _check_time(self) -> None:
        """Raise Failure at the deadline."""
        if monotonic_ns() >= self._deadline:
            raise Failure("timeout", "no complete answer in time")

    def _wake_after(self, left_ns: int) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
        self._timer = self._hub.loop.timer(max(left_ns, 1) / 1e9)
        self._timer.start(self._tick)

    def _tick(self) -> None:
        """Wake the greenlet whose time is over.

        The timer is not set anew for each exchange, but goes off early and is then set again.
        """
        left = self._deadline - monotonic_ns()
        if self._switch is not None and left <= 0:
            self._switch(0)
        elif self._switch is not None:
            self._wake_after(left)
        else:
            self._timer.stop()
            self._timer.close()
            self._timer = None
