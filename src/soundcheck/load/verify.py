"""Whether an answer says what was said: a fast wrong answer is an error.

Speed and accuracy are different questions. The bounds here are so wide that no honest recognizer
misses them, and so narrow that no canned, cut or mixed-up answer meets them: ``text`` allows a word
error rate of up to one half, ``length`` a text from half to twice as long as what was said.
"""

import unicodedata

# Here and not where it is called: importing takes longer than any answer may be held up.
import jiwer

from soundcheck.audio.phrases import split_words

WORD_ERRORS = 0.5
LENGTHS = (0.5, 2.0)

_APOSTROPHES = str.maketrans("", "", "'\N{RIGHT SINGLE QUOTATION MARK}")


def wrong(text: str, expected: str, how: str) -> bool:
    """Tell whether ``text`` is not what was said, by the rule ``how``: text, length or none.

    Case, punctuation and the kind of blanks make no difference. Words are compared; each ideograph
    is a word. Where nothing is known to have been said, any text is right.
    """
    if how == "none" or text == expected or not expected:
        return False
    if how == "length":
        low, high = LENGTHS
        return not low * len(expected) <= len(text.strip()) <= high * len(expected)
    said, heard = normalised(expected), normalised(text)
    if said == heard:
        return False
    # Aligning texts of very different lengths takes time and can only end in too many errors.
    if not said or not len(said) * (1 - WORD_ERRORS) <= len(heard) <= len(said) * (1 + WORD_ERRORS):
        return True
    return bool(jiwer.wer(" ".join(said), " ".join(heard)) > WORD_ERRORS)


def normalised(text: str) -> list[str]:
    """Return the words of ``text`` in lower case and without punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)
    kept = (" " if unicodedata.category(one)[0] in "PSZC" else one for one in plain)
    return list(split_words("".join(kept)))
