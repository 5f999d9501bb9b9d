"""Whatever would fail every requirement alike is told once, before anything else."""

import json
import socket
from collections.abc import Callable

import pytest

from soundcheck.audio import Library
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.preflight import examine
from soundcheck.contract.profile import load_profile
from soundcheck.contract.send import Sender
from soundcheck.contract.target import Target
from soundcheck.errors import SoundcheckError, Unreachable
from soundcheck.http.client import Client
from soundcheck.http.store import Store

MODELS = {"object": "list", "data": [{"id": "whisper-1"}, {"id": "gpt-4o-transcribe"}]}
REFUSAL = {"error": {"message": "no file", "type": "x", "param": "file", "code": None}}

Answers = Callable[[bytes], tuple[str, str, str]]


@pytest.fixture
def examined(raw_server, tmp_path) -> Callable[..., Deployment]:
    """Return a function that examines a server which answers by path."""

    def run(answers: Answers, *, model: str | None = None, key: str | None = None) -> Deployment:
        def reply(connection: socket.socket, request: bytes) -> None:
            status, media_type, body = answers(request)
            connection.sendall(
                f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
            )

        target = Target(raw_server(reply).base_url, model, key)
        with Client(target.base_url, headers=target.headers) as client:
            sender = Sender(client, Store(tmp_path), Library(), tmp_path)
            return examine(target, load_profile("openai"), sender.answer)

    return run


def _usual(request: bytes, models: object = MODELS, refusal: object = REFUSAL) -> tuple[str, ...]:
    if request.startswith(b"GET /v1/models"):
        return "200 OK", "application/json", json.dumps(models)
    return "400 Bad Request", "application/json", json.dumps(refusal)


def test_models_model_and_dialect_are_found(examined) -> None:
    """The list of models is read, the one with most claims is chosen, the dialect is told."""
    found = examined(_usual)
    assert [entry.id for entry in found.listed] == ["whisper-1", "gpt-4o-transcribe"]
    assert found.model == "whisper-1"
    assert found.dialect == "openai"


def _list(*entries: dict[str, object]) -> dict[str, object]:
    return {"object": "list", "data": list(entries)}


def test_a_model_for_speech_is_chosen(examined) -> None:
    """Of models that the profile does not know, one that is marked for transcription is taken."""
    speaker = {"id": "kokoro", "task": "text-to-speech"}
    writer = {"id": "parakeet", "task": "automatic-speech-recognition"}
    assert examined(lambda r: _usual(r, models=_list(speaker, writer))).model == "parakeet"


def test_no_model_is_chosen_by_chance(examined) -> None:
    """Where nothing tells which model transcribes, the user is asked to name one."""
    models = _list({"id": "kokoro"}, {"id": "parakeet"})
    with pytest.raises(SoundcheckError, match="Name one with --model: kokoro, parakeet"):
        examined(lambda r: _usual(r, models=models))


def test_the_only_model_is_chosen(examined) -> None:
    """One that stands alone is taken, whatever it is called."""
    assert examined(lambda r: _usual(r, models=_list({"id": "parakeet"}))).model == "parakeet"


def test_an_integer_code_is_the_dialect_of_vllm(examined) -> None:
    """Errors whose code is an integer show vLLM's dialect."""
    refusal = {"error": REFUSAL["error"] | {"code": 400}}
    assert examined(lambda r: _usual(r, refusal=refusal)).dialect == "vllm"


@pytest.mark.parametrize("models", [{}, [], {"data": None}, {"data": [1, {}, {"id": 2}]}])
def test_an_unreadable_list_of_models_does_not_end_the_run(examined, models: object) -> None:
    """Without a readable list the run goes on with --model, and asks for one if it is missing."""
    assert examined(lambda r: _usual(r, models=models), model="m").listed == ()
    with pytest.raises(SoundcheckError, match="name one with --model"):
        examined(lambda r: _usual(r, models=models))


@pytest.mark.parametrize(
    "answer",
    [
        ("404 Not Found", "text/html", "<h1>nothing here</h1>"),
        ("200 OK", "text/html", "<h1>a web site</h1>"),
        ("301 Moved", "text/plain", ""),
        ("405 Method Not Allowed", "application/json", "{}"),
    ],
)
def test_another_server_is_told_from_the_api(examined, answer: tuple[str, str, str]) -> None:
    """A server that answers, but has no transcription endpoint, is one message about the URL."""
    with pytest.raises(Unreachable, match=r"not as a transcription API.*normally ends in /v1"):
        examined(lambda _: answer, model="m")


def test_a_refused_key_is_told_once(examined, monkeypatch) -> None:
    """A refused key is told with the name of its variable, never with its value."""
    monkeypatch.setenv("STT_KEY", "sk-secret-value")
    with pytest.raises(Unreachable, match="refuses the key in STT_KEY") as caught:
        examined(lambda _: ("401 Unauthorized", "application/json", "{}"), key="STT_KEY")
    assert "sk-secret-value" not in str(caught.value)


def test_a_missing_key_is_asked_for(examined) -> None:
    """A deployment that wants a key when none was given is told with what to do."""
    with pytest.raises(Unreachable, match="--api-key-env"):
        examined(lambda _: ("401 Unauthorized", "application/json", "{}"))


def test_an_unknown_model_is_told_with_those_there_are(examined, hello_in_cache) -> None:
    """A model that is not listed and does not transcribe is told with the listed ones."""
    with pytest.raises(SoundcheckError, match=r"'nope'.*it lists: whisper-1, gpt-4o-transcribe"):
        examined(_usual, model="nope")


def test_an_unlisted_model_that_works_is_taken(examined, hello_in_cache) -> None:
    """A model may work without being listed: judging that is a requirement's matter."""

    def answers(request: bytes) -> tuple[str, ...]:
        if b"filename=" in request:
            return "200 OK", "application/json", '{"text": "Hello World."}'
        return _usual(request)

    assert examined(answers, model="alias").model == "alias"


def test_bad_targets_are_refused_before_anything_is_sent(monkeypatch) -> None:
    """A URL that is none, or holds a secret, and a variable that is not set, are told at once."""
    monkeypatch.delenv("STT_KEY", raising=False)
    with pytest.raises(SoundcheckError, match="not an http"):
        Target("localhost:8000")
    with pytest.raises(SoundcheckError, match="--api-key-env"):
        Target("http://user:password@host/v1")
    with pytest.raises(SoundcheckError, match="STT_KEY is not set"):
        Target("http://host/v1", api_key_env="STT_KEY")


@pytest.fixture(scope="module")
def hello_in_cache() -> None:
    """Make the clip of the preflight's trial beforehand."""
    Library().clip("hello.wav")


def test_a_list_of_models_may_be_closed(examined) -> None:
    """A key that may not list models can still be for speech: the run goes on with --model."""

    def answers(request: bytes) -> tuple[str, ...]:
        if request.startswith(b"GET"):
            return "403 Forbidden", "application/json", '{"error": {"message": "missing scope"}}'
        return _usual(request)

    assert examined(answers, model="whisper-1").listed == ()


def test_a_key_asked_for_with_500_is_asked_for(examined) -> None:
    """A proxy that says by 500 that it has no API key yet is told as a missing key."""
    refusal = {"error": {"message": "You don't have an API key yet", "type": ""}}

    def answers(request: bytes) -> tuple[str, ...]:
        if request.startswith(b"GET"):
            return _usual(request)
        return "500 Internal Server Error", "application/json", json.dumps(refusal)

    with pytest.raises(Unreachable, match="--api-key-env"):
        examined(answers)


@pytest.mark.parametrize(
    ("error", "dialect"),
    [
        ({"message": "no", "type": ""}, "unknown"),
        ({"message": "no", "code": True}, "unknown"),
        ({"message": "no", "code": []}, "unknown"),
        ({"message": "no", "code": "invalid_value"}, "openai"),
        ("no", "unknown"),
    ],
)
def test_only_the_code_tells_the_dialect(examined, error: object, dialect: str) -> None:
    """An envelope without a code, or with one of neither kind, is of no known dialect."""
    assert examined(lambda r: _usual(r, refusal={"error": error})).dialect == dialect


def test_a_page_instead_of_an_error_is_no_api(examined) -> None:
    """A gateway's error page everywhere is a wrong or dead place, not a deployment to judge."""
    page = ("502 Bad Gateway", "text/html", "<h1>Bad Gateway</h1>")
    with pytest.raises(Unreachable, match="not as a transcription API"):
        examined(lambda _: page, model="whisper-1")


def test_names_that_cannot_be_sent_are_passed_over(examined) -> None:
    """A model id that is no text (a lone surrogate, a line end) is not chosen."""
    listed = {"data": [{"id": "\ud800"}, {"id": "a\nb"}, {"id": "whisper-1"}]}
    assert examined(lambda r: _usual(r, models=listed)).model == "whisper-1"


@pytest.mark.parametrize("url", ["http://[::1/v1", "http://h:abc/v1", "http://h/v1?key=abc", "h"])
def test_what_is_no_base_url_is_refused(url: str) -> None:
    """A URL that cannot be used, or could hold a secret in its query, is refused."""
    with pytest.raises(SoundcheckError):
        Target(url)


@pytest.mark.parametrize("key", ["sk-very-secret\n", "sk very secret", "schlüssel-geheim"])
def test_a_key_that_no_header_can_carry_is_refused(monkeypatch, key: str) -> None:
    """A key with a line end or other unsendable characters is told by its variable's name alone."""
    monkeypatch.setenv("STT_KEY", key)
    with pytest.raises(SoundcheckError, match="STT_KEY") as caught:
        Target("http://host/v1", api_key_env="STT_KEY")
    assert key.strip() not in str(caught.value)
