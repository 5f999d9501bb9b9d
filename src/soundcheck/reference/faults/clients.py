"""Faults at clients that are slow, leave or come in numbers, at bombs and lures (area ROBUST)."""

import re
import time
import urllib.request
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from soundcheck.reference.faults.hooks import Call, Fault, Registry, Reply
from soundcheck.reference.faults.robustness import failed
from soundcheck.reference.transcript import Transcript

FAULTS = Registry(Fault)


def _down(reply: Reply) -> Reply:
    """Return the answer of a server that takes no more."""
    return replace(failed(reply), status=503)


# -- files that name another place, and small files that hold a lot -------------------------------

_PLACE = re.compile(rb"http://127\.0\.0\.1:\d+/[\w./-]*")


def _follows(data: bytes) -> bytes:
    place = _PLACE.search(data)
    if place is not None:
        with suppress(OSError):
            urllib.request.urlopen(place[0].decode(), timeout=2).close()  # noqa: S310  # matched
    return data


FAULTS.add("follows-references", "What an uploaded file names is fetched.", rewrite=_follows)

_LONG_SECONDS = 3_000
_MANY_SAMPLES = 50_000_000


def _is_bomb(path: Path) -> bool:
    """Tell whether a FLAC file says of itself that it holds hours, or very many samples."""
    with path.open("rb") as file:
        head = file.read(26)
    if not head.startswith(b"fLaC"):
        return False
    packed = int.from_bytes(head[18:26], "big")
    rate, channels, samples = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    return samples > _LONG_SECONDS * max(rate, 1) or samples * channels > _MANY_SAMPLES


@FAULTS.error("bomb-500", "Hours of silence give status 500.")
def _(reply: Reply, call: Call) -> Reply:
    return failed(reply) if call.form and call.form.file and _is_bomb(call.upload.path) else reply


def _exhausted(reply: Reply, call: Call) -> Reply:
    if call.form is not None and call.form.file is not None and _is_bomb(call.upload.path):
        call.memory["exhausted"] = True
        return reply
    return _down(reply) if "exhausted" in call.memory else reply


FAULTS.add("bomb-exhausts", "After a small file that holds a lot none is served.", reply=_exhausted)


# -- slow clients, and such as leave --------------------------------------------------------------

_LARGE = 1_000_000
_SLOW_SECONDS = 0.5


def _dropped(reply: Reply, call: Call) -> Reply:
    slow = call.length > _LARGE and call.read_s > _SLOW_SECONDS
    return replace(reply, action="reset") if slow else reply


FAULTS.add("slow-upload-dropped", "A slow upload ends the connection.", reply=_dropped)


def _begins(call: Call) -> None:
    if call.length > _LARGE:
        call.memory["reading"] = True


def _blocked(reply: Reply, call: Call) -> Reply:
    if call.length > _LARGE:
        call.memory["reading"] = False
        return reply
    return _down(reply) if call.memory.get("reading") else reply


FAULTS.add(
    "slow-upload-blocks",
    "While a large file is uploaded nothing else is served.",
    arrive=_begins,
    reply=_blocked,
)

_PLACES = 4


def _left(call: Call) -> None:
    call.memory["left"] = call.memory.get("left", 0) + 1


def _without_place(reply: Reply, call: Call) -> Reply:
    return _down(reply) if call.memory.get("left", 0) >= _PLACES else reply


def _unheard(transcript: Transcript, call: Call) -> Transcript:
    return replace(transcript, segments=()) if "left" in call.memory else transcript


FAULTS.add(
    "leaving-exhausts",
    "A client that leaves keeps its place, and there are four.",
    left=_left,
    reply=_without_place,
)
FAULTS.add(
    "leaving-deafens",
    "After a client has left nothing is heard any more.",
    left=_left,
    hear=_unheard,
)


# -- many clients at once -------------------------------------------------------------------------


def _swapped(transcript: Transcript, call: Call) -> Transcript:
    """Return what was said in the file before."""
    before: Transcript = call.memory.get("before", transcript)
    call.memory["before"] = transcript
    return before


def _swapped_in_streams(transcript: Transcript, call: Call) -> Transcript:
    streamed = call.request is not None and call.request.stream
    return _swapped(transcript, call) if streamed else transcript


def _mixed(transcript: Transcript, call: Call) -> Transcript:
    before = _swapped(transcript, call)
    if before is transcript or before.segments == transcript.segments:
        return transcript
    return replace(transcript, segments=transcript.segments + before.segments)


FAULTS.add("cross-talk", "A client is given the text of another.", hear=_swapped)
FAULTS.add("cross-talk-in-streams", "A stream has another's text.", hear=_swapped_in_streams)
FAULTS.add("cross-talk-mixed", "The text of another is added to each.", hear=_mixed)

_MANY, _WINDOW = 32, 20.0


def _is_crowded(call: Call) -> bool:
    """Tell whether more than MANY requests have come within WINDOW seconds."""
    times = call.memory.setdefault("times", deque())
    now = time.monotonic()
    times.append(now)
    while times[0] < now - _WINDOW:
        times.popleft()
    return len(times) > _MANY


@FAULTS.reply("overload-500", "Too many requests give status 500.")
def _(reply: Reply, call: Call) -> Reply:
    return failed(reply) if _is_crowded(call) else reply


@FAULTS.reply("overload-cuts", "With too many requests texts are cut.")
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text('{"text": ""}') if _is_crowded(call) else reply


@FAULTS.reply("overload-lasts", "After too many requests none is served for long.")
def _(reply: Reply, call: Call) -> Reply:
    return _down(reply) if _is_crowded(call) else reply
