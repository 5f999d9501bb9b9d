"""Waivers name a rule, a reason, a link and a last day; what is missing is told by its line."""

import datetime
import re
from pathlib import Path

import pytest

from soundcheck.contract.waivers import load_waivers
from soundcheck.errors import SoundcheckError

ENTRY = """[[waivers]]
id = "formats/nine-accepted"
case = "webm"
reason = "the converter is replaced in May"
link = "https://issues.example/17"
expires = 2027-05-31
"""
WHOLE = ENTRY.replace('case = "webm"\n', "")


def _write(folder: Path, text: str) -> Path:
    path = folder / "waivers.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_waiver_holds_to_the_end_of_its_last_day(tmp_path: Path) -> None:
    """It is for its rule and case alone, on its last day too, and on no day after that."""
    waivers = load_waivers(_write(tmp_path, ENTRY))
    last = datetime.date(2027, 5, 31)
    found = waivers.waiver("formats/nine-accepted", "webm", last)
    assert found is not None
    assert (found.reason, found.link, found.line) == (
        "the converter is replaced in May",
        "https://issues.example/17",
        1,
    )
    assert waivers.waiver("formats/nine-accepted", "webm", datetime.date(2027, 6, 1)) is None
    assert waivers.waiver("formats/nine-accepted", "mp3", last) is None
    assert waivers.waiver("models/list", None, last) is None


def test_a_waiver_for_a_case_goes_first(tmp_path: Path) -> None:
    """Without a case it is for all of them, but one that names the case says more."""
    text = WHOLE.replace("in May", "some day") + "\n" + ENTRY
    waivers = load_waivers(_write(tmp_path, text))
    today = datetime.date(2027, 1, 1)
    reasons = [waivers.waiver("formats/nine-accepted", case, today) for case in ("webm", "mp3")]
    told = [one.reason if one else "" for one in reasons]
    assert told == ["the converter is replaced in May", "the converter is replaced some day"]


def test_a_date_may_be_a_text(tmp_path: Path) -> None:
    """A date in quotes is one, too."""
    waivers = load_waivers(_write(tmp_path, ENTRY.replace("2027-05-31", '"2027-05-31"')))
    assert waivers.entries[0].expires == datetime.date(2027, 5, 31)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (
            ENTRY + "\n" + ENTRY.replace('link = "https://issues.example/17"\n', ""),
            8,
            "link missing",
        ),
        (ENTRY.replace('reason = "the converter is replaced in May"\n', ""), 1, "reason missing"),
        (ENTRY.replace("expires = 2027-05-31\n", ""), 1, "expires missing"),
        (ENTRY.replace("expires", "expiry"), 6, "did you mean expires?"),
        (ENTRY.replace("2027-05-31", '"soon"'), 6, "a date such as 2027-01-31"),
        (ENTRY.replace("2027-05-31", "2027-05-31T10:00:00Z"), 6, "a date such as 2027-01-31"),
        (ENTRY.replace("2027-05-31", "2027-02-31"), 6, "not valid TOML"),
        (ENTRY.replace("https://issues.example/17", "ticket 17"), 5, "'ticket 17' does not match"),
        (ENTRY.replace("the converter is replaced in May", ""), 4, "must not be empty"),
        (ENTRY + ENTRY, 7, "waived in line 1 already"),
        ("# nothing\n", 1, "waivers missing"),
        ("[waivers]\nid = 1\n", 1, "waivers must be an array, not"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    """An entry without its reason, link or expiry, or with a bad one, is told by its line."""
    with pytest.raises(SoundcheckError, match=rf"waivers\.toml:{line}: .*{re.escape(reason)}"):
        load_waivers(_write(tmp_path, text))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A file that is not there is told by its name."""
    with pytest.raises(SoundcheckError, match=r"none\.toml: cannot be read"):
        load_waivers(tmp_path / "none.toml")
