"""The wire: what an encrypting proxy sends to the API behind it, and what it accepts from there.

A tap stands in the place of the API's gateway, which is not trusted: it sees what an operator of
that gateway would see, and changes one thing at a time, as he could. An attack stands beside a
request that is left alone: if that one does not succeed either, the attack says nothing. A request
to which an attack could not be done (there is no envelope to damage) has nothing to judge.

What happens inside the backend no tap can show: that rests on the evidence of its attestation.

Sources name files of edgelesssys/privatemode-public below internal/oss.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from soundcheck.contract import (
    MUST,
    SHOULD,
    Answer,
    Answers,
    Case,
    Lane,
    NotObserved,
    Probe,
    Untestable,
    cases,
    normalised,
    probes,
    requirement,
    shown,
    transcription,
)
from soundcheck.contract.attack import Attack
from soundcheck.contract.hops import (
    Agreed,
    Cipher,
    agreed,
    ciphertexts,
    dump,
    envelopes,
    fitting,
    is_exchange,
    is_upload,
    name_of,
    readable,
    status_of,
    strings,
    told,
    told_all,
    unframed,
    values,
)
from soundcheck.contract.probe import everything_tapped
from soundcheck.contract.randomness import (
    BLOCK,
    FEWEST,
    common_run,
    repeated_block,
    statistics,
)
from soundcheck.contract.stream import stream_of
from soundcheck.http.multipart import Field
from soundcheck.http.tapped import Hop, Sealed

PRIVATEMODE = ("privatemode",)
ANY = ("privatemode", "encrypting-proxy")
"""Contracts: rules of Privatemode's own wire, and rules for whatever encrypts."""

CLEAR_FIELDS = ("model", "stream", "stream_include_usage", "stream_continuous_usage_stats")
CLEAR_MEMBERS = ("duration", "usage")
PROMPT = "The speaker's name is {canary}."

PUBLIC_KEY, ENCAPSULATED_KEY = 1216, 1120
"""Bytes of X-Wing's keys: ML-KEM-768's and X25519's together."""

RETRIES = 1
SAME_WORDS = 0.5
"""Share of the words of a transcript by which an answer is known to hold it."""

LONGEST_DUMP = 600
LONGEST_STREAM = 2**22
"""Bytes of a compressed answer that are looked at."""

LEAST_SHARE = 20
"""A file of speech is not encoded in less than one part in this many of its bytes as WAV."""

LIMITED = (429, 503)
"""Statuses that say that a request was not looked at."""

HEX = 24
"""Digits of an IV or a nonce."""

Found = Callable[[str], None]


def sealed_request(
    clip: str = "canary.wav", attack: Attack = Attack.NONE, repeat: int = 0, **fields: str
) -> Probe:
    """Return an upload through the tap; equal ones with another ``repeat`` are sent again."""
    probe = transcription(
        clip,
        filename="{canary}.wav",
        lane=Lane.WIRE,
        patience=20,
        attack=attack,
        repeat=repeat,
        language="en",
        prompt=PROMPT,
    )
    more = (Field(name, value) for name, value in fields.items())
    return replace(probe, parts=(*probe.parts[:-1], *more, probe.parts[-1]))


def verbose_request(attack: Attack = Attack.NONE, repeat: int = 0) -> Probe:
    """Return an upload with every field that is to be hidden, and many members in its answer."""
    return sealed_request(
        attack=attack, repeat=repeat, response_format="verbose_json", temperature="0"
    )


def streamed_request(attack: Attack = Attack.NONE, repeat: int = 0) -> Probe:
    """Return an upload whose answer is a stream."""
    return sealed_request(attack=attack, repeat=repeat, stream="true")


def _under(*attacks: tuple[str, Attack]) -> tuple[Case, ...]:
    """Return a case for each attack, under the name it has in reports."""
    return tuple(Case(name, value=attack) for name, attack in attacks)


JSON, AGAIN = sealed_request(), sealed_request(repeat=1)
VERBOSE, STREAMED = verbose_request(), streamed_request()
SILENCE, NOISE = sealed_request("silence.wav"), sealed_request("noise.wav")
LOST, LOST_AGAIN = (sealed_request(attack=Attack.LOSE_SECRET, repeat=n) for n in range(2))
OLD_TLS = sealed_request(attack=Attack.OLD_TLS)
EVERYTHING = everything_tapped()

TWINS = {
    "certificate": 10,
    "old-tls": 11,
    "plain-http": 12,
    "request": 13,
    "fields": 14,
    "replayed answer": 15,
    "response": 16,
    "members": 17,
    "order": 18,
    "end": 19,
    "clear answer": 20,
    "exchange": 21,
}
"""By which number the unchanged twin of a rule's attacks is told from those of the others."""


# -- what is seen without touching anything ------------------------------------------------------


@requirement(
    "wire/nothing-in-clear",
    MUST,
    source="Privatemode speech-to-text page 1.30; privatemode-public 1.40.0 crypto/crypto.go",
    profiles=ANY,
    killed_by=[
        "plain-proxy",
        "prompt-in-header",
        "prompt-in-clear",
        "response-in-clear",
        "base64-not-encryption",
        "hex-not-encryption",
        "transcript-in-header",
        "file-name-forwarded",
    ],
    draft=["STT-AUTH-008"],
)
@cases(
    Case("prompt", value="prompt"),
    Case("audio", value="audio"),
    Case("file-name", value="file name"),
    Case("transcript", value="transcript"),
    Case("streamed-transcript", value="transcript"),
)
@probes(
    lambda case: {
        "answer": STREAMED if case.id == "streamed-transcript" else JSON,
        **({} if case.value == "transcript" else {"everything": EVERYTHING}),
    }
)
def test_nothing_is_readable(answers: Answers, case: Case, found: Found) -> None:
    """No prompt, audio, file name or transcript is readable on the wire, however it is written.

    Searched for are words and pieces of sound that only this run has: raw, in base64, hexadecimal,
    URL-encoded, escaped, as UTF-16, and in what was compressed.
    """
    uploads = _own(answers.answer)
    for hop in (hop for answer in answers.values() for hop in answer.tapped.hops):
        for leak in hop.leaks:
            ours = bool(hop.changed) and leak.place.startswith("response")
            if leak.canary == case.value and not ours:
                raise AssertionError(
                    f"{leak.canary} in the clear ({leak.encoding}) in the {leak.place} at byte "
                    f"{leak.offset:,} of {told(hop)}:\n{leak.dump[:LONGEST_DUMP]}"
                )
    if case.value != "transcript":
        found(f"no violation seen in {_exchanges(answers.everything.tapped.hops)} of the run")
        return
    _assert_answered(answers.answer)
    if case.id == "streamed-transcript":
        _assert_stream_is_sealed(answers.answer, uploads)
    found(f"no violation seen in {_exchanges(uploads)} whose transcript was known")


def _assert_stream_is_sealed(answer: Answer, uploads: list[Hop]) -> None:
    """Assert that the pieces of a stream cannot be put together to what the client received."""
    pieces = normalised(stream_of(answer).text).replace(" ", "")
    if not pieces:
        raise NotObserved("the answer is no event stream")
    for hop in uploads:
        if hop.response is None:
            continue
        for text in _pieced(hop.response.body, hop.response.header("content-type")):
            shown_text = normalised(text).replace(" ", "")
            wanted = (pieces[at : at + BLOCK] for at in range(max(1, len(pieces) - BLOCK + 1)))
            assert not any(piece in shown_text for piece in wanted), (
                f"the events of {told(hop)} show the transcript: {shown(text, 200)}\n"
                f"{dump(hop.response.body)}"
            )


def _pieced(body: bytes, content_type: str | None) -> Iterator[str]:
    """Yield what an answer shows, compressed or not, whether its lines are events or JSON."""
    for data in (body, _inflated(body)):
        yield from readable(data, content_type)
        lines = (line.removeprefix(b"data:").strip() for line in data.splitlines())
        events = b"".join(b"data: " + line + b"\n\n" for line in lines if line[:1] == b"{")
        yield from readable(events, "text/event-stream")


def _inflated(body: bytes) -> bytes:
    """Return what gzip or zlib made ``body`` of, ``b""`` if neither did."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, LONGEST_STREAM)
    except zlib.error:
        return b""


@requirement(
    "wire/only-agreed-fields-clear",
    MUST,
    source="privatemode-public 1.40.0 openai/vllm.go, PlainTranscriptionRequestFields",
    profiles=PRIVATEMODE,
    killed_by=["plain-proxy", "prompt-in-clear", "language-in-clear", "base64-not-encryption"],
    draft=["STT-AUTH-009"],
)
@cases("file", "prompt", "language", "response_format", "temperature", "any-other")
@probes(verbose=VERBOSE, streamed=STREAMED)
def test_only_agreed_fields_are_clear(answers: Answers, case: Case, found: Found) -> None:
    """Of a request only model, stream and the two fields on usage are clear, the rest envelopes."""
    named = ("file", "prompt", "language", "response_format", "temperature")
    clear: set[str] = set()
    judged = 0
    for answer in answers.values():
        for hop in _own(answer):
            for value in values(hop.request):
                if value.name in CLEAR_FIELDS:
                    clear.add(value.name)
                if value.name != case.id and (case.id in named or value.name in named):
                    continue
                if value.name in CLEAR_FIELDS:
                    continue
                judged += 1
                assert value.envelope is not None, (
                    f"{name_of(value)} is no envelope in {told(hop)}: its "
                    f"{len(value.data):,} bytes begin\n{dump(value.data, value.start)}"
                )
    if case.id in named and not judged:
        raise NotObserved(f"no request carries {case.id}")
    if case.id == "any-other":
        found(
            f"a gateway reads {', '.join(sorted(clear)) or 'no field'}, and sees the size of each "
            "value and of the file, the time of each request and how long its answer takes"
        )


@requirement(
    "wire/only-agreed-members-clear",
    MUST,
    source="privatemode-public 1.40.0 openai/vllm.go, PlainTranscriptionResponseFields",
    profiles=PRIVATEMODE,
    killed_by=["plain-proxy", "response-in-clear", "base64-not-encryption"],
    draft=["STT-AUTH-010"],
)
@cases(
    Case("json", value=JSON), Case("verbose-json", value=VERBOSE), Case("stream", value=STREAMED)
)
@probes(lambda case: {"answer": case.value})
def test_only_agreed_members_are_clear(answers: Answers, case: Case, found: Found) -> None:
    """Of an answer or an event of it only duration and usage are clear, the rest are envelopes."""
    clear: set[str] = set()
    sealed = 0
    for hop in _own(answers.answer):
        if status_of(hop) != 200 or hop.changed:
            continue
        for value in values(hop.response):
            if value.name in CLEAR_MEMBERS:
                clear.add(value.name)
            elif value.event is None or value.data.strip() != b"[DONE]":
                assert value.envelope is not None, (
                    f"{name_of(value)} is no envelope in the answer to {told(hop)}: it "
                    f"begins\n{dump(value.data, value.start)}"
                )
                sealed += 1
    if not sealed:
        raise Untestable(f"no answer was seen: {_outcome(answers.answer)}")
    found(f"a gateway reads {', '.join(sorted(clear)) or 'no member'}; {sealed} are sealed")


@requirement(
    "wire/length-preserved",
    MUST,
    source="privatemode-public 1.40.0 crypto/crypto.go; RFC 9325, section 3.3",
    profiles=PRIVATEMODE,
    killed_by=["compress-then-encrypt"],
)
@probes(verbose=VERBOSE, silence=SILENCE)
def test_lengths_depend_on_lengths_alone(answers: Answers) -> None:
    """A ciphertext is 16 bytes longer than its plaintext, whatever that says.

    Where data is compressed first, its length tells of what is in it.
    """
    compared = 0
    for answer in answers.values():
        sent = {str(part["name"]): _length(part) for part in answer.exchange.request.parts}
        for hop in _own(answer):
            for one in envelopes(hop.request):
                if one.name in sent:
                    compared += 1
                    expected = sent[one.name] + 16
                    assert len(one.envelope.ciphertext) == expected, (
                        f"{one.name} of {sent[one.name]:,} bytes has a ciphertext of "
                        f"{len(one.envelope.ciphertext):,} bytes, not {expected:,}"
                    )
    if not compared:
        raise NotObserved("no request carries an envelope")


def _length(part: dict[str, object]) -> int:
    """Return how many bytes a recorded part of a form carried."""
    size = part.get("size")
    return size if isinstance(size, int) else len(str(part.get("value", "")).encode())


@requirement(
    "wire/ivs-unique",
    MUST,
    source="NIST SP 800-38D, section 8: no IV twice under one key; privatemode-public 1.40.0",
    profiles=PRIVATEMODE,
    killed_by=["iv-constant", "iv-restarts"],
    draft=["STT-AUTH-011"],
)
@probes(everything=EVERYTHING, one=VERBOSE, other=AGAIN, streamed=STREAMED)
def test_no_iv_is_used_twice(answers: Answers, found: Found) -> None:
    """No two envelopes of the whole run have the same IV under the same secret."""
    seen: dict[tuple[str, str], str] = {}
    for where, one in _sealed(answers.everything):
        earlier = seen.get((one.secret_id, one.iv))
        assert earlier is None, f"the IV {one.iv[:HEX]} is that of {earlier}, and of {where}"
        seen[one.secret_id, one.iv] = where
    if not seen:
        raise NotObserved("no envelope was seen")
    found(
        f"no violation seen in {len(seen):,} IVs; of random ones two would be equal with a "
        f"probability of {len(seen) ** 2 / 2**97:.0e}"
    )


@requirement(
    "wire/nonce-per-exchange",
    MUST,
    source="privatemode-public 1.40.0 crypto/crypto.go: one nonce binds an exchange",
    profiles=PRIVATEMODE,
    killed_by=["nonce-reused", "nonce-kept-on-retry"],
    draft=["STT-AUTH-011"],
)
@probes(everything=EVERYTHING, one=VERBOSE, other=AGAIN, streamed=STREAMED, lost=LOST)
def test_each_exchange_has_its_own_nonce(answers: Answers, found: Found) -> None:
    """All envelopes of an exchange have the same nonce, and no other exchange has it."""
    seen: dict[str, str] = {}
    for place, hop in enumerate(answers.everything.tapped.hops, 1):
        ours = [one for one in hop.sealed if not _is_ours(hop, one.direction)]
        nonces = dict.fromkeys(one.nonce for one in ours)
        assert len(nonces) < 2, (
            f"{told(hop)} has envelopes with the nonces "
            f"{' and '.join(nonce[:HEX] for nonce in list(nonces)[:2])}"
        )
        for nonce in nonces:
            assert nonce not in seen, (
                f"the nonce {nonce[:HEX]} is that of {seen[nonce]}, and of exchange {place}: "
                f"{told(hop)}"
            )
            seen[nonce] = f"exchange {place}: {told(hop)}"
    if not seen:
        raise NotObserved("no envelope was seen")
    found(f"no violation seen in {len(seen):,} exchanges")


@requirement(
    "wire/ciphertext-not-repeated",
    MUST,
    source="NIST SP 800-38D, section 8; equal requests must not look equal",
    profiles=ANY,
    killed_by=[
        "plain-proxy",
        "base64-not-encryption",
        "hex-not-encryption",
        "iv-constant",
        "iv-restarts",
    ],
    draft=["STT-AUTH-011"],
)
@probes(one=JSON, other=AGAIN)
def test_the_same_request_looks_another_each_time(answers: Answers, found: Found) -> None:
    """The same request sent twice has no 16 bytes of ciphertext in common."""
    ciphers = _ciphers(answers.one, answers.other), _ciphers(answers.other, answers.one)
    one, other = ({cipher.name: cipher.data for cipher in side} for side in ciphers)
    first, second = b"".join(one.values()), b"".join(other.values())
    same = common_run(first, second)
    if same is not None:
        raise AssertionError(
            f"{same.length:,} bytes are the same in both requests, in the one from byte "
            f"{same.first:,} on, in the other from byte {same.second:,} on"
            f"{_framing(ciphers[0])}:\n"
            f"{dump(first[same.first : same.first + same.length], same.first)}"
        )
    found(
        f"no violation seen in {len(first):,} bytes; random ones would share 16 bytes with a "
        f"probability of {len(first) * len(second) / 2**128:.0e}"
        f"{_framing(ciphers[0])}"
    )


@requirement(
    "wire/blocks-not-repeated",
    MUST,
    source="NIST SP 800-38A, section 6.1: equal blocks show; SP 800-38D, section 8",
    profiles=ANY,
    killed_by=["plain-proxy", "base64-not-encryption", "hex-not-encryption", "blocks-repeat"],
)
@probes(silence=SILENCE, speech=JSON)
def test_no_block_is_repeated(answers: Answers, found: Found) -> None:
    """No block of 16 bytes occurs twice within a ciphertext, not even in one of silence."""
    blocks = 0
    silence, speech = answers.silence, answers.speech
    ciphers = [*_ciphers(silence, speech), *_ciphers(speech, silence)]
    for cipher in ciphers:
        repeated = repeated_block(cipher.data)
        if repeated is not None:
            raise AssertionError(
                f"a block of {name_of(cipher)} occurs {repeated.times:,} times, at bytes "
                f"{repeated.first:,} and {repeated.again:,}{_framing([cipher])}:\n"
                f"{dump(repeated.block, repeated.first)}"
            )
        blocks += len(cipher.data) // BLOCK
    found(
        f"no violation seen in {blocks:,} blocks; random ones would repeat with a probability of "
        f"{blocks**2 / 2**129:.0e}{_framing(ciphers)}"
    )


@requirement(
    "wire/ciphertext-random",
    MUST,
    source="NIST SP 800-38D: without the key ciphertext is like random data, whatever it hides",
    profiles=ANY,
    killed_by=["plain-proxy", "base64-not-encryption", "hex-not-encryption", "blocks-repeat"],
)
@cases(Case("silence", value=SILENCE), Case("noise", value=NOISE), Case("speech", value=JSON))
@probes(lambda case: {"answer": case.value, "other": AGAIN if case.id == "speech" else JSON})
def test_ciphertext_is_like_random_data(answers: Answers, case: Case, found: Found) -> None:
    """Ciphertext of silence, noise and speech alike has even bits and bytes and cannot be packed.

    Judged is the longest one, the file's, by bounds that random data crosses once in 10^12 times.
    """
    ciphers = _ciphers(answers.answer, answers.other)
    cipher = max(ciphers, key=lambda one: len(one.data), default=Cipher("", b""))
    if len(cipher.data) < FEWEST:
        raise Untestable(
            f"only {len(cipher.data):,} bytes of ciphertext were seen for a file of "
            f"{answers.answer.spoken.size:,}: does the proxy send it elsewhere?"
        )
    tests = list(statistics(cipher.data))
    for test in tests:
        assert test.holds, f"{test}; {name_of(cipher)} begins\n{dump(cipher.data)}"
    found("; ".join(map(str, tests)) + _framing([cipher]))


@requirement(
    "wire/secret-renewed",
    MUST,
    source="privatemode-public 1.40.0 secretexchange/secretexchange.go: the ID is of the key",
    profiles=PRIVATEMODE,
    killed_by=["key-constant", "secret-kept-for-ever", "secret-key-reused"],
)
@probes(lost=LOST)
def test_a_lost_secret_is_replaced(answers: Answers, found: Found) -> None:
    """When the gateway has no secret any more, a new one takes its place, under a new ID."""
    first, *rest = _retried(answers.lost)
    lost = {one.envelope.secret_id for one in envelopes(first.request)}
    retried = {one.envelope.secret_id for hop in rest for one in envelopes(hop.request)}
    new = retried | {keys.secret_id for keys in _agreed(answers.lost)}
    assert new, "no new secret was exchanged when the gateway had lost it"
    for secret_id in lost & new:
        raise AssertionError(
            f"the secret that takes the place of the lost one has the same ID {secret_id.hex()}"
        )
    found(f"{len(lost | new)} secrets seen, each under an ID of its own")


@requirement(
    "wire/secret-exchange-hybrid",
    MUST,
    source="privatemode-public 1.40.0 hpke/pq.go; FIPS 203; draft-connolly-cfrg-xwing-kem",
    profiles=PRIVATEMODE,
    killed_by=["classical-exchange", "key-constant", "secret-key-reused"],
)
@probes(first=LOST, second=LOST_AGAIN)
def test_secrets_are_exchanged_by_hybrid_keys(answers: Answers, found: Found) -> None:
    """Each secret is exchanged by fresh keys of X-Wing's size: 1216 bytes, and 1120 in return.

    Those are keys of ML-KEM-768 and X25519 together: who records the traffic and has a quantum
    computer later cannot read it.
    """
    exchanges = [keys for answer in answers.values() for keys in _agreed(answer)]
    if not exchanges:
        raise NotObserved("no secret was exchanged while the tap looked")
    for keys in exchanges:
        for name, key, size in (
            ("public", keys.public_key, PUBLIC_KEY),
            ("encapsulated", keys.encapsulated_key, ENCAPSULATED_KEY),
        ):
            assert len(key) == size, f"the {name} key has {len(key):,} bytes, not {size:,}"
    for name, seen in (
        ("public", Counter(keys.public_key for keys in exchanges)),
        ("encapsulated", Counter(keys.encapsulated_key for keys in exchanges)),
    ):
        [(key, times)] = seen.most_common(1)
        assert times == 1, f"{times} secrets were exchanged by the same {name} key:\n{dump(key)}"
    found(f"no violation seen in {len(exchanges)} agreements on a secret")


# -- TLS towards the API -------------------------------------------------------------------------


@requirement(
    "wire/upstream-tls-version",
    MUST,
    source="RFC 9325, section 3.1.1",
    profiles=ANY,
    killed_by=["old-tls-accepted"],
)
@probes(everything=EVERYTHING, answer=JSON, old=OLD_TLS)
def test_the_api_is_reached_by_tls(answers: Answers, found: Found) -> None:
    """Everything that goes to the API goes by TLS 1.2 or later, whatever that offers."""
    seen = _connections(answers.everything.tapped.hops)
    for (version, cipher), hop in seen.items():
        assert version in ("TLSv1.2", "TLSv1.3"), f"{version} with {cipher}: {told(hop)}"
    found(", ".join(f"{version} with {cipher}" for version, cipher in seen))


@requirement(
    "wire/upstream-tls13",
    SHOULD,
    source="RFC 9325, section 3.1.1: TLS 1.3 where both sides can",
    profiles=ANY,
    killed_by=["tls-1.2-only"],
)
@probes(everything=EVERYTHING, answer=JSON)
def test_the_api_is_reached_by_tls_13(answers: Answers) -> None:
    """TLS 1.3 is spoken to an API that offers it."""
    untouched = [hop for hop in answers.everything.tapped.hops if not hop.changed]
    for (version, cipher), hop in _connections(untouched).items():
        assert version == "TLSv1.3", f"{version} with {cipher}: {told(hop)}"


def _connections(hops: Iterable[Hop]) -> dict[tuple[str, str], Hop]:
    """Return the first request by each version and cipher of TLS."""
    seen: dict[tuple[str, str], Hop] = {}
    for hop in hops:
        if hop.tls is not None and hop.request is not None:
            seen.setdefault((hop.tls.version, hop.tls.cipher), hop)
    if not seen:
        raise Untestable("no request came through the tap by TLS")
    return seen


@requirement(
    "wire/certificate-verified",
    MUST,
    source="RFC 9525, section 6; RFC 5280, section 6.1; privatemode-proxy 1.40.0",
    profiles=ANY,
    killed_by=["any-certificate-accepted", "wrong-name-accepted", "expired-accepted"],
)
@cases(
    *_under(
        ("wrong-root", Attack.WRONG_ROOT),
        ("wrong-name", Attack.WRONG_NAME),
        ("expired", Attack.EXPIRED),
        ("self-signed", Attack.SELF_SIGNED),
    )
)
@probes(
    lambda case: {
        "twin": sealed_request(repeat=TWINS["certificate"]),
        "answer": sealed_request(attack=case.value),
    }
)
def test_the_certificate_is_verified(answers: Answers, case: Case) -> None:
    """Nothing is sent to an API whose certificate is another's, expired or of an unknown root."""
    _assert_nothing_sent(answers)


@requirement(
    "wire/old-tls-refused",
    MUST,
    source="RFC 8996: TLS 1.0 and 1.1 must not be used",
    profiles=ANY,
    killed_by=["old-tls-accepted"],
)
@probes(
    twin=sealed_request(repeat=TWINS["old-tls"]),
    answer=OLD_TLS,
)
def test_old_tls_is_refused(answers: Answers) -> None:
    """Nothing is sent to an API that speaks no TLS later than 1.1."""
    _assert_nothing_sent(answers)


def _assert_nothing_sent(answers: Answers) -> None:
    """Assert that the tap, whose TLS was not in order, was sent no request by TLS."""
    hops = answers.answer.tapped.hops
    for hop in hops:
        if hop.tls is not None and hop.request is not None:
            raise AssertionError(
                f"sent all the same, by {hop.tls.version}: {told(hop)}\n{dump(hop.request.body)}"
            )
    _assert_answered(answers.twin)
    _own(answers.twin)
    if not hops:
        raise Untestable("no connection was tried meanwhile")


@requirement(
    "wire/never-plain-http",
    MUST,
    source="RFC 9325, section 3.2; privatemode-public 1.40.0 privatemode-proxy: always HTTPS",
    profiles=ANY,
    killed_by=["falls-back-to-http"],
)
@probes(
    twin=sealed_request(repeat=TWINS["plain-http"]),
    answer=sealed_request(attack=Attack.NO_TLS),
    everything=EVERYTHING,
)
def test_nothing_goes_by_plain_http(answers: Answers) -> None:
    """Nothing is sent without TLS, not even to an API with which no TLS comes about."""
    hops = answers.answer.tapped.hops
    for hop in (*hops, *answers.everything.tapped.hops):
        if hop.tls is None and hop.request is not None and not _is_ours(hop, "request"):
            raise AssertionError(f"sent without TLS: {told(hop)}\n{dump(hop.request.body)}")
    _assert_answered(answers.twin)
    _own(answers.twin)
    if not hops:
        raise Untestable("no connection was tried meanwhile")


# -- attacks on requests -------------------------------------------------------------------------


@requirement(
    "wire/request-tampering-refused",
    MUST,
    source="privatemode-public 1.40.0 crypto/crypto.go: AES-256-GCM; SP 800-38D, section 7.2",
    profiles=PRIVATEMODE,
    killed_by=[
        "hex-not-encryption",
        "request-flips-accepted",
        "nonce-unbound",
        "unknown-secret-accepted",
    ],
    draft=["STT-AUTH-012"],
)
@cases(
    *_under(
        ("file-ciphertext", Attack.FLIP_FILE_CIPHERTEXT),
        ("file-tag", Attack.FLIP_FILE_TAG),
        ("file-iv", Attack.FLIP_FILE_IV),
        ("file-nonce", Attack.FLIP_FILE_NONCE),
        ("file-secret-id", Attack.FLIP_FILE_ID),
        ("prompt-ciphertext", Attack.FLIP_PROMPT_CIPHERTEXT),
    )
)
@probes(
    lambda case: {
        "twin": sealed_request(repeat=TWINS["request"]),
        "answer": sealed_request(attack=case.value),
    }
)
def test_a_damaged_request_is_refused(answers: Answers, case: Case) -> None:
    """A request in which one bit of an envelope was changed is not decrypted."""
    _assert_request_refused(answers)


@requirement(
    "wire/request-fields-bound",
    MUST,
    source="privatemode-public 1.40.0 crypto/crypto.go: the sequence number is authenticated",
    profiles=PRIVATEMODE,
    killed_by=[
        "hex-not-encryption",
        "request-swaps-accepted",
        "request-flips-accepted",
    ],
    draft=["STT-AUTH-012"],
)
@probes(
    twin=sealed_request(repeat=TWINS["fields"]), answer=sealed_request(attack=Attack.SWAP_FIELDS)
)
def test_swapped_fields_are_refused(answers: Answers) -> None:
    """A request in which two envelopes have changed places is not decrypted."""
    _assert_request_refused(answers)


def _assert_request_refused(answers: Answers) -> None:
    """Assert that no changed request was decrypted: neither done nor refused by what is behind."""
    for hop in _changed(answers.answer, is_upload):
        if status_of(hop) in LIMITED or hop.problem.startswith("No connection upstream"):
            raise Untestable(f"{hop.changed}: not looked at, {told(hop)} {hop.problem}".strip())
        assert status_of(hop) != 200, f"{hop.changed}: answered all the same, {told(hop)}"
        sealed = envelopes(hop.response)
        assert not sealed, (
            f"{hop.changed}: decrypted all the same, {told(hop)} by {len(sealed)} envelopes"
        )
    _assert_answered(answers.twin)


@requirement(
    "wire/request-replay-unreadable",
    MUST,
    source="privatemode-public 1.40.0 crypto/crypto.go: answers are sealed for who asked",
    profiles=PRIVATEMODE,
    killed_by=[
        "plain-proxy",
        "response-in-clear",
        "base64-not-encryption",
        "replays-answered-in-clear",
    ],
    draft=["STT-AUTH-012"],
)
@probes(answer=sealed_request(attack=Attack.REPLAY_REQUEST))
def test_a_replayed_request_tells_nothing(answers: Answers, found: Found) -> None:
    """Whoever sends a recorded request again can read nothing of the answer."""
    for hop in _changed(answers.answer, is_upload):
        status = status_of(hop)
        for value in values(hop.response):
            hidden = value.envelope is not None or value.name in CLEAR_MEMBERS
            if status == 200 and not hidden:
                raise AssertionError(
                    f"the answer to a replayed request shows {name_of(value)}:\n"
                    f"{dump(value.data, value.start)}"
                )
        outcome = "answered, sealed" if status == 200 else "not answered with a transcript"
        found(f"a replayed request is {outcome} (status {status})")
    _assert_answered(answers.answer)


# -- attacks on answers --------------------------------------------------------------------------


@requirement(
    "wire/response-replay-refused",
    MUST,
    source="privatemode-public 1.40.0 crypto/crypto.go: the request's nonce is authenticated",
    profiles=PRIVATEMODE,
    killed_by=[
        "plain-proxy",
        "base64-not-encryption",
        "nonce-reused",
        "nonce-unbound",
        "response-replays-accepted",
        "response-in-clear",
    ],
    draft=["STT-AUTH-012"],
)
@probes(
    twin=sealed_request(repeat=TWINS["replayed answer"]),
    answer=sealed_request(attack=Attack.REPLAY_ANSWER),
)
def test_an_earlier_answer_is_refused(answers: Answers) -> None:
    """The answer to an earlier request is not taken for that to another one."""
    _assert_answer_refused(answers)


@requirement(
    "wire/response-tampering-refused",
    MUST,
    source="privatemode-public 1.40.0 crypto/crypto.go: AES-256-GCM; SP 800-38D, section 7.2",
    profiles=PRIVATEMODE,
    killed_by=["hex-not-encryption", "response-flips-accepted", "nonce-unbound"],
    draft=["STT-AUTH-012"],
)
@cases(
    *_under(
        ("ciphertext", Attack.FLIP_ANSWER_CIPHERTEXT),
        ("tag", Attack.FLIP_ANSWER_TAG),
        ("iv", Attack.FLIP_ANSWER_IV),
        ("nonce", Attack.FLIP_ANSWER_NONCE),
    )
)
@probes(
    lambda case: {
        "twin": sealed_request(repeat=TWINS["response"]),
        "answer": sealed_request(attack=case.value),
    }
)
def test_a_damaged_answer_is_refused(answers: Answers, case: Case) -> None:
    """An answer in which one bit of an envelope was changed does not reach the client."""
    _assert_answer_refused(answers)


@requirement(
    "wire/response-members-bound",
    MUST,
    source="privatemode-public 1.40.0 crypto/crypto.go: the sequence number is authenticated",
    profiles=PRIVATEMODE,
    killed_by=[
        "hex-not-encryption",
        "response-swaps-accepted",
        "response-flips-accepted",
    ],
    draft=["STT-AUTH-012"],
)
@probes(
    twin=verbose_request(repeat=TWINS["members"]),
    answer=verbose_request(attack=Attack.SWAP_MEMBERS),
)
def test_swapped_members_are_refused(answers: Answers) -> None:
    """An answer in which two envelopes have changed places does not reach the client."""
    _assert_answer_refused(answers)


@requirement(
    "wire/clear-answer-refused",
    SHOULD,
    source="privatemode-public 1.40.0 forwarder/mappers.go passes what says it is not encrypted",
    profiles=PRIVATEMODE,
    killed_by=[
        "plain-proxy",
        "clear-answers-accepted",
    ],
    draft=["STT-AUTH-012"],
)
@probes(
    twin=sealed_request(repeat=TWINS["clear answer"]),
    answer=sealed_request(attack=Attack.INJECT_ANSWER),
)
def test_a_clear_answer_is_refused(answers: Answers) -> None:
    """A transcript that the gateway made up, and did not encrypt, does not reach the client."""
    _assert_answer_refused(answers)


def _assert_answer_refused(answers: Answers) -> None:
    """Assert that the client did not take a changed answer for a transcription."""
    changed = _changed(answers.answer, is_upload)
    injected = (_text(hop.response.body) for hop in changed if hop.response is not None)
    received = _received(answers.answer, (*_expected(answers), *injected))
    assert not received, f"{changed[0].changed}: the client received {received}"
    _assert_answered(answers.twin)


# -- attacks on streams --------------------------------------------------------------------------


@requirement(
    "wire/stream-order-kept",
    MUST,
    source="privatemode-public 1.40.0 crypto/crypto.go: a stream goes on counting",
    profiles=PRIVATEMODE,
    killed_by=[
        "hex-not-encryption",
        "events-reordered-accepted",
        "events-dropped-accepted",
        "response-flips-accepted",
        "plain-proxy",
        "base64-not-encryption",
        "response-in-clear",
    ],
    draft=["STT-AUTH-012"],
)
@cases(
    *_under(
        ("reordered", Attack.REORDER_EVENTS),
        ("duplicated", Attack.DUPLICATE_EVENT),
        ("dropped", Attack.DROP_EVENT),
    )
)
@probes(
    lambda case: {
        "twin": streamed_request(repeat=TWINS["order"]),
        "answer": streamed_request(attack=case.value),
    }
)
def test_the_order_of_events_is_kept(answers: Answers, case: Case) -> None:
    """A stream with an event out of its place, twice or missing ends in an error."""
    _assert_stream_fails(answers)


@requirement(
    "wire/stream-end-told",
    SHOULD,
    source="privatemode-public 1.40.0 crypto/crypto.go; oae/oae.go has an authenticated end",
    profiles=PRIVATEMODE,
    killed_by=[
        "stream-cut-accepted",
        "plain-proxy",
    ],
    draft=["STT-AUTH-013"],
)
@cases(*_under(("cut", Attack.CUT_STREAM), ("cut-with-forged-end", Attack.CUT_STREAM_DONE)))
@probes(
    lambda case: {
        "twin": streamed_request(repeat=TWINS["end"]),
        "answer": streamed_request(attack=case.value),
    }
)
def test_a_cut_stream_can_be_told(answers: Answers, case: Case) -> None:
    """A stream that was cut has an error, breaks off or lacks its end: the client can tell."""
    _assert_stream_fails(answers)


def _assert_stream_fails(answers: Answers) -> None:
    """Assert that a changed stream did not end as if it were whole."""
    changed = _changed(answers.answer, is_upload)
    assert not _ends_well(answers.answer), (
        f"{changed[0].changed}: the stream ends as if it were whole, with the text "
        f"{shown(stream_of(answers.answer).text, 200)}"
    )
    if not _ends_well(answers.twin):
        raise Untestable(f"the unchanged twin was not streamed: {_outcome(answers.twin)}")


# -- attacks on the exchange of the secret -------------------------------------------------------


@requirement(
    "wire/secret-exchange-verified",
    MUST,
    source="privatemode-public 1.40.0 attest/attest.go, secretexchange/secretexchange.go",
    profiles=PRIVATEMODE,
    killed_by=[
        "signature-unchecked",
        "mesh-certificate-unchecked",
        "attestation-unchecked",
        "key-constant",
        "secret-key-reused",
    ],
)
@cases(
    *_under(
        ("signature", Attack.FORGE_SIGNATURE),
        ("foreign-mesh", Attack.FOREIGN_MESH),
        ("replayed-key", Attack.REPLAY_KEY),
        ("replayed-attestation", Attack.REPLAY_ATTESTATION),
    )
)
@probes(
    lambda case: {
        "twin": sealed_request(repeat=TWINS["exchange"]),
        "answer": sealed_request(attack=case.value),
    }
)
def test_an_unproven_secret_is_not_used(answers: Answers, case: Case) -> None:
    """No user's data is sent under a secret whose exchange is not signed and attested for it."""
    hops = answers.answer.tapped.hops
    forged = {
        last: place
        for last in ("attest", "secret")
        for place, hop in enumerate(hops)
        if hop.changed and is_exchange(hop, last)
    }
    if not forged:
        _changed(answers.answer, is_upload)
        raise NotObserved("no new secret was exchanged meanwhile")
    for last, place in forged.items():
        for hop in hops[place + 1 :]:
            if is_exchange(hop, last) and not hop.changed and status_of(hop) == 200:
                break  # repeated, and in order this time
            assert not is_upload(hop), (
                f"{hops[place].changed}: sent all the same, {told(hop)}\n"
                f"{dump(hop.request.body if hop.request else b'')}"
            )
    _assert_answered(answers.twin)


@requirement(
    "wire/secret-loss-retried-once",
    MUST,
    source="privatemode-public 1.40.0 privatemode-proxy, noSecretForIDCallback: attempt <= 1",
    profiles=PRIVATEMODE,
    killed_by=[
        "nonce-reused",
        "secret-kept-for-ever",
        "nonce-kept-on-retry",
        "retries-without-end",
    ],
)
@cases(Case("once", value=LOST), Case("for-ever", value=sealed_request(attack=Attack.LOSE_SECRETS)))
@probes(lambda case: {"answer": case.value})
def test_a_lost_secret_is_retried_once(answers: Answers, case: Case) -> None:
    """When the gateway has lost the secret, the request comes once more, encrypted anew."""
    first, *rest = _retried(answers.answer)
    assert len(rest) <= RETRIES, f"the request was sent {len(rest)} more times, not once"
    if case.id == "for-ever":
        return
    assert rest, f"the request was not sent again: {_outcome(answers.answer)}"
    before, after = ([one.envelope for one in envelopes(hop.request)] for hop in (first, rest[0]))
    for same in {one.nonce for one in before} & {one.nonce for one in after}:
        raise AssertionError(f"the nonce {same.hex()} of the request is that of its retry")
    new = {keys.secret_id for keys in _agreed(answers.answer)}
    for same in {one.secret_id for one in before} & {one.secret_id for one in after} - new:
        raise AssertionError(f"sent again under the secret that is lost, its ID {same.hex()}")


# -- reading -------------------------------------------------------------------------------------


def _own(answer: Answer) -> list[Hop]:
    """Return the hops that carried this upload."""
    hops = fitting(answer.tapped.hops, answer.spoken.size)
    if not hops:
        raise Untestable(
            f"the upload did not come through the tap, which saw: {told_all(answer.tapped.hops)} "
            f"({_outcome(answer)}): is the tap what the proxy takes for its API?"
        )
    sent = sum(hop.request.size for hop in hops if hop.request is not None)
    if answer.spoken.transcript and sent * LEAST_SHARE < answer.spoken.size:
        raise Untestable(
            f"only {sent:,} bytes came through the tap for a file of {answer.spoken.size:,}: does "
            "the proxy send it elsewhere?"
        )
    return hops


def _exchanges(hops: Iterable[Hop]) -> str:
    """Return how many requests were seen, as words."""
    number = sum(hop.request is not None for hop in hops)
    return f"{number:,} exchange{'' if number == 1 else 's'}"


def _ciphers(answer: Answer, twin: Answer) -> list[Cipher]:
    """Return what should be ciphertext in the requests for an answer, without its framing.

    Where none is in an envelope it is the largest thing that was sent; what that has in common with
    the twin's is framing, as far as :func:`unframed` says.
    """
    own, others = (
        [cipher for hop in _own(one) for cipher in ciphertexts(hop.request)]
        for one in (answer, twin)
    )
    sealed = [cipher for cipher in own if cipher.enveloped]
    if sealed or not own or not others:
        return sealed or own
    largest, other = (max(some, key=lambda one: len(one.data)) for some in (own, others))
    return [unframed(largest, other)]


def _framing(ciphers: Iterable[Cipher]) -> str:
    """Return what was not judged as ciphertext, as the end of a sentence."""
    left = sum(cipher.framing for cipher in ciphers)
    return f"; {left:,} bytes alike in both uploads were taken for framing" if left else ""


def _changed(answer: Answer, kind: Callable[[Hop], bool]) -> list[Hop]:
    """Return the hops of a kind that the tap changed something of."""
    own = _own(answer)
    changed = [hop for hop in answer.tapped.hops if hop.changed and kind(hop)]
    if not changed:
        if all(status_of(hop) != 200 for hop in own):
            raise Untestable(f"the attack came to nothing: {told(own[-1])}; {_outcome(answer)}")
        if any(hop.response and hop.response.header("content-encoding") for hop in own):
            raise Untestable("the API compresses its answers unasked: the tap cannot change them")
        raise NotObserved("there was nothing that the tap could change so")
    return changed


def _retried(answer: Answer) -> list[Hop]:
    """Return the request that met the loss of the secret, and those that followed it."""
    _changed(answer, is_upload)
    hops = _own(answer)
    if not envelopes(hops[0].request):
        raise NotObserved("the request was not encrypted under a secret")
    return hops


def _agreed(answer: Answer) -> list[Agreed]:
    """Return the keys of every exchange of a secret that the tap left alone."""
    return [
        agreed(hop) for hop in answer.tapped.hops if is_exchange(hop, "secret") and not hop.changed
    ]


def _is_ours(hop: Hop, direction: str) -> bool:
    """Tell whether a request or response is what it is by the tap's doing."""
    if direction == "request":
        return hop.changed.startswith(Attack.REPLAY_REQUEST)
    return bool(hop.changed)


def _sealed(everything: Answer) -> Iterator[tuple[str, Sealed]]:
    """Yield every envelope of the run that is not the tap's doing, and where it was."""
    for place, hop in enumerate(everything.tapped.hops, 1):
        for one in hop.sealed:
            if not _is_ours(hop, one.direction):
                yield f"{name_of(one)} in the {one.direction} of exchange {place}", one


def _expected(answers: Answers) -> list[str]:
    """Return what a client may be told of the upload: what is spoken in it, and its twin's text."""
    return [answers.answer.spoken.transcript, _text(_body(answers.twin))]


def _received(answer: Answer, expected: Iterable[str]) -> str:
    """Return what of the texts that it was not to have the client received, ``""`` if nothing."""
    response = answer.exchange.response
    if answer.exchange.error is not None or response is None or response.status != 200:
        return ""
    text = _text(response.body)
    words = set(normalised(text).split())
    for one in expected:
        wanted = normalised(one).split()
        if wanted and sum(word in words for word in wanted) >= SAME_WORDS * len(wanted):
            return shown(response.body.decode("utf-8", "replace"), 200)
    return ""


def _assert_answered(twin: Answer) -> None:
    """Have nothing to judge unless a request that was left alone was answered with a text."""
    response = twin.exchange.response
    complete = twin.exchange.error is None and response is not None and response.status == 200
    if not complete or not _text(_body(twin)).strip():
        raise Untestable(f"a request that was left alone was not answered: {_outcome(twin)}")


def _ends_well(answer: Answer) -> bool:
    """Tell whether a client would take a stream for whole: it ends in order and has its end."""
    if answer.exchange.error is not None or answer.status != 200:
        return False
    stream = stream_of(answer)
    ended = stream.terminated or any(event.ends for event in stream.events)
    return stream.whole and stream.error is None and ended


def _body(answer: Answer) -> bytes:
    return b"" if answer.exchange.response is None else answer.exchange.response.body


def _text(body: bytes) -> str:
    """Return the texts of a JSON answer, of a stream or of bare text."""
    if body.lstrip().startswith(b"data:"):
        lines = (line[5:] for line in body.splitlines() if line.startswith(b"data:"))
        return " ".join(text for line in lines for text in strings(line.strip()))
    return " ".join(strings(body))


def _outcome(answer: Answer) -> str:
    """Return what came of a request, in a few words."""
    error, response = answer.exchange.error, answer.exchange.response
    if error is not None:
        return f"no complete answer ({error.kind})"
    if response is None:
        return "no answer"
    return f"{response.status}: {shown(_body(answer).decode('utf-8', 'replace'), 200)}"
