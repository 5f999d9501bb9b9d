"""Hostile and damaged files over HTTP: answered, harmless, and nothing told that is not theirs."""

import re
import socket
import tempfile
import tomllib
from collections.abc import Callable

import httpx
import pytest

from soundcheck import suites
from soundcheck.audio import Library
from soundcheck.audio.formats import NINE

Deployment = Callable[..., httpx.Client]
RECIPES = tomllib.loads((suites.folder("fixtures") / "hostile.toml").read_text("utf-8"))
NAMES = [
    f"{name}.{extension}"
    for name, recipe in RECIPES.items()
    for extension in (NINE if recipe["formats"] == "all" else recipe["formats"])
]
# Paths, tracebacks, names of libraries, of their functions and of their errors, addresses.
LEAKS = re.compile(
    r"/|\\|Traceback|Errno|Error\b|Exception|0x[0-9a-f]|\bav\b|ffmpeg|libav|python|uvicorn|starlette"
    r"|multipart\.|pocketsphinx|numpy|\d+\.\d+\.\d+\.\d+|localhost|secret-key",
    re.IGNORECASE,
)


def check_message(response: httpx.Response) -> None:
    """A refusal's message holds nothing of the server's inside."""
    error = response.json()["error"]
    message = error if isinstance(error, str) else error["message"]
    assert message
    assert not LEAKS.search(message.replace("multipart/form-data", "")), message
    for name in (socket.gethostname(), tempfile.gettempdir()):
        assert name not in response.text


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
@pytest.mark.parametrize("name", NAMES)
def test_hostile_files_are_answered(
    deployment: Deployment, library: Library, dialect: str, name: str
) -> None:
    """Each is transcribed or the client's error, streamed or not."""
    client = deployment(dialect, api_key="secret-key")
    client.headers["authorization"] = "Bearer secret-key"
    audio = library.clip(name).path.read_bytes()
    for stream in ("false", "true"):
        response = client.post(
            "/audio/transcriptions",
            data={"model": "whisper-large-v3", "stream": stream},
            files={"file": (name, audio)},
        )
        assert response.status_code in (200, 400, 413)
        if response.status_code != 200:
            check_message(response)
    assert client.get("/models").status_code == 200


PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no form",
        b"--b\r\n\xff\xfe: x\r\n\r\n\r\n--b--\r\n",
        b"--b\r\nno colon\r\n\r\n\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--\r\n',
        b"--b\r\nContent-Disposition: attachment\r\n\r\n\r\n--b--\r\n",
        PART + b"X: " + b"y" * 20_000 + b"\r\n\r\n\r\n--b--\r\n",
        PART + b"Content-Length: 5\r\n\r\n1\r\n--b--\r\n",
        PART + b"Content-Length: x\r\n\r\n1\r\n--b--\r\n",
        PART + b"\r\ncut",
        PART + b"\r\n1\r\n--bX",
    ],
)
def test_broken_forms_are_told_in_our_own_words(
    deployment: Deployment, dialect: str, content: bytes
) -> None:
    """A refusal of a form says what is wrong with it and nothing of what reads it."""
    headers = {"content-type": "multipart/form-data; boundary=b"}
    url = "/audio/transcriptions"
    response = deployment(dialect).post(url, content=content, headers=headers)
    assert response.status_code == 400
    check_message(response)


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
def test_other_refusals_leak_nothing_either(deployment: Deployment, dialect: str) -> None:
    """Wrong keys, paths, methods, models and values."""
    keyed = deployment(dialect, api_key="secret-key")
    client = deployment(dialect)
    files = {"file": ("a", b"x")}
    for response in (
        keyed.get("/models"),
        keyed.get("/models", headers={"authorization": "Bearer secret-keys"}),
        client.get("/nothing"),
        client.put("/models"),
        client.post("/audio/transcriptions", json={}),
        client.post("/audio/transcriptions", files=files, data={"model": "nobody"}),
        client.post("/audio/transcriptions", data={"model": "whisper-large-v3"}),
    ):
        assert 400 <= response.status_code < 500
        check_message(response)
