"""``soundcheck.toml``: deployments by name, so that a check of one is a word to type."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from soundcheck.contract.profile import ProfileError, built_in, find_profile
from soundcheck.contract.requirement import EFFORTS
from soundcheck.contract.target import LONGEST_TIMEOUT, Target, Unusable, Value, Variable, Way
from soundcheck.contract.toml_file import TomlFile, read_toml
from soundcheck.contract.traffic import FREE, Caps, Manners
from soundcheck.errors import SoundcheckError
from soundcheck.http.store import SECRET_HEADERS

FILE = "soundcheck.toml"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""What a target may be called: nothing that could be a URL."""

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_POSITIVE: dict[str, Any] = {"type": "number", "exclusiveMinimum": 0}
_VALUE: dict[str, Any] = {
    "type": ["string", "object"],
    "required": ["env"],
    "additionalProperties": False,
    "properties": {"env": _TEXT},
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["targets"],
    "properties": {
        "targets": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["base_url"],
                "properties": {
                    "base_url": _TEXT,
                    "model": _TEXT,
                    "profile": _TEXT,
                    "effort": {"enum": list(EFFORTS)},
                    "api_key_env": _TEXT,
                    "headers": {"type": "object", "additionalProperties": _VALUE},
                    "query": {"type": "object", "additionalProperties": _VALUE},
                    "tls_roots": _TEXT,
                    "client_cert": _TEXT,
                    "client_key": _TEXT,
                    "proxy": _VALUE | {"minLength": 1},
                    "timeout": {"type": "number", "minimum": 1, "maximum": LONGEST_TIMEOUT},
                    "jobs": {"type": "integer", "minimum": 1, "maximum": 64},
                    "max_rate": _POSITIVE,
                    "max_requests": {"type": "integer", "minimum": 1},
                    "max_audio_minutes": _POSITIVE,
                    "max_upload_mb": _POSITIVE,
                    "price_per_audio_minute": {"type": "number", "minimum": 0, "maximum": 1e6},
                    "currency": {"type": "string", "minLength": 1, "maxLength": 8},
                },
            },
        }
    },
}

_SECRET_NAME = re.compile(
    r"(^|[-_])(key|apikey|token|secret|password|passwd|auth|authorization|signature|sig)([-_]|$)",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"(bearer|basic|token)\s|sk-|(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/_=.-]{28,}$", re.IGNORECASE
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class TargetError(SoundcheckError):
    """A target that cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Named:
    """A target of the file: what a check of it is given, unless the command line says otherwise."""

    base_url: str
    model: str | None = None
    profile: str = ""
    effort: str = ""
    api_key_env: str | None = None
    roots: Path | None = None
    timeout: float | None = None
    jobs: int | None = None
    way: Way = field(default_factory=Way)
    manners: Manners = FREE
    price: float | None = None
    currency: str = "USD"


def find(config: Path | None = None) -> Path:
    """Return the file of targets: ``config``, or that of the working directory.

    Raises :class:`TargetError` where there is none.
    """
    path = config or Path(FILE)
    if not path.is_file():
        where = f"at {config}" if config else "in this folder"
        raise TargetError(
            f"there is no {FILE} {where}: `soundcheck init` writes one; a deployment without a "
            "name is given by its URL, as http://localhost:8000/v1"
        )
    return path


def names(path: Path) -> tuple[str, ...]:
    """Return what the targets in ``path`` are called; raises :class:`TargetError`."""
    return tuple(_read(path).document["targets"])


def load_target(name: str, path: Path, replaced: Collection[str] = ()) -> Named:
    """Return the target ``name`` of the file at ``path``.

    Raises :class:`TargetError` for a file with a mistake in it, a variable that is not set, an
    unknown name, or a secret that stands in the file; no message ever holds that. Of the keys
    ``replaced``, the file's own profile or variable will not be used, and may be missing.
    """
    file = _read(path)
    tables = file.document["targets"]
    if name not in tables:
        close = get_close_matches(name, tables, n=1)
        known = ", ".join(tables) or "none"
        hint = f"did you mean {close[0]}?" if close else f"there are: {known}"
        raise TargetError(f"{path} has no target called {name!r}: {hint}")
    return _named(file, name, tables[name], replaced)


def _read(path: Path) -> TomlFile:
    file = read_toml(path, TargetError)
    file.check(_SCHEMA)
    for name in file.document["targets"]:
        if not NAME.fullmatch(name):
            told = f"{name!r} cannot be a target's name: letters, digits, '.', '-' and '_' make one"
            raise file.problem(["targets", name], told)
    return file


def _named(file: TomlFile, name: str, table: Mapping[str, Any], replaced: Collection[str]) -> Named:
    place = ["targets", name]
    beside = file.path.parent

    def path(key: str) -> Path | None:
        return beside / table[key] if key in table else None

    if "client_key" in table and "client_cert" not in table:
        raise file.problem([*place, "client_key"], "client_key belongs to a client_cert: set both")
    key = table.get("api_key_env")
    if key is not None and not key.isidentifier():
        raise file.problem(
            [*place, "api_key_env"],
            "api_key_env takes the name of an environment variable, never the key itself",
        )
    if key is not None and "api_key_env" not in replaced:
        _set(file, [*place, "api_key_env"], Variable(key))
    values = {
        kind: tuple(
            (one, _value(file, [*place, kind, one], value))
            for one, value in table.get(kind, {}).items()
        )
        for kind in ("headers", "query")
    }
    if key is not None and "authorization" in {one.lower() for one, _ in values["headers"]}:
        raise file.problem(
            [*place, "headers"], "api_key_env and a header Authorization: only one of them is sent"
        )
    proxy = table.get("proxy", "")
    if isinstance(proxy, str) and "@" in proxy:
        raise file.problem(
            [*place, "proxy"],
            "a user name or password must not stand here: put the whole URL into an environment "
            'variable and name it: proxy = { env = "MY_PROXY" }',
        )
    profile = table.get("profile", "")
    try:
        if profile and "profile" not in replaced:
            find_profile(profile, beside)
    except ProfileError as error:
        raise file.problem([*place, "profile"], str(error)) from None
    found = Named(
        base_url=table["base_url"],
        model=table.get("model"),
        profile=profile if profile in (*built_in(), "") else _beside(beside, profile),
        effort=table.get("effort", ""),
        api_key_env=key,
        roots=path("tls_roots"),
        timeout=table.get("timeout"),
        jobs=table.get("jobs"),
        way=Way(
            name=name,
            headers=values["headers"],
            query=values["query"],
            client_cert=path("client_cert"),
            client_key=path("client_key"),
            proxy=_read_value(file, [*place, "proxy"], proxy),
        ),
        manners=Manners(
            Caps(
                table.get("max_requests"),
                table.get("max_audio_minutes"),
                table.get("max_upload_mb"),
            ),
            table.get("max_rate"),
        ),
        price=table.get("price_per_audio_minute"),
        currency=table.get("currency", "USD"),
    )
    try:
        Target(found.base_url, found.model, None, roots=found.roots, way=found.way)
    except Unusable as error:
        raise file.problem([*place, *error.part], str(error)) from None
    except SoundcheckError as error:
        raise file.problem(place, str(error)) from None
    return found


def _beside(folder: Path, profile: str) -> str:
    """Return the path of a profile's file seen from here; another name is left for its error."""
    return str(folder / profile) if profile.endswith(".toml") else profile


def _value(file: TomlFile, where: list[str], value: str | dict[str, str]) -> Value:
    """Return the value of a header or of a query; one that seems a secret is refused."""
    name = where[-1]
    if isinstance(value, str) and (
        name.lower() in SECRET_HEADERS
        or _SECRET_NAME.search(name)
        or (_SECRET_VALUE.match(value) and not _UUID.fullmatch(value))
    ):
        raise file.problem(
            where,
            f"what {name} is set to seems to be a secret, which must not stand in a file: put it "
            f'into an environment variable and name that: "{name}" = {{ env = "MY_KEY" }}',
        )
    return _read_value(file, where, value)


def _read_value(file: TomlFile, where: list[str], value: str | dict[str, str]) -> Value:
    return _set(file, where, Variable(value["env"])) if isinstance(value, dict) else value


def _set(file: TomlFile, where: list[str], variable: Variable) -> Variable:
    """Return ``variable``; one that is not set is told by the entry that names it."""
    try:
        variable.read()
    except SoundcheckError as error:
        raise file.problem(where, str(error)) from None
    return variable
