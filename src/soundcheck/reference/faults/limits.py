"""Faults of the limits on size and length (area LIMIT)."""

import json
from dataclasses import replace
from typing import Any

from soundcheck.reference.faults.hooks import Action, Call, Fault, Registry, Reply
from soundcheck.reference.limits import Limits
from soundcheck.reference.refusal import Kind
from soundcheck.reference.transcript import Segment, Transcript

FAULTS = Registry(Fault)

_MIB25 = 25 * 2**20
_PCM_SECOND = 96_000 * 3 * 2  # 24-bit stereo at 96 kHz, as a studio would have it


@FAULTS.limit("limit-20mb", "The size limit is 20,000,000 bytes.")
def _(limits: Limits) -> Limits:
    return replace(limits, max_file=20_000_000, counts="file")


@FAULTS.limit("limit-25-million", "The size limit is 25,000,000 bytes of the file.")
def _(limits: Limits) -> Limits:
    return replace(limits, max_file=25_000_000, counts="file")


@FAULTS.limit("limit-one-less", "A file must be smaller than the limit.")
def _(limits: Limits) -> Limits:
    return replace(limits, max_file=_MIB25 - 1, counts="file")


@FAULTS.limit("limit-none", "A file of any size is accepted.")
def _(limits: Limits) -> Limits:
    return replace(limits, max_file=None)


@FAULTS.limit("oversize-cut", "A file that is too large is cut, and its beginning transcribed.")
def _(limits: Limits) -> Limits:
    return replace(limits, max_file=_MIB25, counts="file", cuts=True)


@FAULTS.refuse("limit-erratic", "Some sizes below the limit are refused.")
def _(call: Call) -> bool:
    return 25_100_000 < call.upload.size <= 26_100_000


def _envelope(message: str, **members: Any) -> str:
    error = {"message": message, "type": "server_error", "param": None, "code": None}
    return json.dumps({"error": error, **members})


@FAULTS.oversize("oversize-500", "A file that is too large gives status 500.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply.with_text(_envelope("The server failed.")), status=500)


def _action(name: str, sentence: str, action: Action) -> None:
    """Declare what is done to the connection when a file is too large."""

    @FAULTS.oversize(name, sentence)
    def _(reply: Reply, call: Call) -> Reply:
        return replace(reply, action=action)


_action("oversize-reset", "The connection breaks when a file is too large.", "reset")
_action("oversize-hangs", "A file that is too large is never answered.", "hang")
_action("oversize-dies", "The deployment dies of a file that is too large.", "die")


@FAULTS.oversize("oversize-html", "A gateway's web page tells that a file is too large.")
def _(reply: Reply, call: Call) -> Reply:
    page = "<html><head><title>413 Request Entity Too Large</title></head></html>"
    return replace(reply.with_text(page), status=413, media_type="text/html")


@FAULTS.oversize("oversize-unexplained", "A file that is too large is refused without a reason.")
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text(_envelope("Bad request."))


@FAULTS.oversize("oversize-400", "A file that is too large gives status 400.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, status=400)


@FAULTS.oversize("oversize-billed", "The refusal of a file that is too large is billed.")
def _(reply: Reply, call: Call) -> Reply:
    body = json.loads(reply.text)
    return reply.with_text(json.dumps(body | {"usage": {"type": "duration", "seconds": 10}}))


def _refuses_expect(reply: Reply, call: Call) -> Reply:
    if not call.expects:
        return reply
    return replace(reply.with_text(_envelope("Expectation failed.")), status=417)


FAULTS.add(
    "expect-refused",
    "Every request that asks for leave (Expect: 100-continue) is refused.",
    reply=_refuses_expect,
)


@FAULTS.oversize("oversize-unread", "An over-large upload is answered and left unread.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, action="close")


def _near_limit(reply: Reply, call: Call) -> Reply:
    file = call.form.file if call.form is not None else None
    if file is None or file.size <= _MIB25 - 1000:
        return reply
    return replace(reply.with_text(_envelope("The server failed.")), status=500)


FAULTS.add(
    "near-limit-500",
    "A request just above the limit, whose file is below it, gives status 500.",
    limit=lambda limits: replace(limits, counts="file"),
    reply=_near_limit,
)


def _seconds(reply: Reply) -> float:
    """Return the duration that a successful answer counts as usage."""
    if reply.status != 200 or reply.media_type != "application/json":
        return 0.0
    usage = json.loads(reply.text).get("usage") or {}
    return float(usage.get("seconds", 0.0))


@FAULTS.reply("limit-on-decoded-audio", "The size limit counts the decoded audio.")
def _(reply: Reply, call: Call) -> Reply:
    if _seconds(reply) * _PCM_SECOND <= _MIB25:
        return reply
    return replace(reply.with_text(_envelope("The file is too large.")), status=413)


@FAULTS.reply("refuses-after-300s", "Audio of more than 300 seconds is refused.")
def _(reply: Reply, call: Call) -> Reply:
    if _seconds(reply) <= 300:
        return reply
    return replace(reply.with_text(_envelope("The file is too large.")), status=400)


@FAULTS.hear("hears-30s", "Only the first 30 seconds are transcribed.")
def _(transcript: Transcript, call: Call) -> Transcript:
    first = tuple(segment for segment in transcript.segments if segment.start < 30)
    return replace(transcript, segments=first)


@FAULTS.hear("loses-last-segment", "The last sentence of a file is lost.")
def _(transcript: Transcript, call: Call) -> Transcript:
    return replace(transcript, segments=transcript.segments[:-1])


@FAULTS.error("too-long-unexplained", "Audio that is too long is refused without a reason.")
def _(reply: Reply, call: Call) -> Reply:
    if call.refused is not Kind.TOO_LONG:
        return reply
    return reply.with_text(_envelope("Bad request."))


@FAULTS.error("too-long-cut", "Of audio that is too long, the first sentence is transcribed.")
def _(reply: Reply, call: Call) -> Reply:
    if call.refused is not Kind.TOO_LONG:
        return reply
    text = json.dumps({"text": "The children are playing in the garden behind the house."})
    return replace(reply.with_text(text), status=200)


@FAULTS.error("short-500", "Audio that is too short gives status 500.")
def _(reply: Reply, call: Call) -> Reply:
    if call.refused is not Kind.TOO_SHORT:
        return reply
    return replace(reply.with_text(_envelope("The server failed.")), status=500)


@FAULTS.hear("short-invents", "Almost no audio gives sentences that nobody said.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if transcript.duration >= 0.1:
        return transcript
    text = "Thank you for watching and please subscribe to our channel for more of this."
    invented = Segment(0.0, 2.0, text, "en", (), 120.0, 0.5)
    return replace(transcript, duration=2.0, segments=(invented,))
