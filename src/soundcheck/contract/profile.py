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
from soundcheck.contract.toml_file import read_toml
from soundcheck.contract.verdict import Level
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

_LEVELS = ("MUST", "SHOULD", "MAY")
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "extends": {"type": "string", "minLength": 1},
        "requirements": {"enum": list(CONTRACTS)},
        "dialect": {"enum": ["openai", "vllm"]},
        "levels": {"type": "object", "additionalProperties": {"enum": list(_LEVELS)}},
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
                    "capabilities": {"type": "array", "items": {"enum": list(CAPABILITIES)}}
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
class Profile:
    """What a deployment claims.

    ``requirements`` names the built-in contract whose rows apply; ``models`` maps patterns of
    model names, first match first, to claimed capabilities; ``levels`` replaces levels by id.
    """

    name: str
    title: str
    requirements: str
    dialect: str
    models: dict[str, frozenset[str]] = field(default_factory=dict)
    levels: dict[str, Level] = field(default_factory=dict)
    limits: Limits = DOCUMENTED
    bounds: Bounds = field(default_factory=Bounds)

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
        return _profile(data["name"], document, origin)


def built_in() -> tuple[str, ...]:
    """Return the names of the profiles that come with Soundcheck."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def load_profile(reference: str) -> Profile:
    """Return the built-in profile called ``reference``, or the one in the file of that name.

    Raises :class:`ProfileError` for a missing file, bad TOML, an unknown key or a bad value.
    """
    path = _find(reference, relative_to=Path.cwd())
    document = _read(path, seen=())
    missing = [key for key in ("title", "requirements", "dialect") if key not in document]
    if missing:
        raise ProfileError(
            f'{path}: {", ".join(missing)} missing; set it or use extends = "openai"'
        )
    return _profile(path.stem, document, str(path))


def _profile(name: str, document: dict[str, Any], origin: str) -> Profile:
    """Return the profile of a document that keeps the schema; ``origin`` is named in messages."""
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
        limits=_limits(origin, document.get("limits", {})),
        bounds=Bounds.from_data(document.get("bounds", {})),
    )


def _limits(origin: str, table: dict[str, Any]) -> Limits:
    accepted = table.get("accepted_bytes", DOCUMENTED.accepted)
    refused = table.get("refused_bytes", DOCUMENTED.refused)
    if refused == "none":
        return Limits(accepted, None)
    if refused <= accepted:
        raise ProfileError(
            f"{origin}: limits: refused_bytes ({refused}) must be more than accepted_bytes "
            f'({accepted}), or "none"'
        )
    return Limits(accepted, refused)


def _folder() -> Path:
    return suites.folder("conformance") / "profiles"


def _find(reference: str, relative_to: Path) -> Path:
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
    if path in seen:
        raise ProfileError(f"{path}: extends itself by way of {', '.join(p.name for p in seen)}")
    file = read_toml(path, ProfileError)
    file.check(_SCHEMA)
    document = file.document
    if "extends" not in document:
        return document
    parent = _read(_find(document.pop("extends"), path.parent), (*seen, path))
    merged = parent | document
    for table in ("models", "levels", "limits", "bounds"):
        own = document.get(table, {})
        inherited = {key: value for key, value in parent.get(table, {}).items() if key not in own}
        merged[table] = own | inherited
    return merged
