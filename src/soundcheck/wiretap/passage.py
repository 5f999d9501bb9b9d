"""One exchange on its way through the tap, and what is done to it there.

Each piece goes on as soon as it came, and no faster than the other side takes it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus

import h11

from soundcheck.contract.attack import Attack
from soundcheck.http.store import SECRET_HEADERS
from soundcheck.http.tapped import TlsSeen
from soundcheck.wiretap import attacks, own
from soundcheck.wiretap.captured import KEPT
from soundcheck.wiretap.heads import Head, without_keys
from soundcheck.wiretap.recorder import Captive, Recorder, Recording
from soundcheck.wiretap.streams import Event, Line, Silent
from soundcheck.wiretap.upstream import NoUpstream, Upstream

SILENCE = 600.0
"""Seconds that either side may be silent in an exchange, and a proxy between two."""

REUSED = 2.0
"""Seconds that a connection upstream may have been idle to be used again: servers close theirs."""

BUFFERED = 4 * 2**20
"""Bytes up to which a body is held back to be changed."""

_HTTP2 = b"\x04"  # the type of the frame that HTTP/2 begins with: settings
_NOT_REPLAYED = SECRET_HEADERS | {
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "trailer",
}


class ProxyGone(Exception):
    """The proxy closed its connection in the middle of an exchange."""


class UpstreamBroken(Exception):
    """The API's answer is none, or breaks off; the message says how."""


class BadRequest(Exception):
    """What the proxy sent is no HTTP/1.1; the message says how, ``status`` how to answer it."""

    def __init__(self, error: h11.RemoteProtocolError) -> None:
        super().__init__(str(error))
        self.status = error.error_status_hint


@dataclass
class Gateway:
    """What the passages of one tap share."""

    upstream: Upstream
    recorder: Recorder
    history: attacks.History = field(default_factory=attacks.History)
    signer: attacks.MeshSigner = field(default_factory=attacks.MeshSigner)


@dataclass
class Incoming:
    """A proxy's connection: its number, what was agreed on, and by which attack it was misled.

    ``first`` is a recording that was begun with the connection, ``upstream`` the connection to the
    API that its exchanges use.
    """

    line: Line
    number: int
    tls: TlsSeen | None
    first: Recording | None = None
    misled: str = ""
    upstream: Line | None = None
    exchanges: int = 0

    def drop_upstream(self) -> None:
        """Close the connection to the API at once."""
        if self.upstream is not None:
            self.upstream.wire.break_off()
            self.upstream = None


def record_request(recorder: Recorder, recording: Recording, request: h11.Request) -> None:
    """Record the head of ``request``; a key in it is known, and in no record, from then on."""
    target, version = request.target.decode("latin-1"), request.http_version.decode("ascii")
    start = f"{request.method.decode('latin-1')} {target} HTTP/{version}"
    head = Head.of(start, request.headers)
    recorder.learn(head)
    shown = recorder.clean(without_keys(start))
    recording.requested(shown, recorder.headers(request.headers), head)


def record_answer(
    recorder: Recorder, recording: Recording, start: str, response: h11.Response
) -> Captive:
    """Record the head of the API's ``response``, whose first line is ``start``."""
    head = Head.of(start, response.headers)
    return recording.answered(recorder.clean(start), recorder.headers(response.headers), head)


async def body_of(line: Line, recording: Recording, patience: float) -> AsyncIterator[bytes]:
    """Yield what comes of the request's body, recording it; raises ProxyGone, BadRequest."""
    if recording.request is None:
        raise LookupError("a body without a request")
    body = recording.request.body
    while True:
        try:
            event = await line.event(patience)
        except h11.RemoteProtocolError as error:
            if line.ended:
                raise ProxyGone from None
            raise BadRequest(error) from None
        if isinstance(event, h11.Data):
            body.take(event.data)
            yield event.data
        elif isinstance(event, h11.EndOfMessage):
            body.complete = True
            return
        else:
            raise ProxyGone


class Passage:
    """One exchange between both sides."""

    def __init__(
        self, gateway: Gateway, incoming: Incoming, recording: Recording, request: h11.Request
    ) -> None:
        self._gateway = gateway
        self._incoming = incoming
        self._client = incoming.line
        self._recording = recording
        self._request = request
        self._attack = recording.attack
        self._copy = b""
        self._again: Recording | None = None
        self._path = request.target.decode("latin-1")
        self._content_type = _header(request, b"content-type")
        record_request(gateway.recorder, recording, request)

    @property
    def _is_transcription(self) -> bool:
        path = self._path.partition("?")[0].rstrip("/")
        return (
            self._request.method == b"POST"
            and path.endswith("/transcriptions")
            and self._content_type.strip().lower().startswith("multipart/form-data")
        )

    async def relay(self) -> bool:
        """Carry the exchange out; return whether the connection can serve another."""
        recording = self._recording
        try:
            again = await self._relayed()
            self._remember()
            return again
        except NoUpstream as error:
            await self._fail(f"No connection upstream: {error}")
        except UpstreamBroken as error:
            await self._fail(str(error))
        except Silent:
            await self._fail(f"Nothing came for {SILENCE:g} s.")
        except BadRequest as error:
            recording.problem = f"The proxy sent no HTTP/1.1: {error}"
            await own.refuse(self._client, recording, error.status, str(error))
        except (ProxyGone, ConnectionError):
            recording.problem = "The proxy went away in the middle of an exchange."
        except OSError as error:
            recording.problem = f"The exchange broke off: {reason_of(error)}"
        except h11.LocalProtocolError as error:
            recording.problem = f"The answer cannot be passed on: {error}"
            self._client.wire.break_off()
        self._incoming.drop_upstream()
        return False

    async def _fail(self, problem: str) -> None:
        """Tell the proxy that it failed, or break off where an answer has begun."""
        self._recording.problem = problem
        await self._hear_rest()
        await own.refuse(self._client, self._recording, 502, problem)

    async def _hear_rest(self) -> None:
        """Read, for the record, what the proxy sends although it goes nowhere."""
        if self._client.http.our_state is h11.SEND_RESPONSE and own.is_unheard(self._client):
            with contextlib.suppress(Silent, BadRequest, ProxyGone, TimeoutError, OSError):
                async with asyncio.timeout(own.LINGER):
                    async for _ in body_of(self._client, self._recording, own.QUIET):
                        pass

    async def _relayed(self) -> bool:
        answer = self._own_answer()
        if answer is not None:
            return await self._answered_here(answer)
        held, complete = await self._prepared()
        is_reused = self._is_reusable()
        try:
            return await self._passed(held, complete)
        except UpstreamBroken:
            # An API may close an idle connection just when it is used again.
            if not is_reused or self._heard_anything() or self._recording.response is not None:
                raise
            self._incoming.drop_upstream()
            request = self._recording.request
            body = request.body if request else None
            if not complete:
                if body is None or not body.complete or body.size > BUFFERED:
                    raise
                held = [b"".join(body.pieces())]
            return await self._passed(held, complete=True)

    async def _passed(self, held: list[bytes], complete: bool) -> bool:
        """Pass both messages on; ``held`` is what was read of the request, all if ``complete``."""
        upstream = await self._connected()
        pump = asyncio.create_task(self._pump(upstream, held, complete))
        passing = asyncio.create_task(self._pass_answer(upstream))
        try:
            await asyncio.wait({pump, passing}, return_when=asyncio.FIRST_COMPLETED)
            if not passing.done():
                pump.result()  # raises: the proxy went away or sent nonsense
            await passing
        finally:
            for task in (pump, passing):
                task.cancel()
            await asyncio.gather(pump, passing, return_exceptions=True)
        if self._client.http.their_state is h11.SEND_BODY:  # it was answered before its end
            self._client.unheard = own.is_unheard(self._client)
            self._incoming.drop_upstream()
            return False
        return self._prepare_next(upstream)

    def _prepare_next(self, upstream: Line) -> bool:
        """Make both connections ready for another exchange, where they are good for one."""
        if upstream.http.our_state is h11.DONE and upstream.http.their_state is h11.DONE:
            upstream.next_exchange()
            upstream.used = time.monotonic()
        else:
            self._incoming.drop_upstream()
        return self._turn()

    def _turn(self) -> bool:
        http = self._client.http
        if self._client.ended or http.our_state is not h11.DONE or http.their_state is not h11.DONE:
            return False
        self._client.next_exchange()
        return True

    # The request.

    def _own_answer(self) -> attacks.Answer | None:
        """Return what the tap answers by itself, as told."""
        block = self._recording.block
        if block is None or not self._is_transcription:
            return None
        if self._attack is Attack.INJECT_ANSWER:
            return attacks.injected()
        if self._attack in attacks.LOSING and (
            self._attack is Attack.LOSE_SECRETS or not block.lost_secret
        ):
            block.lost_secret = True
            return attacks.secret_lost(_header(self._request, b"privatemode-secret-id"))
        return None

    async def _answered_here(self, answer: attacks.Answer) -> bool:
        self._recording.changed = self._attack.value
        await own.let_come(self._client)
        async for _ in body_of(self._client, self._recording, SILENCE):
            pass
        await own.answer(self._client, self._recording, answer)
        return self._turn()

    @property
    def _is_held_back(self) -> bool:
        """Tell whether the request is to be changed or kept, so that all of it must be there."""
        told = self._attack in attacks.REQUESTS or self._attack is Attack.REPLAY_REQUEST
        return told and self._is_transcription

    async def _prepared(self) -> tuple[list[bytes], bool]:
        """Return what there is of the body before it goes upstream, and whether that is all.

        What is larger than ``BUFFERED`` goes on unchanged.
        """
        if not self._is_held_back:
            return [], False
        held: list[bytes] = []
        size = 0
        await own.let_come(self._client)
        async for data in body_of(self._client, self._recording, SILENCE):
            held.append(data)
            size += len(data)
            if size > BUFFERED:
                return held, False
        body = b"".join(held)
        if self._attack is Attack.REPLAY_REQUEST:
            self._copy = body
            # Begun now, so that whoever watches waits for it.
            self._again = self._gateway.recorder.begin(
                self._incoming.number, self._incoming.tls, self._recording.block
            )
            return [body], True
        changed = attacks.REQUESTS[self._attack](body, self._content_type)
        if changed is None:
            return [body], True
        self._recording.changed = self._attack.value
        return [changed], True

    def _is_reusable(self) -> bool:
        line = self._incoming.upstream
        return (
            line is not None and time.monotonic() - line.used < REUSED and not line.wire.is_over()
        )

    def _heard_anything(self) -> bool:
        return self._incoming.upstream is not None and self._incoming.upstream.heard

    async def _connected(self) -> Line:
        """Return the connection upstream: the last one, or a new one."""
        if self._is_reusable() and self._incoming.upstream is not None:
            return self._incoming.upstream
        self._incoming.drop_upstream()
        self._incoming.upstream = line = await self._gateway.upstream.connect()
        return line

    def _outward(self) -> h11.Request:
        """Return the head of the request as it goes upstream: to the API's own name."""
        host = self._gateway.upstream.authority.encode("latin-1")
        headers = [] if _header(self._request, b"host") else [(b"host", host)]
        for name, value in self._request.headers.raw_items():
            if name.lower() == b"host":
                headers.append((name, host))
            elif name.lower() == b"accept-encoding":  # what is compressed can be neither judged
                headers.append((name, b"identity"))  # nor attacked; the record has what was asked
            elif name.lower() != b"expect" or not self._is_held_back:
                headers.append((name, value))
        return h11.Request(
            method=self._request.method, target=self._request.target, headers=headers
        )

    async def _pump(self, upstream: Line, held: list[bytes], complete: bool) -> None:
        """Pass the request on to its end; then raise ProxyGone when the proxy has gone."""
        sending = True

        async def send(event: Event) -> None:
            nonlocal sending
            if sending:
                try:
                    await upstream.send(event)
                except OSError:  # it may have answered before: the proxy is heard to its end
                    sending = False

        await send(self._outward())
        for data in held:
            await send(h11.Data(data=data))
        if not complete:
            async for data in body_of(self._client, self._recording, SILENCE):
                await send(h11.Data(data=data))
        await send(h11.EndOfMessage())
        await self._client.until_gone()
        raise ProxyGone

    # The answer.

    async def _pass_answer(self, upstream: Line) -> None:
        """Pass the answer on to its end, changed where that was told."""
        head = await self._head(upstream)
        reason = head.reason.decode("latin-1")
        start = f"HTTP/{head.http_version.decode('ascii')} {head.status_code} {reason}"
        side = record_answer(self._gateway.recorder, self._recording, start, head)
        held: list[bytes] | None = [] if self._wants_answer(head) else None
        if held is None:
            await self._client.send(_downward(head))
        while not isinstance(event := await _heard(upstream), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise UpstreamBroken("The API's answer broke off.")
            side.body.take(event.data)
            if held is None:
                await self._client.send(event)
                continue
            held.append(bytes(event.data))
            if side.body.size > BUFFERED:
                await self._client.send(_downward(head))
                await self._client.send(h11.Data(data=b"".join(held)))
                held = None
        side.body.complete = True
        if held is not None:
            await self._send_changed(head, b"".join(held))
        else:
            await self._client.send(h11.EndOfMessage())

    async def _head(self, upstream: Line) -> h11.Response:
        """Return the head of the final answer; those before it are passed on."""
        while True:
            event = await _heard(upstream)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise UpstreamBroken("The API closed the connection without an answer.")
            if event.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                raise UpstreamBroken("The API changed to another protocol.")
            if self._request.http_version != b"1.0":  # such a proxy knows none of these
                await self._client.send(event)

    def _wants_answer(self, head: h11.Response) -> bool:
        """Tell whether the answer must be there as a whole before any of it goes on."""
        if head.status_code != HTTPStatus.OK:
            return False
        if self._is_transcription:
            return self._attack in attacks.ANSWERS or self._attack is Attack.REPLAY_ANSWER
        block = self._recording.block
        return (
            block is not None
            and block.lost_secret
            and (attacks.is_attestation(self._path) or attacks.is_secret(self._path))
        )

    async def _send_changed(self, head: h11.Response, body: bytes) -> None:
        """Send the answer that was held back, changed if there is what to change."""
        changed: bytes | None
        if self._attack is Attack.REPLAY_ANSWER:
            earlier = self._gateway.history.answers.get(_is_stream(_header(head, b"content-type")))
            if earlier is not None:
                self._recording.changed = self._attack.value
                await own.answer(self._client, self._recording, earlier)
                return
            changed = None
        elif self._is_transcription:
            changed = attacks.ANSWERS[self._attack](body, _header(head, b"content-type"))
        else:
            changed = self._exchanged(body)
        if changed is not None:
            self._recording.changed = self._attack.value
            body = changed
        await self._client.send(_downward(head, len(body)))
        await self._client.send(h11.Data(data=body))
        await self._client.send(h11.EndOfMessage())

    def _exchanged(self, body: bytes) -> bytes | None:
        request = self._recording.request
        return attacks.exchanged(
            self._attack,
            self._path,
            request.body.kept() if request else b"",
            body,
            self._gateway.history,
            self._gateway.signer,
        )

    def _remember(self) -> None:
        """Keep what may be replayed later in this run."""
        response = self._recording.response
        if response is None or self._recording.changed or not response.own:
            return
        body = response.body
        if not body.complete or body.size > KEPT or response.start.split(" ")[1] != "200":
            return
        attacks.remember_exchange(self._gateway.history, self._path, body.kept())
        if self._is_transcription:
            headers = tuple(one for one in response.headers if one[0] not in _NOT_REPLAYED)
            kind = _is_stream(response.header("content-type"))
            self._gateway.history.answers[kind] = attacks.Answer(200, headers, body.kept())

    # The request once more.

    async def repeat(self) -> None:
        """Send the whole request once more where that was told, and record what comes of it."""
        recording = self._again
        if recording is None:
            return
        recording.changed = self._attack.value
        record_request(self._gateway.recorder, recording, self._request)
        line = None
        try:
            line = await self._gateway.upstream.connect()
            await self._repeated(line, recording)
        except (NoUpstream, UpstreamBroken, OSError) as error:
            recording.problem = f"The request could not be sent again: {reason_of(error)}"
        finally:
            if line is not None:
                line.wire.break_off()
            self._gateway.recorder.end(recording)

    async def _repeated(self, line: Line, recording: Recording) -> None:
        body = self._copy
        if recording.request is not None:
            recording.request.own = False
            recording.request.body.take(body)
            recording.request.body.complete = True
        for sent in (self._outward(), h11.Data(data=body), h11.EndOfMessage()):
            await line.send(sent)
        while not isinstance(event := await _heard(line), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                start = f"HTTP/1.1 {event.status_code} {event.reason.decode('latin-1')}"
                record_answer(self._gateway.recorder, recording, start, event)
            elif isinstance(event, h11.Data) and recording.response is not None:
                recording.response.body.take(event.data)
            elif not isinstance(event, h11.InformationalResponse):
                raise UpstreamBroken("the connection was closed without an answer")
        if recording.response is not None:
            recording.response.body.complete = True


async def _heard(upstream: Line) -> Event:
    """Return what comes next from the API; raises UpstreamBroken."""
    try:
        return await upstream.event(SILENCE)
    except (h11.RemoteProtocolError, OSError) as error:
        if upstream.first.startswith(b"\0") and upstream.first[3:4] == _HTTP2:
            problem = "The API speaks HTTP/2, which it was not asked to."
        elif isinstance(error, OSError):
            problem = f"The API's connection broke: {reason_of(error)}"
        elif upstream.ended:
            problem = "The API's answer broke off."
        else:
            problem = f"The API's answer is no HTTP/1.1: {error}"
        raise UpstreamBroken(problem) from None
    except Silent:
        raise UpstreamBroken(f"The API was silent for {SILENCE:g} s.") from None


def _downward(head: h11.Response, length: int | None = None) -> h11.Response:
    """Return the answer's head as it goes to the proxy; ``length`` is that of a changed body."""
    told = None if length is None else b"%d" % length
    headers = [
        (name, told if told is not None and name.lower() == b"content-length" else value)
        for name, value in head.headers.raw_items()
    ]
    return h11.Response(status_code=head.status_code, headers=headers, reason=head.reason)


def _header(message: h11.Request | h11.Response, name: bytes) -> str:
    found = (value for key, value in message.headers if key == name)
    return next(found, b"").decode("latin-1")


def _is_stream(content_type: str | None) -> bool:
    return (content_type or "").strip().lower().startswith("text/event-stream")


def reason_of(error: BaseException) -> str:
    """Return why something went wrong, in the system's words."""
    text = error.strerror if isinstance(error, OSError) else ""
    return text or str(error) or type(error).__name__
