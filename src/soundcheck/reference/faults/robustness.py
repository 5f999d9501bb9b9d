"""Faults at files that are empty, damaged or lying, and of memory (area ROBUST)."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from soundcheck.reference.faults.hooks import Call, Fault, Registry, Reply
from soundcheck.reference.refusal import Kind
from soundcheck.reference.transcript import Segment, Transcript

FAULTS = Registry(Fault)

INVENTED = "Thank you for watching and please subscribe to our channel for more of this."

Concern = Callable[[Path], bool]
"""Tells whether a fault is about the file that was uploaded."""


def failed(reply: Reply) -> Reply:
    """Return the answer of a server that failed."""
    error = {"message": "The server failed.", "type": "server_error", "param": None, "code": None}
    return replace(reply.with_text(json.dumps({"error": error})), status=500)


def _text(text: str) -> Callable[[Reply], Reply]:
    """Return what answers a success with this text."""
    body = json.dumps({"text": text})
    return lambda reply: replace(reply.with_text(body), status=200)


def _about(name: str, sentence: str, concerns: Concern, change: Callable[[Reply], Reply]) -> None:
    """Declare a fault that changes every answer about files that it ``concerns``."""

    def hook(reply: Reply, call: Call) -> Reply:
        file = call.form.file if call.form is not None else None
        return change(reply) if file is not None and concerns(file.path) else reply

    FAULTS.add(name, sentence, reply=hook)


def _hears(name: str, sentence: str, concerns: Concern, *segments: Segment) -> None:
    """Declare a fault that hears only ``segments`` in files that it ``concerns``."""

    @FAULTS.hear(name, sentence)
    def _(transcript: Transcript, call: Call) -> Transcript:
        concerned = concerns(call.upload.path)
        return replace(transcript, segments=segments) if concerned else transcript


# -- empty ----------------------------------------------------------------------------------------

_HEADER = 44


def _is_empty(path: Path) -> bool:
    return path.stat().st_size == 0


def _has_no_samples(path: Path) -> bool:
    return path.stat().st_size == _HEADER and path.read_bytes().startswith(b"RIFF")


_about("empty-file-500", "An empty file gives status 500.", _is_empty, failed)
_about("empty-file-invents", "An empty file is given a text.", _is_empty, _text(INVENTED))
_about("no-samples-invents", "A file of no sample has a text.", _has_no_samples, _text(INVENTED))


# -- damaged --------------------------------------------------------------------------------------


_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}


def _is_damaged(path: Path) -> bool:
    """Tell whether a decoder that passes over nothing stumbles; the file may be no audio at all."""
    import av  # the process that answers holds no decoders unless this fault asks for one

    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            container.streams.audio[0].codec_context.options = _STRICT
            for packet in container.demux(audio=0):
                packet.decode()
    except (av.FFmpegError, OSError, EOFError, ValueError, IndexError, AttributeError):
        return True
    return False


def _is_short(path: Path) -> bool:
    """Tell whether a WAV file ends before its header says."""
    head = path.read_bytes()[:_HEADER]
    return head.startswith(b"RIFF") and path.stat().st_size < _claim(head, "<I", 40)


def _claim(head: bytes, form: str, at: int) -> int:
    """Return what a plain WAV header says at a place; 0 where it is shorter."""
    if len(head) < _HEADER:
        return 0
    value: int = struct.unpack_from(form, head, at)[0]
    return value


_invented = Segment(0.0, 1.0, INVENTED, "en", (), 120.0, 0.5)

_about("damaged-500", "A damaged file gives status 500.", _is_damaged, failed)
_about("short-file-500", "A WAV file that is cut off gives status 500.", _is_short, failed)
_hears("damaged-invents", "A damaged file is given a text of its own.", _is_damaged, _invented)
_hears("damaged-empty", "A damaged file is given an empty text.", _is_damaged)
_about(
    "damaged-dropped",
    "A damaged file ends the connection.",
    _is_damaged,
    lambda reply: replace(reply, action="reset"),
)


@FAULTS.error("unreadable-empty", "A file that cannot be read is given an empty text.")
def _(reply: Reply, call: Call) -> Reply:
    return _text("")(reply) if call.refused is Kind.UNDECODABLE else reply


# -- headers that lie -----------------------------------------------------------------------------


def _wav(path: Path) -> bytes:
    """Return the header of a WAV file, of zeros for any other."""
    with path.open("rb") as file:
        head = file.read(_HEADER)
    return head if head.startswith(b"RIFF") and len(head) == _HEADER else bytes(_HEADER)


def _has_wrong_length(path: Path) -> bool:
    head = _wav(path)
    return head[:4] == b"RIFF" and _claim(head, "<I", 40) != path.stat().st_size - _HEADER


def _is_streamed(path: Path) -> bool:
    head = _wav(path)
    return head[:4] == b"RIFF" and _claim(head, "<I", 40) in (0, 0xFFFF_FFFF)


def _has_wild_rate(path: Path) -> bool:
    head = _wav(path)
    return head[:4] == b"RIFF" and not 4_000 <= _claim(head, "<I", 24) <= 192_000


def _has_wild_channels(path: Path) -> bool:
    head = _wav(path)
    return head[:4] == b"RIFF" and not 1 <= _claim(head, "<H", 22) <= 32


def _refused(reply: Reply) -> Reply:
    return replace(failed(reply), status=400)


_about("wav-length-500", "A wrong length in a header gives 500.", _has_wrong_length, failed)
_about("wav-length-refused", "A WAV file must say its length.", _is_streamed, _refused)
_hears("wav-length-trusted", "A WAV file holds as much as its header says.", _is_streamed)
_about("wild-rate-500", "A wild sample rate gives status 500.", _has_wild_rate, failed)
_about(
    "wild-channels-dies",
    "The deployment dies of too many channels.",
    _has_wild_channels,
    lambda reply: replace(reply, action="die"),
)


# -- the same again, and memory -------------------------------------------------------------------


@FAULTS.hear("text-varies", "Every second time the last word is left out.")
def _(transcript: Transcript, call: Call) -> Transcript:
    call.memory["asked"] = call.memory.get("asked", 0) + 1
    if call.memory["asked"] % 2 or not transcript.segments:
        return transcript
    *first, last = transcript.segments
    shorter = replace(last, text=last.text.rpartition(" ")[0])
    return replace(transcript, segments=(*first, shorter))


@FAULTS.hear("remembers-audio", "Silence is given what was said before.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if not transcript.segments:
        return replace(transcript, segments=call.memory.get("said", ()))
    call.memory["said"] = transcript.segments
    return transcript


@FAULTS.hear("remembers-prompt", "Silence is given the prompt before.")
def _(transcript: Transcript, call: Call) -> Transcript:
    prompt = call.form.get("prompt") if call.form is not None else None
    if not transcript.segments and "prompt" in call.memory:
        told = replace(_invented, text=call.memory["prompt"])
        return replace(transcript, segments=(told,))
    if prompt:
        call.memory["prompt"] = prompt
    return transcript
