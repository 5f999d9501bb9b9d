"""Each fault of the private stack: it is there when it is asked for, and not otherwise."""

import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from soundcheck.http.certificates import Authority, self_signed
from soundcheck.http.envelope import Envelope
from soundcheck.reference.faults import BENIGN, FAULTS, UnknownFault
from soundcheck.reference.private import PRIVATE_FAULTS, front
from soundcheck.reference.private.conduct import Conduct
from soundcheck.reference.private.faults import conduct

from .conftest import ANSWER, Build, Hop, Stack

PROMPT, LANGUAGE, NAME = "an unmistakable prompt" * 4, "xx", "my-voice.wav"
TLS = {one.name for one in (*front.FAULTS, *front.BENIGN)}

Seen = list[Hop]


def sent(hop: Hop, name: str) -> bytes:
    return hop.values[name].data


def envelopes(hops: Seen) -> list[Envelope]:
    values = (one for hop in hops for one in (*hop.values.values(), *hop.members))
    return [value.envelope for value in values if value.envelope is not None]


def sizes(hops: Seen) -> list[int]:
    return [len(one.ciphertext) for one in envelopes(hops)]


def keys(hops: Seen, name: str, of: str = "body") -> list[str]:
    exchanges = (hop for hop in hops if hop.path.endswith("secret"))
    return [json.loads(getattr(hop, of))[name] for hop in exchanges]


def forms(hops: Seen) -> Seen:
    return [hop for hop in hops if hop.path.endswith("transcriptions")]


def repeats(data: bytes) -> bool:
    return data[:16] == data[16:32]


# What shows on the wire when two equal forms are sent, with a loss of the secret between them.
SEEN: dict[str, Callable[[Seen], bool]] = {
    "plain-proxy": lambda hops: PROMPT.encode() in hops[-1].body and NAME.encode() in hops[-1].body,
    "prompt-in-header": lambda hops: PROMPT in hops[-1].headers.get("x-prompt", ""),
    "prompt-in-clear": lambda hops: sent(hops[-1], "prompt") == PROMPT.encode(),
    "language-in-clear": lambda hops: sent(hops[-1], "language") == LANGUAGE.encode(),
    "response-in-clear": lambda hops: json.loads(hops[-1].answer) == ANSWER,
    "transcript-in-header": lambda hops: (
        hops[-1].answer_headers.get("x-transcript") == "Hello World."
    ),
    "file-name-forwarded": lambda hops: hops[-1].values["file"].filename == NAME,
    "base64-not-encryption": lambda hops: (
        b64decode(sent(hops[-1], "prompt")[1:-1]) == PROMPT.encode()
    ),
    "hex-not-encryption": lambda hops: PROMPT.encode().hex().encode() in sent(hops[-1], "prompt"),
    "iv-constant": lambda hops: len({one.iv for one in envelopes(hops[-1:])}) == 1,
    "iv-restarts": lambda hops: envelopes(hops[-1:])[0].iv == (1).to_bytes(12, "big"),
    "nonce-reused": lambda hops: len({one.nonce for one in envelopes(forms(hops))}) == 1,
    "key-constant": lambda hops: len(set(keys(hops, "EncapsulatedKey", "answer"))) == 1,
    "compress-then-encrypt": lambda hops: len(PROMPT) + 16 not in sizes(hops[-1:]),
    "blocks-repeat": lambda hops: (
        envelopes(hops[-1:])[-1] is not None
        and repeats(Envelope.parse(sent(hops[-1], "file")).ciphertext)
    ),
    "secret-key-reused": lambda hops: (
        len(set(keys(hops, "PublicKey"))) < len(set(keys(hops, "EncapsulatedKey", "answer")))
    ),
    "classical-exchange": lambda hops: len(b64decode(keys(hops, "PublicKey")[0])) == 32,
    "retries-without-end": lambda hops: len(forms(hops)) > 4,
    "secret-kept-for-ever": lambda hops: (
        len({one.secret_id for one in envelopes(forms(hops)[:2])}) == 1
    ),
    "nonce-kept-on-retry": lambda hops: len({one.nonce for one in envelopes(forms(hops)[:2])}) == 1,
}


def lose(hop: Hop) -> None:
    hop.status, hop.answer = 500, b'{"error": {"message": "no secret for ID x", "type": ""}}'
    hop.answer_headers = {"privatemode-encrypted": "false", "content-type": "application/json"}


def wire(stack: Stack, faults: tuple[str, ...] = ()) -> Seen:
    """Return what is seen of a form whose secret is lost once, or more often, and of another."""
    losses = 4 if "retries-without-end" in faults else 1

    def act(hop: Hop) -> None:
        if hop in stack.api.forms[:losses] and "plain-proxy" not in faults:
            lose(hop)

    stack.api.before = act
    for _ in range(2):
        audio = b"abcdefghijklmnop" * 4
        answer = stack.post(prompt=PROMPT, language=LANGUAGE, filename=NAME, audio=audio)
        assert answer.json() == ANSWER
    return stack.api.hops


@pytest.fixture(scope="module")
def rightly_seen(build: Build) -> Seen:
    """Return what is seen of the right stack."""
    return wire(build())


@pytest.mark.parametrize("name", SEEN)
def test_a_fault_shows_on_the_wire(build: Build, rightly_seen: Seen, name: str) -> None:
    """With the fault it is seen, without it is not; the answers are right either way."""
    assert not _holds(SEEN[name], rightly_seen)
    assert _holds(SEEN[name], wire(build(name), (name,)))


def _holds(rule: Callable[[Seen], bool], hops: Seen) -> bool:
    try:
        return rule(hops)
    except ValueError:  # what is no base64, or no envelope, does not show it
        return False


# -- what is accepted -----------------------------------------------------------------------------


def edited(name: str, change: Callable[[bytes], bytes]) -> Callable[[Hop], None]:
    def act(hop: Hop) -> None:
        value = hop.values[name]
        hop.body = hop.body[: value.start] + change(value.data) + hop.body[value.end :]

    return act


def answered(**members: Callable[[dict[str, str]], str]) -> Callable[[Hop], None]:
    def act(hop: Hop) -> None:
        told = json.loads(hop.answer)
        new = {name: make(told) for name, make in members.items()}
        hop.answer = json.dumps({**told, **new}).encode()

    return act


def flip(text: bytes, name: str = "ciphertext", at: int = 3) -> bytes:
    envelope = Envelope.parse(text)
    data = bytearray(getattr(envelope, name))
    data[at] ^= 1
    return replace(envelope, **{name: bytes(data)}).encode()


def flip_member(name: str) -> Callable[[dict[str, str]], str]:
    return lambda told: json.loads(flip(json.dumps(told["text"]).encode(), name))


def swap_values(hop: Hop) -> None:
    prompt, language = sent(hop, "prompt"), sent(hop, "language")
    hop.body = hop.body.replace(prompt, b"?").replace(language, prompt).replace(b"?", language, 1)


def events(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Hop], None]:
    def act(hop: Hop) -> None:
        hop.answer = b"".join(one + b"\n\n" for one in change(hop.answer.split(b"\n\n")[:-1]))

    return act


def inject(hop: Hop) -> None:
    hop.answer, hop.answer_headers["privatemode-encrypted"] = b'{"text": "forged"}', "false"


# Fault, before or after the gateway, what is done to the form, and whether it asks for a stream.
ACCEPTED: list[tuple[str, str, Callable[[Hop], None], bool]] = [
    ("request-flips-accepted", "before", edited("prompt", flip), False),
    ("request-swaps-accepted", "before", swap_values, False),
    ("nonce-unbound", "before", edited("file", lambda text: flip(text, "nonce")), False),
    (
        "unknown-secret-accepted",
        "before",
        edited("file", lambda text: flip(text, "secret_id")),
        False,
    ),
    ("response-flips-accepted", "after", answered(text=flip_member("ciphertext")), False),
    (
        "response-swaps-accepted",
        "after",
        answered(text=lambda told: told["language"], language=lambda told: told["text"]),
        False,
    ),
    ("events-reordered-accepted", "after", events(lambda one: [one[1], one[0], *one[2:]]), True),
    ("events-dropped-accepted", "after", events(lambda one: [one[0], *one[2:]]), True),
    ("stream-cut-accepted", "after", events(lambda one: one[:-1]), True),
    ("clear-answers-accepted", "after", inject, False),
]


def is_accepted(stack: Stack, when: str, change: Callable[[Hop], None], stream: bool) -> bool:
    """Tell whether an attacked request is answered as if nothing had been."""

    def act(hop: Hop) -> None:
        if hop in stack.api.forms:
            change(hop)

    setattr(stack.api, when, act)
    fields = {"stream": "true"} if stream else {}
    try:
        answer = stack.post(prompt=PROMPT, language=LANGUAGE, **fields)
    except httpx.RemoteProtocolError:  # a stream that was broken off
        return False
    finally:
        stack.api.before = stack.api.after = lambda hop: None
    return bool(answer.status_code == 200)


@pytest.mark.parametrize(
    ("name", "when", "change", "stream"), ACCEPTED, ids=[name for name, *_ in ACCEPTED]
)
def test_a_fault_accepts_what_it_must_not(
    build: Build, right: Stack, name: str, when: str, change: Callable[[Hop], None], stream: bool
) -> None:
    """The attack succeeds with the fault, and fails without it."""
    assert is_accepted(build(name), when, change, stream)
    assert not is_accepted(right, when, change, stream)


def test_an_earlier_answer_is_accepted_by_a_fault(build: Build, right: Stack) -> None:
    """An answer to another request passes when the proxy takes its nonce from it."""

    def replayed(stack: Stack) -> bool:
        assert stack.post().status_code == 200
        earlier = stack.api.forms[-1].answer
        return is_accepted(stack, "after", lambda hop: setattr(hop, "answer", earlier), False)

    assert replayed(build("response-replays-accepted"))
    assert not replayed(right)


def test_a_replayed_request_is_answered_in_clear_by_a_fault(build: Build, right: Stack) -> None:
    """The second answer to the same bytes is readable with the fault only."""

    def readable(stack: Stack) -> bool:
        assert stack.post().status_code == 200
        earlier = stack.api.forms[-1]

        def repeat(hop: Hop) -> None:
            hop.body, hop.headers = earlier.body, earlier.headers

        is_accepted(stack, "before", repeat, False)
        return b"Hello World." in stack.api.forms[-1].answer

    assert readable(build("replays-answered-in-clear"))
    assert not readable(right)


# -- the exchange of the secret -------------------------------------------------------------------

STRANGER = Authority.new("a stranger").issue("mesh")


def signed_by_a_stranger(hop: Hop, *members: str) -> None:
    told, asked = json.loads(hop.answer), json.loads(hop.body)
    signed = b64decode(asked["PublicKey"]) + b64decode(told["EncapsulatedKey"])
    forged = {"Signature": STRANGER.sign(signed), "MeshCert": STRANGER.certificate_der}
    told |= {name: b64encode(forged[name]).decode() for name in members}
    hop.answer = json.dumps(told).encode()


def old_nonce(hop: Hop) -> None:
    told = json.loads(hop.answer)
    document = json.loads(b64decode(told["AttestationDoc"]))
    document["nonce"] = b64encode(bytes(32)).decode()
    told["AttestationDoc"] = b64encode(json.dumps(document).encode()).decode()
    hop.answer = json.dumps(told).encode()


@pytest.mark.parametrize(
    ("name", "path", "change"),
    [
        ("signature-unchecked", "secret", lambda hop: signed_by_a_stranger(hop, "Signature")),
        (
            "mesh-certificate-unchecked",
            "secret",
            lambda hop: signed_by_a_stranger(hop, "Signature", "MeshCert"),
        ),
        ("attestation-unchecked", "attest", old_nonce),
    ],
)
def test_a_fault_believes_a_forged_exchange(
    build: Build, right: Stack, name: str, path: str, change: Callable[[Hop], None]
) -> None:
    """Forms are sent under the forged secret with the fault, and none without it."""

    def sends(stack: Stack) -> bool:
        stack.api.hops.clear()
        stack.api.before = lambda hop: lose(hop) if hop in stack.api.forms[:1] else None
        stack.api.after = lambda hop: change(hop) if hop.path.endswith(path) else None
        stack.post()
        return len(stack.api.forms) == 2

    assert sends(build(name))
    assert not sends(right)
    right.api.before = right.api.after = lambda hop: None


# -- TLS of the proxy -----------------------------------------------------------------------------


def old_tls(root: Authority) -> ssl.SSLContext:
    return front.old_versions(root, ("127.0.0.1",))


@pytest.mark.parametrize(
    ("name", "tls"),
    [
        ("any-certificate-accepted", lambda root: self_signed("other").server_context()),
        ("wrong-name-accepted", lambda root: root.issue("localhost").server_context()),
        (
            "expired-accepted",
            lambda root: root.issue("127.0.0.1", expired=True).server_context(),
        ),
        ("falls-back-to-http", lambda root: False),
        ("old-tls-accepted", None),
        ("tls-1.2-only", None),
    ],
)
def test_a_fault_of_tls(build: Build, root: Authority, name: str, tls: Any) -> None:
    """The proxy connects where it must not, with the fault; test_stack has the right one."""
    if tls is None:
        context = root.issue("127.0.0.1").server_context()
        if name == "old-tls-accepted":
            context = old_tls(root)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert build(name, tls=context).post().status_code == 200
        faulty = conduct([name]).proxy_tls(None)
        right = Conduct().proxy_tls(None)
        assert faulty.minimum_version < right.minimum_version or (
            faulty.maximum_version == ssl.TLSVersion.TLSv1_2 != right.maximum_version
        )
    else:
        assert build(name, tls=tls(root)).post().status_code == 200


# -- the vendor's deviations ----------------------------------------------------------------------


def test_a_missing_model_is_a_500(build: Build) -> None:
    """The fault answers by itself where the backend would."""
    stack = build("no-model-500")
    assert stack.client.post(stack.url, files={"file": ("x", b"")}).status_code == 500
    assert stack.post().status_code == 200


def test_another_body_is_a_500(build: Build) -> None:
    """The fault refuses what is no form."""
    stack = build("not-a-form-500")
    assert stack.client.post(stack.url, json={}).status_code == 500
    assert not stack.api.forms


def test_text_is_a_500(build: Build) -> None:
    """The fault cannot pass subtitles on."""
    stack = build("json-only")
    assert stack.post(response_format="srt").status_code == 500
    assert stack.post().status_code == 200


def test_the_first_value_is_the_only_one(build: Build) -> None:
    """The fault loses the others."""
    stack = build("first-value-only")
    stack.post(**{"timestamp_granularities[]": ["word", "segment"]})
    ((_, parts),) = stack.backend.asked
    assert isinstance(parts, list)
    assert [one.data for one in parts if one.name.startswith("time")] == [b"word"]


# -- all of them ----------------------------------------------------------------------------------

TESTED = {
    *SEEN,
    *(name for name, *_ in ACCEPTED),
    "response-replays-accepted",
    "replays-answered-in-clear",
    "signature-unchecked",
    "mesh-certificate-unchecked",
    "attestation-unchecked",
    "any-certificate-accepted",
    "wrong-name-accepted",
    "expired-accepted",
    "falls-back-to-http",
    "old-tls-accepted",
    "tls-1.2-only",
    "no-model-500",
    "not-a-form-500",
    "json-only",
    "first-value-only",
}


def test_every_fault_has_its_test() -> None:
    """Those of the gateway's own TLS listener are tested with the inspection of it."""
    assert set(PRIVATE_FAULTS) - TLS == TESTED


def test_faults_have_names_of_their_own_and_sentences() -> None:
    """No name means two things, each has a sentence, and changes something that there is."""
    assert not {*FAULTS, *BENIGN} & set(PRIVATE_FAULTS)
    for name, fault in PRIVATE_FAULTS.items():
        assert fault.name == name
        assert fault.sentence.endswith(".")
        assert conduct([name]) != Conduct()


def test_a_name_that_is_none_is_told() -> None:
    """With what may have been meant."""
    with pytest.raises(UnknownFault, match="iv-constant"):
        conduct(["iv-constan"])
