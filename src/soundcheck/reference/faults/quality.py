"""Faults in what is heard, and when (area QUALITY)."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from soundcheck.audio.clip import Word
from soundcheck.audio.phrases import join_words
from soundcheck.reference.faults.hooks import Call, Fault, Registry
from soundcheck.reference.faults.signatures import wav_format
from soundcheck.reference.transcript import Segment, Transcript

FAULTS = Registry(Fault)

_WINDOW = 30.0
_SMALL = 2**21
"""Bytes of a file whose samples a fault looks at: those of short clips."""

_LONG = 4.0
"""Seconds that tell a clip of ten seconds from one of a sentence."""


def _said(text: str, like: Transcript) -> Transcript:
    """Return a transcript of nothing but ``text``, in the time of another one."""
    segment = Segment(0.0, like.duration, text, "en", (), 120.0, 0.5)
    return replace(like, segments=(segment,))


def _of_words(segment: Segment, words: Sequence[Word]) -> Segment:
    text = join_words([word.text for word in words])
    return replace(segment, words=tuple(words), text=text)


def _moved(segment: Segment, seconds: float) -> Segment:
    words = tuple(
        replace(word, start=word.start + seconds, end=word.end + seconds) for word in segment.words
    )
    return replace(segment, start=segment.start + seconds, end=segment.end + seconds, words=words)


@FAULTS.hear("loses-every-fifth-word", "Every fifth word is lost.")
def _(transcript: Transcript, call: Call) -> Transcript:
    at = 0
    kept = []
    for segment in transcript.segments:
        words = [word for place, word in enumerate(segment.words, at) if place % 5 != 4]
        at += len(segment.words)
        kept.append(_of_words(segment, words))
    return replace(transcript, segments=tuple(kept))


@FAULTS.hear("translates-to-english", "Other languages are translated into English.")
def _(transcript: Transcript, call: Call) -> Transcript:
    foreign = transcript.language in ("de", "fr", "es")
    return _said("Somebody buys fresh bread.", transcript) if foreign else transcript


@FAULTS.hear("hears-nothing", "Speech is taken for silence.")
def _(transcript: Transcript, call: Call) -> Transcript:
    return replace(transcript, segments=())


@FAULTS.hear("same-text-for-all", "Every file gets the same text.")
def _(transcript: Transcript, call: Call) -> Transcript:
    return _said("Thank you for your attention.", transcript)


@FAULTS.hear("answers-swapped", "One file is answered with the text of another.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if transcript.language != "en" or transcript.duration < _LONG:
        return transcript
    return _said("The children are playing in the garden behind the house.", transcript)


@FAULTS.hear("loses-end-of-long-speech", "Of more than a minute, the last sentence is lost.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if transcript.duration <= 60:
        return transcript
    return replace(transcript, segments=transcript.segments[:-1])


@FAULTS.hear("loses-second-minute", "The second minute is lost.")
def _(transcript: Transcript, call: Call) -> Transcript:
    kept = tuple(one for one in transcript.segments if not 60 <= one.start < 120)
    return replace(transcript, segments=kept)


@FAULTS.hear("doubles-words-at-cuts", "The last words before a cut come again behind it.")
def _(transcript: Transcript, call: Call) -> Transcript:
    segments: list[Segment] = []
    for segment in transcript.segments:
        earlier = segments[-1] if segments else None
        if earlier and earlier.start // _WINDOW != segment.start // _WINDOW:
            twice = join_words([word.text for word in earlier.words[-2:]])
            segment = replace(segment, text=join_words([twice, segment.text]))
        segments.append(segment)
    return replace(transcript, segments=tuple(segments))


@FAULTS.body("verbose-loses-words", "verbose_json lacks words of json.", on=("verbose_json",))
def _(body: Any, call: Call) -> Any:
    words = body["text"].split()
    return body | {"text": " ".join(words[:-2])}


@FAULTS.hear("flac-cut-short", "The last word of a FLAC file is lost.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if call.upload.head(4) != b"fLaC" or not transcript.segments:
        return transcript
    *others, last = transcript.segments
    return replace(transcript, segments=(*others, _of_words(last, last.words[:-1])))


def _rewrite_wav(name: str, sentence: str, change: Callable[[bytearray], None]) -> None:
    """Declare a fault in reading WAVE files with a header of 44 bytes: they are changed before."""

    def rewrite(data: bytes) -> bytes:
        if wav_format(data[:64]) is None or data[36:40] != b"data":
            return data
        changed = bytearray(data)
        change(changed)
        return bytes(changed)

    FAULTS.add(name, sentence, rewrite=rewrite)


def _take_for_16khz(data: bytearray) -> None:
    data[24:28] = struct.pack("<I", 16_000)


def _take_for_mono(data: bytearray) -> None:
    data[22:24] = struct.pack("<H", 1)
    width = struct.unpack_from("<H", data, 34)[0] // 8
    data[32:34] = struct.pack("<H", width)


def _only_channel(number: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        channels, bits = (
            struct.unpack_from("<H", data, 22)[0],
            struct.unpack_from("<H", data, 34)[0],
        )
        if (channels, bits) != (2, 16):
            return
        end = 44 + (len(data) - 44) // 4 * 4
        # The server's own process holds no numpy: a slice of bytes does, too.
        for byte in (0, 1):
            heard = data[44 + 2 * number + byte : end : 4]
            data[44 + byte : end : 4] = heard
            data[46 + byte : end : 4] = heard

    return change


_rewrite_wav("ignores-sample-rate", "WAVE is read as if it had 16 kHz.", _take_for_16khz)
_rewrite_wav("ignores-channel-count", "WAVE is read as if it were mono.", _take_for_mono)
_rewrite_wav("left-channel-only", "Of stereo, only the left channel is heard.", _only_channel(0))
_rewrite_wav("right-channel-only", "Of stereo, only the right channel is heard.", _only_channel(1))


def _peak(call: Call) -> float | None:
    """Return the largest sample of a short 16-bit WAVE file, full scale 1; else None."""
    wav = wav_format(call.upload.head(64))
    if wav is None or wav.bits != 16 or call.upload.size > _SMALL:
        return None
    data = call.upload.path.read_bytes()[44:]
    samples = struct.unpack(f"<{len(data) // 2}h", data[: len(data) // 2 * 2])
    return max(map(abs, samples), default=0) / 32_768


@FAULTS.hear("quiet-taken-for-silence", "Quiet speech is taken for silence.")
def _(transcript: Transcript, call: Call) -> Transcript:
    peak = _peak(call)
    return replace(transcript, segments=()) if peak is not None and peak < 0.2 else transcript


@FAULTS.hear("loud-taken-for-noise", "Loud speech is taken for noise.")
def _(transcript: Transcript, call: Call) -> Transcript:
    peak = _peak(call)
    return replace(transcript, segments=()) if peak is not None and peak > 0.8 else transcript


@FAULTS.hear("leading-silence-loses-words", "After a second of silence the first words are lost.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if not transcript.segments or transcript.segments[0].start < 1.0:
        return transcript
    first, *others = transcript.segments
    return replace(transcript, segments=(_of_words(first, first.words[4:]), *others))


@FAULTS.hear("times-from-first-word", "Times count from the first word.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if not transcript.segments:
        return transcript
    begin = transcript.segments[0].start
    return replace(transcript, segments=tuple(_moved(s, -begin) for s in transcript.segments))


@FAULTS.hear("times-drift", "Times run ahead by 0.9 s with every 30 s.")
def _(transcript: Transcript, call: Call) -> Transcript:
    drifting = (_moved(one, 0.9 * (one.start // _WINDOW)) for one in transcript.segments)
    return replace(transcript, segments=tuple(drifting))


@FAULTS.hear("stops-at-first-pause", "What follows a pause of a second is lost.")
def _(transcript: Transcript, call: Call) -> Transcript:
    return replace(transcript, segments=transcript.segments[:1])


@FAULTS.hear("tags-in-text", "A tag's title stands in the text.")
def _(transcript: Transcript, call: Call) -> Transcript:
    tagged = call.upload.head(3) == b"ID3"
    return _said(f"Greetings to all: {transcript.text}", transcript) if tagged else transcript


@FAULTS.hear("file-name-in-text", "The file's name stands in the text.")
def _(transcript: Transcript, call: Call) -> Transcript:
    stem = PurePosixPath(call.upload.filename).stem
    return _said(f"{stem}: {transcript.text}", transcript)


@FAULTS.hear("hallucinates-on-silence", "Where nobody speaks, a closing phrase is heard.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if transcript.segments or (_peak(call) or 0.0) > 0.0:
        return transcript
    return _said("Thanks for watching, and see you in the next video.", transcript)


@FAULTS.hear("loops-on-noise", "Where nobody speaks, one phrase is heard again and again.")
def _(transcript: Transcript, call: Call) -> Transcript:
    if transcript.segments or not (_peak(call) or 0.0) > 0.0:
        return transcript
    return _said("Thank you. " * 4, transcript)
