"""The library makes clips once, keeps them whole, and notices when a recipe changes."""

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from soundcheck.audio import CacheError, Clip, Library, RecipeError
from soundcheck.audio.library import MakerError, cache_folder, versions

RECIPES = """
[tone]
signal = "tones"
frequencies = [440]
level = -12
duration = 0.5
formats = ["wav", "flac", "mp3", "webm"]

[noise]
signal = "noise"
seed = 3
level = -6
duration = 0.5
formats = ["wav"]
"""


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "signals.toml").write_text(RECIPES)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def run(program: str, *arguments: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_clip_is_made_once(recipes: Path, cache: Path) -> None:
    """The second request, from another library object too, finds the file of the first."""
    first = Library(recipes, cache).clip("tone.mp3")
    made = first.path.stat().st_mtime_ns
    again = Library(recipes, cache).clip("tone.mp3")
    assert again == first
    assert again.path.stat().st_mtime_ns == made
    assert again.media_type == "audio/mpeg"


def test_a_warm_clip_needs_neither_numpy_nor_av(recipes: Path, cache: Path) -> None:
    """What is in the cache is read without the libraries that made it, and without the CLI's."""
    Library(recipes, cache).build(jobs=1)
    program = (
        "import sys; from pathlib import Path; from soundcheck.audio import Library\n"
        "clips = Library(Path(sys.argv[1]), Path(sys.argv[2])).build()\n"
        "assert all(clip.read() for clip in clips.values())\n"
        "print(*sorted({'numpy', 'av', 'soundfile', 'multiprocessing'} & set(sys.modules)))\n"
    )
    assert run(program, recipes, cache).split() == []


def test_building_in_processes_gives_what_one_process_gives(recipes: Path, tmp_path: Path) -> None:
    """The number of jobs changes nothing but the time."""
    alone = Library(recipes, tmp_path / "one").build(jobs=1)
    together = Library(recipes, tmp_path / "two").build(jobs=3)
    assert [clip.sha256 for clip in alone.values()] == [clip.sha256 for clip in together.values()]
    assert list(together) == ["tone.wav", "tone.flac", "tone.mp3", "tone.webm", "noise.wav"]


def test_progress_counts_every_clip(recipes: Path, cache: Path) -> None:
    """Made or found, each clip is told once, with how many are done and how many there are."""
    library = Library(recipes, cache)
    library.clip("noise.wav")
    told: list[tuple[str, int, int]] = []
    library.build(
        ["tone.wav", "noise.wav", "tone.mp3"],
        jobs=1,
        progress=lambda clip, done, total: told.append((clip.name, done, total)),
    )
    assert [one[1:] for one in told] == [(1, 3), (2, 3), (3, 3)]
    assert [one[0] for one in told] == ["noise.wav", "tone.wav", "tone.mp3"]


def test_a_clip_can_be_had_in_a_format_that_is_not_listed(recipes: Path, cache: Path) -> None:
    """A source is made in any of the nine formats when it is asked for by that name."""
    clip = Library(recipes, cache).clip("noise.ogg")
    assert (clip.name, clip.media_type, clip.channels) == ("noise.ogg", "audio/ogg", 2)
    assert clip.read().startswith(b"OggS")


def test_a_changed_recipe_makes_a_new_clip(recipes: Path, cache: Path) -> None:
    """The key covers the recipe: an edit is seen by the next library, the old clip is left."""
    before = Library(recipes, cache).build(jobs=1)
    (recipes / "signals.toml").write_text(RECIPES.replace("[440]", "[441]"))
    after = Library(recipes, cache).build(jobs=1)
    assert before["tone.wav"].sha256 != after["tone.wav"].sha256
    assert before["noise.wav"] == after["noise.wav"]
    assert before["tone.wav"].path.exists()


def test_another_version_makes_a_new_clip(
    recipes: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key covers the versions of the libraries: a clip of older ones is not used."""
    Library(recipes, cache).clip("tone.wav")
    entries = set((cache / "clips").iterdir())
    changed = {**versions(), "av": "0.1"}
    monkeypatch.setattr("soundcheck.audio.library.versions", lambda: changed)
    Library(recipes, cache).clip("tone.wav")
    assert len(set((cache / "clips").iterdir()) - entries) == 1


@pytest.mark.parametrize("damage", ["cut", "lost", "entry cut", "entry strange", "entry lost"])
def test_a_damaged_cache_mends_itself(recipes: Path, cache: Path, damage: str) -> None:
    """A file or entry that is cut, strange or gone is made again."""
    clip = Library(recipes, cache).clip("tone.wav")
    data = clip.read()
    (entry,) = (cache / "clips").iterdir()
    if damage == "cut":
        clip.path.write_bytes(data[:100])
    elif damage == "lost":
        clip.path.unlink()
    elif damage == "entry cut":
        entry.write_text(entry.read_text()[:50])
    elif damage == "entry strange":
        entry.write_text("[1, 2]")
    else:
        entry.unlink()
    assert Library(recipes, cache).clip("tone.wav").read() == data


def test_a_library_notices_that_its_file_went_away(recipes: Path, cache: Path) -> None:
    """A clip seen before is looked at again: the file may have been removed meanwhile."""
    library = Library(recipes, cache)
    library.clip("tone.wav").path.unlink()
    assert library.clip("tone.wav").path.exists()


def test_builders_may_run_side_by_side(recipes: Path, cache: Path) -> None:
    """Three processes that build into one cache all get whole and equal clips."""
    program = (
        "import sys; from pathlib import Path; from soundcheck.audio import Library\n"
        "clips = Library(Path(sys.argv[1]), Path(sys.argv[2])).build(jobs=1)\n"
        "import hashlib\n"
        "for clip in clips.values():\n"
        "    assert hashlib.sha256(clip.read()).hexdigest() == clip.sha256\n"
        "    print(clip.sha256)\n"
    )
    command = [sys.executable, "-c", program, str(recipes), str(cache)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(answers) == 1
    assert not [path for path in cache.rglob("*") if path.name.startswith(".new-")]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_was_made_before_an_interruption_stays(recipes: Path, cache: Path, jobs: int) -> None:
    """Ctrl-C ends a build; the clips made so far are found by the next."""

    def interrupt(clip: Clip, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Library(recipes, cache).build(jobs=jobs, progress=interrupt)
    entries = [json.loads(path.read_text()) for path in (cache / "clips").iterdir()]
    assert entries
    for entry in entries:
        assert (cache / "files" / entry["file"]).stat().st_size == entry["size"]
    assert not multiprocessing.active_children()


def test_a_killed_maker_is_one_message(recipes: Path, cache: Path) -> None:
    """When a process that makes clips is killed, the build ends with an error and does not hang."""
    (recipes / "long.toml").write_text(
        "".join(
            f'[long-{n}]\nsignal = "noise"\nseed = {n}\nlevel = 0\nduration = 20.0\n'
            'formats = ["mpga"]\n'
            for n in range(8)
        )
    )

    def kill(clip: Clip, done: int, total: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(MakerError, match="ended from outside"):
        Library(recipes, cache).build(jobs=2, progress=kill)


def test_a_cache_that_cannot_be_written_is_one_message(recipes: Path, tmp_path: Path) -> None:
    """The message names the folder and the variable that chooses another."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"SOUNDCHECK_CACHE"):
        Library(recipes, tmp_path / "file" / "cache").clip("tone.wav")
    with pytest.raises(CacheError, match=r"SOUNDCHECK_CACHE"):
        Library(recipes, tmp_path / "file").build(jobs=2)


def test_an_unknown_name_is_refused_before_anything_is_made(recipes: Path, cache: Path) -> None:
    """A misspelt name ends a build at once."""
    with pytest.raises(RecipeError, match=r"did you mean tone\.wav"):
        Library(recipes, cache).build(["noise.wav", "tone.wave"])
    assert not cache.exists()


def test_the_cache_lies_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``SOUNDCHECK_CACHE`` is used if set, the user's cache folder if not."""
    monkeypatch.setenv("SOUNDCHECK_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SOUNDCHECK_CACHE")
    assert cache_folder().name == "soundcheck"


def test_a_clip_is_read_whole_or_piece_by_piece(recipes: Path, cache: Path) -> None:
    """The pieces have the size asked for, but for the last, and make up the bytes."""
    clip = Library(recipes, cache).clip("tone.wav")
    pieces = list(clip.chunks(1_000))
    assert b"".join(pieces) == clip.read() == b"".join(clip.chunks())
    assert {len(piece) for piece in pieces[:-1]} == {1_000}
    assert 0 < len(pieces[-1]) <= 1_000


def test_a_clip_without_a_byte_is_kept_like_others(recipes: Path, cache: Path) -> None:
    """An empty file is made once, has no duration and no pieces."""
    (recipes / "empty.toml").write_text("[empty]\ncontent = 'nothing'\nformats = ['wav']\n")
    clip = Library(recipes, cache).clip("empty.wav")
    assert Library(recipes, cache).clip("empty.wav") == clip
    assert (clip.size, clip.read(), list(clip.chunks())) == (0, b"", [])
    assert (clip.duration, clip.transcript, clip.media_type) == (0.0, "", "audio/wav")


def test_what_cannot_be_made_leaves_nothing_behind(recipes: Path, cache: Path) -> None:
    """A size below the smallest possible is one message that names the clip, and no file."""
    (recipes / "sizes.toml").write_text(
        "[small-100]\nof = 'tone'\nsize = 100\nformats = ['wav']\n"
        "[late]\nof = 'tone'\nfrom = 0.1\nuntil = 0.6\nformats = ['wav']\n"
    )
    library = Library(recipes, cache)
    with pytest.raises(RecipeError, match=r"small-100\.wav: the smallest possible size is 16052 "):
        library.clip("small-100.wav")
    with pytest.raises(RecipeError, match=r"late\.wav: cannot be cut until 0\.6 s"):
        library.clip("late.wav")
    assert not list(cache.rglob("*.*"))
