"""Files that name other places name the one they are told to, and readers that follow go there."""

import contextlib
import io
import socket
import threading
from xml.etree import ElementTree

import av
import pytest

from soundcheck.audio import Library
from soundcheck.audio.boxes import boxes
from soundcheck.audio.outward import OUTWARD, dash, hls, mov_reference, sdp

LIBRARY = Library()
URL = "http://127.0.0.1:9/a?b=c&d=e"
CONFINED = {
    "protocol_whitelist": "",
    "format_whitelist": "wav,flac,mp3,ogg,mpeg,matroska,mov,mp2,aac",
}


@pytest.mark.parametrize("kind", sorted({*OUTWARD} - {"sdp", "dash"}))
def test_a_file_names_its_place(kind: str) -> None:
    """The URL stands in the file as it was given."""
    assert URL.encode() in OUTWARD[kind](URL)


def test_a_manifest_is_valid_xml() -> None:
    """What XML reserves is escaped in the URL of a DASH manifest."""
    root = ElementTree.fromstring(dash(URL))
    assert [one.text for one in root.iter() if one.tag.endswith("BaseURL")] == [URL]


@pytest.mark.parametrize(
    ("url", "connection", "media"),
    [
        ("http://127.0.0.1:9/", "c=IN IP4 127.0.0.1", "m=audio 9 RTP/AVP 0"),
        ("http://[::1]:4000/", "c=IN IP6 ::1", "m=audio 4000 RTP/AVP 0"),
        ("http://localhost/", "c=IN IP4 localhost", "m=audio 5004 RTP/AVP 0"),
    ],
)
def test_a_session_names_host_and_port(url: str, connection: str, media: str) -> None:
    """A session description has no URL, but its host and port."""
    lines = sdp(url).decode().split("\r\n")
    assert lines[0] == "v=0"
    assert connection in lines
    assert media in lines


def test_an_external_reference_has_no_samples_of_its_own() -> None:
    """The MPEG-4 file has a track, but the data reference is another file and there is no mdat."""
    data = mov_reference(URL)
    assert [kind for kind, _ in boxes(data)] == [b"ftyp", b"moov"]
    with av.open(io.BytesIO(data), options=CONFINED) as container:
        assert container.streams.audio[0].codec_context.name == "aac"


def test_a_reader_that_is_not_confined_goes_there() -> None:
    """FFmpeg, allowed HTTP, asks the place that a playlist names: the file does what it is for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[bytes] = []

        def listen() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(1000))

        thread = threading.Thread(target=listen)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/segment.ts"
        # Newer versions take no playlist for one unless told to; older ones follow any.
        options = {"protocol_whitelist": "http,tcp"}
        with contextlib.suppress(av.FFmpegError):
            av.open(io.BytesIO(hls(url)), format="hls", options=options, timeout=5).close()
        # Had it not come, this wakes the thread.
        socket.create_connection(server.getsockname()).close()
        thread.join()
    assert asked[0].startswith(b"GET /segment.ts")


@pytest.mark.parametrize(
    "name",
    ["playlist-hls.wav", "playlist-concat.wav", "playlist-dash.wav", "session-sdp.wav"],
)
def test_a_confined_reader_refuses_them(name: str) -> None:
    """With no protocol and only audio formats allowed, none of them can be opened."""
    with pytest.raises(av.FFmpegError):
        av.open(io.BytesIO(LIBRARY.clip(name).read()), options=CONFINED)
