"""Small files that decode to a lot, and pictures without sound."""

import av
import pytest

from soundcheck.audio import Library

LIBRARY = Library()


@pytest.mark.parametrize(
    ("name", "seconds", "rate", "channels", "size"),
    [
        ("silence-bomb.flac", 10_800, 8_000, 1, 100_000),
        ("rate-bomb.flac", 60, 192_000, 8, 20_000),
        ("opus-bomb.ogg", 1_800, 48_000, 1, 100_000),
    ],
)
def test_a_bomb_is_small_and_holds_a_lot(
    name: str, seconds: int, rate: int, channels: int, size: int
) -> None:
    """The clip is described truly: seconds, rate and channels; its file is tiny beside them."""
    clip = LIBRARY.clip(name)
    assert (clip.duration, clip.sample_rate, clip.channels) == (seconds, rate, channels)
    assert clip.transcript == ""
    assert clip.size < size
    with av.open(str(clip.path)) as container:
        stream = container.streams.audio[0]
        assert (stream.sample_rate, stream.channels) == (rate, channels)
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(seconds, abs=0.5)
        assert next(container.decode(stream)).samples > 0


def test_pictures_come_without_sound() -> None:
    """The video has moving pictures and no audio track."""
    with av.open(str(LIBRARY.clip("video-only.mp4").path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert len(list(container.decode(video=0))) == 10
