"""The stub: whole requests in, ready-made answers out, at the times that it was told."""

import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise

import pytest

from soundcheck.errors import SoundcheckError
from soundcheck.http.sse import parse
from soundcheck.reference.stub import StubSettings, start_stub
from soundcheck.reference.stub_server import StubServer, next_tick

BOUNDARY = "b0undary"


def request(
    *, size: int = 50_000, stream: bool = False, ending: str = "--", last: bool = False
) -> bytes:
    """Return a request; its ``stream`` field comes first or ``last``."""
    file = (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
        'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    ).encode() + b"\0" * size
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue'.encode()
    fields = [file, field] if last else [field, file]
    body = b"\r\n".join([*(fields if stream else [file]), f"--{BOUNDARY}{ending}\r\n".encode()])
    head = (
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: stub\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answer(client: socket.socket) -> tuple[int, bytes]:
    """Read one answer: its status, and its body without the marks of chunks."""
    with client.makefile("rb") as file:
        status = int(file.readline().split()[1])
        head = b"".join(iter(file.readline, b"\r\n")).lower()
        if length := re.search(rb"content-length: (\d+)", head):
            return status, file.read(int(length[1]))
        body = b""
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
        return status, body


Serving = Callable[..., socket.socket]


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Return a function that serves a stub in this process and connects a client to it."""
    threads: list[tuple[threading.Thread, int]] = []
    clients: list[socket.socket] = []
    opened: list[int] = []
    servers: dict[StubSettings, StubServer] = {}

    def connect(settings: StubSettings) -> socket.socket:
        if settings not in servers:
            parent, ours = os.pipe()
            servers[settings] = server = StubServer(settings)
            thread = threading.Thread(target=server.run, args=(parent,))
            thread.start()
            threads.append((thread, ours))
            opened.append(parent)
        port = int(servers[settings].base_url.rpartition(":")[2].partition("/")[0])
        client = socket.create_connection(("127.0.0.1", port), timeout=10)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()
    for thread, ours in threads:
        os.close(ours)
        thread.join()
    for server in servers.values():
        server.close()
    for parent in opened:
        os.close(parent)


def test_every_request_of_a_connection_is_answered(serving: Serving) -> None:
    """A connection stays open; answers have the shape of a transcription."""
    client = serving(StubSettings(text="hello there"))
    for size in (10, 400_000, 100):
        client.sendall(request(size=size))
        status, body = answer(client)
        assert status == 200
        assert json.loads(body)["text"] == "hello there"


def test_a_body_that_comes_in_pieces_is_put_together(serving: Serving) -> None:
    """Where the network cuts a request makes no difference."""
    client = serving(StubSettings())
    whole = request(size=9000, stream=True, last=True)
    cuts = [0, 3, 200, 201, 5000, len(whole) - 15, len(whole) - 3, len(whole)]
    for start, stop in pairwise(cuts):
        client.sendall(whole[start:stop])
    assert answer(client)[1].startswith(b"data: ")


def test_requests_sent_ahead_are_answered_in_turn(serving: Serving) -> None:
    """What a client sends before it has its answer is kept for later."""
    client = serving(StubSettings())
    client.sendall(request(size=10) * 3)
    assert [_last_status(client) for _ in range(3)] == [200] * 3


def _last_status(client: socket.socket) -> int:
    """Read an answer byte by byte, so that nothing of the next is taken."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(1)
    length = re.search(rb"content-length: (\d+)", data)
    assert length
    client.recv(int(length[1]), socket.MSG_WAITALL)
    return int(data.split()[1])


def test_a_form_without_its_last_boundary_is_refused(serving: Serving) -> None:
    """The stub looks at the end of each body."""
    client = serving(StubSettings())
    client.sendall(request(ending=""))
    assert answer(client)[0] == 400


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"POST /v1/audio/transcriptions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_other_requests_have_their_answers(serving: Serving, sent: bytes, status: int) -> None:
    """Models are listed; what is unknown or has no length is refused."""
    client = serving(StubSettings())
    client.sendall(sent)
    assert answer(client)[0] == status


def test_a_status_can_be_asked_for(serving: Serving) -> None:
    """Every transcription is refused with the status that the stub was told."""
    client = serving(StubSettings(status=503))
    client.sendall(request())
    status, body = answer(client)
    assert status == 503
    assert "error" in json.loads(body)


@pytest.mark.parametrize("last", [False, True])
def test_streams_tell_when_each_delta_was_sent(serving: Serving, last: bool) -> None:
    """Deltas make up the text, and carry rising times of the monotonic clock."""
    client = serving(StubSettings(text="a whole sentence", deltas=5))
    before = time.monotonic_ns()
    client.sendall(request(stream=True, last=last))
    status, body = answer(client)
    after = time.monotonic_ns()
    *deltas, done = [json.loads(event.data) for event in parse(body)[0]]
    times = [event["sent_ns"] for event in deltas]
    assert status == 200
    assert len(deltas) == 5
    assert "".join(event["delta"] for event in deltas) == done["text"] == "a whole sentence"
    assert before < times[0]
    assert times == sorted(times)
    assert times[-1] < after


def test_vllm_streams_end_with_their_marker(serving: Serving) -> None:
    """In vLLM's dialect chunks carry the text and [DONE] ends them."""
    client = serving(StubSettings(dialect="vllm", deltas=3))
    client.sendall(request(stream=True))
    *chunks, done = [event.data for event in parse(answer(client)[1])[0]]
    texts = [json.loads(chunk)["choices"][0]["delta"]["content"] for chunk in chunks]
    assert done == "[DONE]"
    assert "".join(texts) == "one two three"


def test_deltas_keep_their_distance(serving: Serving) -> None:
    """Delay and gaps are kept at least, whatever the machine does."""
    client = serving(StubSettings(deltas=4, delay_s=0.02, delta_gap_s=0.01))
    begun = time.monotonic_ns()
    client.sendall(request(stream=True))
    *deltas, _ = [json.loads(event.data) for event in parse(answer(client)[1])[0]]
    for number, event in enumerate(deltas):
        assert event["sent_ns"] - begun >= 20_000_000 + number * 10_000_000


def test_all_streams_can_tick_together() -> None:
    """On one tick, deltas wait for the next multiple of the gap on the common clock."""
    assert [next_tick(due, 50) for due in (0, 1, 49, 50, 51)] == [0, 50, 50, 50, 100]
    assert next_tick(7, 0) == 7


def test_a_frozen_stub_answers_nothing(serving: Serving) -> None:
    """From the stated time on after the first request nothing is answered for a while."""
    settings = StubSettings(freeze_at_s=0.0, freeze_s=0.1)
    begun = time.monotonic()
    for _ in range(2):
        client = serving(settings)
        client.sendall(request())
        assert answer(client)[0] == 200
    assert time.monotonic() - begun >= 0.1


def test_a_stub_is_a_process_with_tls_if_wanted() -> None:
    """It is started with its own root, and ended, as a child."""
    with start_stub(StubSettings(tls=True)) as stub:
        assert stub.roots is not None
        context = ssl.create_default_context(cafile=str(stub.roots))
        port = int(stub.base_url.rpartition(":")[2].partition("/")[0])
        with (
            closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as client,
        ):
            client.sendall(request(size=300_000))
            assert answer(client)[0] == 200
    with pytest.raises(ProcessLookupError):
        os.kill(stub.pid, 0)


@pytest.mark.parametrize(
    "wrong", [{"dialect": "french"}, {"delay_s": -1.0}, {"deltas": -1}, {"status": 99}]
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    """A setting that cannot be meant says so."""
    with pytest.raises(SoundcheckError):
        StubSettings(**wrong)  # type: ignore[arg-type]
