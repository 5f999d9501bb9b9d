"""A recognizer that recognises nothing: it knows the clips by their digest, for load runs.

What a load run measures would be hidden by the cost of recognition. Here an answer costs a digest,
and how long it takes is what a service model says (``service_model``). It says so in every place
where a deployment is described. A file that is no clip of this machine's library gets an empty
text; it is decoded only to tell how long it is, or that it is no audio.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

from soundcheck.audio.clip import Word
from soundcheck.audio.digests import Digests, Known
from soundcheck.audio.phrases import join_words
from soundcheck.reference.alarm import Alarm
from soundcheck.reference.lookup_metrics import Metrics
from soundcheck.reference.pool import LIMIT_SECONDS
from soundcheck.reference.service_model import ServiceModel
from soundcheck.reference.service_queue import ServiceQueue
from soundcheck.reference.transcript import Hearing, Segment, TooLong

_PAUSE = 0.5  # seconds without a word that part two segments: phrases are at least so far apart
_LARGE = 2**21  # bytes from which a digest would hold up the others


class LookupPool:
    """Answers from ``digests`` as fast as ``model`` says; in the place of ``RecognizerPool``."""

    def __init__(self, model: ServiceModel, digests: Digests | None = None) -> None:
        self.model = model
        self._digests = digests or Digests()
        self._queue = ServiceQueue(model.servers)
        self._alarm = Alarm()
        self._times = model.times()
        self._heard: dict[bytes, tuple[float, tuple[Segment, ...]]] = {}
        self.metrics = Metrics(self._queue)

    def __enter__(self) -> "LookupPool":
        return self

    def __exit__(self, *_: object) -> None:
        self._alarm.close()

    @contextlib.asynccontextmanager
    async def listen(
        self, path: Path, limit_seconds: float = LIMIT_SECONDS
    ) -> AsyncIterator[Hearing]:
        """Wait for a server, then let the segments be read once the service is over.

        Raises Undecodable and TooLong as ``RecognizerPool.listen``. Whoever is cancelled, or
        leaves before, frees the place.
        """
        arrived = time.monotonic_ns()
        duration, segments = await self._look_up(path, limit_seconds)
        try:
            begun = await self._queue.enter()
        except asyncio.CancelledError:
            self.metrics.left()
            raise
        seconds = next(self._times) + self.model.per_audio_s * duration
        service = _Service(self._alarm, begun + round(seconds * 1e9), self.model.gap_s)
        try:
            yield Hearing(
                duration, service.segments(segments), service.token if self.model.tokens else None
            )
        finally:
            self._queue.leave(service.due)
            now = time.monotonic_ns()
            if service.due <= now:
                self.metrics.served((now - arrived) / 1e9)
            else:
                self.metrics.left()

    async def _look_up(self, path: Path, limit_seconds: float) -> tuple[float, tuple[Segment, ...]]:
        """Return the seconds of audio in a file, and what is said in it.

        The library's digest, SHA-256, costs most of an answer where the processor has no
        instructions for it. It is made once; the same content is known by another one later.
        """
        if path.stat().st_size > _LARGE:
            quick = await asyncio.to_thread(_digest, path, "blake2b")
        else:
            quick = _digest(path, "blake2b")
        heard = self._heard.get(quick)
        if heard is None:
            known = self._digests.find((await asyncio.to_thread(_digest, path, "sha256")).hex())
            if known is None:
                return await asyncio.to_thread(_duration, path, limit_seconds), ()
            heard = self._heard[quick] = known.duration, tuple(_segments(known))
        if heard[0] > limit_seconds:
            raise TooLong(limit_seconds)
        return heard


class _Service:
    """One request at its server: when its text, and each token of a stream, is due."""

    def __init__(self, alarm: Alarm, due: int, gap_s: float) -> None:
        self.due = due
        self._alarm = alarm
        self._gap = round(gap_s * 1e9)
        self._begun = False

    async def segments(self, segments: tuple[Segment, ...]) -> AsyncIterator[Segment]:
        """Yield what is said once it is due."""
        await self._alarm.until(self.due)
        for segment in segments:
            yield segment

    async def token(self) -> None:
        """Return when the next token is due: the first with the text."""
        if self._begun:
            self.due += self._gap
            await self._alarm.until(self.due)
        self._begun = True


def _digest(path: Path, algorithm: str) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).digest()


def _duration(path: Path, limit_seconds: float) -> float:
    # Only for files that are no clips: decoding is slow to load, and to do.
    from soundcheck.reference.decoding import SAMPLE_RATE, decode

    return len(decode(path, limit_seconds)) / SAMPLE_RATE


def _segments(known: Known) -> list[Segment]:
    """Return the words of a clip as segments, parted at pauses."""
    if not known.words:
        return []
    starts = [0]
    starts += [
        at
        for at, (one, other) in enumerate(pairwise(known.words), 1)
        if other.start - one.end >= _PAUSE
    ]
    bounds = pairwise([*starts, len(known.words)])
    return [_segment(known.words[first:last], known.language or "en") for first, last in bounds]


def _segment(words: tuple[Word, ...], language: str) -> Segment:
    text = join_words([word.text for word in words])
    return Segment(words[0].start, words[-1].end, text, language, words, 0.0, 1.0)
