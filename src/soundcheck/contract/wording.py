"""Comparing texts: normalisation and word error rate."""

import unicodedata
from collections.abc import Iterable

from soundcheck.contract.numbers import in_figures, ungrouped

_UNSPACED = ("zh", "ja", "th")
"""Languages written without spaces between words: their rate is counted in characters."""

_ALIGNED = 10
"""How many times as long as its reference a text may be to be worth aligning with it."""


class _Kept(dict[int, str]):
    """What becomes of each character, looked up once: long texts are translated by this table."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character)[0] in "PSZC" else character
        return self[code]


_KEPT = _Kept({ord("'"): "", ord("\N{RIGHT SINGLE QUOTATION MARK}"): ""})


def normalised(text: str) -> str:
    """Return ``text`` in lower case, without punctuation and with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_KEPT).split())


def words_of(text: str, language: str | None = "en") -> list[str]:
    """Return what of ``text`` is compared: its normalised words, numbers in figures.

    ``language`` is an ISO-639-1 code; in one that is written without spaces each character is a
    word.
    """
    words = in_figures(normalised(ungrouped(text)).split(), language)
    return list("".join(words)) if language in _UNSPACED else words


def common_phrase(one: str, other: str) -> str:
    """Return three words in a row that both texts have, normalised; ``""`` if there are none."""
    first, second = normalised(one).split(), normalised(other).split()
    places = (" ".join(first[at : at + 3]) for at in range(len(first) - 2))
    inside = f" {' '.join(second)} "
    return next((phrase for phrase in places if f" {phrase} " in inside), "")


def word_error_rate(reference: str, hypothesis: str, language: str | None = "en") -> float:
    """Return (substitutions + insertions + deletions) / words of ``reference`` by jiwer.

    Both texts are normalised first, and numbers spelled both ways count as equal. Characters take
    the place of words in languages written without spaces. An empty reference gives 0 for an empty
    hypothesis, else 1. A hypothesis over ten times as long as the reference is not aligned: its
    surplus alone gives the rate.
    """
    return pooled_error_rate([(reference, hypothesis)], language)


def pooled_error_rate(pairs: Iterable[tuple[str, str]], language: str | None = "en") -> float:
    """Return the rate over all ``pairs`` of (reference, hypothesis): all errors / all words."""
    errors, words = 0, 0
    for reference, hypothesis in pairs:
        expected, heard = words_of(reference, language), words_of(hypothesis, language)
        errors += _errors(expected, heard)
        words += len(expected)
    return errors / words if words else float(bool(errors))


def aligned(expected: list[str], heard: list[str]) -> list[tuple[str, int, int, int, int]]:
    """Return which words of two lists correspond, in order, as jiwer aligns them.

    Each entry has its kind (``equal``, ``substitute``, ``insert``, ``delete``), the words
    ``expected`` from the first to the second number and those ``heard`` from the third to the
    fourth. There are none for an empty list, or one that is not worth aligning.
    """
    if not expected or not heard or len(heard) > _ALIGNED * len(expected):
        return []
    import jiwer

    [chunks] = jiwer.process_words(" ".join(expected), " ".join(heard)).alignments
    return [
        (one.type, one.ref_start_idx, one.ref_end_idx, one.hyp_start_idx, one.hyp_end_idx)
        for one in chunks
    ]


def _errors(expected: list[str], heard: list[str]) -> int:
    """Return how many words must be changed, put in or left out."""
    if expected == heard:
        return 0
    if not expected or not heard or len(heard) > _ALIGNED * len(expected):
        return abs(len(heard) - len(expected))
    import jiwer

    aligned = jiwer.process_words(" ".join(expected), " ".join(heard))
    return int(aligned.substitutions + aligned.insertions + aligned.deletions)


def letter_error_rate(reference: str, hypothesis: str) -> float:
    """Return the same rate counted in letters and digits, blind to how words are parted."""
    return word_error_rate(reference, hypothesis, language="zh")
