"""Lures name the listener of the run, and whoever comes there is known."""

import contextlib
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from soundcheck.audio import Library
from soundcheck.contract.lure import Lure, is_lure

LIBRARY = Library()


@pytest.fixture
def lure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lure]:
    """Return a lure that does not wait for those who come late."""
    monkeypatch.setattr("soundcheck.http.pace.pause", lambda seconds: None)
    with contextlib.closing(Lure(LIBRARY)) as made:
        yield made


def _place(data: bytes) -> str:
    line = next(line for line in data.splitlines() if line.startswith(b"http://127.0.0.1:"))
    return line.decode()


def test_what_names_another_place_is_a_lure() -> None:
    """Playlists, manifests and references are; audio and other files are not."""
    assert is_lure(LIBRARY, "playlist-hls.wav")
    assert is_lure(LIBRARY, "reference-mov.mp4")
    assert not is_lure(LIBRARY, "hello.wav")
    assert not is_lure(LIBRARY, "not-audio-html.wav")
    assert not is_lure(LIBRARY, "canary.wav")


def test_a_visit_is_told(lure: Lure) -> None:
    """Who fetches what the file names gets nothing, and is told with what it says of itself."""
    clip, data = lure.clip("playlist-hls.wav")
    assert clip.size == len(data)
    request = urllib.request.Request(_place(data), headers={"User-Agent": "Lavf/61.7.100"})
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(request, timeout=10)
    assert lure.visits() == ("GET /segment.ts HTTP/1.1 by Lavf/61.7.100",)
    assert lure.visits() == ()


def test_a_visitor_that_says_nothing_is_one(lure: Lure) -> None:
    """A connection alone shows that the file was followed."""
    _, data = lure.clip("playlist-hls.wav")
    host, _, port = _place(data).split("/")[2].partition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000).startswith(b"HTTP/1.1 404")
    assert lure.visits() == ("a connection",)


def test_every_lure_names_the_same_listener(lure: Lure) -> None:
    """All files of a run lead to one place, each by a path of its own."""
    texts = [lure.clip(name)[1] for name in ("playlist-hls.wav", "playlist-concat.wav")]
    [one], [other] = [
        [word for word in text.replace(b"'", b" ").split() if word.startswith(b"http")]
        for text in texts
    ]
    assert one.split(b"/")[2] == other.split(b"/")[2]
    assert one != other
