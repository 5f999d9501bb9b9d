"""The numbers of TLS: this OpenSSL calls them the same."""

import ssl

import pytest

from soundcheck.http.tls_names import (
    GROUPS,
    SUITES,
    VERSIONS,
    WEAK_CURVES,
    family,
    forward_secret,
    named,
)

STRENGTHS = {"NULL": {0}, "EXPORT": {40, 56}, "DES": {56}, "3DES": {112, 168}}
STATIC = ("kx-rsa", "kx-ecdh", "kx-dh")


def test_the_suites_are_those_of_openssl() -> None:
    """What OpenSSL knows of a suite is what its name says here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    common = [one for one in context.get_ciphers() if one["id"] & 0xFFFF in SUITES]
    assert len(common) > 50
    for cipher in common:
        name, description = SUITES[cipher["id"] & 0xFFFF], cipher["description"]
        kind = family(name)
        ephemeral = forward_secret(name) or "_anon_" in name
        assert ephemeral == (cipher["kea"] not in STATIC), name
        assert ("ECDHE" in name or "ECDH_anon" in name) == (cipher["kea"] == "kx-ecdhe"), name
        assert ("_anon_" in name) == ("Au=None" in description), name
        assert ("_ECDSA_" in name) == ("Au=ECDSA" in description), name
        assert ("_NULL_" in name) == ("Enc=None" in description), name
        for word, told in (("CHACHA20", "CHACHA20"), ("CAMELLIA", "Camellia"), ("GCM", "GCM")):
            assert (word in name) == (told in description), name
        for size in (128, 256):
            if f"_{size}_" in name:
                assert cipher["alg_bits"] == size, name
        if kind in STRENGTHS:
            assert cipher["strength_bits"] in STRENGTHS[kind], name


@pytest.mark.parametrize(
    ("suite", "kind"),
    [
        ("ECDHE_RSA_WITH_AES_128_GCM_SHA256", ""),
        ("RSA_WITH_AES_128_CBC_SHA", ""),
        ("RSA_WITH_3DES_EDE_CBC_SHA", "3DES"),
        ("RSA_WITH_DES_CBC_SHA", "DES"),
        ("DH_anon_WITH_AES_128_CBC_SHA", "anonymous"),
        ("DHE_RSA_EXPORT_WITH_DES40_CBC_SHA", "EXPORT"),
        ("ECDHE_RSA_WITH_RC4_128_SHA", "RC4"),
        ("ECDH_anon_WITH_NULL_SHA", "NULL"),
        ("SHA256_SHA256", "NULL"),
    ],
)
def test_the_family_is_the_worst(suite: str, kind: str) -> None:
    """A suite with several weaknesses is told by the worst."""
    assert family(suite) == kind


def test_what_has_no_name_is_told_by_its_number() -> None:
    """A number that is not listed is told in hex, and none at all by nothing."""
    assert named(GROUPS, 0x6399) == "0x6399"
    assert named(VERSIONS, 0x0303) == "TLS 1.2"
    assert named(GROUPS, None) == ""
    assert all(number in GROUPS for number in WEAK_CURVES)
