"""What hops through a tap carry: uploads, envelopes, ciphertexts, and what is readable of them."""

import base64
import binascii
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from soundcheck.contract.randomness import BLOCK
from soundcheck.contract.strict_json import shown
from soundcheck.http.envelope import TAG_BYTES, Envelope
from soundcheck.http.hex_dump import hex_dump
from soundcheck.http.sealed import Value, values_of
from soundcheck.http.tapped import Hop, Message, Sealed

EXCHANGE = "/privatemode/v1/"
"""Begins the paths of the secret's exchange, in which no user's data belongs."""

MOST_FRAMING = 4096
"""Bytes at either end of a body, and in all short runs inside, that are taken for its frame."""

LONGEST_RUN = 64
"""Bytes of a run inside a body that is taken for framing: a name, a type, a number's padding."""

_FOLD = re.compile(rb"\r?\n[ \t]*")
_JWE = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){4}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){16,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{22,}={0,2}")
_DUMPED = 48
_LONGEST = 100
_SOME = 3


@dataclass(frozen=True, slots=True)
class Carried:
    """An envelope, and the name of the field or member whose value it is."""

    name: str
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Cipher:
    """The ciphertext of a value: ``name`` is that of the field or member, if it has one.

    ``enveloped`` tells that an envelope says where it begins and ends; ``framing`` counts the bytes
    that were left out of ``data`` because they are none.
    """

    name: str
    data: bytes
    enveloped: bool = False
    framing: int = 0


@dataclass(frozen=True, slots=True)
class Agreed:
    """The keys of one exchange of a secret: bytes, empty where there is none to be read."""

    public_key: bytes
    encapsulated_key: bytes

    @property
    def secret_id(self) -> bytes:
        """Return the ID of the secret that was exchanged: SHA-256 of the public key."""
        return hashlib.sha256(self.public_key).digest()


def is_upload(hop: Hop) -> bool:
    """Tell whether ``hop`` brings a user's data: anything that is posted but for a secret."""
    request = hop.request
    if request is None or request.start.partition(" ")[0] not in ("POST", "PUT", "PATCH"):
        return False
    return request.size > 0 and EXCHANGE not in request.path


def is_exchange(hop: Hop, last: str) -> bool:
    """Tell whether ``hop`` asks for an ``attest`` or a ``secret``."""
    return hop.request is not None and hop.request.path.endswith(EXCHANGE + last)


def status_of(hop: Hop) -> int | None:
    """Return the status of the answer, ``None`` without one that can be read."""
    try:
        return None if hop.response is None else hop.response.status
    except (ValueError, IndexError):
        return None


def values(message: Message | None) -> list[Value]:
    """Return the values that the body of ``message`` carries."""
    return [] if message is None else values_of(message.body, message.header("content-type"))


def envelopes(message: Message | None) -> list[Carried]:
    """Return the envelopes that ``message`` carries, in their order."""
    found = ((value.name, value.envelope) for value in values(message))
    return [Carried(name, envelope) for name, envelope in found if envelope is not None]


def ciphertexts(message: Message | None) -> list[Cipher]:
    """Return what ``message`` carries that should be ciphertext, decoded from hex and base64.

    Where no value is an envelope, what is largest stands for it: another protocol's, or none.
    """
    sealed = [Cipher(one.name, one.envelope.ciphertext, True) for one in envelopes(message)]
    if sealed:
        return sealed
    largest = max(values(message), key=lambda value: len(value.data), default=None)
    return [] if largest is None else [Cipher(largest.name, decoded(_inmost(largest.data)))]


def unframed(cipher: Cipher, twin: Cipher) -> Cipher:
    """Return ``cipher`` without its framing, which is told by another upload's of the same kind.

    An envelope says what is ciphertext; of another protocol's message only this is known: what it
    has in the same place as its twin may be a header, a key's ID or a model's name. So for framing
    is taken what both begin or end with, and inside every run of up to ``LONGEST_RUN`` bytes; each
    of the three at most ``MOST_FRAMING`` bytes and a quarter of the data, so that what repeats more
    than that is still seen. Runs below ``BLOCK`` bytes are left: no rule minds them. What is left
    out goes from a multiple of ``BLOCK`` to one, so that equal blocks stay at such places.
    """
    data, other = cipher.data, twin.data
    most = min(MOST_FRAMING, len(data) // 4)
    if cipher.enveloped or twin.enveloped or most < BLOCK:
        return cipher
    kept = np.ones(len(data), bool)
    inside = most
    for begin, end in _equal_runs(data, other):
        if begin == 0:
            last = min(end, most)
        elif end - begin <= min(LONGEST_RUN, inside):
            inside -= end - begin
            last = end
        else:
            continue
        kept[begin // BLOCK * BLOCK : -(-last // BLOCK) * BLOCK] = False
    tail = next(_equal_runs(data[::-1], other[::-1]), (1, 0))
    if tail[0] == 0:
        kept[(len(data) - min(tail[1], most)) // BLOCK * BLOCK :] = False
    left = np.frombuffer(data, np.uint8)[kept].tobytes()
    return replace(cipher, data=left, framing=len(data) - len(left))


def _equal_runs(one: bytes, other: bytes) -> Iterator[tuple[int, int]]:
    """Yield where runs of ``BLOCK`` bytes or more begin and end that both have in one place."""
    size = min(len(one), len(other))
    equal = np.frombuffer(one[:size], np.uint8) == np.frombuffer(other[:size], np.uint8)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], equal.astype(np.int8), [0]))))
    for begin, end in edges.reshape(-1, 2).tolist():
        if end - begin >= BLOCK:
            yield begin, end


def decoded(data: bytes) -> bytes:
    """Return what hexadecimal or base64 text says, other data as it is.

    Lines may be folded. Of a compact JWE (RFC 7516, section 7.1), whose first part is its header in
    the clear, it is the longest part that is read.
    """
    text = _FOLD.sub(b"", data.strip().strip(b'"'))
    if _JWE.fullmatch(text):
        text = max(text.split(b"."), key=len)
    if _HEX.fullmatch(text):
        return bytes.fromhex(text.decode("ascii"))
    if _BASE64.fullmatch(text):
        plain = text.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        try:
            return base64.b64decode(plain + b"=" * (-len(plain) % 4))
        except binascii.Error:
            return data
    return data


def readable(body: bytes, content_type: str | None) -> list[str]:
    """Return the texts that an answer shows: the strings of all members of one name joined.

    They are read as they are, from base64, and out of envelopes as if those encrypted nothing: what
    comes in pieces, as in a stream, is put together so.
    """
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for value in values_of(body, content_type):
        envelope = value.envelope
        if envelope is None:
            found[value.name, "clear"] += strings(value.data)
            found[value.name, "base64"] += strings(decoded(value.data))
        else:
            found[value.name, "envelope"] += strings(envelope.ciphertext[:-TAG_BYTES])
    return ["".join(texts) for texts in found.values()]


def strings(data: bytes) -> Iterator[str]:
    """Yield the strings of JSON in their order, or the whole of another text; nothing of bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return
    try:
        yield from _strings(json.loads(text))
    except (ValueError, RecursionError):
        yield text


def agreed(hop: Hop) -> Agreed:
    """Return the keys that an exchange of a secret shows on the wire."""
    return Agreed(_key(hop.request, "PublicKey"), _key(hop.response, "EncapsulatedKey"))


def dump(data: bytes, begin: int = 0) -> str:
    """Return a hex dump of the first bytes of ``data``, which lie at ``begin``."""
    return hex_dump(data[:_DUMPED], begin)


def told(hop: Hop) -> str:
    """Return a request and what came for it, in a few words."""
    if hop.request is None:
        return f"connection {hop.connection}"
    method, path = hop.request.start.partition(" ")[0][:20], hop.request.path[:_LONGEST]
    status = status_of(hop)
    answer = "" if status is None else f", answered {status}"
    text = f"{method} {path} of {hop.request.size:,} bytes{answer}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def told_all(hops: Iterable[Hop]) -> str:
    """Return what came through the tap in place of what was looked for, in a few words."""
    texts: dict[str, None] = {}
    for hop in hops:
        upgrade = hop.request.header("upgrade") if hop.request is not None else None
        if upgrade is not None:
            kind = "websocket" if upgrade.strip().lower() == "websocket" else "another protocol"
            text = f"{told(hop)}, which asks for {kind}"
        else:
            text = hop.problem[:_LONGEST].rstrip(".") or told(hop)
        texts[text.encode("utf-8", "backslashreplace").decode("utf-8")] = None
    first = list(texts)[:_SOME]
    more = "; and more" if len(texts) > _SOME else ""
    return "; ".join(first) + more if first else "nothing"


def name_of(value: Value | Carried | Cipher | Sealed) -> str:
    """Return how a value is called in a sentence: by its name, if it has one that can be shown."""
    if not value.name:
        return "the body"
    plain = value.name.isascii() and value.name.isprintable() and len(value.name) < _LONGEST
    return value.name if plain else shown(value.name, _LONGEST)


def fitting(hops: Iterable[Hop], size: int) -> list[Hop]:
    """Return the uploads among ``hops``; if one of them seals a file of ``size`` bytes, only such.

    So requests of others that pass the tap meanwhile are not taken for one's own.
    """
    uploads = list(filter(is_upload, hops))
    own = [
        hop
        for hop in uploads
        if any(len(one.envelope.ciphertext) == size + TAG_BYTES for one in envelopes(hop.request))
    ]
    return own or uploads


def _key(message: Message | None, name: str) -> bytes:
    found = next((value.data for value in values(message) if value.name == name), b"")
    try:
        return base64.b64decode(found.strip(b'"'), validate=True)
    except binascii.Error:
        return b""


def _inmost(data: bytes) -> bytes:
    """Return the longest string of a JSON value, other data as it is."""
    if data[:1] not in (b"{", b"[", b'"'):
        return data
    longest = max(strings(data), key=len, default=None)
    return data if longest is None else longest.encode("utf-8", "surrogatepass")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
