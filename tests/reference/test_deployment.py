"""A reference deployment as a process: it starts, answers, and is gone afterwards."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from soundcheck.audio import Library
from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.reference.deployment import Running, start_reference

# The speech-to-text page's example, word for word.
PAGE_COMMAND = """curl localhost:8080/v1/audio/transcriptions \\
  -H "Content-Type: multipart/form-data" \\
  -F 'model=whisper-large-v3' \\
  -F 'file=@path/to/your/audio/file.mp3'"""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Return a running deployment."""
    with start_reference(workers=2) as started:
        yield started


@pytest.fixture
def connection(running: Running) -> Iterator[socket.socket]:
    """Return a connection to the deployment."""
    port = int(running.base_url.rsplit(":", 1)[1].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as opened:
        yield opened


def post(base_url: str, audio: bytes, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{base_url}/audio/transcriptions",
        data={"model": "whisper-large-v3"},
        files={"file": ("upload", audio)},
        headers=headers,
        timeout=60,
    )


def ends(pid: int) -> bool:
    """Wait until a process has ended; False after 20 s."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 20)[0])
    finally:
        os.close(handle)


def head_of_answer(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            break
        data += piece
    return data


def test_it_answers_as_soon_as_it_is_there(running: Running, library: Library) -> None:
    """No waiting is needed: the base URL works at once."""
    clip = library.clip("hello.wav")
    assert post(running.base_url, clip.read()).json()["text"] == clip.transcript


def test_the_pages_curl_command_works_word_for_word(
    running: Running, library: Library, tmp_path: Path
) -> None:
    """The documented command, run as it stands, gives the documented text."""
    file = tmp_path / "path/to/your/audio/file.mp3"
    file.parent.mkdir(parents=True)
    shutil.copy(library.clip("hello.mp3").path, file)
    address = running.base_url.removeprefix("http://").removesuffix("/v1")
    (tmp_path / ".curlrc").write_text(f'silent\nconnect-to = "localhost:8080:{address}"\n')
    environment = os.environ | {"CURL_HOME": str(tmp_path), "NO_PROXY": "*"}
    done = subprocess.run(
        ["bash", "-c", PAGE_COMMAND], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == {
        "text": "Hello World.",
        "usage": {"type": "duration", "seconds": 2},
    }


def test_requests_at_the_same_time_get_their_own_answers(
    running: Running, library: Library
) -> None:
    """Sixteen requests at once, each with the text of its own clip."""
    names = ["hello.wav", "sentence.wav", "other-sentence.wav", "german.wav"] * 4
    clips = [library.clip(name) for name in names]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda clip: post(running.base_url, clip.read()), clips))
    assert [one.json()["text"] for one in answers] == [clip.transcript for clip in clips]


@pytest.mark.parametrize("connection_header", ["keep-alive", "close"])
def test_a_far_too_large_body_gets_a_whole_answer(running: Running, connection_header: str) -> None:
    """The refusal of 60 MB can be read, whether the connection is kept or not."""
    response = post(running.base_url, bytes(60_000_000), Connection=connection_header)
    assert response.status_code == 413
    assert "26214400" in response.json()["error"]["message"]


def test_a_connection_survives_a_refusal(running: Running, library: Library) -> None:
    """A good request follows a refused one on the same connection."""
    with httpx.Client() as client:
        url = f"{running.base_url}/audio/transcriptions"
        assert client.post(url, content=b"x" * 2_000_000).status_code == 400
        files = {"file": ("a", library.clip("hello.wav").read())}
        response = client.post(url, data={"model": "whisper-1"}, files=files)
        assert response.json()["text"] == "Hello World."


def test_a_client_that_waits_for_leave_is_refused_at_once(connection: socket.socket) -> None:
    """With Expect: 100-continue a far too large body is never asked for."""
    connection.sendall(
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 90000000\r\n\r\n"
    )
    head = head_of_answer(connection)
    assert head.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in head.lower()


def test_leave_is_given_for_a_body_of_fair_size(connection: socket.socket) -> None:
    """With Expect: 100-continue a body that may come is asked for."""
    connection.sendall(
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5\r\n\r\n"
    )
    assert head_of_answer(connection).startswith(b"HTTP/1.1 100")
    connection.sendall(b"--b--")
    assert head_of_answer(connection).startswith(b"HTTP/1.1 400")


def test_clients_that_leave_do_no_harm(running: Running, library: Library) -> None:
    """After clients that went away in the middle, the next one is served."""
    port = int(running.base_url.rsplit(":", 1)[1].split("/")[0])
    request = httpx.Request(
        "POST",
        f"{running.base_url}/audio/transcriptions",
        data={"model": "whisper-1"},
        files={"file": ("a", library.clip("speech-60s.wav").read())},
    )
    request.read()
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    head = "\r\n".join(["POST /v1/audio/transcriptions HTTP/1.1", *lines, "", ""]).encode()
    for part in (request.content[:100_000], request.content):
        with socket.create_connection(("127.0.0.1", port)) as opened:
            opened.sendall(head + part)
    assert post(running.base_url, library.clip("hello.wav").read()).status_code == 200


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_the_server_process_stays_lean(running: Running, library: Library) -> None:
    """Decoders and numpy are loaded in the workers, not in the process that answers."""
    assert post(running.base_url, library.clip("hello.webm").read()).status_code == 200
    loaded = Path(f"/proc/{running.pid}/maps").read_text()
    for name in ("numpy", "libavcodec", "pocketsphinx"):
        assert name not in loaded


def test_it_is_gone_when_the_block_is_left() -> None:
    """The process ends, and its port is free again."""
    with start_reference(workers=1) as started:
        assert httpx.get(f"{started.base_url}/models").status_code == 200
    assert ends(started.pid)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{started.base_url}/models")


def test_it_is_gone_when_the_parent_is_killed() -> None:
    """Nothing is left behind by a process that had no chance to clean up."""
    script = (
        "import os, signal\n"
        "from soundcheck.reference.deployment import start_reference\n"
        "with start_reference(workers=1) as started:\n"
        "    print(started.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert ends(int(killed.stdout))


def test_settings_reach_the_process(library: Library) -> None:
    """Dialect, faults and the key are the child's; the key is in nobody's list of processes."""
    with start_reference("vllm", ("no-usage",), "secret-key-1", workers=1) as started:
        assert httpx.get(f"{started.base_url}/models").json() == {"error": "Unauthorized"}
        audio = library.clip("hello.wav").read()
        response = post(started.base_url, audio, Authorization="Bearer secret-key-1")
        assert response.json() == {"text": "Hello World."}
        shown = subprocess.run(
            ["ps", "-o", "args=", "-p", str(started.pid)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "secret-key-1" not in shown.stdout


def test_limits_reach_the_process(library: Library) -> None:
    """A deployment can be started with another size limit."""
    audio = library.clip("hello.wav").read()
    size = len(audio)
    with start_reference(workers=1, max_file=size, limit_counts="file") as started:
        assert post(started.base_url, audio).status_code == 200
        response = post(started.base_url, audio + b"x")
        assert response.status_code == 413
        assert f"({size})" in response.json()["error"]["message"]


def test_a_client_that_leaves_a_stream_frees_the_recognizer(library: Library) -> None:
    """The only recognizer is free for the next request as soon as a stream was left."""
    with start_reference(workers=1) as started:
        for _ in range(2):
            with httpx.stream(
                "POST",
                f"{started.base_url}/audio/transcriptions",
                data={"model": "whisper-large-v3", "stream": "true"},
                files={"file": ("a", library.clip("speech-60s.wav").read())},
                timeout=60,
            ) as response:
                lines = response.iter_lines()
                assert next(lines).startswith("data: ")
        assert post(started.base_url, library.clip("hello.wav").read()).status_code == 200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"faults": ("refuse-webm",)}, "refuses-webm"),
        ({"dialect": "klingon"}, "openai and vllm"),
        ({"limit_counts": "bytes"}, "the file, the part, the request"),
        ({"max_file": -1}, "not -1"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, Any], message: str) -> None:
    """A name that means nothing is the user's error, with a hint."""
    with pytest.raises(SoundcheckError, match=message) as caught, start_reference(**settings):
        pass
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_taken_port_is_told() -> None:
    """Another program on the port is one message."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SoundcheckError, match=f"port {port}"), start_reference(port=port):
            pass
