"""The models that the reference serves, and what each of them can do."""

from dataclasses import dataclass, field

ALL_FORMATS = frozenset({"json", "text", "srt", "vtt", "verbose_json", "diarized_json"})


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """One served model: its id and its capabilities.

    ``formats`` are the response formats it can answer in; ``words`` stands for word times,
    ``hints`` for ``languages[]`` and ``keywords[]``, ``ignores_stream`` for models that answer
    ``stream=true`` with plain JSON, ``max_seconds`` for the longest audio it takes (None: as much
    as the recognizer).
    """

    id: str
    created: int
    formats: frozenset[str]
    words: bool = False
    logprobs: bool = False
    token_usage: bool = False
    diarizes: bool = False
    prompts: bool = True
    hints: bool = False
    ignores_stream: bool = False
    max_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Models:
    """The models of one deployment, in the order in which they are listed."""

    served: tuple[SpeechModel, ...]
    _by_id: dict[str, SpeechModel] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {model.id: model for model in self.served})

    def find(self, model_id: str) -> SpeechModel | None:
        """Return the model of exactly this id, or None."""
        return self._by_id.get(model_id)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids in order."""
        return tuple(model.id for model in self.served)


_WHISPER = frozenset({"json", "text", "srt", "vtt", "verbose_json"})

OPENAI = Models(
    (
        SpeechModel("whisper-large-v3", 1_699_228_800, _WHISPER, words=True),
        SpeechModel("whisper-1", 1_677_532_384, _WHISPER, words=True, ignores_stream=True),
        SpeechModel(
            "gpt-4o-transcribe",
            1_742_068_463,
            frozenset({"json"}),
            logprobs=True,
            token_usage=True,
            max_seconds=1500.0,
        ),
        SpeechModel(
            "gpt-4o-transcribe-diarize",
            1_750_798_887,
            frozenset({"json", "text", "diarized_json"}),
            token_usage=True,
            diarizes=True,
            prompts=False,
            max_seconds=1400.0,
        ),
        SpeechModel(
            "gpt-transcribe",
            1_785_801_600,
            frozenset({"json"}),
            token_usage=True,
            hints=True,
            max_seconds=1500.0,
        ),
    )
)

# A vLLM server knows neither subtitles nor word times; only Whisper-like models are verbose.
VLLM = Models(
    (
        SpeechModel(
            "whisper-large-v3",
            1_699_228_800,
            frozenset({"json", "text", "verbose_json"}),
            max_seconds=600.0,
        ),
        SpeechModel(
            "voxtral-mini-3b", 1_752_537_600, frozenset({"json", "text"}), max_seconds=600.0
        ),
    )
)
