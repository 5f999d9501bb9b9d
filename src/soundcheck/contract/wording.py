"""Comparing texts: normalisation and word error rate."""

import unicodedata

_UNSPACED = ("zh", "ja", "th")
"""Languages written without spaces between words: their rate is counted in characters."""


def normalised(text: str) -> str:
    """Return ``text`` in lower case, without punctuation and with single spaces."""
    kept = (
        " " if unicodedata.category(character)[0] in "PSZC" else character
        for character in unicodedata.normalize("NFKC", text).casefold()
        if character not in ("'", "\N{RIGHT SINGLE QUOTATION MARK}")
    )
    return " ".join("".join(kept).split())


def word_error_rate(reference: str, hypothesis: str, language: str | None = "en") -> float:
    """Return (substitutions + insertions + deletions) / words of ``reference`` by jiwer.

    Both texts are normalised first. Characters take the place of words in languages written
    without spaces. An empty reference gives 0 for an empty hypothesis, else 1.
    """
    import jiwer

    expected, heard = normalised(reference), normalised(hypothesis)
    if not expected:
        return float(bool(heard))
    if language in _UNSPACED:
        return float(jiwer.cer(expected.replace(" ", ""), heard.replace(" ", "")))
    return float(jiwer.wer(expected, heard))
