"""The numbers of TLS and their names, as IANA's registry "TLS Parameters" has them.

Cipher suites stand without the prefix ``TLS_``. Listed is what an API on the internet may still be
found to accept: suites by pre-shared keys, Kerberos or SRP are left out.
"""

SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304

VERSIONS = {SSL3: "SSL 3.0", TLS10: "TLS 1.0", TLS11: "TLS 1.1", TLS12: "TLS 1.2", TLS13: "TLS 1.3"}

SUITES = {
    0x1301: "AES_128_GCM_SHA256",
    0x1302: "AES_256_GCM_SHA384",
    0x1303: "CHACHA20_POLY1305_SHA256",
    0x1304: "AES_128_CCM_SHA256",
    0x1305: "AES_128_CCM_8_SHA256",
    0xC0B4: "SHA256_SHA256",
    0xC0B5: "SHA384_SHA384",
    0xC02C: "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02B: "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC030: "ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xCCA9: "ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA8: "ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAA: "DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0x009F: "DHE_RSA_WITH_AES_256_GCM_SHA384",
    0x009E: "DHE_RSA_WITH_AES_128_GCM_SHA256",
    0x00A3: "DHE_DSS_WITH_AES_256_GCM_SHA384",
    0x00A2: "DHE_DSS_WITH_AES_128_GCM_SHA256",
    0xC0AD: "ECDHE_ECDSA_WITH_AES_256_CCM",
    0xC0AC: "ECDHE_ECDSA_WITH_AES_128_CCM",
    0xC0AF: "ECDHE_ECDSA_WITH_AES_256_CCM_8",
    0xC0AE: "ECDHE_ECDSA_WITH_AES_128_CCM_8",
    0xC09F: "DHE_RSA_WITH_AES_256_CCM",
    0xC09E: "DHE_RSA_WITH_AES_128_CCM",
    0xC0A3: "DHE_RSA_WITH_AES_256_CCM_8",
    0xC0A2: "DHE_RSA_WITH_AES_128_CCM_8",
    0xC024: "ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    0xC023: "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    0xC028: "ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    0xC027: "ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    0xC00A: "ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    0xC009: "ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    0xC014: "ECDHE_RSA_WITH_AES_256_CBC_SHA",
    0xC013: "ECDHE_RSA_WITH_AES_128_CBC_SHA",
    0x006B: "DHE_RSA_WITH_AES_256_CBC_SHA256",
    0x0067: "DHE_RSA_WITH_AES_128_CBC_SHA256",
    0x0039: "DHE_RSA_WITH_AES_256_CBC_SHA",
    0x0033: "DHE_RSA_WITH_AES_128_CBC_SHA",
    0x0038: "DHE_DSS_WITH_AES_256_CBC_SHA",
    0x0032: "DHE_DSS_WITH_AES_128_CBC_SHA",
    0x0088: "DHE_RSA_WITH_CAMELLIA_256_CBC_SHA",
    0x0045: "DHE_RSA_WITH_CAMELLIA_128_CBC_SHA",
    0x009A: "DHE_RSA_WITH_SEED_CBC_SHA",
    0x009D: "RSA_WITH_AES_256_GCM_SHA384",
    0x009C: "RSA_WITH_AES_128_GCM_SHA256",
    0xC09D: "RSA_WITH_AES_256_CCM",
    0xC09C: "RSA_WITH_AES_128_CCM",
    0xC0A1: "RSA_WITH_AES_256_CCM_8",
    0xC0A0: "RSA_WITH_AES_128_CCM_8",
    0x003D: "RSA_WITH_AES_256_CBC_SHA256",
    0x003C: "RSA_WITH_AES_128_CBC_SHA256",
    0x0035: "RSA_WITH_AES_256_CBC_SHA",
    0x002F: "RSA_WITH_AES_128_CBC_SHA",
    0x00C0: "RSA_WITH_CAMELLIA_256_CBC_SHA256",
    0x00BA: "RSA_WITH_CAMELLIA_128_CBC_SHA256",
    0x0084: "RSA_WITH_CAMELLIA_256_CBC_SHA",
    0x0041: "RSA_WITH_CAMELLIA_128_CBC_SHA",
    0x0096: "RSA_WITH_SEED_CBC_SHA",
    0x0007: "RSA_WITH_IDEA_CBC_SHA",
    0x00A1: "DH_RSA_WITH_AES_256_GCM_SHA384",
    0x00A0: "DH_RSA_WITH_AES_128_GCM_SHA256",
    0x0037: "DH_RSA_WITH_AES_256_CBC_SHA",
    0x0031: "DH_RSA_WITH_AES_128_CBC_SHA",
    0x0036: "DH_DSS_WITH_AES_256_CBC_SHA",
    0x0030: "DH_DSS_WITH_AES_128_CBC_SHA",
    0xC02E: "ECDH_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02D: "ECDH_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC032: "ECDH_RSA_WITH_AES_256_GCM_SHA384",
    0xC031: "ECDH_RSA_WITH_AES_128_GCM_SHA256",
    0xC005: "ECDH_ECDSA_WITH_AES_256_CBC_SHA",
    0xC004: "ECDH_ECDSA_WITH_AES_128_CBC_SHA",
    0xC00F: "ECDH_RSA_WITH_AES_256_CBC_SHA",
    0xC00E: "ECDH_RSA_WITH_AES_128_CBC_SHA",
    0xC008: "ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA",
    0xC012: "ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    0x0016: "DHE_RSA_WITH_3DES_EDE_CBC_SHA",
    0x0013: "DHE_DSS_WITH_3DES_EDE_CBC_SHA",
    0xC003: "ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA",
    0xC00D: "ECDH_RSA_WITH_3DES_EDE_CBC_SHA",
    0x0010: "DH_RSA_WITH_3DES_EDE_CBC_SHA",
    0x000D: "DH_DSS_WITH_3DES_EDE_CBC_SHA",
    0x000A: "RSA_WITH_3DES_EDE_CBC_SHA",
    0xC007: "ECDHE_ECDSA_WITH_RC4_128_SHA",
    0xC011: "ECDHE_RSA_WITH_RC4_128_SHA",
    0xC002: "ECDH_ECDSA_WITH_RC4_128_SHA",
    0xC00C: "ECDH_RSA_WITH_RC4_128_SHA",
    0x0005: "RSA_WITH_RC4_128_SHA",
    0x0004: "RSA_WITH_RC4_128_MD5",
    0x0015: "DHE_RSA_WITH_DES_CBC_SHA",
    0x0012: "DHE_DSS_WITH_DES_CBC_SHA",
    0x0009: "RSA_WITH_DES_CBC_SHA",
    0x0014: "DHE_RSA_EXPORT_WITH_DES40_CBC_SHA",
    0x0011: "DHE_DSS_EXPORT_WITH_DES40_CBC_SHA",
    0x0008: "RSA_EXPORT_WITH_DES40_CBC_SHA",
    0x0006: "RSA_EXPORT_WITH_RC2_CBC_40_MD5",
    0x0003: "RSA_EXPORT_WITH_RC4_40_MD5",
    0x00A7: "DH_anon_WITH_AES_256_GCM_SHA384",
    0x00A6: "DH_anon_WITH_AES_128_GCM_SHA256",
    0x006D: "DH_anon_WITH_AES_256_CBC_SHA256",
    0x006C: "DH_anon_WITH_AES_128_CBC_SHA256",
    0x003A: "DH_anon_WITH_AES_256_CBC_SHA",
    0x0034: "DH_anon_WITH_AES_128_CBC_SHA",
    0x0089: "DH_anon_WITH_CAMELLIA_256_CBC_SHA",
    0x0046: "DH_anon_WITH_CAMELLIA_128_CBC_SHA",
    0x009B: "DH_anon_WITH_SEED_CBC_SHA",
    0x001B: "DH_anon_WITH_3DES_EDE_CBC_SHA",
    0x001A: "DH_anon_WITH_DES_CBC_SHA",
    0x0019: "DH_anon_EXPORT_WITH_DES40_CBC_SHA",
    0x0018: "DH_anon_WITH_RC4_128_MD5",
    0x0017: "DH_anon_EXPORT_WITH_RC4_40_MD5",
    0xC019: "ECDH_anon_WITH_AES_256_CBC_SHA",
    0xC018: "ECDH_anon_WITH_AES_128_CBC_SHA",
    0xC017: "ECDH_anon_WITH_3DES_EDE_CBC_SHA",
    0xC016: "ECDH_anon_WITH_RC4_128_SHA",
    0xC015: "ECDH_anon_WITH_NULL_SHA",
    0xC006: "ECDHE_ECDSA_WITH_NULL_SHA",
    0xC010: "ECDHE_RSA_WITH_NULL_SHA",
    0xC001: "ECDH_ECDSA_WITH_NULL_SHA",
    0xC00B: "ECDH_RSA_WITH_NULL_SHA",
    0x003B: "RSA_WITH_NULL_SHA256",
    0x0002: "RSA_WITH_NULL_SHA",
    0x0001: "RSA_WITH_NULL_MD5",
}
"""The suites by number, those that a careful server prefers first."""

SUITES_OF_TLS13 = (0x1301, 0x1302, 0x1303, 0x1304, 0x1305)
INTEGRITY_ONLY = (0xC0B4, 0xC0B5)
"""The suites of TLS 1.3 that do not encrypt (RFC 9150)."""

SUITES_OF_TLS12 = tuple(
    number for number in SUITES if number not in SUITES_OF_TLS13 + INTEGRITY_ONLY
)
"""All suites for TLS 1.2 and before."""

GROUPS = {
    0x11EC: "X25519MLKEM768",
    0x11EB: "SecP256r1MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
    0x001D: "x25519",
    0x001E: "x448",
    0x0017: "secp256r1",
    0x0018: "secp384r1",
    0x0019: "secp521r1",
    0x0100: "ffdhe2048",
    0x0101: "ffdhe3072",
    0x0102: "ffdhe4096",
    0x0103: "ffdhe6144",
    0x0104: "ffdhe8192",
    0x001A: "brainpoolP256r1",
    0x001B: "brainpoolP384r1",
    0x001C: "brainpoolP512r1",
    0x0016: "secp256k1",
    0x0015: "secp224r1",
    0x0013: "secp192r1",
    0x0012: "secp192k1",
    0x0010: "secp160r1",
    0x000F: "secp160k1",
    0x0011: "secp160r2",
    0x0001: "sect163k1",
    0x0002: "sect163r1",
    0x0003: "sect163r2",
    0x0004: "sect193r1",
    0x0005: "sect193r2",
}
"""The groups of the key exchange by number, the weak ones last."""

HYBRID = (0x11EC, 0x11EB, 0x11ED)
"""Groups that hold against a quantum computer as long as either of their two parts does."""

GROUPS_OF_TLS13 = (
    *HYBRID,
    0x001D,
    0x001E,
    0x0017,
    0x0018,
    0x0019,
    0x0100,
    0x0101,
    0x0102,
    0x0103,
    0x0104,
)
"""The groups that are registered for TLS 1.3."""

CURVES_OF_TLS12 = (0x001D, 0x001E, 0x0017, 0x0018, 0x0019, 0x001A, 0x001B, 0x001C, 0x0016, 0x0015)

WEAK_CURVES = (0x0013, 0x0012, 0x0010, 0x000F, 0x0011, 0x0001, 0x0002, 0x0003, 0x0004, 0x0005)
"""Curves of fewer than 224 bits, so of less than 112 bits of security."""

COMPRESSIONS = {0: "null", 1: "DEFLATE", 64: "LZS"}


def named(names: dict[int, str], number: int | None) -> str:
    """Return the name of ``number``, in hex where it has none here, ``""`` for ``None``."""
    return "" if number is None else names.get(number, f"0x{number:04X}")


def family(suite: str) -> str:
    """Return what is weak about the suite of this name, ``""`` where nothing is.

    One of ``NULL``, ``anonymous``, ``EXPORT``, ``RC4``, ``DES``, ``3DES``: the worst that applies.
    """
    if "_NULL_" in suite or suite in ("SHA256_SHA256", "SHA384_SHA384"):
        return "NULL"
    for mark, kind in (
        ("_anon_", "anonymous"),
        ("_EXPORT_", "EXPORT"),
        ("_RC4_", "RC4"),
        ("_3DES_", "3DES"),
        ("_DES_", "DES"),
    ):
        if mark in suite:
            return kind
    return ""


def forward_secret(suite: str) -> bool:
    """Tell whether the suite of this name agrees on each connection's key anew."""
    return "_WITH_" not in suite or suite.startswith(("ECDHE_", "DHE_"))


WEAK = tuple(number for number in SUITES_OF_TLS12 if family(SUITES[number]))
STATIC = tuple(
    n for n in SUITES_OF_TLS12 if not family(SUITES[n]) and not forward_secret(SUITES[n])
)
"""The suites without forward secrecy that are not weak for another reason."""

EPHEMERAL_CURVES = tuple(
    n for n in SUITES_OF_TLS12 if SUITES[n].startswith("ECDHE_") and n not in WEAK
)
EPHEMERAL_FIELDS = tuple(
    n for n in SUITES_OF_TLS12 if SUITES[n].startswith("DHE_") and n not in WEAK
)
