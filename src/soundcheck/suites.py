"""Where the suites, scenarios and recipes lie: a clone's own folders, else the packaged copy."""

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent
_CLONE = _PACKAGE.parents[1]
_IN_CLONE = (_CLONE / "pyproject.toml").is_file() and (_CLONE / "conformance").is_dir()


def folder(name: Literal["conformance", "fixtures", "loadtests"]) -> Path:
    """Return the folder ``name``: the clone's in an editable install, else the wheel's copy."""
    return (_CLONE if _IN_CLONE else _PACKAGE / "_suites") / name
