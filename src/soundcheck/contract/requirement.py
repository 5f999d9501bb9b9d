"""Requirements: a rule, its source and its test in one place.

A test becomes a requirement by three decorators: what is promised (:func:`requirement`), for which
sub-cases (:func:`cases`), and which answers it reads (:func:`probes`). Its docstring's first
sentence is the rule as reports state it.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from soundcheck import suites
from soundcheck.contract.attempts import repeated
from soundcheck.contract.contracts import BUILT_IN, CONTRACTS
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.probe import Probe
from soundcheck.contract.verdict import Level

Effort: TypeAlias = Literal["quick", "full", "deep"]
EFFORTS: tuple[Effort, ...] = ("quick", "full", "deep")

KEY = "key"
"""The need of rules about authentication: the target, not its profile, says that it has a key."""

Judge = TypeVar("Judge", bound=Callable[..., None])
ProbeSource: TypeAlias = Callable[..., Mapping[str, Probe]]

_ID = re.compile(r"[a-z]+/[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Case:
    """A sub-case of a requirement: its name in reports, and what its probes and judge need.

    ``effort`` is for one that takes more than its requirement does.
    """

    id: str
    clip: str = ""
    value: Any = None
    effort: Effort = "quick"


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a search may ask beside its probes: requests, seconds of audio, bytes."""

    requests: int = 0
    audio_s: float = 0.0
    upload_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Requirement:
    """One sentence that a deployment must, should or may keep, and how it is judged.

    ``aggregate`` ones read, beside their own probes, every planned request that has a mistake in
    it; ``repeat`` is how often a noisy one is judged, from effort full on
    (``contract/attempts.py``); ``search`` gives the budget of a judge that chooses its next request
    by the last answer; ``package`` names an optional Python package without which it cannot be
    judged.
    """

    id: str
    level: Level
    rule: str
    source: str
    profiles: tuple[str, ...]
    needs: tuple[str, ...]
    effort: Effort
    killed_by: tuple[str, ...]
    draft: tuple[str, ...]
    test: str
    cases: tuple[Case, ...] = ()
    aggregate: bool = False
    repeat: int = 1
    search: Callable[[Deployment], Budget] | None = None
    package: str = ""
    _probes: ProbeSource = field(default=dict, repr=False)

    @property
    def area(self) -> str:
        """Return the part of the id before the slash: the chapter of the report."""
        return self.id.partition("/")[0]

    def effort_of(self, case: Case | None) -> Effort:
        """Return the effort from which on ``case`` is judged."""
        return max(self.effort, case.effort, key=EFFORTS.index) if case else self.effort

    def probes(self, case: Case | None, deployment: Deployment) -> dict[str, Probe]:
        """Return the probes of ``case`` by the names its judge knows them by."""
        offered = {"case": case, "deployment": deployment}
        wanted = inspect.signature(self._probes).parameters
        return dict(self._probes(**{name: offered[name] for name in wanted}))


def requirement(
    identifier: str,
    level: Level,
    *,
    source: str,
    killed_by: Iterable[str] = (),
    profiles: Iterable[str] | None = None,
    needs: Iterable[str] = (),
    effort: Effort = "quick",
    draft: Iterable[str] = (),
    aggregate: bool = False,
    package: str = "",
    repeat: int = 1,
) -> Callable[[Judge], Judge]:
    """Make a test the judge of the requirement ``identifier`` (``area/words-of-the-rule``).

    ``source`` says where the rule is written; ``killed_by`` names the faults of the reference that
    fail it, which every bundled one has; ``profiles`` are the built-in contracts it belongs to (by
    default those of the API; those of a user's own belong to every contract); ``needs`` the
    capabilities without which it is not applicable; ``draft`` its numbers in the first catalogue;
    ``aggregate``, ``repeat`` and ``package`` as in :class:`Requirement`. Raises ``ValueError``
    for an identifier of another form or a test without a docstring.
    """

    def decorate(judge: Judge) -> Judge:
        if not _ID.fullmatch(identifier):
            raise ValueError(f"{identifier!r} is not of the form area/words-of-the-rule")
        if not judge.__doc__:
            raise ValueError(f"{judge.__name__} needs a docstring that states the rule")
        source_file = Path(judge.__code__.co_filename)
        bundled = suites.folder("conformance") in source_file.parents
        usual = BUILT_IN if bundled else CONTRACTS
        paragraph = inspect.cleandoc(judge.__doc__).partition("\n\n")[0]
        judge.__requirement__ = Requirement(  # type: ignore[attr-defined]
            id=identifier,
            level=level,
            rule=" ".join(paragraph.split()),
            source=source,
            profiles=usual if profiles is None else tuple(profiles),
            needs=tuple(needs),
            effort=effort,
            killed_by=tuple(killed_by),
            draft=tuple(draft),
            test=f"{source_file.parent.name}/{source_file.name}::{judge.__name__}",
            cases=getattr(judge, "__cases__", ()),
            aggregate=aggregate,
            repeat=repeat,
            search=getattr(judge, "__search__", None),
            package=package,
            _probes=getattr(judge, "__probes__", dict),
        )
        if repeat == 1:
            return judge
        judging = repeated(judge, repeat)
        judging.__requirement__ = judge.__requirement__  # type: ignore[attr-defined]
        return judging  # type: ignore[return-value]

    return decorate


def cases(*items: Case | str) -> Callable[[Judge], Judge]:
    """Give a requirement sub-cases, each judged and reported by itself."""
    resolved = tuple(Case(item) if isinstance(item, str) else item for item in items)

    def decorate(judge: Judge) -> Judge:
        judge.__cases__ = resolved  # type: ignore[attr-defined]
        return judge

    return decorate


def probes(source: ProbeSource | None = None, **fixed: Probe) -> Callable[[Judge], Judge]:
    """Say which probes a requirement reads: fixed, or a function of ``case`` and ``deployment``."""

    def decorate(judge: Judge) -> Judge:
        judge.__probes__ = source or (lambda: fixed)  # type: ignore[attr-defined]
        return judge

    return decorate


def search(budget: Callable[[Deployment], Budget]) -> Callable[[Judge], Judge]:
    """Let a judge ask on by the fixture ``ask``, within ``budget``: each request by the answers."""

    def decorate(judge: Judge) -> Judge:
        judge.__search__ = budget  # type: ignore[attr-defined]
        return judge

    return decorate


def requirement_of(judge: object) -> Requirement | None:
    """Return the requirement that ``judge`` decides, or ``None`` for an ordinary test."""
    found = getattr(judge, "__requirement__", None)
    return found if isinstance(found, Requirement) else None
