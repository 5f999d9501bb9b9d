"""What an exchange records of the clips that it uploaded, so that it can be judged without them."""

from pathlib import Path
from typing import Any

from soundcheck.audio import Clip
from soundcheck.audio.clip import Word
from soundcheck.http.exchange import Exchange
from soundcheck.http.multipart import Crafted, Field, File, escaped


def text_description(part: Field) -> dict[str, Any]:
    """Return the record of a text part; of one that is bytes, what can be read and the bytes."""
    if isinstance(part.value, str):
        return {"name": part.name, "value": part.value}
    readable = part.value.decode("utf-8", "backslashreplace")
    return {"name": part.name, "value": readable, "hex": part.value.hex()}


def crafted_description(part: Crafted) -> dict[str, Any]:
    """Return the record of a crafted part: its head, escaped, and what stands in it but a clip."""
    told: dict[str, Any] = {"name": part.name, "head": escaped(part.head)}
    if not part.clip:
        return told | {"value": escaped(part.data + part.after)}
    return told | {"before": escaped(part.data), "after": escaped(part.after)}


def description(part: File | Crafted, clip: Clip) -> dict[str, Any]:
    """Return the record of a file part: how it was labelled, and what its ``clip`` holds."""
    return {
        "name": part.name,
        "filename": part.filename if isinstance(part, File) else None,
        "content_type": part.content_type if isinstance(part, File) else None,
        "clip": clip.name,
        "sha256": clip.sha256,
        "size": clip.size,
        "duration_s": clip.duration,
        "media_type": clip.media_type,
        "sample_rate": clip.sample_rate,
        "channels": clip.channels,
        "language": clip.language,
        "transcript": clip.transcript,
        "words": [[word.text, word.start, word.end] for word in clip.words],
    }


def uploaded(exchange: Exchange) -> Clip | None:
    """Return the first clip that ``exchange`` uploaded, as recorded; its file may be gone."""
    for part in exchange.request.parts:
        if "clip" in part:
            return Clip(
                name=part["clip"],
                path=Path(),
                media_type=part["media_type"],
                size=part["size"],
                sha256=part["sha256"],
                duration=part["duration_s"],
                sample_rate=part["sample_rate"],
                channels=part["channels"],
                language=part["language"],
                transcript=part["transcript"],
                words=tuple(Word(*word) for word in part["words"]),
            )
    return None
