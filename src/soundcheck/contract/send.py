"""Sending the planned probes, lane by lane, each once per run folder."""

import base64
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from soundcheck.audio import Clip, Library
from soundcheck.contract import official_live
from soundcheck.contract.answer import Answer
from soundcheck.contract.canary import CANARY_CLIP
from soundcheck.contract.credentials import headers_of
from soundcheck.contract.heartbeat import Heartbeat
from soundcheck.contract.line import Line
from soundcheck.contract.lure import Lure, is_lure
from soundcheck.contract.plan import cost_of
from soundcheck.contract.probe import Lane, Probe, Wire
from soundcheck.contract.traffic import FREE, Held, Manners, Traffic, retry_after
from soundcheck.contract.uploaded import (
    crafted_description,
    description,
    text_description,
    uploaded,
)
from soundcheck.contract.verdict import Untestable
from soundcheck.http import pace
from soundcheck.http.client import Client
from soundcheck.http.exchange import Exchange, Headers
from soundcheck.http.multipart import (
    WELL_FORMED,
    Body,
    Content,
    Crafted,
    DataURL,
    Field,
    Part,
    encode,
)
from soundcheck.http.raw import Framing, Message
from soundcheck.http.store import Store

ATTEMPTS = 3
"""How often a request is sent at most: faults of the way are tried again, verdicts never."""

_OFFICIAL = (Wire.OFFICIAL, Wire.OFFICIAL_ASYNC)
_FRAMINGS = {Wire.EXPECT: Framing.EXPECT, Wire.CHUNKED: Framing.CHUNKED}


class Sender:
    """Sends probes to one deployment and records the exchanges.

    A probe that the run folder already holds is read from there, so processes that share a
    folder send each probe once between them; ``locks`` is the folder of their locks. ``line`` is
    the way of the probes of the wire, where there is one; ``manners`` bound what is sent. Requests
    with other credentials than the target's ``key`` are sent by the client ``stranger``, which has
    none of its own.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        library: Library,
        locks: Path,
        jobs: int = 4,
        line: Line | None = None,
        manners: Manners = FREE,
        stranger: Client | None = None,
        key: str | None = None,
    ) -> None:
        self._client = client
        self._stranger = stranger or client
        self._key = key
        self._store = store
        self._library = library
        self._locks = locks
        self._jobs = jobs
        self._line = line
        self._lure = Lure(library)
        self._crowds: dict[str, list[Probe]] = {}
        self._stopped = threading.Event()
        self._traffic = Traffic(locks, manners, self._stopped.wait)
        self._heart = Heartbeat(self._send, self._stopped.wait, locks / "stopped")

    @property
    def silence(self) -> str:
        """Return what the deployment stopped answering after, ``""`` while it answers."""
        return self._heart.stopped_after

    @property
    def held(self) -> str:
        """Return why the rest was not sent, ``""`` while it is: a cap, or a pause asked for."""
        return self._traffic.held

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what a report has to tell of the sending."""
        return tuple(filter(None, (self.silence, *self._traffic.notes)))

    def examined(self, model: str) -> None:
        """Take the model under test: heartbeats ask it."""
        self._heart.model = model

    def expect(self, probes: Iterable[Probe]) -> None:
        """Take note of what belongs together: a crowd is sent when the first of it is asked for."""
        self._crowds = {}
        for probe in probes:
            if probe.crowd:
                self._crowds.setdefault(probe.crowd, []).append(probe)

    def stop(self) -> None:
        """Send nothing more: what is in flight is dropped."""
        self._stopped.set()
        self.close()

    def close(self) -> None:
        """Close every connection, and the tap with them."""
        self._client.close()
        self._stranger.close()
        self._lure.close()
        if self._line is not None:
            self._line.close()

    def recorded(self, probe: Probe) -> bool:
        """Tell whether the answer to ``probe`` is already in the run folder."""
        return self._store.path(probe.digest).exists()

    def answer(self, probe: Probe, *, timeout: float | None = None) -> Answer:
        """Return the answer to ``probe``, sending it if nobody has yet."""
        exchange = self._fetch(probe, timeout)
        return Answer(exchange, uploaded(exchange))

    def send_all(self, probes: Iterable[Probe], progress: Callable[[Probe], None]) -> None:
        """Send ``probes`` (in lane order); ``progress`` is told of each one done.

        The shared lane runs up to ``jobs`` at a time, every other lane one at a time. On
        ``KeyboardInterrupt`` nothing more is sent, what is in flight is dropped, and the
        interrupt goes on to the caller.
        """
        waiting = list(probes)
        for lane in Lane:
            jobs = self._jobs if lane is Lane.SHARED else 1
            self._send_lane([probe for probe in waiting if probe.lane is lane], jobs, progress)

    def _send_lane(self, probes: list[Probe], jobs: int, progress: Callable[[Probe], None]) -> None:
        pool = ThreadPoolExecutor(jobs, thread_name_prefix="send")
        try:
            futures: dict[Future[Any], Probe] = {pool.submit(self._fetch, p): p for p in probes}
            for future in _as_done(futures):
                with suppress(Untestable):  # told to whoever judges by it
                    future.result()
                progress(futures[future])
        except BaseException:
            self.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()

    def _fetch(self, probe: Probe, timeout: float | None = None) -> Exchange:
        recorded = self._store.load(probe.digest)
        if recorded is not None:
            return recorded
        with self._turn(probe):
            recorded = self._store.load(probe.digest)
            if recorded is not None:  # another process was faster
                return recorded
            if probe.is_request and (reason := self._heart.stopped_after):
                raise Untestable(reason)
            together = self._waiting_with(probe)
            sent = {} if self._stopped.is_set() else self._sent(together, timeout)
            if self._stopped.is_set():  # cut off by us: no evidence
                raise Untestable("the run was interrupted before it was answered")
            for one in together:
                # A heartbeat that may not be sent: this answer stands all the same.
                with suppress(Untestable, Held):
                    self._heart.after(one, sent[one.digest].result())
            return sent[probe.digest].result()

    def _waiting_with(self, probe: Probe) -> list[Probe]:
        """Return the probes that go out together with ``probe``, itself the first of them."""
        crowd = self._crowds.get(probe.crowd, ())
        others = (one for one in crowd if one != probe and not self.recorded(one))
        return [probe, *others]

    def _sent(self, probes: list[Probe], timeout: float | None) -> dict[str, Future[Exchange]]:
        """Send ``probes`` all at once; return what came of each by its digest."""
        with ThreadPoolExecutor(len(probes), thread_name_prefix="crowd") as pool:
            return {probe.digest: pool.submit(self._send, probe, timeout) for probe in probes}

    @contextmanager
    def _turn(self, probe: Probe) -> Iterator[None]:
        """Hold this probe's lock, and in a serial lane that of the whole lane too."""
        own = self._locks / probe.digest
        if probe.lane is Lane.SHARED and not probe.crowd:
            with FileLock(own):
                yield
        else:
            with FileLock(self._locks / "serial"), FileLock(own):
                yield

    def _send(self, probe: Probe, timeout: float | None = None) -> Exchange:
        limit = min(timeout or self._client.timeout, probe.patience or self._client.timeout)
        if self._line is not None and not probe.is_request:
            return self._kept(self._line.look(probe, limit))
        # What a proxy writes anew says nothing of the way onto the wire beyond it.
        relayed = not self._client.raw.arrives
        if relayed and (probe.before or probe.pace is not None):
            raise Untestable("an HTTP proxy stands between: the connection beyond it is its own")
        body, headers, parts = self._body(probe)
        if self._line is not None and probe.lane is Lane.WIRE:
            self._traffic.take(cost_of([probe], self._price))
            # An attack is carried out once, beside its twin: what comes of it is the evidence.
            return self._kept(self._line.send(probe, headers, body, parts, limit))
        client = self._client
        if probe.credentials:
            client = self._stranger
            headers = (*headers, *headers_of(probe.credentials, self._key))
        if relayed and probe.wire is Wire.EXPECT:
            headers = (*headers, ("Expect", "100-continue"))

        def once() -> Exchange:
            known: dict[str, Any] = {
                "digest": probe.digest,
                "lane": probe.lane.value,
                "timeout": limit,
            }
            if probe.pace is not None:
                self._dally(probe.pace.delay)
                return client.raw.send(self._message(probe), Framing.PLAIN, probe.pace, **known)
            if probe.before:
                steps = [self._message(step) for step in (*probe.before, probe)]
                return client.raw.in_turn(steps, **known)
            if probe.wire in _OFFICIAL:
                clip = self._library.clip(probe.clips[0])
                return official_live.ask(client, probe, clip, limit)
            if probe.wire is not Wire.ORDINARY and not relayed:
                framing = _FRAMINGS[probe.wire]
                return client.raw.send(self._message(probe), framing, **known)
            return client.send(
                probe.method,
                probe.path,
                headers=headers,
                body=body,
                parts=parts,
                chunked=probe.wire is Wire.CHUNKED,
                **known,
            )

        exchange = self._with_patience(probe, once)
        request = replace(exchange.request, frame=probe.frame.described())
        if probe.crowd:
            how = request.sender or "an ordinary client"
            request = replace(request, sender=f"{how}, at once with others: {probe.crowd}")
        if any(is_lure(self._library, clip) for clip in probe.clips):
            exchange = replace(exchange, visits=self._lure.visits())
        return self._kept(replace(exchange, request=request))

    def _dally(self, seconds: float) -> None:
        """Wait, as long as the run goes on."""
        while seconds > 0 and not self._stopped.is_set():
            pace.pause(min(seconds, pace.TICK))
            seconds -= pace.TICK

    def _with_patience(self, probe: Probe, once: Callable[[], Exchange]) -> Exchange:
        """Send ``probe`` by ``once``, again where it was put off or the way was at fault.

        Raises ``Untestable`` where it may not be sent, or the run ends.
        """
        # What a large or hostile request did to a connection is evidence, not a fault of the way.
        patient = probe.lane in (Lane.PREFLIGHT, Lane.SHARED)
        cost = cost_of([probe], self._price)
        self._traffic.take(cost)
        exchange = once()
        while True:
            # What becomes of requests that are sent at once is the evidence.
            pause = (
                None
                if probe.crowd
                else _pause_before_retry(exchange, exchange.attempts, resets=patient)
            )
            if pause is not None and exchange.error is None:
                self._traffic.pause(pause)  # all lanes keep to it
                pause = 0.0
            if pause is None or exchange.attempts == ATTEMPTS or self._stopped.wait(pause):
                break
            try:
                self._traffic.take(cost)
            except Held:  # the answers so far are evidence
                break
            answered = exchange.response if exchange.error is None else None
            exchange = replace(
                once(),
                attempts=exchange.attempts + 1,
                retried=(*exchange.retried, *filter(None, [answered])),
            )
        if not probe.crowd:  # many at once may well be too many
            self._traffic.answered(exchange.response.status if exchange.response else None)
        return exchange

    def _kept(self, exchange: Exchange) -> Exchange:
        """Return ``exchange`` as stored; one that was cut off by us is no evidence."""
        return exchange if self._stopped.is_set() else self._store.write(exchange)

    def _message(self, probe: Probe) -> Message:
        """Return a request as the raw sender takes it: a form brings its own type."""
        body, _, parts = self._body(probe)
        headers = probe.headers
        if probe.credentials:
            headers = (*headers, *headers_of(probe.credentials, self._key))
        return Message(probe.method, probe.path, headers, body, parts)

    def _body(self, probe: Probe) -> tuple[bytes | Body, Headers, tuple[dict[str, Any], ...]]:
        """Return the content of a request, its headers, and what its parts are."""
        if not probe.parts and probe.frame == WELL_FORMED:
            return probe.body.encode(), probe.headers, ()
        sent = [self._resolved(part) for part in probe.parts]
        contents = [self._content(part) for part in sent]
        pairs = ((part, content) for part, (content, _) in zip(sent, contents, strict=True))
        form = encode(pairs, probe.form_type, probe.frame)
        headers = (("Content-Type", form.content_type), *probe.headers)
        return form, headers, tuple(recorded for _, recorded in contents)

    def _resolved(self, part: Part) -> Part:
        """Return ``part`` with the run's own words in it, where it has places for them."""
        if self._line is None or isinstance(part, Crafted | DataURL):
            return part
        canaries = self._line.canaries
        if isinstance(part, Field):
            value = part.value
            return replace(part, value=canaries.resolve(value)) if isinstance(value, str) else part
        return replace(part, filename=part.filename and canaries.resolve_name(part.filename))

    def _price(self, name: str) -> tuple[float, int]:
        """Return the seconds and bytes of a clip."""
        own = self._line is not None and name == CANARY_CLIP
        clip = self._line.canaries.clip if own and self._line else self._library.clip(name)
        return clip.duration, clip.size

    def _content(self, part: Part) -> tuple[Content, dict[str, Any]]:
        if isinstance(part, Field):
            data = part.value if isinstance(part.value, bytes) else part.value.encode()
            return Content(data), text_description(part)
        if isinstance(part, Crafted) and not part.clip:
            return Content(), crafted_description(part)
        if isinstance(part, DataURL):
            quoted = self._library.clip(part.clip)
            told = {"name": part.name, "value": f"[{part.clip} as a data URL]", "quoted": part.clip}
            return Content(_data_url(quoted)), told
        if is_lure(self._library, part.clip):
            clip, data = self._lure.clip(part.clip)
            content = Content(data)
        else:
            own = self._line is not None and part.clip == CANARY_CLIP
            clip = self._line.canaries.clip if own and self._line else self._library.clip(part.clip)
            content = Content(path=clip.path, size=clip.size, sha256=clip.sha256)
        if isinstance(part, Crafted):
            return content, crafted_description(part) | description(part, clip)
        return content, description(part, clip)


def _data_url(clip: Clip) -> bytes:
    head = f"data:{clip.media_type};base64,".encode()
    return head + base64.b64encode(clip.path.read_bytes())


def _pause_before_retry(exchange: Exchange, attempt: int, *, resets: bool) -> float | None:
    """Return the seconds to wait before the same request again, ``None`` where it was answered.

    A reset connection is tried again where ``resets`` says so, and so are 429 (the one refusal
    that OpenAI's document lists) and 503, after the time that Retry-After names (RFC 9110,
    section 10.2.3): a number of seconds, or a date.
    """
    if exchange.error is not None:
        return 0.1 * attempt if resets and exchange.error.kind == "reset" else None
    if exchange.response is None or exchange.response.status not in (429, 503):
        return None
    named = retry_after(exchange.response)
    if named is not None:
        return named
    return float(attempt) if exchange.response.status == 429 else None


def _as_done(futures: Iterable[Future[Any]]) -> Iterator[Future[Any]]:
    """Yield futures as they end, waking up often enough for an interrupt to get through."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
        yield from done
