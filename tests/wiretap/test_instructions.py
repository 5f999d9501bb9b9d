"""What is printed can be typed."""

import shlex
from pathlib import Path

import pytest

from soundcheck.wiretap.instructions import instructions


def test_the_line_to_type(tmp_path: Path) -> None:
    """The command has the roots, wherever they lie, and the tap's address."""
    roots = tmp_path / "a folder" / "roots.pem"
    text = instructions("127.0.0.1:8443", roots, "api.privatemode.ai:443")
    (line,) = [one.strip() for one in text.splitlines() if "privatemode-proxy --" in one]
    words = shlex.split(line)
    assert words[:4] == [
        f"SSL_CERT_FILE={roots}",
        "privatemode-proxy",
        "--apiEndpoint",
        "127.0.0.1:8443",
    ]
    assert str(tmp_path / "a folder") in text
    assert "api.privatemode.ai" in text


@pytest.mark.parametrize("listening", ["0.0.0.0:8443", "[::]:8443"])
def test_a_tap_for_all(listening: str) -> None:
    """What is listened on everywhere is connected to by an address."""
    text = instructions(listening, Path("roots.pem"), "localhost:1")
    assert "--apiEndpoint 127.0.0.1:8443" in text
