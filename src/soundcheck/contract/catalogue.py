"""The catalogue: every requirement of the suites, read from their modules."""

import importlib.util
import sys
from pathlib import Path

from soundcheck import suites
from soundcheck.contract.requirement import Requirement, requirement_of

SCHEMA = "soundcheck/requirements/1"


def load_catalogue(folder: Path | None = None) -> tuple[Requirement, ...]:
    """Return the requirements of every ``test_*.py`` in ``folder``, in the order of the modules.

    Raises ``ValueError`` when two tests claim one id.
    """
    found: dict[str, Requirement] = {}
    for path in sorted((folder or suites.folder("conformance")).glob("test_*.py")):
        for value in vars(_load(path)).values():
            rule = requirement_of(value)
            if rule is None:
                continue
            if rule.id in found and found[rule.id].test != rule.test:
                raise ValueError(f"{rule.id} is claimed by {found[rule.id].test} and {rule.test}")
            found[rule.id] = rule
    return tuple(found.values())


def _load(path: Path) -> object:
    name = f"soundcheck_catalogue.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
