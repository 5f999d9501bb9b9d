"""Decoding goes by content, keeps what can be kept, refuses the rest and stops at its caps."""

import contextlib
import io
import socket
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from soundcheck.audio import Library, containers
from soundcheck.audio.formats import FORMATS, NINE
from soundcheck.audio.outward import OUTWARD
from soundcheck.audio.sound import Samples
from soundcheck.reference.decoding import SAMPLE_RATE, decode
from soundcheck.reference.selection import encode
from soundcheck.reference.transcript import TooLong, Undecodable

SECONDS = 2.0
SOURCE_RATE = 22_050
REFUSED = {
    "nothing": b"",
    "text": b"This is no audio at all.",
    "json": b'{"text": "hello"}',
    "html": b"<!doctype html><html><body>hello</body></html>",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "noise": np.random.default_rng(5).bytes(4096),
    "magic only": b"fLaC",
    "session description": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n",
    "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n",
    "concat list": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "manifest": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
}


@pytest.fixture(scope="module")
def tone() -> Samples:
    time = np.arange(int(SECONDS * SOURCE_RATE)) / SOURCE_RATE
    return (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def put(folder: Path, data: bytes) -> Path:
    path = folder / "upload"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", [*FORMATS])
def test_each_format_comes_out_as_long_as_it_went_in(
    tmp_path: Path, tone: Samples, name: str
) -> None:
    """Every format of the clips decodes to 16 kHz mono of its own length and pitch."""
    samples = decode(put(tmp_path, encode(tone, name)), 60.0)
    assert samples.dtype == np.int16
    slack = FORMATS[name].tolerance + 1e-3
    assert SECONDS - 1e-3 <= len(samples) / SAMPLE_RATE <= SECONDS + slack
    spectrum = np.abs(np.fft.rfft(samples[SAMPLE_RATE // 2 : SAMPLE_RATE * 3 // 2]))
    assert spectrum.argmax() == 440


def test_the_name_does_not_matter(tmp_path: Path, tone: Samples) -> None:
    """The same bytes under another format's name decode to the same samples."""
    data = encode(tone, "m4a")
    decoded = []
    for name in ("a.m4a", "a.wav", "a.txt", "a"):
        (tmp_path / name).write_bytes(data)
        decoded.append(decode(tmp_path / name, 60.0))
    assert all(np.array_equal(decoded[0], other) for other in decoded)


@pytest.mark.parametrize("kind", [*REFUSED])
def test_what_is_no_audio_is_refused(tmp_path: Path, kind: str) -> None:
    """Whatever is no audio, or names other places, is refused without reaching out."""
    with pytest.raises(Undecodable):
        decode(put(tmp_path, REFUSED[kind]), 60.0)


@pytest.mark.parametrize("kind", [*OUTWARD])
def test_nothing_is_fetched_from_other_places(tmp_path: Path, kind: str) -> None:
    """Whatever a file names, nobody is asked for it, by TCP or by UDP."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
    ):
        host, port = tcp.getsockname()
        udp.bind((host, port))
        with pytest.raises(Undecodable):
            decode(put(tmp_path, OUTWARD[kind](f"http://{host}:{port}/secret.wav")), 60.0)
        for listener, ask in ((tcp, tcp.accept), (udp, lambda: udp.recv(1))):
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                ask()


@pytest.mark.parametrize("kind", [*OUTWARD])
def test_nothing_is_read_from_the_servers_own_files(
    tmp_path: Path, tone: Samples, kind: str
) -> None:
    """A file that names another one on this machine does not bring its sound."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encode(tone, "wav"))
    for place in (secret.as_uri(), str(secret), secret.name):
        with pytest.raises(Undecodable):
            decode(put(tmp_path, OUTWARD[kind](place)), 60.0)


@pytest.mark.parametrize("name", NINE)
def test_a_bare_header_is_refused(tmp_path: Path, tone: Samples, name: str) -> None:
    """A file that ends within its header holds no audio."""
    with pytest.raises(Undecodable):
        decode(put(tmp_path, encode(tone, name)[:40]), 60.0)


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    """A file with moving pictures only has no audio track."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64), np.uint8), format="gray")
        output.mux(stream.encode(picture.reformat(format="yuv420p")))
        output.mux(stream.encode(None))
    with pytest.raises(Undecodable, match="no audio track"):
        decode(put(tmp_path, buffer.getvalue()), 60.0)


def test_the_first_of_two_tracks_is_decoded(tmp_path: Path, tone: Samples) -> None:
    """With two audio tracks the first one is heard."""
    form = FORMATS["mp4"]
    other = np.zeros((len(tone), 1), np.float32)
    data = containers.write([tone[:, None], other], form)
    assert np.abs(decode(put(tmp_path, data), 60.0)).max() > 3000


@pytest.mark.parametrize("channels", [2, 6, 8])
def test_channels_are_mixed(tmp_path: Path, tone: Samples, channels: int) -> None:
    """Several channels become one, which holds the sound that they share."""
    buffer = io.BytesIO()
    soundfile.write(buffer, tone[:, None].repeat(channels, axis=1), SOURCE_RATE, format="WAV")
    samples = decode(put(tmp_path, buffer.getvalue()), 60.0)
    assert len(samples) == pytest.approx(SECONDS * SAMPLE_RATE, abs=2)
    assert np.abs(samples).max() > 3000


@pytest.mark.parametrize("name", ["flac", "mp3", "mpga", "ogg-opus", "webm", "wav"])
def test_a_cut_file_gives_what_it_holds(tmp_path: Path, tone: Samples, name: str) -> None:
    """Of a file cut in the middle, what came before the cut is decoded."""
    data = encode(tone, name)
    samples = decode(put(tmp_path, data[: len(data) * 6 // 10]), 60.0)
    assert 0.2 * SECONDS < len(samples) / SAMPLE_RATE < 0.9 * SECONDS


@pytest.mark.parametrize("name", ["flac", "mp3", "ogg-opus", "m4a"])
def test_damage_in_the_middle_costs_only_that_part(
    tmp_path: Path, tone: Samples, name: str
) -> None:
    """Random bytes in the middle of a file leave its other packets audible."""
    data = bytearray(encode(tone, name))
    place = len(data) * 3 // 5  # within the second page of Ogg: a page is damaged as a whole
    data[place : place + 300] = np.random.default_rng(3).bytes(300)
    assert len(decode(put(tmp_path, bytes(data)), 60.0)) / SAMPLE_RATE > 0.4 * SECONDS


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_damage_is_refused_or_survived(
    tmp_path_factory: pytest.TempPathFactory, tone: Samples, data: st.DataObject
) -> None:
    """However a file is damaged, there are samples or one of the two refusals."""
    content = bytearray(encode(tone[:4000], data.draw(st.sampled_from(["wav", "flac", "mp3"]))))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, min(len(content) - 1, 200)))
        content[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Undecodable, TooLong):
        assert len(decode(put(tmp_path_factory.mktemp("damaged"), bytes(content)), 60.0)) > 0


def test_the_cap_on_duration_holds_to_the_packet(tmp_path: Path, tone: Samples) -> None:
    """Exactly the limit is accepted, less than the file is refused with the limit."""
    path = put(tmp_path, encode(tone, "wav"))
    assert len(decode(path, SECONDS)) == SECONDS * SAMPLE_RATE
    with pytest.raises(TooLong) as caught:
        decode(path, SECONDS - 0.001)
    assert caught.value.limit_seconds == SECONDS - 0.001


def test_a_silence_bomb_is_cut_off(tmp_path: Path) -> None:
    """Minutes of silence in a few kilobytes are refused by what comes out, not by size."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 8000, 1, "PCM_16", format="FLAC") as file:
        for _ in range(11):
            file.write(np.zeros(8000 * 60, np.int16))
    assert len(buffer.getvalue()) < 40_000
    with pytest.raises(TooLong):
        decode(put(tmp_path, buffer.getvalue()), 600.0)


def test_the_cap_counts_channels(tmp_path: Path) -> None:
    """A short file of eight channels at 192 kHz is refused although its duration is allowed."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((192_000, 8), np.int16), 192_000, format="FLAC")
    path = put(tmp_path, buffer.getvalue())
    with pytest.raises(TooLong):
        decode(path, 2.0)
    assert len(decode(path, 20.0)) == pytest.approx(SAMPLE_RATE, abs=2)


GROWTH = """
import sys
from pathlib import Path
from soundcheck.reference.decoding import decode
from soundcheck.reference.transcript import TooLong

path, limit = Path(sys.argv[1]), float(sys.argv[2])

def told(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

for _ in range(2):  # once before: code and tables of the libraries stay
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, outcome = told("VmRSS"), "decoded"
    try:
        decode(path, limit)
    except TooLong:
        outcome = "too long"
print(told("VmHWM") - before, outcome)
"""


def growth(path: Path, limit_seconds: float) -> tuple[int, str]:
    """Return by how many bytes a process grows at most that decodes ``path``, and the outcome.

    It is a process of its own: what other tests left in this one's memory would be counted.
    """
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, str(path), str(limit_seconds)],
        capture_output=True,
        text=True,
        check=True,
    )
    most, _, outcome = done.stdout.strip().partition(" ")
    return int(most), outcome


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc"
)


@needs_proc
@pytest.mark.parametrize("name", NINE)
def test_a_large_file_is_not_loaded_whole(library: Library, name: str) -> None:
    """Decoding 25 MB that hold ten seconds of sound takes a fraction of that memory."""
    path = library.clip(f"sized-25000000.{name}").path
    # In Ogg what fills the file is one packet, a comment, which libav takes whole.
    most = 72 if name == "ogg" else 8
    grown, outcome = growth(path, 60.0)
    assert outcome == "decoded"
    assert grown < most << 20


def test_channels_that_cannot_be_mixed_are_refused(library: Library) -> None:
    """A header that claims 255 channels holds no sound that anybody could hear."""
    with pytest.raises(Undecodable):
        decode(library.clip("lying-channels.wav").path, 60.0)


@needs_proc
@pytest.mark.parametrize("name", ["silence-bomb.flac", "rate-bomb.flac"])
def test_bombs_take_little_memory(library: Library, name: str) -> None:
    """However much a small file decodes to, no more than the accepted length is kept."""
    limit_seconds = 600.0 if name == "silence-bomb.flac" else 20.0
    grown, outcome = growth(library.clip(name).path, limit_seconds)
    assert outcome == "too long"
    assert grown < 48 << 20


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2_147_483_647])
def test_a_rate_that_no_audio_has_is_refused(tmp_path: Path, rate: int) -> None:
    """A header whose rate stretches a few samples over hours, or crowds them, is refused."""
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 80_036, b"WAVE", b"fmt ", 16, 1, 1,
                         rate, min(2 * rate, 2**32 - 1), 2, 16, b"data", 80_000)  # fmt: skip
    with pytest.raises(Undecodable, match="sample rate"):
        decode(put(tmp_path, header + bytes(80_000)), 1500.0)
