"""Secrets come from variables, and are known in the spellings in which they return."""

from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.errors import SoundcheckError
from soundcheck.http.secrets import in_urls, read_variable


def test_a_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its value is what stands there, to the letter."""
    monkeypatch.setenv("GATE", " a=b ")
    assert read_variable("GATE") == " a=b "


@pytest.mark.parametrize("name", ["GATE", "sk-live-1234567890"])
def test_what_is_not_set_is_told_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A name is repeated; what is none may be the secret."""
    monkeypatch.delenv("GATE", raising=False)
    with pytest.raises(SoundcheckError) as caught:
        read_variable(name)
    assert ("GATE" in str(caught.value)) is (name == "GATE")
    assert "live" not in str(caught.value)


@given(st.text(min_size=1))
def test_a_spelling_in_a_url_is_that_of_the_secret(secret: str) -> None:
    """Read back as a path or as a query, each is the secret again."""
    path, whole, query = in_urls(secret)
    assert unquote(path) == unquote(whole) == parse_qs(f"a={query}")["a"][0] == secret
