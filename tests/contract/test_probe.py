"""Probes are values: equal requests are one probe."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.contract import Probe, Wire, get, transcription
from soundcheck.http.multipart import Crafted, DataURL, Field, File, Frame
from soundcheck.http.pace import Pace

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
        transcription("a.wav", wire=Wire.CHUNKED),
        transcription("a.wav", form_type="multipart/form-data; boundary=b"),
        replace(transcription("a.wav"), before=(transcription("a.wav"),)),
        replace(transcription("a.wav"), before=(transcription("b.wav"),)),
        replace(transcription("a.wav"), frame=Frame(line=b"\n")),
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


def test_recorded_runs_still_find_their_exchanges() -> None:
    """What requests can be since must not change the digests of those that do not use it."""
    assert transcription("hello.wav", language="en").digest == "0faab3974add50fd"
    assert get("/models").digest == "e96b48b9a2403fdb"


def test_bytes_are_part_of_the_identity() -> None:
    """Text and bytes tell probes apart, in fields and in crafted parts, whose clip counts."""
    text, data = Probe(parts=(Field("a", "ff"),)), Probe(parts=(Field("a", b"\xff"),))
    assert text.digest != data.digest
    assert data.digest != Probe(parts=(Field("a", b"\xfe"),)).digest
    crafted = Probe(parts=(Crafted("file", b"X: 1", clip="a.wav"), Crafted("b", b"X: 1")))
    assert crafted.clips == ("a.wav",)
    assert crafted.digest != Probe(parts=(Crafted("file", b"X: 2", clip="a.wav"),)).digest


def test_a_request_has_the_digest_of_recorded_runs() -> None:
    """What a probe does not use is no part of its identity: old runs can be judged again."""
    assert transcription("hello.wav", language="en").digest == "0faab3974add50fd"


def test_a_clip_within_a_field_is_no_upload() -> None:
    """A data URL names a clip that must be made, and which counts as text."""
    probe = Probe(parts=(DataURL("voice[]", "a.mp3"), File("file", "b.wav", "b.wav", None)))
    assert probe.quoted == ("a.mp3",)
    assert probe.clips == ("b.wav",)
    other = replace(probe, parts=(DataURL("voice[]", "c.mp3"), *probe.parts[1:]))
    assert other.digest != probe.digest


def test_steps_before_a_request_are_requests_of_their_own() -> None:
    """They take the model's name, and count with what they upload."""
    probe = replace(transcription("b.wav"), before=(transcription("a.wav"), get("/models/{model}")))
    first, second = probe.on("m").before
    assert Field("model", "m") in first.parts
    assert second.path == "/models/m"
    assert probe.requests == 3
    assert probe.clips == ("a.wav", "b.wav")


def test_recorded_runs_know_their_requests() -> None:
    """A request without the newer ways of sending keeps the digest that older runs stored."""
    probe = transcription("hello.wav", language="en").on("whisper-large-v3")
    assert probe.digest == "b69bcb931aebd83f"
    assert replace(probe, pace=Pace(delay=1.0)).digest != probe.digest
