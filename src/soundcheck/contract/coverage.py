"""Traceability: every fact of the contract, the requirements that check it, or why none can.

The facts stand in ``conformance/coverage``, a file per section of the contract, in our own words.
A fact is *checked* by the requirements it names, *excluded* for the reason it gives, or *open*.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from soundcheck import suites
from soundcheck.contract.toml_file import read_toml
from soundcheck.errors import SoundcheckError

SCHEMA = "soundcheck/coverage/1"

BEYOND = "beyond.toml"
"""The file of the requirements that no sentence of the contract asks for, and who does."""

_TEXT = {"type": "string", "minLength": 1}
_IDS = {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True}
_SECTION: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "facts"],
    "properties": {
        "title": _TEXT,
        "facts": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["fact", "source"],
                "properties": {
                    "fact": _TEXT,
                    "source": _TEXT,
                    "requirements": _IDS,
                    "excluded": _TEXT,
                },
                "not": {"required": ["requirements", "excluded"]},
            },
        },
    },
}
_BEYOND: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "areas": {"type": "object", "additionalProperties": _TEXT},
        "requirements": {"type": "object", "additionalProperties": _TEXT},
    },
}

State = Literal["checked", "excluded", "open"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence of the contract: checked by ``requirements``, or ``excluded`` for a reason."""

    section: str
    name: str
    fact: str
    source: str
    requirements: tuple[str, ...] = ()
    excluded: str = ""

    @property
    def state(self) -> State:
        """Return what has become of the fact."""
        if self.requirements:
            return "checked"
        return "excluded" if self.excluded else "open"


@dataclass(frozen=True, slots=True)
class Coverage:
    """The ``facts`` in the order of their sections, the sections' ``titles`` by number.

    ``beyond`` says of an area or a requirement who asks for it, where the contract does not.
    """

    titles: Mapping[str, str]
    facts: tuple[Fact, ...]
    beyond: Mapping[str, str]

    def of(self, state: State) -> list[Fact]:
        """Return the facts of which this has become."""
        return [fact for fact in self.facts if fact.state == state]

    def in_section(self, section: str) -> list[Fact]:
        """Return the facts of one section."""
        return [fact for fact in self.facts if fact.section == section]

    def unknown(self, known: Iterable[str]) -> list[str]:
        """Return the ids that are named here and are not among ``known``."""
        named = {name for fact in self.facts for name in fact.requirements}
        known = set(known)
        areas = {name.partition("/")[0] for name in known}
        return sorted((named | set(self.beyond)) - known - areas)

    def unasked(self, known: Iterable[str]) -> list[str]:
        """Return those of ``known`` that no fact names and nobody else is said to ask for."""
        named = {name for fact in self.facts for name in fact.requirements} | set(self.beyond)
        return sorted(name for name in known if not {name, name.partition("/")[0]} & named)


def load_coverage(folder: Path | None = None) -> Coverage:
    """Return what the files in ``folder`` say; by default those beside the suites.

    Raises :class:`SoundcheckError` for a file of another form, with its line.
    """
    folder = folder or suites.folder("conformance") / "coverage"
    titles: dict[str, str] = {}
    facts: list[Fact] = []
    for path in sorted(folder.glob("[0-9]*.toml")):
        file = read_toml(path)
        file.check(_SECTION)
        section = path.stem.partition("-")[0]
        titles[section] = file.document["title"]
        for name, entry in file.document["facts"].items():
            facts.append(
                Fact(
                    section,
                    name,
                    entry["fact"],
                    entry["source"],
                    tuple(entry.get("requirements", ())),
                    entry.get("excluded", ""),
                )
            )
    if not facts:
        raise SoundcheckError(f"{folder} holds no facts of the contract")
    beyond = read_toml(folder / BEYOND)
    beyond.check(_BEYOND)
    return Coverage(
        titles, tuple(facts), {k: v for t in beyond.document.values() for k, v in t.items()}
    )
