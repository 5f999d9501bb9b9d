"""What the recognizer answers, and how it refuses: light types, shared with the server."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from soundcheck.audio.clip import Word
from soundcheck.audio.phrases import join_words


@dataclass(frozen=True, slots=True)
class Segment:
    """One recognised phrase (or its beginning); times in seconds from the start of the file.

    ``pitch`` is the median voice pitch in Hz, ``confidence`` lies in (0, 1].
    """

    start: float
    end: float
    text: str
    language: str
    words: tuple[Word, ...]
    pitch: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """All segments of a file in order; ``language`` (ISO-639-1) is None when nothing was found."""

    duration: float
    language: str | None
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The whole text: segments joined by a blank, Chinese without."""
        return join_words([segment.text for segment in self.segments])


def language_of(segments: Iterable[Segment]) -> str | None:
    """Return the language that most words of ``segments`` are in, None for none."""
    spoken: Counter[str] = Counter()
    for segment in segments:
        spoken[segment.language] += len(segment.words)
    return spoken.most_common(1)[0][0] if spoken else None


@dataclass(frozen=True, slots=True)
class Hearing:
    """A file that is decoded and being recognised: its seconds, and the segments as they come.

    ``token`` is awaited before each token of a stream, where tokens take time of their own.
    """

    duration: float
    segments: AsyncIterator[Segment]
    token: Callable[[], Awaitable[None]] | None = None

    async def transcript(self) -> Transcript:
        """Return what the segments, which must not have been read yet, amount to."""
        segments = tuple([segment async for segment in self.segments])
        return Transcript(self.duration, language_of(segments), segments)


def hearing(transcript: Transcript) -> Hearing:
    """Return a hearing of what is already known."""

    async def segments() -> AsyncIterator[Segment]:
        for segment in transcript.segments:
            yield segment

    return Hearing(transcript.duration, segments())


class Undecodable(Exception):
    """The file holds no audio that can be decoded; the message may be shown to a client."""


class TooLong(Exception):
    """The audio decodes to more than is accepted; ``limit_seconds`` of mono at 16 kHz."""

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(f"The audio is longer than {limit_seconds:g} seconds.")
        self.limit_seconds = limit_seconds

    def __reduce__(self) -> tuple[type["TooLong"], tuple[float]]:
        """Cross process borders with the limit, not the message."""
        return TooLong, (self.limit_seconds,)
