"""Odd requests can all be sent, are all told in words, and are what they are called."""

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundcheck.audio.edits import read
from soundcheck.contract import Lane, Probe
from soundcheck.contract.odd_requests import containers, filenames, forms, values
from soundcheck.http.multipart import Content, Crafted, Field, encode

anything = st.one_of(forms(), values(), filenames(), containers())


def _body(probe: Probe) -> tuple[str, bytes]:
    pairs = []
    for part in probe.parts:
        value = part.value if isinstance(part, Field) else b"SOUND"
        data = value.encode() if isinstance(value, str) else value
        pairs.append((part, Content(b"" if isinstance(part, Crafted) and not part.clip else data)))
    form = encode(pairs, probe.form_type, probe.frame)
    assert form.length == len(form.read())
    return form.content_type, form.read()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(anything)
def test_any_request_can_be_sent(probe: Probe) -> None:
    """Its form is encoded, its type is a header, and it has a digest like any other."""
    content_type, body = _body(probe)
    h11.Request(
        method="POST",
        target="/",
        headers=[("Host", "a"), ("Content-Type", content_type), ("Content-Length", str(len(body)))],
    )
    assert probe.on("whisper-1").digest != probe.digest or probe.on("whisper-1") == probe
    assert probe.lane is Lane.HOSTILE
    assert len(probe.parts) < 10
    assert len(body) < 200_000


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(anything)
def test_any_request_is_told_in_a_sentence(probe: Probe) -> None:
    """What is odd about it stands in words that a report can show."""
    assert probe.mistake
    assert "\n" not in probe.mistake
    assert len(probe.mistake) < 1000


@given(containers())
def test_a_changed_file_is_named_by_its_changes(probe: Probe) -> None:
    """The clip can be made again by the name that the sentence has."""
    [clip] = probe.clips
    base, edits = read(clip)
    assert base.startswith("hello.")
    assert edits
    assert clip in probe.mistake


@pytest.mark.parametrize("strategy", [forms, values, filenames, containers])
def test_requests_differ(strategy) -> None:
    """Each kind of search has very many requests to choose from."""
    seen: set[str] = set()

    @settings(max_examples=60, database=None, derandomize=True)
    @given(strategy())
    def collect(probe: Probe) -> None:
        seen.add(probe.digest)

    collect()
    assert len(seen) > 30
