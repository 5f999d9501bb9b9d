"""The two published wire dialects of the transcription API."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from soundcheck.reference.models import Models, SpeechModel
from soundcheck.reference.parameters import Request
from soundcheck.reference.refusal import Refusal
from soundcheck.reference.settings import Counts, DialectName
from soundcheck.reference.transcript import Hearing, Transcript
from soundcheck.reference.upload import Form

MAX_FILE = 25 * 2**20

# Known speakers: names with the pitch (Hz) of their voice samples.
Voices = Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer before it is encoded: a JSON value, or text of another media type."""

    value: Any
    media_type: str = "application/json"


class Dialect(Protocol):
    """What differs between deployments that claim the same API."""

    name: ClassVar[DialectName]
    models: ClassVar[Models]
    limit_counts: ClassVar[Counts]
    max_field: ClassVar[int]
    max_rest: ClassVar[int]
    retrieves_models: ClassVar[bool]

    def request(self, form: Form) -> Request:
        """Check a form; raises Refusal."""

    def check(self, duration: float, request: Request) -> None:
        """Refuse audio whose length (seconds) does not fit the request; raises Refusal."""

    def answer(self, transcript: Transcript, request: Request, voices: Voices) -> Answer:
        """Render a transcript in the format asked for."""

    def stream(
        self, heard: Hearing, request: Request, voices: Voices, request_id: str
    ) -> AsyncIterator[Any]:
        """Yield the events of a stream, JSON values or texts, as segments are recognised."""

    def stream_failure(self, refusal: Refusal) -> Sequence[Any]:
        """Return the events that end a stream which fails in the middle."""

    def refusal(self, refusal: Refusal) -> tuple[int, Any]:
        """Return the status and the JSON body that tell of a refusal."""

    def model(self, model: SpeechModel) -> dict[str, Any]:
        """Return a model's entry in the list."""

    def headers(self, request_id: str, elapsed: float) -> Mapping[str, str]:
        """Return the headers of every answer; ``elapsed`` in seconds."""


def dialect(name: str) -> Dialect:
    """Return the dialect of this name (one of ``DIALECTS``)."""
    from soundcheck.reference.dialects.openai import OpenAI
    from soundcheck.reference.dialects.vllm import Vllm

    return Vllm() if name == "vllm" else OpenAI()
