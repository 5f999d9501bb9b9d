"""A transcript in the documented response formats; every figure comes from the transcript."""

import math
import zlib
from collections.abc import Sequence
from typing import Any

from soundcheck.reference.languages import LANGUAGES, UNDECIDED
from soundcheck.reference.parameters import Request
from soundcheck.reference.speakers import speakers
from soundcheck.reference.tokens import audio_tokens, segment_texts, tokens
from soundcheck.reference.transcript import Segment, Transcript

# The encoder's window: 30 s; `seek` counts frames of 10 ms.
WINDOW_SECONDS = 30
FRAMES_PER_SECOND = 100

Json = dict[str, Any]


def duration_usage(transcript: Transcript) -> Json:
    """Return usage by time: whole seconds, rounded up."""
    return {"type": "duration", "seconds": math.ceil(transcript.duration)}


def token_usage(transcript: Transcript, request: Request) -> Json:
    """Return usage by tokens; the audio and the prompt are its input."""
    audio, prompt = audio_tokens(transcript.duration), len(tokens(request.prompt))
    output = len(tokens(transcript.text))
    return {
        "type": "tokens",
        "total_tokens": audio + prompt + output,
        "input_tokens": audio + prompt,
        "input_token_details": {"text_tokens": prompt, "audio_tokens": audio},
        "output_tokens": output,
    }


def language_code(transcript: Transcript, request: Request) -> str:
    """Return the language asked for, else the one detected."""
    return request.language or transcript.language or UNDECIDED


def language_name(transcript: Transcript, request: Request) -> str:
    """Return the English name of ``language_code``."""
    return LANGUAGES[language_code(transcript, request)]


def languages(transcript: Transcript) -> list[Json]:
    """Return the languages detected, in the order in which they are heard."""
    heard = dict.fromkeys(segment.language for segment in transcript.segments)
    return [{"code": code} for code in heard]


def seconds(value: float) -> float:
    """Return a time in seconds, rounded to milliseconds."""
    return round(value, 3)


def verbose_segments(transcript: Transcript, temperature: float) -> list[Json]:
    """Return the segments of verbose_json with all ten members.

    ``tokens`` are the bytes of the text in UTF-8; ``compression_ratio`` is the text's length over
    its length under zlib; ``avg_logprob`` is the logarithm of the recognizer's confidence;
    ``no_speech_prob`` is the share of the segment that no word covers.
    """
    return [
        {
            "id": index,
            "seek": int(segment.start // WINDOW_SECONDS) * WINDOW_SECONDS * FRAMES_PER_SECOND,
            "start": seconds(segment.start),
            "end": seconds(segment.end),
            "text": text,
            "tokens": list(text.encode()),
            "temperature": temperature,
            "avg_logprob": logprob(segment),
            "compression_ratio": _compression_ratio(text),
            "no_speech_prob": _uncovered(segment),
        }
        for index, (segment, text) in enumerate(
            zip(transcript.segments, segment_texts(transcript), strict=True)
        )
    ]


def words(transcript: Transcript) -> list[Json]:
    """Return the words of verbose_json, each with its times."""
    return [
        {"word": word.text, "start": seconds(word.start), "end": seconds(word.end)}
        for segment in transcript.segments
        for word in segment.words
    ]


def logprobs(transcript: Transcript) -> list[Json]:
    """Return an entry per token: its text, log probability and bytes."""
    return [
        entry
        for segment, text in zip(transcript.segments, segment_texts(transcript), strict=True)
        for entry in segment_logprobs(segment, text)
    ]


def segment_logprobs(segment: Segment, text: str) -> list[Json]:
    """Return the entries of one segment; ``text`` is what it adds to the whole text."""
    return [
        {"token": token, "logprob": logprob(segment), "bytes": list(token.encode())}
        for token in tokens(text)
    ]


def diarized_segments(
    transcript: Transcript, known: Sequence[tuple[str, float]] = ()
) -> list[Json]:
    """Return the segments of diarized_json; ``known`` as for ``speakers``."""
    labels = speakers(transcript.segments, known)
    return [
        diarized_segment(segment, text, number, label)
        for number, (segment, text, label) in enumerate(
            zip(transcript.segments, segment_texts(transcript), labels, strict=True), 1
        )
    ]


def diarized_segment(segment: Segment, text: str, number: int, label: str) -> Json:
    """Return one segment of diarized_json, the ``number``-th from 1, spoken by ``label``."""
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{number:03d}",
        "start": seconds(segment.start),
        "end": seconds(segment.end),
        "text": text,
        "speaker": label,
    }


def srt(transcript: Transcript) -> str:
    """Return SubRip subtitles, a cue per segment."""
    return "".join(
        f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n{segment.text}\n\n"
        for number, segment in enumerate(transcript.segments, 1)
    )


def vtt(transcript: Transcript) -> str:
    """Return WebVTT subtitles, a cue per segment."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{_cue(segment.text)}\n\n"
        for segment in transcript.segments
    )


def logprob(segment: Segment) -> float:
    """Return the logarithm of the recognizer's confidence in a segment (at most 0)."""
    return min(0.0, round(math.log(max(segment.confidence, 1e-9)), 6))


def _compression_ratio(text: str) -> float:
    data = text.encode()
    return round(len(data) / len(zlib.compress(data)), 6)


def _uncovered(segment: Segment) -> float:
    length = segment.end - segment.start
    if length <= 0:
        return 0.0
    covered = sum(word.end - word.start for word in segment.words)
    return round(min(1.0, max(0.0, 1 - covered / length)), 6)


def _clock(value: float, point: str) -> str:
    milliseconds = round(value * 1000)
    hours, milliseconds = divmod(milliseconds, 3_600_000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    whole, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{point}{milliseconds:03d}"


def _cue(text: str) -> str:
    """Escape what WebVTT would read as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
