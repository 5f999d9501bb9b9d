"""Waivers: failures that an operator lives with for a while, for a reason that can be looked up.

They live in a file of the operator's, never in the suites, and reports still show what is waived.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundcheck.contract.toml_file import TomlFile, read_toml

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["waivers"],
    "properties": {
        "waivers": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["id", "reason", "link", "expires"],
                "properties": {
                    "id": _TEXT,
                    "case": _TEXT,
                    "reason": _TEXT,
                    "link": {"type": "string", "pattern": "^https?://[^\\s]+$"},
                    "expires": {},
                },
            },
        }
    },
}


@dataclass(frozen=True, slots=True)
class Waiver:
    """One entry: the rule ``id``, or one ``case`` of it, until the end of the day ``expires``.

    ``line`` is where the entry begins in its file.
    """

    id: str
    case: str | None
    reason: str
    link: str
    expires: datetime.date
    line: int

    @property
    def told(self) -> str:
        """Return what is waived, as reports call it."""
        return f"{self.id} [{self.case}]" if self.case else self.id

    def is_expired(self, today: datetime.date) -> bool:
        """Tell whether its last day is over."""
        return today > self.expires

    def fits(self, rule: str, case: str | None) -> bool:
        """Tell whether it is for this rule and case."""
        return rule == self.id and (self.case is None or self.case == case)


@dataclass(frozen=True, slots=True)
class Waivers:
    """The waivers of the file ``path``, in its order."""

    path: Path
    entries: tuple[Waiver, ...]

    def waiver(self, rule: str, case: str | None, today: datetime.date) -> Waiver | None:
        """Return the waiver that holds today for this rule and case, one for the case first."""
        fitting = [one for one in self.entries if one.fits(rule, case)]
        holding = [one for one in fitting if not one.is_expired(today)]
        return min(holding, key=lambda one: one.case is None, default=None)


def load_waivers(path: Path) -> Waivers:
    """Return the waivers of a TOML file.

    Raises :class:`SoundcheckError` with file and line for an entry that lacks its id, reason, link
    or expiry, for an unknown key or a bad value, and for two entries of the same.
    """
    file = read_toml(path)
    file.check(_SCHEMA)
    return Waivers(path, tuple(_entries(file)))


def _entries(file: TomlFile) -> Iterator[Waiver]:
    seen: dict[tuple[str, str | None], int] = {}
    for number, entry in enumerate(file.document["waivers"]):
        line = file.line(["waivers", number])
        name = (entry["id"], entry.get("case"))
        if name in seen:
            raise file.problem(
                ["waivers", number], f"{name[0]} is waived in line {seen[name]} already"
            )
        seen[name] = line
        expires = _date(entry["expires"])
        if expires is None:
            raise file.problem(
                ["waivers", number, "expires"],
                "expires is the last day of the waiver, a date such as 2027-01-31",
            )
        yield Waiver(*name, entry["reason"], entry["link"], expires, line)


def _date(value: object) -> datetime.date | None:
    if isinstance(value, datetime.datetime):
        return None
    if isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
