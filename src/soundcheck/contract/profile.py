"""Profiles: what a deployment claims, as data (``conformance/profiles/*.toml`` or a user's own)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from soundcheck import suites
from soundcheck.contract import bounds
from soundcheck.contract.bounds import Bounds
from soundcheck.contract.contracts import CONTRACTS, PRIVATE
from soundcheck.contract.toml_file import TomlFile, read_toml
from soundcheck.contract.verdict import MAY, Level
from soundcheck.errors import SoundcheckError

CAPABILITIES = {
    "text": "response_format=text",
    "verbose_json": "response_format=verbose_json",
    "segments": "segments with times in verbose_json",
    "segment_statistics": "the ten members of a segment, none of them null",
    "word_timestamps": "timestamp_granularities[]=word",
    "subtitles": "response_format=srt and vtt",
    "diarization": "response_format=diarized_json",
    "logprobs": "include[]=logprobs",
    "language_hints": "languages[] and keywords[]",
    "token_usage": "usage counted in tokens",
    "streaming": "stream=true answered by an event stream",
}

IMPLIED = {
    "segments": "verbose_json",
    "segment_statistics": "segments",
    "word_timestamps": "verbose_json",
}
"""Capabilities that cannot be without another."""

_LEVELS = ("MUST", "SHOULD", "MAY")
_TABLES = ("models", "levels", "deviations", "limits", "bounds")
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "title": _TEXT,
        "extends": _TEXT,
        "requirements": {"enum": list(CONTRACTS)},
        "dialect": {"enum": ["openai", "vllm"]},
        "levels": {"type": "object", "additionalProperties": {"enum": list(_LEVELS)}},
        "deviations": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["reason", "source"],
                "properties": {
                    "reason": _TEXT,
                    "source": _TEXT,
                    "cases": {"type": "array", "minItems": 1, "items": _TEXT},
                },
            },
        },
        "limits": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "accepted_bytes": {"type": "integer", "minimum": 2**20, "maximum": 2**28},
                "refused_bytes": {
                    "anyOf": [
                        {"type": "integer", "minimum": 2**20, "maximum": 2**28},
                        {"const": "none"},
                    ]
                },
            },
        },
        "bounds": bounds.SCHEMA,
        "models": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["capabilities"],
                "properties": {
                    "capabilities": {
                        "type": "array",
                        "uniqueItems": True,
                        "items": {"enum": list(CAPABILITIES)},
                    }
                },
            },
        },
    },
}


class ProfileError(SoundcheckError):
    """A profile that cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """File sizes in bytes: every file up to ``accepted`` passes, every one from ``refused`` on not.

    ``refused`` is ``None`` where no limit is claimed to be enforced (``refused_bytes = "none"``).
    """

    accepted: int
    refused: int | None


DOCUMENTED = Limits(accepted=25_000_000, refused=25 * 2**20 + 1)
"""What "25 MB" leaves open: it may mean either number of bytes."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """A rule that the deployment is known not to keep, which is accepted: why, and who says so.

    It is for these ``cases`` of the rule alone, if any are named.
    """

    reason: str
    source: str
    cases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """What a deployment claims.

    ``requirements`` names the built-in contract whose rows apply; ``models`` maps patterns of
    model names, first match first, to claimed capabilities; ``levels`` replaces levels by id,
    ``deviations`` are rules, by id, that need not be kept.
    """

    name: str
    title: str
    requirements: str
    dialect: str
    models: dict[str, frozenset[str]] = field(default_factory=dict)
    levels: dict[str, Level] = field(default_factory=dict)
    limits: Limits = DOCUMENTED
    bounds: Bounds = field(default_factory=Bounds)
    deviations: dict[str, Deviation] = field(default_factory=dict)

    @property
    def is_private(self) -> bool:
        """Tell whether it is of what stands at the user's side and encrypts."""
        return self.requirements in PRIVATE

    def claims(self, model: str) -> frozenset[str]:
        """Return the capabilities claimed for ``model``; none when no pattern matches."""
        for pattern, capabilities in self.models.items():
            if fnmatchcase(model.lower(), pattern.lower()):
                return capabilities
        return frozenset()

    def deviation(self, rule: str, case: str | None) -> Deviation | None:
        """Return the accepted deviation from ``rule`` in ``case``, if there is one."""
        accepted = self.deviations.get(rule)
        if accepted is None or (accepted.cases and case not in accepted.cases):
            return None
        return accepted

    def level(self, rule: str, case: str | None, usual: Level) -> Level:
        """Return the level of ``rule`` in ``case``, whose ``usual`` one it has where none is set.

        What need not be kept is a MAY.
        """
        return MAY if self.deviation(rule, case) else self.levels.get(rule, usual)

    def to_data(self) -> dict[str, Any]:
        """Return the profile as JSON can hold it, with nothing left to inherit; sizes in bytes."""
        return {
            "name": self.name,
            "title": self.title,
            "requirements": self.requirements,
            "dialect": self.dialect,
            "limits": {
                "accepted_bytes": self.limits.accepted,
                "refused_bytes": self.limits.refused,
            },
            "bounds": self.bounds.to_data(),
            "levels": dict(self.levels),
            "deviations": {
                rule: {"reason": one.reason, "source": one.source}
                | ({"cases": list(one.cases)} if one.cases else {})
                for rule, one in self.deviations.items()
            },
            # A list: the first match wins, and the members of a JSON object have no order.
            "models": [
                {"pattern": pattern, "capabilities": sorted(capabilities)}
                for pattern, capabilities in self.models.items()
            ],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Profile":
        """Return the profile that :meth:`to_data` gave, also in another version.

        ``data`` has the members and types that ``to_data`` gives. Raises :class:`ProfileError` for
        a value that no profile of this version may have.
        """
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import best_match

        limits = data["limits"]
        refused = limits["refused_bytes"]
        document = {name: data[name] for name in ("title", "requirements", "dialect", "levels")} | {
            "deviations": data.get("deviations", {}),  # recorded runs of before have none
            "limits": limits | {"refused_bytes": "none" if refused is None else refused},
            "bounds": data.get("bounds", {}),  # runs from before there were any have the usual
            "models": {
                one["pattern"]: {"capabilities": one["capabilities"]} for one in data["models"]
            },
        }
        origin = f"the recorded profile {data['name']!r}"
        error = best_match(Draft202012Validator(_SCHEMA).iter_errors(document))
        if error is not None:
            raise ProfileError(f"{origin}: {error.message}")
        try:
            return _profile(data["name"], document)
        except ProfileError as impossible:
            raise ProfileError(f"{origin}: {impossible}") from None


def built_in() -> tuple[str, ...]:
    """Return the names of the profiles that come with Soundcheck."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def load_profile(reference: str) -> Profile:
    """Return the built-in profile called ``reference``, or the one in the file of that name.

    Raises :class:`ProfileError` for a missing file, bad TOML, an unknown key or a bad value.
    """
    path = find_profile(reference, relative_to=Path.cwd())
    document = _read(path, seen=())
    missing = [key for key in ("title", "requirements", "dialect") if key not in document]
    if missing:
        raise ProfileError(
            f'{path}:1: {", ".join(missing)} missing; set it or use extends = "openai"'
        )
    return _profile(path.stem, document)


def _profile(name: str, document: dict[str, Any]) -> Profile:
    """Return the profile of a document that keeps the schema."""
    return Profile(
        name=name,
        title=document["title"],
        requirements=document["requirements"],
        dialect=document["dialect"],
        models={
            pattern: frozenset(claim["capabilities"])
            for pattern, claim in document.get("models", {}).items()
        },
        levels=dict(document.get("levels", {})),
        limits=_limits(document.get("limits", {})),
        bounds=Bounds.from_data(document.get("bounds", {})),
        deviations={
            rule: Deviation(one["reason"], one["source"], tuple(one.get("cases", ())))
            for rule, one in document.get("deviations", {}).items()
        },
    )


def _limits(table: dict[str, Any]) -> Limits:
    accepted = table.get("accepted_bytes", DOCUMENTED.accepted)
    refused = table.get("refused_bytes", DOCUMENTED.refused)
    if refused == "none":
        return Limits(accepted, None)
    if refused <= accepted:
        raise ProfileError(
            f'refused_bytes ({refused}) must be more than accepted_bytes ({accepted}), or "none"'
        )
    return Limits(accepted, refused)


def _folder() -> Path:
    return suites.folder("conformance") / "profiles"


def find_profile(reference: str, relative_to: Path) -> Path:
    """Return the file of the profile ``reference``: a built-in name, or a path as seen from there.

    Raises :class:`ProfileError` where there is none.
    """
    if reference in built_in():
        return _folder() / f"{reference}.toml"
    if reference.endswith(".toml") and (path := relative_to / reference).is_file():
        return path
    if reference.endswith(".toml"):
        raise ProfileError(f"no profile file at {reference}")
    close = get_close_matches(reference, built_in(), n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(built_in())}"
    raise ProfileError(
        f"no profile called {reference!r}: {hint} (or give the path of a .toml file)"
    )


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """Read, check and extend one profile; its own entries come before the inherited ones."""
    from soundcheck.contract.profile_check import check_models, check_rules

    file = read_toml(path, ProfileError)
    file.check(_SCHEMA)
    check_models(file)
    document = dict(file.document)
    if (name := document.pop("extends", None)) is not None:
        try:
            parent = find_profile(name, path.parent)
        except ProfileError as error:
            raise file.problem(["extends"], str(error)) from None
        if parent in (*seen, path):
            way = ", ".join(one.name for one in (*seen, path))
            raise file.problem(["extends"], f"extends itself by way of {way}")
        inherited = _read(parent, (*seen, path))
        document = inherited | document
        for table in _TABLES:
            own, theirs = file.document.get(table, {}), inherited.get(table, {})
            document[table] = own | {key: theirs[key] for key in theirs if key not in own}
        # A level that is set here stands against a deviation that is inherited.
        kept = file.document.get("deviations", {})
        for name in file.document.get("levels", {}).keys() - kept.keys():
            document["deviations"].pop(name, None)
    if path.parent != _folder():  # those that come with Soundcheck are checked by its tests
        check_rules(file, document.get("requirements", ""))
    _check_limits(file, document)
    return document


def _check_limits(file: TomlFile, document: dict[str, Any]) -> None:
    try:
        _limits(document.get("limits", {}))
    except ProfileError as impossible:
        own = file.document.get("limits", {})
        name = "refused_bytes" if "refused_bytes" in own else "accepted_bytes"
        raise file.problem(["limits", name], str(impossible)) from None
