"""Legal differences between deployments: no check may flag any of them."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from soundcheck.reference.faults.hooks import Benign, Call, Registry, Reply
from soundcheck.reference.languages import LANGUAGES

VARIATIONS = Registry(Benign)

_TRANSCRIPTS = ("json", "verbose_json", "diarized_json")
_VERBOSE = ("verbose_json",)
_LISTED = ("models", "model")
_CODES = {name: code for code, name in LANGUAGES.items()}


@VARIATIONS.body("extra-members", "Objects have members that no document names.")
def _(body: Any, call: Call) -> Any:
    body |= {"x_soundcheck": {"note": "extra", "list": [1, None]}}
    for entry in [*body.get("data", []), *(body.get("segments") or [])]:
        entry["x_extra"] = None
    return body


@VARIATIONS.body("shutdown-dates", "Models have the day on which they end, or null.", on=_LISTED)
def _(body: Any, call: Call) -> Any:
    for entry in body.get("data", [body]):
        entry["shutdown_date"] = "2030-01-01" if "whisper" in entry["id"] else None
    return body


@VARIATIONS.body("keys-reordered", "Members come in reverse order.")
def _(body: Any, call: Call) -> Any:
    return _reversed(body)


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [_reversed(one) for one in value]
    return value


@VARIATIONS.reply("json-indented", "JSON is indented and ends in a newline.")
def _(reply: Reply, call: Call) -> Reply:
    if reply.media_type != "application/json":
        return reply
    return reply.with_text(json.dumps(json.loads(reply.body), indent=4, ensure_ascii=False) + "\n")


@VARIATIONS.reply("json-escaped", "JSON escapes every character outside ASCII.")
def _(reply: Reply, call: Call) -> Reply:
    if reply.media_type != "application/json":
        return reply
    return reply.with_text(json.dumps(json.loads(reply.body)))


@VARIATIONS.reply("charset-in-json-type", "JSON is labelled with its charset.")
def _(reply: Reply, call: Call) -> Reply:
    if reply.media_type != "application/json":
        return reply
    return replace(reply, media_type="application/json; charset=utf-8")


@VARIATIONS.reply("media-type-capitals", "The media type is written in capital letters.")
def _(reply: Reply, call: Call) -> Reply:
    kind, semicolon, rest = reply.media_type.partition(";")
    return replace(reply, media_type=kind.title() + semicolon + rest)


@VARIATIONS.reply("extra-headers", "A gateway adds headers of its own.")
def _(reply: Reply, call: Call) -> Reply:
    added = (("Via", "1.1 gateway"), ("X-Served-By", "node-7"), ("Server-Timing", "asr;dur=12"))
    return replace(reply, headers=reply.headers + added)


@VARIATIONS.reply("cache-private", "The client itself may keep an answer for a minute.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, headers=(*reply.headers, ("cache-control", "private, max-age=60")))


@VARIATIONS.body("language-as-code", "verbose_json gives the language's code.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    return body | {"language": _CODES.get(body["language"], body["language"])}


@VARIATIONS.body("language-as-name", "verbose_json gives the language's name.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    return body | {"language": LANGUAGES.get(body["language"], body["language"])}


@VARIATIONS.body("usage-seconds-exact", "usage.seconds has a fraction.", on=_TRANSCRIPTS)
def _(body: Any, call: Call) -> Any:
    usage = body.get("usage", {})
    if "seconds" in usage and "duration" in body:
        usage["seconds"] = body["duration"]
    elif "seconds" in usage:
        usage["seconds"] = float(usage["seconds"])
    return body


@VARIATIONS.body("no-usage-in-verbose", "verbose_json has no usage.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    body.pop("usage", None)
    return body


@VARIATIONS.body("duration-single-precision", "duration was a 32-bit float.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    (single,) = struct.unpack("<f", struct.pack("<f", body["duration"]))
    return body | {"duration": single}


@VARIATIONS.body("whole-numbers-bare", "Whole numbers are written without a point: 10, not 10.0.")
def _(body: Any, call: Call) -> Any:
    return _mapped(body, lambda one: int(one) if isinstance(one, float) and one % 1 == 0 else one)


@VARIATIONS.body("logprob-bytes-with-point", "bytes are written as 72.0.", on=("json",))
def _(body: Any, call: Call) -> Any:
    for entry in body.get("logprobs", []):
        entry["bytes"] = [float(one) for one in entry["bytes"]]
    return body


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a JSON value with every number, text and constant changed."""
    if isinstance(value, dict):
        return {key: _mapped(one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [_mapped(one, change) for one in value]
    return change(value)


@VARIATIONS.body("segment-ids-from-one", "Ids of segments begin at 1.", on=_VERBOSE)
def _(body: Any, call: Call) -> Any:
    for segment in body.get("segments") or []:
        segment["id"] += 1
    return body


@VARIATIONS.body("models-created-zero", "Models do not know when they were made.", on=_LISTED)
def _(body: Any, call: Call) -> Any:
    for entry in body.get("data", [body]):
        entry["created"] = 0
    return body


@VARIATIONS.body("segments-without-blanks", "Texts of segments have no leading blank.")
def _(body: Any, call: Call) -> Any:
    for segment in body.get("segments") or []:
        segment["text"] = segment["text"].strip()
    return body


@VARIATIONS.reply("text-without-newline", "text does not end in a newline.", on=("text",))
def _(reply: Reply, call: Call) -> Reply:
    if reply.media_type == "application/json":
        return reply
    return reply.with_text(reply.text.rstrip("\n"))


@VARIATIONS.reply("subtitles-crlf", "Subtitles end their lines with CR LF.", on=("srt", "vtt"))
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(reply.text.replace("\n", "\r\n"))


@VARIATIONS.reply("vtt-short-times", "vtt drops hours that are 0.", on=("vtt",))
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(reply.text.replace(" 00:", " ").replace("\n00:", "\n"))
