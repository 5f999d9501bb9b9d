"""Imports between the packages of Soundcheck go down only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import soundcheck
from soundcheck import suites

ROOT = Path(soundcheck.__file__).parent
ALLOWED = {
    "audio": set[str](),
    "http": {"audio"},
    "contract": {"audio", "http"},
    "report": set[str](),
    "reference": {"audio", "http", "contract"},
    "wiretap": {"audio", "http", "contract"},
    "load": {"audio", "http", "report"},
    "plugin": {"audio", "http", "contract", "report", "wiretap"},
    "cli": {"audio", "http", "contract", "report", "load", "reference", "wiretap", "plugin"},
}
EVERYWHERE = {"errors", "suites"}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_down_only(package: str) -> None:
    """A module imports from its own package, from those below it, and nothing else of ours."""
    allowed = {package, *ALLOWED[package], *EVERYWHERE}
    for path in sorted((ROOT / package).rglob("*.py")):
        wrong = {name for name in _ours(path) if name not in allowed}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_every_package_has_its_place() -> None:
    """A new package must be given its layer here."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"_suites"} == set(ALLOWED)


def test_suites_judge_records() -> None:
    """The suites know what was recorded, and neither how it was sent nor whom they judge."""
    for path in suites.folder("conformance").rglob("*.py"):
        wrong = set(_ours(path)) - {"audio", "http", "contract"}
        assert not wrong, f"{path.name} imports {wrong}"


def test_reports_know_no_network() -> None:
    """Reports are made from files: their package imports nothing that talks to a network."""
    network = {"httpx", "socket", "urllib.request", "http", "ssl", "requests"}
    for path in (ROOT / "report").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert not {one for name in names for one in (name, name.partition(".")[0])} & network


def _ours(path: Path) -> Iterator[str]:
    """Yield the packages and modules of Soundcheck that the file at ``path`` imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "soundcheck":
                names = [f"soundcheck.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "soundcheck" and len(parts) > 1 and not parts[1].startswith("__"):
                yield parts[1]
