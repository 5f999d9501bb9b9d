"""What no deployment can claim: combinations in a profile that the types of its values allow."""

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache

from soundcheck.contract.profile import IMPLIED, Profile
from soundcheck.contract.requirement import Requirement
from soundcheck.contract.toml_file import TomlFile
from soundcheck.errors import SoundcheckError

_ANYTHING = ("", "\ue000", "\ue000\ue001\ue002\ue003")
"""What a ``*`` may stand for: no pattern names these characters."""


def check_models(file: TomlFile) -> None:
    """Refuse patterns that never match, and capabilities that cannot be without another.

    Raises :class:`SoundcheckError` with file and line.
    """
    models = file.document.get("models", {})
    for number, (pattern, claim) in enumerate(models.items()):
        earlier = next((one for one in list(models)[:number] if _covers(one, pattern)), None)
        if earlier is not None:
            raise file.problem(
                ["models", pattern],
                f"{pattern!r} can never match: the earlier pattern {earlier!r} takes all its names",
            )
        for name in claim["capabilities"]:
            needed = IMPLIED.get(name)
            if needed is not None and needed not in claim["capabilities"]:
                raise file.problem(
                    ["models", pattern, "capabilities"], f"{name} cannot be without {needed}"
                )


def check_rules(file: TomlFile, contract: str) -> None:
    """Refuse levels of, and deviations from, rules that are not in ``contract``.

    An area that is not of the bundled suites is left to them who bring it. Raises
    :class:`SoundcheckError` with file and line.
    """
    levels, deviations = file.document.get("levels", {}), file.document.get("deviations", {})
    for table, names in (("levels", levels), ("deviations", deviations)):
        for name in names:
            if problem := _problem(name, contract):
                raise file.problem([table, name], problem)
    for name, accepted in deviations.items():
        known = [case.id for case in _bundled()[name].cases] if name in _bundled() else None
        cases = accepted.get("cases", [])
        if known is not None and (strange := [case for case in cases if case not in known]):
            there = f"its cases are {', '.join(known)}" if known else "it has no cases"
            raise file.problem(
                ["deviations", name, "cases"], f"{name} has no case {strange[0]!r}: {there}"
            )
        if name in levels and not cases:
            raise file.problem(
                ["levels", name],
                f"{name} cannot have a level and be an accepted deviation: choose one of the two",
            )


def check_names(profile: Profile, collected: Iterable[str]) -> None:
    """Refuse a profile that speaks of rules which are neither ``collected`` nor bundled.

    Raises :class:`SoundcheckError`: a typing error must not loosen or tighten nothing.
    """
    strange = {*profile.levels, *profile.deviations} - set(collected)
    for name in sorted(strange - _bundled().keys() if strange else ()):
        raise SoundcheckError(
            f"the profile {profile.name} speaks of {name!r}, which is neither a requirement of "
            "Soundcheck nor of a suite that was collected"
        )


def _problem(name: str, contract: str) -> str:
    """Return what is wrong with naming the rule ``name`` in a profile of ``contract``, if so."""
    known = _bundled()
    if name in known:
        inside = not contract or contract in known[name].profiles
        return "" if inside else f"{name} is not part of the {contract} contract"
    areas = {rule.area for rule in known.values()}
    close = get_close_matches(name, known, n=1, cutoff=0.75)
    if close:
        return f"no requirement is called {name!r}: did you mean {close[0]}?"
    if name.partition("/")[0] in areas or "/" not in name:
        return f"no requirement is called {name!r}: `soundcheck requirements` lists them"
    return ""


def _covers(pattern: str, other: str) -> bool:
    """Tell whether every name that ``other`` matches is matched by ``pattern`` too."""
    if "[" in other:
        return pattern == other or pattern == "*"
    names = [other.replace("*", anything).replace("?", "\ue004") for anything in _ANYTHING]
    return all(fnmatchcase(name.lower(), pattern.lower()) for name in names)


@cache
def _bundled() -> dict[str, Requirement]:
    from soundcheck.contract.catalogue import load_catalogue

    return {rule.id: rule for rule in load_catalogue()}
