"""Containers written by FFmpeg through PyAV: everything but WAV and FLAC.

FFmpeg's bit-exact mode (container and codec) keeps version strings, random serial numbers and the
clock out of the files, so that the same samples give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.stream import VideoStream

from soundcheck.audio.formats import Format
from soundcheck.audio.sound import Samples

# What each encoder takes; other sample formats are refused when the codec is opened.
_SAMPLE_FORMATS = {
    "aac": "fltp",
    "flac": "s16",
    "libmp3lame": "s32p",
    "libopus": "flt",
    "mp2": "s16",
    "vorbis": "fltp",
}
_LAYOUTS = {1: "mono", 2: "stereo"}
_SURROUND = dict(enumerate(("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"), 1))
# Raw MP3 begins with its sync word; tags are added by ``tags``.
_MUXER_OPTIONS = {"mp3": {"id3v2_version": "0"}}
_CODEC_OPTIONS = {
    "libopus": {"compression_level": "5"},  # twice as quick as the default, 10
    "vorbis": {"strict": "experimental"},
}
_VARIABLE = {"flags": "+qscale", "global_quality": str(5 * 118)}  # LAME's -V 5; 118 = FF_QP2LAMBDA
_PICTURE_RATE = 5
_WIDTH, _HEIGHT = 64, 48


def write(tracks: Sequence[Samples], form: Format) -> bytes:
    """Return a file with the audio ``tracks`` (float32, shape ``(n, channels)``, ``form.rate`` Hz).

    A format with video gets moving pictures as long as the first track.
    """
    buffer = io.BytesIO()
    options = {"fflags": "+bitexact", **_MUXER_OPTIONS.get(form.container, {})}
    if form.live:
        # As browsers record: no duration, no index, a segment of unknown size.
        options["live"] = "1"
    with av.open(buffer, "w", format=form.container, options=options) as output:
        pictures = _video_stream(output) if form.video else None
        streams = [_audio_stream(output, form) for _ in tracks]
        # The header is written with the first packet, and by then every codec must be open.
        for stream in (*streams, *([pictures] if pictures else [])):
            stream.codec_context.open(strict=False)
        if pictures:
            seconds = len(tracks[0]) / form.rate
            for picture in _pictures(round(seconds * _PICTURE_RATE)):
                output.mux(pictures.encode(picture))
            output.mux(pictures.encode(None))
        for stream, samples in zip(streams, tracks, strict=True):
            for frame in _frames(samples, stream, form):
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return buffer.getvalue()


_PACKERS = {
    # The longest frames there can be: 14 bytes hold eight seconds of silence at 8 kHz.
    "flac": ("flac", "s16", {"frame_size": "65535", "compression_level": "0"}),
    "ogg": ("libopus", "flt", {"b": "500", "frame_duration": "120", "compression_level": "0"}),
}


def write_silence(container: str, seconds: float, rate: int, channels: int) -> bytes:
    """Return silence in as few bytes as the encoder can: ``container`` is "flac" or "ogg" (Opus).

    ``rate`` is in Hz, ``channels`` 1 to 8. Samples are made as they are encoded, a frame at a time.
    """
    codec, sample_format, options = _PACKERS[container]
    layout = _SURROUND[channels]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options={"fflags": "+bitexact"}) as output:
        stream: Any = output.add_stream(codec, rate=rate, options=options)
        context = stream.codec_context
        context.layout, context.format = layout, sample_format
        context.flags |= Flags.bitexact
        context.open(strict=False)
        left = round(seconds * rate)
        at = 0
        while left:
            count = min(context.frame_size, left)
            frame = av.AudioFrame(sample_format, layout, count)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.sample_rate, frame.pts = rate, at
            output.mux(stream.encode(frame))
            left -= count
            at += count
        output.mux(stream.encode(None))
    return buffer.getvalue()


def write_pictures(count: int, form: Format) -> bytes:
    """Return a file of ``count`` moving pictures, five a second, without any sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form.container, options={"fflags": "+bitexact"}) as output:
        stream = _video_stream(output)
        stream.codec_context.open(strict=False)
        for picture in _pictures(count):
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _audio_stream(output: OutputContainer, form: Format) -> AudioStream:
    options = dict(_CODEC_OPTIONS.get(form.codec, {}))
    if form.variable:
        options |= _VARIABLE
    stream: Any = output.add_stream(form.codec, rate=form.rate, options=options)
    context = stream.codec_context
    context.layout = _LAYOUTS[form.channels]
    context.format = _SAMPLE_FORMATS[form.codec]
    if form.bitrate and not form.variable:
        context.bit_rate = form.bitrate
    context.flags |= Flags.bitexact
    return stream  # type: ignore[no-any-return]  # PyAV's types do not narrow by codec name


def _video_stream(output: OutputContainer) -> VideoStream:
    stream: Any = output.add_stream("mpeg4", rate=_PICTURE_RATE)
    stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
    stream.codec_context.flags |= Flags.bitexact
    stream.codec_context.thread_count = 1
    return stream  # type: ignore[no-any-return]


def _frames(samples: Samples, stream: AudioStream, form: Format) -> Iterator[av.AudioFrame]:
    """Cut samples into frames of the encoder's size and sample format."""
    layout = _LAYOUTS[form.channels]
    source = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples).reshape(1, -1), format="flt", layout=layout
    )
    source.sample_rate = form.rate
    source.pts = 0  # the frames cut from it are numbered on from here
    cutter = av.AudioResampler(
        format=_SAMPLE_FORMATS[form.codec],
        layout=layout,
        rate=form.rate,
        frame_size=stream.codec_context.frame_size or None,
    )
    yield from cutter.resample(source)
    yield from cutter.resample(None)


def _pictures(count: int) -> Iterator[av.VideoFrame]:
    """Yield pictures of a brightness gradient that moves by eight pixels each time."""
    x = np.arange(_WIDTH)
    for index in range(count):
        grey = np.tile(((x + 8 * index) * 4 % 256).astype(np.uint8), (_HEIGHT, 1))
        picture = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
        picture.pts = index
        yield picture
