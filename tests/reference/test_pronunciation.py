"""Phonemes of all languages become phones that the acoustic model has."""

# ruff: noqa: RUF001  # IPA letters look like Latin ones

import pocketsphinx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.audio.phrases import Phrase
from soundcheck.reference.phrasebank import load_bank
from soundcheck.reference.pronunciation import dictionary, phones, pronunciations


@pytest.fixture(scope="module")
def known() -> set[str]:
    """The model's phones, as its own dictionary uses them."""
    return {phone for sounds in dictionary().values() for one in sounds for phone in one}


@pytest.mark.parametrize(
    ("ipa", "language", "expected"),
    [
        ("h_ə_l_ˈoʊ", "en", "HH AH L OW"),
        ("b_ˈɛ_ɾ_ɚ", "en", "B EH T ER"),
        ("f_ˈɔø_ɜ", "de", "F OY ER"),
        ("pf_ˈɛ_ɾ_t", "de", "P F EH R T"),
        ("m_a_t_ˈɛ̃", "fr", "M AA T EH N"),
        ("m_a_ɲ_ˈa_n_a", "es", "M AA N Y AA N AA"),
        ("vʲ_ˈe_tʃʲ_i_r", "ru", "V EH CH IY R"),
        ("tɕh_ˈi5_", "zh", "CH IY"),
        ("ts._ˈuo5_", "zh", "CH W AO"),
        ("f_ˈɑɜ_ŋ_", "zh", "F AA NG"),
        ("k_ˈonɡ5_", "zh", "K OW NG"),
    ],
)
def test_phonemes_become_phones(ipa: str, language: str, expected: str) -> None:
    """Stress, length, tone and aspiration go; diphthongs, affricates and nasal vowels stay."""
    assert " ".join(phones(ipa, language)) == expected


@given(st.text("aɑɐeɛiɪoɔuyøœəɜbdfɡhjklmnŋɲprstvwxzʃʒθðçɕʂ_ˈˌːʰʲ̃.12345-", max_size=20),
       st.sampled_from(["en", "de", "fr", "es", "ru", "zh"]))  # fmt: skip
def test_every_phone_is_known(known: set[str], ipa: str, language: str) -> None:
    """Whatever phonemes come, the phones are those of the model."""
    assert set(phones(ipa, language)) <= known


def test_the_bank_uses_known_phones(known: set[str]) -> None:
    """Each word of the frozen bank has a pronunciation, in phones of the model."""
    for phrase in load_bank().phrases:
        for word in phrase.words:
            assert word.pronunciations
            assert {one for sounds in word.pronunciations for one in sounds.split()} <= known


class Speaker:
    """Says every word as the letter e, unless asked for a sentence of two words."""

    def phonemes(self, text: str, voice: str) -> str:
        """Return IPA."""
        return "t_uː w_ˈɜː_l_d" if " " in text else "ˈeɪ"


def test_the_sources_come_in_order() -> None:
    """The dictionary first (English), then the sentence's phonemes, then the word's alone."""
    english = {"two": [("T", "UW")]}
    phrase = Phrase("x", "Two worlds.", "en", "en-us", 175)
    assert pronunciations(phrase, Speaker(), english) == [
        [("T", "UW"), ("EY",)],
        [("W", "ER", "L", "D"), ("EY",)],
    ]
    german = Phrase("x", "Two worlds.", "de", "de", 175)
    assert pronunciations(german, Speaker(), {"two": [("AA",)]})[0] == [("T", "UW"), ("EY",)]


def test_the_dictionary_is_the_one_that_comes_with_pocketsphinx() -> None:
    """The dictionary gives all pronunciations of a word under its plain spelling."""
    assert pocketsphinx.get_model_path()
    assert dictionary()["the"][:2] == [("DH", "AH"), ("DH", "IY")]
