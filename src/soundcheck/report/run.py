"""A run: what one check of one deployment found, as ``run.json`` holds it.

Everything people and machines read about a run is derived from this value. Durations are seconds,
sizes bytes, audio is counted in minutes.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from soundcheck.errors import SoundcheckError
from soundcheck.report.gate import Gate, Waived
from soundcheck.report.validation import load_document

SCHEMA = "soundcheck/run/1"
FILE = "run.json"
EXCHANGES = "exchanges"

Level: TypeAlias = Literal["MUST", "SHOULD", "MAY"]
Effort: TypeAlias = Literal["quick", "full", "deep"]
RunVerdict: TypeAlias = Literal["conformant", "nonconformant", "incomplete"]
Verdict: TypeAlias = Literal[
    "fail",
    "error",
    "untestable",
    "warn",
    "waived",
    "info",
    "pass",
    "not-applicable",
    "not-selected",
]
# Worst first. A violation that was seen outweighs a case that could not be judged; a case that was
# judged outweighs one that was left out. The same order as soundcheck.contract.verdict's, which is
# not imported because it brings the audio along; a test holds the two together.
VERDICTS: tuple[Verdict, ...] = (
    "fail",
    "error",
    "untestable",
    "waived",
    "warn",
    "info",
    "pass",
    "not-applicable",
    "not-selected",
)
NOTEWORTHY: frozenset[Verdict] = frozenset(
    {"fail", "error", "untestable", "warn", "waived", "info"}
)
LEVELS: tuple[Level, ...] = ("MUST", "SHOULD", "MAY")
JUDGED: frozenset[Verdict] = frozenset({"fail", "warn", "waived", "info", "pass"})
_RANK = {verdict: rank for rank, verdict in enumerate(VERDICTS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What judged: Soundcheck's version and Python's."""

    name: str = "soundcheck"
    version: str
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was judged; the key is known only by the environment variable that holds it."""

    name: str | None = None
    base_url: str
    model: str
    profile: str
    api_key_env: str | None = None
    reference: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """The dialect that the profile claims and the one that the answers showed."""

    claimed: str
    detected: Literal["openai", "vllm", "unknown"] = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The ids and areas that a run was narrowed to and those that it left out, as they were given.

    Both are empty when every rule was wanted.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """Where and by which profile the areas transport and wire were judged.

    ``endpoint`` is the URL or HOST:PORT whose TLS was inspected, ``""`` where there was none;
    ``tapped`` whether a tap stood behind ``base_url``. ``claims`` is the profile called ``profile``
    as data, ``None`` where it is that of the whole run.
    """

    base_url: str
    profile: str
    model: str
    endpoint: str = ""
    tapped: bool = False
    claims: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording of the user's own: its clip's name, and its language (ISO-639-1) if told."""

    name: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run asks of its target."""

    requests: int = 0
    audio_minutes: float = 0.0
    upload_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What was planned before the first byte, and what was spent.

    ``again`` of the requests that were spent were sent again: the way was at fault, or the target
    put them off. ``price`` is that of an audio minute in ``currency``, ``None`` where nobody said.
    """

    planned: Cost = field(default_factory=Cost)
    spent: Cost = field(default_factory=Cost)
    again: int = 0
    price: float | None = None
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Why the profile accepts that a rule is not kept, and who says that it is not."""

    reason: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """An earlier part of a run that was resumed: when it began, how long it was, what it spent."""

    started: str
    duration_s: float
    spent: Cost
    again: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """One attempt at a requirement that is judged several times, and what it alone had decided."""

    verdict: Verdict
    message: str
    exchanges: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The judgement of one requirement (``case`` is ``None``) or of one of its cases.

    ``found`` is what the judge states about the deployment, also when the rule is kept: a sentence
    such as "the limit is 26,214,400 bytes", or nothing. ``model`` is the one that was asked, where
    that is not the model under test; ``deviation`` is set where the rule need not be kept,
    ``waiver`` where a violation is lived with. ``repeats`` are the attempts, where there were
    several.
    """

    id: str
    case: str | None = None
    area: str
    level: Level
    verdict: Verdict
    rule: str
    source: str
    message: str = ""
    test: str = ""
    exchanges: tuple[str, ...] = ()
    attempts: int = 1
    replayable: bool = True
    effort: Effort = "quick"
    duration_s: float = 0.0
    draft: tuple[str, ...] = ()
    found: str = ""
    model: str = ""
    deviation: Deviation | None = None
    waiver: Waived | None = None
    repeats: tuple[Repeat, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the result as ``run.json`` holds it: without what only few results have."""
        # Member by member: deep copies of hundreds of results take longer than their writing.
        document = {name: getattr(self, name) for name in _MEMBERS}
        return document | {name: told for name, told in self._rare() if told}

    def _rare(self) -> Iterable[tuple[str, Any]]:
        yield "model", self.model
        yield "deviation", self.deviation and asdict(self.deviation)
        yield "waiver", self.waiver and asdict(self.waiver)
        yield "repeats", [asdict(attempt) for attempt in self.repeats]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Result":
        """Rebuild a result from a document that keeps the schema."""
        deviation, waiver = document.get("deviation"), document.get("waiver")
        rebuilt: dict[str, Any] = {
            "exchanges": tuple(document["exchanges"]),
            "draft": tuple(document["draft"]),
            "deviation": deviation and Deviation(**deviation),
            "waiver": waiver and Waived(**waiver),
            "repeats": tuple(
                Repeat(**one | {"exchanges": tuple(one["exchanges"])})
                for one in document.get("repeats", ())
            ),
        }
        return cls(**{**document, **rebuilt})


_RARE = ("model", "deviation", "waiver", "repeats")
_MEMBERS = tuple(member.name for member in fields(Result) if member.name not in _RARE)


@dataclass(frozen=True, slots=True)
class Run:
    """One check of one deployment.

    ``replay_of`` names the recorded run whose exchanges were judged again, if nothing was sent.
    ``claims`` is the profile called ``profile`` as data, whole, and ``selection`` the rules that
    were wanted: with the exchanges, all that a later judgement needs. Both are ``None`` in a run
    that was made before they were recorded. ``encryption`` tells where encryption was judged.
    ``earlier`` are the sittings before that of ``started`` and ``duration_s``, where the run was
    resumed; the cost spent is that of all. ``recordings`` are the user's own. ``gate`` tells
    whether a pipeline may go on, by the waivers and the baseline that were given.
    """

    tool: Tool
    target: Target
    profile: str
    effort: Effort
    dialect: Dialect
    started: str
    duration_s: float
    verdict: RunVerdict
    counts: Mapping[Verdict, int]
    cost: Costs
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()
    replay_of: str | None = None
    claims: Mapping[str, Any] | None = None
    selection: Selection | None = None
    encryption: Encryption | None = None
    earlier: tuple[Sitting, ...] = ()
    recordings: tuple[Recording, ...] = ()
    gate: Gate | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``run.json`` holds."""
        document = {"schema": SCHEMA, **asdict(replace(self, results=()))}
        document["results"] = [result.to_json() for result in self.results]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Run":
        """Rebuild a run from a document that keeps the schema."""
        members = {name: value for name, value in document.items() if name != "schema"}
        cost, selection = document["cost"], document.get("selection")
        encryption, gate = document.get("encryption"), document.get("gate")
        return cls(
            **members
            | {
                "tool": Tool(**document["tool"]),
                "target": Target(**document["target"]),
                "dialect": Dialect(**document["dialect"]),
                "cost": Costs(
                    **cost | {"planned": Cost(**cost["planned"]), "spent": Cost(**cost["spent"])}
                ),
                "notes": tuple(document["notes"]),
                "selection": selection
                and Selection(only=tuple(selection["only"]), without=tuple(selection["without"])),
                "encryption": encryption and Encryption(**encryption),
                "earlier": tuple(
                    Sitting(**one | {"spent": Cost(**one["spent"])})
                    for one in document.get("earlier", ())
                ),
                "recordings": tuple(Recording(**one) for one in document.get("recordings", ())),
                "gate": gate and Gate.from_json(gate),
                "results": tuple(map(Result.from_json, document["results"])),
            }
        )


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of at least one verdict: what a requirement takes from its cases."""
    return min(verdicts, key=_RANK.__getitem__)


def count_requirements(results: Iterable[Result]) -> dict[Verdict, int]:
    """Return how many requirements have each verdict, each counted once by its worst case."""
    by_id: dict[str, Verdict] = {}
    for result in results:
        by_id[result.id] = worst((result.verdict, by_id.get(result.id, result.verdict)))
    tally = Counter(by_id.values())
    return {verdict: tally[verdict] for verdict in VERDICTS}


def load_run(folder: Path) -> Run:
    """Return the run in ``folder``.

    Raises:
        SoundcheckError: ``run.json`` is missing, cut off, foreign or contradicts itself; the
            message names the file and the problem.

    """
    if folder.is_file():
        hint = f": give {folder.parent}" if folder.name == FILE else ", which holds its run.json"
        raise SoundcheckError(f"{folder} is a file; the folder of a run is wanted{hint}")
    return load_run_file(folder / FILE)


def load_run_file(path: Path) -> Run:
    """Return the run in the file ``path``, or in its ``run.json`` if it is a folder.

    Raises:
        SoundcheckError: as :func:`load_run`.

    """
    path = path / FILE if path.is_dir() else path
    try:
        status = path.stat()
    except OSError:  # what is wrong with it is told where it is read
        return _loaded(path, None)
    return _loaded(path, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=4)  # judging a run again looks at it from several sides
def _loaded(path: Path, _version: tuple[int, int, int] | None) -> Run:
    run = Run.from_json(load_document(path, "run"))
    problem = _contradiction(run)
    if problem:
        raise SoundcheckError(f"{path}: {problem}; it was damaged or edited")
    return run


def save_run(folder: Path, run: Run) -> None:
    """Write ``run`` to ``folder`` (made if missing), replacing an earlier ``run.json`` at once.

    Raises:
        SoundcheckError: the folder cannot be written.

    """
    write_file(folder / FILE, json.dumps(run.to_json(), indent=1, allow_nan=False) + "\n")


def write_file(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 so that a reader sees the old file or the whole new one.

    Raises:
        SoundcheckError: the file cannot be written.

    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise SoundcheckError(f"{path}: cannot be written: {error.strerror}") from None


def _contradiction(run: Run) -> str | None:
    """Return how the run contradicts itself, so that no report shows green over red."""
    cases = Counter((result.id, result.case) for result in run.results)
    (identity, case), times = cases.most_common(1)[0] if cases else (("", None), 1)
    if times > 1:
        return f"{identity} {f'[{case}] ' if case else ''}is judged {times} times"
    for verdict, number in count_requirements(run.results).items():
        if run.counts[verdict] != number:
            return f"counts {run.counts[verdict]} requirements as {verdict}, its results {number}"
    if run.verdict == "conformant" and run.counts["fail"]:
        return f"says conformant although {run.counts['fail']} required rules fail"
    if run.verdict == "conformant" and not any(run.counts[verdict] for verdict in JUDGED):
        return "says conformant although nothing was judged"
    return None
