"""Text that a server chose becomes text that does nothing but stand there."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.report.printable import one_line, pieces, printable

ANYTHING = st.text(st.characters(exclude_categories=()))


@given(ANYTHING)
def test_nothing_acts_on_the_display(text: str) -> None:
    """No control, override, surrogate or non-character is left, whatever the text was."""
    shown = printable(text)
    for character in shown:
        assert character in "\t\n" or unicodedata.category(character) not in ("Cc", "Cs")
        assert unicodedata.bidirectional(character) not in (
            *("LRE", "RLE", "LRO", "RLO", "PDF"),
            *("LRI", "RLI", "FSI", "PDI"),
        )
    shown.encode("utf-8")


@given(ANYTHING)
def test_printing_twice_changes_nothing_more(text: str) -> None:
    """What is printable stays as it is."""
    assert printable(printable(text)) == printable(text)


@given(ANYTHING)
def test_pieces_join_to_the_printable_text(text: str) -> None:
    """The pieces with marked escapes say the same as the text with escapes."""
    found = pieces(text)
    assert "".join(piece for piece, _ in found) == printable(text)
    assert all(piece.startswith("\\") for piece, replaced in found if replaced)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Ünïcode 录音 \U0001f3a4", "plain Ünïcode 录音 \U0001f3a4"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("a\rb", "a\\x0db"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\ufeff", "\\ufeff"),
    ],
)
def test_escapes_name_the_code_point(text: str, shown: str) -> None:
    """Ordinary text of any script stays; what is replaced shows its code point."""
    assert printable(text) == shown


def test_one_line_is_one_line_and_no_longer_than_asked() -> None:
    """Newlines and tabs become spaces, and a cut shows as an ellipsis."""
    assert one_line(" a\n\tb ") == "a  b"
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("abcd", 4) == "abcd"
