"""Probes: requests as frozen values, so that equal requests are sent once and shared."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from urllib.parse import quote

from soundcheck.audio.formats import FORMATS
from soundcheck.http.exchange import Headers
from soundcheck.http.multipart import Field, File, Part

MODEL = "{model}"
"""Stands for the model under test in a path or as a field's whole value, until one is chosen."""


class Lane(StrEnum):
    """When and beside what a probe is sent, in the order of sending."""

    PREFLIGHT = "preflight"
    SHARED = "shared"
    EXCLUSIVE = "exclusive"


@dataclass(frozen=True, slots=True)
class Probe:
    """A request to make: its digest is its identity.

    ``repeat`` tells apart probes that are meant to send the same request again.
    """

    method: str = "POST"
    path: str = "/audio/transcriptions"
    headers: Headers = ()
    parts: tuple[Part, ...] = ()
    lane: Lane = Lane.SHARED
    repeat: int = 0

    @property
    def digest(self) -> str:
        """Return 16 hex digits that identify the request."""
        identity = {key: value for key, value in asdict(self).items() if key != "lane"}
        identity["kinds"] = [type(part).__name__ for part in self.parts]
        canonical = json.dumps(identity, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def clips(self) -> tuple[str, ...]:
        """Return the names of the clips that it uploads."""
        return tuple(part.clip for part in self.parts if isinstance(part, File))

    def on(self, model: str) -> "Probe":
        """Return the probe with ``model`` in the place of the model under test."""
        parts = tuple(
            replace(part, value=model) if isinstance(part, Field) and part.value == MODEL else part
            for part in self.parts
        )
        return replace(self, path=self.path.replace(MODEL, quote(model, safe="")), parts=parts)


def get(path: str, *, lane: Lane = Lane.SHARED) -> Probe:
    """Return a GET of ``path`` below the base URL; ``{model}`` in it is the model under test."""
    return Probe(method="GET", path=path, lane=lane)


def transcription(
    clip: str | None = None,
    *,
    model: str | None = MODEL,
    filename: str | None = "",
    content_type: str | None = "",
    lane: Lane = Lane.SHARED,
    repeat: int = 0,
    **fields: str | list[str],
) -> Probe:
    """Return a transcription request for ``clip`` with form ``fields`` in the order given.

    A list becomes repeated parts named ``NAME[]``, as the official SDK sends it. An empty
    ``filename`` or ``content_type`` stands for the usual one of the clip; ``None`` leaves it out.
    """
    parts: list[Part] = [] if model is None else [Field("model", model)]
    for name, value in fields.items():
        if isinstance(value, str):
            parts.append(Field(name, value))
        else:
            parts += [Field(f"{name}[]", item) for item in value]
    if clip is not None:
        if filename == "":
            filename = clip
        if content_type == "":
            content_type = FORMATS[clip.rpartition(".")[2]].media_type
        parts.append(File("file", clip, filename, content_type))
    return Probe(parts=tuple(parts), lane=lane, repeat=repeat)


NO_FILE = transcription(lane=Lane.PREFLIGHT)
"""The request of the preflight that a deployment refuses without having to work."""

MODELS = get("/models", lane=Lane.PREFLIGHT)
"""The list of models, asked for once by the preflight."""

PREFLIGHT = (MODELS, NO_FILE)
"""What every run asks first."""

TRIAL = transcription("hello.wav", lane=Lane.PREFLIGHT, language="en")
"""What the preflight asks of a model that the deployment does not list."""
