"""``soundcheck fixtures`` lists, makes, shows and exports clips, and says plainly what is wrong."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from soundcheck.audio import Library
from soundcheck.audio.formats import NINE
from soundcheck.audio.library import cache_folder
from soundcheck.cli import main


@dataclass(frozen=True)
class Done:
    """How one call of the command line ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]
# All clips take a while to make: a test of all of them uses those that the tests share.
SHARED_CACHE = cache_folder()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return the command line as a function, with an empty cache, in this process."""
    monkeypatch.setenv("SOUNDCHECK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: object) -> Done:
        monkeypatch.setattr("sys.argv", ["soundcheck", "fixtures", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Done(int(ended.value.code or 0), told.out, told.err)

    return call


def test_list_shows_every_clip_and_makes_none(run: Run, tmp_path: Path) -> None:
    """Listing is a matter of reading recipes: each clip is a line, and nothing is made."""
    done = run("list")
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(Library().names())
    assert "same bytes" in head
    assert "second decoder" in head
    assert not (tmp_path / "cache").exists()


def test_list_as_json_says_who_can_check_a_clip(run: Run) -> None:
    """JSON has one entry per clip, with its container, codec and second decoder."""
    clips = {one["name"]: one for one in json.loads(run("list", "--json").stdout)["clips"]}
    assert clips["hello.mp3"]["second_decoder"] == "libsndfile"
    assert clips["hello.wav"]["second_decoder"] == "FFmpeg"
    assert clips["hello.m4a"]["second_decoder"] is None
    assert clips["silence-30s.wav"]["duration"] == 30.0
    assert all(one["same_bytes"] for one in clips.values())


def test_build_makes_named_clips_and_tells_each(run: Run, tmp_path: Path) -> None:
    """Without a terminal, progress is one plain line per clip on stderr."""
    done = run("build", "tone.wav", "clicks.mp3", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 clips, ")
    assert [line.split()[:2] for line in done.stderr.splitlines()] == [
        ["1/2", "tone.wav"],
        ["2/2", "clicks.mp3"],
    ]
    assert "\x1b" not in done.stderr
    quiet = run("build", "tone.wav", "clicks.mp3", "--quiet", "--json")
    assert quiet.stderr == ""
    assert [one["name"] for one in json.loads(quiet.stdout)["clips"]] == ["tone.wav", "clicks.mp3"]


def test_what_is_made_is_told_with_its_room_on_the_disk(run: Run) -> None:
    """A file of 25 MB that is mostly filler takes far less room than it has bytes."""
    done = run("build", "sized-25000000.mp3", "empty.wav", "--quiet")
    assert done.stdout == "2 clips, 25.0 MB, of which 0.0 MB on the disk\n"
    (one,) = json.loads(run("build", "empty.wav", "--quiet", "--json").stdout)["clips"]
    assert (one["bytes"], one["duration"], one["sample_rate"], one["channels"]) == (0, 0, 0, 0)


def test_list_tells_what_a_clip_holds_that_is_no_sound(run: Run) -> None:
    """Contents have no codec and nobody to decode them; a bomb's length is told."""
    clips = {one["name"]: one for one in json.loads(run("list", "--json").stdout)["clips"]}
    png, bomb = clips["not-audio-png.wav"], clips["silence-bomb.flac"]
    assert (png["sound"], png["codec"], png["second_decoder"]) == ("png", None, None)
    assert (png["duration"], png["sample_rate"], png["channels"]) == (0, 0, 0)
    assert (bomb["duration"], bomb["sample_rate"], bomb["channels"]) == (10_800, 8_000, 1)
    assert clips["sized-26214400.mp4"]["group"] == "size"


def test_show_tells_what_is_spoken_and_when(run: Run) -> None:
    """A clip is shown with its transcript and word times, for people and as JSON."""
    text = run("show", "hello.wav")
    assert text.returncode == 0, text.stderr
    assert "transcript   Hello World." in text.stdout
    assert text.stdout.rstrip().endswith("World.")
    told = json.loads(run("show", "hello.wav", "--json").stdout)
    assert [word["text"] for word in told["words"]] == ["Hello", "World."]
    assert Path(told["path"]).stat().st_size == told["bytes"]
    assert told["recipe"]["phrases"] == ["hello"]


def test_export_writes_clips_and_their_manifest(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Speech and signals lie there by name, hello in all nine formats; --all adds the others."""
    monkeypatch.setenv("SOUNDCHECK_CACHE", str(SHARED_CACHE))
    library = Library()
    few = tmp_path / "few" / "clips"
    done = run("export", few)
    assert done.returncode == 0, done.stderr
    groups = {name: recipe.group for name, recipe in library.recipes.items()}
    assert files(few) == {n for n, group in groups.items() if group in ("speech", "signal")}
    assert {f"hello.{extension}" for extension in NINE} <= files(few)
    done = run("export", few, "--all", "--quiet")
    assert files(few) == set(groups)
    assert sum((few / name).stat().st_blocks * 512 for name in groups) < 250_000_000
    manifest = json.loads((few / "manifest.json").read_text("utf-8"))
    assert [one["name"] for one in manifest["clips"]] == list(groups)
    assert {"av", "numpy", "soundfile", "espeakng-loader"} <= set(manifest["versions"])
    for one in manifest["clips"]:
        path = few / one["name"]
        assert one["bytes"] == path.stat().st_size
        if groups[one["name"]] != "size" or one["name"].startswith("sized-25000000"):
            assert one["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert set(one) == {
            *("name", "sha256", "bytes", "media_type", "duration", "sample_rate", "channels"),
            *("language", "transcript", "words", "recipe"),
        }
    hello = next(one for one in manifest["clips"] if one["name"] == "hello.wav")
    assert (hello["language"], hello["transcript"]) == ("en", "Hello World.")


PROGRAM = "from soundcheck.cli import main; main()"


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"manifest.json"}


def test_one_clip_can_be_exported_by_any_name_it_may_have(run: Run, tmp_path: Path) -> None:
    """A clip with edits, which no list has, is written as reports ask for it."""
    folder = tmp_path / "clips"
    done = run("export", str(folder), "--clip", "hello~cut-900.wav", "--quiet")
    assert done.returncode == 0, done.stderr
    assert (folder / "hello~cut-900.wav").stat().st_size == 900
    names = sorted(one.name for one in folder.iterdir())
    assert names == ["hello~cut-900.wav", "manifest.json"]


def test_an_interrupted_export_keeps_what_was_done(tmp_path: Path) -> None:
    """Ctrl-C is one message and exit 4; the clips written so far are whole and in the manifest."""
    folder = tmp_path / "clips"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "fixtures", "export", str(folder), "--jobs", "2"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SOUNDCHECK_CACHE": str(tmp_path / "cache")},
        start_new_session=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate()
    assert process.returncode == 4, first + rest
    assert "Traceback" not in rest
    assert rest.splitlines()[-1].startswith("soundcheck: interrupted: ")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert {one["name"] for one in manifest["clips"]} == files(folder)
    assert first.split()[1] in files(folder)
    assert len(files(folder)) < len(Library().names())
    for one in manifest["clips"]:
        data = (folder / one["name"]).read_bytes()
        assert one["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "helo.wav"], "did you mean hello.wav"),
        (["build", "tone.wav", "nothing-like-it"], "there is no clip 'nothing-like-it'"),
        (["export", "file"], "cannot export to file: it is not a folder"),
        (["export", "file/below"], "cannot export to file/below: "),
    ],
)
def test_a_mistake_is_one_message_and_exit_2(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    """What the user can put right is told in one line, without a traceback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("soundcheck: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_cache_that_cannot_be_written_is_one_message(run: Run, tmp_path: Path) -> None:
    """An unusable cache folder names the variable that chooses another, also from the processes."""
    (tmp_path / "cache").write_text("")
    for names in (["tone.wav"], ["tone.wav", "noise.wav"]):
        done = run("build", *names)
        assert done.returncode == 2
        assert "SOUNDCHECK_CACHE" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["list", "build", "show", "export"])
def test_help_has_examples(run: Run, command: str) -> None:
    """Every command's help ends with examples."""
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"soundcheck fixtures {command}" in done.stdout
