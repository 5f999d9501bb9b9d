"""The key exchange against published vectors: data of others, not of this code."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from soundcheck.reference.private.hpke import Context, receive, send
from soundcheck.reference.private.kem import Kem, KeyRefused, X25519Alone, XWing

VECTORS = Path(__file__).parent / "vectors"


def published(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())["vectors"]


def test_xwing_gives_the_published_secrets() -> None:
    """Seed, public key and ciphertext of the draft lead to the draft's secret."""
    for vector in published("xwing.json"):
        key = XWing().private_key(bytes.fromhex(vector["sk"]))
        assert key.public_bytes.hex() == vector["pk"]
        assert key.decapsulate(bytes.fromhex(vector["ct"])).hex() == vector["ss"]


def test_hpke_exports_the_published_values() -> None:
    """The key schedule leads from the encapsulated key to every exported value."""
    (vector,) = published("hpke-mlkem768-x25519.json")
    key = XWing().private_key(bytes.fromhex(vector["skRm"]))
    assert key.public_bytes.hex() == vector["pkRm"]
    shared = key.decapsulate(bytes.fromhex(vector["enc"]))
    assert shared.hex() == vector["shared_secret"]
    context = Context(XWing(), shared, bytes.fromhex(vector["info"]), vector["aead_id"])
    for export in vector["exports"]:
        exported = context.export(bytes.fromhex(export["exporter_context"]), export["L"])
        assert exported.hex() == export["exported_value"]


@pytest.mark.parametrize(
    ("kem", "public", "encapsulated"),
    [
        (XWing(), 1216, 1120),
        (X25519Alone(), 32, 32),
    ],
)
def test_both_sides_export_the_same_secret(kem: Kem, public: int, encapsulated: int) -> None:
    """Sender and receiver agree on 32 bytes, new ones each time, by keys of the known sizes."""
    key = kem.private_key(os.urandom(32))
    assert len(key.public_bytes) == public
    exported = set()
    for _ in range(3):
        sent, sender = send(kem, key.public_bytes)
        assert len(sent) == encapsulated
        assert receive(kem, key, sent).export() == sender.export()
        exported.add(sender.export())
    assert {len(one) for one in exported} == {32}
    assert len(exported) == 3


@pytest.mark.parametrize("kem", [XWing(), X25519Alone()])
def test_what_is_no_key_is_refused(kem: Kem) -> None:
    """Wrong lengths and impossible keys are refused, not computed with."""
    key = kem.private_key(bytes(32))
    size = len(key.public_bytes)
    sent, _ = send(kem, key.public_bytes)
    for public in (b"", key.public_bytes[:-1], key.public_bytes + b"\0", bytes(size)):
        with pytest.raises(KeyRefused):
            send(kem, public)
    for encapsulated in (b"", sent[:-1], sent + b"\0"):
        with pytest.raises(KeyRefused):
            receive(kem, key, encapsulated)
