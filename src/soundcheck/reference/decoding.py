"""Any accepted audio file → 16 kHz mono samples, by content alone, with caps that hold meanwhile.

Tolerant per packet: a damaged packet is skipped and what can be decoded is kept. The demuxer may
open nothing but the bytes it is given (no protocol, a short list of formats), because some formats
are playlists or session descriptions that name other places.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.audio.resampler import AudioResampler

from soundcheck.reference.transcript import TooLong, Undecodable

if TYPE_CHECKING:
    import numpy.typing as npt
    from av.audio.frame import AudioFrame
    from av.container import InputContainer

SAMPLE_RATE = 16_000
FORMATS = "wav,flac,mp3,ogg,mpeg,matroska,mov,mp2,aac"
# Work allowed per accepted second: 48 kHz stereo. A file of many channels or of a very high rate
# is cut off by this long before its duration would.
_SAMPLES_PER_SECOND = 2 * 48_000
# Outside of these, in Hz, a header is damaged or hostile: resampling could take minutes per frame.
_LOWEST_RATE, _HIGHEST_RATE = 1_000, 768_000

# libav reports damage as its own errors, as EOFError and ValueError, a missing track as IndexError
# and a codec it does not know as AttributeError.
_DAMAGE = (av.FFmpegError, OSError, EOFError, ValueError, IndexError, AttributeError)

_log = logging.getLogger(__name__)


def decode(path: Path, limit_seconds: float) -> npt.NDArray[np.int16]:
    """Return the first audio track of the file as int16 samples, mono, 16 kHz, shape ``(n,)``.

    Raises Undecodable when the file holds no audio that can be decoded, TooLong as soon as more
    than ``limit_seconds`` (or a corresponding number of samples times channels) came out.
    """
    with path.open("rb") as file:
        try:
            container = av.open(
                file,
                mode="r",
                options={"protocol_whitelist": "", "format_whitelist": FORMATS},
                metadata_errors="replace",
            )
        except _DAMAGE as error:
            _log.debug("not opened: %r", error)
            raise Undecodable("The file is not audio in a supported format.") from None
        with container:
            return _decode(container, limit_seconds)


def _decode(container: InputContainer, limit_seconds: float) -> npt.NDArray[np.int16]:
    if not container.streams.audio:
        raise Undecodable("The file has no audio track.")
    mixer = _Mixer(limit_seconds)
    try:
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except _DAMAGE as error:
                _log.debug("packet skipped: %r", error)
                continue
            for frame in frames:
                mixer.add(frame)
    except _DAMAGE as error:
        _log.debug("reading ended early: %r", error)
    samples = mixer.finish()
    if not len(samples):
        raise Undecodable("The file's audio track is empty or damaged.")
    return samples


class _Mixer:
    """Resamples frames to 16 kHz mono as they come, and keeps count of what they cost."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit = limit_seconds
        self._counts: Counter[int] = Counter()  # samples by rate: sums of whole numbers are exact
        self._work = 0
        self._samples = bytearray()
        self._setup: tuple[object, ...] = ()
        self._resampler: AudioResampler | None = None

    def add(self, frame: AudioFrame) -> None:
        """Take one decoded frame; raises TooLong or Undecodable before it would be resampled."""
        if not _LOWEST_RATE <= frame.sample_rate <= _HIGHEST_RATE:
            raise Undecodable("The file's sample rate is not one of audio.")
        self._counts[frame.sample_rate] += frame.samples
        self._work += frame.samples * frame.layout.nb_channels
        seconds = sum(count / rate for rate, count in self._counts.items())
        if seconds > self._limit or self._work > self._limit * _SAMPLES_PER_SECOND:
            raise TooLong(self._limit)
        setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        if setup != self._setup:  # a stream may change in the middle
            self._flush()
            self._setup = setup
            self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        assert self._resampler is not None  # noqa: S101  # made with the first frame's setup
        frame.pts = None  # gaps in the timestamps are no silence
        self._keep(self._resampler.resample(frame))

    def finish(self) -> npt.NDArray[np.int16]:
        """Return all samples."""
        self._flush()
        return np.frombuffer(self._samples, np.int16)

    def _flush(self) -> None:
        resampler, self._resampler = self._resampler, None
        if resampler is None:
            return
        try:
            self._keep(resampler.resample(None))
        except _DAMAGE as error:  # channels that cannot be mixed show only here
            _log.debug("not resampled: %r", error)

    def _keep(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._samples += frame.to_ndarray()[0].tobytes()
