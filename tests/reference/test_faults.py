"""The registry of deviations; that faults are found is proven in ``tests/conformance``."""

import re
from collections.abc import Callable

import httpx
import pytest

from soundcheck.audio import Library
from soundcheck.reference.faults import BENIGN, FAULTS, UnknownFault, choose

CLIPS = ("hello.wav", "german.wav", "speech-10s.wav")
FORMATS = ("json", "verbose_json", "text", "srt", "vtt")
Deployment = Callable[..., httpx.Client]


def _ask(client: httpx.Client, clip: str, model: str = "whisper-large-v3", **fields: str) -> object:
    data = {"model": model, "language": "de" if clip == "german.wav" else "en", **fields}
    got = client.post(
        "/audio/transcriptions", data=data, files={"file": (clip, Library().clip(clip).read())}
    )
    return got.content, got.headers.get("content-type"), len(got.headers)


@pytest.mark.parametrize("name", list(BENIGN))
def test_benign_variations_do_something(deployment: Deployment, name: str) -> None:
    """A variation changes some answer of some dialect: otherwise it would prove nothing."""

    def answers(*faults: str) -> list[object]:
        seen = []
        for dialect in ("openai", "vllm"):
            client = deployment(dialect, *faults)
            seen += [_ask(client, c, response_format=f) for c in CLIPS for f in FORMATS]
            seen.append(client.get("/models").content)
            scored = {"include[]": "logprobs"}
            seen.append(_ask(client, "hello.wav", "gpt-4o-transcribe", **scored))
        return seen

    assert answers(name) != answers()


def test_names_and_sentences() -> None:
    """Names are words with hyphens, sentences are sentences, and no name means two things."""
    for one in (*FAULTS.values(), *BENIGN.values()):
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|latin1", one.name)
        assert one.sentence.endswith(".")
    assert not FAULTS.keys() & BENIGN.keys()


def test_an_unknown_name_brings_close_ones() -> None:
    """A misspelt fault is told with what may have been meant."""
    with pytest.raises(UnknownFault, match=r"refuse-webm.*refuses-webm"):
        choose(["refuse-webm"])


def test_faults_can_be_combined(deployment: Deployment) -> None:
    """Several faults act together."""
    client = deployment("openai", "no-usage", "text-not-string")
    content, _, _ = _ask(client, "hello.wav")  # type: ignore[misc]
    assert content == b'{"text": ["Hello", "World."]}'
