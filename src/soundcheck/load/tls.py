"""TLS on such a connection, by memory: reads stay ours, so that their stamps stay exact."""

import ssl
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import certifi

from soundcheck.errors import SoundcheckError
from soundcheck.load.failure import Failure
from soundcheck.load.transport import IDLE_NS, READ_SIZE, Line

SLICE = 2**18
"""Bytes that are encrypted at a time: no user holds a second copy of its whole upload."""


@cache
def client_context(roots: Path | None) -> ssl.SSLContext:
    """Return the settings of all connections: certificates and host names are checked.

    Trusted are the system's roots, certifi's, and those of ``roots`` (PEM). Raises SoundcheckError.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if roots is not None:
        try:
            context.load_verify_locations(roots)
        except (OSError, ssl.SSLError) as failed:
            raise SoundcheckError(f"no certificates can be read from {roots}: {failed}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


class SecureLine(Line):
    """A connection whose bytes are encrypted."""

    __slots__ = ("_cipher", "_incoming", "_outgoing", "_plain", "_tls")

    def __init__(self, connected: Any, host: str, context: ssl.SSLContext) -> None:
        super().__init__(connected)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._cipher = memoryview(b"")

    def secure(self) -> None:
        """Shake hands with the server; raises Failure.

        This comes first, within the time of the first exchange.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
            except (ssl.SSLError, ssl.CertificateError) as failed:
                raise Failure("tls", _reason(failed)) from None
            else:
                return self._flush()
            try:
                data = super().receive()
            except OSError as failed:
                raise Failure("tls", f"the handshake was broken off: {failed.strerror}") from None
            if not data:
                raise Failure("tls", "the connection ended during the handshake")
            self._incoming.write(data)

    def is_stale(self, now_ns: int) -> bool:
        """Tell whether the peer has closed the connection, or sent what nobody asked for."""
        if now_ns - self.user_ns < IDLE_NS:
            return False
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            return True
        if not data:
            return True
        self._incoming.write(data)  # tickets for later sessions may come at any time
        try:
            self._tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            pass
        return True

    def send(self, pieces: Sequence[bytes], size: int) -> bool:
        """Send ``pieces``; tell whether the kernel has all of them."""
        *heads, last = pieces
        self._tls.write(b"".join(heads))
        self._rest = memoryview(last)
        return self.push()

    def push(self) -> bool:
        """Send more of what is left; tell whether the kernel has all of it."""
        while True:
            if self._cipher:
                try:
                    sent = self._socket.send(self._cipher)
                except BlockingIOError:
                    return False
                self._cipher = self._cipher[sent:]
                if self._cipher:
                    return False
            if not self._rest and not self._outgoing.pending:
                return True
            if self._rest:
                self._tls.write(self._rest[:SLICE])
                self._rest = self._rest[SLICE:]
            self._cipher = memoryview(self._outgoing.read())

    def receive(self) -> bytes:
        """Wait for the next bytes, and return them; none if the peer has closed its side."""
        while True:
            data = super().receive()
            if not data:
                return b""
            self._incoming.write(data)
            pieces = []
            try:
                while piece := self._tls.read(READ_SIZE):
                    pieces.append(piece)
                    if not self._incoming.pending and not self._tls.pending():
                        break
                else:
                    return b"".join(pieces)
            except ssl.SSLWantReadError:
                pass
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b"".join(pieces)
            except ssl.SSLError as failed:
                raise Failure("tls", _reason(failed)) from None
            if self._outgoing.pending:
                self._flush()
            if pieces:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def follow(self, take: Callable[[bytes], bool]) -> None:
        """Hand what comes to ``take`` until that says it was all.

        TLS may have to send something, and wait for that: this cannot be done in the loop.
        """
        while not take(self.receive()):
            pass

    def _flush(self) -> None:
        """Send what TLS itself has to say, which is little."""
        while not self.push():
            self.wait()


def _reason(failed: ssl.SSLError | ssl.CertificateError) -> str:
    told = getattr(failed, "verify_message", "") or getattr(failed, "reason", "") or str(failed)
    return str(told).replace("_", " ").lower()
