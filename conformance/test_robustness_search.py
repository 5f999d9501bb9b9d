"""Robustness: searches for a request that is not answered as every request must be."""

from collections.abc import Callable

from soundcheck.contract import (
    MUST,
    Answer,
    Answers,
    Budget,
    Deployment,
    Lane,
    Probe,
    Untestable,
    probes,
    requirement,
    search,
    transcription,
)
from soundcheck.contract.counterexample import search_for_failure

MOST = 240
"""Requests of one search."""

MOST_FILES = 400
"""Requests of the search among files, of six formats."""

LONGEST = 4.0
"""Seconds of audio in one request at most: the file of some is sent twice."""

LARGEST = 200_000
"""Bytes of one request at most."""

QUICK = 15.0
"""Seconds in which a plain request is answered where odd ones are to be in 30 s."""

SOURCE = (
    "RFC 9110, section 15.6: 5xx is for errors of the server; OAS CreateTranscriptionResponseJson "
    "and ErrorResponse"
)
GOOD = transcription("hello.wav", language="en")

Ask = Callable[[Probe], Answer]
Found = Callable[[str], None]


def _after(search: int) -> Probe:
    """Return what the deployment must still transcribe when a search is over."""
    return transcription("hello.wav", language="en", lane=Lane.HOSTILE, repeat=10 + search)


def _is_quick(good: Answer) -> None:
    """Raise ``Untestable`` where a plain request takes most of the time that an odd one may."""
    took = good.exchange.timing.done_s
    if took > QUICK:
        raise Untestable(
            f"a plain request takes {took:.0f} s: the deployment is too slow to be searched"
        )


def _in_envelope(deployment: Deployment) -> bool:
    """Tell whether errors are to be in the envelope: a profile may accept that none is."""
    return deployment.profile.deviation("errors/envelope", None) is None


def _budget(most: int) -> Callable[[Deployment], Budget]:
    return lambda _: Budget(most, audio_s=most * LONGEST, upload_bytes=most * LARGEST)


@requirement(
    "robustness/searched-forms",
    MUST,
    source=SOURCE,
    effort="deep",
    killed_by=["preamble-500", "part-header-hangs"],
)
@search(_budget(MOST))
@probes(good=GOOD)
def test_any_form_is_answered(
    answers: Answers, deployment: Deployment, ask: Ask, found: Found
) -> None:
    """A form that is put together in any way gets a transcript or an error, and harms nothing."""
    from soundcheck.contract.odd_requests import forms

    _is_quick(answers.good.ok())
    search_for_failure(ask, MOST, forms(), found, _after(1), envelope=_in_envelope(deployment))


@requirement(
    "robustness/searched-values",
    MUST,
    source=SOURCE,
    effort="deep",
    killed_by=["blank-value-500", "long-number-dropped"],
)
@search(_budget(MOST))
@probes(good=GOOD)
def test_any_value_is_answered(
    answers: Answers, deployment: Deployment, ask: Ask, found: Found
) -> None:
    """A field of any value gets a transcript or an error, and harms nothing."""
    from soundcheck.contract.odd_requests import values

    _is_quick(answers.good.ok())
    search_for_failure(ask, MOST, values(), found, _after(2), envelope=_in_envelope(deployment))


@requirement(
    "robustness/searched-filenames",
    MUST,
    source=SOURCE,
    effort="deep",
    killed_by=["filename-astral-500", "filename-dots-die"],
)
@search(_budget(MOST))
@probes(good=GOOD)
def test_any_file_name_is_answered(
    answers: Answers, deployment: Deployment, ask: Ask, found: Found
) -> None:
    """A file of any name gets a transcript or an error, and harms nothing."""
    from soundcheck.contract.odd_requests import filenames

    _is_quick(answers.good.ok())
    search_for_failure(ask, MOST, filenames(), found, _after(3), envelope=_in_envelope(deployment))


@requirement(
    "robustness/searched-containers",
    MUST,
    source=SOURCE,
    effort="deep",
    killed_by=["small-box-hangs", "negative-chunk-500"],
)
@search(_budget(MOST_FILES))
@probes(good=GOOD)
def test_any_container_is_answered(
    answers: Answers, deployment: Deployment, ask: Ask, found: Found
) -> None:
    """A file with any bytes changed gets a transcript or an error, and harms nothing."""
    from soundcheck.contract.odd_requests import containers

    _is_quick(answers.good.ok())
    search_for_failure(
        ask, MOST_FILES, containers(), found, _after(4), envelope=_in_envelope(deployment)
    )
