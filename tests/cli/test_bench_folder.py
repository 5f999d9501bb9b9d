"""The folder of a load run: an earlier result stays until a new one takes its place."""

from pathlib import Path

import pytest

from soundcheck.cli.bench_folder import BenchFolder
from soundcheck.errors import SoundcheckError

EARLIER = {"bench.json": "old", "samples.csv.gz": "old", "report.html": "old", "summary.md": "old"}


def measured(folder: BenchFolder, result: str = "new") -> None:
    """Write what the load generator does."""
    for name in ("samples.csv.gz", "bench.json"):
        (folder.pending / name).write_text(result)


def content(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.iterdir() if path.is_file()}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a folder that holds an earlier run."""
    for name, text in EARLIER.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_result_takes_the_place_of_the_earlier_one(out: Path) -> None:
    """Its reports are yet to be written, and the earlier one's are gone."""
    folder = BenchFolder.prepare(out)
    assert content(out) == EARLIER
    measured(folder)
    folder.accept()
    assert content(out) == {"bench.json": "new", "samples.csv.gz": "new"}
    assert list(out.glob(".*")) == []


def test_a_run_that_came_to_nothing_leaves_the_earlier_one(out: Path) -> None:
    """What it wrote is taken away; a folder made for it, too."""
    folder = BenchFolder.prepare(out)
    measured(folder)
    folder.discard()
    assert content(out) == EARLIER
    fresh = BenchFolder.prepare(out.parent / "fresh")
    fresh.discard()
    assert not fresh.path.exists()


def test_an_interrupted_move_can_be_done_again(out: Path) -> None:
    """Whatever was moved before stays."""
    folder = BenchFolder.prepare(out)
    measured(folder)
    (folder.pending / "samples.csv.gz").replace(out / "samples.csv.gz")
    folder.accept()
    folder.accept()
    assert content(out) == {"bench.json": "new", "samples.csv.gz": "new"}


def test_what_a_killed_process_left_is_removed(out: Path) -> None:
    """Half a result is none."""
    left = out / ".new-left"
    left.mkdir()
    (left / ".new-part").touch()
    BenchFolder.prepare(out).discard()
    assert not left.exists()
    assert content(out) == EARLIER


def test_a_whole_result_that_a_killed_process_left_takes_its_place(out: Path) -> None:
    """``bench.json`` is written last: where it is, all of the result is."""
    left = out / ".new-left"
    left.mkdir()
    for name in ("samples.csv.gz", "bench.json"):
        (left / name).write_text("saved")
    BenchFolder.prepare(out).discard()
    assert not left.exists()
    assert content(out) == {"bench.json": "saved", "samples.csv.gz": "saved"}


def test_two_runs_do_not_touch_each_others_results(out: Path) -> None:
    """The one that ends last has its result there, whole."""
    first, second = BenchFolder.prepare(out), BenchFolder.prepare(out)
    measured(second, "second")
    measured(first, "first")
    BenchFolder.prepare(out).discard()
    first.accept()
    assert content(out) == {"bench.json": "first", "samples.csv.gz": "first"}
    second.accept()
    assert content(out) == {"bench.json": "second", "samples.csv.gz": "second"}


@pytest.mark.parametrize("odd", ["notes.txt", "report.html/", "bench.json/"])
def test_a_folder_with_something_else_is_refused(tmp_path: Path, odd: str) -> None:
    """Before anything is sent, and nothing is deleted."""
    if odd.endswith("/"):
        (tmp_path / odd).mkdir()
    else:
        (tmp_path / odd).touch()
    with pytest.raises(SoundcheckError, match=f"holds {odd.strip('/')}"):
        BenchFolder.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [odd.strip("/")]


def test_a_result_that_cannot_be_put_in_place_stays_where_it_is(out: Path) -> None:
    """The message says where."""
    folder = BenchFolder.prepare(out)
    measured(folder)
    (out / "report.html").unlink()
    (out / "report.html").mkdir()
    with pytest.raises(SoundcheckError, match="the result is in") as caught:
        folder.accept()
    assert folder.pending.name in str(caught.value)
    assert (folder.pending / "bench.json").read_text() == "new"
