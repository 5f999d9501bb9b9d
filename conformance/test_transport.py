"""Transport: the TLS that stands between a client and the API, seen from outside.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

from collections.abc import Callable
from datetime import datetime

from soundcheck.contract import (
    MUST,
    SHOULD,
    Answers,
    NotObserved,
    Untestable,
    probes,
    requirement,
    shown,
)
from soundcheck.contract.probe import tls_inspection
from soundcheck.http.inspection import Inspection
from soundcheck.http.tls_names import GROUPS, HYBRID, family

EVERYWHERE = ("openai", "vllm", "privatemode", "encrypting-proxy")
NEWER = ("TLS 1.2", "TLS 1.3")
POST_QUANTUM = {GROUPS[number] for number in HYBRID}
BROKEN_DIGESTS = ("md5", "sha1")
LEAST_BITS = {"RSA": 2048, "DSA": 2048, "EC": 224}
"""Sizes of keys that give 112 bits of security."""

LEAST_PRIME = 2048

NOT_SERVED = (400, 403, 404, 405, 410, 421, 426)
"""Statuses by which a port that speaks plain HTTP refuses to serve the API there."""


@requirement(
    "transport/encrypted",
    MUST,
    source="Privatemode speech-to-text page 1.30: encrypted in transit; RFC 9325, section 3.2",
    profiles=EVERYWHERE,
    killed_by=["no-tls"],
    draft=["STT-AUTH-007"],
)
@probes(tls=tls_inspection())
def test_the_api_is_asked_over_tls(answers: Answers, found: Callable[[str], None]) -> None:
    """An API on another machine is reached over TLS, never over plain HTTP."""
    seen = answers.tls.inspection
    where = f"{seen.host}:{seen.port}"
    if seen.scheme == "http":
        if seen.loopback:
            raise NotObserved("plain HTTP on this machine's own loopback")
        raise AssertionError(
            f"{where} is asked over plain HTTP: audio, transcripts and the key can be read on the "
            "way"
        )
    if not seen.secure:
        served = any(answer.kind == "http" for answer in seen.plain)
        assert not served, f"{where} answers plain HTTP where TLS is expected: {seen.problem}"
        raise Untestable(f"no TLS handshake with {where} was finished: {seen.problem}")
    found(f"{seen.version} with {seen.suite}")


@requirement(
    "transport/versions",
    MUST,
    source="RFC 8996; RFC 9325, section 3.1.1",
    profiles=EVERYWHERE,
    killed_by=["tls-old-versions"],
    draft=["STT-AUTH-007"],
)
@probes(tls=tls_inspection())
def test_old_versions_are_refused(answers: Answers, found: Callable[[str], None]) -> None:
    """No version of TLS or SSL before TLS 1.2 is accepted."""
    seen = _spoken(answers)
    accepted = [one.name for one in seen.versions if one.accepted]
    old = [name for name in accepted if name not in NEWER]
    assert not old, f"{_listed(old)} {'is' if len(old) == 1 else 'are'} accepted"
    unknown = [one.name for one in seen.versions if one.accepted is None]
    if unknown:
        raise Untestable(f"offered alone, {_listed(unknown)} got no answer that TLS knows")
    found(f"accepted: {_listed(accepted)}")


@requirement(
    "transport/tls13",
    SHOULD,
    source="RFC 9325, section 3.1.1",
    profiles=EVERYWHERE,
    killed_by=["tls-1.2-at-most"],
)
@probes(tls=tls_inspection())
def test_tls13_is_spoken(answers: Answers) -> None:
    """TLS 1.3 is accepted."""
    seen = _spoken(answers)
    accepted = seen.accepts("TLS 1.3")
    if accepted is None:
        raise Untestable("offered alone, TLS 1.3 got no answer that TLS knows")
    assert accepted, "TLS 1.3 is not accepted"


@requirement(
    "transport/suites-strong",
    MUST,
    source="RFC 9325, section 4.1; RFC 5246, appendix F.1.1.1; RFC 7465",
    profiles=EVERYWHERE,
    killed_by=["tls-null-cipher"],
)
@probes(tls=tls_inspection())
def test_weak_suites_are_refused(answers: Answers, found: Callable[[str], None]) -> None:
    """No cipher suite is accepted that does not encrypt, authenticates nobody, or is breakable.

    These are NULL, anonymous, EXPORT, RC4 and DES; triple DES, of 112 bits, is only told.
    """
    suites = _spoken(answers).weak_suites
    if suites is None:
        raise Untestable("which suites are accepted was not seen")
    weak = [suite for suite in suites if family(suite) != "3DES"]
    assert not weak, f"accepted: {_listed([f'{suite} ({family(suite)})' for suite in weak])}"
    if suites:
        found(f"accepted, of 112 bits: {_listed(suites)}")


@requirement(
    "transport/forward-secrecy",
    SHOULD,
    source="RFC 9325, sections 4.1 and 7.3",
    profiles=EVERYWHERE,
    killed_by=["tls-rsa-key-exchange"],
)
@probes(tls=tls_inspection())
def test_every_key_exchange_is_forward_secret(answers: Answers) -> None:
    """Only key exchanges with forward secrecy are accepted: a stolen key opens no recording."""
    static = _spoken(answers).static_suites
    if static is None:
        raise Untestable("which suites are accepted was not seen")
    assert not static, f"accepted without forward secrecy: {_listed(static)}"


@requirement(
    "transport/key-exchange-strong",
    MUST,
    source="RFC 9325, sections 4.1, 4.3 and 4.4; RFC 8422, section 5.1.1",
    profiles=EVERYWHERE,
    killed_by=["tls-weak-group"],
)
@probes(tls=tls_inspection())
def test_the_key_exchange_is_strong(answers: Answers, found: Callable[[str], None]) -> None:
    """No key exchange is accepted of less than 112 bits of security."""
    seen = _spoken(answers)
    if seen.groups is None or seen.weak_groups is None:
        raise Untestable("which groups are accepted was not seen")
    assert not seen.weak_groups, f"accepted: {_listed(seen.weak_groups)}"
    assert (seen.dh_bits or LEAST_PRIME) >= LEAST_PRIME, (
        f"Diffie-Hellman is done with a prime of {seen.dh_bits} bits, fewer than {LEAST_PRIME}"
    )
    if not seen.groups and seen.dh_bits is None:
        raise NotObserved("no key exchange with a group was accepted")
    hybrid = [group for group in seen.groups if group in POST_QUANTUM]
    told = f"hybrid post-quantum: {_listed(hybrid)}" if hybrid else "no hybrid post-quantum group"
    prime = f"; a prime of {seen.dh_bits} bits" if seen.dh_bits else ""
    found(f"{told}; {seen.groups_version}: {_listed(seen.groups)}{prime}")


@requirement(
    "transport/chain-valid",
    MUST,
    source="RFC 5280, section 6; RFC 9325, section 4.5",
    profiles=EVERYWHERE,
    killed_by=["tls-self-signed"],
    draft=["STT-AUTH-007"],
)
@probes(tls=tls_inspection())
def test_the_chain_leads_to_a_root(answers: Answers) -> None:
    """The certificates lead to a trusted root, by keys and digests that are not broken.

    Whether they are valid at this time is a rule of its own.
    """
    seen = _spoken(answers)
    if seen.trusted is None:
        reason = seen.chain_problem or seen.problem or "no handshake was finished"
        raise Untestable(f"the certificates were not verified: {reason}")
    assert seen.trusted, f"the certificates lead to no trusted root: {shown(seen.chain_problem)}"
    for certificate in seen.chain:
        whose = f"the certificate of {shown(certificate.subject)}"
        assert not certificate.problem, f"a certificate cannot be read: {certificate.problem}"
        least = LEAST_BITS.get(certificate.key, 0)
        assert certificate.key_bits >= least, (
            f"{whose} has a key of {certificate.key_bits} bits ({certificate.key}), fewer than "
            f"{least}"
        )
        broken = certificate.signature in BROKEN_DIGESTS and not certificate.self_signed
        assert not broken, f"{whose} is signed by {certificate.signature}"


@requirement(
    "transport/name-valid",
    MUST,
    source="RFC 9525, section 6; RFC 9110, section 4.3.4",
    profiles=EVERYWHERE,
    killed_by=["tls-wrong-name"],
    draft=["STT-AUTH-007"],
)
@probes(tls=tls_inspection())
def test_the_certificate_is_for_the_host(answers: Answers) -> None:
    """The certificate is for the host that was asked."""
    seen = _spoken(answers)
    if seen.name_matches is None or not seen.chain:
        raise Untestable("the server's certificate was not seen")
    names = seen.chain[0].names
    assert seen.name_matches, (
        f"{seen.server_name} was asked, the certificate is for {shown(list(names[:8]))}"
    )


@requirement(
    "transport/not-expired",
    MUST,
    source="RFC 5280, section 4.1.2.5",
    profiles=EVERYWHERE,
    killed_by=["tls-expired"],
    draft=["STT-AUTH-007"],
)
@probes(tls=tls_inspection())
def test_the_certificate_is_valid_now(answers: Answers, found: Callable[[str], None]) -> None:
    """The certificates are within the time for which they were issued."""
    seen = _spoken(answers)
    if not seen.chain or seen.chain[0].problem:
        raise Untestable("the server's certificate was not seen")
    at = datetime.fromisoformat(seen.at)
    begin = datetime.fromisoformat(seen.chain[0].not_before)
    end = datetime.fromisoformat(seen.chain[0].not_after)
    assert at <= end, f"the certificate expired at {end:%Y-%m-%d %H:%M} UTC"
    assert at >= begin, f"the certificate is not valid before {begin:%Y-%m-%d %H:%M} UTC"
    assert seen.in_time is not False, f"the chain is out of its time: {shown(seen.chain_problem)}"
    found(f"{(end - at).days} days to expiry")


@requirement(
    "transport/hsts",
    SHOULD,
    source="RFC 6797, section 7.1; RFC 9325, section 3.2",
    profiles=EVERYWHERE,
    killed_by=["no-hsts"],
)
@probes(tls=tls_inspection())
def test_clients_are_told_to_keep_to_tls(answers: Answers) -> None:
    """Answers have the header Strict-Transport-Security, so that clients keep to TLS."""
    seen = _spoken(answers)
    if seen.status is None:
        raise Untestable("no HTTP answer over TLS was seen")
    assert seen.hsts is not None, f"the answer ({seen.status}) has no Strict-Transport-Security"
    parts = (part.partition("=") for part in seen.hsts.split(";"))
    directives = {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}
    age = directives.get("max-age", "")
    seconds = int(age) if age.isdecimal() else 0
    assert seconds, f"Strict-Transport-Security has no max-age above 0: {shown(seen.hsts)}"


@requirement(
    "transport/plain-refused",
    MUST,
    source="Privatemode speech-to-text page 1.30: encrypted in transit; RFC 9325, section 3.2",
    profiles=EVERYWHERE,
    killed_by=["plain-http-served"],
    draft=["STT-AUTH-007"],
)
@probes(tls=tls_inspection())
def test_plain_http_is_not_served(answers: Answers, found: Callable[[str], None]) -> None:
    """Plain HTTP on the same port, and on port 80 beside 443, is refused or redirected to TLS."""
    seen = _spoken(answers)
    if not seen.plain:
        raise Untestable("plain HTTP was not asked for")
    told = []
    for answer in seen.plain:
        how = answer.kind
        if answer.kind == "http" and answer.status is not None:
            redirected = 300 <= answer.status < 400
            assert not redirected or answer.location.lower().startswith("https://"), (
                f"port {answer.port} redirects plain HTTP to {shown(answer.location)}, not to TLS"
            )
            refused = redirected or answer.status in NOT_SERVED or answer.status >= 500
            assert refused, f"port {answer.port} answers plain HTTP with {answer.status}"
            how = f"answers {answer.status}"
        told.append(f"port {answer.port}: {how}")
    found("plain HTTP on " + "; on ".join(told))


@requirement(
    "transport/no-compression",
    MUST,
    source="RFC 9325, section 3.3; CVE-2012-4929 (CRIME), CWE-310",
    profiles=EVERYWHERE,
    killed_by=["tls-compression"],
)
@probes(tls=tls_inspection())
def test_tls_does_not_compress(answers: Answers) -> None:
    """Compression by TLS is not accepted: the sizes would tell what is in the messages."""
    seen = _spoken(answers)
    if not seen.compression:
        _only_tls13(seen)
        raise Untestable("an offer of compression got no answer that TLS knows")
    assert seen.compression in ("null", "refused"), f"compression by {seen.compression} is accepted"


@requirement(
    "transport/secure-renegotiation",
    MUST,
    source="RFC 5746, section 3.6; RFC 9325, section 3.5",
    profiles=EVERYWHERE,
    killed_by=["tls-insecure-renegotiation"],
)
@probes(tls=tls_inspection())
def test_renegotiation_is_secure(answers: Answers) -> None:
    """In TLS 1.2 and before, renegotiation_info is answered: nothing can be spliced in front."""
    seen = _spoken(answers)
    if seen.renegotiation_info is None:
        _only_tls13(seen)
        raise Untestable("no answer of TLS 1.2 or before was seen")
    assert seen.renegotiation_info, "renegotiation_info was asked for and is not answered"


def _spoken(answers: Answers) -> Inspection:
    """Return what was seen of an endpoint that speaks TLS."""
    seen = answers.tls.inspection
    if seen.scheme == "http":
        raise NotObserved("the API is asked over plain HTTP")
    if not any(one.accepted for one in seen.versions):
        reason = seen.problem or "no version was accepted"
        raise Untestable(f"no TLS was seen at {seen.host}:{seen.port}: {reason}")
    return seen


def _only_tls13(seen: Inspection) -> None:
    """Raise ``NotObserved`` where nothing before TLS 1.3, which has no such thing, is accepted."""
    if all(one.accepted is (one.name == "TLS 1.3") for one in seen.versions):
        raise NotObserved("only TLS 1.3 is accepted, which has none")


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names)
