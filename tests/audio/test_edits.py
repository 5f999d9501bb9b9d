"""Edits are what the name of a clip says, whatever the bytes, and can be made again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.audio import Library
from soundcheck.audio.edits import Edit, edited, lengths, name_of, read
from soundcheck.audio.formats import FORMATS
from soundcheck.audio.recipe import RecipeError

LIBRARY = Library()
places = st.integers(0, 10**6)
data = st.binary(min_size=1, max_size=8)
edits = st.one_of(
    st.builds(Edit, st.sampled_from(["set", "add", "length"]), places, data),
    st.builds(Edit, st.just("drop"), places, count=places),
    st.builds(Edit, st.just("cut"), places),
)


@given(st.lists(edits, max_size=4).map(tuple))
def test_a_name_tells_the_edits(changes: tuple[Edit, ...]) -> None:
    """What was written into a name is read from it again."""
    assert read(name_of("hello.wav", changes)) == ("hello.wav", changes)


@pytest.mark.parametrize(
    "text", ["set-1", "set-x-00", "cut", "grow-1-00", "set-1-0", "", "add--1-00"]
)
def test_what_is_no_edit_is_refused(text: str) -> None:
    """A name with anything else behind the sign has no clip, and says why."""
    with pytest.raises(RecipeError, match="is no edit"):
        LIBRARY.recipe(f"hello~{text}.wav")


@given(st.binary(max_size=200), st.lists(edits, max_size=4).map(tuple), st.sampled_from([*FORMATS]))
def test_any_edit_can_be_made_of_any_file(
    content: bytes, changes: tuple[Edit, ...], name: str
) -> None:
    """Nothing that a file holds keeps an edit from being made, the same each time."""
    container = FORMATS[name].container
    assert edited(content, changes, container) == edited(content, changes, container)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("set-2-ffff", b"01\xff\xff4567"),
        ("set-7-ffff", b"0123456\xff"),
        ("add-2-ff", b"01\xff234567"),
        ("drop-2-3", b"01567"),
        ("cut-3", b"012"),
        ("cut-99", b"01234567"),
    ],
)
def test_an_edit_does_what_it_says(edit: str, expected: bytes) -> None:
    """The bytes named are changed and no others; nothing grows beyond the end."""
    _, changes = read(f"x~{edit}.wav")
    assert edited(b"01234567", changes, "WAV") == expected


@pytest.mark.parametrize(
    ("name", "first", "least"),
    [
        ("wav", (4, 4, "little"), 3),
        ("mp4", (0, 4, "big"), 10),
        ("m4a", (0, 4, "big"), 10),
        ("ogg", (26, 1, "big"), 4),
        ("flac", (5, 3, "big"), 1),
        ("webm", (4, 1, "big"), 5),
        ("mp3", None, 0),
    ],
)
def test_lengths_are_found_where_they_stand(
    name: str, first: tuple[int, int, str] | None, least: int
) -> None:
    """In a real file, the lengths are those of its parts, from the first on."""
    clip = LIBRARY.clip(f"hello.{name}")
    found = list(lengths(clip.read(), FORMATS[name].container))
    assert len(found) >= least
    assert next(iter(found), None) == first
    assert all(at + width <= clip.size for at, width, _ in found)


def test_an_edited_clip_is_one_like_others() -> None:
    """It is made by its name, described as it was before, and differs as the name says."""
    base, clip = LIBRARY.clip("hello.wav"), LIBRARY.clip("hello~length-2-ff~cut-900.wav")
    changed, before = clip.read(), base.read()
    assert len(changed) == clip.size == 900
    # The third length of a RIFF is that of its second chunk, the samples.
    assert changed[:40] == before[:40]
    assert changed[40:44] == b"\xff\0\0\0"
    assert changed[44:] == before[44:900]
    assert clip.transcript == base.transcript
    assert clip.duration == base.duration
    assert LIBRARY.recipe(clip.name).described()["edits"] == ["length-2-ff", "cut-900"]


@pytest.mark.parametrize("name", ["nothing~cut-1.wav", "sized-60000~cut-1.wav", "random~cut-1.wav"])
def test_only_a_plain_clip_is_edited(name: str) -> None:
    """What is not listed, is of an exact size or no sound has no edits."""
    with pytest.raises(RecipeError, match="there is no clip"):
        LIBRARY.recipe(name)
