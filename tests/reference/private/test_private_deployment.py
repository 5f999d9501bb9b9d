"""The private stack as processes before the real reference: all of it, from end to end."""

import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from soundcheck.audio import Library
from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.reference.deployment import start_reference
from soundcheck.reference.private import (
    GatewayRunning,
    ProxyRunning,
    start_gateway,
    start_proxy,
)

# The speech-to-text page's example, word for word.
PAGE_COMMAND = """curl localhost:8080/v1/audio/transcriptions \\
  -H "Content-Type: multipart/form-data" \\
  -F 'model=whisper-large-v3' \\
  -F 'file=@path/to/your/audio/file.mp3'"""


@dataclass(frozen=True)
class Private:
    """A stack before a backend of a dialect."""

    dialect: str
    gateway: GatewayRunning
    proxy: ProxyRunning

    def post(self, clip: str, **fields: str) -> httpx.Response:
        """Return the answer for a clip."""
        audio = Library().clip(clip).read()
        return httpx.post(
            f"{self.proxy.base_url}/audio/transcriptions",
            data={"model": "whisper-large-v3", **fields},
            files={"file": ("upload", audio)},
            timeout=60,
            trust_env=False,
        )


@pytest.fixture(scope="module", params=["vllm", "openai"])
def private(request: Any) -> Iterator[Private]:
    """Return a running stack."""
    with (
        start_reference(request.param, workers=1) as backend,
        start_gateway(backend.base_url, stream_usage=request.param == "vllm") as gateway,
        start_proxy(gateway.address, roots=gateway.roots, authority=gateway.authority) as proxy,
    ):
        yield Private(request.param, gateway, proxy)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_pages_curl_command_works_word_for_word(private: Private, tmp_path: Path) -> None:
    """The documented command, run as it stands against the proxy, gives the documented text."""
    file = tmp_path / "path/to/your/audio/file.mp3"
    file.parent.mkdir(parents=True)
    shutil.copy(Library().clip("hello.mp3").path, file)
    address = private.proxy.base_url.removeprefix("http://").removesuffix("/v1")
    (tmp_path / ".curlrc").write_text(f'silent\nconnect-to = "localhost:8080:{address}"\n')
    environment = os.environ | {"CURL_HOME": str(tmp_path), "NO_PROXY": "*"}
    done = subprocess.run(
        ["bash", "-c", PAGE_COMMAND], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    assert json.loads(done.stdout)["text"] == "Hello World."


@pytest.mark.parametrize("response_format", ["json", "verbose_json", "text", "srt", "vtt"])
def test_every_format_passes(private: Private, response_format: str) -> None:
    """Whatever the backend answers reaches the client: JSON, text, subtitles, or its refusal."""
    model = "whisper-large-v3" if private.dialect == "vllm" else "whisper-1"
    answer = private.post("hello.mp3", response_format=response_format, model=model)
    refused = private.dialect == "vllm" and response_format in ("srt", "vtt")
    assert answer.status_code == (400 if refused else 200)
    assert ("not supported" if refused else "Hello World.") in answer.text


def test_streams_pass(private: Private) -> None:
    """In either dialect the events come one by one and make up the text."""
    model = "whisper-large-v3" if private.dialect == "vllm" else "gpt-4o-transcribe"
    answer = private.post("hello.wav", stream="true", model=model)
    assert answer.headers["content-type"].startswith("text/event-stream")
    data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    assert (data[-1] == "[DONE]") == (private.dialect == "vllm")
    events = [json.loads(one) for one in data if one != "[DONE]"]
    if private.dialect == "vllm":
        pieces = [one["choices"][0]["delta"]["content"] for one in events if one["choices"]]
        assert all("usage" in one for one in events)
    else:
        pieces = [one["delta"] for one in events if one["type"] == "transcript.text.delta"]
    assert len(pieces) > 1
    assert "".join(pieces) == "Hello World."


def test_the_gateway_speaks_tls_only(private: Private) -> None:
    """Its certificate is signed by its own root; plain HTTP is not answered."""
    context = ssl.create_default_context(cafile=str(private.gateway.roots))
    url = f"{private.gateway.address}/v1/models"
    answer = httpx.get(f"https://{url}", verify=context, trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{url}", trust_env=False)


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


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the block there is no process and no file; before, there is no private key."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with start_gateway("http://127.0.0.1:9/v1") as gateway:
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert set(files) == {gateway.roots, gateway.authority}
        assert not any(b"PRIVATE" in path.read_bytes() for path in files)
        with start_proxy(
            gateway.address, roots=gateway.roots, authority=gateway.authority, api_key="k" * 9
        ) as proxy:
            command = Path(f"/proc/{proxy.pid}/cmdline").read_bytes()
            assert b"kkk" not in command
            # A backend that is not there is an error, not a traceback.
            answer = httpx.post(
                f"{proxy.base_url}/audio/transcriptions", files={"model": (None, "m")}
            )
            assert answer.status_code == 502
            assert "backend" in answer.json()["error"]["message"]
            os.kill(proxy.pid, signal.SIGTERM)
            assert ends(proxy.pid)
    assert ends(gateway.pid)
    assert not list(tmp_path.iterdir())


def test_what_cannot_start_is_one_message(tmp_path: Path) -> None:
    """A taken port and an unknown fault are told like any bad usage."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with (
            pytest.raises(SoundcheckError, match="port") as caught,
            start_gateway("http://127.0.0.1:9/v1", port=taken.getsockname()[1]),
        ):
            pass
        assert caught.value.exit_code == ExitCode.USAGE
    with (
        pytest.raises(SoundcheckError, match="iv-constant"),
        start_gateway("http://127.0.0.1:9/v1", faults=["iv-constan"]),
    ):
        pass
