"""Proxy and gateway on the wire: what the protocol says, seen from between them."""

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from soundcheck.http.certificates import Authority, self_signed
from soundcheck.http.envelope import Envelope
from soundcheck.reference.private.message import MAX_BODY
from soundcheck.reference.private.session import Session

from .conftest import ANSWER, EVENTS, SUBTITLES, Build, Hop, Stack

PROMPT = "an unmistakable prompt"


def error_of(answer: httpx.Response) -> str:
    """Return the message of an error that the stack itself tells."""
    assert answer.headers["privatemode-encrypted"] == "false"
    error = answer.json()["error"]
    assert error["type"] == ""
    return str(error["message"])


# -- the request ----------------------------------------------------------------------------------


def test_a_form_travels_in_the_agreed_order(stack: Stack) -> None:
    """Values by name, then the file as ``file``; all but four names encrypted, under one nonce."""
    answer = stack.post(prompt=PROMPT, stream="false", language="en", filename="my voice.wav")
    assert answer.json() == ANSWER
    (hop,) = stack.api.forms
    values = list(hop.values.values())
    assert [one.name for one in values] == ["language", "model", "prompt", "stream", "file"]
    assert [one.filename for one in values] == [None] * 4 + ["file"]
    clear = {one.name: one.data for one in values if one.envelope is None}
    assert clear == {"model": b"m", "stream": b"false"}
    envelopes = [one.envelope for one in values if one.envelope is not None]
    assert len({one.nonce for one in envelopes}) == 1
    assert len({one.iv for one in envelopes}) == 3
    assert [len(one.ciphertext) - 16 for one in envelopes] == [2, len(PROMPT), 36]
    assert int(hop.headers["content-length"]) == len(hop.body)


def test_the_head_tells_what_it_should(stack: Stack) -> None:
    """Model, secret, version, platform, request and the OCSP policy; and no user agent's name."""
    stack.client.post(
        f"{stack.url}?prompt=secret",
        data={"model": "whisper-large-v3"},
        files={"file": ("x", b"")},
        headers={"User-Agent": "somebody", "X-Request-ID": "req-7", "Cookie": "a=b"},
    )
    (hop,) = stack.api.forms
    headers = hop.headers
    envelope = hop.values["file"].envelope
    assert envelope is not None
    assert headers["privatemode-secret-id"] == b64encode(envelope.secret_id).decode()
    assert headers["privatemode-target-model"] == "whisper-large-v3"
    assert headers["privatemode-client"] == "Proxy"
    assert headers["privatemode-version"].startswith("v1.")
    assert headers["privatemode-os"] == "linux"
    assert headers["privatemode-architecture"]
    assert headers["x-request-id"] == "req-7"
    policy = headers["privatemode-nvidia-ocsp-policy"]
    assert policy.startswith("rules=allow-good; revocation-time-not-before=")
    assert len(headers["privatemode-nvidia-ocsp-policy-mac"]) == 64
    assert "somebody" not in str(headers)
    assert "cookie" not in headers
    assert "secret" not in hop.path


def test_each_exchange_has_its_nonce(stack: Stack) -> None:
    """The same request twice shares no nonce, no IV and no ciphertext."""
    for _ in range(2):
        stack.post(prompt=PROMPT)
    first, second = ([one.envelope for one in hop.values.values()] for hop in stack.api.forms)
    for one, other in zip(first, second, strict=True):
        if one is not None and other is not None:
            assert one.secret_id == other.secret_id
            assert one.nonce != other.nonce
            assert one.iv != other.iv
            assert one.ciphertext != other.ciphertext


def test_several_values_of_a_field_travel(stack: Stack) -> None:
    """None of them is lost, and their order is kept."""
    stack.post(**{"timestamp_granularities[]": ["word", "segment"]})
    ((_, parts),) = stack.backend.asked
    assert isinstance(parts, list)
    values = [one.data for one in parts if one.name == "timestamp_granularities[]"]
    assert values == [b"word", b"segment"]


def test_a_service_of_vllm_tells_the_usage_of_streams(build: Build) -> None:
    """The gateway adds both options to a form that asks for a stream, unless they are given."""
    stack = build(stream_usage=True)
    added = {"stream_include_usage", "stream_continuous_usage_stats"}
    for fields, expected in (
        ({"stream": "True"}, dict.fromkeys(added, b"true")),
        ({"stream": "false"}, {}),
        ({"stream": "true", "stream_include_usage": "x"}, {"stream_include_usage": b"x"}),
    ):
        stack.post(**fields)
        parts = stack.backend.asked[-1][1]
        assert isinstance(parts, list)
        given = {part.name: part.data for part in parts if part.name in added}
        assert expected.items() <= given.items()
        assert bool(given) == (fields["stream"] != "false")


def test_what_is_no_form_travels_whole(stack: Stack) -> None:
    """A body of another kind is one envelope; the backend gets it as it was, and its refusal."""
    answer = stack.client.post(stack.url, content=b'{"prompt": "x"}')
    (hop,) = stack.api.forms
    assert Envelope.parse(hop.body)
    ((_, body),) = stack.backend.asked
    assert body == b'{"prompt": "x"}'
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "not a form")
    assert b"not a form" not in hop.answer


def test_a_form_without_secrets_is_sealed_all_the_same(stack: Stack) -> None:
    """Even a form of clear fields alone gives an exchange a nonce to answer under."""
    answer = stack.client.post(stack.url, files={"model": (None, "m"), "stream": (None, "false")})
    assert answer.json() == ANSWER
    assert Envelope.parse(stack.api.forms[0].body)


def test_the_backends_refusal_comes_back_sealed(stack: Stack) -> None:
    """A missing model is the backend's to refuse."""
    answer = stack.client.post(stack.url, files={"file": ("x", b"")})
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "no model")
    assert b"no model" not in stack.api.forms[0].answer


def test_questions_without_bodies_go_in_the_clear(stack: Stack) -> None:
    """GET /v1/models has no secrets: it passes as it is, and its errors do."""
    answer = stack.client.get(stack.url.replace("audio/transcriptions", "models?secret=1"))
    assert answer.status_code == 200
    (hop,) = (one for one in stack.api.hops if one.method == "GET")
    assert (hop.path, hop.body) == ("/v1/models", b"")
    assert "privatemode-secret-id" not in hop.headers


def test_too_large_a_body_is_refused_at_once(stack: Stack) -> None:
    """128 MiB are the most; nothing of a larger body is waited for."""
    address = httpx.URL(stack.url)
    with socket.create_connection((address.host, address.port), timeout=30) as client:
        head = f"POST {address.path} HTTP/1.1\r\nHost: h\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
        client.sendall(head.encode())
        answer = b""
        while not answer.endswith(b"}"):
            answer += client.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"50 MB" in answer
    assert not stack.api.forms


# -- the answer -----------------------------------------------------------------------------------


def test_members_are_sealed_in_order(stack: Stack) -> None:
    """Every member but duration and usage, by ascending name, under the request's nonce."""
    assert stack.post().json() == ANSWER
    (hop,) = stack.api.forms
    assert [one.name for one in hop.members] == ["duration", "language", "text", "usage"]
    request = hop.values["file"].envelope
    assert request is not None
    for member in hop.members:
        sealed = member.envelope
        assert (sealed is None) == (member.name in ("duration", "usage"))
        assert sealed is None or sealed.nonce == request.nonce


def test_text_is_sealed_whole(stack: Stack) -> None:
    """Subtitles are one envelope of their own content type."""
    answer = stack.post(response_format="srt")
    assert answer.text == SUBTITLES
    assert answer.headers["content-type"].startswith("text/plain")
    (hop,) = stack.api.forms
    assert Envelope.parse(hop.answer)
    assert hop.answer_headers["strict-transport-security"]
    assert "strict-transport-security" not in answer.headers


def test_a_stream_arrives_event_by_event(stack: Stack) -> None:
    """The first event is there while the backend still holds back the second."""
    stack.api.relays = True
    stack.backend.released = released = asyncio.Event()
    data, files = {"model": "m", "stream": "true"}, {"file": ("x", b"")}
    with stack.client.stream("POST", stack.url, data=data, files=files) as answer:
        lines = answer.iter_lines()
        assert "Hello" in next(lines)
        stack.loop.call(released.set)
        rest = list(lines)
    events = [json.loads(line.removeprefix("data: ")) for line in rest if line]
    assert events == EVENTS[1:]
    (hop,) = stack.api.forms
    sealed = hop.answer.decode()
    assert "Hello" not in sealed
    assert '"usage":{"seconds": 2}' in sealed


def test_the_backend_learns_that_a_client_left(stack: Stack) -> None:
    """A client that goes in the middle of a stream ends the work for it."""
    stack.api.relays = True
    stack.backend.released = asyncio.Event()
    stack.backend.left = threading.Event()
    data, files = {"model": "m", "stream": "true"}, {"file": ("x", b"")}
    with stack.client.stream("POST", stack.url, data=data, files=files) as answer:
        next(answer.iter_lines())
    assert stack.backend.left.wait(20)


@pytest.mark.parametrize("kind", ["json", "srt"])
def test_answers_in_the_clear_are_refused(stack: Stack, kind: str) -> None:
    """Marked or not, a transcription that nobody vouches for does not reach the client."""

    def inject(hop: Hop) -> None:
        if hop in stack.api.forms:
            hop.answer, hop.status = b'{"text": "forged"}', 200
            if kind == "json":
                hop.answer_headers["privatemode-encrypted"] = "false"

    stack.api.after = inject
    answer = stack.post(response_format=kind)
    assert answer.status_code == 502
    assert "forged" not in answer.text
    assert error_of(answer)


def test_errors_in_the_clear_are_believed(stack: Stack) -> None:
    """An error of the gateway itself, marked as not encrypted, is passed on with its status."""

    def refuse(hop: Hop) -> None:
        hop.status, hop.answer = 429, b'{"error": {"message": "slow down", "type": ""}}'
        hop.answer_headers = {"privatemode-encrypted": "false", "retry-after": "7"}

    stack.api.before = refuse
    answer = stack.post()
    assert (answer.status_code, error_of(answer)) == (429, "slow down")
    assert answer.headers["retry-after"] == "7"


def test_a_broken_stream_ends_in_an_error(stack: Stack) -> None:
    """An event that does not fit is told by an error event, and the transfer breaks off."""

    def drop(hop: Hop) -> None:
        events = hop.answer.split(b"\n\n")
        hop.answer = b"\n\n".join([events[0], *events[2:]])

    stack.api.after = drop
    data, files = {"model": "m", "stream": "true"}, {"file": ("x", b"")}
    with stack.client.stream("POST", stack.url, data=data, files=files) as answer:
        lines: list[str] = []
        with pytest.raises(httpx.RemoteProtocolError):
            lines += (line for line in answer.iter_lines() if line and not lines.append(line))
    assert "Hello" in lines[0]
    assert "not authentic" in lines[-1]
    assert "World" not in str(lines)


# -- retries --------------------------------------------------------------------------------------


def lose(hop: Hop) -> None:
    """Answer as a service that does not know the secret."""
    hop.status, hop.answer = 500, b'{"error": {"message": "no secret for ID x", "type": ""}}'
    hop.answer_headers = {"privatemode-encrypted": "false", "content-type": "application/json"}


def reset(hop: Hop) -> None:
    """Break the connection off."""
    hop.status = 0


def first_forms(stack: Stack, count: int, change: Callable[[Hop], object]) -> Callable[[Hop], None]:
    """Return what changes the first ``count`` forms."""

    def act(hop: Hop) -> None:
        if hop in stack.api.forms[:count]:
            change(hop)

    return act


def test_a_lost_secret_is_renewed_once(stack: Stack) -> None:
    """After ``no secret for ID`` the request is sent once more: new secret, new nonce."""
    stack.api.before = first_forms(stack, 1, lose)
    assert stack.post().json() == ANSWER
    first, second = (hop.values["file"].envelope for hop in stack.api.forms)
    assert first is not None
    assert second is not None
    assert first.secret_id != second.secret_id
    assert first.nonce != second.nonce
    paths = [hop.path.rpartition("/")[2] for hop in stack.api.hops]
    assert paths == ["transcriptions", "attest", "secret", "transcriptions"]


def test_a_secret_lost_again_is_told(stack: Stack) -> None:
    """There is one retry; the second loss is the answer."""
    stack.api.before = first_forms(stack, 9, lose)
    answer = stack.post()
    assert answer.status_code == 500
    assert "no secret for ID" in error_of(answer)
    assert len(stack.api.forms) == 2


@pytest.mark.parametrize(("resets", "status"), [(1, 200), (2, 502)])
def test_a_reset_connection_is_tried_once_more(stack: Stack, resets: int, status: int) -> None:
    """Encrypted anew under the same secret, and only once."""
    stack.api.after = first_forms(stack, resets, reset)
    assert stack.post().status_code == status
    first, second = (hop.values["file"].envelope for hop in stack.api.forms)
    assert first is not None
    assert second is not None
    assert first.secret_id == second.secret_id
    assert first.nonce != second.nonce


def test_the_gateway_forgets_what_it_never_knew(stack: Stack) -> None:
    """The real gateway's own word for an unknown secret makes the proxy exchange a new one."""

    def other_id(hop: Hop) -> None:
        hop.headers["privatemode-secret-id"] = b64encode(bytes(32)).decode()

    stack.api.before = first_forms(stack, 1, other_id)
    assert stack.post().status_code == 200
    assert b"no secret for ID" in stack.api.forms[0].answer


# -- what the gateway refuses ---------------------------------------------------------------------


def edited(hop: Hop, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change a value of a request where it stands."""
    value = hop.values[name]
    hop.body = hop.body[: value.start] + change(value.data) + hop.body[value.end :]


def flipped(text: bytes, name: str, bit: int) -> bytes:
    """Return an envelope with one bit of one of its values flipped."""
    envelope = Envelope.parse(text)
    data = bytearray(getattr(envelope, name))
    data[bit // 8] ^= 1 << bit % 8
    return replace(envelope, **{name: bytes(data)}).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda hop: edited(hop, "file", lambda text: flipped(text, "ciphertext", 0)),
        lambda hop: edited(hop, "file", lambda text: flipped(text, "iv", 3)),
        lambda hop: edited(hop, "prompt", lambda text: flipped(text, "nonce", 9)),
        lambda hop: edited(hop, "prompt", lambda text: flipped(text, "secret_id", 9)),
        lambda hop: edited(hop, "prompt", lambda text: b"in the clear"),
        lambda hop: hop.headers.update({"privatemode-nvidia-ocsp-policy": "rules=allow-revoked"}),
        lambda hop: hop.headers.pop("privatemode-secret-id"),
        lambda hop: hop.headers.update({"privatemode-secret-id": "???"}),
        lambda hop: setattr(hop, "body", b"--rubbish"),
        lambda hop: setattr(hop, "body", b""),
    ],
    ids=["ciphertext", "iv", "nonce", "id", "clear", "policy", "no id", "bad id", "form", "empty"],
)
def test_a_changed_request_is_refused(stack: Stack, change: Callable[[Hop], None]) -> None:
    """Whatever was changed on the way: no answer, nothing for the backend, an error."""
    stack.api.before = first_forms(stack, 9, change)
    answer = stack.post(prompt=PROMPT)
    assert answer.status_code == 400
    assert error_of(answer)
    assert len(stack.api.forms) == 1
    assert not stack.backend.asked


@pytest.mark.parametrize("path", ["attest", "secret"])
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"Nonce": 1}', b'{"PublicKey": "AAAA"}'])
def test_a_bad_exchange_is_one_message(stack: Stack, path: str, body: bytes) -> None:
    """What is no question is answered 400 with a reason."""

    def ask(hop: Hop) -> None:
        if hop in stack.api.forms:
            hop.path = f"/privatemode/v1/{path}"

    address = stack.loop.run(direct(stack, f"/privatemode/v1/{path}", body))
    assert address[0] == 400
    assert json.loads(address[1])["error"]["message"]


async def direct(stack: Stack, path: str, body: bytes) -> tuple[int, bytes]:
    """Return status and body of the gateway's own answer."""
    transport = httpx.ASGITransport(stack.api._service)
    async with httpx.AsyncClient(transport=transport, base_url="https://gateway") as client:
        answer = await client.post(path, content=body)
        return answer.status_code, answer.content


# -- the secret -----------------------------------------------------------------------------------


def exchange_of(stack: Stack) -> tuple[Hop, Hop]:
    """Return the calls of the last exchange of a secret."""
    attest, secret = (
        [hop for hop in stack.api.hops if hop.path.endswith(name)][-1]
        for name in ("attest", "secret")
    )
    return attest, secret


def test_the_exchange_is_the_agreed_one(build: Build) -> None:
    """A nonce of 32 bytes, an X-Wing key of 1216, an encapsulated one of 1120; before any form."""
    stack = build()
    assert stack.post().status_code == 200
    assert [hop.path for hop in stack.api.hops][:2] == [
        "/privatemode/v1/attest",
        "/privatemode/v1/secret",
    ]
    attest, secret = exchange_of(stack)
    asked, told = json.loads(secret.body), json.loads(secret.answer)
    public = b64decode(asked["PublicKey"])
    sizes = [json.loads(attest.body)["Nonce"], asked["PublicKey"], told["EncapsulatedKey"]]
    assert [len(b64decode(one)) for one in sizes] == [32, 1216, 1120]
    envelope = stack.api.forms[0].values["file"].envelope
    assert envelope is not None
    assert envelope.secret_id == hashlib.sha256(public).digest()
    assert "stand-in" in b64decode(json.loads(attest.answer)["AttestationDoc"]).decode()


def changed_json(**members: Any) -> Callable[[Hop], None]:
    def change(hop: Hop) -> None:
        hop.answer = json.dumps({**json.loads(hop.answer), **members}).encode()

    return change


def _text(data: bytes) -> str:
    return b64encode(data).decode()


STRANGER = Authority.new("a stranger").issue("mesh")


def forge(hop: Hop) -> None:
    """Sign the exchange by a mesh certificate of somebody else."""
    told, asked = json.loads(hop.answer), json.loads(hop.body)
    signed = b64decode(asked["PublicKey"]) + b64decode(told["EncapsulatedKey"])
    certificate = _text(STRANGER.certificate_der)
    changed_json(Signature=_text(STRANGER.sign(signed)), MeshCert=certificate)(hop)


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        ("secret", changed_json(Signature=_text(STRANGER.sign(b""))), "not signed"),
        ("secret", changed_json(EncapsulatedKey=_text(bytes(1120))), "not signed"),
        ("secret", forge, "mesh CA"),
        ("secret", changed_json(MeshCert="AAAA"), "cannot be read"),
        ("secret", changed_json(MeshCert=None), "not base64"),
        ("secret", lambda hop: setattr(hop, "answer", b"[]"), "JSON object"),
        ("attest", changed_json(AttestationDoc=_text(b"{}")), "cannot be read"),
        ("attest", lambda hop: setattr(hop, "answer", b"rubbish"), "JSON object"),
        ("attest", lambda hop: setattr(hop, "status", 503), "status 503"),
        ("attest", reset, "closed the connection"),
    ],
)
def test_nothing_is_sent_without_a_secret(
    stack: Stack, path: str, change: Callable[[Hop], None], reason: str
) -> None:
    """An exchange that fails in any way is an error, and no form leaves the proxy."""

    def act(hop: Hop) -> None:
        if hop.path.endswith(path):
            change(hop)

    stack.api.before = first_forms(stack, 1, lose)
    stack.api.after = act
    answer = stack.post(prompt=PROMPT)
    assert answer.status_code == 502
    assert reason in error_of(answer)
    assert len(stack.api.forms) == 1
    assert not stack.backend.asked


def test_an_old_attestation_is_refused(stack: Stack) -> None:
    """A document for another nonce proves nothing."""
    old: list[bytes] = []

    def repeat(hop: Hop) -> None:
        if hop.path.endswith("attest"):
            old.append(hop.answer)
            hop.answer = old[0]

    stack.api.before = first_forms(stack, 9, lose)
    stack.api.after = repeat
    assert stack.post().status_code == 500  # a good exchange, and the secret is lost again
    assert "another nonce" in error_of(stack.post())


def test_a_secret_is_renewed_in_time(stack: Stack) -> None:
    """It lasts an hour, and is replaced 15 minutes before its end."""
    now = 0.0
    calls = 0

    class Clocked(Session):
        async def _exchanged(self, headers: Any) -> Any:
            nonlocal calls
            calls += 1
            return calls

    async def at(seconds: float) -> int:
        nonlocal now
        now = seconds
        await session.secret({})
        return calls

    async def made() -> Session:
        from soundcheck.reference.private.conduct import Conduct

        return Clocked(None, Conduct(), b"", lambda: now)  # type: ignore[arg-type]

    session = stack.loop.run(made())
    told = [stack.loop.run(at(seconds)) for seconds in (0, 2699, 2700, 5399, 5400)]
    assert told == [1, 1, 2, 2, 3]


# -- keys -----------------------------------------------------------------------------------------


def test_a_key_of_the_proxy_is_sent_for_every_client(build: Build) -> None:
    """Clients need none, and theirs is not used."""
    stack = build(api_key="right", proxy_key="right", client_key="wrong")
    assert stack.post().status_code == 200
    assert {hop.headers["authorization"] for hop in stack.api.hops} == {"Bearer right"}


def test_else_it_is_the_clients(build: Build) -> None:
    """A client without the right key gets 401, before and after there is a secret."""
    stack = build(api_key="right")
    for _ in range(2):
        answer = stack.post()
        assert answer.status_code == 401
        assert "Bearer" in answer.headers["www-authenticate"]
        assert error_of(answer)
        key = {"Authorization": "Bearer right"}
        files = {"file": ("x", b"")}
        good = stack.client.post(stack.url, data={"model": "m"}, files=files, headers=key)
        assert good.status_code == 200
    assert len(stack.backend.asked) == 2


# -- TLS ------------------------------------------------------------------------------------------


def test_tls_is_verified(build: Build, root: Authority) -> None:
    """Another root, another name, an expired or self-signed certificate: nothing is sent."""
    good = root.issue("127.0.0.1").server_context()
    good.maximum_version = ssl.TLSVersion.TLSv1_2
    assert build(tls=good).post().status_code == 200
    for credentials in (
        Authority.new("another").issue("127.0.0.1"),
        root.issue("localhost"),
        root.issue("127.0.0.1", expired=True),
        self_signed("127.0.0.1"),
    ):
        stack = build(tls=credentials.server_context())
        answer = stack.post()
        assert answer.status_code == 502
        assert "no trusted connection" in error_of(answer)
        assert not stack.api.hops


def test_nothing_is_sent_without_tls(build: Build) -> None:
    """An API that speaks plain HTTP gets not a byte of HTTP."""
    stack = build(tls=False)
    assert stack.post().status_code == 502
    assert not stack.api.hops


def test_the_policy_is_authenticated_by_the_secret(build: Build) -> None:
    """Its MAC is HMAC-SHA256 under the shared secret."""
    from soundcheck.reference.private.cipher import Secret
    from soundcheck.reference.private.gateway import policy_mac

    expected = hmac.new(b"k" * 32, b"rules=allow-good", hashlib.sha256).hexdigest()
    assert policy_mac(Secret(b"", b"k" * 32), "rules=allow-good") == expected
