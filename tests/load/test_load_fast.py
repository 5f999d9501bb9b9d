"""Locust's own transport under the same interface: in a process of its own, which Locust patches.

All is tried in one, since to import Locust takes a second.
"""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from soundcheck.audio import Clip
from soundcheck.http.certificates import Authority
from soundcheck.load.form import encode_form

_PROGRAM = Path(__file__).with_name("fast_http_program.py")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what came of requests to servers of all kinds."""
    folder = tmp_path_factory.mktemp("fast")
    path = folder / "hello.wav"
    path.write_bytes(bytes(200_000))
    clip = Clip("hello.wav", path, "audio/wav", 200_000, "5" * 64, 1.0, 16_000, 1, "en", "", ())
    forms = [encode_form(0, clip, [("model", "m")], stream=stream) for stream in (False, True)]
    authority = Authority.new("The tests' own root")
    credentials = authority.issue("127.0.0.1")
    chain, roots = folder / "chain.pem", folder / "roots.pem"
    chain.write_bytes(credentials.certificate_pem + credentials.key_pem)
    roots.write_bytes(authority.certificate_pem)
    done = subprocess.run(
        [sys.executable, str(_PROGRAM)],
        input=pickle.dumps((*forms, str(chain), roots)),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("server", "cause", "text"),
    [
        ("json", "", "Hello"),
        ("stream", "", "Hello" * 4),
        ("endless", "", "Hello"),
        ("busy", "overload", ""),
        ("moved", "", "Hello"),
        ("turning", "redirect", ""),
        ("cut", "reset", ""),
        ("short", "stream-cut", ""),
        ("html", "not-json", ""),
        ("garbage", "not-http", ""),
        ("gone", "reset", ""),
        ("silent", "timeout", ""),
        ("refused", "refused", ""),
        ("unresolved", "unresolved", ""),
        ("tls", "", "Hello"),
        ("distrusted", "tls", ""),
        ("proxied", "", "Hello"),
        ("tunnelled", "", "Hello"),
        ("environment", "", "Hello"),
    ],
)
def test_servers_of_all_kinds(results: dict[str, Any], server: str, cause: str, text: str) -> None:
    """What a deployment does ends in the same causes as over the project's own transport."""
    assert (results[server]["cause"], results[server]["text"]) == (cause, text), results[server]
    assert results[server]["done"] == (not cause or server in ("busy", "html"))


def test_streams_are_read_as_they_come(results: dict[str, Any]) -> None:
    """Each event is timed when it comes, and not when so many bytes have come."""
    stream = results["stream"]
    assert (stream["deltas"], stream["coalesced"], stream["gaps"]) == (4, 1, 2)
    assert stream["ordered"]
    assert results["observed"] == 5


def test_connections_are_used_again(results: dict[str, Any]) -> None:
    """Requests of one client follow each other, and a killed one ends at once."""
    assert results["again"] == ["Hello"] * 3
    assert results["killed"]


def test_proxies_are_used(results: dict[str, Any]) -> None:
    """HTTP goes to the proxy with its whole address, HTTPS through a tunnel; others are refused."""
    proxied, tunnelled = results["seen"]
    assert proxied == "http://elsewhere.invalid:80/json/audio/transcriptions"
    assert tunnelled == results["https"]
    assert "HTTP proxy" in results["socks"]
