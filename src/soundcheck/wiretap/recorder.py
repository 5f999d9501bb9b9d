"""The records of a tap: what passed, without credentials, with what was readable in it.

A recording is filled while its exchange goes on and examined in a thread of its own after that.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from soundcheck.contract.attack import Attack
from soundcheck.contract.canary import Canary
from soundcheck.http.headers import Headers
from soundcheck.http.hex_dump import hex_dump
from soundcheck.http.store import REDACTED, SECRET_HEADERS, SHORTEST_SECRET
from soundcheck.http.tapped import Hop, Leak, Message, Sealed, Tapped, TlsSeen
from soundcheck.wiretap import contents
from soundcheck.wiretap.captured import Captured
from soundcheck.wiretap.heads import Head
from soundcheck.wiretap.search import Found, Search

PATIENCE = 5.0
"""Seconds that a block's exchanges are waited for after its end."""

MOST_HOPS, MOST_SEALED, MOST_PROBLEMS = 10_000, 40_000, 100
"""What is kept of a long run: above these, the oldest goes."""

MOST_SECRETS = 100
"""Keys of the proxy's own that are known at a time: above these, the oldest is forgotten. Each
costs a search of everything recorded, and a proxy may get a new one every few minutes."""

_NO_HEAD = Head()


@dataclass
class Captive:
    """A message in the making; ``own`` tells that its sender made it, not the tap.

    ``start`` and ``headers`` are to be recorded, so without secrets; ``head`` is to be searched.
    """

    body: Captured
    start: str = ""
    headers: Headers = ()
    head: Head = field(default=_NO_HEAD)
    own: bool = True

    def header(self, name: str) -> str | None:
        """Return the value of the first header called ``name`` (lower case)."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass
class Block:
    """What happens while one request is watched, and what the tap shall do meanwhile."""

    attack: Attack = Attack.NONE
    began: float = field(default_factory=time.monotonic)
    recordings: "list[Recording]" = field(default_factory=list)
    lost_secret: bool = False


class Recording:
    """One hop in the making. Times are of ``time.monotonic``."""

    def __init__(self, folder: Path, connection: int, tls: TlsSeen | None, block: Block | None):
        self._folder = folder
        self.connection = connection
        self.tls = tls
        self.block = block
        self.began = time.monotonic()
        self.request: Captive | None = None
        self.response: Captive | None = None
        self.changed = ""
        self.problem = ""
        self.ended = threading.Event()
        self.handed_in = False
        self.leaks: tuple[Leak, ...] = ()
        self.sealed: tuple[Sealed, ...] = ()
        self.number = 0

    @property
    def attack(self) -> Attack:
        """Return what the tap shall do to this exchange."""
        return self.block.attack if self.block else Attack.NONE

    def requested(self, start: str, headers: Headers, head: Head = _NO_HEAD) -> Captive:
        """Take the head of the request: redacted, and as it came."""
        self.request = Captive(Captured(self._folder), start, headers, head)
        return self.request

    def answered(
        self, start: str, headers: Headers, head: Head = _NO_HEAD, *, own: bool = True
    ) -> Captive:
        """Take the head of the response: redacted, and as it came."""
        if self.response is not None:
            self.response.body.release()
        self.response = Captive(Captured(self._folder), start, headers, head, own)
        return self.response

    def sides(self) -> Iterator[tuple[str, Captive]]:
        """Yield the messages with what they are called."""
        if self.request is not None:
            yield "request", self.request
        if self.response is not None:
            yield "response", self.response

    def release(self) -> None:
        """Let go of all but the beginnings of bodies."""
        for _, side in self.sides():
            side.body.release()


Told: TypeAlias = Callable[[Hop, tuple[str, ...]], None]
"""Is told of each hop that has ended, and which of its values were no envelopes."""


class Recorder:
    """Keeps hops; ``secrets`` and credentials never get into one.

    ``told`` is called in the thread that examines what has ended.
    """

    def __init__(self, folder: Path, secrets: Iterable[str], told: Told | None = None) -> None:
        self._folder = folder
        self._given = tuple(one for one in secrets if len(one) >= SHORTEST_SECRET)
        self._learned: tuple[str, ...] = ()
        self._secrets = _longest_first(self._given)
        self._told = told
        self._search = Search(())
        self._hops: dict[int, Hop] = {}
        self._leaking: dict[int, Hop] = {}
        self._kinds: set[tuple[str, str, str, bool]] = set()
        self._open: dict[int, Recording] = {}
        self._count = self._sealed = 0
        self._lock = threading.Lock()
        self._problems: dict[str, None] = {}
        self._examiner = ThreadPoolExecutor(1, thread_name_prefix="tap-examiner")
        self._began = time.monotonic()
        self.block: Block | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what went wrong, each said once."""
        with self._lock:
            return tuple(self._problems)

    def trouble(self, text: str) -> None:
        """Take note of what went wrong."""
        text = self.clean(text)
        with self._lock:
            if len(self._problems) < MOST_PROBLEMS:
                self._problems[text] = None

    def search_for(self, canaries: Iterable[Canary]) -> None:
        """Look for these in everything that ends from now on."""
        self._search = Search(canaries)

    def begin(self, connection: int, tls: TlsSeen | None, block: Block | None) -> Recording:
        """Begin a hop that belongs to ``block``."""
        recording = Recording(self._folder, connection, tls, block)
        with self._lock:
            self._count += 1
            recording.number = self._count
            self._open[recording.number] = recording
        if recording.block is not None:
            recording.block.recordings.append(recording)
        return recording

    def end(self, recording: Recording) -> None:
        """Take the hop as ended: it is examined, and let go of unless it is watched."""
        recording.handed_in = True
        if recording.problem:
            recording.problem = self.clean(recording.problem)
            if not recording.changed:  # what the tap did as told is no trouble
                self.trouble(recording.problem)
        try:
            self._examiner.submit(self._examine, recording)
        except RuntimeError:  # the tap is being closed
            recording.release()
            self._open.pop(recording.number, None)
            recording.ended.set()

    def _examine(self, recording: Recording) -> None:
        clear: list[str] = []
        try:
            for direction, side in recording.sides():
                if side.own:
                    kind = side.header("content-type")
                    sealed, names = contents.values(side.body, kind, direction)
                    recording.sealed += sealed
                    clear += [f"{direction} {name}" for name in names]
            recording.leaks = tuple(self._leaks(recording, self._search))
        except Exception as error:
            self.trouble(f"An exchange could not be examined: {type(error).__name__}: {error}")
        finally:
            if recording.block is None:
                recording.release()
            hop = self._hop(recording, self._began, bodies=False)
            self._keep(recording.number, hop)
            recording.ended.set()
        if self._told is not None:
            self._told(hop, tuple(clear))

    def _keep(self, number: int, hop: Hop) -> None:
        with self._lock:
            self._open.pop(number, None)
            self._hops[number] = hop
            self._sealed += len(hop.sealed)
            while len(self._hops) > 1 and (
                len(self._hops) > MOST_HOPS or self._sealed > MOST_SEALED
            ):
                first = min(self._hops)
                oldest = self._hops.pop(first)
                self._sealed -= len(oldest.sealed)
                self._retain(first, oldest)
                self._problems["The oldest exchanges of this long run are no longer kept."] = None

    def _retain(self, number: int, hop: Hop) -> None:
        """Keep of a hop that goes the first leak of each kind: no leak may be lost to age."""
        found = []
        for leak in hop.leaks:
            kind = (leak.canary, leak.encoding, leak.place, bool(hop.changed))
            if kind not in self._kinds:
                self._kinds.add(kind)
                found.append(leak)
        if found:
            kept = self._leaking.get(number, replace(hop, leaks=(), sealed=()))
            self._leaking[number] = replace(kept, leaks=(*kept.leaks, *found))

    def _leaks(self, recording: Recording, search: Search) -> Iterator[Leak]:
        for direction, side in recording.sides() if search else ():
            if side.own:
                yield from self._told_of_head(search, side.head, f"{direction} head")
                yield from self._told_of(search.scan(side.body.pieces()), f"{direction} body")
                kind = side.header("content-type")
                for start, pieces in contents.unpacked(side.body, kind):
                    found = (
                        replace(one, encoding=f"compressed, {one.encoding}", offset=start)
                        for one in search.scan(pieces)
                    )
                    yield from self._told_of(found, f"{direction} body")
                streamed = search.scan([contents.joined(side.body, kind)])
                found = (replace(one, encoding=f"streamed, {one.encoding}") for one in streamed)
                yield from self._told_of(found, f"{direction} body")

    def _told_of_head(self, search: Search, head: Head, place: str) -> Iterator[Leak]:
        for one in search.scan([head.raw]):
            if holder := head.holder(one.offset):
                # The bytes around it are the credential's, and may be its own too.
                dump = f"(within {holder}, which is not shown)"
                yield Leak(one.what, one.encoding, place, one.offset, dump)
            else:
                around = head.masked(one.around_start, len(one.around))
                yield from self._told_of([replace(one, around=around)], place)

    def _told_of(self, found: Iterable[Found], place: str) -> Iterator[Leak]:
        for one in found:
            dump = hex_dump(self._masked(one.around), one.around_start)
            yield Leak(one.what, one.encoding, place, one.offset, dump)

    def _masked(self, data: bytes) -> bytes:
        """Return ``data`` without the secrets, nor the end or the begin of one at its edges."""
        for secret in map(str.encode, self._secrets):
            if data in secret:
                return b"*" * len(data)
            data = data.replace(secret, b"*" * len(secret))
            for size in range(min(len(secret), len(data)), 2, -1):
                if data.startswith(secret[-size:]):
                    data = b"*" * size + data[size:]
                if data.endswith(secret[:size]):
                    data = data[:-size] + b"*" * size
        return data

    def tapped(self, block: Block, more: Iterable[Canary]) -> Tapped:
        """Return what the block's exchanges were, searched for ``more``; waits for their end."""
        deadline = time.monotonic() + PATIENCE
        search = Search(more)
        hops = []
        for recording in list(block.recordings):
            ended = recording.ended.wait(max(0.0, deadline - time.monotonic()))
            if ended:
                found = [*recording.leaks, *self._leaks(recording, search)]
                recording.leaks = tuple(dict.fromkeys(found))
                recording.release()
                with self._lock:
                    if recording.number in self._hops:
                        kept = self._hops[recording.number]
                        self._hops[recording.number] = replace(kept, leaks=recording.leaks)
                    else:
                        gone = self._hop(recording, self._began, bodies=False)
                        self._retain(recording.number, gone)
            hop = self._hop(recording, block.began, bodies=True)
            hops.append(hop if ended else replace(hop, problem="still going on"))
        return Tapped(tuple(hops))

    def everything(self) -> Tapped:
        """Return every hop, without bodies; those that go on are waited for, but not for long.

        Of a long run these are the latest, and before them those that a kind of leak was seen in
        first, without their envelopes.
        """
        deadline = time.monotonic() + PATIENCE
        with self._lock:
            going_on = list(self._open.values())
        for recording in going_on:
            recording.ended.wait(max(0.0, deadline - time.monotonic()))
        with self._lock:
            found = self._leaking | self._hops
        return Tapped(tuple(found[number] for number in sorted(found)))

    def close(self) -> None:
        """End the examination: what has ended is examined first."""
        self._examiner.shutdown()

    def _hop(self, recording: Recording, zero: float, *, bodies: bool) -> Hop:
        return Hop(
            connection=recording.connection,
            at=round(recording.began - zero, 6),
            tls=recording.tls,
            request=self._message(recording.request, bodies=bodies),
            response=self._message(recording.response, bodies=bodies),
            changed=recording.changed,
            problem=recording.problem,
            leaks=recording.leaks,
            sealed=recording.sealed,
        )

    def _message(self, side: Captive | None, *, bodies: bool) -> Message | None:
        if side is None:
            return None
        body = side.body.kept() if bodies else b""
        for secret in self._secrets:
            body = body.replace(secret.encode(), REDACTED.encode())
        return Message(side.start, side.headers, body, side.body.size, side.body.complete)

    def learn(self, head: Head) -> None:
        """Take the proxy's own keys for secrets: the API may repeat them elsewhere."""
        for key in head.keys:
            if len(key) >= SHORTEST_SECRET and key not in self._secrets:
                self._learned = (*self._learned, key)[-MOST_SECRETS:]
                self._secrets = _longest_first((*self._given, *self._learned))

    def clean(self, text: str) -> str:
        """Return ``text`` without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text

    def headers(self, raw: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Return header fields without credentials, their names in lower case."""
        named = ((key.decode("latin-1").lower(), value) for key, value in raw)
        return tuple(
            (name, REDACTED if name in SECRET_HEADERS else self.clean(value.decode("latin-1")))
            for name, value in named
        )


def _longest_first(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return the secrets in an order in which none is taken apart by another that is in it."""
    return tuple(sorted(secrets, key=len, reverse=True))
