"""Each fault breaks the rows it names, and nothing else makes them fail.

The rows are judged here by a few lines each, apart from the conformance suites: the reference
keeps all of them in both dialects, a fault breaks each row it names, a benign variation none.
"""

import json
import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import httpx
import pytest

from soundcheck.audio import Library
from soundcheck.reference.faults import BENIGN, FAULTS, UnknownFault, choose

NINE = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")
WAVES = ("8bit", "24bit", "float32", "8khz", "48khz", "stereo", "5.1", "extensible")
TIMES = re.compile(r"(\d\d):(\d\d):(\d\d)([,.])(\d{3}) --> (\d\d):(\d\d):(\d\d)([,.])(\d{3})")
Field = tuple[str, str]


class Ask:
    """Sends clips to one deployment, each distinct request once."""

    def __init__(self, client: httpx.Client, library: Library, dialect: str) -> None:
        self.client = client
        self.library = library
        self.dialect = dialect
        self._answers: dict[Any, httpx.Response] = {}

    def send(
        self,
        clip: str = "hello.wav",
        *fields: Field,
        model: str = "whisper-large-v3",
        filename: str | None = None,
    ) -> httpx.Response:
        """Return the answer to a clip."""
        key = (clip, fields, model, filename)
        if key not in self._answers:
            self._answers[key] = self._send(clip, fields, model, filename or clip)
        return self._answers[key]

    def _send(
        self, clip: str, fields: tuple[Field, ...], model: str, filename: str
    ) -> httpx.Response:
        data: dict[str, list[str]] = {"model": [model]}
        for name, value in fields:
            data.setdefault(name, []).append(value)
        files = {"file": (filename, self.library.clip(clip).read(), "audio/x")}
        return self.client.post("/audio/transcriptions", data=data, files=files)

    def json(self, clip: str = "hello.wav", *fields: Field, model: str = "whisper-large-v3") -> Any:
        """Return the strictly parsed answer to a clip."""
        return strict(self.send(clip, *fields, model=model))

    def verbose(self, clip: str = "speech-10s.wav", *fields: Field) -> Any:
        """Return the verbose_json of a clip."""
        return self.json(clip, ("response_format", "verbose_json"), *fields)

    def text(self, clip: str) -> str:
        """Return what a clip says."""
        return self.library.clip(clip).transcript

    def hears(self, clip: str, filename: str | None = None, like: str | None = None) -> bool:
        """Tell whether the text of a clip is right (or that of the clip ``like``)."""
        response = self.send(clip, filename=filename)
        expected = self.text(like or clip)
        return response.status_code == 200 and strict(response).get("text") == expected


def strict(response: httpx.Response) -> Any:
    """Return the JSON of a good answer; raises ValueError for all that is no strict JSON."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) != len(found):
            raise ValueError("duplicate key")
        return dict(found)

    def constant(name: str) -> Any:
        raise ValueError(name)

    if response.status_code != 200:
        raise ValueError(f"status {response.status_code}")
    return json.loads(response.content.decode(), object_pairs_hook=pairs, parse_constant=constant)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def media_type(response: httpx.Response) -> str:
    return response.headers["content-type"].partition(";")[0].strip().lower()


def json_text(ask: Ask) -> bool:
    response = ask.send()
    kind = media_type(response) == "application/json"
    body = response.json()
    return kind and isinstance(body, dict) and isinstance(body.get("text"), str)


def strict_json(ask: Ask) -> bool:
    ask.json()
    ask.verbose()
    return True


def default_format(ask: Ask) -> bool:
    default, asked = ask.send(), ask.send("hello.wav", ("response_format", "json"))
    return set(strict(default)) == set(strict(asked))


def usage_present(ask: Ask) -> bool:
    return isinstance(ask.json().get("usage"), dict)


def usage_seconds(ask: Ask) -> bool:
    usage = ask.json().get("usage") or {}
    seconds = usage.get("seconds")
    return usage.get("type") != "duration" or (is_number(seconds) and seconds >= 0)


def usage_tokens(ask: Ask) -> bool:
    usage = ask.json(model="gpt-4o-transcribe")["usage"]
    counts = [usage[name] for name in ("input_tokens", "output_tokens", "total_tokens")]
    details = usage["input_token_details"]
    return (
        all(map(is_integer, counts))
        and counts[0] + counts[1] == counts[2]
        and sum(details.values()) == counts[0]
    )


def usage_matches(ask: Ask) -> bool:
    true = ask.library.clip("speech-10s.wav").duration
    seconds = ask.json("speech-10s.wav")["usage"]["seconds"]
    return true - 0.5 <= float(seconds) <= math.ceil(true) + 1


def verbose_members(ask: Ask) -> bool:
    body = ask.verbose()
    kinds = {"language": str, "text": str}
    named = all(isinstance(body.get(name), kind) for name, kind in kinds.items())
    return named and is_number(body.get("duration"))


def verbose_duration(ask: Ask) -> bool:
    return bool(abs(ask.verbose()["duration"] - 10) <= 0.1)


def verbose_task(ask: Ask) -> bool:
    return ask.verbose().get("task") == "transcribe"


def segments(ask: Ask) -> list[Any]:
    return ask.verbose().get("segments") or []


def ten_members(ask: Ask, nullable: tuple[str, ...] = ()) -> bool:
    numbers = ("start", "end", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob")
    return all(
        is_integer(one.get("id"))
        and is_integer(one.get("seek"))
        and isinstance(one.get("text"), str)
        and isinstance(one.get("tokens"), list)
        and all(map(is_integer, one["tokens"]))
        and all(
            is_number(one.get(name)) or (name in nullable and one.get(name, 0) is None)
            for name in numbers
        )
        for one in segments(ask)
    )


def members_or_null(ask: Ask) -> bool:
    return ten_members(ask, ("avg_logprob", "compression_ratio", "no_speech_prob"))


def segment_times(ask: Ask) -> bool:
    found = segments(ask)
    ordered = all(
        b["start"] >= a["start"] and b["start"] >= a["end"] - 0.5 for a, b in pairwise(found)
    )
    return ordered and all(0 <= one["start"] <= one["end"] for one in found)


def segments_inside(ask: Ask) -> bool:
    body = ask.verbose()
    return bool(body["segments"][-1]["end"] <= body["duration"] + 0.5)


def segment_ids(ask: Ask) -> bool:
    ids = [one["id"] for one in ask.verbose("speech-60s.wav").get("segments") or []]
    return ids == sorted(set(ids))


def statistics(ask: Ask) -> bool:
    bounds = {
        "avg_logprob": (-math.inf, 0),
        "no_speech_prob": (0, 1),
        "compression_ratio": (0, math.inf),
        "temperature": (0, 1),
    }
    return all(
        one[name] is None or low <= one[name] <= high
        for one in segments(ask)
        for name, (low, high) in bounds.items()
    )


def segment_texts(ask: Ask) -> bool:
    body = ask.verbose()
    joined = " ".join(one["text"] for one in body["segments"])
    return joined.split() == body["text"].split()


def letters(text: str) -> str:
    return "".join(one for one in text.lower() if one.isalnum())


def words(ask: Ask) -> bool:
    body = ask.verbose("speech-10s.wav", ("timestamp_granularities[]", "word"))
    found = body["words"]
    complete = all(
        isinstance(one["word"], str) and 0 <= one["start"] <= one["end"] <= body["duration"] + 0.5
        for one in found
    )
    starts = [one["start"] for one in found]
    rebuilt = letters("".join(one["word"] for one in found)) == letters(body["text"])
    return complete and starts == sorted(starts) and rebuilt


def no_null_arrays(ask: Ask) -> bool:
    return all(value is not None for value in ask.verbose().values())


def diarized(ask: Ask) -> bool:
    asked = [("response_format", "diarized_json"), ("chunking_strategy", "auto")]
    body = ask.json("dialogue.wav", *asked, model="gpt-4o-transcribe-diarize")
    labels = list(dict.fromkeys(one["speaker"] for one in body["segments"]))
    strings = all(isinstance(one["id"], str) for one in body["segments"])
    return strings and labels == [chr(65 + index) for index in range(len(labels))]


def logprobs(ask: Ask) -> bool:
    body = ask.json("sentence.wav", ("include[]", "logprobs"), model="gpt-4o-transcribe")
    entries = body["logprobs"]
    fit = all(
        one["logprob"] <= 0 and bytes(map(int, one["bytes"])).decode() == one["token"]
        for one in entries
    )
    return fit and "".join(one["token"] for one in entries) == body["text"]


def nine_formats(ask: Ask) -> bool:
    named = all(ask.hears(f"sentence.{one}") for one in NINE)
    program_stream = ask.hears("sentence-program-stream.mpeg", like="sentence.wav")
    return named and program_stream and ask.hears("sentence.webm", filename="upload")


def ogg_opus(ask: Ask) -> bool:
    return ask.hears("sentence-opus.ogg")


def wave_variants(ask: Ask) -> bool:
    return all(ask.send(f"sentence-{one}.wav").status_code == 200 for one in WAVES)


def unknown_duration(ask: Ask) -> bool:
    return ask.hears("sentence-unknown-duration.webm")


def video(ask: Ask) -> bool:
    first = ask.hears("sentence-two-tracks.mp4", like="sentence.wav")
    return first and ask.hears("sentence-video.mp4", like="sentence.wav")


def mp3_tags(ask: Ask) -> bool:
    return all(ask.hears(f"sentence-{one}.mp3") for one in ("id3", "cover", "vbr"))


def bare_text(ask: Ask) -> bool:
    response = ask.send("sentence.wav", ("response_format", "text"))
    plain = media_type(response) == "text/plain" and response.text[:1] not in {'"', "{"}
    return plain and response.text.strip() == ask.json("sentence.wav")["text"]


def parseable_text(ask: Ask) -> bool:
    response = ask.send("sentence.wav", ("response_format", "text"))
    if media_type(response) == "application/json":
        return isinstance(strict(response).get("text"), str)
    return media_type(response) == "text/plain" and response.text[:1] not in {'"', "{"}


def cues(ask: Ask, kind: str) -> list[tuple[float, float, str]]:
    """Return the cues of subtitles; raises ValueError for what breaks the grammar."""
    response = ask.send("speech-10s.wav", ("response_format", kind))
    text = response.content.decode().replace("\r\n", "\n")
    if response.status_code != 200 or text[:1] == '"' or "\\n" in text:
        raise ValueError("no subtitles")
    if kind == "vtt":
        text = re.sub(r"(?<![\d:])(\d\d:\d\d\.)", r"00:\1", text)
        if not text.startswith("WEBVTT\n"):
            raise ValueError("no header")
    blocks = [one.splitlines() for one in text.strip().split("\n\n")]
    found = []
    for number, block in enumerate(blocks[kind == "vtt" :], 1):
        if kind == "srt" and block.pop(0) != str(number):
            raise ValueError("counter")
        times = TIMES.fullmatch(block[0])
        if times is None or {times[4], times[9]} != {"," if kind == "srt" else "."}:
            raise ValueError("times")
        if any("-->" in line for line in block[1:]):
            raise ValueError("two cues in one block")
        parts = [int(times[group]) for group in (1, 2, 3, 5, 6, 7, 8, 10)]
        start, end = (a * 3600 + b * 60 + c + d / 1000 for a, b, c, d in (parts[:4], parts[4:]))
        found.append((start, end, " ".join(block[1:])))
    return found


def subtitles(ask: Ask) -> bool:
    for kind in ("srt", "vtt"):
        found = cues(ask, kind)
        times = [time for start, end, _ in found for time in (start, end)]
        if times != sorted(times) or not found:
            return False
    return True


def refused_subtitles(ask: Ask) -> bool:
    response = ask.send("hello.wav", ("response_format", "srt"))
    if response.status_code == 200:
        return "-->" in response.text
    envelope = isinstance(response.json()["error"]["message"], str)
    return 400 <= response.status_code < 500 and envelope


def cues_agree(ask: Ask) -> bool:
    body = ask.verbose("speech-10s.wav")
    for kind in ("srt", "vtt"):
        found = cues(ask, kind)
        if len(found) != len(body["segments"]):
            return False
        for (start, end, _), one in zip(found, body["segments"], strict=True):
            if max(abs(start - one["start"]), abs(end - one["end"])) > 0.1:
                return False
    return True


def non_ascii(ask: Ask) -> bool:
    subtitled = ("srt", "vtt") if ask.dialect == "openai" else ()
    for clip in ("german.wav", "russian.wav", "chinese.wav"):
        expected = ask.text(clip)
        for kind in ("json", "verbose_json", "text", *subtitled):
            response = ask.send(clip, ("response_format", kind))
            text = response.content.decode()
            if media_type(response) == "application/json":
                text = json.loads(text)["text"]
            if expected not in text:
                return False
    return True


def models_list(ask: Ask) -> bool:
    body = strict(ask.client.get("/models"))
    return body["object"] == "list" and isinstance(body["data"], list)


def model_entries(ask: Ask) -> bool:
    data = strict(ask.client.get("/models"))["data"]
    ids = [one["id"] for one in data]
    return len(ids) == len(set(ids)) and all(
        isinstance(one["id"], str)
        and one["id"]
        and one["object"] == "model"
        and is_integer(one["created"])
        and isinstance(one["owned_by"], str)
        for one in data
    )


def model_listed(ask: Ask) -> bool:
    return "whisper-large-v3" in [one["id"] for one in strict(ask.client.get("/models"))["data"]]


def model_tasks(ask: Ask) -> bool:
    data = strict(ask.client.get("/models"))["data"]
    return all("transcribe" in one["tasks"] for one in data)


def models_transcribe(ask: Ask) -> bool:
    data = strict(ask.client.get("/models"))["data"]
    return all(ask.send(model=one["id"]).status_code == 200 for one in data)


def unknown_model(ask: Ask) -> bool:
    response = ask.send(model="nobody-7f3a")
    error = response.json().get("error", {})
    named = error.get("param") == "model" or "nobody-7f3a" in str(error.get("message"))
    return response.status_code in {400, 404} and named


def retrieve_model(ask: Ask) -> bool:
    body = strict(ask.client.get("/models/whisper-large-v3"))
    unknown = ask.client.get("/models/nobody-7f3a")
    return (
        body["id"] == "whisper-large-v3"
        and unknown.status_code == 404
        and isinstance(unknown.json()["error"]["message"], str)
    )


def exact_names(ask: Ask) -> bool:
    near = ("Whisper-Large-V3", "whisper-large-v3 ")
    return all(400 <= ask.send(model=name).status_code < 500 for name in near)


ROWS: dict[str, Callable[[Ask], bool]] = {
    "SCHEMA-001": json_text,
    "SCHEMA-002": strict_json,
    "SCHEMA-003": default_format,
    "SCHEMA-004": usage_present,
    "SCHEMA-005": usage_seconds,
    "SCHEMA-006": usage_tokens,
    "SCHEMA-007": usage_matches,
    "SCHEMA-008": verbose_members,
    "SCHEMA-009": lambda ask: is_number(ask.verbose()["duration"]),
    "SCHEMA-010": verbose_duration,
    "SCHEMA-011": verbose_task,
    "SCHEMA-012": lambda ask: bool(segments(ask)),
    "SCHEMA-013": ten_members,
    "SCHEMA-014": members_or_null,
    "SCHEMA-015": segment_times,
    "SCHEMA-016": segments_inside,
    "SCHEMA-017": segment_ids,
    "SCHEMA-018": statistics,
    "SCHEMA-019": segment_texts,
    "SCHEMA-020": words,
    "SCHEMA-021": no_null_arrays,
    "SCHEMA-022": diarized,
    "SCHEMA-023": logprobs,
    "FORMAT-001": nine_formats,
    "FORMAT-002": ogg_opus,
    "FORMAT-003": wave_variants,
    "FORMAT-004": unknown_duration,
    "FORMAT-005": video,
    "FORMAT-006": mp3_tags,
    "FORMAT-007": bare_text,
    "FORMAT-008": parseable_text,
    "FORMAT-009": subtitles,
    "FORMAT-010": refused_subtitles,
    "FORMAT-011": cues_agree,
    "FORMAT-012": non_ascii,
    "MODELS-001": models_list,
    "MODELS-002": model_entries,
    "MODELS-003": model_listed,
    "MODELS-004": model_tasks,
    "MODELS-005": models_transcribe,
    "MODELS-006": unknown_model,
    "MODELS-007": retrieve_model,
    "MODELS-008": exact_names,
}
OPENAI_ONLY = {
    *(f"SCHEMA-{number:03d}" for number in (6, 11, 13, 20, 21, 22, 23)),
    *("FORMAT-007", "FORMAT-009", "FORMAT-011", "MODELS-007"),
}
VLLM_ONLY = {"MODELS-004"}
APPLY = {
    "openai": [row for row in ROWS if row not in VLLM_ONLY],
    "vllm": [row for row in ROWS if row not in OPENAI_ONLY],
}
# Rows whose faults show in vLLM's dialect alone, or there too.
IN_VLLM = {"SCHEMA-014", "FORMAT-008", "FORMAT-010", "MODELS-003", "MODELS-004", "MODELS-005"}


def keeps(row: str, ask: Ask) -> bool:
    """Tell whether a deployment keeps a row; an answer that cannot be judged breaks it."""
    try:
        return ROWS[row](ask)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False


Deployment = Callable[..., httpx.Client]


@pytest.mark.parametrize(
    ("dialect", "row"), [(d, row) for d, rows in APPLY.items() for row in rows]
)
def test_the_reference_keeps_every_row(
    deployment: Deployment, library: Library, dialect: str, row: str
) -> None:
    """Without faults each row holds in each dialect it applies to."""
    assert ROWS[row](Ask(deployment(dialect), library, dialect))


@pytest.mark.parametrize(
    ("name", "row"), [(fault.name, row) for fault in FAULTS.values() for row in fault.breaks]
)
def test_each_fault_breaks_what_it_says(
    deployment: Deployment, library: Library, name: str, row: str
) -> None:
    """A fault breaks each row it names."""
    dialect = "vllm" if row in IN_VLLM else "openai"
    assert not keeps(row, Ask(deployment(dialect, name), library, dialect))


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
@pytest.mark.parametrize("name", list(BENIGN))
def test_benign_variations_break_nothing(
    deployment: Deployment, library: Library, dialect: str, name: str
) -> None:
    """Whatever is legal leaves every row standing."""
    ask = Ask(deployment(dialect, name), library, dialect)
    assert [row for row in APPLY[dialect] if not keeps(row, ask)] == []


@pytest.mark.parametrize("name", list(BENIGN))
def test_benign_variations_do_something(
    deployment: Deployment, library: Library, name: str
) -> None:
    """A variation changes some answer of some dialect: otherwise it would prove nothing."""

    def answers(*faults: str) -> list[tuple[bytes, str, int]]:
        seen = []
        for dialect in ("openai", "vllm"):
            ask = Ask(deployment(dialect, *faults), library, dialect)
            kinds = ("json", "verbose_json", "text", "srt", "vtt")
            for clip in ("hello.wav", "german.wav", "speech-10s.wav"):
                for kind in kinds:
                    got = ask.send(clip, ("response_format", kind))
                    seen.append((got.content, got.headers["content-type"], len(got.headers)))
            seen.append((ask.client.get("/models").content, "", 0))
            if dialect == "openai":
                scored = ask.send("hello.wav", ("include[]", "logprobs"), model="gpt-4o-transcribe")
                seen.append((scored.content, "", 0))
        return seen

    assert answers(name) != answers()


def test_every_row_has_a_fault() -> None:
    """Each row of the three areas can be shown to fail."""
    assert {row for fault in FAULTS.values() for row in fault.breaks} == set(ROWS)


def test_names_and_sentences() -> None:
    """Names are words with hyphens, sentences are sentences, and no name means two things."""
    for one in (*FAULTS.values(), *BENIGN.values()):
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|latin1", one.name)
        assert one.sentence.endswith(".")
    assert not FAULTS.keys() & BENIGN.keys()
    assert all(fault.breaks for fault in FAULTS.values())
    assert not any(variation.breaks for variation in BENIGN.values())


def test_an_unknown_name_brings_close_ones() -> None:
    """A misspelt fault is told with what may have been meant."""
    with pytest.raises(UnknownFault, match=r"refuse-webm.*refuses-webm"):
        choose(["refuse-webm"])


def test_faults_can_be_combined(deployment: Deployment, library: Library) -> None:
    """Several faults act together."""
    ask = Ask(deployment("openai", "no-usage", "refuses-webm"), library, "openai")
    assert not keeps("SCHEMA-004", ask)
    assert not keeps("FORMAT-001", ask)
    assert keeps("SCHEMA-001", ask)
