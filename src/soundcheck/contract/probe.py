"""Probes: requests as frozen values, so that equal requests are sent once and shared."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from urllib.parse import quote

from soundcheck.audio.formats import FORMATS
from soundcheck.contract.attack import Attack
from soundcheck.contract.credentials import Credentials
from soundcheck.http.exchange import Headers
from soundcheck.http.multipart import (
    WELL_FORMED,
    Crafted,
    DataURL,
    Field,
    File,
    Frame,
    Part,
)
from soundcheck.http.pace import Pace

TLS, TAP = "TLS", "TAP"
"""In the place of a method: an inspection of the target's TLS, and what a tap saw."""

MODEL = "{model}"
"""Stands for the model under test in a path or as a field's whole value, until one is chosen."""


class Lane(StrEnum):
    """When and beside what a probe is sent, in the order of sending.

    Shared probes run side by side. Exclusive ones (large bodies, timing) run one at a time, and so
    do hostile ones, between which a heartbeat tells whether the deployment is still there. Those of
    the wire go through the tap, one at a time; the closing one asks nothing of the deployment.
    """

    PREFLIGHT = "preflight"
    SHARED = "shared"
    EXCLUSIVE = "exclusive"
    HOSTILE = "hostile"
    WIRE = "wire"
    CLOSING = "closing"


class Wire(StrEnum):
    """How a request goes onto the wire: by an ordinary client, or as the raw sender can do it.

    ``CHUNKED`` sends a body of unknown length (``Transfer-Encoding: chunked``). The official Python
    client writes head and body by itself, from the fields and the file of the form.
    """

    ORDINARY = "ordinary"
    EXPECT = "expect-continue"
    CHUNKED = "chunked"
    OFFICIAL = "official-client"
    OFFICIAL_ASYNC = "official-client-async"


@dataclass(frozen=True, slots=True)
class Probe:
    """A request to make: its digest is its identity.

    The content is a form of ``parts``, put together as ``frame`` says, or the text ``body``.
    ``form_type`` is the form's Content-Type in the place of the usual one, and its boundary the
    form's. The requests ``before`` are sent first, on the same connection. ``pace`` is how slowly
    it is sent and where the client leaves; all probes of one ``crowd`` are sent at once. ``repeat``
    tells apart probes that are meant to send the same request again; ``attack`` is what the tap
    does meanwhile; ``credentials`` say what it carries in the place of the target's key. Not part
    of the identity are the ``lane``, the ``patience`` (seconds that the answer may take; ``None``:
    the run's own timeout) and the ``mistake``, which says in reports what is wrong with a request
    that a deployment must refuse.
    """

    method: str = "POST"
    path: str = "/audio/transcriptions"
    headers: Headers = ()
    parts: tuple[Part, ...] = ()
    body: str = ""
    wire: Wire = Wire.ORDINARY
    form_type: str = ""
    before: tuple["Probe", ...] = ()
    pace: Pace | None = None
    crowd: str = ""
    repeat: int = 0
    attack: Attack = Attack.NONE
    frame: Frame = WELL_FORMED
    credentials: Credentials = Credentials.OWN
    lane: Lane = field(default=Lane.SHARED, compare=False)
    patience: float | None = field(default=None, compare=False)
    mistake: str = field(default="", compare=False)

    @property
    def digest(self) -> str:
        """Return 16 hex digits that identify the request."""
        return _digest(self)

    @property
    def clips(self) -> tuple[str, ...]:
        """Return the names of the clips that it uploads, those of the steps before it first."""
        earlier = [clip for step in self.before for clip in step.clips]
        uploads = (part for part in self.parts if isinstance(part, File | Crafted))
        return (*earlier, *(part.clip for part in uploads if part.clip))

    @property
    def requests(self) -> int:
        """Return the number of requests that it takes."""
        return 1 + sum(step.requests for step in self.before)

    @property
    def quoted(self) -> tuple[str, ...]:
        """Return the names of the clips that it carries as text."""
        return tuple(part.clip for part in self.parts if isinstance(part, DataURL))

    @property
    def told(self) -> str:
        """Return what the request is, in a few words."""
        clips = ", ".join(self.clips)
        asked = " ".join(filter(None, (self.method, self.path, clips)))
        return self.mistake or self.attack or asked

    @property
    def is_request(self) -> bool:
        """Tell whether it asks something of the API, other than what is seen from beside."""
        return self.method not in (TLS, TAP)

    def on(self, model: str) -> "Probe":
        """Return the probe with ``model`` in the place of the model under test."""
        parts = tuple(
            replace(part, value=model) if isinstance(part, Field) and part.value == MODEL else part
            for part in self.parts
        )
        path = self.path.replace(MODEL, quote(model, safe=""))
        before = tuple(step.on(model) for step in self.before)
        return replace(self, path=path, parts=parts, before=before)


def _of_bytes(value: object) -> dict[str, str]:
    """Return bytes as JSON can hold them, and no text is held."""
    if not isinstance(value, bytes):
        raise TypeError(f"a probe holds {value!r}")
    return {"bytes": value.hex()}


@lru_cache(maxsize=4096)  # each is asked for ten times in a run
def _digest(probe: Probe) -> str:
    """Return the digest of a probe; equal probes are the same request."""
    identity = asdict(probe)
    for name in ("lane", "patience", "mistake"):
        del identity[name]
    for name in ("attack", "form_type", "before", "credentials", "pace", "crowd"):
        if not identity[name]:  # recorded runs know their exchanges by digests without it
            del identity[name]
    if probe.frame == WELL_FORMED:
        del identity["frame"]
    if probe.before:
        identity["before"] = [step.digest for step in probe.before]
    identity["kinds"] = [type(part).__name__ for part in probe.parts]
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=True, default=_of_bytes)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def get(
    path: str, *, lane: Lane = Lane.SHARED, credentials: Credentials = Credentials.OWN
) -> Probe:
    """Return a GET of ``path`` below the base URL; ``{model}`` in it is the model under test."""
    return Probe(method="GET", path=path, lane=lane, credentials=credentials)


def fields_of(fields: Mapping[str, str | list[str]]) -> list[Field]:
    """Return the parts of form ``fields``; a list becomes repeated parts named ``NAME[]``."""
    parts = []
    for name, value in fields.items():
        if isinstance(value, str):
            parts.append(Field(name, value))
        else:
            parts += [Field(f"{name}[]", item) for item in value]
    return parts


def transcription(
    clip: str | None = None,
    *,
    model: str | None = MODEL,
    filename: str | None = "",
    content_type: str | None = "",
    accept: str | None = None,
    wire: Wire = Wire.ORDINARY,
    form_type: str = "",
    lane: Lane = Lane.SHARED,
    patience: float | None = None,
    mistake: str = "",
    repeat: int = 0,
    attack: Attack = Attack.NONE,
    credentials: Credentials = Credentials.OWN,
    pace: Pace | None = None,
    crowd: str = "",
    **fields: str | list[str],
) -> Probe:
    """Return a transcription request for ``clip`` with form ``fields`` in the order given.

    A list becomes repeated parts named ``NAME[]``, as the official SDK sends it. An empty
    ``filename`` or ``content_type`` stands for the usual one of the clip; ``None`` leaves it out.
    ``accept`` replaces the usual Accept header; the rest as in :class:`Probe`.
    """
    parts: list[Part] = [] if model is None else [Field("model", model)]
    parts += fields_of(fields)
    if clip is not None:
        if filename == "":
            filename = clip
        if content_type == "":
            content_type = FORMATS[clip.rpartition(".")[2]].media_type
        parts.append(File("file", clip, filename, content_type))
    return Probe(
        headers=() if accept is None else (("Accept", accept),),
        parts=tuple(parts),
        wire=wire,
        form_type=form_type,
        lane=lane,
        patience=patience,
        mistake=mistake,
        repeat=repeat,
        attack=attack,
        credentials=credentials,
        pace=pace,
        crowd=crowd,
    )


def tls_inspection() -> Probe:
    """Return the probe that looks at the TLS of the target itself: no request of its API."""
    return Probe(method=TLS, path="", lane=Lane.EXCLUSIVE)


def everything_tapped() -> Probe:
    """Return the probe that gathers what the tap saw in the whole run, when all was sent."""
    return Probe(method=TAP, path="", lane=Lane.CLOSING)


NO_FILE = transcription(lane=Lane.PREFLIGHT)
"""The request of the preflight that a deployment refuses without having to work."""

MODELS = get("/models", lane=Lane.PREFLIGHT)
"""The list of models, asked for once by the preflight."""

PREFLIGHT = (MODELS, NO_FILE)
"""What every run asks first."""

TRIAL = transcription("hello.wav", lane=Lane.PREFLIGHT, language="en")
"""What the preflight asks of a model that the deployment does not list."""
