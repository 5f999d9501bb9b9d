"""Where a named deviation can act on an exchange, and how deviations are declared.

The backend knows these six places only; what a deviation does stands in its own few lines.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from soundcheck.reference.parameters import Request
from soundcheck.reference.transcript import Transcript
from soundcheck.reference.upload import Form, Upload

Route: TypeAlias = Literal["transcription", "models", "model"]


@dataclass(frozen=True, slots=True)
class Call:
    """What is being answered: the route, the models served, and the request as far as read."""

    route: Route
    served: tuple[str, ...]
    form: Form | None = None
    request: Request | None = None

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
    """An encoded answer."""

    status: int
    body: bytes
    media_type: str
    headers: tuple[tuple[str, str], ...] = ()

    def with_text(self, text: str) -> "Reply":
        """Return the reply with another body."""
        return replace(self, body=text.encode())

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


FormHook: TypeAlias = Callable[[Form, Call], Form]
RefuseHook: TypeAlias = Callable[[Call], bool]
RewriteHook: TypeAlias = Callable[[bytes], bytes]
HearHook: TypeAlias = Callable[[Transcript, Call], Transcript]
BodyHook: TypeAlias = Callable[[Any, Call], Any]
ReplyHook: TypeAlias = Callable[[Reply, Call], Reply]


@dataclass(frozen=True, slots=True)
class Deviation:
    """A named difference from the reference: one sentence, and its hooks.

    The hooks, in the order in which they act: ``form`` changes the fields received, ``refuse``
    rejects the file, ``rewrite`` changes its bytes, ``hear`` the transcript, ``body`` the JSON
    value of a successful answer, ``reply`` any encoded answer.
    """

    name: str
    sentence: str
    form: FormHook | None = None
    refuse: RefuseHook | None = None
    rewrite: RewriteHook | None = None
    hear: HearHook | None = None
    body: BodyHook | None = None
    reply: ReplyHook | None = None


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


class Deviations:
    """The deviations a deployment was told to have, applied one after the other."""

    def __init__(self, chosen: Iterable[Deviation] = ()) -> None:
        self._chosen = tuple(chosen)

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
