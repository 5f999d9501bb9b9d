"""Canaries: unique to a run, and found in what was really sent."""

from itertools import pairwise
from pathlib import Path

from soundcheck.audio import Library
from soundcheck.contract.canary import CANARY, SHORTEST, WINDOW, Canaries, spoken
from soundcheck.http.multipart import Field


def test_two_runs_share_no_canary(tmp_path: Path) -> None:
    """No run's canaries occur in another's, and all are long enough not to occur by chance."""
    one, other = (Canaries(Library(), tmp_path / name) for name in ("one", "other"))
    hidden = one.hidden()
    assert {canary.what for canary in hidden} == {"prompt", "file name", "audio"}
    assert not {canary.data for canary in hidden} & {canary.data for canary in other.hidden()}
    assert all(len(canary.data) >= SHORTEST for canary in hidden)


def test_the_audio_is_searched_for_where_it_can_be_found(tmp_path: Path) -> None:
    """Every piece is of the clip, spread over it, and none is of the header that files share."""
    canaries = Canaries(Library(), tmp_path)
    data = canaries.clip.read()
    places = [data.index(c.data) for c in canaries.hidden() if c.what == "audio"]
    assert places == sorted(places)
    assert places[0] >= 44
    assert len(data) - places[-1] < len(data) // 8
    assert all(data.count(c.data) == 1 for c in canaries.hidden() if c.what == "audio")
    assert min(later - earlier for earlier, later in pairwise(places)) > WINDOW


def test_the_words_go_where_a_place_was_left(tmp_path: Path) -> None:
    """A field and a file's name get words of their own; other text stays as it is."""
    canaries = Canaries(Library(), tmp_path)
    words = {c.what: c.data.decode() for c in canaries.hidden() if c.what != "audio"}
    assert canaries.resolve(f"The word is {CANARY}.") == f"The word is {words['prompt']}."
    assert canaries.resolve_name(f"{CANARY}.wav") == f"{words['file name']}.wav"
    assert canaries.resolve(Field("model", "m").value) == "m"


def test_short_answers_are_no_canaries() -> None:
    """What may occur by chance is not searched for."""
    assert spoken(["Hello World."]) == ()
    assert [c.data for c in spoken(["", " The river runs to the mill. "])] == [
        b"The river runs to the mill."
    ]
