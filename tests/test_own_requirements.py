"""The how-to on requirements of one's own works as it is written, from an installed wheel."""

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from soundcheck.reference.deployment import start_reference

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "how-to" / "own-requirements.md").read_text(encoding="utf-8")
(SUITE,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
(BESIDE, ALONE, FAULTY) = re.findall(r"```bash\n(.*?)\n```", TEXT, re.DOTALL)
URL = "http://localhost:8000/v1"
OWN = {
    ("house/hears-the-greeting", None),
    ("house/answers-in-time", "json"),
    ("house/answers-in-time", "verbose_json"),
    ("desk/names-a-model-we-bought", None),
}
SOURCES = {"Handbook 3.1", "Service agreement, section 2", "Contract of 2026, annex A"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that has the wheel, and what it depends on.

    The dependencies are those of this environment, by its folders: installing them takes minutes.
    """
    place = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    environment = place / "environment"
    make = [sys.executable, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(make, check=True, capture_output=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    install += ["--no-index", "--quiet", "--disable-pip-version-check", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(environment)})
    # Paths in such a file are searched, but what they hold of such files is not read: the
    # toolkit that is being worked on stays hidden.
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (Path(packages) / "shared.pth").write_text("\n".join(shared), encoding="utf-8")
    return python


@pytest.fixture(scope="module")
def reference() -> Iterator[str]:
    """Return the base URL of a reference deployment."""
    with start_reference() as deployment:
        yield deployment.base_url


@pytest.fixture
def user(installed: Path, tmp_path: Path) -> SimpleNamespace:
    """Return a user's folder with the suite of the how-to, and how its commands are run in it."""
    suite = tmp_path / "my_requirements"
    suite.mkdir()
    (suite / "test_house.py").write_text(SUITE, encoding="utf-8")
    ways = {"soundcheck": [str(installed), "-m", "soundcheck"]}
    ways["pytest"] = [str(installed), "-m", "pytest"]
    hidden = {name: value for name, value in os.environ.items() if "PYTEST" not in name}

    def run(command: str, *more: str, url: str = URL) -> subprocess.CompletedProcess[str]:
        program, *arguments = shlex.split(command.replace(URL, url))
        return subprocess.run(
            [*ways[program], *arguments, *more],
            cwd=tmp_path,
            env=hidden,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return SimpleNamespace(run=run, folder=tmp_path, suite=suite)


def _own(folder: Path) -> dict[tuple[str, str | None], SimpleNamespace]:
    run = json.loads((folder / "run.json").read_text("utf-8"))
    results = [SimpleNamespace(**result) for result in run["results"]]
    return {(one.id, one.case): one for one in results if one.area in ("house", "desk")}


def test_beside_the_bundled_ones(user: SimpleNamespace, reference: str) -> None:
    """``check --suite`` judges them as a part of the run, and every report tells their source."""
    chosen = ["--only", "house", "--only", "desk", "--only", "models/list", "--out", "run"]
    done = user.run(BESIDE, *chosen, url=reference)
    assert done.returncode == 0, done.stdout + done.stderr
    found = _own(user.folder / "run")
    assert {key: one.verdict for key, one in found.items()} == dict.fromkeys(OWN, "pass")
    assert {one.source for one in found.values()} == SOURCES
    page = (user.folder / "run" / "report.html").read_text("utf-8")
    assert all(source in page for source in SOURCES)
    assert "house/answers-in-time" in (user.folder / "run" / "junit.xml").read_text("utf-8")
    assert "--suite my_requirements" in done.stdout or "next" not in done.stdout


def test_alone_in_a_pytest_run(user: SimpleNamespace, reference: str) -> None:
    """Plain pytest judges them, with nothing but the plugin of the installed package."""
    done = user.run(ALONE, url=reference)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    found = _own(user.folder / "reports" / "house")
    assert {key: one.verdict for key, one in found.items()} == dict.fromkeys(OWN, "pass")


def test_seen_to_fail(user: SimpleNamespace) -> None:
    """The reference with a fault fails the requirement that is about it, with its own words."""
    done = user.run(FAULTY, "--out", "run", "--quiet")
    found = _own(user.folder / "run")
    red = {key[0]: one.message for key, one in found.items() if one.verdict != "pass"}
    assert list(red) == ["desk/names-a-model-we-bought"], done.stdout + done.stderr
    assert red["desk/names-a-model-we-bought"].startswith("whisper-large-v3 is not among [")
    assert found[("desk/names-a-model-we-bought", None)].verdict == "warn"
    assert "desk/names-a-model-we-bought" in done.stdout
    assert "Contract of 2026, annex A" in (user.folder / "run" / "summary.md").read_text("utf-8")


def test_it_is_the_wheel_that_is_used(installed: Path, tmp_path: Path) -> None:
    """The environment imports what was installed, not the clone."""
    code = "import soundcheck.suites as s; print(s.__file__, s.folder('fixtures'))"
    command = [str(installed), "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    package, fixtures = done.stdout.split()
    assert Path(package).is_relative_to(installed.parents[1])
    assert Path(fixtures).parts[-2:] == ("_suites", "fixtures")
