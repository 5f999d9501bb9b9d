"""The rows about the wire, on made-up records: what they accuse, what not, and that none breaks."""

import base64
import gzip
import hashlib
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundcheck.audio import Clip
from soundcheck.contract import Answer, Answers, Case, Deployment, NotObserved, Probe, Untestable
from soundcheck.contract.attack import Attack
from soundcheck.contract.catalogue import load_catalogue
from soundcheck.contract.probe import TAP
from soundcheck.contract.profile import load_profile
from soundcheck.http.envelope import Envelope
from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing, TransportError
from soundcheck.http.multipart import Field
from soundcheck.http.sealed import values_of
from soundcheck.http.tapped import Hop, Leak, Message, Sealed, Tapped, TlsSeen

CATALOGUE = {rule.id: rule for rule in load_catalogue() if rule.area == "wire"}
DEPLOYMENT = Deployment(load_profile("privatemode"), "whisper-large-v3", tapped=True)
TEXT = "She sells sea shells by the sea shore."
SIZE = 1500
CLEAR = {"model", "stream"}
FORM = (("content-type", "multipart/form-data; boundary=b"),)
JSON = (("content-type", "application/json"),)
EVENTS = (("content-type", "text/event-stream"),)
TLS = TlsSeen("TLSv1.3", "TLS_AES_128_GCM_SHA256")
BROKEN = TransportError("protocol", "broken off")
HANDSHAKES = (
    Attack.WRONG_ROOT,
    Attack.WRONG_NAME,
    Attack.EXPIRED,
    Attack.SELF_SIGNED,
    Attack.OLD_TLS,
    Attack.NO_TLS,
)
LOSING = {
    Attack.LOSE_SECRET: "",
    Attack.FORGE_SIGNATURE: "secret",
    Attack.FOREIGN_MESH: "secret",
    Attack.REPLAY_KEY: "secret",
    Attack.REPLAY_ATTESTATION: "attest",
}
REQUESTS = {
    Attack.FLIP_FILE_CIPHERTEXT,
    Attack.FLIP_FILE_TAG,
    Attack.FLIP_FILE_IV,
    Attack.FLIP_FILE_NONCE,
    Attack.FLIP_FILE_ID,
    Attack.FLIP_PROMPT_CIPHERTEXT,
    Attack.SWAP_FIELDS,
}


class RightWire:
    """Records of a deployment that keeps every rule, made of random bytes with a seed."""

    def __init__(self) -> None:
        self._random = Random(1)
        self._secret = b""
        self._nonce = b""
        self.told: dict[str, Answer] = {}
        self.exchange("secret")

    def some(self, size: int) -> bytes:
        """Return random bytes."""
        return self._random.randbytes(size)

    def sealed(self, size: int) -> bytes:
        """Return an envelope of this exchange for a value of ``size`` bytes."""
        one = Envelope(self._secret, self._nonce, self.some(12), self.some(size + 16))
        return one.encode()

    def upload(self, probe: Probe) -> Message:
        """Return the encrypted request for ``probe``, with a nonce of its own."""
        self._nonce = self.some(12)
        body = b""
        for part in probe.parts:
            if isinstance(part, Field):
                value = part.value.encode()
                data = value if part.name in CLEAR else self.sealed(len(value))
                head = f'name="{part.name}"'
            else:
                data, head = self.sealed(SIZE), f'name="{part.name}"; filename="file"'
            body += b"--b\r\nContent-Disposition: form-data; %b\r\n\r\n" % head.encode()
            body += data + b"\r\n"
        return _message("POST /v1/audio/transcriptions HTTP/1.1", FORM, body + b"--b--\r\n")

    def answer(self, probe: Probe) -> Message:
        """Return the encrypted answer to the request made last."""
        fields = {p.name: p.value for p in probe.parts if isinstance(p, Field)}
        start = "HTTP/1.1 200 OK"
        if fields.get("stream") == "true":
            frame = b'data: {"choices": %b, "usage": null}\n\n'
            body = b"".join(frame % self.sealed(50) for _ in TEXT.split())
            return _message(start, EVENTS, body + b"data: [DONE]\n\n")
        names = ["text"] + ["language"] * ("response_format" in fields)
        members = b", ".join(b'"%b": %b' % (name.encode(), self.sealed(40)) for name in names)
        return _message(start, JSON, b'{"duration": 1.0, %b}' % members)

    def exchange(self, last: str, changed: str = "") -> Hop:
        """Return a step of the exchange of a secret; the secret changes with it."""
        public = self.some(1216)
        keys = {"PublicKey": public}, {"EncapsulatedKey": self.some(1120)}
        if last == "secret":
            self._secret = hashlib.sha256(public).digest()
        asked, answered = (
            json.dumps({name: base64.b64encode(key).decode() for name, key in one.items()})
            for one in (keys if last == "secret" else ({"Nonce": public[:32]}, {}))
        )
        start = f"POST /privatemode/v1/{last} HTTP/1.1"
        request = _message(start, JSON, asked.encode())
        response = _message("HTTP/1.1 200 OK", JSON, answered.encode())
        return Hop(1, 0.0, TLS, request, response, changed)

    def hops(self, probe: Probe) -> list[Hop]:
        """Return what a tap sees while ``probe`` is answered."""
        attack = probe.attack
        if attack in HANDSHAKES:
            return [Hop(1, 0.0, None, changed=attack, problem="the proxy refused TLS")]
        first = Hop(1, 0.0, TLS, self.upload(probe))
        if attack in REQUESTS:
            return [replace(first, response=_refused(400), changed=attack)]
        if attack in LOSING or attack is Attack.LOSE_SECRETS:
            hops = [replace(first, response=_refused(500), changed=attack)]
            for last in ("attest", "secret"):
                forged = LOSING.get(attack) == last
                hops.append(self.exchange(last, attack if forged else ""))
                if forged:
                    return hops
            again = Hop(1, 0.0, TLS, self.upload(probe))
            lost = attack is Attack.LOSE_SECRETS
            answer = _refused(500) if lost else self.answer(probe)
            return [*hops, replace(again, response=answer, changed=attack if lost else "")]
        whole = replace(first, response=self.answer(probe))
        if attack is Attack.REPLAY_REQUEST:
            return [whole, replace(whole, response=self.answer(probe), changed=attack)]
        return [replace(whole, changed=attack)]

    def __call__(self, probe: Probe) -> Answer:
        """Return the answer to ``probe``, the same for the same one."""
        if probe.digest not in self.told:
            if probe.method == TAP:
                return _exchange(probe, None, self.everything())
            hops = self.hops(probe)
            fine = not hops[-1].changed or probe.attack is Attack.REPLAY_REQUEST
            self.told[probe.digest] = _exchange(probe, _told(probe, fine), Tapped(tuple(hops)))
        return self.told[probe.digest]

    def everything(self) -> Tapped:
        """Return the hops of every answer given so far, as a whole run has them."""
        hops = [hop for answer in self.told.values() for hop in answer.tapped.hops]
        return Tapped(tuple(map(_without_bodies, hops)))


def _message(start: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Message:
    return Message(start, headers, body, len(body))


def _refused(status: int) -> Message:
    return _message(f"HTTP/1.1 {status} No", JSON, b'{"error": {"message": "no", "type": ""}}')


def _without_bodies(hop: Hop) -> Hop:
    sealed = [
        Sealed(direction, value.name, e.secret_id.hex(), e.nonce.hex(), e.iv.hex(), 1)
        for direction, message in (("request", hop.request), ("response", hop.response))
        if message is not None and not (hop.changed and direction == "response")
        for value in values_of(message.body, message.header("content-type"))
        if (e := value.envelope) is not None
    ]
    if hop.changed.startswith(Attack.REPLAY_REQUEST):
        sealed = []
    bare = (m and replace(m, body=b"") for m in (hop.request, hop.response))
    request, response = bare
    return replace(hop, request=request, response=response, sealed=tuple(sealed))


def _told(probe: Probe, fine: bool) -> Response:
    """Return what the client is told."""
    streamed = any(isinstance(p, Field) and p.name == "stream" for p in probe.parts)
    if not fine and not streamed:
        return Response(502, "", JSON, b'{"error": {"message": "no", "type": ""}}', ())
    if not streamed:
        return Response(200, "", JSON, json.dumps({"text": TEXT}).encode(), ())
    chunks = [{"choices": [{"delta": {"content": f" {word}"}}]} for word in TEXT.split()]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    end = "data: [DONE]\n\n" if fine else 'data: {"error": {"message": "no"}}\n\n'
    return Response(200, "", EVENTS, (body + end).encode(), ())


def _exchange(
    probe: Probe,
    response: Response | None,
    tapped: Tapped | None,
    error: TransportError | None = None,
) -> Answer:
    fields = [{"name": p.name, "value": p.value} for p in probe.parts if isinstance(p, Field)]
    parts: tuple[dict[str, Any], ...] = (*fields, {"name": "file", "size": SIZE})
    request = SentRequest(probe.method, probe.path, (), parts, 0)
    timing = Timing(0.0, 0.0, 0.0)
    exchange = Exchange(
        probe.digest, "wire", 1, "", request, response, timing, error, tapped=tapped
    )
    clip = Clip("a.wav", Path(), "audio/wav", SIZE, "", 2.0, 16000, 1, "en", TEXT, ())
    return Answer(exchange, clip)


def _judge(identifier: str, answer: Callable[[Probe], Answer]) -> dict[str, str]:
    """Let a rule's judge decide each case; returns what is told of each, or ``pass``."""
    rule = CATALOGUE[identifier]
    judge = getattr(sys.modules["soundcheck_catalogue.test_wire"], rule.test.partition("::")[2])
    told = {}
    for case in rule.cases or (Case(""),):
        probes = {n: p.on("whisper-large-v3") for n, p in rule.probes(case, DEPLOYMENT).items()}
        # What the tap saw in all is known at the end.
        late = sorted(probes, key=lambda name: probes[name].method == TAP)
        known = {name: answer(probes[name]) for name in late}
        answers = Answers({name: known[name] for name in probes})
        offered = {"answers": answers, "case": case, "found": lambda sentence: None}
        wanted = inspect.signature(judge).parameters
        try:
            judge(**{name: offered[name] for name in wanted})
        except (AssertionError, NotObserved, Untestable) as reason:
            told[case.id] = f"{type(reason).__name__}: {reason}"
        else:
            told[case.id] = "pass"
    return told


def _changing(
    change: Callable[[Probe, Answer], Answer],
) -> Callable[[Probe], Answer]:
    """Return the answers of a right wire, each as ``change`` leaves it."""
    wire = RightWire()
    return lambda probe: change(probe, wire(probe))


def _tapping(answer: Answer, *hops: Hop) -> Answer:
    return Answer(replace(answer.exchange, tapped=Tapped(hops)), answer.clip)


@pytest.mark.parametrize("identifier", CATALOGUE)
def test_right_records_pass(identifier: str) -> None:
    """What a right deployment shows is not accused, also when it was written down and read."""

    def read_back(probe: Probe, answer: Answer) -> Answer:
        document = json.loads(json.dumps(answer.exchange.to_json()))
        return Answer(Exchange.from_json(document), answer.clip)

    for told in (_judge(identifier, RightWire()), _judge(identifier, _changing(read_back))):
        odd = {case: one for case, one in told.items() if one != "pass"}
        assert odd in ({}, {"any-other": "pass"}), odd


@pytest.mark.parametrize("identifier", CATALOGUE)
def test_without_a_tap_nothing_is_decided(identifier: str) -> None:
    """An exchange that no tap saw, or in which nothing came through it, decides nothing."""

    def unseen(probe: Probe, answer: Answer) -> Answer:
        return Answer(replace(answer.exchange, tapped=None), answer.clip)

    told = _judge(identifier, _changing(unseen))
    assert all(one.startswith("Untestable: no tap") for one in told.values())
    told = _judge(identifier, _changing(lambda probe, answer: _tapping(answer)))
    assert all(one.startswith(("Untestable", "NotObserved")) for one in told.values()), told


BESIDE_TWINS = [
    identifier
    for identifier, rule in CATALOGUE.items()
    if "twin" in rule.probes(rule.cases[0] if rule.cases else None, DEPLOYMENT)
]


@pytest.mark.parametrize("identifier", BESIDE_TWINS)
def test_an_attack_without_its_twin_says_nothing(identifier: str) -> None:
    """Where a request that was left alone fails too, it is not the attack that was refused."""

    def failing(probe: Probe, answer: Answer) -> Answer:
        if probe.attack or probe.method == TAP:
            return answer
        return _exchange(probe, None, answer.exchange.tapped, BROKEN)

    told = _judge(identifier, _changing(failing))
    assert all(one.startswith("Untestable: ") for one in told.values()), told


def test_every_attack_is_made_by_some_row() -> None:
    """The rows use everything that the tap can do."""
    made = {
        probe.attack
        for rule in CATALOGUE.values()
        for case in rule.cases or (None,)
        for probe in rule.probes(case, DEPLOYMENT).values()
    }
    assert made == set(Attack)


# -- single decisions ----------------------------------------------------------------------------


def _leaking(leak: Leak, changed: str) -> Callable[[Probe], Answer]:
    def leaky(probe: Probe, answer: Answer) -> Answer:
        hops = (replace(hop, leaks=(leak,), changed=changed) for hop in answer.tapped.hops)
        return _tapping(answer, *hops)

    return _changing(leaky)


@pytest.mark.parametrize(
    ("what", "place", "changed", "cases"),
    [
        ("prompt", "request head", "", {"prompt"}),
        ("audio", "request body", Attack.FLIP_FILE_TAG, {"audio"}),
        ("file name", "request body", "", {"file-name"}),
        ("transcript", "response head", "", {"transcript", "streamed-transcript"}),
        ("transcript", "response body", Attack.INJECT_ANSWER, set()),
    ],
)
def test_a_leak_is_told_unless_the_tap_made_it(
    what: str, place: str, changed: str, cases: set[str]
) -> None:
    """What is readable fails its case, with the dump, but not in an answer of the tap's making."""
    leak = Leak(what, "raw", place, 7, "00000000  6162  ab")
    told = _judge("wire/nothing-in-clear", _leaking(leak, changed))
    red = {case: one for case, one in told.items() if one.startswith("AssertionError")}
    assert set(red) == cases
    assert all(f"{what} in the clear (raw) in the {place} at byte 7" in r for r in red.values())
    assert all("ab" in one.splitlines()[-1] for one in red.values())


@pytest.mark.parametrize("encoding", ["clear", "base64", "envelope"])
def test_pieces_of_a_stream_are_put_together(encoding: str) -> None:
    """A transcript that is only readable event by event is found."""

    def value(word: str) -> str:
        plain = json.dumps([{"delta": {"content": f" {word}"}}])
        if encoding == "clear":
            return plain
        if encoding == "base64":
            return json.dumps(base64.b64encode(plain.encode()).decode())
        return (
            Envelope(bytes(32), bytes(12), bytes(12), plain.encode() + bytes(16)).encode().decode()
        )

    frames = (f'data: {{"id": "xyz", "choices": {value(word)}}}\n\n' for word in TEXT.split())
    clear = _message("HTTP/1.1 200 OK", EVENTS, "".join(frames).encode())

    def shown(probe: Probe, answer: Answer) -> Answer:
        return _tapping(answer, *(replace(hop, response=clear) for hop in answer.tapped.hops))

    told = _judge("wire/nothing-in-clear", _changing(shown))
    assert "show the transcript" in told["streamed-transcript"]


def test_equal_ivs_are_told_with_their_places() -> None:
    """The first pair of envelopes with the same IV under the same secret is named."""
    wire = RightWire()

    def repeating(probe: Probe) -> Answer:
        answer = wire(probe)
        if probe.method != TAP:
            return answer
        first, *rest = answer.tapped.hops
        again = replace(first.sealed[0], name="prompt")
        return _tapping(answer, first, *rest, replace(first, sealed=(again,)))

    [told] = _judge("wire/ivs-unique", repeating).values()
    assert "is that of language in the request of exchange 1, and of prompt in" in told


def test_the_uploads_of_others_are_not_taken_for_ours() -> None:
    """A request that passes the tap meanwhile, with a file of another size, is left aside."""
    plain = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nhello\r\n--b--\r\n'
    other = Hop(2, 0.0, TLS, _message("POST /v1/audio/transcriptions HTTP/1.1", FORM, plain))

    def beside(probe: Probe, answer: Answer) -> Answer:
        return _tapping(answer, other, *answer.tapped.hops)

    told = _judge("wire/only-agreed-fields-clear", _changing(beside))
    assert set(told.values()) == {"pass"}


def test_an_exchange_that_is_repeated_in_order_may_be_used() -> None:
    """After a forged answer a proxy may ask again, and use what is in order."""
    wire = RightWire()

    def asking_again(probe: Probe) -> Answer:
        answer = wire(probe)
        if probe.attack not in LOSING:
            return answer
        again = [wire.exchange("attest"), wire.exchange("secret")]
        upload = Hop(1, 0.0, TLS, wire.upload(probe), wire.answer(probe))
        return _tapping(answer, *answer.tapped.hops, *again, upload)

    assert set(_judge("wire/secret-exchange-verified", asking_again).values()) == {"pass"}


def test_what_another_protocol_encrypts_is_judged_as_ciphertext() -> None:
    """Random data in base64 within JSON of unknown members passes; text in it does not."""
    random = Random(5)

    def body(data: bytes) -> bytes:
        sealed = {"v": 2, "parts": [{"key": "k", "data": base64.b64encode(data).decode()}]}
        return json.dumps({"sealed": sealed}).encode()

    def speaking(data: Callable[[], bytes]) -> Callable[[Probe], Answer]:
        def other(probe: Probe, answer: Answer) -> Answer:
            request = _message("POST /v1/audio/transcriptions HTTP/1.1", JSON, body(data()))
            return _tapping(answer, *(replace(h, request=request) for h in answer.tapped.hops))

        return _changing(other)

    for row in ("ciphertext-random", "ciphertext-not-repeated", "blocks-not-repeated"):
        told = _judge(f"wire/{row}", speaking(lambda: random.randbytes(5000)))
        assert set(told.values()) == {"pass"}
        told = _judge(f"wire/{row}", speaking(lambda: TEXT.encode() * 99))
        assert all(one.startswith("AssertionError") for one in told.values())


UNENVELOPED = ("ciphertext-not-repeated", "blocks-not-repeated", "ciphertext-random")
HEADER = b"ACMEv1 key-id=7f3a9c2e1b; suite=AES-256-GCM; ".ljust(1024, b"\0")


def _sending(body: Callable[[Probe], bytes], kind: str) -> Callable[[Probe], Answer]:
    """Return the answers of a right wire whose uploads have other bodies, of another protocol."""

    def other(probe: Probe, answer: Answer) -> Answer:
        headers = (("content-type", kind),)
        request = _message("POST /gateway HTTP/1.1", headers, body(probe))
        return _tapping(answer, *(replace(hop, request=request) for hop in answer.tapped.hops))

    return _changing(other)


def _written(data: bytes, how: str) -> bytes:
    """Return a message of another protocol around ciphertext."""
    text = base64.urlsafe_b64encode(data).rstrip(b"=")
    return {
        "header": HEADER + data,
        "binary frame": b"\x82\xa5model\xb0whisper-large-v3\xa2ct\xc6" + bytes(4) + data,
        "name inside": data[:100] + b"whisper-large-v3-turbo" + data[100:],
        "JWE": b"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXYtLWl2LS1pdi0t.%b.dGFn" % text,
        "folded": base64.encodebytes(data),
    }[how]


@pytest.mark.parametrize("row", UNENVELOPED)
@pytest.mark.parametrize("how", ["header", "binary frame", "name inside", "JWE", "folded"])
def test_framing_is_no_ciphertext(row: str, how: str) -> None:
    """What another protocol puts around its ciphertext, the same each time, is not accused."""
    random = Random(6)
    sending = _sending(lambda _: _written(random.randbytes(9000), how), "application/x-other")
    told = _judge(f"wire/{row}", sending)
    assert set(told.values()) == {"pass"}, told


@pytest.mark.parametrize("how", ["header", "binary frame", "name inside", "JWE", "folded"])
def test_a_constant_key_stream_is_seen_behind_framing(how: str) -> None:
    """Equal ciphertexts are accused, whatever stands before them, though their heads differ."""
    random, same = Random(7), Random(8).randbytes(9000)
    sending = _sending(lambda _: _written(random.randbytes(64) + same, how), "text/plain")
    [told] = _judge("wire/ciphertext-not-repeated", sending).values()
    assert " bytes are the same in both requests" in told


def test_equal_blocks_are_seen_behind_framing() -> None:
    """A cipher that encrypts each block by itself shows in silence, whatever stands before it."""
    random, block = Random(9), Random(10).randbytes(16)
    sending = _sending(lambda _: HEADER + random.randbytes(4000) + block * 300, "text/plain")
    [told] = _judge("wire/blocks-not-repeated", sending).values()
    assert "a block of the body occurs 1" in told


def test_little_ciphertext_for_a_file_decides_nothing() -> None:
    """Where less was sent than can be judged, the file may have gone another way."""
    random = Random(11)
    told = _judge("wire/ciphertext-random", _sending(lambda _: random.randbytes(200), "text/plain"))
    assert set(told.values()) == {
        "Untestable: only 200 bytes of ciphertext were seen for a file of 1,500: does the proxy "
        "send it elsewhere?"
    }


@pytest.mark.parametrize("row", [*UNENVELOPED, "nothing-in-clear", "only-agreed-fields-clear"])
def test_an_upload_that_goes_past_the_tap_decides_nothing(row: str) -> None:
    """A few bytes through the tap for a whole file are not the upload, whatever they say."""
    sending = _sending(lambda _: b'{"event": "request"}', "application/json")
    for case, told in _judge(f"wire/{row}", sending).items():
        assert told.startswith("Untestable: only 20 bytes came through the tap for a file"), case


@pytest.mark.parametrize(
    ("hop", "told"),
    [
        (Hop(1, 0.0, TLS, problem="The proxy sent no HTTP/1.1, but 2.0"), "no HTTP/1.1, but 2.0"),
        (
            Hop(1, 0.0, TLS, _message("GET /ws HTTP/1.1", (("upgrade", "websocket"),), b"")),
            "GET /ws of 0 bytes, which asks for websocket",
        ),
    ],
)
def test_what_came_in_place_of_an_upload_is_told(hop: Hop, told: str) -> None:
    """A proxy that speaks another protocol than the tap is told so."""
    instead = _changing(lambda probe, answer: _tapping(answer, hop))
    [reason] = _judge("wire/ciphertext-not-repeated", instead).values()
    assert reason.startswith("Untestable: the upload did not come through the tap, which saw: ")
    assert told in reason


@pytest.mark.parametrize("how", ["gzip", "NDJSON", "NDJSON in gzip"])
def test_a_clear_stream_is_seen_however_it_comes(how: str) -> None:
    """Pieces of a transcript are put together also from lines of JSON, and from what was packed."""
    lines = (json.dumps({"choices": [{"delta": {"content": f" {w}"}}]}) for w in TEXT.split())
    events = how == "gzip"
    body = "".join(f"data: {one}\n\n" if events else f"{one}\n" for one in lines).encode()
    kind = ("content-type", "text/event-stream" if events else "application/x-ndjson")
    packed = (("content-encoding", "gzip"),) if "gzip" in how else ()
    body = gzip.compress(body) if packed else body
    clear = _message("HTTP/1.1 200 OK", (kind, *packed), body)

    def shown(probe: Probe, answer: Answer) -> Answer:
        return _tapping(answer, *(replace(hop, response=clear) for hop in answer.tapped.hops))

    told = _judge("wire/nothing-in-clear", _changing(shown))
    assert "show the transcript" in told["streamed-transcript"]


ON_ENVELOPES = [
    identifier for identifier in BESIDE_TWINS if CATALOGUE[identifier].profiles == ("privatemode",)
]


@pytest.mark.parametrize("identifier", ON_ENVELOPES)
@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (503, (), "Untestable: the attack came to nothing: POST /v1/audio/transcriptions of "),
        (200, (("content-encoding", "gzip"),), "Untestable: the API compresses its answers"),
        (200, (), "NotObserved: "),
    ],
)
def test_an_attack_that_could_not_be_made_is_told(
    identifier: str, status: int, headers: tuple[tuple[str, str], ...], reason: str
) -> None:
    """Where the tap found nothing to change, an answer that failed or was packed leaves it open."""
    wire = RightWire()

    def unharmed(probe: Probe) -> Answer:
        if not probe.attack:
            return wire(probe)
        response = _message(f"HTTP/1.1 {status} X", (*JSON, *headers), b"{}")
        hop = Hop(1, 0.0, TLS, wire.upload(probe), response)
        return _exchange(probe, _told(probe, status == 200), Tapped((hop,)))

    told = _judge(identifier, unharmed)
    assert all(one.startswith(reason) for one in told.values()), told


@pytest.mark.parametrize("identifier", ["request-tampering-refused", "request-fields-bound"])
@pytest.mark.parametrize(
    ("status", "problem"),
    [(429, ""), (503, ""), (502, "No connection upstream: refused")],
)
def test_a_damaged_request_that_was_not_looked_at_says_nothing(
    identifier: str, status: int, problem: str
) -> None:
    """A limit, or an API that is down, is no refusal of what was changed."""

    def limited(probe: Probe, answer: Answer) -> Answer:
        if not probe.attack:
            return answer
        [hop] = answer.tapped.hops
        return _tapping(answer, replace(hop, response=_refused(status), problem=problem))

    told = _judge(f"wire/{identifier}", _changing(limited))
    assert all(": not looked at, POST " in one for one in told.values()), told
    assert all(one.startswith("Untestable: ") for one in told.values())


# -- damaged records -----------------------------------------------------------------------------

STARTS = (
    *("", " ", "POST", "POST ", "HTTP/1.1", "HTTP/1.1 abc", "HTTP/1.1 200 OK", "\ud800 /"),
    *(f"HTTP/1.1 {'9' * 5000}", f"POST /{'x' * 3000} HTTP/1.1"),
    "POST /privatemode/v1/secret HTTP/1.1",
)
ODD_BODIES = (
    *(b"", b"\x00\xff", b"{", b'{"\\ud800": "\\ud800"}', b"[" * 5000, b'{"a": ' * 5000, b"--b"),
    *(b'"a:b:c:d"', b"data: {}\n\ndata:", b'{"PublicKey": "\xff", "EncapsulatedKey": 1}'),
    *(b"9" * 5000, b"a" * 20_000),
)
KINDS = ((), FORM, JSON, EVENTS, (("content-type", "multipart/form-data"),))
CHANGES = ("", Attack.REPLAY_REQUEST, Attack.LOSE_SECRET)
LEAKS = (
    (),
    (),
    (Leak("prompt", "raw", "request head", 0, "x" * 5000),),
    (Leak("transcript", "hex", "response body", 9, "\n"),),
)
SEALED = (
    (),
    (),
    (Sealed("request", "\ud800" * 200, "aa", "bb" * 1000, "cc", 1),) * 2,
    (Sealed("request", "x", "aa", "bb", "dd" * 1000, 1), Sealed("response", "y", "", "", "", 0)),
)


class Damage:
    """Replaces and cuts what a record holds, by chance; each thing in one case of five."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def __call__(self, answer: Answer) -> Answer:
        """Return an answer like ``answer``, damaged."""
        hops = [self._hop(hop) for hop in answer.tapped.hops][self._any(0, 0, 0, 1, 2) :]
        response = answer.exchange.response
        if response is not None:
            body = self._any(*[response.body] * 4, self._any(*ODD_BODIES))
            response = replace(response, body=body, status=self._any(200, response.status))
        exchange = replace(
            answer.exchange,
            tapped=Tapped(tuple(hops)),
            response=self._any(*[response] * 4, None),
            error=self._any(*[None] * 4, BROKEN),
        )
        return Answer(exchange, answer.clip)

    def _any(self, *choices: Any) -> Any:
        return self._random.choice(choices)

    def _hop(self, hop: Hop) -> Hop:
        return replace(
            hop,
            request=self._message(hop.request),
            response=self._message(hop.response),
            tls=self._any(*[hop.tls] * 4, None, TlsSeen("TLSv1", "x"), TLS),
            changed=self._any(*[hop.changed] * 5, *CHANGES),
            leaks=self._any(*LEAKS),
            sealed=(*hop.sealed, *self._any(*SEALED)),
        )

    def _message(self, message: Message | None) -> Message | None:
        right = message or _refused(500)
        cut, end = sorted(self._random.randrange(len(right.body) + 1) for _ in "ab")
        odd = self._any(*ODD_BODIES)
        return self._any(  # type: ignore[no-any-return]
            *[message] * 4,
            None,
            replace(right, start=self._any(*STARTS)),
            replace(right, body=right.body[:cut] + right.body[end:]),
            replace(right, body=odd, size=len(odd), headers=self._any(*KINDS)),
        )


@pytest.mark.parametrize("identifier", CATALOGUE)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_judge_breaks_on_a_damaged_record(identifier: str, seed: int) -> None:
    """Whatever a tap may have seen and a client been told is judged, in a sentence or two."""
    right, damage = _right(identifier), Damage(Random(seed))
    for told in _judge(identifier, lambda probe: damage(right(probe))).values():
        told.encode()  # can be written to a report
        assert len(told) < 2000


@lru_cache(1)
def _right(identifier: str) -> RightWire:
    """Return the right answers to the probes of one rule, made once for all its damages."""
    return RightWire()
