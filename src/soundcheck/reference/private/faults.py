"""The named defects of the private stack, and how a stack with some of them behaves."""

import json
import os
import ssl
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from soundcheck.reference.faults import BENIGN, FAULTS, unknown
from soundcheck.reference.private import attestation, front, weak
from soundcheck.reference.private.agreed import Secrets
from soundcheck.reference.private.cipher import Cipher
from soundcheck.reference.private.conduct import (
    CLEAR_FIELDS,
    Conduct,
    Encapsulate,
    PrivateFault,
    Source,
    client_tls,
    fresh_nonce,
    in_order,
)
from soundcheck.reference.private.form import Part
from soundcheck.reference.private.kem import SEED_BYTES, Kem, X25519Alone

# X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for.
_NO_CHECK_TIME = 0x200000
_LONGEST_HEADER = 4096


class _Everything(Container[str]):
    def __contains__(self, name: object) -> bool:
        return True


def _everywhere(cipher: Cipher) -> dict[str, Cipher]:
    return {"requests": cipher, "answers": cipher, "events": cipher}


def _in_answers(cipher: Cipher) -> dict[str, Cipher]:
    return {"answers": cipher, "events": cipher}


def _one_nonce(last: bytes | None) -> bytes:
    return bytes.fromhex("00112233445566778899aabb")


def _kept_nonce(last: bytes | None) -> bytes:
    return last or fresh_nonce(last)


def _constant_seeds() -> Source:
    return lambda: bytes(range(SEED_BYTES))


def _one_seed() -> Source:
    seed = os.urandom(SEED_BYTES)
    return lambda: seed


def _remembered(kem: Kem) -> Encapsulate:
    """Return the same encapsulation for the same public key."""
    return lru_cache(16)(kem.encapsulate)


def _no_check(*given: object) -> None:
    """Find nothing wrong."""


def _first_of_each(parts: Sequence[Part]) -> list[Part]:
    first: dict[tuple[bool, str], Part] = {}
    for part in in_order(parts):
        first.setdefault((part.filename is None, part.name), part)
    return list(first.values())


def _clients_name(filename: str) -> str:
    return filename


def _prompt_header(parts: Sequence[Part]) -> dict[str, str]:
    prompts = (part.data for part in parts if part.name == "prompt")
    return {"x-prompt": _header(next(prompts, b"").decode("utf-8", "replace"))}


def _transcript_header(answer: bytes) -> dict[str, str]:
    text = answer.decode("utf-8", "replace")
    try:
        value = json.loads(answer)
    except ValueError:
        return {"x-transcript": _header(text)}
    said = value.get("text") if isinstance(value, dict) else None
    return {"x-transcript": _header(said)} if isinstance(said, str) else {}


def _header(text: str) -> str:
    return "".join(one if " " <= one <= "~" else "?" for one in text)[:_LONGEST_HEADER].strip()


def _any_status(status: int) -> bool:
    return True


def _any_certificate(roots: Path | None) -> ssl.SSLContext:
    context = client_tls(roots)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _any_name(roots: Path | None) -> ssl.SSLContext:
    context = client_tls(roots)
    context.check_hostname = False
    return context


def _any_time(roots: Path | None) -> ssl.SSLContext:
    context = client_tls(roots)
    context.verify_flags |= _NO_CHECK_TIME
    return context


def _any_version(roots: Path | None) -> ssl.SSLContext:
    context = client_tls(roots)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _not_the_newest(roots: Path | None) -> ssl.SSLContext:
    context = client_tls(roots)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


_DECLARED: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    # What is encrypted.
    ("plain-proxy", "Nothing is encrypted: the proxy is a plain one.", {"encrypts": False}),
    (
        "prompt-in-header",
        "The proxy repeats the prompt in a header of its request.",
        {"headers": _prompt_header},
    ),
    (
        "prompt-in-clear",
        "The prompt is not encrypted.",
        {"clear_fields": CLEAR_FIELDS | {"prompt"}},
    ),
    (
        "language-in-clear",
        "The language is not encrypted.",
        {"clear_fields": CLEAR_FIELDS | {"language"}},
    ),
    ("response-in-clear", "Answers are not encrypted.", {"clear_members": _Everything()}),
    (
        "transcript-in-header",
        "The gateway repeats the transcript in a header of its answer.",
        {"answer_headers": _transcript_header},
    ),
    (
        "file-name-forwarded",
        "The proxy tells the gateway the client's file name.",
        {"filename": _clients_name},
    ),
    (
        "replays-answered-in-clear",
        "The gateway does not encrypt its answer to a request that it had before.",
        {"replays_sealed": False},
    ),
    # How it is encrypted.
    ("base64-not-encryption", "Values are base64 only.", _everywhere(weak.BASE64)),
    (
        "hex-not-encryption",
        "Values look like envelopes, but hold the plaintext.",
        _everywhere(weak.HEX),
    ),
    ("iv-constant", "Every value has the same IV.", {"ivs": weak.constant_ivs}),
    ("iv-restarts", "IVs are counted from 1 in each exchange.", {"ivs": weak.counted_ivs}),
    ("nonce-reused", "Every exchange has the same nonce.", {"nonce": _one_nonce}),
    (
        "key-constant",
        "Every exchange of a secret uses the same keys and gives the same secret.",
        {"key_seeds": _constant_seeds, "encapsulations": _remembered},
    ),
    (
        "compress-then-encrypt",
        "Values are compressed before they are encrypted.",
        _everywhere(weak.COMPRESSED),
    ),
    (
        "blocks-repeat",
        "The keystream repeats after 16 bytes.",
        _everywhere(weak.REPEATING),
    ),
    # What the gateway accepts.
    (
        "request-flips-accepted",
        "The gateway does not check the tags of a request.",
        {"requests": weak.UNCHECKED},
    ),
    (
        "request-swaps-accepted",
        "The values of a request are not bound to their places.",
        {"requests": weak.ANYWHERE},
    ),
    (
        "nonce-unbound",
        "Values are not bound to their exchange.",
        _everywhere(weak.UNBOUND),
    ),
    (
        "unknown-secret-accepted",
        "The gateway decrypts under its newest secret, whatever ID it is told.",
        {"find": Secrets.newest, "requests": Cipher(same_id=False)},
    ),
    # What the proxy accepts.
    (
        "response-flips-accepted",
        "The proxy does not check the tags of an answer.",
        _in_answers(weak.UNCHECKED),
    ),
    (
        "response-swaps-accepted",
        "The members of a JSON answer are not bound to their places.",
        {"answers": weak.ANYWHERE},
    ),
    (
        "response-replays-accepted",
        "The proxy takes an answer's nonce from the answer.",
        _in_answers(Cipher(same_nonce=False)),
    ),
    (
        "events-reordered-accepted",
        "The proxy takes the events of a stream in any order.",
        {"order": weak.AnyOrder},
    ),
    (
        "events-dropped-accepted",
        "The proxy does not miss events of a stream that are left out.",
        {"order": weak.Upwards},
    ),
    (
        "stream-cut-accepted",
        "The proxy takes the early end of a stream for its end.",
        {"needs_end": False},
    ),
    (
        "clear-answers-accepted",
        "The proxy passes on any answer that is marked as not encrypted.",
        {"believes_clear": _any_status},
    ),
    (
        "any-certificate-accepted",
        "The proxy does not verify TLS certificates.",
        {"proxy_tls": _any_certificate},
    ),
    (
        "wrong-name-accepted",
        "The proxy does not verify for which name a TLS certificate is.",
        {"proxy_tls": _any_name},
    ),
    (
        "expired-accepted",
        "The proxy accepts TLS certificates whose time is over.",
        {"proxy_tls": _any_time},
    ),
    (
        "old-tls-accepted",
        "The proxy accepts every version of TLS.",
        {"proxy_tls": _any_version},
    ),
    (
        "falls-back-to-http",
        "The proxy sends its requests without TLS where TLS fails.",
        {"schemes": ("https", "http")},
    ),
    ("tls-1.2-only", "The proxy does not offer TLS 1.3.", {"proxy_tls": _not_the_newest}),
    # The secret's exchange.
    (
        "signature-unchecked",
        "The proxy does not verify the signature of a secret exchange.",
        {"check_signature": _no_check},
    ),
    (
        "mesh-certificate-unchecked",
        "The proxy accepts a mesh certificate of any issuer.",
        {"check_chain": _no_check},
    ),
    (
        "attestation-unchecked",
        "The proxy does not verify the attestation.",
        {"verify_attestation": attestation.unverified},
    ),
    (
        "secret-kept-for-ever",
        "The proxy tries again with the secret that was lost.",
        {"renews_lost": False},
    ),
    (
        "nonce-kept-on-retry",
        "The proxy tries again with the same nonce.",
        {"nonce": _kept_nonce},
    ),
    (
        "retries-without-end",
        "The proxy tries again up to six times.",
        {"secret_retries": 6, "reset_retries": 6},
    ),
    (
        "secret-key-reused",
        "The proxy renews its secret with the same key pair.",
        {"key_seeds": _one_seed},
    ),
    (
        "classical-exchange",
        "The secret is exchanged by X25519 alone, without ML-KEM.",
        {"kem": X25519Alone()},
    ),
    # The vendor's known deviations.
    (
        "no-model-500",
        "The proxy answers 500 to a form without a model.",
        {"needs_model": True},
    ),
    (
        "not-a-form-500",
        "The proxy answers 500 to a body that is no form.",
        {"needs_form": True},
    ),
    (
        "json-only",
        "The proxy answers 500 where the answer is not JSON.",
        {"needs_json": True},
    ),
    (
        "first-value-only",
        "The proxy passes on the first of several values of a field only.",
        {"parts": _first_of_each},
    ),
)


def _named(faults: Iterable[PrivateFault]) -> dict[str, PrivateFault]:
    named: dict[str, PrivateFault] = {}
    for fault in faults:
        if fault.name in named:
            raise ValueError(f"two faults are called {fault.name}")
        named[fault.name] = fault
    return named


PRIVATE_FAULTS = _named(
    [*(PrivateFault(*declared) for declared in _DECLARED), *front.FAULTS, *front.BENIGN]
)
"""What can be wrong with the stack, by name; benign differences among them are marked so."""


def conduct(names: Iterable[str]) -> Conduct:
    """Return how a stack with these faults behaves; raises UnknownFault."""
    chosen = Conduct()
    for name in names:
        if name not in PRIVATE_FAULTS:
            raise unknown(name, PRIVATE_FAULTS)
        chosen = replace(chosen, **PRIVATE_FAULTS[name].changes)
    return chosen


def by_side(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names that are faults of the backend, and those of the private stack.

    Raises UnknownFault for what is neither.
    """
    backend, stack = [], []
    for name in names:
        if name in FAULTS or name in BENIGN:
            backend.append(name)
        elif name in PRIVATE_FAULTS:
            stack.append(name)
        else:
            raise unknown(name, [*FAULTS, *BENIGN, *PRIVATE_FAULTS])
    return tuple(backend), tuple(stack)
