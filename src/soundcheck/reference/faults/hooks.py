"""Where a named deviation can act on an exchange, and how deviations are declared.

The backend knows these places only; what a deviation does stands in its own few lines.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from soundcheck.reference.limits import Limits
from soundcheck.reference.parameters import Request
from soundcheck.reference.refusal import Kind
from soundcheck.reference.settings import DialectName
from soundcheck.reference.transcript import Transcript
from soundcheck.reference.upload import Form, Upload

Route: TypeAlias = Literal["transcription", "models", "model"]

Action: TypeAlias = Literal["close", "end", "reset", "hang", "die"]
"""What is done to the connection in place of a proper answer.

``close``: the answer is sent without reading the rest of the body, and the connection closed;
``end``: the answer is sent, and the connection closed, though it said nothing of that;
``reset``: closed without an answer (RST); ``hang``: the body is read and nothing answered until
the client leaves or SLOWEST seconds have passed; ``die``: from now on this application resets every
connection that asks it something.
"""

SLOWEST = 600.0
"""Seconds after which an answer that hangs, or is still being streamed, is broken off."""

Event: TypeAlias = Any
"""A streamed event before it is encoded: a JSON value, or a text sent as it is (``[DONE]``)."""


class BreakOff(Exception):
    """Raised by an ``events`` or ``frames`` hook to break the transfer off in the middle."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is being answered: the route, the models served, and the request as far as read.

    ``accept`` and ``authorization`` are the client's headers of these names, ``expects`` whether it
    asks for leave to send its body (``Expect: 100-continue``), ``content_type`` and ``chunked`` how
    it labels and frames it; ``connection`` is the client's end, HOST:PORT. ``refused`` is the
    reason of a refusal, None otherwise. ``memory`` is what faults keep from one request to the
    next: one for each deployment. ``length`` is the body's as announced, ``read_s`` the seconds in
    which the form was read.
    """

    route: Route
    served: tuple[str, ...]
    form: Form | None = None
    request: Request | None = None
    dialect: DialectName = "openai"
    accept: str = ""
    authorization: str = ""
    expects: bool = False
    content_type: str = ""
    chunked: bool = False
    connection: str = ""
    refused: Kind | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    length: int = 0
    read_s: float = 0.0

    @property
    def kind(self) -> str:
        """The response format of a checked transcription, else the route."""
        return self.request.response_format if self.request is not None else self.route

    @property
    def upload(self) -> Upload:
        """The audio file; only for calls that have one."""
        if self.form is None or self.form.file is None:
            raise LookupError("the call has no file")
        return self.form.file


@dataclass(frozen=True, slots=True)
class Reply:
    """An encoded answer, or what is done in place of it (``action``)."""

    status: int
    body: bytes
    media_type: str
    headers: tuple[tuple[str, str], ...] = ()
    action: Action | None = None

    def with_text(self, text: str) -> "Reply":
        """Return the reply with another body."""
        return replace(self, body=text.encode())

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


NoteHook: TypeAlias = Callable[[Call], None]
ReceiveHook: TypeAlias = Callable[[bytes, Call], Reply | None]
FormHook: TypeAlias = Callable[[Form, Call], Form]
RefuseHook: TypeAlias = Callable[[Call], bool]
RewriteHook: TypeAlias = Callable[[bytes], bytes]
HearHook: TypeAlias = Callable[[Transcript, Call], Transcript]
BodyHook: TypeAlias = Callable[[Any, Call], Any]
ReplyHook: TypeAlias = Callable[[Reply, Call], Reply]
EventsHook: TypeAlias = Callable[[AsyncIterator[Event], Call], AsyncIterator[Event]]
FramesHook: TypeAlias = Callable[[AsyncIterator[bytes], Call], AsyncIterator[bytes]]
LimitHook: TypeAlias = Callable[[Limits], Limits]


@dataclass(frozen=True, slots=True)
class Deviation:
    """A named difference from the reference: one sentence, and its hooks.

    It ``withholds_leave`` if it never answers 100 where a client waits for that. The hooks, in the
    order in which they act: ``limit`` changes the size limit, ``arrive`` takes note of a request
    before its body is read and ``left`` of a client that left before it was answered,
    ``receive`` answers in the place of reading a form, by its bytes (None: it is read), ``form``
    changes the fields received, ``refuse`` rejects the file, ``rewrite`` changes its bytes,
    ``hear`` the transcript, ``body`` the JSON value of a successful answer, ``reply`` any encoded
    answer but a stream.

    Of a stream, ``stream_reply`` changes status, media type and headers, and answers a body in its
    place if it gives one; ``events`` changes the events, ``frames`` their encoding. A ``hear`` acts
    on what is streamed too, which begins then only when all was recognised.
    """

    name: str
    sentence: str
    arrive: NoteHook | None = None
    left: NoteHook | None = None
    receive: ReceiveHook | None = None
    form: FormHook | None = None
    refuse: RefuseHook | None = None
    rewrite: RewriteHook | None = None
    hear: HearHook | None = None
    body: BodyHook | None = None
    reply: ReplyHook | None = None
    limit: LimitHook | None = None
    stream_reply: ReplyHook | None = None
    events: EventsHook | None = None
    frames: FramesHook | None = None
    withholds_leave: bool = False


class Fault(Deviation):
    """A defect that some requirement must find; it is named in that one's ``killed_by``."""


class Benign(Deviation):
    """A legal difference that no check may flag."""


@dataclass(slots=True)
class Registry:
    """The deviations declared in one module: a decorator per hook, in the module's words."""

    kind: type[Deviation]
    declared: list[Deviation] = field(default_factory=list)

    def add(self, name: str, sentence: str, **hooks: Any) -> None:
        """Declare a deviation with its hooks by name."""
        self.declared.append(self.kind(name, sentence, **hooks))

    def receive(self, name: str, sentence: str) -> Callable[[ReceiveHook], ReceiveHook]:
        """Declare what answers in the place of reading a form."""

        def declare(hook: ReceiveHook) -> ReceiveHook:
            self.add(name, sentence, receive=hook)
            return hook

        return declare

    def form(self, name: str, sentence: str) -> Callable[[FormHook], FormHook]:
        """Declare what changes the fields received."""

        def declare(hook: FormHook) -> FormHook:
            self.add(name, sentence, form=hook)
            return hook

        return declare

    def hear(self, name: str, sentence: str) -> Callable[[HearHook], HearHook]:
        """Declare what changes the transcript."""

        def declare(hook: HearHook) -> HearHook:
            self.add(name, sentence, hear=hook)
            return hook

        return declare

    def refuse(self, name: str, sentence: str) -> Callable[[RefuseHook], RefuseHook]:
        """Declare what refuses a file."""

        def declare(hook: RefuseHook) -> RefuseHook:
            self.add(name, sentence, refuse=hook)
            return hook

        return declare

    def body(
        self, name: str, sentence: str, on: Iterable[str] = ()
    ) -> Callable[[BodyHook], BodyHook]:
        """Declare what changes the JSON of successful answers ``on`` these kinds (all: none)."""
        kinds = frozenset(on)

        def declare(hook: BodyHook) -> BodyHook:
            def limited(body: Any, call: Call) -> Any:
                return hook(body, call) if not kinds or call.kind in kinds else body

            self.add(name, sentence, body=limited)
            return hook

        return declare

    def reply(
        self, name: str, sentence: str, on: Iterable[str] = ()
    ) -> Callable[[ReplyHook], ReplyHook]:
        """Declare what changes encoded, successful answers ``on`` these kinds (all: none)."""
        kinds = frozenset(on)

        def declare(hook: ReplyHook) -> ReplyHook:
            def limited(reply: Reply, call: Call) -> Reply:
                concerns = reply.status == 200 and (not kinds or call.kind in kinds)
                return hook(reply, call) if concerns else reply

            self.add(name, sentence, reply=limited)
            return hook

        return declare

    def error(self, name: str, sentence: str) -> Callable[[ReplyHook], ReplyHook]:
        """Declare what changes encoded refusals."""

        def declare(hook: ReplyHook) -> ReplyHook:
            def limited(reply: Reply, call: Call) -> Reply:
                return hook(reply, call) if reply.status >= 400 else reply

            self.add(name, sentence, reply=limited)
            return hook

        return declare

    def oversize(self, name: str, sentence: str) -> Callable[[ReplyHook], ReplyHook]:
        """Declare what becomes of the refusal of a file that is too large."""

        def declare(hook: ReplyHook) -> ReplyHook:
            def limited(reply: Reply, call: Call) -> Reply:
                return hook(reply, call) if call.refused is Kind.FILE_TOO_LARGE else reply

            self.add(name, sentence, reply=limited)
            return hook

        return declare

    def limit(self, name: str, sentence: str) -> Callable[[LimitHook], LimitHook]:
        """Declare what changes the size limit."""

        def declare(hook: LimitHook) -> LimitHook:
            self.add(name, sentence, limit=hook)
            return hook

        return declare

    def stream_reply(self, name: str, sentence: str) -> Callable[[ReplyHook], ReplyHook]:
        """Declare what changes a stream's head, or answers something else in its place."""

        def declare(hook: ReplyHook) -> ReplyHook:
            self.add(name, sentence, stream_reply=hook)
            return hook

        return declare

    def events(self, name: str, sentence: str) -> Callable[[EventsHook], EventsHook]:
        """Declare what changes a stream's events: an async generator over them."""

        def declare(hook: EventsHook) -> EventsHook:
            self.add(name, sentence, events=hook)
            return hook

        return declare

    def frames(self, name: str, sentence: str) -> Callable[[FramesHook], FramesHook]:
        """Declare what changes a stream's encoded frames: an async generator over them.

        Each frame that comes out is sent at once, however long that takes.
        """

        def declare(hook: FramesHook) -> FramesHook:
            self.add(name, sentence, frames=hook)
            return hook

        return declare


class Deviations:
    """The deviations a deployment was told to have, applied one after the other."""

    def __init__(self, chosen: Iterable[Deviation] = ()) -> None:
        self._chosen = tuple(chosen)
        self.hears = any(one.hear is not None for one in self._chosen)
        self.withholds_leave = any(one.withholds_leave for one in self._chosen)
        self.receives = any(one.receive is not None for one in self._chosen)

    def limit(self, limits: Limits) -> Limits:
        """Return the size limit as the deployment has it."""
        for one in self._chosen:
            if one.limit is not None:
                limits = one.limit(limits)
        return limits

    def arrive(self, call: Call) -> None:
        """Take note of a request whose body is not read yet."""
        for one in self._chosen:
            if one.arrive is not None:
                one.arrive(call)

    def left(self, call: Call) -> None:
        """Take note of a client that left before it was answered."""
        for one in self._chosen:
            if one.left is not None:
                one.left(call)

    def receive(self, body: bytes, call: Call) -> Reply | None:
        """Return what is answered in the place of reading a form, if anything is."""
        replies = (one.receive(body, call) for one in self._chosen if one.receive is not None)
        return next((reply for reply in replies if reply is not None), None)

    def form(self, form: Form, call: Call) -> Form:
        """Return the form as the deployment reads it."""
        for one in self._chosen:
            if one.form is not None:
                form = one.form(form, call)
        return form

    def refuses(self, call: Call) -> bool:
        """Tell whether the file is refused although it is good."""
        return any(one.refuse is not None and one.refuse(call) for one in self._chosen)

    def rewrite(self, upload: Upload) -> None:
        """Change the file's bytes where they lie."""
        for one in self._chosen:
            if one.rewrite is not None:
                upload.path.write_bytes(one.rewrite(upload.path.read_bytes()))

    def hear(self, transcript: Transcript, call: Call) -> Transcript:
        """Return the transcript as the deployment understands it."""
        for one in self._chosen:
            if one.hear is not None:
                transcript = one.hear(transcript, call)
        return transcript

    def body(self, body: Any, call: Call) -> Any:
        """Return the JSON value that is answered."""
        for one in self._chosen:
            if one.body is not None:
                body = one.body(body, call)
        return body

    def reply(self, reply: Reply, call: Call) -> Reply:
        """Return the answer as it is sent."""
        for one in self._chosen:
            if one.reply is not None:
                reply = one.reply(reply, call)
        return reply

    def stream_reply(self, reply: Reply, call: Call) -> Reply:
        """Return a stream's head, or what is answered in its place."""
        for one in self._chosen:
            if one.stream_reply is not None:
                reply = one.stream_reply(reply, call)
        return reply

    def events(self, events: AsyncIterator[Event], call: Call) -> AsyncIterator[Event]:
        """Return a stream's events as they are sent."""
        for one in self._chosen:
            if one.events is not None:
                events = one.events(events, call)
        return events

    def frames(self, frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        """Return a stream's frames as they are sent."""
        for one in self._chosen:
            if one.frames is not None:
                frames = one.frames(frames, call)
        return frames
