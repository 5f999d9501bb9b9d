"""Faults of reading forms: what breaks on odd structure, values and file names (ROBUSTNESS)."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from soundcheck.audio.clip import Word
from soundcheck.audio.edits import lengths
from soundcheck.reference.faults.hooks import Action, Call, Fault, Registry, Reply
from soundcheck.reference.transcript import Segment, Transcript
from soundcheck.reference.upload import Form

FAULTS = Registry(Fault)

_JSON = "application/json"
_FAILED = {
    "message": "The server failed.",
    "type": "server_error",
    "param": None,
    "code": None,
}
_CRASH = Reply(500, json.dumps({"error": _FAILED}).encode(), _JSON)

Condition = Callable[[bytes], object]
"""Tells, by the bytes of a form, whether the fault acts on it."""


def _breaks(name: str, sentence: str, when: Condition, action: Action | None = None) -> None:
    """Declare a fault that answers 500, or does ``action``, in the place of reading some forms."""

    @FAULTS.receive(name, sentence)
    def _(body: bytes, call: Call) -> Reply | None:
        return replace(_CRASH, action=action) if when(body) else None


def _filename(body: bytes) -> bytes:
    """Return what is called the name of the file, as it was sent."""
    found = re.search(rb'name="file"; filename="([^"\n]*)', body)
    return found[1] if found else b""


def _prompt(body: bytes) -> bytes:
    found = re.search(rb'name="prompt"\r\n\r\n(.*?)\r\n--soundcheck-', body, re.DOTALL)
    return found[1] if found else b""


# -- labels and structure -----------------------------------------------------------------------

_breaks(
    "label-mp3-500",
    "WAV that is called MP3 gives status 500.",
    lambda body: b"Content-Type: audio/mpeg\r\n\r\nRIFF" in body,
)
_breaks(
    "label-text-dropped",
    "Audio that is called text ends the connection.",
    lambda body: b"Content-Type: text/plain\r\n\r\nRIFF" in body,
    "reset",
)
_breaks(
    "no-extension-500",
    "A file's name without an extension gives status 500.",
    lambda body: _filename(body) and b"." not in _filename(body),
)
_breaks(
    "bare-lines-500",
    "A form whose lines end in LF gives status 500.",
    lambda body: re.match(rb"--[^\r\n]+\n", body),
)
_breaks(
    "nested-form-500",
    "A form within a form gives status 500.",
    lambda body: b"multipart/mixed" in body,
)
_breaks(
    "cut-form-500",
    "A form that ends too early gives status 500.",
    lambda body: not body.rstrip().endswith(b"--"),
)
_breaks(
    "many-parts-500",
    "A form of more than 1000 parts gives status 500.",
    lambda body: body.count(b"\r\nContent-Disposition: form-data;") > 1000,
)
_breaks(
    "many-parts-dropped",
    "A form of more than 1000 parts ends the connection.",
    lambda body: body.count(b"\r\nContent-Disposition: form-data;") > 1000,
    "reset",
)
_breaks(
    "very-many-parts-hang",
    "A form of 10,000 parts is never answered.",
    lambda body: body.count(b"\r\nContent-Disposition: form-data;") >= 10_000,
    "hang",
)

# -- what is there twice ------------------------------------------------------------------------


def _turn(call: Call) -> int:
    """Return how often the deployment was asked this before."""
    turn: int = call.memory.get("turn", 0)
    call.memory["turn"] = turn + 1
    return turn


@FAULTS.refuse("duplicate-file-erratic", "Of two files one is used, or both refused, by turns.")
def _(call: Call) -> bool:
    return bool(call.form and call.form.other_files) and _turn(call) % 2 == 1


@FAULTS.hear("duplicate-file-joined", "Two files are transcribed as one.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if call.form is None or not call.form.other_files:
        return transcript
    return _with(transcript, "And some more words that nobody has ever said in it.")


def _has_two_files(body: bytes) -> bool:
    return body.count(b'name="file"; filename=') > 1


_breaks("duplicate-file-500", "Two files give status 500.", _has_two_files)


@FAULTS.form("duplicate-field-any", "Of two models the one that there is is used.")
def _(form: Form, call: Call) -> Form:
    known = [value for value in form.all("model") if value in call.served]
    return form.with_field("model", known[0]) if known else form


_breaks(
    "duplicate-field-500",
    "Two models give status 500.",
    lambda body: body.count(b'name="model"') > 1,
)

# -- field values -------------------------------------------------------------------------------

_HUGE = 4_000_000

_breaks("huge-field-500", "A field of 4 MB gives status 500.", lambda body: len(body) > _HUGE)


@FAULTS.receive("huge-field-sickens", "After a field of 4 MB the next request gives status 500.")
def _(body: bytes, call: Call) -> Reply | None:
    was = call.memory.get("sick", False)
    call.memory["sick"] = len(body) > _HUGE
    return _CRASH if was else None


_breaks(
    "prompt-emoji-500",
    "A prompt with characters of four bytes gives status 500.",
    lambda body: re.search(rb"[\xf0-\xf4][\x80-\xbf]{3}", _prompt(body)),
)
_breaks(
    "prompt-nul-500", "A prompt with NUL gives status 500.", lambda body: b"\0" in _prompt(body)
)
_breaks(
    "prompt-escape-dropped",
    "A prompt with ESC ends the connection.",
    lambda body: b"\x1b" in _prompt(body),
    "reset",
)
_breaks(
    "invalid-utf8-500",
    "A field that is not UTF-8 gives status 500.",
    lambda body: b"\xff\xfe" in _prompt(body),
)


@FAULTS.reply("prompt-emoji-refused", "A prompt with emoji is refused.")
def _(reply: Reply, call: Call) -> Reply:
    prompt = (call.form.get("prompt") if call.form else None) or ""
    if not any(ord(one) > 0xFFFF for one in prompt):
        return reply
    return replace(_CRASH, status=400)


@FAULTS.hear("prompt-token-translates", "The token for translation in a prompt is obeyed.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if "<|translate|>" not in _asked(call):
        return transcript
    return _with(replace(transcript, segments=()), "We buy fresh bread and cake at the baker's.")


@FAULTS.hear("prompt-token-ends", "The token for the end of a text in a prompt is obeyed.")
def _(transcript: Transcript, call: Call) -> Transcript:
    return replace(transcript, segments=()) if "<|endoftext|>" in _asked(call) else transcript


@FAULTS.hear("prompt-token-echoed", "Tokens in a prompt come out in the text.")
def _(transcript: Transcript, call: Call) -> Transcript:
    tokens = re.findall(r"<\|\w+\|>", _asked(call))
    return _with(transcript, " ".join(tokens)) if tokens else transcript


def _asked(call: Call) -> str:
    return call.request.prompt if call.request is not None else ""


def _with(transcript: Transcript, text: str) -> Transcript:
    """Return the transcript with one more segment."""
    end = transcript.duration
    spoken = tuple(Word(word, end, end) for word in text.split())
    language = transcript.language or "en"
    more = Segment(end, end, text, language, spoken, pitch=100.0, confidence=0.9)
    return replace(transcript, segments=(*transcript.segments, more))


# -- file names ---------------------------------------------------------------------------------

_breaks(
    "filename-nul-500",
    "NUL in a file's name gives status 500.",
    lambda body: b"\0" in _filename(body),
)
_breaks(
    "filename-long-dropped",
    "A file's name of more than 4096 bytes ends the connection.",
    lambda body: len(_filename(body)) > 4096,
    "reset",
)


def _named(name: str, sentence: str, path: Callable[[bytes], bytes]) -> None:
    """Declare a fault that adds a header to answers about a file, made from the file's name.

    The server does not send line ends in a value: what follows one is made the header that
    another server would have sent.
    """

    @FAULTS.reply(name, sentence, on=["json"])
    def _(reply: Reply, call: Call) -> Reply:
        value, *lines = path(call.upload.filename.encode()[:200]).decode("latin-1").split("\r\n")
        more = [line.partition(":")[::2] for line in lines if ":" in line]
        printable = "".join(one if one.isprintable() else "?" for one in value)
        headers = (("x-transcript-of", printable), *((key, text.strip()) for key, text in more))
        return replace(reply, headers=(*reply.headers, *headers))


_named(
    "filename-in-header",
    "The file's name is decoded and written into a header of the answer.",
    unquote_to_bytes,
)
_named(
    "filename-as-path",
    "The file's name is shown as the path that it would have.",
    lambda name: b"/srv/uploads/" + name.partition(b"\r")[0],
)

# -- what only a search comes upon ---------------------------------------------------------------

_breaks(
    "preamble-500",
    "Bytes before the first boundary give status 500.",
    lambda body: not body.startswith((b"--", b"\r\n--", b"\n")),
)
_breaks(
    "part-header-hangs",
    "A header of a part of 2000 bytes or more hangs.",
    lambda body: any(len(line) >= 2000 for line in _heads(body)),
    "hang",
)
_breaks(
    "blank-value-500",
    "A field of nothing but blanks gives status 500.",
    lambda body: re.search(rb'form-data; name="\w+"\r\n\r\n\s+\r\n--', body),
)
_breaks(
    "long-number-dropped",
    "A number of more than 30 digits ends the connection.",
    lambda body: re.search(rb'name="temperature"\r\n\r\n[-+0-9.]{31}', body),
    "reset",
)
_breaks(
    "filename-astral-500",
    "A file's name with a character of four bytes gives status 500.",
    lambda body: re.search(rb"[\xf0-\xf4][\x80-\xbf]{3}", _filename(body)),
)
_breaks(
    "filename-dots-die",
    "A file's name that begins with two dots ends the server.",
    lambda body: _filename(body).startswith(b".."),
    "die",
)


def _heads(body: bytes) -> list[bytes]:
    """Return the lines of the heads of all parts."""
    heads = re.findall(rb"--soundcheck-\w+\r\n(.*?)\r\n\r\n", body, re.DOTALL)
    return [line for head in heads for line in head.split(b"\r\n")]


def _has_small_box(body: bytes) -> bool:
    """Tell whether an MPEG-4 file has a box, on the outermost level, that claims 2 to 7 bytes."""
    at = body.find(b"ftyp") - 4
    while 0 <= at < len(body) - 8:
        size = int.from_bytes(body[at : at + 4], "big")
        if size < 8:
            return size > 1
        at += size
    return False


_breaks(
    "small-box-hangs",
    "A box of an MPEG-4 file that is smaller than its own head is read for ever.",
    _has_small_box,
    "hang",
)


def _has_negative_chunk(body: bytes) -> bool:
    """Tell whether a WAV file, or a chunk of it, claims 2^31 bytes or more."""
    at = body.find(b"RIFF")
    data = body[at:] if at >= 0 else b""
    starts = (start for start, _, _ in lengths(data, "WAV"))
    return any(data[start + 3 : start + 4] >= b"\x80" for start in starts)


_breaks(
    "negative-chunk-500",
    "A chunk of a WAV file whose size is negative, read with a sign, gives status 500.",
    _has_negative_chunk,
)
