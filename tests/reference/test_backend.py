"""The reference over HTTP: real clips in, documented answers out."""

import base64
import io
import json
import re
import wave
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from soundcheck.audio import Library

NINE = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")
BOTH = pytest.mark.parametrize("dialect", ["openai", "vllm"])
Deployment = Callable[..., httpx.Client]
Field = tuple[str, str]


def send(
    client: httpx.Client,
    audio: bytes,
    *fields: Field,
    model: str | None = "whisper-large-v3",
    filename: str = "upload",
) -> httpx.Response:
    data: dict[str, list[str]] = {} if model is None else {"model": [model]}
    for name, value in fields:
        data.setdefault(name, []).append(value)
    return client.post(
        "/audio/transcriptions",
        data=data,
        files={"file": (filename, audio, "application/octet-stream")},
    )


def silent_wav(seconds: float, rate: int = 16_000) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * round(rate * seconds)))
    return target.getvalue()


def error_of(response: httpx.Response, status: int) -> Any:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    return response.json()["error"]


@pytest.mark.parametrize("extension", NINE)
def test_each_format_is_heard_whatever_its_name(
    deployment: Deployment, library: Library, extension: str
) -> None:
    """All nine formats are recognised from their content."""
    clip = library.clip(f"sentence.{extension}")
    body = send(deployment(), clip.read(), filename="noise.bin").json()
    assert body["text"] == clip.transcript
    assert clip.duration - 0.5 <= body["usage"]["seconds"] <= clip.duration + 1.5


@BOTH
def test_the_pages_example(deployment: Deployment, library: Library, dialect: str) -> None:
    """The clip of the documented example is answered exactly as documented, plus usage."""
    clip = library.clip("hello.mp3")
    assert send(deployment(dialect), clip.read()).json() == {
        "text": "Hello World.",
        "usage": {"type": "duration", "seconds": 2},
    }


@BOTH
@pytest.mark.parametrize("name", ["german.wav", "french.wav", "russian.wav", "chinese.wav"])
def test_other_languages_are_detected(
    deployment: Deployment, library: Library, dialect: str, name: str
) -> None:
    """Without being told, the language of the speech is found; its letters survive."""
    clip = library.clip(name)
    response = send(deployment(dialect), clip.read(), ("response_format", "verbose_json"))
    body = response.json()
    assert body["text"] == clip.transcript
    names = {"de": "german", "fr": "french", "ru": "russian", "zh": "chinese"}
    code = clip.language or ""
    assert body["language"] == (code if dialect == "vllm" else names[code])


def test_words_have_the_times_of_the_speech(deployment: Deployment, library: Library) -> None:
    """Word times are those of the synthesizer, within a tenth of a second."""
    clip = library.clip("sentence.wav")
    asked = [("response_format", "verbose_json"), ("timestamp_granularities[]", "word")]
    words = send(deployment(), clip.read(), *asked).json()["words"]
    assert [word["word"] for word in words] == [word.text for word in clip.words]
    for found, true in zip(words, clip.words, strict=True):
        assert found["start"] == pytest.approx(true.start, abs=0.13)


@pytest.mark.parametrize("name", ["silence.wav", "noise.wav", "tone.wav"])
def test_sounds_without_speech_give_empty_text(
    deployment: Deployment, library: Library, name: str
) -> None:
    """Silence, noise and tones are answered with status 200 and no text."""
    asked = ("response_format", "verbose_json")
    body = send(deployment(), library.clip(name).read(), asked).json()
    assert (body["text"], body["segments"]) == ("", [])
    assert body["duration"] == pytest.approx(10, abs=0.1)


def test_speakers_of_a_dialogue(deployment: Deployment, library: Library) -> None:
    """Two voices that alternate are A and B; a known sample gives its speaker a name."""
    clip = library.clip("dialogue.wav")
    model = "gpt-4o-transcribe-diarize"
    asked = [("response_format", "diarized_json"), ("chunking_strategy", "auto")]
    body = send(deployment(), clip.read(), *asked, model=model).json()
    assert [one["speaker"] for one in body["segments"]] == ["A", "B", "A", "B"]
    sample = base64.b64encode(library.clip("sentence.wav").read()).decode()
    known = [
        ("known_speaker_names[]", "agent"),
        ("known_speaker_references[]", f"data:audio/wav;base64,{sample}"),
    ]
    labels = {
        one["speaker"]
        for one in send(deployment(), clip.read(), *asked, *known, model=model).json()["segments"]
    }
    assert labels == {"agent", "A"}


def test_a_known_speakers_sample_must_be_audio(deployment: Deployment, library: Library) -> None:
    """A sample that cannot be decoded, or lasts too long, is refused by name."""
    audio = library.clip("dialogue.wav").read()
    for data in (b"no audio", silent_wav(11)):
        sample = "data:audio/wav;base64," + base64.b64encode(data).decode()
        asked = [
            ("chunking_strategy", "auto"),
            ("known_speaker_names[]", "a"),
            ("known_speaker_references[]", sample),
        ]
        response = send(deployment(), audio, *asked, model="gpt-4o-transcribe-diarize")
        assert error_of(response, 400)["param"] == "known_speaker_references[]"


def test_text_and_subtitles(deployment: Deployment, library: Library) -> None:
    """OpenAI's text, srt and vtt are no JSON and say so."""
    audio = library.clip("hello.wav").read()
    kinds = {"text": "text/plain", "srt": "text/plain", "vtt": "text/vtt"}
    for name, kind in kinds.items():
        response = send(deployment(), audio, ("response_format", name))
        assert response.headers["content-type"] == f"{kind}; charset=utf-8"
        assert "Hello World." in response.text
    assert send(deployment(), audio, ("response_format", "text")).text == "Hello World.\n"


@BOTH
@pytest.mark.parametrize("data", [b"", b"no audio at all" * 50, b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_what_is_no_audio_is_refused(deployment: Deployment, dialect: str, data: bytes) -> None:
    """Other content is the client's error, told without internals."""
    error = error_of(send(deployment(dialect), data, filename="music.mp3"), 400)
    assert error["param"] == "file"
    assert not re.search(r"/|Traceback|Errno|0x", error["message"])


def test_too_short_audio(deployment: Deployment) -> None:
    """Below a tenth of a second OpenAI refuses; vLLM knows no minimum."""
    error = error_of(send(deployment(), silent_wav(0.05)), 400)
    assert (error["code"], error["param"]) == ("audio_too_short", "file")
    assert send(deployment("vllm"), silent_wav(0.05)).json()["text"] == ""


def test_too_long_audio(deployment: Deployment) -> None:
    """Ten minutes are the most that vLLM takes."""
    assert send(deployment("vllm"), silent_wav(599, 8000)).json()["text"] == ""
    error = error_of(send(deployment("vllm"), silent_wav(601, 8000)), 400)
    assert "600 seconds" in error["message"]


@BOTH
def test_a_body_announced_as_too_large_is_refused_unread(
    deployment: Deployment, dialect: str
) -> None:
    """The announced length is enough to refuse."""
    response = deployment(dialect).post(
        "/audio/transcriptions",
        content=b"",
        headers={"content-type": "multipart/form-data; boundary=b", "content-length": "90000000"},
    )
    assert "90000000" in error_of(response, 413 if dialect == "openai" else 400)["message"]


@BOTH
def test_bodies_that_are_no_forms(deployment: Deployment, dialect: str) -> None:
    """JSON, urlencoded forms and forms without a boundary are the client's error."""
    for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = deployment(dialect).post(
            "/audio/transcriptions", content=b"{}", headers={"content-type": kind}
        )
        error_of(response, 400)


def test_keys(deployment: Deployment, library: Library) -> None:
    """Only the right key under Bearer, in any case, is let in; the wrong one is not told back."""
    audio = library.clip("hello.wav").read()
    for header in (None, "", "Bearer", "Bearer wrong-key-12345", "Basic right", "right"):
        client = deployment("openai", api_key="right")
        if header is not None:
            client.headers["authorization"] = header
        for response in (send(client, audio), client.get("/models"), client.get("/nothing")):
            error = error_of(response, 401)
            assert error["code"] == "invalid_api_key"
            assert "wrong-key" not in response.text
            assert response.headers["www-authenticate"] == "Bearer"
    for header in ("Bearer right", "bearer right"):
        client = deployment("openai", api_key="right")
        client.headers["authorization"] = header
        assert send(client, audio).status_code == 200


def test_vllms_401_is_a_string(deployment: Deployment) -> None:
    """The documented oddity of vLLM."""
    response = deployment("vllm", api_key="right").get("/models")
    assert (response.status_code, response.json()) == (401, {"error": "Unauthorized"})


def test_a_wrong_key_is_refused_before_the_body(deployment: Deployment) -> None:
    """Neither size nor form of the body matters to who may not send it."""
    response = deployment("openai", api_key="right").post(
        "/audio/transcriptions", content=b"x" * 100, headers={"content-length": "90000000"}
    )
    assert response.status_code == 401


def test_models_of_openai(deployment: Deployment) -> None:
    """The list, and each model by its id."""
    client = deployment()
    listed = client.get("/models").json()
    assert listed["object"] == "list"
    ids = [model["id"] for model in listed["data"]]
    assert ids == [
        "whisper-large-v3",
        "whisper-1",
        "gpt-4o-transcribe",
        "gpt-4o-transcribe-diarize",
        "gpt-transcribe",
    ]
    for model in listed["data"]:
        assert client.get(f"/models/{model['id']}").json() == model
    error = error_of(client.get("/models/nobody"), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


def test_models_of_vllm(deployment: Deployment) -> None:
    """A list only, its entries marked as transcribing."""
    client = deployment("vllm")
    listed = client.get("/models").json()["data"]
    assert [model["tasks"] for model in listed] == [["transcribe"], ["transcribe"]]
    error_of(client.get(f"/models/{listed[0]['id']}"), 404)


@BOTH
def test_every_listed_model_transcribes(
    deployment: Deployment, library: Library, dialect: str
) -> None:
    """No model is listed that cannot be used."""
    client = deployment(dialect)
    for model in client.get("/models").json()["data"]:
        audio = library.clip("hello.wav").read()
        assert send(client, audio, model=model["id"]).json()["text"] == "Hello World."


@BOTH
def test_unknown_paths_and_methods(deployment: Deployment, dialect: str) -> None:
    """404 and 405 come in the dialect's envelope too."""
    client = deployment(dialect)
    for path in ("/nothing", "/audio/transcriptions/", "/../etc"):
        error_of(client.get(path), 404)
    for method in ("GET", "PUT", "DELETE"):
        response = client.request(method, "/audio/transcriptions")
        error_of(response, 405)
        assert response.headers["allow"] == "POST"


def test_headers_of_openai(deployment: Deployment, library: Library) -> None:
    """Answers name the request and the time it took."""
    response = send(deployment(), library.clip("hello.wav").read())
    assert re.fullmatch(r"req_[0-9a-f]{32}", response.headers["x-request-id"])
    assert response.headers["openai-processing-ms"].isdigit()
    assert not any(value.startswith("public") for value in response.headers.values())


def test_a_callers_request_id_is_kept_if_harmless(deployment: Deployment) -> None:
    """The id a caller gives comes back with the answer."""
    client = deployment("vllm")
    told = client.get("/models", headers={"x-request-id": "abc-1"}).headers["x-request-id"]
    assert told == "abc-1"
    odd = client.get("/models", headers={"x-request-id": "a b"}).headers["x-request-id"]
    assert odd.startswith("req_")


def test_large_fields_are_not_told_back(deployment: Deployment, library: Library) -> None:
    """A refusal stays small, whatever the client sent."""
    audio = library.clip("hello.wav").read()
    for name in ("language", "response_format", "temperature", "model"):
        model = None if name == "model" else "whisper-large-v3"
        response = send(deployment(), audio, (name, "x" * 1_000_000), model=model)
        assert 400 <= response.status_code < 500
        assert len(response.content) < 2048


def test_streams(deployment: Deployment, library: Library) -> None:
    """Server-sent events in the dialect's shapes; whisper-1 answers json."""
    audio = library.clip("hello.wav").read()
    asked = ("stream", "true")
    events = send(deployment(), audio, asked, model="gpt-4o-transcribe")
    assert events.headers["content-type"].startswith("text/event-stream")
    frames = [json.loads(one[6:]) for one in events.text.split("\n\n")[:-1]]
    assert frames[-1]["text"] == "Hello World." == "".join(one["delta"] for one in frames[:-1])
    chunks = send(deployment("vllm"), audio, asked).text
    assert chunks.endswith("data: [DONE]\n\n")
    plain = send(deployment(), audio, asked, model="whisper-1")
    assert plain.json()["text"] == "Hello World."


def test_a_bad_file_is_refused_before_a_stream_begins(deployment: Deployment) -> None:
    """An error that is known in time has its own status."""
    error_of(send(deployment("vllm"), b"no audio", ("stream", "true")), 400)


def test_the_order_of_fields_is_free(deployment: Deployment, library: Library) -> None:
    """A file before the model is as good as after it."""
    audio = library.clip("hello.wav").read()
    parts: list[tuple[str, Any]] = [
        ("file", ("a.wav", audio, "audio/wav")),
        ("model", (None, "whisper-1")),
    ]
    for order in (parts, parts[::-1]):
        response = deployment().post("/audio/transcriptions", files=order)
        assert response.json()["text"] == "Hello World."
