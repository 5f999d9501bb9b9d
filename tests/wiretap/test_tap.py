"""The tap from outside: it relays, records, changes what it is told to, and leaves nothing."""

import json
import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from soundcheck.contract.attack import Attack
from soundcheck.contract.canary import Canary
from soundcheck.errors import SoundcheckError
from soundcheck.http.tapped import Hop
from soundcheck.wiretap import relay
from soundcheck.wiretap.attacks import INJECTED
from soundcheck.wiretap.tap import BadAddress, Tap, address

PATH = "/v1/audio/transcriptions"
ATTEST, SECRET = "/privatemode/v1/attest", "/privatemode/v1/secret"
STREAM = "text/event-stream"
WORD = b"abcdefghijklmnopqrstuvwx"


def _post(client: httpx.Client, form: tuple[str, bytes], **headers: str) -> httpx.Response:
    kind, body = form
    return client.post(PATH, content=body, headers={"Content-Type": kind, **headers})


def _hops(watch: Any, *canaries: Canary) -> tuple[Hop, ...]:
    found: tuple[Hop, ...] = watch.tapped(canaries).hops
    return found


# What is relayed and recorded.


def test_an_exchange_is_relayed_and_recorded(
    tap: Tap, client: httpx.Client, origin: Any, made: Any
) -> None:
    """Both sides get what the other sent; the record has both, without the key."""
    with tap.watching() as watch:
        response = _post(client, made.sealed_form(), Authorization="Bearer key-123456")
    assert response.json() == {"text": "Hello World."}
    kind, body = made.sealed_form()
    assert origin.bodies == [body]
    assert b"bearer key-123456" in origin.heads[0].lower()
    assert b"host: localhost:" in origin.heads[0].lower()
    (hop,) = _hops(watch)
    assert hop.tls is not None
    assert hop.tls.version == "TLSv1.3"
    assert hop.request is not None
    assert (hop.request.start, hop.request.body) == (f"POST {PATH} HTTP/1.1", body)
    assert hop.request.header("content-type") == kind
    assert hop.request.header("authorization") == "[redacted]"
    assert hop.response is not None
    assert (hop.response.status, hop.response.body) == (200, b'{"text": "Hello World."}')
    assert hop.request.complete
    assert hop.response.complete
    assert (hop.changed, hop.problem, hop.leaks) == ("", "", ())
    assert [one.name for one in hop.sealed] == ["language", "prompt", "file"]
    assert [one.size for one in hop.sealed] == [18, 46, 1016]


def test_bodies_are_kept_of_watched_hops_only(tap: Tap, client: httpx.Client, made: Any) -> None:
    """Everything that passed is told without bodies, with what was in them."""
    tap.search_for([Canary("prompt", WORD)])
    _post(client, made.form(prompt=WORD, file=b"1234"))
    with tap.watching() as watch:
        _post(client, made.sealed_form())
    (watched,) = _hops(watch)
    first, second = tap.everything().hops
    assert [leak.encoding for leak in first.leaks] == ["raw"]
    assert [hop.request.body for hop in (first, second) if hop.request] == [b"", b""]
    assert second.sealed == watched.sealed
    assert first.at < second.at
    assert first.connection == second.connection == 1


def test_more_canaries_after_the_block(tap: Tap, client: httpx.Client, made: Any) -> None:
    """A transcript that is known only from the answer is looked for in its own block."""
    with tap.watching() as watch:
        _post(client, made.sealed_form())
    (hop,) = _hops(watch, Canary("transcript", b'{"text": "Hello World."}'))
    (leak,) = hop.leaks
    assert (leak.canary, leak.place, leak.offset) == ("transcript", "response body", 0)
    assert "Hello" in leak.dump
    assert tap.everything().hops[0].leaks == hop.leaks


def test_a_large_body_is_cut_in_the_record(
    tap: Tap, client: httpx.Client, origin: Any, made: Any
) -> None:
    """A record holds the first MiB; what is behind it is still looked through."""
    envelope = made.envelope(5, 3_000_000).encode()
    form = made.form(file=envelope, prompt=WORD)
    with tap.watching() as watch:
        _post(client, form)
    (hop,) = _hops(watch, Canary("prompt", WORD))
    assert hop.request is not None
    assert (len(hop.request.body), hop.request.size) == (2**20, len(form[1]))
    assert [(one.name, one.size) for one in hop.sealed] == [("file", 3_000_016)]
    (leak,) = hop.leaks
    assert leak.offset == form[1].find(WORD)
    assert origin.bodies == [form[1]]


def test_secrets_are_in_no_record(tapping: Callable[..., Tap], origin: Any, made: Any) -> None:
    """A known key is taken out of URLs, headers, bodies and dumps."""
    secret = "key-0123456789"
    tap = tapping(origin, secrets=[secret])
    origin.answers[f"{PATH}?key={secret}"] = made.answer(f'{{"you": "{secret}"}}'.encode())
    tap.search_for([Canary("prompt", WORD)])
    with made.proxy(tap) as client, tap.watching() as watch:
        kind, body = made.form(prompt=WORD + secret.encode() + WORD)
        headers = {"Content-Type": kind, "X-Other": secret}
        client.post(f"{PATH}?key={secret}", content=body, headers=headers)
    told = json.dumps(watch.tapped([Canary("a", b"you " * 8)]).to_json())
    (hop,) = _hops(watch)
    assert hop.request is not None
    assert hop.response is not None
    for text in (told, repr(hop)):
        assert secret not in text
    assert secret.encode() not in hop.request.body + hop.response.body
    assert len(hop.leaks) == 1


KEY = "key-0123456789"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": f"Bearer {KEY}"}, ""),
        ({"X-API-Key": KEY}, f"?other={KEY}"),
        ({}, f"?model=m&api-key={KEY}"),
    ],
)
def test_a_key_of_the_proxys_own_is_in_no_record(
    headers: dict[str, str], query: str, tap: Tap, client: httpx.Client, origin: Any, made: Any
) -> None:
    """What the proxy sends as its key is taken out of the URL, and of what the API makes of it."""
    echo = made.answer(f'{{"you": "{KEY}"}}'.encode(), status=f"200 {KEY}")
    origin.answers[PATH + query] = echo.replace(b"\r\n", f"\r\nX-You: {KEY}\r\n".encode(), 1)
    tap.search_for([Canary("prompt", WORD)])
    kind, body = made.form(prompt=WORD + KEY.encode() + WORD)
    with tap.watching() as watch:
        headers = {"Content-Type": kind, "X-Other": KEY, **headers}
        got = client.post(PATH + query, content=body, headers=headers)
    assert KEY in got.text
    assert got.headers["x-you"] == KEY
    assert KEY.encode() in origin.heads[0]
    (hop,) = _hops(watch)
    assert hop.request is not None
    assert hop.response is not None
    assert KEY.encode() not in hop.request.body + hop.response.body
    assert b"[redacted]" in hop.response.body
    assert hop.response.header("x-you") == "[redacted]"
    assert len(hop.leaks) == 1
    for tapped in (watch.tapped(), tap.everything()):
        assert KEY not in json.dumps(tapped.to_json()) + repr(tapped)


def test_a_short_key_in_the_url(tap: Tap, client: httpx.Client) -> None:
    """What is too short to be searched for is still not recorded where it is named a key."""
    with tap.watching() as watch:
        client.get("/v1/models?key=abc&limit=1")
    assert [hop.request.path for hop in _hops(watch) if hop.request] == [
        "/v1/models?key=[redacted]&limit=1"
    ]


def test_answers_are_asked_for_uncompressed(
    tap: Tap, client: httpx.Client, origin: Any, made: Any
) -> None:
    """The API is asked for what can be read and attacked; the record has what the proxy asked."""
    with tap.watching() as watch:
        _post(client, made.sealed_form(), **{"Accept-Encoding": "gzip, br"})
    heads = [line for line in origin.heads[0].lower().split(b"\r\n") if b"encoding" in line]
    assert heads == [b"accept-encoding: identity"]
    (hop,) = _hops(watch)
    assert hop.request is not None
    assert hop.request.header("accept-encoding") == "gzip, br"


@pytest.mark.parametrize("encoded", [WORD.decode(), WORD.hex()])
@pytest.mark.parametrize(
    ("name", "value", "of"),
    [
        ("Authorization", "Bearer secret-1-{} secret-2", "the value of authorization"),
        ("Cookie", "a=secret-1-{}secret-2", "the value of cookie"),
        ("set-cookie", "a=secret-1-{}secret-2", "the value of set-cookie"),
        ("path", "?token=secret-1-{}secret-2", "a key in the URL"),
    ],
)
def test_a_leak_within_a_credential(
    encoded: str,
    name: str,
    value: str,
    of: str,
    tap: Tap,
    client: httpx.Client,
    origin: Any,
    made: Any,
) -> None:
    """It is found, and told without the bytes around it, which are a secret."""
    value = value.format(encoded)
    is_answer, path = name == "set-cookie", PATH + value if name == "path" else PATH
    if is_answer:
        line = f"\r\nSet-Cookie: {value}\r\n".encode()
        origin.answers[PATH] = made.answer(b"{}").replace(b"\r\n", line, 1)
    tap.search_for([Canary("prompt", WORD)])
    with tap.watching() as watch:
        client.post(path, content=b"", headers={} if is_answer or path != PATH else {name: value})
    (hop,) = _hops(watch)
    (leak,) = hop.leaks
    assert leak.place == ("response head" if is_answer else "request head")
    assert leak.dump == f"(within {of}, which is not shown)"
    for tapped in (watch.tapped(), tap.everything()):
        assert "secret-" not in json.dumps(tapped.to_json())
        assert [one.leaks for one in tapped.hops] == [hop.leaks]


def test_a_leak_beside_a_credential(tap: Tap, client: httpx.Client) -> None:
    """Its dump shows what leaked, and asterisks for what is secret."""
    tap.search_for([Canary("prompt", WORD)])
    names = {"Cookie": "secret-1", "X-Word": WORD.decode(), "Authorization": "a secret-2"}
    with tap.watching() as watch:
        client.get("/", headers=list(names.items()))
    ((leak,),) = (hop.leaks for hop in _hops(watch))
    shown = bytes.fromhex("".join(line[10:45] for line in leak.dump.splitlines()))
    assert b"***\r\nx-word: " + WORD + b"\r\nauthorization: **" in shown
    assert b"secret" not in shown


def test_keep_alive(tap: Tap, client: httpx.Client, origin: Any, made: Any) -> None:
    """A proxy's connection serves many requests, over one connection upstream."""
    for _ in range(3):
        assert _post(client, made.sealed_form()).status_code == 200
    assert tap.connections == 1
    assert origin.connections == 1
    assert [hop.connection for hop in tap.everything().hops] == [1, 1, 1]


def test_the_name_asked_for(tap: Tap, origin: Any) -> None:
    """The record tells which name the proxy asked for."""
    context = ssl.create_default_context(cafile=str(tap.roots))
    url = f"https://localhost:{tap.address.rpartition(':')[2]}"
    with tap.watching() as watch, httpx.Client(verify=context, trust_env=False) as client:
        client.get(f"{url}/v1/models")
    (hop,) = _hops(watch)
    assert hop.tls is not None
    assert hop.tls.server_name == "localhost"


def test_roots_that_appear_later(
    tapping: Callable[..., Tap], origin: Any, made: Any, tmp_path: Path
) -> None:
    """The roots upstream are read at the first connection that finds them."""
    late = tmp_path / "late.pem"
    tap = tapping(origin, upstream_roots=late)
    with made.proxy(tap) as client:
        assert client.get("/").status_code == 502
        late.write_bytes(origin.roots.read_bytes())
        assert client.get("/").status_code == 200


# What is changed.


@pytest.mark.parametrize(
    "attack",
    [
        Attack.FLIP_FILE_CIPHERTEXT,
        Attack.FLIP_FILE_TAG,
        Attack.FLIP_FILE_IV,
        Attack.FLIP_FILE_NONCE,
        Attack.FLIP_FILE_ID,
        Attack.FLIP_PROMPT_CIPHERTEXT,
        Attack.SWAP_FIELDS,
    ],
)
def test_a_request_is_changed(
    attack: Attack, tap: Tap, client: httpx.Client, origin: Any, made: Any
) -> None:
    """Within the block the API gets another body of the same length; outside it the same."""
    form = made.sealed_form()
    with tap.watching(attack) as watch:
        for _ in range(2):
            _post(client, form, Expect="100-continue")
    _post(client, form)
    sent = origin.bodies
    assert len({len(one) for one in sent}) == 1
    assert sent[0] == sent[1] != form[1]
    assert sent[2] == form[1]
    for hop in _hops(watch):
        assert hop.request is not None
        assert (hop.changed, hop.request.body) == (attack.value, form[1])
    assert tap.everything().hops[2].changed == ""


@pytest.mark.parametrize(
    ("attack", "is_stream"),
    [
        (Attack.FLIP_ANSWER_CIPHERTEXT, False),
        (Attack.FLIP_ANSWER_TAG, True),
        (Attack.FLIP_ANSWER_IV, False),
        (Attack.FLIP_ANSWER_NONCE, True),
        (Attack.SWAP_MEMBERS, False),
        (Attack.REORDER_EVENTS, True),
        (Attack.DUPLICATE_EVENT, True),
        (Attack.DROP_EVENT, True),
        (Attack.CUT_STREAM, True),
        (Attack.CUT_STREAM_DONE, True),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_an_answer_is_changed(
    attack: Attack,
    is_stream: bool,
    is_chunked: bool,
    tap: Tap,
    client: httpx.Client,
    origin: Any,
    made: Any,
) -> None:
    """The proxy gets another body, in order; the record has the API's own."""
    body = made.stream(6) if is_stream else made.sealed_answer()
    kind = STREAM if is_stream else "application/json"
    wire = made.answer(body, kind)
    if is_chunked:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        wire = head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    origin.answers[PATH] = wire
    with tap.watching(attack) as watch:
        changed = _post(client, made.sealed_form())
    assert changed.status_code == 200
    assert changed.content != body
    (hop,) = _hops(watch)
    assert hop.response is not None
    assert (hop.changed, hop.response.body, hop.problem) == (attack.value, body, "")
    assert _post(client, made.sealed_form()).content == body


@pytest.mark.parametrize(
    "attack", [Attack.FLIP_FILE_TAG, Attack.SWAP_MEMBERS, Attack.DROP_EVENT, Attack.REPLAY_ANSWER]
)
def test_nothing_to_change(attack: Attack, tap: Tap, client: httpx.Client, made: Any) -> None:
    """Where there is nothing to change, all goes on and the record says so."""
    with tap.watching(attack) as watch:
        response = _post(client, made.form(file=b"clear", model=b"m"))
        client.get("/v1/models")
    assert response.json() == {"text": "Hello World."}
    assert [hop.changed for hop in _hops(watch)] == ["", ""]


def test_what_is_too_large_is_not_changed(
    tap: Tap, client: httpx.Client, origin: Any, made: Any
) -> None:
    """Above 4 MiB a request or an answer goes on as it came."""
    form = made.form(file=made.envelope(3, 2**21).encode())
    with tap.watching(Attack.FLIP_FILE_TAG) as watch:
        _post(client, form)
    (hop,) = _hops(watch)
    assert hop.changed == ""
    assert origin.bodies == [form[1]]
    body = b'{"text":%s}' % made.envelope(4, 2**21).encode()
    origin.answers[PATH] = made.answer(body)
    with tap.watching(Attack.FLIP_ANSWER_TAG) as watch:
        assert _post(client, made.sealed_form()).content == body
    assert _hops(watch)[0].changed == ""


def test_a_request_is_replayed(tap: Tap, client: httpx.Client, origin: Any, made: Any) -> None:
    """The tap sends it once more by itself, over another connection, and records that."""
    with tap.watching(Attack.REPLAY_REQUEST) as watch:
        _post(client, made.sealed_form())
    first, second = _hops(watch)
    assert origin.bodies == [made.sealed_form()[1]] * 2
    assert origin.connections == 2
    assert (first.changed, second.changed) == ("", Attack.REPLAY_REQUEST.value)
    assert (first.request, second.request) == (second.request, first.request)
    assert second.response is not None
    assert second.response.body == b'{"text": "Hello World."}'
    assert second.tls is not None
    assert (len(first.sealed), second.sealed) == (3, ())  # the proxy used its IVs once


@pytest.mark.parametrize("is_stream", [False, True])
def test_an_answer_is_replayed(
    is_stream: bool, tap: Tap, client: httpx.Client, origin: Any, made: Any
) -> None:
    """The proxy gets the last answer of the same kind instead of its own."""
    kind = STREAM if is_stream else "application/json"
    answers = [made.answer(b'{"number":%d}' % number, kind) for number in range(2)]
    origin.answers[PATH] = answers
    _post(client, made.sealed_form())
    with tap.watching(Attack.REPLAY_ANSWER) as watch:
        response = _post(client, made.sealed_form())
    assert (response.content, response.headers["content-type"]) == (b'{"number":0}', kind)
    (hop,) = _hops(watch)
    assert hop.changed == Attack.REPLAY_ANSWER.value
    assert hop.response is not None
    assert (hop.response.body, hop.sealed[3:]) == (b'{"number":0}', ())


def test_an_answer_is_injected(tap: Tap, client: httpx.Client, origin: Any, made: Any) -> None:
    """The tap answers by itself, in the clear, and the API hears nothing of it."""
    with tap.watching(Attack.INJECT_ANSWER) as watch:
        response = _post(client, made.sealed_form())
    assert (response.status_code, response.json()) == (200, {"text": INJECTED})
    assert response.headers["privatemode-encrypted"] == "false"
    assert origin.bodies == []
    (hop,) = _hops(watch)
    assert hop.response is not None
    assert INJECTED.encode() in hop.response.body
    assert hop.changed == Attack.INJECT_ANSWER.value


@pytest.mark.parametrize(
    ("attack", "statuses"),
    [(Attack.LOSE_SECRET, [500, 200, 200]), (Attack.LOSE_SECRETS, [500, 500, 500])],
)
def test_a_secret_is_lost(
    attack: Attack, statuses: list[int], tap: Tap, client: httpx.Client, made: Any
) -> None:
    """The first request of the block, or each, is answered as by an API without the secret."""
    with tap.watching(attack) as watch:
        answers = [
            _post(client, made.sealed_form(), **{"Privatemode-Secret-ID": "abc="}) for _ in statuses
        ]
    assert [one.status_code for one in answers] == statuses
    assert answers[0].json() == {"error": {"message": "no secret for ID abc=", "type": ""}}
    assert answers[0].headers["privatemode-encrypted"] == "false"
    changed = [attack.value if status == 500 else "" for status in statuses]
    assert [hop.changed for hop in _hops(watch)] == changed


@pytest.mark.parametrize(
    ("attack", "path"),
    [
        (Attack.FORGE_SIGNATURE, SECRET),
        (Attack.FOREIGN_MESH, SECRET),
        (Attack.REPLAY_KEY, SECRET),
        (Attack.REPLAY_ATTESTATION, ATTEST),
    ],
)
def test_the_secret_exchange_is_changed(
    attack: Attack, path: str, tap: Tap, client: httpx.Client, origin: Any, made: Any
) -> None:
    """After the loss, the named answer of the new exchange is another one, the other is not."""
    documents = [
        {
            ATTEST: {"AttestationDoc": f"{number}AAA"},
            SECRET: {"EncapsulatedKey": f"{number}AAA", "Signature": "AAAA", "MeshCert": "AAAA"},
        }
        for number in range(2)
    ]
    for one in (ATTEST, SECRET):
        origin.answers[one] = [made.answer(json.dumps(each[one]).encode()) for each in documents]

    def exchange() -> dict[str, Any]:
        asked = {ATTEST: {"Nonce": "AAAA"}, SECRET: {"PublicKey": "AAAA"}}
        return {one: client.post(one, json=asked[one]).json() for one in (ATTEST, SECRET)}

    assert exchange() == documents[0]
    with tap.watching(attack) as watch:
        assert _post(client, made.sealed_form()).status_code == 500
        got = exchange()
    assert got != documents[1]
    assert got | {path: documents[1][path]} == documents[1]
    changed = {hop.request.path: hop.changed for hop in _hops(watch) if hop.request}
    assert changed == {PATH: attack.value, path: attack.value} | {
        one: "" for one in (ATTEST, SECRET) if one != path
    }
    if attack in (Attack.REPLAY_KEY, Attack.REPLAY_ATTESTATION):
        assert got[path] == documents[0][path]


# TLS.


@pytest.mark.parametrize("attack", sorted(relay.TLS_ATTACKS))
def test_a_client_that_verifies_refuses(
    attack: Attack, tap: Tap, client: httpx.Client, origin: Any, made: Any
) -> None:
    """No request gets through in the block; before and after, all is well."""
    assert client.get("/v1/models").status_code == 200
    with tap.watching(attack) as watch, pytest.raises(httpx.ConnectError):
        _post(client, made.sealed_form())
    (hop,) = _hops(watch)
    assert (hop.tls, hop.request, hop.response) == (None, None, None)
    assert (hop.changed, bool(hop.problem)) == (attack.value, True)
    assert client.get("/v1/models").status_code == 200
    assert len(origin.heads) == 2
    assert tap.problems == ()


@pytest.mark.parametrize(
    "attack", [Attack.WRONG_ROOT, Attack.WRONG_NAME, Attack.EXPIRED, Attack.SELF_SIGNED]
)
def test_a_client_that_does_not_verify_is_told(attack: Attack, tap: Tap, made: Any) -> None:
    """What such a client sends is recorded with the attack that it fell for."""
    with (
        httpx.Client(verify=False, trust_env=False) as client,
        tap.watching(attack) as watch,
    ):
        kind, body = made.sealed_form()
        for _ in range(2):
            url = f"https://{tap.address}{PATH}"
            client.post(url, content=body, headers={"Content-Type": kind})
    for hop in _hops(watch):
        assert hop.tls is not None
        assert hop.request is not None
        assert (hop.changed, hop.request.body) == (attack.value, body)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_client_with_old_tls_is_told(tap: Tap) -> None:
    """A client that accepts TLS 1.1 is seen to do so."""
    context = ssl.create_default_context(cafile=str(tap.roots))
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        httpx.Client(verify=context, trust_env=False) as client,
        tap.watching(Attack.OLD_TLS) as watch,
    ):
        client.get(f"https://{tap.address}/v1/models")
    (hop,) = _hops(watch)
    assert hop.tls is not None
    assert hop.tls.version == "TLSv1.1"


@pytest.mark.parametrize("attack", [Attack.NONE, Attack.NO_TLS])
def test_plain_http_is_recorded_and_refused(
    attack: Attack, tap: Tap, origin: Any, made: Any
) -> None:
    """A request without TLS is a hop without TLS; it is answered with 502 and goes no further."""
    kind, body = made.form(file=b"clear")
    with tap.watching(attack) as watch, httpx.Client(trust_env=False) as client:
        response = client.post(
            f"http://{tap.address}{PATH}", content=body, headers={"Content-Type": kind}
        )
    assert response.status_code == 502
    (hop,) = _hops(watch)
    assert (hop.tls, hop.changed) == (None, attack.value)
    assert hop.request is not None
    assert hop.request.body == body
    assert origin.heads == []


# Life.


def test_what_is_left_behind(tapping: Callable[..., Tap], origin: Any, made: Any) -> None:
    """After close there are the roots, no thread, no open file and no private key."""
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    tap = tapping(origin)
    with made.proxy(tap) as client, tap.watching():
        _post(client, made.form(file=bytes(3_000_000)))
    pinned = socket.create_connection(("127.0.0.1", int(tap.address.rpartition(":")[2])))
    tap.close()
    tap.close()
    pinned.close()
    origin.connections = 0
    assert os.listdir(tap.roots.parent) == ["roots.pem"]
    assert b"PRIVATE" not in tap.roots.read_bytes()
    assert tap.roots.parent.stat().st_mode & 0o777 == 0o700
    names = [one.name for one in threading.enumerate() if one.name.startswith("tap")]
    assert names == []
    assert len(os.listdir("/proc/self/fd")) <= files + 2 * (threading.active_count() - threads)
    assert len(tap.everything().hops) == 1
    with pytest.raises(RuntimeError), tap.watching():
        pass


def test_waiting_for_a_connection(tap: Tap) -> None:
    """A connection is told as soon as there is one."""
    assert not tap.wait_for_connection(0)
    host, _, port = tap.address.rpartition(":")
    with socket.create_connection((host, int(port))):
        assert tap.wait_for_connection(20)


def test_each_hop_is_told(tapping: Callable[..., Tap], origin: Any, made: Any) -> None:
    """Who asked for it gets each hop when it has ended, with what was in the clear."""
    told: list[Any] = []
    tap = tapping(origin, told=lambda hop, clear: told.append((hop.request.path, clear)))
    with made.proxy(tap) as client:
        _post(client, made.sealed_form())
    tap.close()
    assert told == [(PATH, ("request model", "response text"))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:8443", ("localhost", 8443)),
        ("[::1]:0", ("::1", 0)),
        ("api.example.com:443", ("api.example.com", 443)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    """A host and a port, IPv6 in brackets."""
    assert address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "localhost", ":1", "a:b", "a:70000", "https://a:1", "a:-1", "a:\u0661", "a b:1"]
)
def test_addresses_that_are_none(text: str) -> None:
    """Anything else is one message."""
    with pytest.raises(BadAddress):
        address(text)


def test_a_taken_port(tap: Tap, tmp_path: Path) -> None:
    """A port that is taken is one message, and nothing is left behind."""
    with pytest.raises(SoundcheckError, match="cannot listen"):
        Tap("localhost:1", tap.address, folder=tmp_path / "other")


def test_a_folder_that_cannot_be(tmp_path: Path, origin: Any) -> None:
    """A folder that cannot be made is an OSError, and nothing is left behind."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        Tap(origin.address, "127.0.0.1:0", folder=tmp_path / "file" / "tap")
