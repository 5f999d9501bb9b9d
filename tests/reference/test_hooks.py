"""What a deviation can do to a stream, to the size limit and to the connection."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from soundcheck.reference.faults import FAULTS, BreakOff, Call, Event, Fault, Reply
from soundcheck.reference.faults.hooks import Action, Registry
from soundcheck.reference.limits import Limits
from soundcheck.reference.refusal import Kind

Serving = Callable[..., str]
Knowing = Callable[..., Any]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return a registry whose faults can be chosen by name while the test runs."""

    class Chosen(Registry):
        def add(self, name: str, sentence: str, **hooks: Any) -> None:
            super().add(name, sentence, **hooks)
            monkeypatch.setitem(FAULTS, name, self.declared[-1])

    return Chosen(Fault)


def post(url: str, size: int = 10, **fields: str) -> httpx.Response:
    return httpx.post(
        f"{url}/audio/transcriptions",
        data={"model": "whisper-large-v3", **fields},
        files={"file": ("a.wav", bytes(size))},
        headers={"accept": "text/event-stream"},
        timeout=30,
    )


def streamed(url: str) -> list[str]:
    response = post(url, stream="true")
    assert response.status_code == 200
    return response.text.split("\n\n")


def refused(url: str, size: int) -> httpx.Response:
    response = post(url, size)
    assert response.status_code in (400, 413)
    return response


def test_receive(registry: Registry, serving: Serving, knowing: Knowing) -> None:
    """A receive hook sees the bytes of the whole form, and may answer before it is read."""
    seen: list[bytes] = []

    @registry.receive("example", "Forms of 1000 bytes and more give status 418.")
    def _(body: bytes, call: Call) -> Reply | None:
        seen.append(body)
        return Reply(418, b"", "text/plain") if len(body) > 1000 else None

    url = serving(knowing("Hello"), "openai", "example")
    assert post(url, 1000).status_code == 418
    assert post(url, 10).json()["text"] == "Hello"
    assert [body.startswith(b"--") and body.endswith(b"--\r\n") for body in seen] == [True, True]


def test_events(registry: Registry, serving: Serving, knowing: Knowing) -> None:
    """An events hook sees JSON values and the end marker, and can leave out, change and add."""
    seen: list[Event] = []

    @registry.events("example", "Says something else.")
    async def _(events: AsyncIterator[Event], call: Call) -> AsyncIterator[Event]:
        seen.extend([event async for event in events])
        yield "no json"
        yield {"dialect": call.dialect}

    assert streamed(serving(knowing("Hello"), "vllm", "example")) == [
        "data: no json",
        'data: {"dialect": "vllm"}',
        "",
    ]
    assert seen[0]["choices"] == [{"delta": {"content": "Hello"}}]
    assert seen[-1] == "[DONE]"


def test_frames(registry: Registry, serving: Serving, knowing: Knowing) -> None:
    """A frames hook sees encoded events and can cut them anywhere."""

    @registry.frames("example", "Sends single bytes.")
    async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        async for frame in frames:
            assert frame.startswith(b"data: ")
            assert frame.endswith(b"\n\n")
            for at in range(len(frame)):
                yield frame[at : at + 1]

    plain, cut = serving(knowing("Hello")), serving(knowing("Hello"), "openai", "example")
    assert streamed(cut) == streamed(plain)


def test_a_stream_that_never_ends_stops_when_the_client_leaves(
    registry: Registry, serving: Serving, knowing: Knowing
) -> None:
    """A hook may yield for ever; it is ended with the connection."""

    @registry.frames("example", "Streams for ever.")
    async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        while True:
            yield b": still here\n\n"
            await asyncio.sleep(0)

    pool = knowing("Hello")
    url = serving(pool, "openai", "example")
    data = {"model": "whisper-large-v3", "stream": "true"}
    files = {"file": ("a", b"x")}
    with httpx.stream("POST", f"{url}/audio/transcriptions", data=data, files=files) as response:
        lines = response.iter_lines()
        assert next(lines) == ": still here"
        assert not pool.left.is_set()
    assert pool.left.wait(30)


def test_a_transfer_can_be_broken_off(
    registry: Registry, serving: Serving, knowing: Knowing
) -> None:
    """BreakOff ends the connection in the middle, after what was sent."""

    @registry.events("example", "Breaks off.")
    async def _(events: AsyncIterator[Event], call: Call) -> AsyncIterator[Event]:
        yield await anext(events)
        raise BreakOff

    url = serving(knowing("Hello"), "openai", "example")
    data = {"model": "whisper-large-v3", "stream": "true"}
    files = {"file": ("a", b"x")}
    with httpx.stream("POST", f"{url}/audio/transcriptions", data=data, files=files) as response:
        pieces = response.iter_bytes()
        assert json.loads(next(pieces)[6:])["delta"] == "Hello"
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)


def test_a_stream_that_never_ends_is_broken_off(
    registry: Registry, serving: Serving, knowing: Knowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However patient the client is, the transfer ends, and visibly not as it should."""
    monkeypatch.setattr("soundcheck.reference.eventstream.SLOWEST", 0.1)

    @registry.frames("example", "Streams for ever.")
    async def _(frames: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        while True:
            yield b": still here\n\n"
            await asyncio.sleep(0.01)

    pool = knowing("Hello")
    with pytest.raises(httpx.RemoteProtocolError):
        post(serving(pool, "openai", "example"), stream="true")
    assert pool.left.is_set()


def test_the_head_of_a_stream(registry: Registry, serving: Serving, knowing: Knowing) -> None:
    """A stream_reply hook changes media type and headers."""

    @registry.stream_reply("example", "Says it is text.")
    def _(reply: Reply, call: Call) -> Reply:
        assert reply.body == b""
        return replace(reply, media_type="text/plain", headers=(("x-odd", "1"),))

    response = post(serving(knowing("Hello"), "vllm", "example"), stream="true")
    assert (response.headers["content-type"], response.headers["x-odd"]) == ("text/plain", "1")
    assert response.text.endswith("data: [DONE]\n\n")


def test_an_answer_in_place_of_a_stream(
    registry: Registry, serving: Serving, knowing: Knowing
) -> None:
    """A stream_reply hook that gives a body answers that, and recognition ends."""

    @registry.stream_reply("example", "Answers JSON.")
    def _(reply: Reply, call: Call) -> Reply:
        return replace(reply, media_type="application/json", body=b'{"text": "Hi"}')

    pool = knowing("Hello")
    response = post(serving(pool, "openai", "example"), stream="true")
    assert response.json() == {"text": "Hi"}
    assert pool.left.is_set()


def test_what_is_heard_otherwise_is_streamed_otherwise(
    registry: Registry, serving: Serving, knowing: Knowing
) -> None:
    """A hear hook acts on streams too."""

    @registry.hear("example", "Loses the first segment.")
    def _(transcript: Any, call: Call) -> Any:
        return replace(transcript, segments=transcript.segments[1:])

    frames = streamed(serving(knowing("One.", "Two."), "openai", "example"))
    assert json.loads(frames[-2][6:])["text"] == "Two."


def test_an_error_knows_what_the_client_accepts(
    registry: Registry, serving: Serving, knowing: Knowing
) -> None:
    """An error hook sees the header Accept and why the request is refused."""

    @registry.error("example", "Errors are events.")
    def _(reply: Reply, call: Call) -> Reply:
        text = f"{call.accept} {call.refused is Kind.UNKNOWN_MODEL}"
        return replace(reply.with_text(text), media_type="text/event-stream")

    response = post(serving(knowing(), "openai", "example"), model="nobody")
    assert (response.status_code, response.text) == (404, "text/event-stream True")


def test_limits_can_be_changed(registry: Registry, serving: Serving, knowing: Knowing) -> None:
    """A limit hook sets another size limit."""

    @registry.limit("example", "Takes ten bytes.")
    def _(limits: Limits) -> Limits:
        return replace(limits, max_file=10, counts="file")

    url = serving(knowing("Hello"), "vllm", "example")
    assert post(url, 10).status_code == 200
    assert "(10)" in refused(url, 11).json()["error"]["message"]


def test_there_may_be_no_limit(registry: Registry, serving: Serving, knowing: Knowing) -> None:
    """Without a limit any file is taken."""

    @registry.limit("example", "Takes everything.")
    def _(limits: Limits) -> Limits:
        return replace(limits, max_file=None)

    url = serving(knowing("Hello"), "openai", "example")
    assert post(url, 27_000_000).status_code == 200


def test_a_file_can_be_cut(registry: Registry, serving: Serving, knowing: Knowing) -> None:
    """A limit that cuts keeps the beginning of the file, however long the body is."""

    @registry.limit("example", "Cuts after ten bytes.")
    def _(limits: Limits) -> Limits:
        return replace(limits, max_file=10, cuts=True)

    sizes: list[int] = []

    @registry.form("size", "Looks at the file.")
    def _(form: Any, call: Call) -> Any:
        sizes.append(form.file.size)
        assert len(form.file.path.read_bytes()) == form.file.size
        return form

    url = serving(knowing("Hello"), "vllm", "example", "size")
    for size in (9, 10, 11, 1_000_000):
        assert post(url, size).status_code == 200
    assert sizes == [9, 10, 10, 10]


def declare(registry: Registry, action: Action) -> None:
    @registry.oversize("example", "Does something to the connection.")
    def _(reply: Reply, call: Call) -> Reply:
        return replace(reply, action=action)


@pytest.mark.parametrize("size", [2000, 8_000_000])
def test_a_connection_can_be_reset(
    registry: Registry, serving: Serving, knowing: Knowing, size: int
) -> None:
    """A reset loses the answer; the deployment goes on."""
    declare(registry, "reset")
    url = serving(knowing("Hello"), "vllm", "example", max_file=1000)
    with pytest.raises(httpx.TransportError):
        post(url, size)
    assert post(url).json()["text"] == "Hello"


def test_a_deployment_can_hang(registry: Registry, serving: Serving, knowing: Knowing) -> None:
    """It takes the whole body and says nothing; other requests are answered."""
    declare(registry, "hang")
    url = serving(knowing("Hello"), "vllm", "example", max_file=1000)
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80)) as connection:
        connection.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + bytes(9_000_000)
        )
        assert post(url).json()["text"] == "Hello"
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)


def test_no_connection_hangs_for_ever(
    registry: Registry, serving: Serving, knowing: Knowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However patient the client is, the connection is closed in the end."""
    monkeypatch.setattr("soundcheck.reference.backend.SLOWEST", 0.1)
    declare(registry, "hang")
    with pytest.raises(httpx.TransportError):
        post(serving(knowing("Hello"), "vllm", "example", max_file=1000), 2000)


def test_a_deployment_can_die(registry: Registry, serving: Serving, knowing: Knowing) -> None:
    """From then on every request is reset, on old connections too; other deployments go on."""
    declare(registry, "die")
    url = serving(knowing("Hello"), "vllm", "example", max_file=1000)
    with httpx.Client() as client:
        assert client.get(f"{url}/models").status_code == 200
        with pytest.raises(httpx.TransportError):
            post(url, 2000)
        with pytest.raises(httpx.TransportError):
            client.get(f"{url}/models")
    with pytest.raises(httpx.TransportError):
        post(url)
    assert post(serving(knowing("Hello"))).status_code == 200


def test_an_answer_can_come_unread(registry: Registry, serving: Serving, knowing: Knowing) -> None:
    """A deployment may answer and close without reading the body."""
    declare(registry, "close")
    url = serving(knowing("Hello"), "vllm", "example", max_file=1000)
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80)) as connection:
        connection.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n"
            b"Connection: close\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
        )
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in answer
    assert b"(1000)" in answer


def test_only_refusals_for_size_are_oversize(
    registry: Registry, serving: Serving, knowing: Knowing
) -> None:
    """Other refusals and answers are left alone."""
    declare(registry, "reset")
    url = serving(knowing("Hello"), "vllm", "example")
    assert post(url).status_code == 200
    assert post(url, model="nobody").status_code == 404
