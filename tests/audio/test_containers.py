"""Every clip that ships is decoded back whole, by a decoder that did not write it where one can."""

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from soundcheck.audio import Clip, Library
from soundcheck.audio.formats import FORMATS, NINE
from soundcheck.audio.maker import sounding
from soundcheck.audio.recipe import Content
from soundcheck.audio.tags import picture

LIBRARY = Library()
# What carries a whole and undamaged sound; the rest is for the tests of sizes, damage and contents.
SOUND = [
    name for name, one in LIBRARY.recipes.items() if one.group in ("speech", "signal", "variant")
]
Decoded = npt.NDArray[np.float32]  # shape (samples, channels)

# How much of the sound must come back from a lossy codec: correlation with what was put in, at the
# best alignment.
LIKENESS = {
    "aac": 0.97,
    "libmp3lame": 0.98,
    "libopus": 0.95,
    "mp2": 0.99,
    "vorbis": 0.99,
}
# The largest error of one sample, for what is stored without loss: half a step of the integers.
STEP = {"FLOAT": 0.0, "PCM_16": 2**-16, "PCM_24": 2**-24, "PCM_U8": 2**-8, "flac": 2**-16}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def clips(cache: Path) -> Mapping[str, Clip]:
    """Every clip of a sound, made cold.

    This takes half of the time of these tests: one worker does it (see conftest.py), once.
    """
    return Library(cache=cache).build(SOUND)


def by_ffmpeg(path: Path, track: int = 0) -> tuple[Decoded, int]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        convert = av.AudioResampler(format="fltp")
        frames = [out for frame in container.decode(stream) for out in convert.resample(frame)]
        frames += convert.resample(None)
    return np.concatenate([one.to_ndarray() for one in frames], axis=1).T, frames[0].sample_rate


def by_libsndfile(path: Path) -> tuple[Decoded, int]:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return samples, rate


def decode(clip: Clip) -> tuple[Decoded, int]:
    """Decode by the second decoder; by FFmpeg where there is none but it."""
    second = LIBRARY.recipe(clip.name).format.second
    return by_libsndfile(clip.path) if second == "libsndfile" else by_ffmpeg(clip.path)


def voice(samples: Decoded, side: str = "") -> Decoded:
    """Return the channel that has the sound as it was made: the centre of 5.1, else the first."""
    return samples[:, 2 if samples.shape[1] == 6 else 1 if side == "right" else 0]


def put_in(clip: Clip) -> Decoded:
    recipe = LIBRARY.recipe(clip.name)
    assert not isinstance(recipe.source, Content)
    return sounding(recipe.source, recipe).samples


def likeness(one: Decoded, two: Decoded) -> tuple[float, int]:
    """Return the correlation at the best alignment, and by how many samples ``two`` is late."""
    size = 2 * max(len(one), len(two))
    product = np.fft.irfft(np.fft.rfft(two, size) * np.conj(np.fft.rfft(one, size)))
    late = int(np.argmax(product))
    late -= len(product) if late > len(product) // 2 else 0
    a, b = one[max(0, -late) :], two[max(0, late) :]
    count = min(len(a), len(b))
    a, b = a[:count].astype(np.float64), b[:count].astype(np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b))), late


@pytest.mark.parametrize("name", SOUND)
def test_a_clip_decodes_whole(clips: Mapping[str, Clip], name: str) -> None:
    """The decoded audio has the rate, the channels, the length and the sound of the recipe."""
    clip = clips[name]
    form, side = LIBRARY.recipe(name).format, LIBRARY.recipe(name).side
    samples, rate = decode(clip)
    expected = put_in(clip)
    assert (rate, samples.shape[1]) == (clip.sample_rate, clip.channels)
    assert 0 <= len(samples) - len(expected) <= form.tolerance * rate
    assert len(expected) == pytest.approx(clip.duration * rate, abs=1e-6)
    if form.codec in STEP:
        assert np.abs(voice(samples, side) - expected).max() <= STEP[form.codec]
    else:
        first = 60 * rate  # of a long recording, a minute is enough
        alike, late = likeness(expected[:first], voice(samples)[:first])
        assert alike >= LIKENESS[form.codec]
        assert abs(late) <= (481 if form.codec == "mp2" else 2)


@pytest.mark.parametrize("name", SOUND)
def test_a_clip_is_described_truly(clips: Mapping[str, Clip], name: str) -> None:
    """Size and digest are those of the bytes; the words make the text, in order, in the clip."""
    clip = clips[name]
    data = clip.read()
    assert (clip.size, clip.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert clip.name == name
    times = [time for word in clip.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(0 <= time <= clip.duration for time in times)
    joint = "" if clip.language == "zh" else " "
    assert joint.join(word.text for word in clip.words) == clip.transcript
    assert (clip.language is None) == (clip.transcript == "")


@pytest.mark.parametrize("name", SOUND)
def test_the_claimed_second_decoder_is_not_the_writer(name: str) -> None:
    """No format calls the library that wrote it an independent decoder."""
    form = LIBRARY.recipe(name).format
    assert form.second != form.writer


def test_formats_without_a_second_decoder_are_refused_by_libsndfile(
    clips: Mapping[str, Clip],
) -> None:
    """Where only FFmpeg is said to read a format, libsndfile indeed cannot."""
    alone = [name for name in clips if not LIBRARY.recipe(name).format.second]
    assert {Path(name).suffix for name in alone} == {".m4a", ".mp4", ".mpeg", ".ogg", ".webm"}
    for name in alone:
        with pytest.raises(soundfile.LibsndfileError):
            soundfile.info(clips[name].path)


def test_clips_are_the_same_in_another_process_and_order(clips: Mapping[str, Clip]) -> None:
    """A single process that makes every clip in reverse order gets the same bytes.

    Recordings of many minutes are left out: they would say nothing more.
    """
    program = (
        "import sys, tempfile\n"
        "from soundcheck.audio import Library\n"
        "from soundcheck.audio.maker import make\n"
        "from soundcheck.audio.pieces import write\n"
        "library = Library()\n"
        "for name in reversed(sys.argv[1:]):\n"
        "    with tempfile.TemporaryFile() as file:\n"
        "        print(name, write(make(library.recipe(name)).pieces, file)[1])\n"
    )
    short = [name for name in clips if clips[name].duration < 200]
    done = subprocess.run(
        [sys.executable, "-c", program, *short], capture_output=True, text=True, check=True
    )
    made = dict(line.split() for line in done.stdout.splitlines())
    repeatable = [name for name in short if LIBRARY.recipe(name).format.repeatable]
    assert {name: made[name] for name in repeatable} == {
        name: clips[name].sha256 for name in repeatable
    }


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("sentence.wav", b"RIFF"),
        ("sentence.flac", b"fLaC"),
        ("sentence.mp3", b"\xff\xf3"),
        ("sentence.mpeg", b"\xff\xf3"),
        ("sentence.mpga", b"\xff\xfb"),
        ("sentence-layer2.mpga", b"\xff\xfd"),
        ("sentence-id3.mp3", b"ID3\x03"),
        ("sentence-cover.mp3", b"ID3\x03"),
        ("sentence.ogg", b"OggS"),
        ("sentence.webm", b"\x1a\x45\xdf\xa3"),
        ("sentence-program-stream.mpeg", b"\x00\x00\x01\xba"),
    ],
)
def test_a_file_begins_as_its_kind_does(clips: Mapping[str, Clip], name: str, start: bytes) -> None:
    """The first bytes, by which servers recognise a format, are those of the kind."""
    assert clips[name].read().startswith(start)


@pytest.mark.parametrize(("name", "brand"), [("sentence.m4a", b"M4A "), ("sentence.mp4", b"isom")])
def test_mpeg4_files_state_their_brand(clips: Mapping[str, Clip], name: str, brand: bytes) -> None:
    """m4a and mp4 differ in the brand of their first box."""
    assert clips[name].read()[4:12] == b"ftyp" + brand


@pytest.mark.parametrize(
    ("name", "codec"),
    [("sentence.ogg", "vorbis"), ("sentence-opus.ogg", "opus"), ("sentence-flac.ogg", "flac")],
)
def test_ogg_carries_the_codec_of_its_name(
    clips: Mapping[str, Clip], name: str, codec: str
) -> None:
    """The plain .ogg is Vorbis; the variants say what they are."""
    with av.open(str(clips[name].path)) as container:
        assert container.streams.audio[0].codec_context.name == codec


def test_a_browser_recording_does_not_tell_its_duration(clips: Mapping[str, Clip]) -> None:
    """The MediaRecorder-like WebM has a segment of unknown size and no duration."""
    clip = clips["sentence-unknown-duration.webm"]
    with av.open(str(clip.path)) as container:
        assert container.duration is None
    assert bytes.fromhex("18538067 01ffffffffffffff") in clip.read()[:100]
    with av.open(str(clips["sentence.webm"].path)) as container:
        assert container.duration is not None


def test_the_video_clip_has_pictures_as_long_as_its_sound(clips: Mapping[str, Clip]) -> None:
    """Video comes first in the file, and moves."""
    clip = clips["sentence-video.mp4"]
    with av.open(str(clip.path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        pictures = [frame.to_ndarray() for frame in container.decode(video=0)]
    assert len(pictures) / 5 == pytest.approx(clip.duration, abs=0.2)
    assert not np.array_equal(pictures[0], pictures[1])
    assert clip.media_type == "video/mp4"


def test_the_second_track_is_another_sentence(clips: Mapping[str, Clip]) -> None:
    """The first of two tracks is the clip's transcript, the second the other sentence."""
    clip = clips["sentence-two-tracks.mp4"]
    other = clips["other-sentence.wav"]
    with av.open(str(clip.path)) as container:
        assert len(container.streams.audio) == 2
    assert clip.transcript == clips["sentence.wav"].transcript
    second, _ = by_ffmpeg(clip.path, track=1)
    assert likeness(put_in(other), second[:, 0])[0] > 0.97


def test_tags_are_read_by_others(clips: Mapping[str, Clip]) -> None:
    """FFmpeg reads the title and the cover picture that were written."""
    with av.open(str(clips["sentence-id3.mp3"].path)) as container:
        assert container.metadata["title"] == "Gruß an alle"
    assert clips["sentence-id3.mp3"].read()[-128:].startswith(b"TAGGru\xdf an alle\0")
    assert picture() in clips["sentence-cover.mp3"].read()
    with av.open(str(clips["sentence-cover.mp3"].path)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == (32, 32, 3)
    assert shown[1, 2].tolist() == [16, 8, 128]


def test_variable_bit_rate_varies(clips: Mapping[str, Clip]) -> None:
    """The frames of the VBR clip differ in size; those of the plain MP3 hardly do."""

    def sizes(name: str) -> set[int]:
        with av.open(str(clips[name].path)) as container:
            return {packet.size for packet in container.demux(audio=0) if packet.size}

    assert len(sizes("sentence.mp3")) <= 2
    assert len(sizes("sentence-vbr.mp3")) > 4


@pytest.mark.parametrize(
    ("name", "tag", "bits"),
    [
        ("sentence.wav", 1, 16),
        ("sentence-8bit.wav", 1, 8),
        ("sentence-24bit.wav", 1, 24),
        ("sentence-float32.wav", 3, 32),
        ("sentence-5.1.wav", 0xFFFE, 16),
        ("sentence-extensible.wav", 0xFFFE, 16),
    ],
)
def test_wave_headers_say_what_the_samples_are(
    clips: Mapping[str, Clip], name: str, tag: int, bits: int
) -> None:
    """Format tag and bits per sample stand in the header as the variant's name says."""
    data = clips[name].read()
    at = data.index(b"fmt ") + 8
    assert int.from_bytes(data[at : at + 2], "little") == tag
    assert int.from_bytes(data[at + 14 : at + 16], "little") == bits


def test_five_point_one_has_the_voice_in_the_centre(clips: Mapping[str, Clip]) -> None:
    """The channels stand for left, right, centre, subwoofer and two at the back."""
    data = clips["sentence-5.1.wav"].read()
    at = data.index(b"fmt ") + 8
    assert int.from_bytes(data[at + 20 : at + 24], "little") == 0x3F
    samples, _ = by_ffmpeg(clips["sentence-5.1.wav"].path)
    loudness = np.abs(samples).max(axis=0)
    assert loudness[2] == loudness.max()
    assert loudness[3] == 0
    assert loudness[[0, 1, 4, 5]].min() > 0.1 * loudness[2]


def test_the_plain_format_of_each_extension_is_named_after_it() -> None:
    """Each of the nine documented extensions has a format of its own name."""
    assert {FORMATS[one].extension for one in NINE} == set(NINE)


def test_the_reference_page_lists_every_format() -> None:
    """The table of formats in the documentation is the one the code goes by."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "audio.md").read_text("utf-8")
    table = page.partition("## Formats")[2]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    expected = []
    for one in FORMATS.values():
        channels = {1: "mono", 2: "stereo", 6: "5.1"}[one.channels]
        rate = f"{one.bitrate // 1000} kbit/s" if one.bitrate else ""
        length = f"up to {one.tolerance * 1000:.0f} ms more" if one.tolerance else "exact"
        expected.append(
            f"| `{one.name}` | {one.extension} | {one.media_type} | {one.container} | {one.codec} "
            f"| {one.rate / 1000:g} kHz {channels} | {'variable' if one.variable else rate} "
            f"| {'yes' if one.repeatable else 'no'} | {one.second or 'none but FFmpeg'} "
            f"| {length} |"
        )
    assert rows == expected
