"""How the words of a phrase are said, in the phones of the English acoustic model.

English words come from the CMU dictionary; all languages also from espeak-ng's own phonemes, mapped
to the nearest phone (``fixtures`` are spoken by espeak-ng, so it says best what will be heard).
Only the making of the phrase bank needs this; the recognizer reads the result.
"""

# ruff: noqa: RUF001  # IPA letters look like Latin ones

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Protocol

from soundcheck.audio.phrases import Phrase

Phones = tuple[str, ...]

_TILDE = "\u0303"
_PHONES = {
    # vowels
    "a": "AA", "ɑ": "AA", "ɐ": "AA", "ɒ": "AA", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɤ": "AH",
    "ᵻ": "IH", "e": "EH", "ɛ": "EH", "ø": "ER", "œ": "ER", "ɜ": "ER", "ɚ": "ER", "ɝ": "ER",
    "i": "IY", "y": "IY", "ɪ": "IH", "ʏ": "IH", "ɨ": "IH", "u": "UW", "ɯ": "UW", "ʊ": "UH",
    "ʉ": "UW", "o": "OW", "ɵ": "OW", "ɔ": "AO",
    # diphthongs, nasal vowels
    "aɪ": "AY", "ai": "AY", "ɑɪ": "AY", "aʊ": "AW", "au": "AW", "ɑu": "AW", "ɑʊ": "AW",
    "eɪ": "EY", "ei": "EY", "oʊ": "OW", "əʊ": "OW", "ou": "OW", "ɔɪ": "OY", "ɔø": "OY",
    "ɔy": "OY", "oi": "OY", "iɛ": "Y EH", "ie": "Y EH", "uo": "W AO", "ua": "W AA",
    "uai": "W AY", "uei": "W EY", "iou": "Y OW", "iɑu": "Y AW", "iau": "Y AW", "ia": "Y AA",
    "iɑ": "Y AA", "uɑ": "W AA", "yæ": "Y AE", "yɛ": "Y EH", "iə": "IY AH", "ʊə": "UH R",
    "a" + _TILDE: "AA N", "ɑ" + _TILDE: "AA N", "ɛ" + _TILDE: "EH N", "œ" + _TILDE: "AH N",
    "ɔ" + _TILDE: "AO N", "o" + _TILDE: "OW N",
    # consonants
    "p": "P", "b": "B", "β": "B", "t": "T", "ʈ": "T", "d": "D", "ɖ": "D", "k": "K", "q": "K",
    "c": "K", "g": "G", "ɡ": "G", "ɣ": "G", "ɟ": "G", "f": "F", "v": "V", "ʋ": "V", "θ": "TH",
    "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʂ": "SH", "ç": "SH", "ɕ": "SH", "ʒ": "ZH",
    "ʑ": "ZH", "ʐ": "ZH", "x": "HH", "χ": "HH", "h": "HH", "ɦ": "HH", "m": "M", "n": "N",
    "ɲ": "N Y", "ŋ": "NG", "l": "L", "ɫ": "L", "ɭ": "L", "ʎ": "L", "r": "R", "ɹ": "R",
    "ɻ": "R", "ʁ": "R", "ʀ": "R", "ɾ": "R", "j": "Y", "ʝ": "Y", "ɥ": "Y", "w": "W",
    # affricates
    "tʃ": "CH", "tɕ": "CH", "ʈʂ": "CH", "ts.": "CH", "s.": "SH", "nɡ": "NG", "dʒ": "JH",
    "dʑ": "JH", "ts": "T S", "dz": "D Z", "pf": "P F",
}  # fmt: skip
_LONGEST = max(map(len, _PHONES))
_ENGLISH = {"ɐ": "AH", "ɾ": "T"}
# Stress, length, aspiration, palatalisation, tone; espeak-ng writes Mandarin's third tone as ɜ.
_DROPPED = re.compile(r"[ˈˌːˑʰʲʷˠ'\-\d͡|]")


class Speaker(Protocol):
    """What is needed of a Synthesizer."""

    def phonemes(self, text: str, voice: str) -> str:
        """Return IPA phonemes, ``_`` between phonemes and blanks between words."""


def phones(ipa: str, language: str) -> Phones:
    """Map one word's IPA (``_`` between phonemes) to phones; what has no phone is left out."""
    special = _ENGLISH if language == "en" else {}
    result: list[str] = []
    for phoneme in ipa.split("_"):
        text = unicodedata.normalize("NFD", phoneme)
        if language == "zh":
            text = re.sub(r"(?<=.)[hɜ]", "", text)
        text = _DROPPED.sub("", text)
        text = "".join(c for c in text if c == _TILDE or not unicodedata.combining(c))
        at = 0
        while at < len(text):
            for size in range(_LONGEST, 0, -1):
                piece = text[at : at + size]
                if len(piece) == size and piece in _PHONES:
                    result += special.get(piece, _PHONES[piece]).split()
                    at += size
                    break
            else:
                at += 1
    return tuple(result)


def dictionary() -> dict[str, list[Phones]]:
    """Return the CMU dictionary that comes with pocketsphinx: ``{word: [phones, ...]}``."""
    import pocketsphinx

    path = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    entries: dict[str, list[Phones]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *sounds = line.split()
        entries.setdefault(word.partition("(")[0], []).append(tuple(sounds))
    return entries


def pronunciations(
    phrase: Phrase, speaker: Speaker, english: dict[str, list[Phones]]
) -> list[list[Phones]]:
    """Return for each word of the phrase its distinct pronunciations, the likeliest first.

    Sources in order: the CMU dictionary (English), espeak-ng's phonemes of the sentence when it
    has as many words as the phrase, espeak-ng's phonemes of the word alone.
    """
    words = phrase.words
    sentence = speaker.phonemes(phrase.text, phrase.voice).split()
    result: list[list[Phones]] = []
    for index, word in enumerate(words):
        bare = re.sub(r"^\W+|\W+$", "", word)
        variants = list(english.get(bare.lower(), ())) if phrase.language == "en" else []
        if len(sentence) == len(words):
            variants.append(phones(sentence[index], phrase.language))
        variants.append(phones(speaker.phonemes(bare, phrase.voice), phrase.language))
        result.append([one for one in dict.fromkeys(variants) if one])
    return result
