"""Requirements are put together from their cases and ordered as the chapters are."""

from collections.abc import Callable

from soundcheck.report.outcomes import by_area, outcomes, tally, with_verdict
from soundcheck.report.run import Result, Run

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]


def test_cases_make_one_requirement(make_run: MakeRun) -> None:
    """Nine cases are one requirement with the worst of their verdicts, explained worst first."""
    formats = next(one for one in outcomes(make_run()) if one.has_cases)
    assert formats.id == "formats/accepted-by-content"
    assert formats.verdict == "fail"
    assert formats.tally == "7 pass, 1 fail, 1 error"
    assert [(one.case, one.verdict) for one in formats.noteworthy] == [
        ("webm", "fail"),
        ("m4a", "error"),
    ]


def test_areas_stand_in_chapter_order(make_run: MakeRun, make_result: MakeResult) -> None:
    """Known areas come in the design's order, others after them by name."""
    names = ["zebra", "wire", "models", "apple", "schema"]
    moved = [make_result(id=f"{name}/rule", area=name) for name in names]
    found = outcomes(make_run(results=moved))
    assert [one.area for one in found] == ["schema", "models", "wire", "apple", "zebra"]
    assert list(by_area(found)) == [one.area for one in found]


def test_verdicts_come_in_the_order_asked_for(make_run: MakeRun) -> None:
    """A choice of several verdicts is ordered as it was asked for."""
    chosen = with_verdict(outcomes(make_run()), "warn", "fail", "waived")
    assert [one.verdict for one in chosen] == ["warn", "fail", "fail", "waived"]


def test_a_tally_names_what_there_is() -> None:
    """Only verdicts that occur are told, the good ones first."""
    assert tally(["fail", "pass", "pass"]) == "2 pass, 1 fail"
    assert tally([]) == ""
