"""Formats: what audio is accepted, and the shapes that a transcript comes back in.

PYTEST_DONT_REWRITE: every assertion brings its own sentence, and pytest's own comparison of two
long texts takes minutes.
"""

import re
import unicodedata
from dataclasses import replace
from itertools import pairwise

from soundcheck.contract import (
    MAY,
    MUST,
    SHOULD,
    Answer,
    Answers,
    Case,
    Deployment,
    NotObserved,
    Probe,
    cases,
    conforms,
    enveloped,
    normalised,
    probes,
    requirement,
    shown,
    transcription,
    word_error_rate,
)
from soundcheck.contract.answer import times
from soundcheck.contract.subtitles import Cue, parse_subtitles

SUBTITLES = ("srt", "vtt")

NINE = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")
WAVE_VARIANTS = (
    "8bit",
    "24bit",
    "float32",
    "8khz",
    "48khz",
    "stereo",
    "5.1",
    "extensible",
)
MORE_WAVE_VARIANTS = ("8bit", "24bit", "extensible")
"""Those that are tried from effort full on."""

WER_MARGIN = 0.10
"""How much worse than its WAV twin a clip may be recognised: lossy codecs cost a little."""

TWIN = transcription("sentence.wav", language="en")
JSON = transcription("speech-10s.wav", language="en")
VERBOSE = transcription("speech-10s.wav", language="en", response_format="verbose_json")


def _in_format(response_format: str) -> Probe:
    return transcription("speech-10s.wav", language="en", response_format=response_format)


@requirement(
    "formats/nine-accepted",
    MUST,
    source="OAS CreateTranscriptionRequest.file; Privatemode speech-to-text page 1.30",
    killed_by=[
        *(f"refuses-{extension}" for extension in NINE),
        "garbles-mp3",
        "garbles-webm",
        "empty-text-for-m4a",
    ],
    draft=["STT-FORMAT-001"],
)
@cases(*(Case(extension, clip=f"sentence.{extension}") for extension in NINE))
@probes(lambda case: {"answer": transcription(case.clip, language="en"), "twin": TWIN})
def test_each_documented_format_is_accepted(answers: Answers, case: Case) -> None:
    """Each of the nine documented formats is accepted and transcribed as well as its WAV twin."""
    _as_good_as_twin(answers)


@requirement(
    "formats/content-decides",
    SHOULD,
    source="vLLM looks at the content only; the Privatemode proxy sends every file as file",
    profiles=["vllm", "privatemode"],
    killed_by=["by-extension-only"],
)
@cases(
    *(
        Case(
            extension,
            clip=f"sentence.{extension}",
            effort="quick" if extension in ("mp3", "m4a", "webm") else "full",
        )
        for extension in NINE
    )
)
@probes(
    lambda case: {
        "answer": transcription(
            case.clip, filename="file", content_type="application/octet-stream", language="en"
        ),
        "twin": TWIN,
    }
)
def test_the_content_decides_the_format(answers: Answers, case: Case) -> None:
    """A file is recognised from its content, whatever its name and type say."""
    _as_good_as_twin(answers)


@requirement(
    "formats/ogg-opus",
    MAY,
    source="OpenAI's error text lists oga",
    killed_by=["refuses-ogg-opus"],
    draft=["STT-FORMAT-002"],
)
@cases(Case("ogg", value="sentence.ogg"), Case("oga", value="sentence.oga", effort="full"))
@probes(
    lambda case: {
        "answer": transcription("sentence-opus.ogg", filename=case.value, language="en"),
        "twin": TWIN,
    }
)
def test_ogg_opus_is_accepted(answers: Answers, case: Case) -> None:
    """Opus in Ogg is accepted, named .ogg or .oga."""
    _as_good_as_twin(answers)


@requirement(
    "formats/mpeg-program-stream",
    MAY,
    source="IANA video/mpeg; the documents list mpeg without saying which",
    killed_by=["refuses-program-stream"],
    draft=["STT-FORMAT-001"],
)
@probes(answer=transcription("sentence-program-stream.mpeg", language="en"), twin=TWIN)
def test_an_mpeg_program_stream_is_accepted(answers: Answers) -> None:
    """An MPEG program stream named .mpeg is accepted, not only MPEG audio under that name."""
    _as_good_as_twin(answers)


@requirement(
    "formats/wave-variants",
    SHOULD,
    source="OAS file: wav; Fireworks' note on resampling",
    killed_by=[
        "refuses-wav-8bit",
        "refuses-wav-24bit",
        "refuses-wav-float",
        "refuses-wav-8khz",
        "refuses-wav-48khz",
        "refuses-wav-stereo",
        "refuses-wav-surround",
        "refuses-wav-extensible",
    ],
    draft=["STT-FORMAT-003"],
)
@cases(
    *(
        Case(
            variant,
            clip=f"sentence-{variant}.wav",
            effort="full" if variant in MORE_WAVE_VARIANTS else "quick",
        )
        for variant in WAVE_VARIANTS
    )
)
@probes(lambda case: {"answer": transcription(case.clip, language="en")})
def test_wave_variants_are_accepted(answers: Answers, case: Case) -> None:
    """WAVE files of other sample formats, rates and channel layouts are accepted."""
    answers.answer.ok()


@requirement(
    "formats/unknown-duration",
    SHOULD,
    source="laravel/ai#316; openwhispr#864",
    killed_by=["refuses-unknown-duration"],
    draft=["STT-FORMAT-004"],
)
@probes(answer=transcription("sentence-unknown-duration.webm", language="en"), twin=TWIN)
def test_browser_recordings_are_accepted(answers: Answers) -> None:
    """A WebM recording without a duration, as browsers make it, is accepted."""
    _as_good_as_twin(answers)


@requirement(
    "formats/first-audio-track",
    SHOULD,
    source="Groq's speech-to-text page: the first audio track is transcribed",
    killed_by=["second-audio-track", "refuses-video"],
    draft=["STT-FORMAT-005"],
)
@cases(
    Case("video", clip="sentence-video.mp4"),
    Case("two-tracks", clip="sentence-two-tracks.mp4"),
)
@probes(lambda case: {"answer": transcription(case.clip, language="en"), "twin": TWIN})
def test_the_first_audio_track_is_transcribed(answers: Answers, case: Case) -> None:
    """An MP4 with video, or with two audio tracks, gives the speech of its first audio track."""
    _as_good_as_twin(answers)


@requirement(
    "formats/mp3-tags",
    SHOULD,
    source="openai-python#333",
    killed_by=["refuses-id3", "refuses-cover-art", "refuses-vbr"],
    draft=["STT-FORMAT-006"],
)
@cases(
    Case("id3", clip="sentence-id3.mp3"),
    Case("cover", clip="sentence-cover.mp3"),
    Case("vbr", clip="sentence-vbr.mp3", effort="full"),
)
@probes(lambda case: {"answer": transcription(case.clip, language="en"), "twin": TWIN})
def test_tagged_mp3_is_accepted(answers: Answers, case: Case) -> None:
    """An MP3 with an ID3v2 tag, cover art or a variable bit rate is accepted."""
    _as_good_as_twin(answers)


@requirement(
    "formats/text-bare",
    SHOULD,
    source="openai-openapi#361; vllm#49095",
    profiles=["openai"],
    needs=["text"],
    killed_by=["text-as-json", "text-as-html", "text-quoted", "text-differs"],
    draft=["STT-FORMAT-007"],
)
@probes(text=_in_format("text"), json=JSON)
def test_text_is_a_bare_transcript(answers: Answers) -> None:
    """With response_format=text the body is the bare transcript, typed text/plain."""
    answer = answers.text.ok()
    body = answer.decoded()
    assert answer.media_type == "text/plain", f"the media type is {answer.media_type or 'missing'}"
    assert not body.lstrip().startswith(('"', "{")), f"the body is not bare text: {shown(body)}"
    text = answers.json.text
    assert body.strip() == text.strip(), (
        f"the body reads {shown(body.strip(), 200)}, the json answer {shown(text, 200)}"
    )


@requirement(
    "formats/text-consistent",
    MUST,
    source="vLLM 0.33 sends JSON, later versions text/plain; vllm#49095",
    profiles=["vllm", "privatemode"],
    needs=["text"],
    killed_by=["text-json-mislabelled"],
    draft=["STT-FORMAT-008"],
)
@probes(text=_in_format("text"))
def test_text_is_consistently_parseable(answers: Answers) -> None:
    """With response_format=text the media type tells whether the body is bare text or JSON."""
    answer = answers.text.ok()
    if answer.media_type == "application/json":
        conforms(answer.object(), "transcription#json")
        return
    body = answer.decoded()
    assert answer.media_type == "text/plain", f"the media type is {answer.media_type or 'missing'}"
    assert not body.lstrip().startswith(('"', "{")), f"text/plain holds JSON: {shown(body)}"


@requirement(
    "formats/subtitles-valid",
    MUST,
    source="OAS AudioResponseFormat; W3C WebVTT; whisperx-api-server#4",
    profiles=["openai"],
    needs=["subtitles"],
    killed_by=[
        "srt-as-json",
        "srt-comma-missing",
        "srt-counter-from-zero",
        "srt-without-blank-lines",
        "vtt-without-header",
        "vtt-comma",
        "subtitles-quoted",
        "escaped-newlines",
        "cue-ends-first",
    ],
    draft=["STT-FORMAT-009"],
)
@cases(*SUBTITLES)
@probes(lambda case: {"subtitles": _in_format(case.id)})
def test_subtitles_are_valid(answers: Answers, case: Case) -> None:
    """An srt or vtt answer is a valid subtitle file with cues in the order of time."""
    cues = _cues(answers.subtitles, case.id)
    assert cues, "there are no cues although the audio holds speech"
    for number, cue in enumerate(cues, start=1):
        assert cue.start <= cue.end, f"cue {number} runs from {cue.start:g} s to {cue.end:g} s"
        assert not cue.text.startswith('"'), f"cue {number} begins with a quote: {shown(cue.text)}"
        assert "\\n" not in cue.text, f"cue {number} holds a literal backslash-n: {shown(cue.text)}"
    for before, after in pairwise(cues):
        assert after.start >= before.start, (
            f"a cue at {after.start:g} s comes after one at {before.start:g} s"
        )


@requirement(
    "formats/unsupported-refused",
    MUST,
    source="vLLM 0.33 refuses srt and vtt with 400; nextcloud/integration_openai#346",
    profiles=["vllm", "privatemode"],
    killed_by=["srt-500", "srt-as-json", "srt-refused-in-html"],
    draft=["STT-FORMAT-010"],
)
@cases(*SUBTITLES)
@probes(lambda case: {"subtitles": _in_format(case.id)})
def test_an_unsupported_format_is_refused_cleanly(answers: Answers, case: Case) -> None:
    """Asked for subtitles, a deployment gives valid ones or a 4xx error, never another format."""
    if answers.subtitles.status == 200:
        _cues(answers.subtitles, case.id)
    else:
        enveloped(answers.subtitles.refused())


@requirement(
    "formats/cues-agree-with-segments",
    SHOULD,
    source="OAS AudioResponseFormat: the same transcript in another form",
    profiles=["openai"],
    needs=["subtitles", "verbose_json", "segments"],
    killed_by=["srt-times-shifted", "subtitles-lose-a-cue"],
    draft=["STT-FORMAT-011"],
)
@cases(*SUBTITLES)
@probes(lambda case: {"subtitles": _in_format(case.id), "verbose": VERBOSE})
def test_cues_agree_with_segments(answers: Answers, case: Case) -> None:
    """Subtitle cues tell the same as the segments of verbose_json, at the same times."""
    cues = _cues(answers.subtitles, case.id)
    spans = times(answers.verbose.objects("segments"), "verbose_json: segment")
    if len(cues) == len(spans):
        for number, (cue, (start, end)) in enumerate(zip(cues, spans, strict=True), start=1):
            apart = max(abs(cue.start - start), abs(cue.end - end))
            assert apart <= 0.1, f"cue {number} is {apart:.2f} s away from its segment"
        return
    told = normalised(" ".join(cue.text for cue in cues))
    assert told == normalised(answers.verbose.text), (
        f"the cues tell another text than the segments (there are {len(cues)} and {len(spans)})"
    )


FOREIGN = (
    Case("german", clip="german.wav", value=("de", "LATIN")),
    Case("russian", clip="russian.wav", value=("ru", "CYRILLIC")),
    Case("chinese", clip="chinese.wav", value=("zh", "CJK")),
)


@requirement(
    "formats/non-ascii-text",
    MUST,
    source="OAS text: a string, so Unicode in every format",
    killed_by=["latin1", "ascii-only", "double-encoded"],
    draft=["STT-FORMAT-012"],
)
@cases(*(replace(case, effort="full") if case.id != "chinese" else case for case in FOREIGN))
@probes(lambda case, deployment: _one_per_format(case, deployment))
def test_non_ascii_text_survives(answers: Answers, case: Case) -> None:
    """Letters outside ASCII arrive undamaged in every format: as UTF-8 or the declared charset."""
    foreign = False
    for name, answer in answers.items():
        if answer.status != 200:  # that a claimed format is refused is another requirement's matter
            continue
        text = _transcript(answer, name)
        damage = _damage(text, answer.spoken.transcript)
        assert damage is None, f"{name}: {damage} in {shown(text, 200)}"
        foreign = foreign or any(c.isalpha() and not c.isascii() for c in text)
    if not foreign:
        raise NotObserved("no answer holds a letter outside ASCII")


@requirement(
    "formats/own-script",
    SHOULD,
    source="OAS text: the transcribed text, in the language of the audio",
    killed_by=["russian-in-latin"],
    draft=["STT-FORMAT-012"],
)
@cases(*FOREIGN)
@probes(lambda case: {"json": _spoken_in(case, "json")})
def test_text_is_in_its_own_script(answers: Answers, case: Case) -> None:
    """Speech in German, Russian and Chinese is written in the script of its language."""
    text = answers.json.text
    letters = [character for character in text if character.isalpha()]
    if not letters:
        raise NotObserved("the text holds no letters")
    _, script = case.value
    own = [c for c in letters if unicodedata.name(c, "").startswith(script)]
    assert len(own) >= 0.8 * len(letters), f"not in the {script} script: {shown(text, 200)}"


def _one_per_format(case: Case, deployment: Deployment) -> dict[str, Probe]:
    """Return a probe for each response format that is claimed for the model under test."""
    claimed = deployment.profile.claims(deployment.model)
    formats = ["json"]
    formats += [name for name in ("text", "verbose_json") if name in claimed]
    formats += [name for name in SUBTITLES if "subtitles" in claimed]
    return {name: _spoken_in(case, name) for name in formats}


def _spoken_in(case: Case, response_format: str) -> Probe:
    language, _ = case.value
    return transcription(case.clip, language=language, response_format=response_format)


def _transcript(answer: Answer, name: str) -> str:
    """Return the text of ``answer`` in its charset, or the whole body where it is bare text.

    What else is wrong with a JSON body is another requirement's matter.
    """
    charset = answer.charset or "utf-8"
    assert _CHARSET.match(charset), f"{name}: the charset {shown(charset)} is not one for text"
    try:
        body = answer.body.decode(charset)
    except (ValueError, LookupError):
        raise AssertionError(f"{name}: the body is not in its charset, {charset}") from None
    if answer.media_type != "application/json":
        return body
    try:
        return answer.text
    except AssertionError:
        return ""


_CHARSET = re.compile(r"utf|ascii|us-ascii|iso|latin|windows|cp\d|koi8|gb|big5|euc|shift|x-sjis")

_ONE_BYTE = ("latin-1", "cp1252")
_TAIL = "".join(
    {bytes([byte]).decode(codec, "ignore") for byte in range(0x80, 0xC0) for codec in _ONE_BYTE}
)
_MISREAD = re.compile(rf"[ÃÐÑ][{_TAIL}]|(?:[ä-é][{_TAIL}]{{2}}){{2}}")
"""UTF-8 read as Latin-1 or Windows-1252: letters of German or Russian, and two of Chinese."""


def _damage(text: str, spoken: str) -> str | None:
    """Return what happened to the letters of ``text``, ``None`` if nothing did.

    A question mark stands for a lost letter where a line is made of little else, or where it turns
    a word of ``spoken`` into what an encoder for ASCII makes of it. One after a word is none.
    """
    if "\N{REPLACEMENT CHARACTER}" in text:
        return "a replacement character"
    if re.search(r"\\u[0-9a-fA-F]{4}", text):
        return "a literal escape"
    if _MISREAD.search(text):
        return "UTF-8 encoded twice"
    for line in text.splitlines():
        if line.count("?") > max(2, sum(map(str.isalpha, line))):
            return "letters replaced by ?"
    for word in re.findall(r"\w+", spoken):
        lost = word.encode("ascii", "replace").decode()
        partly = "?" in lost and lost.strip("?")
        if partly and re.search(rf"(?<!\w){re.escape(lost)}(?!\w)", text, re.IGNORECASE):
            return "letters replaced by ?"
    return None


def _as_good_as_twin(answers: Answers) -> None:
    """Assert that a clip is transcribed, and hardly worse than the same speech as plain WAV.

    Without a readable transcript of the twin there is nothing to compare with: text is enough.
    """
    text = answers.answer.text
    assert text.strip(), "the text is empty although the audio holds speech"
    try:
        heard = answers.twin.text
    except AssertionError:  # a fault of its own: it must not be held against this clip
        return
    spoken = answers.answer.spoken.transcript
    rate, twin = word_error_rate(spoken, text), word_error_rate(spoken, heard)
    assert rate <= twin + WER_MARGIN, (
        f"word error rate {rate:.2f}, its WAV twin's is {twin:.2f}: {shown(text)}"
    )


def _cues(answer: Answer, kind: str) -> list[Cue]:
    assert answer.ok().media_type != "application/json", f"{kind} was asked for: {answer.excerpt}"
    try:
        return parse_subtitles(answer.decoded(), kind)
    except ValueError as error:
        raise AssertionError(f"not valid {kind}: {error}") from None
