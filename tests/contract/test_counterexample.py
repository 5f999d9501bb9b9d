"""A search finds what fails, makes it simple, keeps to what it may ask, and can be repeated."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import configuration
from hypothesis import strategies as st

from soundcheck.audio.library import cache_folder
from soundcheck.contract import Answer, Probe, Untestable, transcription
from soundcheck.contract.counterexample import MOST_UNANSWERED, Search, search_for_failure
from soundcheck.http.exchange import (
    Exchange,
    Response,
    SentRequest,
    Timing,
    TransportError,
)
from soundcheck.http.multipart import Field

JSON = (("content-type", "application/json"),)
GOOD, FAILED, PLAIN = (200, b'{"text": ""}'), (500, b"{}"), (400, b"no")
REFUSED = (400, b'{"error": {"message": "no", "type": "x", "param": null, "code": null}}')
AFTER = transcription("hello.wav", repeat=1)

texts = st.text(max_size=40)


def _probe(text: str) -> Probe:
    return Probe(parts=(Field("prompt", text),), mistake=f"a prompt of {text!r}")


prompts = texts.map(_probe)


class Deployment:
    """Answers a prompt as told, and counts what it is asked."""

    def __init__(self, answers: Callable[[str], tuple[int, bytes]]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def __call__(self, probe: Probe) -> Answer:
        """Answer; a status of 0 stands for silence."""
        self.asked.append(probe.digest)
        [*fields] = [part.value for part in probe.parts if part.name == "prompt"]
        status, body = self._answers(fields[0]) if fields else GOOD
        late = None if status else TransportError("timeout", "no complete answer in 3 s")
        return Answer(
            Exchange(
                probe.digest,
                "hostile",
                1,
                "",
                SentRequest("POST", "http://127.0.0.1/v1", (), (), 0),
                Response(status, "", JSON, body, ()) if status else None,
                Timing(None, None, 0.0),
                late,
            )
        )


def test_the_simplest_failure_is_found() -> None:
    """What fails is made as short as it can be, in as many requests as are allowed."""
    deployment = Deployment(lambda text: FAILED if any(one > "~" for one in text) else GOOD)
    found: list[str] = []
    with pytest.raises(
        AssertionError, match=r"^a prompt of '.{1,4}': expected a 4xx refusal, got 500"
    ):
        search_for_failure(deployment, 120, prompts, found.append, AFTER)
    assert len(set(deployment.asked)) <= 120
    assert "by seed" in found[0]
    assert "x 500" in found[0]


def test_an_envelope_that_nobody_claims_is_not_asked_for() -> None:
    """Where a profile accepts other errors a refusal is enough; a 5xx is a failure all the same."""
    search_for_failure(
        Deployment(lambda _: PLAIN), 40, prompts, lambda _: None, AFTER, envelope=False
    )
    with pytest.raises(AssertionError, match="expected a 4xx refusal, got 500"):
        search_for_failure(
            Deployment(lambda _: FAILED), 40, prompts, lambda _: None, AFTER, envelope=False
        )


@pytest.mark.parametrize("answer", [GOOD, REFUSED])
def test_nothing_is_found_where_all_is_answered(answer: tuple[int, bytes]) -> None:
    """A transcript or an error in its envelope is right, and no request is made twice."""
    deployment = Deployment(lambda _: answer)
    search_for_failure(deployment, 60, prompts, lambda _: None, AFTER)
    assert len(deployment.asked) == len(set(deployment.asked)) <= 31
    assert deployment.asked[-1] == AFTER.digest


def test_an_answer_that_is_no_error_is_a_failure() -> None:
    """A refusal that is not in the envelope is one."""
    with pytest.raises(AssertionError, match="not strict JSON"):
        search_for_failure(Deployment(lambda _: PLAIN), 20, prompts, lambda _: None, AFTER)


def test_what_may_be_asked_is_never_exceeded() -> None:
    """However much there is to make simpler, the search ends with its last request."""
    deployment = Deployment(lambda text: FAILED if len(text) > 9 else GOOD)
    search = Search(deployment, 40)
    failure = search.run(prompts)
    assert failure is not None
    assert len(deployment.asked) == len(set(deployment.asked)) <= 40
    assert failure.exchange in deployment.asked


def test_silence_is_not_waited_for_without_end() -> None:
    """Each request without an answer takes all of its patience, so only a few are made."""
    deployment = Deployment(lambda text: (0, b"") if len(text) > 2 else GOOD)
    search = Search(deployment, 200)
    assert search.run(prompts) is not None
    assert 1 < search.outcomes["timeout"] <= MOST_UNANSWERED + 1


def test_an_ended_search_keeps_what_it_found() -> None:
    """Where nothing more can be asked, what failed before is told; else the reason for the end."""

    def until(fails: bool) -> Callable[[Probe], Answer]:
        deployment = Deployment(lambda text: FAILED if fails and text else GOOD)

        def ask(probe: Probe) -> Answer:
            if len(deployment.asked) > 5:
                raise Untestable("the run was interrupted")
            return deployment(probe)

        return ask

    with pytest.raises(AssertionError, match="got 500"):
        search_for_failure(until(True), 100, prompts, lambda _: None, AFTER)
    with pytest.raises(Untestable, match="interrupted"):
        search_for_failure(until(False), 100, prompts, lambda _: None, AFTER)


def test_a_deployment_that_died_of_a_request_fails() -> None:
    """Even if the request itself was answered: who is silent afterwards is named as its end."""
    deployment = Deployment(lambda _: GOOD)

    def ask(probe: Probe) -> Answer:
        if len(deployment.asked) == 3:
            raise Untestable(f"the deployment stopped answering after {deployment.asked[-1]}")
        return deployment(probe)

    with pytest.raises(AssertionError, match="stopped answering after"):
        search_for_failure(ask, 100, prompts, lambda _: None, AFTER)


def test_equal_answers_lead_to_equal_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search is repeated request by request, whatever program it is part of."""

    def asked() -> list[str]:
        deployment = Deployment(lambda text: FAILED if len(text) > 3 else GOOD)
        Search(deployment, 100).run(prompts)
        return deployment.asked

    first = asked()
    # Hypothesis would also try the words of any module that was loaded since.
    words = "\n".join(f"WORD_{number} = 'word {number}'" for number in range(300))
    (tmp_path / "soundcheck_words.py").write_text(words)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("soundcheck_words")
    assert asked() == first


def test_nothing_is_written_where_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis keeps its tables in the cache, and goes on as before when a search is over."""
    places: list[Path] = []

    def answers(_: str) -> tuple[int, bytes]:
        places.append(configuration.storage_directory("unicode_data").path)
        return GOOD

    monkeypatch.setattr(configuration, "__hypothesis_home_directory", None)
    Search(Deployment(answers), 10).run(prompts)
    assert {place.parent for place in places} == {cache_folder() / "hypothesis"}
    assert vars(configuration)["__hypothesis_home_directory"] is None
