"""HTTP: how requests may be framed and labelled, what else is refused, connections, headers.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from soundcheck.contract import (
    MAY,
    MUST,
    SHOULD,
    Answer,
    Answers,
    Case,
    Lane,
    NotObserved,
    Probe,
    Wire,
    cases,
    probes,
    requirement,
    shown,
    transcription,
)

GOOD = transcription("hello.wav", language="en")
OTHER = transcription("sentence.wav", language="en")

PATIENCE = 30.0
"""Seconds in which a request that cannot be served is refused, as ``errors/in-time`` asks."""


def _mistaken(told: str, probe: Probe) -> Probe:
    return replace(probe, mistake=told, patience=PATIENCE)


def _content(media_type: str, body: str) -> Probe:
    return Probe(headers=(("Content-Type", media_type),), body=body)


def _form_type(value: str) -> Probe:
    return transcription("hello.wav", language="en", form_type=value)


NO_BOUNDARY = _mistaken(
    "a form without a boundary",
    _content(
        "multipart/form-data",
        '--soundcheck\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        "--soundcheck--\r\n",
    ),
)
JSON_BODY = _content("application/json", '{"model": "whisper-1", "file": "hello.wav"}')
URLENCODED = _content("application/x-www-form-urlencoded", "model=whisper-1&file=hello.wav")


# -- how a body is framed -----------------------------------------------------------------------


@requirement(
    "http/content-length",
    MUST,
    source="RFC 9112, section 6.2; OAS createTranscription",
    killed_by=["length-refused"],
    draft=["STT-HTTP-001"],
)
@probes(answer=GOOD)
def test_a_body_of_known_length_is_read(answers: Answers) -> None:
    """A request over HTTP/1.1 that tells the length of its body is transcribed."""
    sent = dict(answers.answer.exchange.request.headers)
    if "content-length" not in sent:
        raise NotObserved("what stands between sent the request without its length")
    answers.answer.ok()


@requirement(
    "http/chunked",
    SHOULD,
    source="RFC 9112, section 7.1: a recipient must be able to parse it; audio.cpp#479; paseo#5152",
    killed_by=["chunked-411", "chunked-empty"],
    draft=["STT-HTTP-002"],
)
@probes(answer=transcription("hello.wav", wire=Wire.CHUNKED, language="en"), twin=GOOD)
def test_a_chunked_body_is_read(answers: Answers) -> None:
    """A body that tells no length (Transfer-Encoding: chunked) is transcribed like any other."""
    _as_well_as_twin(answers)


ANNOUNCED = transcription("hello.wav", wire=Wire.EXPECT, language="en")


@requirement(
    "http/expect-continue",
    SHOULD,
    source="RFC 9110, section 10.1.1; curl sends it with bodies of more than 1 MB",
    killed_by=["expect-refused"],
    draft=["STT-HTTP-003"],
)
@probes(answer=ANNOUNCED, twin=GOOD)
def test_an_expectation_is_met(answers: Answers) -> None:
    """A request that asks for leave to send its body (Expect: 100-continue) is transcribed."""
    _as_well_as_twin(answers)


@requirement(
    "http/continue-sent",
    SHOULD,
    source="RFC 9110, section 10.1.1: a server must answer 100, or a final status",
    killed_by=["expect-unanswered"],
    draft=["STT-HTTP-003"],
)
@probes(answer=ANNOUNCED)
def test_leave_is_given(answers: Answers) -> None:
    """Who asks for leave to send a body is answered 100, or finally: clients wait for it."""
    exchange = answers.answer.exchange
    if exchange.request.sent_bytes is None:
        raise NotObserved("an HTTP proxy stands between, and hides interim answers")
    if answers.answer.status != 200:
        raise NotObserved(f"the request was answered without it ({answers.answer.status})")
    told = [status for status, _ in answers.answer.response.interim]
    assert 100 in told, (
        "there was no 100 (Continue): curl waits a second for it at each upload of more than 1 MB"
    )


# -- how a form is labelled ---------------------------------------------------------------------


@requirement(
    "http/part-types",
    MUST,
    source="curl; Privatemode speech-to-text page 1.30, example; Python requests' default",
    killed_by=["octet-stream-refused", "untyped-part-refused"],
    draft=["STT-HTTP-004"],
)
@cases(Case("octet-stream", value="application/octet-stream"), Case("no-type", value=None))
@probes(
    lambda case: {
        "answer": transcription("hello.wav", content_type=case.value, language="en"),
        "twin": GOOD,
    }
)
def test_a_file_may_have_any_type_or_none(answers: Answers, case: Case) -> None:
    """A file part is transcribed as application/octet-stream, and without a Content-Type."""
    _as_well_as_twin(answers)


@requirement(
    "http/boundaries",
    MUST,
    source="RFC 2046, section 5.1.1; RFC 7578, section 4.1",
    killed_by=["boundary-long", "boundary-quotes-kept", "boundary-of-letters"],
    draft=["STT-HTTP-005"],
)
@cases(
    Case("70-characters", value="multipart/form-data; boundary=" + "-" * 30 + "a1B2c3D4e5" * 4),
    Case("punctuation", value='multipart/form-data; boundary="s\'()+_,-./:=?c"', effort="full"),
)
@probes(lambda case: {"answer": _form_type(case.value), "twin": GOOD})
def test_every_boundary_is_understood(answers: Answers, case: Case) -> None:
    """A form is read whatever its boundary: of 70 characters, or quoted with all punctuation."""
    _as_well_as_twin(answers)


@requirement(
    "http/form-type-spelling",
    SHOULD,
    source="RFC 9110, sections 5.6.6 and 8.3.1: names are case-insensitive; RFC 2045, section 5",
    killed_by=["form-type-by-case", "form-type-whole"],
)
@cases(
    Case("capitals", value="Multipart/Form-Data; Boundary=soundcheck-capitals"),
    Case(
        "charset",
        value="multipart/form-data;charset=utf-8;boundary=soundcheck-charset",
        effort="full",
    ),
)
@probes(lambda case: {"answer": _form_type(case.value), "twin": GOOD})
def test_every_spelling_of_the_type_is_understood(answers: Answers, case: Case) -> None:
    """A form is read when its Content-Type has capitals, no blanks or a charset."""
    _as_well_as_twin(answers)


# -- what is refused ----------------------------------------------------------------------------


@requirement(
    "http/boundary-missing",
    MUST,
    source="RFC 7578, section 4.1: boundary is required",
    killed_by=["malformed-500", "malformed-503", "malformed-accepted"],
    draft=["STT-HTTP-006"],
)
@probes(answer=NO_BOUNDARY, twin=GOOD)
def test_a_form_without_a_boundary_is_refused(answers: Answers) -> None:
    """A form whose Content-Type names no boundary is refused with a 4xx."""
    answers.twin.ok()
    answers.answer.refused()


@requirement(
    "http/other-media-types",
    MUST,
    source="OAS createTranscription: multipart/form-data alone",
    killed_by=["malformed-500", "malformed-503", "malformed-accepted"],
    draft=["STT-HTTP-007"],
)
@cases(
    Case("json", value=_mistaken("JSON instead of a form", JSON_BODY)),
    Case("urlencoded", value=_mistaken("a urlencoded form", URLENCODED)),
)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_what_is_no_form_is_refused(answers: Answers, case: Case) -> None:
    """JSON or a urlencoded form that only names a file is refused with a 4xx."""
    answers.twin.ok()
    answers.answer.refused()


WRONG_METHODS = (
    Case("GET", value=_mistaken("GET instead of POST", Probe(method="GET"))),
    Case("PUT", value=_mistaken("PUT instead of POST", replace(GOOD, method="PUT"))),
    Case("DELETE", value=_mistaken("DELETE instead of POST", Probe(method="DELETE"))),
)


@requirement(
    "http/wrong-method",
    SHOULD,
    source="RFC 9110, section 15.5.6",
    killed_by=["method-200", "method-400", "method-500"],
    draft=["STT-HTTP-008"],
)
@cases(*WRONG_METHODS)
@probes(lambda case: {"answer": case.value, "twin": GOOD})
def test_a_wrong_method_is_told_as_such(answers: Answers, case: Case) -> None:
    """GET, PUT and DELETE on the path of transcriptions give 405 or 404."""
    answers.twin.ok()
    status = answers.answer.status
    assert status in (404, 405), f"expected 405 or 404, got {answers.answer.excerpt}"


@requirement(
    "http/allowed-methods",
    SHOULD,
    source="RFC 9110, section 15.5.6: a 405 must name them in Allow",
    killed_by=["method-unexplained"],
)
@cases(*WRONG_METHODS)
@probes(lambda case: {"answer": case.value})
def test_the_right_method_is_named(answers: Answers, case: Case) -> None:
    """A 405 names the methods that are allowed, POST among them, in its header Allow."""
    if answers.answer.status != 405:
        raise NotObserved(f"the status is {answers.answer.status}")
    allowed = answers.answer.header("allow")
    names = {name.strip().upper() for name in (allowed or "").split(",")}
    assert "POST" in names, f"Allow is {'missing' if allowed is None else shown(allowed)}"


# -- connections --------------------------------------------------------------------------------


@requirement(
    "http/connection-kept",
    SHOULD,
    source="RFC 9112, sections 6.3, 9.3 and 9.6",
    killed_by=["refusal-ends-connection", "refused-body-read-as-request"],
    draft=["STT-HTTP-009"],
)
@cases(
    Case(
        "unknown-model",
        value=transcription("hello.wav", model="soundcheck-no-such-model", language="en"),
    ),
    Case("unread-body", value=JSON_BODY),
)
@probes(lambda case: {"answer": replace(GOOD, before=(case.value,), lane=Lane.EXCLUSIVE)})
def test_a_refusal_leaves_the_connection_usable(answers: Answers, case: Case) -> None:
    """A right request that follows a refused one on the same connection is transcribed.

    A deployment may end the connection with its refusal, if it says so (Connection: close).
    """
    exchange = answers.answer.exchange
    first = exchange.earlier[-1].response if exchange.earlier else None
    if first is None or first.status < 400:
        told = "not answered" if first is None else f"answered {first.status}"
        raise NotObserved(f"the request before it was {told}")
    if exchange.response is None and exchange.error is None:
        raise NotObserved(f"the refusal ({first.status}) ends the connection, and says so")
    if exchange.error is not None:
        raise AssertionError(
            f"after a refusal ({first.status}) that did not announce it, the connection is of no "
            f"use ({exchange.error.kind}): {exchange.error.message}"
        )
    assert answers.answer.status == 200, (
        f"after a refusal ({first.status}) a right request on the same connection gets "
        f"{answers.answer.excerpt}"
    )


# -- headers of answers -------------------------------------------------------------------------


@requirement(
    "http/no-shared-caching",
    SHOULD,
    source="RFC 9111, section 3; Privatemode documentation: confidentiality",
    killed_by=["cache-public", "cache-shared-age", "cache-expires"],
    draft=["STT-HTTP-010"],
)
@probes(answer=GOOD)
def test_no_cache_may_share_a_transcript(answers: Answers) -> None:
    """No header allows shared caches to keep a transcript: not public, no age, no late Expires."""
    answer = answers.answer.ok()
    values = [value for name, value in answer.response.headers if name == "cache-control"]
    told = ", ".join(values)
    directives = {
        name.strip().lower(): value.strip().strip('"')
        for name, _, value in (one.partition("=") for one in told.split(","))
    }
    if {"private", "no-store", "no-cache"} & set(directives):
        return
    assert "public" not in directives, f"Cache-Control is {shown(told)}"
    for name in ("s-maxage", "max-age"):
        assert directives.get(name, "0").strip("0") == "", f"Cache-Control is {shown(told)}"
    if not {"s-maxage", "max-age"} & set(directives):
        expires = answer.header("expires")
        assert not _is_later(expires, answer), f"Expires is {shown(expires)}"


@requirement(
    "http/coding-as-asked",
    SHOULD,
    source="RFC 9110, section 12.5.3",
    killed_by=["gzip-unasked"],
)
@probes(answer=GOOD)
def test_answers_are_not_compressed_unasked(answers: Answers) -> None:
    """An answer is not compressed where the request accepts identity alone."""
    coding = answers.answer.ok().header("content-encoding") or "identity"
    assert coding.strip().lower() == "identity", f"Content-Encoding is {shown(coding)}"


@requirement(
    "http/request-id",
    MAY,
    source="OpenAI API reference, Debugging requests: x-request-id; buzz#381",
    profiles=["openai"],
    killed_by=["request-id-empty"],
)
@probes(answer=GOOD)
def test_answers_name_their_request(answers: Answers) -> None:
    """An answer names its request in the header x-request-id."""
    assert answers.answer.ok().header("x-request-id"), "there is no x-request-id"


@requirement(
    "http/request-ids-differ",
    SHOULD,
    source="OpenAI API reference, Debugging requests: a unique identifier; vLLM's X-Request-Id",
    killed_by=["request-id-constant"],
)
@probes(one=GOOD, other=OTHER)
def test_request_ids_differ(answers: Answers) -> None:
    """Two requests that bring no id of their own are given different ones, where ids are given."""
    one, other = (answer.ok().header("x-request-id") for answer in answers.values())
    if not one or not other:
        raise NotObserved("answers have no x-request-id")
    assert one != other, f"two requests have the id {shown(one)}"


_COUNT = re.compile(r"\d+")
_MILLISECONDS = re.compile(r"\d+(\.\d+)?")
_COUNTED = re.compile(r"x-ratelimit-(limit|remaining)-(requests|tokens)")


@requirement(
    "http/informative-headers",
    SHOULD,
    source="OpenAI API reference, Debugging requests; buzz#381",
    killed_by=["processing-time-in-words", "rate-limit-in-words"],
)
@probes(answer=GOOD)
def test_informative_headers_hold_numbers(answers: Answers) -> None:
    """Where openai-processing-ms and the counts of x-ratelimit-… are told, they are numbers."""
    read = False
    for name, value in answers.answer.ok().response.headers:
        pattern = _MILLISECONDS if name == "openai-processing-ms" else None
        pattern = _COUNT if _COUNTED.fullmatch(name) else pattern
        if pattern is not None:
            read = True
            assert pattern.fullmatch(value.strip()), f"{name} is {shown(value)}, not a number"
    if not read:
        raise NotObserved("answers have none of these headers")


def _as_well_as_twin(answers: Answers) -> None:
    """Assert that a request is transcribed, where its twin in the usual form is."""
    if answers.twin.exchange.error is not None or answers.twin.status != 200:
        raise NotObserved("the same request in the usual form is not transcribed either")
    text = answers.answer.text
    assert text.strip() or not answers.twin.text.strip(), (
        "the text is empty; in the usual form the same file has one"
    )


def _is_later(value: str | None, answer: Answer) -> bool:
    """Tell whether an ``Expires`` lies after the answer; what is no date has passed (RFC 9111)."""
    if value is None:
        return False
    try:
        expires = parsedate_to_datetime(value[:80])
    except (ValueError, OverflowError, IndexError):
        return False
    answered = datetime.fromisoformat(answer.exchange.started)
    return (expires if expires.tzinfo else expires.replace(tzinfo=UTC)) > answered
