"""Requests made ready beforehand: one encoded form per clip and parameters, shared by all users.

Encoding a form costs more than sending it, and a copy for each of a thousand users would not fit
in memory. So there is one ``bytes`` for each.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from soundcheck.audio import Clip
from soundcheck.http.multipart import Content, Field, File, Part, encode

PLAIN_TEXT = ("text", "srt", "vtt")
"""Response formats whose answers are no JSON."""


@dataclass(frozen=True, slots=True)
class Form:
    """One transcription request: its ``body``, and what a report says about it.

    ``format`` is the extension of the clip's name, ``audio_s`` its length in seconds, ``sha256``
    the clip's digest, ``fields`` what was sent beside the file. ``language`` and ``weight`` are
    the mix's: neither is sent. ``head`` are the header lines that describe the body, with the
    empty line after them; ``size`` is that of both, in bytes. ``is_plain_text`` says that an
    answer is asked for which is no JSON, such as subtitles.
    """

    number: int
    clip: str
    format: str
    language: str
    audio_s: float
    transcript: str
    stream: bool
    fields: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False, compare=False)
    content_type: str
    sha256: str
    weight: float = 1.0
    head: bytes = field(init=False, repr=False, compare=False)
    size: int = field(init=False, repr=False, compare=False)
    is_plain_text: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        head = f"Content-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n\r\n"
        object.__setattr__(self, "head", head.encode("latin-1"))
        object.__setattr__(self, "size", len(self.head) + len(self.body))
        plain = dict(self.fields).get("response_format") in PLAIN_TEXT
        object.__setattr__(self, "is_plain_text", plain)


def encode_form(
    number: int,
    clip: Clip,
    fields: Iterable[tuple[str, str]],
    *,
    stream: bool,
    language: str = "en",
    weight: float = 1.0,
) -> Form:
    """Return the form that uploads ``clip`` with ``fields``, in their order, and then the file.

    With ``stream`` the field of that name is added unless it is there.
    """
    sent = tuple(fields)
    if stream and "stream" not in dict(sent):
        sent += (("stream", "true"),)
    parts: list[tuple[Part, Content]] = [
        (Field(name, value), Content(value.encode())) for name, value in sent
    ]
    file = File("file", clip.name, clip.name, clip.media_type)
    parts.append((file, Content(clip.read())))
    encoded = encode(parts)
    return Form(
        number=number,
        clip=clip.name,
        format=clip.name.rpartition(".")[2],
        language=language,
        audio_s=clip.duration,
        transcript=clip.transcript,
        stream=stream,
        fields=sent,
        body=encoded.read(),
        content_type=encoded.content_type,
        sha256=clip.sha256,
        weight=weight,
    )
