"""Comparing texts: normalisation and word error rate."""

import unicodedata

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


def word_error_rate(reference: str, hypothesis: str, language: str | None = "en") -> float:
    """Return (substitutions + insertions + deletions) / words of ``reference`` by jiwer.

    Both texts are normalised first. Characters take the place of words in languages written
    without spaces. An empty reference gives 0 for an empty hypothesis, else 1. A hypothesis over
    ten times as long as the reference is not aligned: its surplus alone gives the rate.
    """
    import jiwer

    expected, heard = normalised(reference).split(), normalised(hypothesis).split()
    if language in _UNSPACED:
        expected, heard = list("".join(expected)), list("".join(heard))
    if not expected:
        return float(bool(heard))
    if len(heard) > _ALIGNED * len(expected):
        return (len(heard) - len(expected)) / len(expected)
    return float(jiwer.wer(" ".join(expected), " ".join(heard)))


def letter_error_rate(reference: str, hypothesis: str) -> float:
    """Return the same rate counted in letters and digits, blind to how words are parted."""
    return word_error_rate(reference, hypothesis, language="zh")
