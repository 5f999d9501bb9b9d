"""Every fact of the contract is checked or excluded, and every requirement is asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from soundcheck.contract.catalogue import load_catalogue
from soundcheck.contract.coverage import load_coverage
from soundcheck.errors import SoundcheckError

KNOWN = [rule.id for rule in load_catalogue()]
GOOD = """title = "Something"
[facts.one]
fact = "It is."
source = "OAS"
requirements = ["schema/json-text"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes one section of coverage, and returns its folder."""

    def write(section: str) -> Path:
        (tmp_path / "1-something.toml").write_text(section, encoding="utf-8")
        (tmp_path / "beyond.toml").write_text("[areas]\n", encoding="utf-8")
        return tmp_path

    return write


def test_every_fact_is_checked_or_excluded() -> None:
    """No fact of the contract is open."""
    assert [f"{fact.section} {fact.name}" for fact in load_coverage().of("open")] == []


def test_every_name_is_a_requirement() -> None:
    """Facts name requirements of the catalogue, and nothing else."""
    assert load_coverage().unknown(KNOWN) == []


def test_every_requirement_is_asked_for() -> None:
    """A requirement is named by a fact in conformance/coverage, or beyond.toml says who asks."""
    assert load_coverage().unasked(KNOWN) == []


def test_every_section_is_there() -> None:
    """The nine sections of the contract have a file each, or one for each of their parts."""
    sections = [
        *("1", "2", "3", "4.1", "4.2", "4.3", "4.4", "5.1", "5.2", "5.3", "6", "7", "8", "9")
    ]
    coverage = load_coverage()
    assert list(coverage.titles) == sections
    assert all(len(coverage.in_section(section)) >= 3 for section in sections)


def test_no_fact_is_told_twice() -> None:
    """The sentences differ within a section, and exclusions have a reason of some length."""
    coverage = load_coverage()
    told = [(fact.section, fact.fact) for fact in coverage.facts]
    assert len(told) == len(set(told))
    assert all(len(fact.excluded) >= 40 for fact in coverage.of("excluded"))


def test_what_becomes_of_a_fact(folder: Callable[[str], Path]) -> None:
    """A fact is checked by what it names, excluded by a reason, open without either."""
    excluded = '[facts.two]\nfact = "x"\nsource = "y"\nexcluded = "z"\n'
    unsettled = '[facts.three]\nfact = "x"\nsource = "y"\n'
    coverage = load_coverage(folder(GOOD + excluded + unsettled))
    assert [fact.state for fact in coverage.facts] == ["checked", "excluded", "open"]
    assert coverage.unknown(["schema/other"]) == ["schema/json-text"]
    assert coverage.unasked(["schema/json-text", "schema/other"]) == ["schema/other"]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (GOOD + 'exclude = "no"', "1-something.toml:6: unknown key 'exclude': did you mean excl"),
        (GOOD + 'excluded = "both"', "1-something.toml:2:"),
        (GOOD.replace('source = "OAS"\n', ""), "1-something.toml:2: source missing"),
        (GOOD.replace("]", ""), "not valid TOML"),
    ],
)
def test_mistakes_are_told_by_file_and_line(
    folder: Callable[[str], Path], section: str, told: str
) -> None:
    """A file of another form is refused; both a check and an exclusion are one too many."""
    with pytest.raises(SoundcheckError) as refused:
        load_coverage(folder(section))
    assert told in str(refused.value)


def test_an_empty_folder_covers_nothing(tmp_path: Path) -> None:
    """Without any fact nothing is covered, which is an error."""
    with pytest.raises(SoundcheckError, match="holds no facts"):
        load_coverage(tmp_path)
