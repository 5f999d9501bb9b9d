"""What a run is held to beside its verdict: waivers, and an earlier run as baseline.

The verdict tells of the deployment; the gate tells whether a pipeline may go on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

GateVerdict: TypeAlias = Literal["holds", "fails", "undecided"]
State: TypeAlias = Literal["used", "not-judged", "stale", "expired", "unknown"]
Kind: TypeAlias = Literal["worse", "better", "new", "stricter", "gone"]
"""Of a change: kept before and violated now, the opposite, violated where nothing was judged
before, a violation of before that counts for more now, and judged before but not now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """Why a violation is lived with: the waiver's entry, and the ``verdict`` that it stands for."""

    reason: str
    link: str
    expires: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverEntry:
    """An entry of the file of waivers (``line`` is where it begins), and what became of it.

    ``told`` says so in a sentence where that makes the gate fail.
    """

    id: str
    case: str | None
    reason: str
    link: str
    expires: str
    line: int
    state: State
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How one rule, or case of it, is judged now (``new``) and was judged before (``old``).

    A verdict is ``None`` where the run does not have the rule. ``fails`` tells whether the change
    makes a gate fail; ``message`` is that of the run in which the rule is violated.
    """

    id: str
    case: str | None
    level: str
    kind: Kind
    old: str | None
    new: str | None
    fails: bool = False
    message: str = ""

    @property
    def name(self) -> str:
        """Return the rule and its case, as reports call them."""
        return f"{self.id} [{self.case}]" if self.case else self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The earlier run: when it began, by which version, and what has changed since.

    ``same`` counts the violations of before that are still there.
    """

    started: str
    version: str
    same: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Whether a pipeline may go on, and why not."""

    verdict: GateVerdict
    waivers_file: str = ""
    waivers: tuple[WaiverEntry, ...] = ()
    baseline: Baseline | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """The sentences on waivers that make the gate fail."""
        return tuple(entry.told for entry in self.waivers if entry.told)

    def excuses(self, rule: str, case: str | None) -> bool:
        """Tell whether the baseline takes a failure of this rule and case out of the account."""
        changes = self.baseline.changes if self.baseline else ()
        failing = {(change.id, change.case) for change in changes if change.fails}
        return self.baseline is not None and (rule, case) not in failing

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Gate":
        """Rebuild a gate from a document that keeps the schema."""
        before = document["baseline"]
        return cls(
            verdict=document["verdict"],
            waivers_file=document["waivers_file"],
            waivers=tuple(WaiverEntry(**entry) for entry in document["waivers"]),
            baseline=before
            and Baseline(
                **before | {"changes": tuple(Change(**change) for change in before["changes"])}
            ),
        )
