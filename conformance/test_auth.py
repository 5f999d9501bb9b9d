"""Authentication: who is let in, and what is said to everybody else.

A deployment is judged only where a key was given for it. The key itself is never sent otherwise
than as documented: what is to be refused carries none, or one that was made up.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

from collections.abc import Callable

from soundcheck.contract import (
    MUST,
    SHOULD,
    Answer,
    Answers,
    Case,
    Credentials,
    Deployment,
    Lane,
    NotObserved,
    Probe,
    Wire,
    cases,
    enveloped,
    get,
    probes,
    requirement,
    transcription,
)
from soundcheck.contract.credentials import WRONG_KEY
from soundcheck.contract.requirement import KEY

Found = Callable[[str], None]

PATIENCE = 30.0
"""Seconds in which a request without the right key is refused."""

MOST_SHOWN = 8
"""Characters of a key in sequence that an error may repeat: enough to know one's own by."""

OVERSIZE = "sized-26214401.wav"
"""What is refused for its size as well: the key comes first."""

OWN = transcription("hello.wav", language="en")


def _as(credentials: Credentials, mistake: str) -> Probe:
    return transcription(
        "hello.wav", credentials=credentials, mistake=mistake, patience=PATIENCE, language="en"
    )


WRONG = _as(Credentials.WRONG, "a wrong key")


@requirement(
    "auth/key-required",
    MUST,
    source="OAS securitySchemes ApiKeyAuth; RFC 6750, section 3.1; vLLM with --api-key",
    profiles=["openai", "vllm"],
    needs=[KEY],
    killed_by=[
        "auth-missing-accepted",
        "auth-any-key",
        "auth-any-scheme",
        "auth-refused-500",
        "auth-refused-403",
        "error-html",
    ],
    draft=["STT-AUTH-001"],
)
@cases(
    Case("missing", value=_as(Credentials.NONE, "no key")),
    Case("wrong", value=WRONG),
    Case("empty", value=_as(Credentials.WITHOUT_KEY, "Bearer without a key"), effort="full"),
    Case("basic", value=_as(Credentials.BASIC, "a wrong key in the scheme Basic")),
)
@probes(lambda case: {"answer": case.value, "twin": OWN})
def test_a_key_is_required(answers: Answers, case: Case, deployment: Deployment) -> None:
    """Without the right key there is 401 and an error, or 400 where the header is malformed."""
    answers.twin.ok()
    answer = answers.answer
    allowed = (401,) if case.id in ("missing", "wrong") else (400, 401)
    expected = " or ".join(map(str, allowed))
    assert answer.status != 200, (
        f"served without the right key: {answer.excerpt} (if nobody needs one here, leave out the "
        "key and nothing is claimed)"
    )
    assert answer.status in allowed, f"expected {expected}, got {answer.excerpt}"
    # vLLM's own 401 has a string where others have the error's members.
    if deployment.profile.requirements == "openai" or not _is_short(answer):
        enveloped(answer)


@requirement(
    "auth/models-guarded",
    SHOULD,
    source="OAS security: every operation; vLLM guards all of /v1",
    profiles=["openai", "vllm"],
    needs=[KEY],
    killed_by=["auth-models-open"],
)
@probes(answer=get("/models", credentials=Credentials.WRONG))
def test_the_list_of_models_is_guarded(answers: Answers) -> None:
    """The list of models is refused with 401 to a wrong key."""
    status = answers.answer.status
    assert status == 401, f"expected 401 to a wrong key, got {answers.answer.excerpt}"


@requirement(
    "auth/challenge",
    SHOULD,
    source="RFC 9110, sections 11.6.1 and 15.5.2: 401 comes with WWW-Authenticate",
    profiles=["openai", "vllm"],
    needs=[KEY],
    killed_by=["auth-no-challenge"],
)
@probes(answer=WRONG)
def test_a_401_names_the_scheme(answers: Answers) -> None:
    """A 401 says in WWW-Authenticate by which scheme to come back."""
    answer = _unauthorized(answers.answer)
    assert answer.header("www-authenticate"), "WWW-Authenticate is missing"


@requirement(
    "auth/before-upload",
    SHOULD,
    source="RFC 9110, sections 10.1.1 and 15.5.2",
    needs=[KEY],
    effort="full",
    killed_by=["auth-after-size"],
    draft=["STT-AUTH-002"],
)
@probes(
    answer=transcription(
        OVERSIZE,
        filename="speech.wav",
        credentials=Credentials.WRONG,
        lane=Lane.EXCLUSIVE,
        wire=Wire.EXPECT,
        mistake="a wrong key with a file of 26 MB",
        language="en",
    ),
    small=WRONG,
)
def test_the_key_is_looked_at_before_the_upload(answers: Answers, found: Found) -> None:
    """A wrong key is told to a client that would upload too much, not the size of the upload."""
    _unauthorized(answers.small)
    status = answers.answer.status
    assert status == 401, f"expected 401, got {answers.answer.excerpt}"
    sent = answers.answer.exchange.request.sent_bytes
    if sent is not None:
        found(f"a wrong key is refused after {sent:,} bytes of the upload")


@requirement(
    "auth/key-not-echoed",
    MUST,
    source="OWASP Logging: keys are not repeated",
    needs=[KEY],
    killed_by=["auth-echoes-key"],
    draft=["STT-AUTH-003"],
)
@probes(answer=WRONG)
def test_the_key_is_not_echoed(answers: Answers) -> None:
    """The answer to a wrong key repeats at most 8 characters of it in sequence."""
    answer = answers.answer
    if answer.status < 400:
        raise NotObserved(f"a wrong key is not refused ({answer.status})")
    told = answer.body.decode("utf-8", "replace") + "".join(
        value for _, value in answer.response.headers
    )
    longest = MOST_SHOWN + 1
    shown = (WRONG_KEY[at : at + longest] for at in range(len(WRONG_KEY) - MOST_SHOWN))
    repeated = next((part for part in shown if part in told), None)
    assert repeated is None, f"the answer repeats the key that was sent: {repeated}…"


@requirement(
    "auth/scheme-in-any-case",
    SHOULD,
    source="RFC 9110, section 11.1: the scheme is case-insensitive; vLLM compares it so",
    needs=[KEY],
    killed_by=["auth-scheme-exact"],
    draft=["STT-AUTH-004"],
)
@probes(
    answer=transcription("hello.wav", credentials=Credentials.LOWER_CASE, language="en"), twin=OWN
)
def test_the_scheme_may_be_in_any_case(answers: Answers) -> None:
    """The right key is taken behind bearer as it is behind Bearer."""
    answers.twin.ok()
    answers.answer.ok()


# Its language is left out to tell it from the request that must be refused elsewhere.
BARE = transcription("hello.wav", credentials=Credentials.NONE)


@requirement(
    "auth/proxy-key",
    MUST,
    source="Privatemode speech-to-text page 1.30: start the proxy with a pre-configured API key",
    profiles=["privatemode"],
    killed_by=["proxy-key-unused"],
    draft=["STT-AUTH-005"],
)
@probes(bare=BARE)
def test_a_proxy_uses_its_own_key(answers: Answers, deployment: Deployment, found: Found) -> None:
    """A proxy that was started with a key needs none from its clients.

    Whether it was is known where no key was given for it, and in the other case if it shows.
    """
    if answers.bare.status != 200 and deployment.keyed:
        raise NotObserved("the proxy has no key of its own: it takes the client's")
    answers.bare.ok()
    if deployment.keyed:
        found("the proxy has a key of its own, and needs none from clients")


@requirement(
    "auth/proxy-without-key",
    SHOULD,
    source="privatemode-public 1.40; RFC 9110, section 15.5.2",
    profiles=["privatemode"],
    needs=[KEY],
    killed_by=["auth-refused-500"],
    draft=["STT-AUTH-006"],
)
@probes(bare=BARE, twin=OWN)
def test_a_missing_key_is_the_clients_error(answers: Answers) -> None:
    """A proxy that has no key from anybody answers with a 4xx, not as if it had failed."""
    answers.twin.ok()
    answer = answers.bare
    if answer.status == 200:
        raise NotObserved("the proxy has a key of its own")
    assert 400 <= answer.status <= 499, f"expected a 4xx without a key, got {answer.excerpt}"


def _unauthorized(answer: Answer) -> Answer:
    """Return the refusal of a wrong key; that it is refused is another requirement's matter."""
    if answer.status != 401:
        raise NotObserved(f"a wrong key is not answered with 401 ({answer.status})")
    return answer


def _is_short(answer: Answer) -> bool:
    """Tell whether the error is a string, as in vLLM's documented 401."""
    body = answer.object()
    return isinstance(body.get("error"), str)
