"""All reports of a run are derived from its folder."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from soundcheck.errors import SoundcheckError
from soundcheck.report import write_reports


def test_reports_are_written_beside_the_run(run_folder: Path) -> None:
    """All reports, complete and nothing else, and run.json stays as it was."""
    before = (run_folder / "run.json").read_bytes()
    write_reports(run_folder)
    assert {path.name for path in run_folder.iterdir()} == {
        *("run.json", "exchanges", "report.html", "summary.md", "junit.xml", "results.sarif")
    }
    assert (run_folder / "run.json").read_bytes() == before


def test_reports_depend_on_the_run_alone(run_folder: Path, tmp_path: Path) -> None:
    """The same run gives the same reports, wherever its folder lies."""
    copy = tmp_path / "elsewhere"
    shutil.copytree(run_folder, copy)
    write_reports(run_folder)
    write_reports(copy)
    for name in ("report.html", "summary.md", "junit.xml", "results.sarif"):
        assert (run_folder / name).read_bytes() == (copy / name).read_bytes()


def test_no_report_is_derived_from_a_damaged_run(run_folder: Path) -> None:
    """A run that is refused leaves no report behind."""
    document = json.loads((run_folder / "run.json").read_bytes())
    document["counts"]["fail"] = 0
    (run_folder / "run.json").write_text(json.dumps(document))
    with pytest.raises(SoundcheckError, match="damaged or edited"):
        write_reports(run_folder)
    assert not (run_folder / "report.html").exists()


def test_importing_reports_loads_no_heavy_library() -> None:
    """jinja2, jsonschema and rich are imported only when a report is written."""
    program = (
        "import sys, soundcheck.report, soundcheck.report.run, soundcheck.report.terminal\n"
        "print(sorted({'jinja2', 'jsonschema', 'rich', 'httpx', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
