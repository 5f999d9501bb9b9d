"""The proxy's connections to the tap: what they begin with, TLS, and exchange after exchange."""

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import h11

from soundcheck.contract.attack import Attack
from soundcheck.http.tapped import TlsSeen
from soundcheck.wiretap import own
from soundcheck.wiretap.captured import PIECE
from soundcheck.wiretap.passage import (
    SILENCE,
    BadRequest,
    Gateway,
    Incoming,
    Passage,
    ProxyGone,
    body_of,
    reason_of,
    record_request,
)
from soundcheck.wiretap.presented import Presented
from soundcheck.wiretap.recorder import Recorder, Recording
from soundcheck.wiretap.streams import Line, Silent, Wire
from soundcheck.wiretap.upstream import Upstream

HANDSHAKE = 20.0
"""Seconds that a proxy may take to agree on TLS."""

PLAIN = 2.0
"""Seconds that a request without TLS is read for."""

TLS_ATTACKS = frozenset(
    {
        Attack.WRONG_ROOT,
        Attack.WRONG_NAME,
        Attack.EXPIRED,
        Attack.SELF_SIGNED,
        Attack.OLD_TLS,
        Attack.NO_TLS,
    }
)
"""What concerns new connections instead of requests."""

_HANDSHAKE_RECORD = b"\x16"
_REFUSAL = bytes.fromhex("15 0303 0002 02 28")  # an alert: fatal, handshake failure
_LARGEST_PLAIN = 2**20
_MOMENT = 1.0


class Relay:
    """Serves the proxy's connections; all of it runs in one event loop."""

    def __init__(self, upstream: Upstream, presented: Presented, recorder: Recorder) -> None:
        self._gateway = Gateway(upstream, recorder)
        self._recorder = recorder
        self._presented = presented
        self._context = presented.context(Attack.NONE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._greeting: set[asyncio.Task[Any] | None] = set()
        self.connections = 0

    async def present(self, attack: Attack) -> None:
        """Present what ``attack`` says from now on, and close the connections that there are.

        Handshakes that are under way come to their end first, within a moment.
        """
        if self._greeting:
            await asyncio.wait(list(filter(None, self._greeting)), timeout=_MOMENT)
        self._context = self._presented.context(attack)
        await self.hang_up()

    async def hang_up(self) -> None:
        """Close every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def take(self, connection: socket.socket) -> None:
        """Serve an accepted connection."""
        self.connections += 1
        task = asyncio.create_task(self._serve(connection, self.connections))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Here and not in the task, which may be cancelled before it begins.
        task.add_done_callback(lambda _: connection.close())

    async def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            await self._greet(connection, number)
        except OSError as error:
            self._recorder.trouble(f"A proxy's connection broke: {reason_of(error)}")
        except asyncio.CancelledError:  # told to hang up
            return
        except Exception as error:
            self._recorder.trouble(f"A fault of the tap: {type(error).__name__}: {error}")

    async def _greet(self, connection: socket.socket, number: int) -> None:
        """Look at the first byte: TLS is agreed on, anything else taken as it is."""
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = await _first_byte(connection)
        if not first:
            return
        block = self._recorder.block
        if block is not None and block.attack in TLS_ATTACKS:
            # The connection is what is watched, so it is recorded even if nothing comes of it.
            recording = self._recorder.begin(number, None, block)
            recording.changed = block.attack.value
            greeting = asyncio.current_task()
            self._greeting.add(greeting)
            try:
                await self._take(connection, number, first, recording)
            finally:
                self._greeting.discard(greeting)
                if not recording.handed_in:
                    recording.problem = recording.problem or "The tap was told to hang up."
                    self._recorder.end(recording)
        else:
            await self._take(connection, number, first, None)

    async def _take(
        self, connection: socket.socket, number: int, first: bytes, recording: Recording | None
    ) -> None:
        if first != _HANDSHAKE_RECORD:
            await self._plain(connection, number, recording)
        elif recording is not None and recording.attack is Attack.NO_TLS:
            await _refuse_tls(connection)
            recording.problem = "the tap refused TLS as told"
            self._recorder.end(recording)
        else:
            await self._secured(connection, number, recording)

    async def _secured(
        self, connection: socket.socket, number: int, recording: Recording | None
    ) -> None:
        """Agree on TLS and relay exchange after exchange."""
        misled = recording.changed if recording else ""
        try:
            line = await _accept(connection, self._context)
        except OSError as error:
            recording = recording or self._recorder.begin(number, None, self._recorder.block)
            recording.problem = _handshake_problem(error)
            self._recorder.end(recording)
            return
        incoming = Incoming(line, number, self._seen(line), recording, misled)
        try:
            while await self._exchange(incoming):
                pass
            if not incoming.exchanges:
                recording = self._begin(incoming)
                recording.problem = "closed without a request"
                self._recorder.end(recording)
            await own.hear_out(line)
            await line.wire.close()
        except BaseException:
            line.wire.break_off()
            raise
        finally:
            incoming.drop_upstream()

    def _seen(self, line: Line) -> TlsSeen:
        agreed = line.wire.agreed
        cipher = agreed.cipher()
        return TlsSeen(
            agreed.version() or "", cipher[0] if cipher else "", self._presented.asked_for(agreed)
        )

    async def _plain(
        self, connection: socket.socket, number: int, recording: Recording | None
    ) -> None:
        """Read what came without TLS, say no to it, and record it."""
        recording = recording or self._recorder.begin(number, None, self._recorder.block)
        line = await _accept(connection, None)
        recording.problem = "a connection without TLS"
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PLAIN):
                    await self._take_plain(line, recording)
            message = "The tap takes no requests without TLS."
            await own.refuse(line, recording, 502, message)
        except (h11.ProtocolError, Silent, BadRequest, ProxyGone) as error:
            recording.problem += f": {reason_of(error)}"
        finally:
            self._recorder.end(recording)
        await own.hear_out(line)
        await line.wire.close()

    async def _take_plain(self, line: Line, recording: Recording) -> None:
        request = await line.event(PLAIN)
        if isinstance(request, h11.Request):
            record_request(self._recorder, recording, request)
            await own.let_come(line)
            size = 0
            async for data in body_of(line, recording, PLAIN):
                size += len(data)
                if size > _LARGEST_PLAIN:
                    return

    async def _exchange(self, incoming: Incoming) -> bool:
        """Relay one exchange; return whether another may follow on the connection."""
        line = incoming.line
        try:
            request = await line.event(SILENCE)
        except (Silent, OSError):
            return False
        except h11.RemoteProtocolError as error:
            recording = self._begin(incoming)
            recording.problem = f"The proxy sent no HTTP/1.1: {error}"
            await own.refuse(line, recording, error.error_status_hint, str(error))
            self._recorder.end(recording)
            return False
        if not isinstance(request, h11.Request):  # closed between two requests
            return False
        if request.http_version not in (b"1.0", b"1.1"):
            recording = self._begin(incoming)
            recording.problem = f"The proxy sent no HTTP/1.1, but {request.http_version.decode()}"
            await own.refuse(line, recording, 505, "The tap speaks HTTP/1.1 only.")
            self._recorder.end(recording)
            return False
        recording = self._begin(incoming)
        passage = Passage(self._gateway, incoming, recording, request)
        try:
            again = await passage.relay()
        except asyncio.CancelledError:
            if recording.response is None or not recording.response.body.complete:
                recording.problem = "The tap was told to close the connection."
            raise
        except Exception as error:
            recording.problem = f"A fault of the tap: {type(error).__name__}: {error}"
            raise
        finally:
            self._recorder.end(recording)
        await passage.repeat()
        return again

    def _begin(self, incoming: Incoming) -> Recording:
        """Begin the record of an exchange, or go on with that of its connection."""
        incoming.exchanges += 1
        recording, incoming.first = incoming.first, None
        self._greeting.discard(asyncio.current_task())
        if recording is None:
            block = self._recorder.block
            recording = self._recorder.begin(incoming.number, incoming.tls, block)
        recording.tls, recording.changed = incoming.tls, incoming.misled
        return recording


async def _first_byte(connection: socket.socket) -> bytes:
    """Return the first byte without taking it, ``b""`` if none comes."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(connection, _set, readable)
    try:
        async with asyncio.timeout(SILENCE):
            await readable
    except TimeoutError:
        return b""
    finally:
        loop.remove_reader(connection)
    return connection.recv(1, socket.MSG_PEEK)


def _set(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


async def _accept(connection: socket.socket, context: ssl.SSLContext | None) -> Line:
    """Return the proxy's line over an accepted connection, with TLS where a context is given."""
    loop = asyncio.get_running_loop()
    timed = {"ssl_handshake_timeout": HANDSHAKE, "ssl_shutdown_timeout": 1.0} if context else {}
    wire = Wire()
    await loop.connect_accepted_socket(lambda: wire, connection.dup(), ssl=context, **timed)
    return Line(h11.SERVER, wire)


async def _refuse_tls(connection: socket.socket) -> None:
    """Refuse TLS by an alert, once the hello has come: unread bytes would reset the connection."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(HANDSHAKE):
            await loop.sock_recv(connection, PIECE)
            await loop.sock_sendall(connection, _REFUSAL)


def _handshake_problem(error: OSError) -> str:
    """Return in words what the proxy said against the handshake, or what was wrong with it."""
    if not isinstance(error, ssl.SSLError):
        return f"TLS was not agreed on: {reason_of(error)}"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    for prefix in ("tlsv1 alert ", "tlsv13 alert ", "sslv3 alert ", "ssl/tls alert "):
        if reason.startswith(prefix):
            return f"the proxy refused TLS: {reason.removeprefix(prefix)}"
    return f"TLS was not agreed on: {reason}"
