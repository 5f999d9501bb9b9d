"""The commands compare and report: exit codes and what is printed."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from soundcheck.cli import app
from soundcheck.errors import SoundcheckError

PLACE = Path(__file__).parents[1] / "report" / "bench" / "conftest.py"


def _runs() -> ModuleType:
    """Return the module that writes load runs for the reports' tests."""
    spec = importlib.util.spec_from_file_location("bench_runs", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an old, an equal and a slow load run."""
    place, runs = tmp_path_factory.mktemp("runs"), _runs()
    for name, how in (("old", {}), ("equal", {}), ("slow", {"slower": 1.3})):
        runs.write(place / name, *runs.one_window(window=10, **how))
    return place


def test_the_exit_code_tells_worse_from_not_worse(folders: Path) -> None:
    """0 for an equal run, 1 for a slower one; a tolerance of 50 % lets it pass."""
    old, equal, slow = (str(folders / name) for name in ("old", "equal", "slow"))
    same = CliRunner().invoke(app, ["compare", old, equal])
    assert same.exit_code == 0
    assert same.output.startswith("Not worse: ")
    worse = CliRunner().invoke(app, ["compare", old, slow])
    assert worse.exit_code == 1
    assert "latency p50" in worse.output
    assert "\x1b" not in worse.output
    assert CliRunner().invoke(app, ["compare", old, slow, "--tolerance", "0.5"]).exit_code == 0


def test_a_terminal_of_80_columns_has_whole_figures(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the table is cut off where a terminal is narrow."""
    monkeypatch.setenv("COLUMNS", "80")
    words = ["compare", str(folders / "old"), str(folders / "slow")]
    printed = CliRunner().invoke(app, words).output
    assert "points" in printed
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_json_is_printed_whole(folders: Path) -> None:
    """With --json nothing but the document is printed."""
    words = ["compare", str(folders / "old"), str(folders / "slow"), "--json"]
    document = json.loads(CliRunner().invoke(app, [*words, "--tolerance", "5%"]).output)
    assert (document["schema"], document["tolerance"]) == ("soundcheck/compare/1", 0.05)
    assert document["verdict"] == "worse"


@pytest.mark.parametrize("text", ["much", "-5%", "200%", "nan"])
def test_a_tolerance_is_a_share(folders: Path, text: str) -> None:
    """What is no share is refused before anything is read."""
    words = ["compare", "nowhere", str(folders / "old"), "--tolerance", text]
    found = CliRunner().invoke(app, words).exception
    assert isinstance(found, SoundcheckError)
    assert "is a share such as 5%" in str(found)


def test_reports_are_written_again(folders: Path) -> None:
    """From bench.json alone; the path of the page is printed."""
    (folders / "equal" / "report.html").unlink(missing_ok=True)
    done = CliRunner().invoke(app, ["report", str(folders / "equal")])
    assert done.output.strip() == str(folders / "equal" / "report.html")
    assert "<svg" in (folders / "equal" / "report.html").read_text(encoding="utf-8")


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    """Neither an empty folder nor a missing one has reports."""
    for folder, words in (
        (tmp_path, "neither run.json nor bench.json"),
        (tmp_path / "x", "no folder"),
    ):
        found = CliRunner().invoke(app, ["report", str(folder)]).exception
        assert isinstance(found, SoundcheckError)
        assert words in str(found)
