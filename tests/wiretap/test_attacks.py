"""Each attack changes what it says, and nothing else."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from soundcheck.contract.attack import Attack
from soundcheck.http.envelope import Envelope
from soundcheck.http.sealed import values_of
from soundcheck.wiretap import attacks
from soundcheck.wiretap.relay import TLS_ATTACKS

STREAM = "text/event-stream; charset=utf-8"
JSON = "application/json"
ATTEST, SECRET = "/privatemode/v1/attest", "/privatemode/v1/secret"


def _differing_bits(one: bytes, other: bytes) -> int:
    assert len(one) == len(other)
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))


def _plain(one: Envelope) -> bytes:
    return one.secret_id + one.nonce + one.iv + one.ciphertext


def _changed_envelopes(before: bytes, after: bytes, kind: str) -> Iterator[tuple[Any, Any]]:
    old, new = values_of(before, kind), values_of(after, kind)
    assert [one.name for one in old] == [one.name for one in new]
    for one, other in zip(old, new, strict=True):
        if one.data != other.data:
            yield one, other


@pytest.mark.parametrize(
    ("attack", "name", "part"),
    [
        (Attack.FLIP_FILE_CIPHERTEXT, "file", "ciphertext"),
        (Attack.FLIP_FILE_TAG, "file", "ciphertext"),
        (Attack.FLIP_FILE_IV, "file", "iv"),
        (Attack.FLIP_FILE_NONCE, "file", "nonce"),
        (Attack.FLIP_FILE_ID, "file", "secret_id"),
        (Attack.FLIP_PROMPT_CIPHERTEXT, "prompt", "ciphertext"),
    ],
)
def test_one_bit_of_a_request(attack: Attack, name: str, part: str, made: Any) -> None:
    """Exactly one bit of the named part of the named value changes; the length stays."""
    kind, body = made.sealed_form()
    changed = attacks.REQUESTS[attack](body, kind)
    assert changed is not None
    assert len(changed) == len(body)
    ((old, new),) = _changed_envelopes(body, changed, kind)
    assert old.name == name
    assert _differing_bits(_plain(old.envelope), _plain(new.envelope)) == 1
    assert getattr(old.envelope, part) != getattr(new.envelope, part)
    in_tag = old.envelope.ciphertext[-16:] != new.envelope.ciphertext[-16:]
    assert in_tag == (attack is Attack.FLIP_FILE_TAG)


@pytest.mark.parametrize(
    ("attack", "part"),
    [
        (Attack.FLIP_ANSWER_CIPHERTEXT, "ciphertext"),
        (Attack.FLIP_ANSWER_TAG, "ciphertext"),
        (Attack.FLIP_ANSWER_IV, "iv"),
        (Attack.FLIP_ANSWER_NONCE, "nonce"),
    ],
)
@pytest.mark.parametrize("shape", ["object", "stream", "text"])
def test_one_bit_of_an_answer(attack: Attack, part: str, shape: str, made: Any) -> None:
    """Exactly one bit of the text changes, in JSON, in a stream's event and in a whole body."""
    body, kind = {
        "object": (made.sealed_answer(), JSON),
        "stream": (made.stream(4), STREAM),
        "text": (made.envelope(4).encode(), "text/plain"),
    }[shape]
    changed = attacks.ANSWERS[attack](body, kind)
    assert changed is not None
    ((old, new),) = _changed_envelopes(body, changed, kind)
    assert old.name == {"object": "text", "stream": "delta", "text": ""}[shape]
    assert _differing_bits(_plain(old.envelope), _plain(new.envelope)) == 1
    assert getattr(old.envelope, part) != getattr(new.envelope, part)


def test_fields_swapped(made: Any) -> None:
    """Prompt and language change places, and the body keeps its length."""
    kind, body = made.sealed_form()
    changed = attacks.swap_fields(body, kind)
    assert changed is not None
    assert len(changed) == len(body)
    old = {one.name: one.data for one in values_of(body, kind)}
    new = {one.name: one.data for one in values_of(changed, kind)}
    assert (new["prompt"], new["language"]) == (old["language"], old["prompt"])
    assert new | {"prompt": b"", "language": b""} == old | {"prompt": b"", "language": b""}


@pytest.mark.parametrize("is_stream", [False, True])
def test_members_swapped(is_stream: bool, made: Any) -> None:
    """Two members of the same object change places."""
    body = made.sealed_answer()
    wire, kind = (b"data: %s\n\n" % body, STREAM) if is_stream else (body, JSON)
    changed = attacks.swap_members(wire, kind)
    assert changed is not None
    document = json.loads(changed.removeprefix(b"data: "))
    before = json.loads(body)
    assert document["text"] == before["language"]
    assert document["language"] == before["text"]


def _deltas(stream: bytes) -> list[int]:
    values = (one.envelope for one in values_of(stream, STREAM))
    return [int.from_bytes(one.iv, "big") for one in values if one]


@pytest.mark.parametrize(
    ("attack", "left", "is_done"),
    [
        (Attack.REORDER_EVENTS, [0, 1, 3, 2, 4, 5], True),
        (Attack.DUPLICATE_EVENT, [0, 1, 2, 3, 3, 4, 5], True),
        (Attack.DROP_EVENT, [0, 1, 2, 4, 5], True),
        (Attack.CUT_STREAM, [0, 1, 2], False),
        (Attack.CUT_STREAM_DONE, [0, 1, 2], True),
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_order_of_events(
    attack: Attack, left: list[int], is_done: bool, line_end: bytes, made: Any
) -> None:
    """Events of the stream are moved, repeated or missing; each of them is as it was."""
    wire = made.stream(6).replace(b"\n", line_end)
    changed = attacks.ANSWERS[attack](wire, STREAM)
    assert changed is not None
    assert _deltas(changed) == left
    assert (b"[DONE]" in changed) == is_done


@pytest.mark.parametrize("attack", [*attacks.REQUESTS, *attacks.ANSWERS])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=b"),
        (b"--b\r\ngarbage", "multipart/form-data; boundary=b"),
        (b'{"text": "clear", "prompt": 1}', JSON),
        (b"data: [DONE]\n\n", STREAM),
        (b"\xff\xfe\n\n\n", STREAM),
    ],
)
def test_nothing_to_change(attack: Attack, body: bytes, kind: str) -> None:
    """Where no envelope and no event is, nothing is changed."""
    assert (attacks.REQUESTS | attacks.ANSWERS)[attack](body, kind) is None


def test_events_in_the_clear() -> None:
    """The order of events is changed whether they are encrypted or not."""
    wire = b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    assert attacks.ANSWERS[Attack.DROP_EVENT](wire, STREAM) == b"data: 1\n\ndata: 3\n\n"


@pytest.mark.parametrize("attack", [Attack.DROP_EVENT, Attack.CUT_STREAM, Attack.REORDER_EVENTS])
def test_streams_too_short_stay(attack: Attack, made: Any) -> None:
    """One event has no middle and no order."""
    assert attacks.ANSWERS[attack](made.stream(1), STREAM) is None


@pytest.fixture
def exchange() -> tuple[dict[str, str], dict[str, str]]:
    """Return the proxy's and the API's part of a secret exchange."""

    def encoded(number: int, size: int) -> str:
        return base64.b64encode(bytes([number]) * size).decode()

    answer = {
        "EncapsulatedKey": encoded(2, 1120),
        "Signature": encoded(3, 70),
        "MeshCert": encoded(4, 500),
    }
    return {"PublicKey": encoded(1, 1216)}, answer


def _exchanged(attack: Attack, path: str, asked: Any, answer: Any, history: Any = None) -> Any:
    changed = attacks.exchanged(
        attack,
        path,
        json.dumps(asked).encode(),
        json.dumps(answer).encode(),
        history or attacks.History(),
        attacks.MeshSigner(),
    )
    return changed and json.loads(changed)


def test_a_forged_signature(exchange: Any) -> None:
    """One bit of the signature changes, and nothing else of the answer."""
    asked, answer = exchange
    changed = _exchanged(Attack.FORGE_SIGNATURE, SECRET, asked, answer)
    old, new = (base64.b64decode(one["Signature"]) for one in (answer, changed))
    assert _differing_bits(old, new) == 1
    assert changed | {"Signature": answer["Signature"]} == answer


def test_a_foreign_mesh(exchange: Any) -> None:
    """The signature is right, by a certificate that is not the attested one's."""
    asked, answer = exchange
    changed = _exchanged(Attack.FOREIGN_MESH, SECRET, asked, answer)
    assert changed["EncapsulatedKey"] == answer["EncapsulatedKey"]
    mesh = x509.load_der_x509_certificate(base64.b64decode(changed["MeshCert"]))
    keys = base64.b64decode(asked["PublicKey"]) + base64.b64decode(answer["EncapsulatedKey"])
    key = mesh.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(base64.b64decode(changed["Signature"]), keys, ec.ECDSA(SHA256()))


def test_earlier_answers_replayed(exchange: Any) -> None:
    """The first key and attestation of the run are what is replayed."""
    asked, answer = exchange
    history = attacks.History()
    for number in (b"1", b"2"):
        key = json.dumps(answer | {"EncapsulatedKey": base64.b64encode(number).decode()})
        attacks.remember_exchange(history, SECRET, key.encode())
        attacks.remember_exchange(history, ATTEST, b'{"AttestationDoc": "%s"}' % number)
    changed = _exchanged(Attack.REPLAY_KEY, SECRET, asked, answer, history)
    assert changed == answer | {"EncapsulatedKey": "MQ=="}
    document = {"AttestationDoc": "3"}
    replayed = _exchanged(Attack.REPLAY_ATTESTATION, ATTEST, {}, document, history)
    assert replayed == {"AttestationDoc": "1"}


@pytest.mark.parametrize("attack", attacks.LOSING)
def test_an_exchange_with_nothing_to_change(attack: Attack) -> None:
    """Without an earlier exchange, or in what is none, nothing is changed."""
    for path in (ATTEST, SECRET, "/v1/models"):
        assert _exchanged(attack, path, {}, {"error": "x"}) is None
        for body in (b"", b"[]", b"\xff", b"[" * 100_000):
            arguments = (body, body, attacks.History(), attacks.MeshSigner())
            assert attacks.exchanged(attack, path, *arguments) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_nonsense_is_not_remembered(body: bytes) -> None:
    """What is no answer of a secret exchange is not kept for a replay."""
    history = attacks.History()
    for path in (ATTEST, SECRET):
        attacks.remember_exchange(history, path, body)
    assert history == attacks.History()


def test_every_attack_has_its_function() -> None:
    """Each attack is one of requests, of answers, of secrets, of TLS, or by the tap itself."""
    by_itself = {
        Attack.NONE,
        Attack.REPLAY_REQUEST,
        Attack.REPLAY_ANSWER,
        Attack.INJECT_ANSWER,
    }
    groups = (attacks.REQUESTS, attacks.ANSWERS, attacks.LOSING, TLS_ATTACKS, by_itself)
    assert sorted(one for group in groups for one in group) == sorted(Attack)
