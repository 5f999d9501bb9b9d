"""What a transcript becomes on the wire, format by format and dialect by dialect."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.audio.phrases import split_words
from soundcheck.audio.speech import Word
from soundcheck.reference import rendering
from soundcheck.reference.dialects import Dialect, dialect
from soundcheck.reference.eventstream import encode
from soundcheck.reference.parameters import Request
from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.speakers import speakers
from soundcheck.reference.tokens import first_tokens, segment_texts, tokens
from soundcheck.reference.transcript import Segment, Transcript, hearing
from soundcheck.reference.upload import Form, Upload

FILE = Upload(Path("unread"), 100, "clip.wav", "audio/wav")
OPENAI = dialect("openai")
VLLM = dialect("vllm")
TIMING = re.compile(r"(\d\d):(\d\d):(\d\d)[,.](\d{3}) --> (\d\d):(\d\d):(\d\d)[,.](\d{3})")


def segment(text: str, start: float, pitch: float = 200.0, language: str = "en") -> Segment:
    """Return a segment whose words take 0.3 s each, with gaps of 0.1 s."""
    words = tuple(
        Word(word, start + 0.4 * index, start + 0.4 * index + 0.3)
        for index, word in enumerate(split_words(text))
    )
    return Segment(start, words[-1].end, text, language, words, pitch, 0.8)


def transcript(*segments: Segment, duration: float | None = None) -> Transcript:
    end = segments[-1].end + 0.25 if segments else 3.0
    language = segments[0].language if segments else None
    return Transcript(duration or end, language, segments)


HELLO = transcript(segment("Hello World.", 0.3), duration=1.2)
LONG = transcript(segment("One two three.", 1.0), segment("Four five.", 31.0), duration=40.5)
CHINESE = transcript(segment("今天天气很好。", 0.2, language="zh"))
SILENCE = transcript(duration=10.0)


def ask(served: Dialect, model: str = "whisper-large-v3", *more: tuple[str, str]) -> Request:
    return served.request(Form((("model", model), *more), FILE))


def answer(served: Dialect, heard: Transcript, model: str, *more: tuple[str, str]) -> Any:
    return served.answer(heard, ask(served, model, *more), ()).value


def verbose(served: Dialect, heard: Transcript, *more: tuple[str, str]) -> Any:
    asked = ("response_format", "verbose_json")
    return answer(served, heard, "whisper-large-v3", asked, *more)


def events(served: Dialect, heard: Transcript, model: str, *more: tuple[str, str]) -> list[Any]:
    request = ask(served, model, ("stream", "true"), *more)

    async def sent() -> list[bytes]:
        return [one async for one in encode(served.stream(hearing(heard), request, (), "req_1"))]

    frames = asyncio.run(sent())
    assert all(frame.startswith(b"data: ") and frame.endswith(b"\n\n") for frame in frames)
    return [frame[6:-2].decode() for frame in frames]


texts = st.lists(st.text("abcdefgä.", min_size=1, max_size=8), min_size=1, max_size=6)
transcripts = st.lists(st.tuples(texts, st.floats(0, 40)), max_size=4).map(
    lambda drawn: transcript(
        *[
            segment(" ".join(words), at, pitch=100 + 7 * at)
            for words, at in sorted(drawn, key=lambda pair: pair[1])
        ],
        duration=100.0,
    )
)


def test_openai_json() -> None:
    """The json format is the text and the usage, nothing else."""
    assert answer(OPENAI, HELLO, "whisper-large-v3") == {
        "text": "Hello World.",
        "usage": {"type": "duration", "seconds": 2},
    }


def test_vllm_json_and_text() -> None:
    """The text format of vLLM is a JSON object like json."""
    body = {"text": "Hello World.", "usage": {"type": "duration", "seconds": 2}}
    assert answer(VLLM, HELLO, "whisper-large-v3") == body
    assert answer(VLLM, HELLO, "whisper-large-v3", ("response_format", "text")) == body


def test_token_usage_adds_up() -> None:
    """GPT-4o models count tokens: audio and prompt in, words out."""
    prompt = ("prompt", "A short prompt")
    usage = answer(OPENAI, HELLO, "gpt-4o-transcribe", prompt)["usage"]
    assert usage == {
        "type": "tokens",
        "total_tokens": 17,
        "input_tokens": 15,
        "input_token_details": {"text_tokens": 3, "audio_tokens": 12},
        "output_tokens": 2,
    }


def test_a_model_that_takes_hints_tells_the_languages() -> None:
    """They are told by their codes, each once, in an answer and at the end of a stream."""
    twice = replace(HELLO, segments=(*HELLO.segments, *HELLO.segments))
    told = [{"code": "en"}]
    assert answer(OPENAI, twice, "gpt-transcribe")["languages"] == told
    assert json.loads(events(OPENAI, twice, "gpt-transcribe")[-1])["languages"] == told
    silence = replace(HELLO, segments=())
    assert answer(OPENAI, silence, "gpt-transcribe")["languages"] == []
    assert "languages" not in answer(OPENAI, twice, "gpt-4o-transcribe")


@given(heard=transcripts)
def test_logprobs_join_to_the_text(heard: Transcript) -> None:
    """Tokens join to the text, each with its bytes and a log probability of at most 0."""
    body = answer(OPENAI, heard, "gpt-4o-transcribe", ("include[]", "logprobs"))
    assert "".join(entry["token"] for entry in body["logprobs"]) == body["text"] == heard.text
    for entry in body["logprobs"]:
        assert bytes(entry["bytes"]).decode() == entry["token"]
        assert entry["logprob"] <= 0


@given(heard=transcripts)
def test_verbose_segments_keep_every_rule(heard: Transcript) -> None:
    """Ids, times, texts and statistics of verbose_json agree with the transcript."""
    body = verbose(OPENAI, heard, ("temperature", "0.4"))
    assert "".join(one["text"] for one in body["segments"]) == body["text"]
    assert [one["id"] for one in body["segments"]] == list(range(len(heard.segments)))
    for one, origin in zip(body["segments"], heard.segments, strict=True):
        assert set(one) == {
            *("id", "seek", "start", "end", "text", "tokens", "temperature"),
            *("avg_logprob", "compression_ratio", "no_speech_prob"),
        }
        assert 0 <= one["start"] <= one["end"] <= body["duration"]
        assert one["seek"] == int(origin.start // 30) * 3000
        assert bytes(one["tokens"]).decode() == one["text"]
        assert one["temperature"] == pytest.approx(0.4)
        assert one["avg_logprob"] <= 0
        assert one["compression_ratio"] > 0
        assert 0 <= one["no_speech_prob"] <= 1
    assert "words" not in body


def test_granularities_choose_the_arrays() -> None:
    """Words alone come without segments; with both, both come."""
    word = ("timestamp_granularities[]", "word")
    both = (word, ("timestamp_granularities[]", "segment"))
    alone = verbose(OPENAI, HELLO, word)
    assert "segments" not in alone
    assert alone["words"] == [
        {"word": "Hello", "start": 0.3, "end": 0.6},
        {"word": "World.", "start": 0.7, "end": 1.0},
    ]
    assert {"words", "segments"} <= set(verbose(OPENAI, HELLO, *both))


@pytest.mark.parametrize(
    ("heard", "asked", "name", "code"),
    [
        (HELLO, None, "english", "en"),
        (CHINESE, None, "chinese", "zh"),
        (HELLO, "de", "german", "de"),
        (SILENCE, "fr", "french", "fr"),
        (SILENCE, None, "english", "en"),
    ],
)
def test_verbose_language(heard: Transcript, asked: str | None, name: str, code: str) -> None:
    """The language asked for, else the one heard: OpenAI gives its name, vLLM its code."""
    more = [("language", asked)] if asked else []
    assert verbose(OPENAI, heard, *more)["language"] == name
    assert verbose(VLLM, heard, *more)["language"] == code


def test_openai_verbose_has_the_examples_members() -> None:
    """task, language, duration, text, segments and usage, as in the published examples."""
    body = verbose(OPENAI, HELLO)
    assert list(body) == ["task", "language", "duration", "text", "segments", "usage"]
    assert (body["task"], body["duration"]) == ("transcribe", 1.2)


def test_vllm_verbose_has_its_own_members() -> None:
    """No task or usage at vLLM, and null for words and no_speech_prob."""
    body = verbose(VLLM, LONG)
    assert set(body) == {"duration", "language", "text", "segments", "words"}
    assert body["words"] is None
    assert [one["no_speech_prob"] for one in body["segments"]] == [None, None]
    assert [one["id"] for one in body["segments"]] == [0, 1]


def test_text_is_bare() -> None:
    """OpenAI's text is the transcript and a line end."""
    got = OPENAI.answer(HELLO, ask(OPENAI, "whisper-1", ("response_format", "text")), ())
    assert (got.value, got.media_type) == ("Hello World.\n", "text/plain; charset=utf-8")


def test_subtitles() -> None:
    """Cues are counted and have commas in srt; vtt has a header and points."""
    assert rendering.srt(LONG) == (
        "1\n00:00:01,000 --> 00:00:02,100\nOne two three.\n\n"
        "2\n00:00:31,000 --> 00:00:31,700\nFour five.\n\n"
    )
    assert rendering.vtt(LONG) == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.100\nOne two three.\n\n"
        "00:00:31.000 --> 00:00:31.700\nFour five.\n\n"
    )
    assert (rendering.srt(SILENCE), rendering.vtt(SILENCE)) == ("", "WEBVTT\n\n")


@given(start=st.floats(0, 90_000), length=st.floats(0, 100))
def test_cue_times_are_the_segments(start: float, length: float) -> None:
    """Any time up to a day is written so that it reads back, to the millisecond."""
    spoken = Segment(start, start + length, "x", "en", (), 200.0, 1.0)
    found = TIMING.search(rendering.srt(transcript(spoken)))
    assert found is not None
    hours, minutes, whole, thousandths, *_ = map(int, found.groups())
    assert max(minutes, whole) < 60
    read = hours * 3600 + minutes * 60 + whole + thousandths / 1000
    assert read == pytest.approx(start, abs=0.00051)


def test_markup_in_vtt_is_escaped() -> None:
    """WebVTT would read a tag in the text."""
    assert "a &lt;b&gt; &amp;c" in rendering.vtt(transcript(segment("a <b> &c", 0)))


def test_diarized_json() -> None:
    """Speakers are told apart by pitch and labelled by first appearance."""
    heard = transcript(
        segment("Good morning.", 0, 210), segment("Hello.", 2, 120), segment("Bye.", 4, 205)
    )
    body = answer(OPENAI, heard, "gpt-4o-transcribe-diarize", ("response_format", "diarized_json"))
    assert list(body) == ["task", "duration", "text", "segments", "usage"]
    assert [one["speaker"] for one in body["segments"]] == ["A", "B", "A"]
    assert [one["id"] for one in body["segments"]] == ["seg_001", "seg_002", "seg_003"]
    assert all(one["type"] == "transcript.text.segment" for one in body["segments"])
    assert body["text"] == "Good morning. Hello. Bye."


def test_known_speakers_get_their_names() -> None:
    """A voice as high as a known sample takes its name; others take letters."""
    heard = [segment("One.", 0, 118), segment("Two.", 1, 210), segment("Three.", 2, 119)]
    assert speakers(heard, [("agent", 120.0)]) == ["agent", "A", "agent"]


@given(
    pitches=st.lists(st.floats(0, 600), max_size=50),
    known=st.lists(st.floats(60, 400), max_size=4),
)
def test_letters_come_in_order_of_appearance(pitches: list[float], known: list[float]) -> None:
    """However many voices: the first unknown is A, the next B, after Z comes AA."""
    heard = [segment("x", float(index), pitch) for index, pitch in enumerate(pitches)]
    names = [(f"known-{index}", pitch) for index, pitch in enumerate(known)]
    labels = dict.fromkeys(one for one in speakers(heard, names) if not one.startswith("known"))
    expected = [chr(65 + n) if n < 26 else "A" + chr(39 + n) for n in range(len(labels))]
    assert list(labels) == expected


@given(text=st.text(max_size=80))
def test_tokens_join_to_the_text(text: str) -> None:
    """Cutting into tokens loses nothing."""
    assert "".join(tokens(text)) == text


def test_chinese_tokens_are_characters() -> None:
    """Where no blanks are written, each character is a token; its mark stays with it."""
    assert tokens("很好。") == ["很", "好。"]


@given(heard=transcripts, most=st.integers(0, 30))
def test_first_tokens_are_a_prefix(heard: Transcript, most: int) -> None:
    """A transcript ended early is the beginning of the whole, in text, words and time."""
    cut = first_tokens(heard, most)
    assert heard.text.startswith(cut.text)
    assert len(tokens(cut.text)) == min(most, len(tokens(heard.text)))
    for kept, whole in zip(cut.segments, heard.segments, strict=False):
        assert kept.words == whole.words[: len(kept.words)]
        assert kept.end <= whole.end


def test_vllm_ends_at_max_completion_tokens() -> None:
    """max_completion_tokens shortens the text."""
    body = answer(VLLM, HELLO, "whisper-large-v3", ("max_completion_tokens", "1"))
    assert body["text"] == "Hello"


def test_mixed_segments_join_as_the_text_does() -> None:
    """Between Chinese segments there is no blank, elsewhere one."""
    heard = transcript(segment("今天。", 0, language="zh"), segment("天气。", 2, language="zh"))
    assert "".join(segment_texts(heard)) == heard.text == "今天。天气。"
    assert segment_texts(LONG) == ["One two three.", " Four five."]


@given(heard=transcripts)
def test_openai_stream_deltas_join_to_the_text(heard: Transcript) -> None:
    """Deltas, then exactly one done event with the text and its usage."""
    sent = [json.loads(one) for one in events(OPENAI, heard, "gpt-4o-transcribe")]
    assert [one["type"] for one in sent[:-1]] == ["transcript.text.delta"] * (len(sent) - 1)
    assert "".join(one["delta"] for one in sent[:-1]) == sent[-1]["text"] == heard.text
    assert sent[-1]["type"] == "transcript.text.done"
    assert sent[-1]["usage"]["type"] == "tokens"


def test_diarized_stream_has_segments_before_done() -> None:
    """Each segment event follows its deltas."""
    asked = ("response_format", "diarized_json")
    auto = ("chunking_strategy", "auto")
    sent = events(OPENAI, LONG, "gpt-4o-transcribe-diarize", asked, auto)
    kinds = [json.loads(one)["type"].rsplit(".", 1)[1] for one in sent]
    assert kinds == ["delta"] * 3 + ["segment"] + ["delta"] * 2 + ["segment", "done"]


@given(heard=transcripts)
def test_vllm_stream_joins_to_the_text(heard: Transcript) -> None:
    """Chunks of one id, finish_reason in the last with content, then [DONE]."""
    sent = events(VLLM, heard, "whisper-large-v3", ("stream_include_usage", "true"))
    assert sent[-1] == "[DONE]"
    chunks = [json.loads(one) for one in sent[:-1]]
    assert {one["object"] for one in chunks} == {"transcription.chunk"}
    assert len({(one["id"], one["created"]) for one in chunks}) == 1
    with_choice = [one["choices"][0] for one in chunks[:-1]]
    assert "".join(one["delta"]["content"] for one in with_choice) == heard.text
    assert with_choice[-1]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    usage = chunks[-1]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_vllm_finishes_every_30_seconds() -> None:
    """finish_reason comes at the end of each 30 s of audio; usage in each chunk on request."""
    more = ("stream_continuous_usage_stats", "true")
    chunks = [json.loads(one) for one in events(VLLM, LONG, "whisper-large-v3", more)[:-1]]
    reasons = [one["choices"][0].get("finish_reason") for one in chunks]
    assert reasons == [None, None, None, "stop", None, None, "stop"]
    assert [one["usage"]["completion_tokens"] for one in chunks] == [1, 2, 3, 3, 4, 5, 5]


ENVELOPES = [
    (OPENAI, Kind.FILE_TOO_LARGE, 413, "server_error", None),
    (OPENAI, Kind.UNKNOWN_MODEL, 404, "invalid_request_error", "model_not_found"),
    (OPENAI, Kind.UNSUPPORTED_VALUE, 400, "invalid_request_error", "unsupported_value"),
    (OPENAI, Kind.TOO_SHORT, 400, "invalid_request_error", "audio_too_short"),
    (OPENAI, Kind.UNAUTHORIZED, 401, "invalid_request_error", "invalid_api_key"),
    (VLLM, Kind.FILE_TOO_LARGE, 400, "BadRequestError", 400),
    (VLLM, Kind.UNKNOWN_MODEL, 404, "NotFoundError", 404),
    (VLLM, Kind.NOT_A_FILE, 422, "Unprocessable Entity", 422),
    (VLLM, Kind.INVALID, 400, "Bad Request", 400),
]


@pytest.mark.parametrize(("served", "kind", "status", "name", "code"), ENVELOPES)
def test_refusals(
    served: Dialect, kind: Kind, status: int, name: str, code: str | int | None
) -> None:
    """Each reason has its status, type and code in each dialect."""
    got, body = served.refusal(Refusal(kind, "because", "file"))
    assert got == status
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert (body["error"]["type"], body["error"]["code"]) == (name, code)


@pytest.mark.parametrize("served", [OPENAI, VLLM], ids=["openai", "vllm"])
@pytest.mark.parametrize("kind", list(Kind))
def test_every_refusal_has_an_answer(served: Dialect, kind: Kind) -> None:
    """No reason lacks a status, and only a defect of ours is a 5xx."""
    status, body = served.refusal(Refusal(kind, "because"))
    assert "error" in body
    assert (status >= 500) == (kind is Kind.INTERNAL)


@pytest.mark.parametrize(
    ("model", "duration", "inside", "kind"),
    [
        ("whisper-1", 0.099, 0.1, Kind.TOO_SHORT),
        ("gpt-4o-transcribe-diarize", 30.01, 30.0, Kind.MISSING),
    ],
)
def test_lengths_are_exact(model: str, duration: float, inside: float, kind: Kind) -> None:
    """A tenth of a second is enough, and up to 30 s the diarizing model needs no strategy."""
    request = ask(OPENAI, model)
    with pytest.raises(Refusal) as caught:
        OPENAI.check(duration, request)
    assert caught.value.kind is kind
    OPENAI.check(inside, request)
    OPENAI.check(31, ask(OPENAI, model, ("chunking_strategy", "auto")))


def test_models_are_described() -> None:
    """Both dialects give the four documented members; vLLM adds its own, and tasks."""
    for served in (OPENAI, VLLM):
        for model in served.models.served:
            entry = served.model(model)
            assert entry["object"] == "model"
            assert entry["created"] > 0
            assert isinstance(entry["owned_by"], str)
    assert VLLM.model(VLLM.models.served[0])["tasks"] == ["transcribe"]
