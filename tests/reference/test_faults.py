"""The registry of deviations; that faults are found is proven in ``tests/conformance``."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from soundcheck.audio import Library
from soundcheck.reference.faults import BENIGN, FAULTS, Call, UnknownFault, choose

CLIPS = ("hello.wav", "german.wav", "speech-10s.wav")
FORMATS = ("json", "verbose_json", "text", "srt", "vtt")
Deployment = Callable[..., httpx.Client]
Answer = tuple[object, ...]


def _ask(client: httpx.Client, clip: str, model: str = "whisper-large-v3", **fields: str) -> Answer:
    data = {"model": model, "language": "de" if clip == "german.wav" else "en", **fields}
    audio = b"no audio" if clip == "nothing" else Library().clip(clip).read()
    headers = {"x-request-id": "one", "accept": "text/event-stream"}
    got = client.post(
        "/audio/transcriptions", data=data, files={"file": (clip, audio)}, headers=headers
    )
    content = re.sub(rb'"created": [0-9]+', b"", got.content)
    return got.status_code, content, got.headers.get("content-type"), len(got.headers)


def _frames(names: tuple[str, ...]) -> Answer:
    """Return what becomes of the pieces of a stream, whose borders no client sees."""

    async def sent() -> AsyncIterator[bytes]:
        for text in ("Hello", " World."):
            yield f'data: {{"delta": "{text}"}}\n\n'.encode()

    async def got() -> Answer:
        call = Call("transcription", ())
        return tuple([frame async for frame in choose(names).frames(sent(), call)])

    return asyncio.run(got())


def _answers(deployment: Deployment, *names: str) -> Iterator[Answer]:
    """Yield answers of every kind, from a deployment of each dialect."""
    yield _frames(names)
    for dialect in ("openai", "vllm"):
        client = deployment(dialect, *names)
        for clip in CLIPS:
            yield _ask(client, clip, stream="true")
            for form in FORMATS:
                yield _ask(client, clip, response_format=form)
        yield (client.get("/models").content,)
        yield _ask(client, "hello.wav", "gpt-4o-transcribe", **{"include[]": "logprobs"})
        yield _ask(client, "nothing")
        announced = {"content-length": "90000000", "x-request-id": "one"}
        refused = client.post("/audio/transcriptions", content=b"", headers=announced)
        yield refused.status_code, refused.content, len(refused.headers)
        yield _ask(client, "nothing", stream="true")
        wrong_method = client.get("/audio/transcriptions")
        yield wrong_method.status_code, wrong_method.content


@pytest.fixture(scope="module")
def plain(deployment: Deployment) -> list[Answer]:
    """Return the answers of deployments without a deviation."""
    return list(_answers(deployment))


@pytest.mark.parametrize("name", list(BENIGN))
def test_benign_variations_do_something(
    deployment: Deployment, plain: list[Answer], name: str
) -> None:
    """A variation changes some answer of some dialect: otherwise it would prove nothing."""
    answers = _answers(deployment, name)
    assert any(one != other for one, other in zip(answers, plain, strict=True))


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
    assert _ask(client, "hello.wav")[1] == b'{"text": ["Hello", "World."]}'
