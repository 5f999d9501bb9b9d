"""What wants attention comes with its evidence, once, while there is room, and with its cause."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soundcheck.report.findings import Finding, message_limit, sections
from soundcheck.report.outcomes import outcomes
from soundcheck.report.run import Result, Run

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]
MakeExchange = Callable[..., dict[str, Any]]


def findings(run: Run, folder: Path) -> dict[str, Finding]:
    found = sections(run, folder, outcomes(run))
    return {one.outcome.id: one for section in found for one in section.findings}


@pytest.fixture
def store(tmp_path: Path, make_exchange: MakeExchange) -> Callable[..., str]:
    """Return the function that stores an exchange and tells its digest."""
    (tmp_path / "exchanges").mkdir()

    def write(name: str, **changes: Any) -> str:
        document = make_exchange(name, **changes)
        digest = str(document["digest"])
        (tmp_path / "exchanges" / f"{digest}.json").write_text(json.dumps(document))
        return digest

    return write


BROKEN: dict[str, dict[str, Any]] = {
    "status": {"status": 502, "reason": "Bad Gateway"},
    "connection": {"response": None, "error": {"kind": "reset", "message": "closed"}},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_rules_that_fail_on_one_broken_exchange_name_each_other(
    kind: str,
    tmp_path: Path,
    store: Callable[..., str],
    make_run: MakeRun,
    make_result: MakeResult,
) -> None:
    """A 5xx or a failed connection under several rules is one cause, and links them."""
    broken = store("broken", **BROKEN[kind])
    results = [
        make_result(id="a/one", verdict="fail", exchanges=(broken,)),
        make_result(id="a/two", verdict="warn", case="x", exchanges=(broken,)),
        make_result(id="a/two", case="y"),
        make_result(id="a/kept", exchanges=(broken,)),
    ]
    found = findings(make_run(results=results), tmp_path)
    assert [cause.related for cause in found["a/one"].causes] == [("a/two",)]
    assert [cause.related for cause in found["a/two"].causes] == [("a/one",)]
    trouble = found["a/one"].causes[0].evidence.trouble
    assert trouble == {"status": "502 Bad Gateway", "connection": "reset: closed"}[kind]


def test_rules_that_fail_on_one_sound_exchange_share_no_cause(
    tmp_path: Path, store: Callable[..., str], make_run: MakeRun, make_result: MakeResult
) -> None:
    """An answer of 200, or of 4xx, may break several rules each for its own reason."""
    for status in (200, 404):
        sound = store("sound", status=status)
        results = [make_result(id=f"a/{n}", verdict="fail", exchanges=(sound,)) for n in "bc"]
        assert not any(one.causes for one in findings(make_run(results=results), tmp_path).values())


def test_hundreds_of_rules_with_one_cause_name_a_few(
    tmp_path: Path, store: Callable[..., str], make_run: MakeRun, make_result: MakeResult
) -> None:
    """The others are counted."""
    broken = store("broken", status=500)
    results = [make_result(id=f"a/{n}", verdict="fail", exchanges=(broken,)) for n in range(100)]
    (cause,) = findings(make_run(results=results), tmp_path)["a/7"].causes
    assert (len(cause.related), cause.more) == (8, 91)


def test_evidence_is_shown_in_full_while_there_is_room(
    tmp_path: Path, store: Callable[..., str], make_run: MakeRun, make_result: MakeResult
) -> None:
    """An exchange is shown once, later mentions say so, and beyond the room its file is named."""
    digests = [store(str(number), body='"<&>' * 2000) for number in range(300)]
    results = [
        make_result(id=f"a/{number}", verdict="fail", exchanges=(digest, digests[0]))
        for number, digest in enumerate(digests)
    ]
    found = list(findings(make_run(results=results), tmp_path).values())
    places = [[one.place for one in finding.cases[0].exhibits] for finding in found]
    assert places[0] == ["here"]
    assert places[1] == ["here", "above"]
    assert places[-1] == ["file", "above"]
    assert sum("here" in place for place in places) > 50


def test_cases_that_say_the_same_stand_together(
    tmp_path: Path, store: Callable[..., str], make_run: MakeRun, make_result: MakeResult
) -> None:
    """One message for all of them, and the exchange that they share once."""
    twin, mp3, ogg = store("twin"), store("mp3"), store("ogg")
    results = [
        make_result(case="mp3", verdict="fail", message="no text", exchanges=(mp3, twin)),
        make_result(case="ogg", verdict="fail", message="no text", exchanges=(ogg, twin)),
        make_result(case="wav", verdict="fail", message="status 500", exchanges=(twin,)),
        make_result(case="webm"),
    ]
    finding = findings(make_run(results=results), tmp_path)["a/b"]
    assert [case.names for case in finding.cases] == [("mp3", "ogg"), ("wav",)]
    shown = [one.evidence.digest for one in finding.cases[0].exhibits]
    assert shown == [mp3, twin, ogg]
    assert finding.cases[1].exhibits[0].place == "above"
    assert [result.case for result in finding.others] == ["webm"]


def test_messages_share_the_room(make_run: MakeRun, make_result: MakeResult) -> None:
    """Few messages may be long, thousands may not."""
    few = [make_result(verdict="fail", message="x")]
    many = [make_result(verdict="fail", message="x", case=str(n)) for n in range(3000)]
    assert message_limit(make_run(results=few)) == 4000
    assert message_limit(make_run(results=many)) == 300
