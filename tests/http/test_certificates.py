"""Certificates made for a run: whom a client believes."""

import ssl
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from soundcheck.http.certificates import Authority, Credentials, self_signed


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Hand the bytes of both sides over in memory until the client has decided."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=name)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    while True:
        try:
            asking.do_handshake()
        except ssl.SSLWantReadError:
            with suppress(ssl.SSLWantReadError):
                answering.do_handshake()
        else:
            answering.do_handshake()
            return asking


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return a root."""
    return Authority.new("Root of a test")


def believing(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.certificate_pem.decode())


@pytest.mark.parametrize("name", ["api.example.com", "127.0.0.1", "::1"])
def test_a_client_with_the_root_believes_each_name(authority: Authority, name: str) -> None:
    """Names and addresses are accepted; the newest TLS and HTTP/1.1 are agreed."""
    server = authority.issue("api.example.com", "127.0.0.1", "::1").server_context()
    client = believing(authority)
    client.set_alpn_protocols(["h2", "http/1.1"])
    connection = shake_hands(server, client, name)
    assert connection.version() == "TLSv1.3"
    assert connection.selected_alpn_protocol() == "http/1.1"


def test_what_is_wrong_is_refused_for_that_reason(authority: Authority) -> None:
    """Another root, another name, an end in the past and no root at all are told apart."""
    wrong: list[tuple[Credentials, str]] = [
        (Authority.new("Root of a test").issue("localhost"), "unable to get local issuer"),
        (authority.issue("example.org"), "Hostname mismatch"),
        (authority.issue("localhost", expired=True), "certificate has expired"),
        (self_signed("localhost"), "self-signed certificate"),
    ]
    for credentials, reason in wrong:
        with pytest.raises(ssl.SSLCertVerificationError, match=reason):
            shake_hands(credentials.server_context(), believing(authority), "localhost")


def test_no_key_stays_on_the_disk(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's context leaves no file behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    authority.issue("localhost").server_context()
    assert not list(tmp_path.iterdir())
