"""Certificates are made for one run, for the right names, and their keys stay in memory."""

from pathlib import Path

import certifi
import pytest
from cryptography import x509

from soundcheck.wiretap import presented
from soundcheck.wiretap.presented import Presented, system_roots


def test_roots_hold_the_systems_and_the_runs(tmp_path: Path) -> None:
    """Go replaces its roots by the file: so all of them are in it, certificates only."""
    path = tmp_path / "roots.pem"
    Presented("api.example.com").write_roots(path)
    system = system_roots().read_bytes().rstrip()
    roots = path.read_bytes()
    assert roots.startswith(system)
    own = x509.load_pem_x509_certificate(roots.removeprefix(system).lstrip())
    assert "Soundcheck tap" in own.subject.rfc4514_string()
    assert b"PRIVATE KEY" not in roots


def test_each_run_has_its_own_root() -> None:
    """No root is used twice."""
    one, other = (Presented("api.example.com").root_pem for _ in range(2))
    assert one != other


def test_a_machine_without_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has none, those that come with Python's packages are taken."""

    class Nothing:
        cafile = None

    monkeypatch.setattr(presented.ssl, "get_default_verify_paths", Nothing)
    assert system_roots() == Path(certifi.where())
