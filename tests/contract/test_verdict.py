"""How verdicts of cases become those of a run, and its exit code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.contract.verdict import Verdict, exit_code, run_verdict
from soundcheck.errors import ExitCode

verdicts = st.sampled_from(list(Verdict))


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], "incomplete"),
        ([("MUST", Verdict.NOT_APPLICABLE), ("MUST", Verdict.NOT_SELECTED)], "incomplete"),
        ([("MUST", Verdict.PASS)], "conformant"),
        ([("MUST", Verdict.PASS), ("SHOULD", Verdict.WARN)], "conformant"),
        ([("MUST", Verdict.PASS), ("SHOULD", Verdict.UNTESTABLE)], "conformant"),
        ([("MUST", Verdict.PASS), ("MUST", Verdict.UNTESTABLE)], "incomplete"),
        ([("MUST", Verdict.PASS), ("MUST", Verdict.ERROR)], "incomplete"),
        ([("MUST", Verdict.FAIL), ("MUST", Verdict.ERROR)], "nonconformant"),
    ],
)
def test_the_verdict_of_a_run(results: list[tuple[str, Verdict]], expected: str) -> None:
    """A failed MUST is nonconformant; an undecided MUST, or no decision at all, is incomplete."""
    assert run_verdict(results) == expected


@given(st.lists(st.tuples(st.sampled_from(["MUST", "SHOULD", "MAY"]), verdicts), max_size=8))
def test_only_a_conformant_run_exits_with_0(results: list[tuple[str, Verdict]]) -> None:
    """Exit code 0 is given for conformant runs without an error of our own, and for no other."""
    verdict = run_verdict(results)
    code = exit_code(verdict, [found for _, found in results])
    clean = verdict == "conformant" and Verdict.ERROR not in {found for _, found in results}
    assert (code is ExitCode.OK) == clean
    assert (code is ExitCode.FAILED) == (verdict == "nonconformant")
