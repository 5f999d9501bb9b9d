"""An inspection of TLS is told as lines of facts."""

from typing import Any

from soundcheck.report.transport import agreed, facts

Inspection = dict[str, Any]


def test_every_fact_has_its_line(inspection: Inspection) -> None:
    """What was accepted, refused, not seen or absent is told apart."""
    told = dict(facts(inspection))
    assert told["endpoint"] == "api.example:443, asked for as api.example"
    assert told["agreed"] == "TLS 1.3 with TLS_AES_256_GCM_SHA384"
    assert told["versions"] == "TLS 1.3 accepted, TLS 1.0 refused, SSL 3.0 not seen"
    assert (told["weak suites"], told["suites without forward secrecy"]) == ("none", "not seen")
    assert told["groups"] == "x25519, secp256r1 (TLS 1.3)"
    assert told["prime without a name"] == "1024 bits"
    assert told["certificate 1"] == (
        "CN=api.example, for api.example, by CN=Root, EC 256 secp256r1, sha256, "
        "2026-10-23 to 2026-12-22"
    )
    assert (told["in time"], told["name matches"]) == ("no", "not seen")
    assert told["the chain's problem"] == "certificate has expired"
    assert told["Strict-Transport-Security"] == "none"
    assert told["plain HTTP on port 80"] == "http 301 https://api.example/"


def test_without_tls_there_is_one_fact(inspection: Inspection) -> None:
    """Of plain HTTP it is said that it is; of a failed inspection, why."""
    plain = inspection | {"scheme": "http", "loopback": True, "server_name": "", "connections": 0}
    assert dict(facts(plain))["agreed"] == "plain HTTP"
    assert len(facts(plain)) == 3
    broken = inspection | {"version": "", "problem": "no TLS at all: silence"}
    assert agreed(broken) == "no TLS: no TLS at all: silence"


def test_lists_without_end_are_cut(inspection: Inspection) -> None:
    """A server may send names and certificates by the thousand."""
    chain = [inspection["chain"][0] | {"names": ["x" * 50] * 1000}] * 500
    told = facts(inspection | {"groups": ["g"] * 5000, "chain": chain})
    assert len(told) <= 25
    assert sum(len(value) for _, value in told) < 25 * 340
