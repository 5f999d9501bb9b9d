"""A file is brought to a size to the byte, and still holds the same audio for every decoder."""

import hashlib
import io
from functools import cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from soundcheck.audio import Library, RecipeError, ebml
from soundcheck.audio.boxes import boxes
from soundcheck.audio.formats import FORMATS, NINE
from soundcheck.audio.ogg_pages import pages
from soundcheck.audio.pieces import Zeros
from soundcheck.audio.sizing import UnreachableSizeError, sized

LIBRARY = Library()
READ_BY_LIBSNDFILE = {one for one in NINE if FORMATS[one].second or one in ("wav", "flac")}
LIMIT = 26_214_400
MIB = 2**20

Decoded = npt.NDArray[np.generic]


def by_ffmpeg(file: io.BytesIO | str) -> Decoded:
    with av.open(file) as container:
        return np.concatenate([one.to_ndarray() for one in container.decode(audio=0)], axis=1)


def by_libsndfile(file: io.BytesIO | str) -> Decoded:
    samples: Decoded = soundfile.read(file, dtype="int16", always_2d=True)[0]
    return samples


@cache
def plain(extension: str) -> tuple[bytes, Decoded, Decoded | None]:
    """Return a short file without filler, and what the decoders make of it."""
    data = LIBRARY.clip(f"hello.{extension}").read()
    other = by_libsndfile(io.BytesIO(data)) if extension in READ_BY_LIBSNDFILE else None
    return data, by_ffmpeg(io.BytesIO(data)), other


@cache
def smallest(extension: str) -> int:
    with pytest.raises(UnreachableSizeError) as refused:
        sized(plain(extension)[0], FORMATS[extension], 0)
    return refused.value.smallest


def filled(extension: str, size: int) -> bytes:
    pieces = sized(plain(extension)[0], FORMATS[extension], size)
    return b"".join(bytes(one.count) if isinstance(one, Zeros) else one for one in pieces)


def decodes_as_before(extension: str, data: bytes) -> bool:
    _, expected, other = plain(extension)
    same = np.array_equal(by_ffmpeg(io.BytesIO(data)), expected)
    return same and (other is None or np.array_equal(by_libsndfile(io.BytesIO(data)), other))


@pytest.mark.parametrize("extension", NINE)
def test_sizes_near_the_smallest_can_all_be_had(extension: str) -> None:
    """From the smallest size on, every one is hit exactly and decodes to the very same samples."""

    @settings(max_examples=25)
    @given(st.integers(0, 700) | st.integers(0, 200_000))
    @example(0)
    @example(1)
    def check(more: int) -> None:
        data = filled(extension, smallest(extension) + more)
        assert len(data) == smallest(extension) + more
        assert decodes_as_before(extension, data)

    check()


@pytest.mark.parametrize("extension", NINE)
@given(more=st.integers(0, 66_000))
def test_no_size_above_the_smallest_is_missed(extension: str, more: int) -> None:
    """The pieces add up to the size asked for, whatever it is."""
    size = smallest(extension) + more
    assert sum(map(len, sized(plain(extension)[0], FORMATS[extension], size))) == size


@pytest.mark.parametrize("extension", NINE)
def test_the_smallest_size_is_small(extension: str) -> None:
    """Below it the size is refused, naming it; it is little more than the file without filler."""
    least = smallest(extension)
    assert len(plain(extension)[0]) <= least <= len(plain(extension)[0]) + 400
    with pytest.raises(UnreachableSizeError, match=f"smallest possible size is {least} bytes"):
        sized(plain(extension)[0], FORMATS[extension], least - 1)


@pytest.mark.parametrize("more", [*range(-6, 7), 2 * 2**24 - 1])
def test_flac_padding_goes_on_in_a_second_block(more: int) -> None:
    """A block ends at 2**24 - 1 bytes: around that and twice that, sizes are hit and decode."""
    size = smallest("flac") + 2**24 - 1 + more
    data = filled("flac", size)
    assert len(data) == size
    assert decodes_as_before("flac", data)


@pytest.mark.parametrize("extension", NINE)
def test_a_clip_at_the_limit_has_its_bytes_and_its_sound(extension: str) -> None:
    """The 25 MiB clip has 26 214 400 bytes, the digest of them, and the samples of the sentence."""
    clip = LIBRARY.clip(f"sized-{LIMIT}.{extension}")
    sound = LIBRARY.clip(f"sentence.{extension}")
    digest = hashlib.sha256()
    for chunk in clip.chunks():
        digest.update(chunk)
    assert (clip.size, clip.path.stat().st_size) == (LIMIT, LIMIT)
    assert clip.sha256 == digest.hexdigest()
    assert (clip.transcript, clip.words) == (sound.transcript, sound.words)
    assert clip.duration == sound.duration
    assert np.array_equal(by_ffmpeg(str(clip.path)), by_ffmpeg(str(sound.path)))
    if extension in READ_BY_LIBSNDFILE:
        ours, expected = by_libsndfile(str(clip.path)), by_libsndfile(str(sound.path))
        assert np.array_equal(ours, expected)


@pytest.mark.parametrize("extension", NINE)
def test_filler_is_a_hole_in_the_cache(extension: str) -> None:
    """A file of 25 MiB takes less than 3 MB on the disk."""
    path = LIBRARY.clip(f"sized-{LIMIT}.{extension}").path
    assert path.stat().st_blocks * 512 < 3_000_000


@pytest.mark.parametrize("extension", NINE)
def test_the_filler_stands_before_the_audio(extension: str) -> None:
    """A server that cuts the file in its middle keeps none of the sound."""
    clip = LIBRARY.clip(f"sized-{LIMIT}.{extension}")
    with clip.path.open("rb") as file:
        half = file.read(LIMIT // 2)
    try:
        heard = by_ffmpeg(io.BytesIO(half))
    except (av.FFmpegError, IndexError, ValueError):
        return
    assert heard.size == 0


def test_a_wave_file_tells_its_length_truly() -> None:
    """RIFF counts all but an odd byte behind it; the filler is a JUNK chunk, the samples last."""
    least = smallest("wav")
    for size in (least + 100, least + 101):
        data = filled("wav", size)
        assert int.from_bytes(data[4:8], "little") + 8 == size - size % 2
        assert data[36:40] == b"JUNK"
        at = 44 + int.from_bytes(data[40:44], "little")
        assert data[at : at + 4] == b"data"
        assert int.from_bytes(data[at + 4 : at + 8], "little") == size - size % 2 - at - 8


def test_an_mpeg4_file_has_its_filler_in_a_box_of_its_own() -> None:
    """The boxes still make up the file, the free one second."""
    data = filled("m4a", 1_000_000)
    assert [kind for kind, _ in boxes(data)] == [b"ftyp", b"free", b"free", b"mdat", b"moov"]


def test_an_ogg_file_is_pages_numbered_in_order() -> None:
    """All pages have right checksums and numbers from 0 on."""
    data = filled("ogg", 1_000_000)
    found = list(pages(data))
    assert b"".join(page.encoded() for page in found) == data
    assert [page.number for page in found] == list(range(len(found)))


def test_a_webm_file_has_indexes_that_are_right() -> None:
    """SeekHead and Cues name the bytes where their elements begin; FFmpeg seeks by them."""
    data = filled("webm", 1_000_000)
    start, segment = ebml.elements(data)
    assert start.raw + segment.raw == data
    at: dict[bytes, list[int]] = {}
    offset = 0
    for one in ebml.elements(segment.content):
        at.setdefault(one.id, []).append(offset)
        offset += len(one.raw)
    seek_head, *_ = ebml.elements(segment.content)
    for seek in ebml.elements(seek_head.content):
        identity, position = (one.content for one in ebml.elements(seek.content))
        assert at[identity] == [int.from_bytes(position, "big")]
    with av.open(io.BytesIO(filled("webm", 1_000_000))) as container:
        container.seek(500_000)
        assert next(container.decode(audio=0)).pts is not None


def test_any_size_of_a_listed_series_can_be_asked_for(tmp_path: Path) -> None:
    """``sized-N.EXT`` is made on demand for any N, and refused in one message where none is."""
    library = Library(cache=tmp_path)
    clip = library.clip("sized-400001.wav")
    assert (clip.size, clip.media_type) == (400_001, "audio/wav")
    assert library.clip("sized-200000.ogg").size == 200_000
    with pytest.raises(RecipeError, match=r"sized-100\.mp3: the smallest possible size is \d+"):
        library.clip("sized-100.mp3")
    with pytest.raises(RecipeError, match=r"sized-268435457\.mp3: a clip has at most 268435456"):
        library.clip("sized-268435457.mp3")
    for name in ("sized-0400001.wav", "sized-.wav", "sized-1e6.wav", "sized-400001.aac"):
        with pytest.raises(RecipeError, match="there is no clip"):
            library.clip(name)


@pytest.mark.parametrize("extension", NINE)
def test_the_largest_size_can_be_written(extension: str) -> None:
    """At 256 MiB every length still fits into its field."""
    size = 256 * MIB
    assert sum(map(len, sized(plain(extension)[0], FORMATS[extension], size))) == size
