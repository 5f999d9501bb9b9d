"""Probes are values: equal requests are one probe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.contract import Probe, get, transcription
from soundcheck.http.multipart import Field, File

fields = st.dictionaries(
    st.sampled_from(["language", "prompt", "response_format"]), st.text(max_size=8)
)


@given(fields, fields)
def test_the_digest_identifies_the_request(one: dict[str, str], other: dict[str, str]) -> None:
    """Equal requests have equal digests, different ones different digests."""
    first, second = transcription("a.wav", **one), transcription("a.wav", **other)
    assert (first.digest == second.digest) == (first == second)


@pytest.mark.parametrize(
    "other",
    [
        transcription("b.wav"),
        transcription("a.wav", filename="b.wav"),
        transcription("a.wav", content_type=None),
        transcription("a.wav", repeat=1),
        transcription("a.wav", model=None),
        Probe(parts=(File("file", "a.wav", "a.wav", "audio/wav"), Field("model", "{model}"))),
    ],
)
def test_every_part_of_a_request_counts(other: Probe) -> None:
    """Clip, labels, repetition, fields and their order all tell probes apart."""
    assert other.digest != transcription("a.wav").digest


def test_lists_become_repeated_bracketed_parts() -> None:
    """A list is sent as the official SDK sends it, and the model comes first, the file last."""
    probe = transcription("a.mp3", include=["logprobs", "x"], language="en")
    assert [(part.name, getattr(part, "value", None)) for part in probe.parts] == [
        ("model", "{model}"),
        ("include[]", "logprobs"),
        ("include[]", "x"),
        ("language", "en"),
        ("file", None),
    ]
    assert probe.clips == ("a.mp3",)


def test_the_model_is_filled_in() -> None:
    """The model under test takes its place in the field and, quoted, in the path."""
    assert Field("model", "org/m 1") in transcription("a.wav").on("org/m 1").parts
    assert get("/models/{model}").on("org/m 1").path == "/models/org%2Fm%201"
    assert Field("prompt", "{model}!") in transcription("a.wav", prompt="{model}!").on("m").parts
