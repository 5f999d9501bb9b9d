"""The lookup recognizer: what clips hold, in the order of arrival, when its model says so."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from soundcheck.audio.clip import Word
from soundcheck.audio.digests import Digests
from soundcheck.http.sse import parse
from soundcheck.reference.backend import create_app
from soundcheck.reference.lookup import LookupPool
from soundcheck.reference.service_model import ServiceModel
from soundcheck.reference.service_queue import ServiceQueue
from soundcheck.reference.settings import Settings
from soundcheck.reference.transcript import TooLong, Undecodable

CONTENT = b"RIFF, as far as anybody looks"
WORDS = [["Good", 0.2, 0.5], ["morning.", 0.6, 1.1], ["Thank", 2.0, 2.3], ["you.", 2.4, 2.8]]
TEXT = "Good morning. Thank you."
MILLISECOND = 1_000_000


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Return a file whose content the cache beside it knows."""
    entry = {
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "duration": 3.0,
        "language": "en",
        "transcript": TEXT,
        "words": WORDS,
    }
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "one.json").write_text(json.dumps(entry, separators=(",", ":")))
    path = tmp_path / "upload"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def looking(tmp_path: Path) -> Iterator[Callable[[str], LookupPool]]:
    """Return a function that gives a recognizer with a service model."""
    pools: list[LookupPool] = []

    def pool(latency: str = "mean=0") -> LookupPool:
        pools.append(LookupPool(ServiceModel.parse(latency), Digests(tmp_path)))
        return pools[-1]

    yield pool
    for one in pools:
        with one:
            pass


Looking = Callable[..., LookupPool]


def test_a_clip_is_known_by_its_content(clip: Path, looking: Looking) -> None:
    """Words, times and language are the clip's; pauses part segments, as phrases are parted."""

    async def heard() -> None:
        for _ in range(2):  # known by its digest, then by a quicker one
            async with looking().listen(clip) as hearing:
                transcript = await hearing.transcript()
            assert transcript.text == TEXT
            assert transcript.language == "en"
            assert transcript.duration == 3.0
            assert [segment.text for segment in transcript.segments] == [
                "Good morning.",
                "Thank you.",
            ]
            assert transcript.segments[1].words[0] == Word("Thank", 2.0, 2.3)

    asyncio.run(heard())


def test_other_audio_has_no_text(tmp_path: Path, looking: Looking) -> None:
    """What is no clip is only decoded for its length; what is no audio is refused."""
    import soundfile

    other, garbage = tmp_path / "other.wav", tmp_path / "garbage"
    soundfile.write(other, [0.0] * 8000, 16_000)
    garbage.write_bytes(b"nothing")

    async def heard() -> None:
        pool = looking()
        async with pool.listen(other) as hearing:
            transcript = await hearing.transcript()
        assert (transcript.text, transcript.duration, transcript.language) == ("", 0.5, None)
        with pytest.raises(Undecodable):
            async with pool.listen(garbage):
                pass

    asyncio.run(heard())


def test_long_audio_is_refused(clip: Path, looking: Looking) -> None:
    """The limit of the model holds for known content too."""

    async def heard() -> None:
        with pytest.raises(TooLong):
            async with looking().listen(clip, 2.0):
                pass

    asyncio.run(heard())


def test_service_takes_its_time(clip: Path, looking: Looking) -> None:
    """A text is there after the service, a part of which goes by the length of the audio."""

    async def heard() -> None:
        begun = time.monotonic()
        async with looking("mean=0.01,constant,per_audio_s=0.01").listen(clip) as hearing:
            await hearing.transcript()
        assert time.monotonic() - begun >= 0.04

    asyncio.run(heard())


def test_requests_wait_for_a_server(clip: Path, looking: Looking) -> None:
    """No more are served at a time than there are servers; the others wait, and are counted."""

    async def heard() -> None:
        pool = looking("servers=2,mean=3600,constant")

        async def one() -> None:
            async with pool.listen(clip) as hearing:
                await hearing.transcript()

        tasks = [asyncio.create_task(one()) for _ in range(5)]
        await _until(lambda: b'waiting{model_name="lookup"} 3.0' in pool.metrics.text())
        assert b'running{model_name="lookup"} 2.0' in pool.metrics.text()
        tasks[0].cancel()  # served
        tasks[4].cancel()  # waiting
        await _until(lambda: b'waiting{model_name="lookup"} 1.0' in pool.metrics.text())
        assert b'running{model_name="lookup"} 2.0' in pool.metrics.text()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert b'running{model_name="lookup"} 0.0' in pool.metrics.text()
        assert b'finished_reason="abort",model_name="lookup"} 5.0' in pool.metrics.text()

    asyncio.run(heard())


async def _until(true: Callable[[], bool]) -> None:
    """Let the others go on until something is true."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.001)


def test_servers_are_given_in_the_order_of_arrival() -> None:
    """First come, first served; who was cancelled is passed over."""

    async def queued() -> None:
        queue = ServiceQueue(1)
        await queue.enter()
        order: list[int] = []

        async def one(number: int) -> None:
            await queue.enter()
            order.append(number)
            queue.leave(time.monotonic_ns())

        tasks = [asyncio.create_task(one(number)) for number in range(5)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        queue.leave(time.monotonic_ns())
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == [0, 2, 3, 4]
        assert (queue.running, queue.waiting) == (0, 0)

    asyncio.run(queued())


def test_a_server_that_came_to_a_cancelled_request_goes_on() -> None:
    """A request cancelled in the moment in which it is its turn hands its server on."""

    async def queued() -> None:
        queue = ServiceQueue(1)
        await queue.enter()
        first, second = (asyncio.create_task(queue.enter()) for _ in range(2))
        await asyncio.sleep(0)
        queue.leave(time.monotonic_ns())
        first.cancel()
        await second
        assert (queue.running, queue.waiting) == (1, 0)

    asyncio.run(queued())


def test_late_timers_take_away_no_capacity() -> None:
    """The next service begins when the last was due to end, but not before the request came."""

    async def queued() -> None:
        queue = ServiceQueue(1)
        await queue.enter()
        arrived = time.monotonic_ns()
        waiting = asyncio.create_task(queue.enter())
        await asyncio.sleep(0)
        due = time.monotonic_ns() + 100_000
        while time.monotonic_ns() < due + MILLISECOND:
            pass
        queue.leave(due)
        assert await waiting == due
        waiting = asyncio.create_task(queue.enter())
        await asyncio.sleep(0)
        queue.leave(arrived)
        assert await waiting > due
        waiting = asyncio.create_task(queue.enter())
        await asyncio.sleep(0)
        queue.leave(time.monotonic_ns() + 10**12)  # left before its time
        assert await waiting <= time.monotonic_ns()

    asyncio.run(queued())


@pytest.fixture
def client(clip: Path, looking: Looking) -> Callable[..., "Client"]:
    """Return a function that gives a client of a deployment with the lookup recognizer."""

    def build(dialect: str = "openai", latency: str = "mean=0") -> "Client":
        pool = looking(latency)
        settings = Settings(dialect, recognizer="lookup", latency=latency)
        return Client(httpx.ASGITransport(create_app(settings, pool, pool.metrics.text)))

    return build


class Client:
    """Sends requests to an application, each in an event loop of its own."""

    def __init__(self, transport: httpx.ASGITransport) -> None:
        self._transport = transport

    def get(self, path: str) -> httpx.Response:
        """Ask for a page."""
        return asyncio.run(self._sent("GET", path))

    def transcribe(self, **fields: str) -> httpx.Response:
        """Upload the clip."""
        files = {"file": ("a.wav", CONTENT, "audio/wav")}
        data = {"model": "whisper-large-v3", **fields}
        return asyncio.run(self._sent("POST", "/v1/audio/transcriptions", data=data, files=files))

    async def _sent(self, method: str, path: str, **more: object) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="http://lookup") as client:
            return await client.request(method, path, **more)  # type: ignore[arg-type]


def test_every_answer_says_that_nobody_listened(client: Callable[..., Client]) -> None:
    """A header names the recognizer and its service model, in refusals too."""
    deployment = client(latency="servers=3,mean=0")
    for answer in (deployment.transcribe(), deployment.transcribe(model="none")):
        assert answer.headers["x-soundcheck-recognizer"] == "lookup; servers=3,mean=0,constant"
    assert deployment.transcribe().json()["text"] == TEXT


@pytest.mark.parametrize("format", ["text", "srt", "vtt", "verbose_json"])
def test_all_formats_come_from_the_clip(client: Callable[..., Client], format: str) -> None:  # noqa: A002
    """A clip's words are rendered in whatever format is asked for."""
    answer = client().transcribe(response_format=format)
    assert answer.status_code == 200
    assert "Good morning." in answer.text


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
def test_streams_deliver_tokens_one_by_one(client: Callable[..., Client], dialect: str) -> None:
    """Deltas make up the text; they take the time of their number at the stated rate."""
    begun = time.monotonic()
    answer = client(dialect, "mean=0.01,constant,tokens=200").transcribe(stream="true")
    assert time.monotonic() - begun >= 0.01 + 3 / 200
    events = [
        json.loads(event.data) for event in parse(answer.content)[0] if event.data != "[DONE]"
    ]
    if dialect == "openai":
        deltas = [event["delta"] for event in events if event["type"].endswith("delta")]
    else:
        deltas = [event["choices"][0]["delta"]["content"] for event in events]
    assert "".join(deltas) == TEXT


def test_tokens_are_due_at_even_distances(clip: Path, looking: Looking) -> None:
    """The times at which tokens are due do not drift with the machine's delays."""

    async def heard() -> None:
        times = []
        async with looking("mean=0.005,constant,tokens=500").listen(clip) as hearing:
            assert hearing.token is not None
            async for _ in hearing.segments:
                break
            begun = time.monotonic()
            for _ in range(11):
                await hearing.token()
                times.append(time.monotonic())
        assert times[-1] - begun >= 0.02 - 0.005
        assert all(one <= other for one, other in pairwise(times))

    asyncio.run(heard())


def test_metrics_have_vllm_s_names(client: Callable[..., Client]) -> None:
    """Counts of requests, their times and the process are told in Prometheus' text format."""
    deployment = client("vllm")
    deployment.transcribe()
    answer = deployment.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'finished_reason="stop",model_name="lookup"} 1.0' in answer.text
    assert 'vllm:e2e_request_latency_seconds_count{model_name="lookup"} 1.0' in answer.text
    assert "process_cpu_seconds_total" in answer.text
    assert "kv_cache" not in answer.text
