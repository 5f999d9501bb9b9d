"""Numbers in words and in figures count as the same word: both become figures.

Whole numbers up to 9,999 in English, German, French, Spanish and Chinese, as they stand in speech;
what else is spelled out (years by twos, fractions, ordinals) is left as it is.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache

_GROUPED = re.compile(r"(?<![\d.,'\u2019])\d{1,3}(?:[.,'\u2019\u00a0\u202f]\d{3})+(?!\d)")
_CHINESE = re.compile("[零〇一二两三四五六七八九十百千]+")
_CHINESE_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {
    "\N{IDEOGRAPHIC NUMBER ZERO}": 0,
    "两": 2,
}
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000}
_LONGEST = 9
"""Words of the longest number: "nine thousand nine hundred and ninety nine" and its like."""


def _names(names: str) -> list[str]:
    return names.split()


def ungrouped(text: str) -> str:
    """Return ``text`` with the thousands of its figures joined: 26,214 becomes 26214."""
    return _GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), text)


def in_figures(words: Sequence[str], language: str | None) -> list[str]:
    """Return normalised ``words`` with every number that is spelled out in figures.

    ``language`` is an ISO-639-1 code; in another one than those above nothing is changed.
    """
    if language == "zh":
        return [_CHINESE.sub(_chinese, word) for word in words]
    if language not in _SPELLED:
        return list(words)
    known, beginnings = _known(language), _beginnings(language)
    found: list[str] = []
    at = 0
    while at < len(words):
        longest = _LONGEST if words[at] in beginnings else 0
        for length in range(min(longest, len(words) - at), 0, -1):
            value = known.get(tuple(words[at : at + length]))
            if value is not None:
                found.append(value)
                at += length
                break
        else:
            found.append(words[at])
            at += 1
    return found


@cache
def _known(language: str) -> dict[tuple[str, ...], str]:
    known: dict[tuple[str, ...], str] = {}
    for number in range(10_000):
        for form in _SPELLED[language](number):
            known.setdefault(tuple(form.split()), str(number))
    return known


@cache
def _beginnings(language: str) -> frozenset[str]:
    return frozenset(words[0] for words in _known(language))


_ENGLISH = _names(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_ENGLISH_TENS = _names("twenty thirty forty fifty sixty seventy eighty ninety")


def _english(number: int) -> Iterable[str]:
    if number < 20:
        return [_ENGLISH[number]]
    if number < 100:
        tens, units = divmod(number, 10)
        return [_joined(_ENGLISH_TENS[tens - 2], _ENGLISH[units] if units else "")]
    return _with_unit(number, "hundred", "thousand", _english, "a", "and")


def _with_unit(
    number: int,
    hundred: str,
    thousand: str,
    spell: Callable[[int], Iterable[str]],
    article: str,
    conjunction: str,
) -> list[str]:
    """Return the forms of a number from 100 on that is spelled in words of their own."""
    unit, name = (1000, thousand) if number >= 1000 else (100, hundred)
    many, rest = divmod(number, unit)
    counts = [*spell(many), *([article] if many == 1 else [])]
    tails = [""]
    if rest:
        tails = list(spell(rest))
        tails += [f"{conjunction} {tail}" for tail in tails] if rest < 100 else []
    return [_joined(count, name, tail) for count in counts for tail in tails]


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))


_GERMAN = _names(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
    "fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
_GERMAN_TENS = _names("zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")


def _german(number: int) -> Iterable[str]:
    """Return one long word; "ß" as texts have it after folding."""
    whole = _german_word(number).replace("ß", "ss")
    return [whole, whole.removeprefix("ein")] if number in (100, 1000) else [whole]


def _german_word(number: int) -> str:
    if number < 20:
        return _GERMAN[number]
    if number < 100:
        tens, units = divmod(number, 10)
        name = _GERMAN_TENS[tens - 2]
        return f"{_german_count(units)}und{name}" if units else name
    unit, name = (1000, "tausend") if number >= 1000 else (100, "hundert")
    many, rest = divmod(number, unit)
    return _german_count(many) + name + (_german_word(rest) if rest else "")


def _german_count(number: int) -> str:
    word = _german_word(number)
    return word.removesuffix("s") if word.endswith("eins") else word


_FRENCH = _names(
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize "
    "dix-sept dix-huit dix-neuf"
)
_FRENCH_TENS = _names("vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt")


def _french(number: int) -> Iterable[str]:
    return [_french_words(number).replace("-", " ")]


def _french_words(number: int) -> str:
    if number < 20:
        return _FRENCH[number]
    if number < 100:
        tens, rest = number // 10, number % 10
        if tens in (7, 9):
            rest += 10
        name = _FRENCH_TENS[tens - 2]
        if not rest:
            return f"{name}s" if tens == 8 else name
        return f"{name} {'et ' if rest in (1, 11) and tens < 8 else ''}{_FRENCH[rest]}"
    if number < 1000:
        many, rest = divmod(number, 100)
        name = "cents" if many > 1 and not rest else "cent"
        return _joined(_FRENCH[many] if many > 1 else "", name, _french_words(rest) if rest else "")
    many, rest = divmod(number, 1000)
    return _joined(_FRENCH[many] if many > 1 else "", "mille", _french_words(rest) if rest else "")


_SPANISH = _names(
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
    "dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro "
    "veinticinco veintiséis veintisiete veintiocho veintinueve"
)
_SPANISH_TENS = _names("treinta cuarenta cincuenta sesenta setenta ochenta noventa")
_SPANISH_HUNDREDS = _names(
    "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos "
    "novecientos"
)


def _spanish(number: int) -> Iterable[str]:
    words = _spanish_words(number)
    return [words, words.removesuffix("o")] if words.endswith("uno") else [words]


def _spanish_words(number: int) -> str:
    if number < 30:
        return _SPANISH[number]
    if number < 100:
        tens, units = divmod(number, 10)
        return _joined(_SPANISH_TENS[tens - 3], f"y {_SPANISH[units]}" if units else "")
    if number == 100:
        return "cien"
    if number < 1000:
        many, rest = divmod(number, 100)
        return _joined(_SPANISH_HUNDREDS[many - 1], _spanish_words(rest) if rest else "")
    many, rest = divmod(number, 1000)
    return _joined(_SPANISH[many] if many > 1 else "", "mil", _spanish_words(rest) if rest else "")


_SPELLED: dict[str, Callable[[int], Iterable[str]]] = {
    "en": _english,
    "de": _german,
    "fr": _french,
    "es": _spanish,
}


def _chinese(found: re.Match[str]) -> str:
    """Return a Chinese number in figures, digit by digit where it names no tens."""
    signs = found[0]
    if not any(sign in _CHINESE_UNITS for sign in signs):
        return "".join(str(_CHINESE_DIGITS[sign]) for sign in signs)
    total, digit = 0, 0
    for sign in signs:
        if sign in _CHINESE_UNITS:
            total += (digit or 1) * _CHINESE_UNITS[sign]
            digit = 0
        else:
            digit = _CHINESE_DIGITS[sign]
    return str(total + digit)
