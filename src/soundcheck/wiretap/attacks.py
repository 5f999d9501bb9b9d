"""What the tap can do to a deployment: a function for each attack, on bytes.

A function that finds nothing to change returns ``None``: then all goes on as it came.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

from soundcheck.contract.attack import Attack
from soundcheck.http.certificates import Authority, Credentials
from soundcheck.http.envelope import TAG_BYTES, Envelope
from soundcheck.http.headers import Headers
from soundcheck.http.sealed import Value, values_of

INJECTED = "This text was put in by the tap."
CLEAR = ("privatemode-encrypted", "false")
_JSON = ("content-type", "application/json")
_MAIN = ("text", "delta", "choices")
_DONE = b"data: [DONE]\n\n"

Change: TypeAlias = Callable[[bytes, str], bytes | None]
"""From a body and its content type to the changed body."""


class Answer(NamedTuple):
    """A whole answer: of the tap's own making, or seen before."""

    status: int
    headers: Headers
    body: bytes


@dataclass
class History:
    """What was seen in this run, for replays; ``answers`` by whether they were streamed."""

    attestation: dict[str, Any] = field(default_factory=dict)
    secret: dict[str, Any] = field(default_factory=dict)
    answers: dict[bool, Answer] = field(default_factory=dict)


# One bit.


def flip(data: bytes, place: int) -> bytes:
    """Return ``data`` with the lowest bit of the byte at ``place`` turned over."""
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def flip_ciphertext(one: Envelope) -> Envelope | None:
    """Turn a bit over in the middle of the ciphertext, before its tag."""
    size = len(one.ciphertext) - TAG_BYTES
    return replace(one, ciphertext=flip(one.ciphertext, size // 2)) if size else None


def flip_tag(one: Envelope) -> Envelope:
    """Turn a bit of the tag over."""
    return replace(one, ciphertext=flip(one.ciphertext, -1))


def flip_iv(one: Envelope) -> Envelope:
    """Turn a bit of the IV over."""
    return replace(one, iv=flip(one.iv, 0))


def flip_nonce(one: Envelope) -> Envelope:
    """Turn a bit of the nonce over, in this envelope alone."""
    return replace(one, nonce=flip(one.nonce, 0))


def flip_id(one: Envelope) -> Envelope:
    """Turn a bit of the secret's ID over."""
    return replace(one, secret_id=flip(one.secret_id, 0))


def _in_place(body: bytes, value: Value, changed: bytes) -> bytes:
    return body[: value.start] + changed + body[value.end :]


def _flipped(
    body: bytes, value: Value | None, turn: Callable[[Envelope], Envelope | None]
) -> bytes | None:
    envelope = value and value.envelope
    changed = envelope and turn(envelope)
    return _in_place(body, value, changed.encode()) if value and changed else None


# Requests.


def _in_request(name: str, turn: Callable[[Envelope], Envelope | None]) -> Change:
    def change(body: bytes, content_type: str) -> bytes | None:
        value = next((one for one in values_of(body, content_type) if one.name == name), None)
        return _flipped(body, value, turn)

    return change


def swap_fields(body: bytes, content_type: str) -> bytes | None:
    """Swap the envelopes of ``prompt`` and ``language``."""
    found = {one.name: one for one in reversed(values_of(body, content_type)) if one.envelope}
    return _swapped(body, found.get("prompt"), found.get("language"))


def _swapped(body: bytes, one: Value | None, other: Value | None) -> bytes | None:
    if one is None or other is None or one.data == other.data:
        return None
    first, second = sorted((one, other), key=lambda value: value.start)
    return _in_place(_in_place(body, second, first.data), first, second.data)


REQUESTS: dict[Attack, Change] = {
    Attack.FLIP_FILE_CIPHERTEXT: _in_request("file", flip_ciphertext),
    Attack.FLIP_FILE_TAG: _in_request("file", flip_tag),
    Attack.FLIP_FILE_IV: _in_request("file", flip_iv),
    Attack.FLIP_FILE_NONCE: _in_request("file", flip_nonce),
    Attack.FLIP_FILE_ID: _in_request("file", flip_id),
    Attack.FLIP_PROMPT_CIPHERTEXT: _in_request("prompt", flip_ciphertext),
    Attack.SWAP_FIELDS: swap_fields,
}
"""What changes a transcription request before it goes upstream."""


# Answers.


def _in_answer(turn: Callable[[Envelope], Envelope | None]) -> Change:
    def change(body: bytes, content_type: str) -> bytes | None:
        sealed = [one for one in values_of(body, content_type) if one.envelope]
        main = next((one for one in sealed if one.name in _MAIN), next(iter(sealed), None))
        return _flipped(body, main, turn)

    return change


def swap_members(body: bytes, content_type: str) -> bytes | None:
    """Swap two envelopes of one JSON object: of the answer, or of a stream's event."""
    sealed = [one for one in values_of(body, content_type) if one.envelope]
    for _, members in groupby(sealed, key=lambda one: one.event):
        first, *rest = members
        if rest:
            return _swapped(body, first, rest[0])
    return None


Frames: TypeAlias = list[bytes]


def _frames(body: bytes) -> Frames:
    """Return a stream's pieces, each up to and with the blank line that ends an event."""
    pieces: Frames = []
    current = b""
    for line in body.splitlines(keepends=True):
        current += line
        if not line.rstrip(b"\r\n"):
            pieces.append(current)
            current = b""
    return [*pieces, current] if current else pieces


def _in_stream(least: int, change: Callable[[Frames, Sequence[int]], Frames]) -> Change:
    """Make a change of frames and the places of events among them, of which it needs ``least``."""

    def changed(body: bytes, content_type: str) -> bytes | None:
        frames = _frames(body)
        places = [
            place
            for place, frame in enumerate(frames)
            if any(_is_event(line) for line in frame.splitlines())
        ]
        if not content_type.startswith("text/event-stream") or len(places) < least:
            return None
        result = b"".join(change(frames, places))
        return None if result == body else result

    return changed


def _is_event(line: bytes) -> bool:
    return line.startswith(b"data:") and line[5:].strip() != b"[DONE]"


def _reorder(frames: Frames, places: Sequence[int]) -> Frames:
    one, other = places[len(places) // 2 - 1 : len(places) // 2 + 1]
    frames[one], frames[other] = frames[other], frames[one]
    return frames


def _duplicate(frames: Frames, places: Sequence[int]) -> Frames:
    middle = places[len(places) // 2]
    return [*frames[: middle + 1], *frames[middle:]]


def _drop(frames: Frames, places: Sequence[int]) -> Frames:
    middle = places[len(places) // 2]
    return [*frames[:middle], *frames[middle + 1 :]]


def _cut(frames: Frames, places: Sequence[int]) -> Frames:
    return frames[: places[len(places) // 2]]


def _cut_done(frames: Frames, places: Sequence[int]) -> Frames:
    return [*_cut(frames, places), _DONE]


ANSWERS: dict[Attack, Change] = {
    Attack.FLIP_ANSWER_CIPHERTEXT: _in_answer(flip_ciphertext),
    Attack.FLIP_ANSWER_TAG: _in_answer(flip_tag),
    Attack.FLIP_ANSWER_IV: _in_answer(flip_iv),
    Attack.FLIP_ANSWER_NONCE: _in_answer(flip_nonce),
    Attack.SWAP_MEMBERS: swap_members,
    Attack.REORDER_EVENTS: _in_stream(2, _reorder),
    Attack.DUPLICATE_EVENT: _in_stream(1, _duplicate),
    Attack.DROP_EVENT: _in_stream(3, _drop),
    Attack.CUT_STREAM: _in_stream(2, _cut),
    Attack.CUT_STREAM_DONE: _in_stream(2, _cut_done),
}
"""What changes the answer to a transcription request before it reaches the proxy."""


# Answers of the tap's own.


def injected() -> Answer:
    """Return a transcript that nobody encrypted, as the API marks its own errors."""
    return Answer(200, (_JSON, CLEAR), json.dumps({"text": INJECTED}).encode())


def secret_lost(identifier: str) -> Answer:
    """Return what the API says when it does not know the secret ``identifier``."""
    message = f"no secret for ID {identifier}"
    body = json.dumps({"error": {"message": message, "type": ""}}).encode()
    return Answer(500, (_JSON, CLEAR), body)


# The exchange of a new secret.


class MeshSigner:
    """A mesh certificate that no attestation speaks for, made when it is first needed."""

    def __init__(self) -> None:
        self._leaf: Credentials | None = None

    def answer(self, request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any] | None:
        """Return the API's answer with its key signed by the foreign certificate."""
        if self._leaf is None:
            self._leaf = Authority.new("A foreign mesh").issue("mesh.invalid")
        keys = _decoded(request, "PublicKey") + _decoded(answer, "EncapsulatedKey")
        return answer | {
            "Signature": base64.b64encode(self._leaf.sign(keys)).decode(),
            "MeshCert": base64.b64encode(self._leaf.certificate_der).decode(),
        }


def forge_signature(answer: dict[str, Any]) -> dict[str, Any]:
    """Turn a bit of the signature over: its last, so that it is still well-formed."""
    forged = flip(_decoded(answer, "Signature"), -1)
    return answer | {"Signature": base64.b64encode(forged).decode()}


def _decoded(document: dict[str, Any], name: str) -> bytes:
    """Return the bytes of a member; raises ``ValueError`` when there are none."""
    try:
        data = base64.b64decode(document[name], validate=True)
    except (KeyError, TypeError, binascii.Error):
        data = b""
    if not data:
        raise ValueError(f"no {name}")
    return data


LOSING = (
    Attack.LOSE_SECRET,
    Attack.LOSE_SECRETS,
    Attack.FORGE_SIGNATURE,
    Attack.FOREIGN_MESH,
    Attack.REPLAY_KEY,
    Attack.REPLAY_ATTESTATION,
)
"""What begins with an answer that the secret is not known."""

_SECRET_MEMBERS = {"EncapsulatedKey", "Signature", "MeshCert"}


def exchanged(
    attack: Attack, path: str, request: bytes, body: bytes, history: History, signer: MeshSigner
) -> bytes | None:
    """Return the changed answer ``body`` of the secret exchange's call to ``path``."""
    try:
        answer = json.loads(body)
        asked = json.loads(request)
        if not isinstance(answer, dict) or not isinstance(asked, dict):
            return None
        changed = _exchanged(attack, path, asked, answer, history, signer)
    except (ValueError, RecursionError):
        return None
    return None if not changed or changed == answer else json.dumps(changed).encode()


def _exchanged(
    attack: Attack,
    path: str,
    asked: dict[str, Any],
    answer: dict[str, Any],
    history: History,
    signer: MeshSigner,
) -> dict[str, Any] | None:
    if is_attestation(path):
        return history.attestation if attack is Attack.REPLAY_ATTESTATION else None
    if not is_secret(path):
        return None
    match attack:
        case Attack.FORGE_SIGNATURE:
            return forge_signature(answer)
        case Attack.FOREIGN_MESH:
            return signer.answer(asked, answer)
        case Attack.REPLAY_KEY:
            return history.secret
        case _:
            return None


def is_attestation(path: str) -> bool:
    """Tell whether ``path`` asks for an attestation."""
    return path.partition("?")[0].endswith("/privatemode/v1/attest")


def is_secret(path: str) -> bool:
    """Tell whether ``path`` exchanges a secret."""
    return path.partition("?")[0].endswith("/privatemode/v1/secret")


def remember_exchange(history: History, path: str, body: bytes) -> None:
    """Keep the first answer of the secret exchange, to be replayed."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return
    if not isinstance(answer, dict):
        return
    if is_attestation(path) and "AttestationDoc" in answer:
        history.attestation = history.attestation or answer
    elif is_secret(path) and answer.keys() >= _SECRET_MEMBERS:
        history.secret = history.secret or answer
