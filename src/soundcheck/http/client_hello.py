"""ClientHello messages as no library would send them, and what a server answers first.

A hello that offers one thing alone shows by the answer whether a server accepts it: the first
flight is enough, no handshake is ever finished. Structures as in RFC 5246, section 7.4, and
RFC 8446, section 4; reading is bounded and raises nothing, whatever comes.
"""

import os
import socket
import time
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from ipaddress import ip_address
from typing import Literal, Self, TypeAlias

from soundcheck.http.access import Dial
from soundcheck.http.tls_names import (
    CURVES_OF_TLS12,
    GROUPS_OF_TLS13,
    SSL3,
    SUITES,
    SUITES_OF_TLS12,
    SUITES_OF_TLS13,
    TLS10,
    TLS12,
    TLS13,
)

MOST = 2**17
"""Bytes of an answer after which reading stops: long chains take a tenth of it."""

RETRY = sha256(b"HelloRetryRequest").digest()
"""The random of a ServerHello that only asks for another hello (RFC 8446, section 4.1.3)."""

SCSV = 0x00FF
"""The suite that stands for an empty renegotiation_info (RFC 5746, section 3.3)."""

DEFLATE = 1

ALERT, HANDSHAKE = 21, 22
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, KEY_EXCHANGE, DONE = 1, 2, 11, 12, 14

SERVER_NAME, SUPPORTED_GROUPS, POINT_FORMATS, SIGNATURE_ALGORITHMS, ALPN = 0, 10, 11, 13, 16
EXTENDED_MASTER_SECRET, SUPPORTED_VERSIONS, PSK_MODES, KEY_SHARE = 23, 43, 45, 51
RENEGOTIATION_INFO = 0xFF01

_SIGNATURES = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808),
    *(0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B),
    *(0x0401, 0x0501, 0x0601, 0x0402, 0x0203, 0x0201, 0x0202),
)
_PIECE = 2**14

Renegotiation: TypeAlias = Literal["scsv", "extension", "none"]


@dataclass(frozen=True, slots=True)
class ClientHello:
    """An offer: of versions, suites, groups and compression methods by their numbers.

    ``server_name`` goes out where it is a name, not an address. ``shares`` are those of keys, as
    they are written: without any, a server of TLS 1.3 asks for one of the group that it chooses
    (RFC 8446, section 4.2.8). ``lowest`` counts where ``highest`` is TLS 1.3.
    """

    highest: int = TLS13
    lowest: int = TLS12
    suites: tuple[int, ...] = SUITES_OF_TLS13 + SUITES_OF_TLS12
    groups: tuple[int, ...] = GROUPS_OF_TLS13 + CURVES_OF_TLS12[5:]
    compressions: tuple[int, ...] = (0,)
    renegotiation: Renegotiation = "scsv"
    server_name: str = ""
    alpn: tuple[str, ...] = ("h2", "http/1.1")
    shares: bytes = b""
    random: bytes = field(default_factory=lambda: os.urandom(32))
    session: bytes = field(default_factory=lambda: os.urandom(32))

    def encode(self) -> bytes:
        """Return the hello as one record."""
        suites = self.suites + ((SCSV,) if self.renegotiation == "scsv" else ())
        body = (
            min(self.highest, TLS12).to_bytes(2)
            + self.random
            + _sized(self.session if self.highest == TLS13 else b"", 1)
            + _sized(_numbers(suites), 2)
            + _sized(bytes(self.compressions), 1)
        )
        if self.highest > SSL3:  # which has none
            extensions = (number.to_bytes(2) + _sized(data, 2) for number, data in self._all())
            body += _sized(b"".join(extensions), 2)
        message = bytes([CLIENT_HELLO]) + _sized(body, 3)
        return b"\x16" + min(self.highest, TLS10).to_bytes(2) + _sized(message, 2)

    @classmethod
    def parse(cls, record: bytes) -> Self | None:
        """Return the hello that ``record`` begins with, ``None`` where there is no whole one."""
        try:
            return cls._parsed(record)
        except (_Damaged, UnicodeError):
            return None

    @classmethod
    def _parsed(cls, record: bytes) -> Self:
        outer = _Bytes(record)
        if outer.take(2) != b"\x16\x03" or not outer.take(1):
            raise _Damaged("no record of a handshake")
        message = outer.vector(2)
        if message.number(1) != CLIENT_HELLO:
            raise _Damaged("no ClientHello")
        body = message.vector(3)
        highest, random, session = body.number(2), body.take(32), body.vector(1).rest
        suites = body.vector(2).numbers()
        if not suites:
            raise _Damaged("no cipher suite")
        compressions = tuple(body.vector(1).rest)
        found = body.vector(2).extensions() if body.rest else {}
        versions = (
            found[SUPPORTED_VERSIONS].vector(1).numbers() if SUPPORTED_VERSIONS in found else ()
        )
        name = ""
        if SERVER_NAME in found:
            names = found[SERVER_NAME].vector(2)
            names.take(1)
            name = names.vector(2).rest.decode("ascii")
        renegotiation: Renegotiation = "extension" if RENEGOTIATION_INFO in found else "none"
        alpn = []
        if ALPN in found:
            offered = found[ALPN].vector(2)
            while offered.rest:
                alpn.append(offered.vector(1).rest.decode("ascii"))
        return cls(
            highest=max(versions, default=highest),
            lowest=min(versions, default=highest),
            suites=tuple(suite for suite in suites if suite != SCSV),
            groups=found[SUPPORTED_GROUPS].vector(2).numbers() if SUPPORTED_GROUPS in found else (),
            compressions=compressions,
            renegotiation="scsv" if SCSV in suites else renegotiation,
            server_name=name,
            alpn=tuple(alpn),
            shares=found[KEY_SHARE].vector(2).rest if KEY_SHARE in found else b"",
            random=random,
            session=session,
        )

    def _all(self) -> list[tuple[int, bytes]]:
        """Return the extensions by number."""
        found = []
        if self.server_name and not _is_address(self.server_name):
            name = self.server_name.encode("idna" if not self.server_name.isascii() else "ascii")
            found.append((SERVER_NAME, _sized(b"\x00" + _sized(name, 2), 2)))
        if self.groups:
            found.append((SUPPORTED_GROUPS, _sized(_numbers(self.groups), 2)))
            found.append((POINT_FORMATS, b"\x01\x00"))
        if self.highest >= TLS12:
            found.append((SIGNATURE_ALGORITHMS, _sized(_numbers(_SIGNATURES), 2)))
        if self.alpn:
            names = b"".join(_sized(name.encode("ascii"), 1) for name in self.alpn)
            found.append((ALPN, _sized(names, 2)))
        found.append((EXTENDED_MASTER_SECRET, b""))
        if self.renegotiation == "extension":
            found.append((RENEGOTIATION_INFO, b"\x00"))
        if self.highest == TLS13:
            versions = range(TLS13, self.lowest - 1, -1)
            found.append((SUPPORTED_VERSIONS, _sized(_numbers(tuple(versions)), 1)))
            found.append((PSK_MODES, b"\x01\x01"))
            found.append((KEY_SHARE, _sized(self.shares, 2)))
        return found


class Kind(StrEnum):
    """What a server's first words were."""

    HELLO = "hello"
    RETRY = "retry"
    ALERT = "alert"
    CLOSED = "closed"
    RESET = "reset"
    SILENT = "silent"
    OTHER = "other"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class FirstFlight:
    """The answer to a hello, as far as it could be read.

    ``kind`` ``OTHER`` is what is no TLS or damaged, told by ``problem``. Numbers are TLS's own;
    ``group`` is that of the key exchange, ``dh_bits`` the size of the prime where finite fields are
    used without a named group; ``certificates`` are DER.
    """

    kind: Kind
    version: int | None = None
    suite: int | None = None
    compression: int | None = None
    renegotiation_info: bool = False
    group: int | None = None
    dh_bits: int | None = None
    alert: int | None = None
    certificates: tuple[bytes, ...] = ()
    problem: str = ""

    @property
    def agreed(self) -> bool:
        """Tell whether the server went on with the handshake."""
        return self.kind in (Kind.HELLO, Kind.RETRY)

    @property
    def refused(self) -> bool:
        """Tell whether the server ended the handshake, in whatever manner."""
        return self.kind in (Kind.ALERT, Kind.CLOSED, Kind.RESET)


def say_hello(
    address: tuple[str, int],
    hello: ClientHello,
    timeout: float,
    dial: Dial = socket.create_connection,
) -> FirstFlight:
    """Send ``hello`` to ``address`` and return the first flight of the answer.

    Makes one connection by ``dial``, which takes at most ``timeout`` seconds in all and ``MOST``
    bytes. Raises nothing: what went wrong is in the answer.
    """
    end = time.monotonic() + timeout
    reading = Reading()
    try:
        connection = dial(address, timeout)
    except (OSError, UnicodeError) as error:
        return FirstFlight(Kind.UNREACHABLE, problem=str(error))
    with connection:
        try:
            connection.sendall(hello.encode())
            while not reading.over:
                connection.settimeout(max(0.001, end - time.monotonic()))
                piece = connection.recv(_PIECE)
                if not piece:
                    return reading.ended(Kind.CLOSED)
                reading.feed(piece)
        except TimeoutError:
            return reading.ended(Kind.SILENT)
        except (OSError, UnicodeError) as error:
            return reading.ended(Kind.RESET, str(error))
    return reading.flight


class Reading:
    """Reads a first flight from the pieces that arrive; ``over`` once it says all it can."""

    def __init__(self) -> None:
        self.flight = FirstFlight(Kind.SILENT)
        self.over = False
        self._seen = 0
        self._records = bytearray()
        self._messages = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take more bytes; what cannot be read ends the reading."""
        self._seen += len(piece)
        self._records += piece
        try:
            while not self.over and self._take_record():
                pass
        except (_Damaged, IndexError) as problem:
            self._damaged(str(problem) or "a message that is cut short")
        if not self.over and self._seen > MOST:
            self._damaged(f"no end after {self._seen} bytes")

    def ended(self, kind: Kind, problem: str = "") -> FirstFlight:
        """Return what was read when the connection ended as ``kind`` says."""
        if self.flight.kind is Kind.SILENT:
            if rest := self._messages + self._records:
                return FirstFlight(Kind.OTHER, problem=f"{_shown(rest)}, then it ended")
            return FirstFlight(kind, problem=problem)
        return self.flight

    def _damaged(self, problem: str) -> None:
        """Keep a hello that was read before; otherwise nothing of the answer is believed."""
        if not self.flight.agreed:
            self.flight = FirstFlight(Kind.OTHER, problem=problem)
        self.over = True

    def _take_record(self) -> bool:
        if not self._records:
            return False
        kind = self._records[0]
        if kind not in (ALERT, HANDSHAKE) or (len(self._records) > 1 and self._records[1] != 3):
            raise _Damaged(f"not TLS: {_shown(self._records)}")
        length = int.from_bytes(self._records[3:5])
        if len(self._records) < 5 or len(self._records) < 5 + length:
            return False
        data = bytes(self._records[5 : 5 + length])
        del self._records[: 5 + length]
        if not data:
            raise _Damaged("an empty record")
        if kind == ALERT:
            self._take_alert(data)
            return True
        self._messages += data
        while not self.over and self._take_message():
            pass
        return True

    def _take_alert(self, data: bytes) -> None:
        if len(data) != 2:
            raise _Damaged(f"an alert of {len(data)} bytes")
        level, number = data
        if level == 1 and number not in (0, 90):  # a warning (unrecognized_name): it goes on
            return
        if not self.flight.agreed:
            self.flight = FirstFlight(Kind.ALERT, alert=number)
        self.over = True

    def _take_message(self) -> bool:
        if len(self._messages) < 4:
            return False
        length = int.from_bytes(self._messages[1:4])
        if length > MOST:
            raise _Damaged(f"a message of {length} bytes")
        if len(self._messages) < 4 + length:
            return False
        kind, body = self._messages[0], _Bytes(bytes(self._messages[4 : 4 + length]))
        del self._messages[: 4 + length]
        if not self.flight.agreed and kind != SERVER_HELLO:
            raise _Damaged(f"a message of type {kind} in the place of a ServerHello")
        if kind == SERVER_HELLO and not self.flight.agreed:
            self.flight = _server_hello(body)
            self.over = self.flight.version == TLS13  # what follows is encrypted
        elif kind == CERTIFICATE:
            self.flight = replace(self.flight, certificates=_certificates(body))
        elif kind == KEY_EXCHANGE:
            self.flight = _key_exchange(self.flight, body)
        elif kind == DONE:
            self.over = True
        return True


class _Damaged(Exception):
    """Bytes that are no answer to a hello."""


class _Bytes:
    """Reads numbers and vectors from a message; raises ``_Damaged`` where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        self._at += length
        if self._at > len(self._data):
            raise _Damaged("a message that is cut short")
        return self._data[self._at - length : self._at]

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length))

    def vector(self, length: int) -> "_Bytes":
        return _Bytes(self.take(self.number(length)))

    def numbers(self) -> tuple[int, ...]:
        return tuple(self.number(2) for _ in range(len(self.rest) // 2))

    def extensions(self) -> "dict[int, _Bytes]":
        found = {}
        while self.rest:
            number = self.number(2)
            found[number] = self.vector(2)
        return found

    @property
    def rest(self) -> bytes:
        return self._data[self._at :]


def _server_hello(body: _Bytes) -> FirstFlight:
    version, random = body.number(2), body.take(32)
    body.vector(1)
    suite, compression = body.number(2), body.number(1)
    extensions = body.vector(2).extensions() if body.rest else {}
    if body.rest:
        raise _Damaged("a ServerHello with something behind its end")
    if SUPPORTED_VERSIONS in extensions:
        version = extensions[SUPPORTED_VERSIONS].number(2)
    if not SSL3 <= version <= TLS13:
        raise _Damaged(f"a ServerHello of the version 0x{version:04x}")
    group = extensions[KEY_SHARE].number(2) if KEY_SHARE in extensions else None
    return FirstFlight(
        Kind.RETRY if random == RETRY else Kind.HELLO,
        version=version,
        suite=suite,
        compression=compression,
        renegotiation_info=RENEGOTIATION_INFO in extensions,
        group=group,
    )


def _certificates(body: _Bytes) -> tuple[bytes, ...]:
    chain, found = body.vector(3), []
    while chain.rest:
        found.append(chain.vector(3).rest)
    return tuple(found)


def _key_exchange(flight: FirstFlight, body: _Bytes) -> FirstFlight:
    """Return ``flight`` with the group, or the size of the prime, of a ServerKeyExchange."""
    suite = SUITES.get(flight.suite or 0, "")
    if suite.startswith("ECDH"):
        named_curve = 3
        return replace(flight, group=body.number(2)) if body.number(1) == named_curve else flight
    if suite.startswith("DH"):
        return replace(flight, dh_bits=int.from_bytes(body.vector(2).rest).bit_length())
    return flight


def _numbers(numbers: tuple[int, ...]) -> bytes:
    return b"".join(number.to_bytes(2) for number in numbers)


def _sized(data: bytes, length: int) -> bytes:
    """Return ``data`` behind its length, a number of ``length`` bytes."""
    return len(data).to_bytes(length) + data


def _shown(data: bytes | bytearray) -> str:
    """Return the first bytes of what is no TLS, for a message."""
    return repr(bytes(data[:32]))[1:]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
