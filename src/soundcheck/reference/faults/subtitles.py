"""Faults of the formats text, srt and vtt, and of the encoding of text (area FORMAT)."""

import json
import re
import unicodedata
from dataclasses import replace

from soundcheck.reference.faults.hooks import Call, Fault, Registry, Reply
from soundcheck.reference.transcript import Transcript
from soundcheck.reference.upload import Form

FAULTS = Registry(Fault)

_TEXT = ("text",)
_SUBTITLES = ("srt", "vtt")
_ALL = ("json", "verbose_json", "diarized_json", "text", "srt", "vtt")
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)([,.])(\d{3})")


@FAULTS.reply("text-as-json", "text is a JSON object.", on=_TEXT)
def _(reply: Reply, call: Call) -> Reply:
    body = json.dumps({"text": _plain(reply)}, ensure_ascii=False)
    return replace(reply.with_text(body), media_type="application/json")


@FAULTS.reply("text-as-html", "text is labelled as a web page.", on=_TEXT)
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, media_type="text/html; charset=utf-8")


@FAULTS.reply("text-quoted", "text is a JSON string in quotation marks.", on=_TEXT)
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(json.dumps(_plain(reply), ensure_ascii=False))


@FAULTS.reply(
    "text-json-mislabelled",
    "text and its media type do not agree.",
    on=_TEXT,
)
def _(reply: Reply, call: Call) -> Reply:
    if reply.media_type == "application/json":
        return replace(reply, media_type="text/plain; charset=utf-8")
    return replace(reply, media_type="application/json")


@FAULTS.reply("text-differs", "text has its last word cut off.", on=_TEXT)
def _(reply: Reply, call: Call) -> Reply:
    plain = _plain(reply)
    return reply.with_text(reply.text.replace(plain, plain.rsplit(" ", 1)[0]))


def _plain(reply: Reply) -> str:
    if reply.media_type == "application/json":
        return str(json.loads(reply.body)["text"])
    return reply.text.strip()


@FAULTS.reply("srt-counter-from-zero", "srt counts from 0.", on=("srt",))
def _(reply: Reply, call: Call) -> Reply:
    lowered = re.sub(r"(?m)^(\d+)$", lambda found: str(int(found[1]) - 1), reply.text)
    return reply.with_text(lowered)


@FAULTS.reply("srt-comma-missing", "srt has a point before milliseconds.", on=("srt",))
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(_TIME.sub(r"\1:\2:\3.\5", reply.text))


@FAULTS.reply("srt-without-blank-lines", "srt cues touch each other.", on=("srt",))
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(reply.text.replace("\n\n", "\n"))


@FAULTS.reply("vtt-without-header", "vtt lacks the line WEBVTT.", on=("vtt",))
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(reply.text.removeprefix("WEBVTT\n\n"))


@FAULTS.reply("vtt-comma", "vtt has a comma before milliseconds.", on=("vtt",))
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(_TIME.sub(r"\1:\2:\3,\5", reply.text))


@FAULTS.reply("subtitles-quoted", "srt and vtt are JSON strings.", on=_SUBTITLES)
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(json.dumps(reply.text))


@FAULTS.reply("escaped-newlines", "Subtitles have \\n for line ends.", on=_SUBTITLES)
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(reply.text.replace("\n", "\\n"))


@FAULTS.reply("cue-ends-first", "A cue ends before it begins.", on=_SUBTITLES)
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(re.sub(r"(\S+) --> (\S+)", r"\2 --> \1", reply.text))


@FAULTS.reply("srt-times-shifted", "Cues come two seconds late.", on=_SUBTITLES)
def _(reply: Reply, call: Call) -> Reply:
    def later(found: re.Match[str]) -> str:
        total = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) + 2
        clock = f"{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}"
        return f"{clock}{found[4]}{found[5]}"

    return reply.with_text(_TIME.sub(later, reply.text))


@FAULTS.hear("subtitles-lose-a-cue", "Subtitles leave out the first segment.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if call.kind not in _SUBTITLES:
        return transcript
    return replace(transcript, segments=transcript.segments[1:])


@FAULTS.error("srt-500", "srt and vtt are answered with status 500.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, status=500) if _asks_subtitles(call) else reply


@FAULTS.form("srt-as-json", "srt and vtt are answered as json.")
def _(form: Form, call: Call) -> Form:
    if form.get("response_format") in _SUBTITLES:
        return form.with_field("response_format", "json")
    return form


@FAULTS.error("srt-refused-in-html", "srt and vtt are refused in HTML.")
def _(reply: Reply, call: Call) -> Reply:
    if not _asks_subtitles(call):
        return reply
    page = "<html><body><h1>Bad Request</h1></body></html>"
    return replace(reply.with_text(page), media_type="text/html; charset=utf-8")


def _asks_subtitles(call: Call) -> bool:
    return call.form is not None and call.form.get("response_format") in _SUBTITLES


@FAULTS.hear("russian-in-latin", "Russian is written in Latin letters.")
def _(transcript: Transcript, call: Call) -> Transcript:
    segments = (
        replace(
            segment,
            text=_in_latin(segment.text),
            words=tuple(replace(word, text=_in_latin(word.text)) for word in segment.words),
        )
        for segment in transcript.segments
    )
    return replace(transcript, segments=tuple(segments))


def _in_latin(text: str) -> str:
    """Return ``text`` with each Cyrillic letter by its Unicode name: ``ya``, ``shcha``."""
    names = ((c, unicodedata.name(c, "")) for c in text)
    return "".join(n.split()[-1].lower() if n.startswith("CYRILLIC") else c for c, n in names)


@FAULTS.reply("latin1", "Text is sent as Latin-1, other letters as ?.", on=_ALL)
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, body=reply.text.encode("latin-1", errors="replace"))


@FAULTS.reply("ascii-only", "Letters outside ASCII are sent as ?.", on=_ALL)
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, body=reply.text.encode("ascii", errors="replace"))


@FAULTS.reply("double-encoded", "UTF-8 is encoded a second time.", on=_ALL)
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(reply.body.decode("latin-1"))
