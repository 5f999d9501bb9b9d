"""What ``soundcheck`` itself exports: the words for requirements of one's own, at no cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import soundcheck
from soundcheck import contract


def test_everything_exported_is_the_vocabulary_of_the_suites() -> None:
    """Each name of ``__all__`` is there, and is that of ``soundcheck.contract``."""
    assert soundcheck.__all__ == sorted(soundcheck.__all__, key=_order)
    for name in set(soundcheck.__all__) - {"__version__"}:
        assert getattr(soundcheck, name) is getattr(contract, name)
    assert set(soundcheck.__all__) <= set(dir(soundcheck))


def test_type_checkers_see_what_is_exported() -> None:
    """The imports for type checkers name what is exported, and nothing else."""
    tree = ast.parse(Path(soundcheck.__file__).read_text(encoding="utf-8"))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(soundcheck.__all__) - {"__version__"}


def test_the_package_alone_imports_nothing() -> None:
    """``import soundcheck`` imports no other module of the package, and nothing foreign."""
    code = "import sys, soundcheck; print(*(m for m in sys.modules if 'soundcheck' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = [name for name in done.stdout.split() if not name.startswith("_")]
    assert ours == ["soundcheck"]


def test_what_is_not_exported_is_not_there() -> None:
    """Another name is an error as of any module."""
    with pytest.raises(AttributeError, match="module 'soundcheck' has no attribute 'Requirment'"):
        _ = soundcheck.Requirment  # type: ignore[attr-defined]


def _order(name: str) -> tuple[int, str]:
    """Return the place of a name as ruff sorts them: constants, classes, then the others."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
