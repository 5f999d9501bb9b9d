"""Every parameter of both dialects: what is taken, and what is refused by name."""

import base64
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.reference.dialects import Dialect, dialect
from soundcheck.reference.parameters import Request
from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.upload import Form, Upload

FILE = Upload(Path("unread"), 100, "clip.wav", "audio/wav")
OPENAI = dialect("openai")
VLLM = dialect("vllm")
BOTH = pytest.mark.parametrize("served", [OPENAI, VLLM], ids=["openai", "vllm"])
WHISPER = ("model", "whisper-large-v3")
GPT = ("model", "gpt-4o-transcribe")
DIARIZE = ("model", "gpt-4o-transcribe-diarize")
VERBOSE = ("response_format", "verbose_json")
SAMPLE = "data:audio/wav;base64," + base64.b64encode(b"RIFF").decode()


def ask(served: Dialect, *fields: tuple[str, str], file: Upload | None = FILE) -> Request:
    return served.request(Form(fields, file))


def refused(served: Dialect, *fields: tuple[str, str], file: Upload | None = FILE) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ask(served, *fields, file=file)
    return caught.value


def outcome(served: Dialect, *fields: tuple[str, str]) -> Request | Refusal:
    try:
        return ask(served, *fields)
    except Refusal as refusal:
        return refusal


@BOTH
def test_defaults(served: Dialect) -> None:
    """A request of model and file alone asks for json at temperature 0, unstreamed."""
    request = ask(served, WHISPER)
    assert request.response_format == "json"
    assert (request.temperature, request.stream, request.logprobs) == (0.0, False, False)
    assert request.granularities == {"segment"}
    assert request.language is None


@BOTH
@pytest.mark.parametrize("name", ["language", "prompt", "response_format", "temperature", "stream"])
def test_an_empty_optional_parameter_counts_as_absent(served: Dialect, name: str) -> None:
    """Clients often send their empty defaults."""
    assert ask(served, WHISPER, (name, "")) == ask(served, WHISPER)


PARAMETERS = [
    "language",
    "prompt",
    "response_format",
    "temperature",
    "include[]",
    "timestamp_granularities[]",
    "stream",
    "chunking_strategy",
    "chunking_strategy[type]",
    "chunking_strategy[threshold]",
    "chunking_strategy[prefix_padding_ms]",
    "known_speaker_names[]",
    "known_speaker_references[]",
    "stream_include_usage",
    "stream_continuous_usage_stats",
    "to_language",
    "hotwords",
    "vllm_xargs",
    "use_beam_search",
    "n",
    "length_penalty",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "max_completion_tokens",
]
odd = st.one_of(
    st.text(max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["true", "word", "json", "auto", "null", '{"type": "server_vad"}', "[" * 3000]),
)


@BOTH
@given(
    name=st.sampled_from(PARAMETERS),
    value=odd,
    model=st.sampled_from([WHISPER, GPT, DIARIZE]),
)
def test_any_value_is_taken_or_refused(
    served: Dialect, name: str, value: str, model: tuple[str, str]
) -> None:
    """Whatever stands in a field, the answer is a request or a refusal with a short message."""
    got = outcome(served, model, (name, value))
    if isinstance(got, Refusal):
        assert got.message.isprintable()
        assert len(got.message) < 1000


@given(value=odd)
def test_temperature_lies_between_0_and_1(value: str) -> None:
    """OpenAI's temperature is a number from 0 to 1; all else is refused by name."""
    got = outcome(OPENAI, WHISPER, ("temperature", value))
    if isinstance(got, Refusal):
        assert got.param == "temperature"
    else:
        assert 0 <= got.temperature <= 1


@BOTH
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "abc", "1e999"])
def test_impossible_temperatures_are_refused(served: Dialect, value: str) -> None:
    """No dialect takes a temperature that is negative, endless or no number."""
    assert refused(served, WHISPER, ("temperature", value)).param == "temperature"


def test_vllm_has_no_upper_bound_of_temperature() -> None:
    """A temperature of 2 is taken there."""
    assert math.isclose(ask(VLLM, WHISPER, ("temperature", "2")).temperature, 2)


@BOTH
@pytest.mark.parametrize("value", ["hh", "english", "en-US", "EN", "e" * 5000])
def test_unknown_languages_are_refused(served: Dialect, value: str) -> None:
    """A language is a known ISO-639-1 code; the refusal names the parameter."""
    refusal = refused(served, WHISPER, ("language", value))
    assert refusal.param == "language"
    assert "language" in refusal.message


@BOTH
@pytest.mark.parametrize("value", ["en", "de", "zh", "yue"])
def test_known_languages_are_taken(served: Dialect, value: str) -> None:
    """Codes of the model's list are taken as they are."""
    assert ask(served, WHISPER, ("language", value)).language == value


@BOTH
@pytest.mark.parametrize(
    ("name", "value"), [("response_format", "xml"), ("timestamp_granularities[]", "sentence")]
)
def test_values_outside_an_enumeration_are_refused(served: Dialect, name: str, value: str) -> None:
    """Enumerated parameters take documented values only."""
    refusal = refused(served, WHISPER, (name, value), VERBOSE)
    assert (refusal.kind, refusal.param) == (Kind.INVALID, name)


@BOTH
def test_a_missing_file_is_named(served: Dialect) -> None:
    """A file is required, and must be a file."""
    assert refused(served, WHISPER, file=None).param == "file"
    assert refused(served, WHISPER, ("file", "text"), file=None).kind is Kind.NOT_A_FILE


def test_a_missing_model_is_refused_by_openai_only() -> None:
    """Without a name vLLM takes its first model."""
    assert refused(OPENAI).param == "model"
    assert ask(VLLM).model.id == "whisper-large-v3"


@BOTH
@pytest.mark.parametrize("name", ["nobody-1", "Whisper-Large-v3", "whisper-large-v3 "])
def test_model_names_are_exact(served: Dialect, name: str) -> None:
    """A name that differs in case or a blank is unknown, and is told back."""
    refusal = refused(served, ("model", name))
    assert (refusal.kind, refusal.param) == (Kind.UNKNOWN_MODEL, "model")
    assert name in refusal.message


@pytest.mark.parametrize(
    ("served", "model", "value"),
    [
        (OPENAI, GPT, "verbose_json"),
        (OPENAI, GPT, "srt"),
        (OPENAI, DIARIZE, "vtt"),
        (OPENAI, WHISPER, "diarized_json"),
        (VLLM, WHISPER, "srt"),
        (VLLM, WHISPER, "vtt"),
        (VLLM, WHISPER, "diarized_json"),
        (VLLM, ("model", "voxtral-mini-3b"), "verbose_json"),
    ],
)
def test_formats_a_model_cannot_answer_in(
    served: Dialect, model: tuple[str, str], value: str
) -> None:
    """A documented format that the model lacks is refused with the parameter named."""
    refusal = refused(served, model, ("response_format", value))
    assert (refusal.kind, refusal.param) == (Kind.UNSUPPORTED_VALUE, "response_format")


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ((), {"segment"}),
        (("word",), {"word"}),
        (("segment",), {"segment"}),
        (("word", "segment"), {"word", "segment"}),
    ],
)
def test_granularities(sent: tuple[str, ...], meant: set[str]) -> None:
    """Granularities are repeated fields with brackets; none means segments."""
    fields = [("timestamp_granularities[]", value) for value in sent]
    assert ask(OPENAI, WHISPER, VERBOSE, *fields).granularities == meant


def test_granularities_need_verbose_json() -> None:
    """OpenAI refuses a granularity where there is nothing to time."""
    refusal = refused(OPENAI, WHISPER, ("timestamp_granularities[]", "word"))
    assert refusal.param == "timestamp_granularities[]"


def test_vllm_does_not_ignore_word_times_in_silence() -> None:
    """Word times are refused, not dropped."""
    asked = ("timestamp_granularities[]", "word")
    assert refused(VLLM, WHISPER, VERBOSE, asked).kind is Kind.UNSUPPORTED_VALUE


def test_logprobs_need_a_capable_model_and_json() -> None:
    """include[]=logprobs is for GPT-4o models."""
    assert ask(OPENAI, GPT, ("include[]", "logprobs")).logprobs
    assert refused(OPENAI, WHISPER, ("include[]", "logprobs")).param == "include[]"
    assert refused(OPENAI, GPT, ("include[]", "everything")).param == "include[]"


@pytest.mark.parametrize(
    "fields",
    [
        [("chunking_strategy", "auto")],
        [("chunking_strategy", '{"type": "server_vad", "threshold": 0.4}')],
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "1")],
    ],
)
def test_chunking_strategies(fields: list[tuple[str, str]]) -> None:
    """A strategy is auto, or voice activity detection as JSON or in brackets."""
    assert ask(OPENAI, WHISPER, *fields).chunking


@pytest.mark.parametrize(
    "fields",
    [
        [("chunking_strategy", "manual")],
        [("chunking_strategy", '{"threshold": 0.4}')],
        [("chunking_strategy", '{"type": "server_vad", "mood": 1}')],
        [("chunking_strategy[type]", "client_vad")],
        [("chunking_strategy[threshold]", "0.5")],
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "1.5")],
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[prefix_padding_ms]", "-1")],
    ],
)
def test_wrong_chunking_strategies_are_refused(fields: list[tuple[str, str]]) -> None:
    """A strategy that is no documented one is named."""
    assert (refused(OPENAI, WHISPER, *fields).param or "").startswith("chunking_strategy")


def test_known_speakers_come_in_pairs_of_at_most_four() -> None:
    """Names and references are equal in number, four at most, for the diarizing model."""

    def fields(names: int, references: int) -> list[tuple[str, str]]:
        named = [("known_speaker_names[]", f"agent-{index}") for index in range(names)]
        return [*named, *[("known_speaker_references[]", SAMPLE)] * references]

    assert ask(OPENAI, DIARIZE, *fields(4, 4)).known_speakers[0] == ("agent-0", b"RIFF")
    for names, references in ((5, 5), (2, 1), (1, 2)):
        refusal = refused(OPENAI, DIARIZE, *fields(names, references))
        assert "known_speaker_names[]" in (refusal.param or "")
    assert refused(OPENAI, WHISPER, *fields(1, 1)).kind is Kind.UNSUPPORTED_VALUE
    broken = ("known_speaker_references[]", "http://127.0.0.1/voice.wav")
    refusal = refused(OPENAI, DIARIZE, ("known_speaker_names[]", "a"), broken)
    assert refusal.param == "known_speaker_references[]"


def test_the_diarizing_model_takes_no_prompt() -> None:
    """The document excludes prompts there."""
    assert refused(OPENAI, DIARIZE, ("prompt", "Agents")).param == "prompt"
    assert ask(OPENAI, DIARIZE, ("prompt", "")).prompt == ""


def test_unknown_parameters() -> None:
    """OpenAI's document forbids further fields; vLLM ignores them."""
    refusal = refused(OPENAI, WHISPER, ("timestamp_granularities", "word"))
    assert "timestamp_granularities[]" in refusal.message
    assert refused(OPENAI, WHISPER, ("foo", "bar")).param == "foo"
    assert ask(VLLM, WHISPER, ("foo", "bar")) == ask(VLLM, WHISPER)


@BOTH
@pytest.mark.parametrize(
    ("value", "meant"), [("true", True), ("True", True), ("1", True), ("false", False)]
)
def test_booleans_in_their_spellings(served: Dialect, value: str, meant: bool) -> None:
    """Clients of several languages spell truth differently."""
    assert ask(served, WHISPER, ("stream", value)).stream is meant
    assert refused(served, WHISPER, ("stream", "maybe")).param == "stream"


def test_stream_is_ignored_for_whisper_1() -> None:
    """The document says so."""
    assert not ask(OPENAI, ("model", "whisper-1"), ("stream", "true")).stream


@pytest.mark.parametrize(
    "fields",
    [
        [("stream", "true"), VERBOSE],
        [("stream", "true"), ("use_beam_search", "true")],
        [("stream_include_usage", "true")],
        [("stream_continuous_usage_stats", "true")],
        [("vllm_xargs", "{")],
        [("vllm_xargs", "[]")],
        [("seed", str(2**63))],
        [("seed", "9" * 5000)],
        [("max_completion_tokens", "0")],
        [("top_p", "0")],
        [("top_p", "1.1")],
        [("n", "0")],
        [("to_language", "klingon")],
    ],
)
def test_vllm_parameters_out_of_range(fields: list[tuple[str, str]]) -> None:
    """The extras of vLLM are checked too."""
    refusal = refused(VLLM, WHISPER, *fields)
    assert refusal.param is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", str(-(2**63))),
        ("top_k", "-1"),
        ("top_p", "0.9"),
        ("min_p", "0"),
        ("frequency_penalty", "-2"),
        ("presence_penalty", "2"),
        ("repetition_penalty", "1.1"),
        ("length_penalty", "-0.5"),
        ("n", "1"),
        ("use_beam_search", "false"),
        ("include_stop_str_in_output", "true"),
        ("to_language", "de"),
        ("hotwords", "Soundcheck"),
        ("vllm_xargs", '{"a": 1}'),
        ("max_completion_tokens", "1"),
    ],
)
def test_vllm_parameters_in_range(name: str, value: str) -> None:
    """Each documented extra is accepted."""
    assert ask(VLLM, WHISPER, (name, value)).model.id == "whisper-large-v3"


@pytest.mark.parametrize("name", ["languages[]", "keywords[]"])
def test_hints_are_for_one_model(name: str) -> None:
    """What may be said of the audio beforehand is refused by name by every other model."""
    hint = (name, "de")
    assert ask(OPENAI, ("model", "gpt-transcribe"), hint, hint).model.hints
    for model in (WHISPER, GPT, DIARIZE):
        assert refused(OPENAI, model, hint).param == name
    assert ask(VLLM, WHISPER, hint) == ask(VLLM, WHISPER)


def test_the_languages_of_a_hint_are_checked() -> None:
    """A hint names languages by their codes."""
    assert refused(OPENAI, ("model", "gpt-transcribe"), ("languages[]", "hh")).kind is Kind.INVALID
