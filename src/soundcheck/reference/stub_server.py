"""The stub's server: one loop over epoll, which reads every byte and does nothing else with them.

It stands in for the network and a deployment that costs nothing, so every microsecond here is
missing from the client that is measured: no framework, no objects per request, heads parsed once.
"""

import gc
import heapq
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from soundcheck.errors import SoundcheckError
from soundcheck.reference.stub import StubSettings
from soundcheck.reference.stub_answers import Answers
from soundcheck.reference.stub_heads import Head, asks_for_stream, parse
from soundcheck.reference.timerfd import Timer

_BUFFER = 2**20
_MOST_HEAD = 16_384
_EDGE = 4096  # bytes at both ends of a body in which its text fields are looked for
_MOST_EARLY = 2**20  # bytes that a client may send before it has its answer
_RECORDS = 128  # TLS records read in one go: about two megabytes
_GONE = (OSError, ValueError)


class PortTaken(SoundcheckError):
    """The stub's port cannot be had."""


class _Connection:
    """One client: the request that it is sending, or the answer that it is getting."""

    __slots__ = (
        "begin",
        "busy",
        "closed",
        "closing",
        "due",
        "early",
        "head",
        "left",
        "out",
        "socket",
        "tail",
    )

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.head: Head | None = None
        self.left = 0
        self.begin = b""
        self.tail = b""
        self.early = b""  # read and not yet looked at
        self.busy = False
        self.due = 0
        self.out = b""
        self.closing = False
        self.closed = False


class StubServer:
    """A stub that listens on 127.0.0.1; raises PortTaken."""

    def __init__(self, settings: StubSettings) -> None:
        self._settings = settings
        self._answers = Answers(settings)
        self._delay = round(settings.delay_s * 1e9)
        self._gap = round(settings.delta_gap_s * 1e9)
        self.root_pem = ""
        self._tls: ssl.SSLContext | None = None
        if settings.tls:
            self._tls = self._credentials()
        try:
            self._listener = socket.create_server(("127.0.0.1", settings.port), backlog=4096)
        except (OSError, OverflowError) as error:
            raise PortTaken(f"Port {settings.port} cannot be had: {error}.") from None
        self._listener.setblocking(False)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # for all it accepts
        scheme = "https" if settings.tls else "http"
        self.base_url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._epoll = select.epoll()
        self._timer = Timer()
        self._armed = 0
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._heads: dict[bytes, Head | None] = {}
        self._connections: dict[int, _Connection] = {}
        self._due: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._count = 0
        self._begun = False
        self._parent = -1
        self._ended = False

    def run(self, parent: int) -> None:
        """Serve until the descriptor ``parent`` can be read: its other end was closed."""
        self._parent = parent
        for descriptor in (self._listener.fileno(), self._timer.fileno(), parent):
            self._epoll.register(descriptor, select.EPOLLIN)
        poll, connections, due = self._epoll.poll, self._connections, self._due
        while not self._ended:
            for descriptor, events in poll():
                connection = connections.get(descriptor)
                if connection is not None:
                    if events & select.EPOLLOUT:
                        self._flush(connection)
                    if events & ~select.EPOLLOUT:
                        self._read(connection)
                elif descriptor == parent:
                    return
                elif descriptor == self._timer.fileno():
                    self._timer.clear()
                    self._armed = 0
                else:
                    self._accept()
            while due and due[0][0] <= time.monotonic_ns():
                _, _, action, what = heapq.heappop(due)
                action(what)
            if due and due[0][0] != self._armed:
                self._armed = due[0][0]
                self._timer.at(self._armed)

    def close(self) -> None:
        """Give back what is open, after ``run`` has returned."""
        for connection in list(self._connections.values()):
            self._close(connection)
        self._listener.close()
        self._timer.close()
        self._epoll.close()

    def _credentials(self) -> ssl.SSLContext:
        from soundcheck.http.certificates import Authority

        root = Authority.new("Soundcheck stub")
        self.root_pem = root.certificate_pem.decode("ascii")
        return root.issue("localhost", "127.0.0.1").server_context()

    def _accept(self) -> None:
        for _ in range(64):
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # no descriptor left: those that wait get theirs when one ends
                time.sleep(0.01)
                return
            client.setblocking(False)
            if self._tls is not None:
                try:
                    client = self._tls.wrap_socket(
                        client, server_side=True, do_handshake_on_connect=False
                    )
                except _GONE:  # it left before it was looked at
                    client.close()
                    continue
            self._connections[client.fileno()] = _Connection(client)
            self._epoll.register(client.fileno(), select.EPOLLIN)

    def _read(self, connection: _Connection) -> None:
        """Take what has come; over TLS all of it, since epoll does not see what is decrypted."""
        receive, buffer = connection.socket.recv_into, self._buffer
        for _ in range(1 if self._tls is None else _RECORDS):
            try:
                size = receive(buffer)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except _GONE:
                size = 0
            if not size:
                self._close(connection)
                return
            self._take(connection, size)
            if connection.closed:
                return

    def _take(self, connection: _Connection, size: int) -> None:
        """Take the first ``size`` bytes of the buffer."""
        if connection.busy:
            connection.early += self._view[:size]
            if len(connection.early) > _MOST_EARLY:
                self._close(connection)
            return
        at = 0
        if connection.head is None:
            if connection.early:
                self._take_early(connection, bytes(self._view[:size]))
                return
            at = self._buffer.find(b"\r\n\r\n", 0, min(size, _MOST_HEAD)) + 4
            if at < 4:
                connection.early = bytes(self._view[:size])
                if size >= _MOST_HEAD:
                    self._close(connection)
                return
            if not self._begin(connection, bytes(self._view[:at])):
                return
        took = min(size - at, connection.left)
        end = at + took
        connection.left -= took
        if (missing := _EDGE - len(connection.begin)) > 0:
            connection.begin += self._view[at : min(end, at + missing)]
        if connection.left <= _EDGE:  # what is more than that from the end cannot matter
            connection.tail = (connection.tail + self._view[max(at, end - _EDGE) : end])[-_EDGE:]
        if not connection.left:
            connection.early = bytes(self._view[end:size])
            self._complete(connection)

    def _take_early(self, connection: _Connection, more: bytes) -> None:
        """Take what was kept of earlier reads, and more."""
        kept, connection.early = connection.early + more, b""
        for at in range(0, len(kept), _BUFFER):
            piece = kept[at : at + _BUFFER]
            self._buffer[: len(piece)] = piece
            self._take(connection, len(piece))

    def _begin(self, connection: _Connection, head: bytes) -> bool:
        """Begin a request; tell whether it can be read."""
        try:
            found = self._heads[head]
        except KeyError:
            if len(self._heads) > 4096:
                self._heads.clear()
            found = self._heads[head] = parse(head)
        if found is None:
            self._send(connection, self._answers.unreadable)
            self._close(connection)
            return False
        connection.head = found
        connection.left = found.length
        connection.begin = connection.tail = b""
        if found.expects:
            self._send(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _complete(self, connection: _Connection) -> None:
        """Answer a request whose last byte was read."""
        head = connection.head
        if head is None:
            return
        if not self._begun:
            self._begun = True
            if self._settings.freeze_at_s is not None:
                self._at(
                    time.monotonic_ns() + round(self._settings.freeze_at_s * 1e9),
                    self._freeze,
                    None,
                )
        if not head.transcribes:
            answer = self._answers.models if head.lists else self._answers.nothing_here
        elif not connection.tail.endswith(head.end) and not connection.tail.endswith(
            head.end + b"\r\n"
        ):
            answer = self._answers.malformed
        elif (
            asks_for_stream(connection.begin) or asks_for_stream(connection.tail)
        ) and self._settings.status == 200:
            self._stream(connection)
            return
        elif self._delay:
            connection.busy = True
            self._at(time.monotonic_ns() + self._delay, self._answer_late, connection)
            return
        else:
            answer = self._answers.transcription
        self._send(connection, answer)
        self._finished(connection)

    def _answer_late(self, connection: _Connection) -> None:
        if not connection.closed:
            self._send(connection, self._answers.transcription)
            self._finished(connection)

    def _stream(self, connection: _Connection) -> None:
        connection.busy = True
        self._send(connection, self._answers.stream_head)
        connection.due = time.monotonic_ns() + self._delay
        self._delta((connection, 0))

    def _delta(self, what: tuple[_Connection, int]) -> None:
        """Send the deltas of a stream that are due, then wait for the next."""
        connection, number = what
        if connection.closed:
            return
        due, now = connection.due, time.monotonic_ns()
        if self._settings.on_one_tick:
            due = next_tick(due, self._gap)
        deltas = self._answers.deltas
        while due <= now:
            if number >= len(deltas):
                self._send(connection, self._answers.stream_end)
                self._finished(connection)
                return
            self._send(connection, self._answers.delta(number))
            if connection.closed:
                return
            number += 1
            due += self._gap
        connection.due = due
        self._at(due, self._delta, (connection, number))

    def _finished(self, connection: _Connection) -> None:
        """End a request: the connection is ready for the next, or closed."""
        head, connection.head, connection.busy = connection.head, None, False
        if head is not None and head.closes:
            connection.closing = True
            if not connection.out:
                self._close(connection)
        elif connection.early:
            # Not at once: a client that sends many requests ahead would nest as many calls.
            self._at(0, self._go_on, connection)

    def _go_on(self, connection: _Connection) -> None:
        if not connection.closed and not connection.busy:
            self._take_early(connection, b"")

    def _freeze(self, _: object) -> None:
        """Stand still, except that the parent's end is noticed."""
        ended, _, _ = select.select([self._parent], [], [], self._settings.freeze_s)
        self._ended = bool(ended)

    def _at(self, due: int, action: Callable[[Any], None], what: object) -> None:
        self._count += 1  # so that equal times keep their order, and the rest is never compared
        heapq.heappush(self._due, (due, self._count, action, what))

    def _send(self, connection: _Connection, data: bytes) -> None:
        if connection.closed:
            return
        if connection.out:
            connection.out += data
            return
        try:
            sent = connection.socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        except _GONE:
            self._close(connection)
            return
        if sent < len(data):
            connection.out = data[sent:]
            self._epoll.modify(connection.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _flush(self, connection: _Connection) -> None:
        """Go on sending to a client that was slow to read."""
        data, connection.out = connection.out, b""
        self._send(connection, data)
        if connection.closed or connection.out:
            return
        if connection.closing:
            self._close(connection)
        else:
            self._epoll.modify(connection.socket.fileno(), select.EPOLLIN)

    def _close(self, connection: _Connection) -> None:
        if not connection.closed:
            connection.closed = True
            self._connections.pop(connection.socket.fileno(), None)
            with suppress(OSError):
                connection.socket.close()  # epoll forgets it by itself


def next_tick(due: int, gap: int) -> int:
    """Return the first multiple of ``gap`` (0: any time) from ``due`` on, in nanoseconds."""
    return due + -due % gap if gap else due


def settle() -> None:
    """Fit this process, which is the stub's alone, for hundreds of connections without pauses."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Nothing here makes cycles, and a collection would show as the client's error.
    gc.collect()
    gc.freeze()
    gc.disable()
