"""The catalogue: every requirement of the suites, read from their modules."""

import importlib.util
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from soundcheck import suites
from soundcheck.contract.requirement import Requirement, requirement_of
from soundcheck.errors import SoundcheckError

SCHEMA = "soundcheck/requirements/1"


def load_catalogue(folder: Path | None = None) -> tuple[Requirement, ...]:
    """Return the requirements of every ``test_*.py`` in ``folder``, in the order of the modules.

    Raises ``ValueError`` when two tests claim one id.
    """
    paths = sorted((folder or suites.folder("conformance")).glob("test_*.py"))
    return _distinct(rule for path in paths for rule in _rules(path, path.stem))


def load_own(folder: Path) -> tuple[Requirement, ...]:
    """Return a user's own requirements: those of every ``test_*.py`` in and below ``folder``.

    Raises :class:`SoundcheckError` where there are none, a module cannot be imported, or an id is
    claimed twice, or by the bundled suites too.
    """
    if not folder.is_dir():
        raise SoundcheckError(f"{folder} is no folder of requirements of your own")
    found: list[Requirement] = []
    for path in sorted(folder.rglob("test_*.py")):
        place = sha256(str(path.resolve()).encode()).hexdigest()[:16]
        try:
            found += _rules(path, f"own_{place}")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # it may skip itself, or exit: told, it must not end us
            raise SoundcheckError(
                f"{path} cannot be imported: {type(error).__name__}: {error}"
            ) from error
    if not found:
        raise SoundcheckError(
            f"{folder} holds no requirement: none of its test_*.py has a test with @requirement"
        )
    try:
        _distinct([*load_catalogue(), *found])
    except ValueError as error:
        raise SoundcheckError(f"{folder}: {error}") from None
    return tuple(found)


def _distinct(rules: Iterable[Requirement]) -> tuple[Requirement, ...]:
    found: dict[str, Requirement] = {}
    for rule in rules:
        known = found.setdefault(rule.id, rule)
        if known.test != rule.test:
            raise ValueError(f"{rule.id} is claimed by {known.test} and {rule.test}")
        found[rule.id] = rule
    return tuple(found.values())


def _rules(path: Path, name: str) -> list[Requirement]:
    module = vars(_load(path, f"soundcheck_catalogue.{name}"))
    return [rule for value in module.values() if (rule := requirement_of(value)) is not None]


def _load(path: Path, name: str) -> object:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
