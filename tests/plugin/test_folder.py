"""The run folder: an earlier run is never lost to one that has not begun, nor files of others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from soundcheck.errors import SoundcheckError
from soundcheck.plugin import folder

EXCHANGE = "exchanges/0123456789abcdef.json"


def content(out: Path) -> dict[str, str]:
    files = (path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): path.read_text() for path in files}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a folder that holds a run."""
    made = tmp_path / "run"
    (made / "exchanges").mkdir(parents=True)
    for name in (EXCHANGE, "run.json", "report.html"):
        (made / name).write_text("earlier")
    return made


def kills(monkeypatch: pytest.MonkeyPatch, out: Path, step) -> Iterator[None]:
    """Run ``step`` until each of its renames, as a process that is killed there."""
    real, left = Path.rename, 0

    def rename(path: Path, target: Path) -> Path:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return real(path, target)

    for count in range(9):
        left = count
        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", rename)
            try:
                step(out)
            except KeyboardInterrupt:
                pass
            else:
                return
        yield


def test_a_killed_beginning_loses_nothing(monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
    """Wherever a process is killed before its run begins, the next use has the earlier run."""
    before, times = content(out), 0
    for _ in kills(monkeypatch, out, folder.prepare):
        folder.prepare(out)
        folder.discard(out)
        assert content(out) == before
        times += 1
    assert times == 4
    (out / EXCHANGE).write_text("new")  # it was killed with its preflight recorded
    for _ in kills(monkeypatch, out, folder.discard):
        folder.prepare(out)
        folder.discard(out)
        assert content(out) == before
        folder.prepare(out)
    assert content(out) == before


def test_a_run_that_has_begun_is_the_one_there_is(out: Path) -> None:
    """Killed after its begin, the new run is what the folder holds."""
    folder.prepare(out)
    (out / "run.json").write_text("new")
    folder.reopen(out)
    assert content(out) == {"run.json": "new"}
    folder.prepare(out)
    folder.discard(out)
    assert content(out) == {"run.json": "new"}


def test_nothing_is_discarded_twice(out: Path) -> None:
    """What was brought back stays, whoever discards the run once more."""
    before = content(out)
    folder.prepare(out)
    folder.discard(out)
    folder.discard(out)
    assert content(out) == before


@pytest.mark.parametrize("name", [".earlier/mine", ".earlier.moving/mine", "exchanges/mine"])
def test_files_of_others_are_refused(out: Path, name: str) -> None:
    """A file that is not of a run is named and left, also where earlier runs are put."""
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    before = content(out)
    with pytest.raises(SoundcheckError, match="mine, which is not of a Soundcheck run"):
        folder.prepare(out)
    assert content(out) == before
