"""Every requirement fails on each of its faults, and for that fault's own reason."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from soundcheck.contract import official_node
from soundcheck.contract.catalogue import load_catalogue
from soundcheck.contract.contracts import ENCRYPTION
from soundcheck.contract.requirement import KEY as NEEDED_KEY
from soundcheck.contract.requirement import Requirement
from soundcheck.reference.faults import BENIGN, FAULTS

HERE = Path(__file__).parent
REASONS: dict[str, dict[str, str]] = tomllib.loads((HERE / "reasons.toml").read_text("utf-8"))
CATALOGUE = {rule.id: rule for rule in load_catalogue()}
# Encryption has faults and tests of its own: test_wire_faults.py and test_transport_faults.py.
PAIRS = [
    (rule.id, fault)
    for rule in CATALOGUE.values()
    for fault in rule.killed_by
    if rule.area not in ENCRYPTION
]
HANGING = {"oversize-hangs", "stream-trickles", "very-many-parts-hang"}
# These hang once for each request that a search tries to make simpler.
OFTEN_HANGING = {"part-header-hangs", "small-box-hangs"}
# What the bare reference lacks of a rule about a deployment in front of it: the right one has more.
RIGHT = {"streaming/usage-always": "stream-usage-always"} | {
    rule.id: "keyed" for rule in CATALOGUE.values() if NEEDED_KEY in rule.needs
}
SPOKEN = {"streaming/promised-dialect": "openai"}
# What is a fault only where the profile claims the opposite for the model under test.
CLAIMED = {"stream-ignored": "vllm", "cross-talk-in-streams": "vllm"}
# What Privatemode's backend does otherwise than its documentation promises.
KNOWN = {"streaming/promised-dialect", "limits/over-explained"}
MODEL = "whisper-large-v3"
KEY, KEY_VARIABLE = "soundcheck-farm-5d2c81f0a947", "SOUNDCHECK_FARM_KEY"
TOGETHER = "+".join(name for name in BENIGN if name != "language-as-name")
SEARCHES = [rule.id for rule in CATALOGUE.values() if rule.effort == "deep"]
RED = {"MUST": "fail", "SHOULD": "warn", "MAY": "info"}

Check = Callable[..., SimpleNamespace]


@pytest.fixture(scope="session")
def farms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Return a function that gives the URL of the farm that speaks a dialect."""
    base = tmp_path_factory.getbasetemp()
    together = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    heard = together / "heard"
    heard.mkdir(exist_ok=True)
    running: dict[str, tuple[subprocess.Popen[bytes], str]] = {}

    def url(dialect: str) -> str:
        if dialect not in running:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "farm.py"), dialect, str(heard), KEY],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert process.stdout is not None
            running[dialect] = process, process.stdout.readline().decode().strip()
        return running[dialect][1]

    yield url
    for process, _ in running.values():
        process.communicate()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key of the farms where a target is to find it."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@pytest.fixture
def check(farms: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Return a function that checks one deployment of a farm by the command line's own entry.

    The catalogue is read once, and no report is written: others test both, and they would take
    half of each of these runs.
    """
    from soundcheck.cli import app

    monkeypatch.setattr("soundcheck.contract.catalogue.load_catalogue", CATALOGUE.values)
    monkeypatch.setattr("soundcheck.plugin.record.write_reports", lambda *_: None)

    def run(
        place: str, profile: str, *options: str, dialect: str | None = None, effort: str = "full"
    ) -> SimpleNamespace:
        base = f"{farms(dialect or _spoken(profile))}/{place}/v1"
        arguments = ["check", base, "--profile", profile, "--model", MODEL]
        arguments += ["--effort", effort]
        if _is_keyed(place):
            arguments += ["--api-key-env", KEY_VARIABLE]
        app([*arguments, "--quiet", "--out", str(tmp_path), *options], standalone_mode=False)
        # Not loaded as reports do it: that the file keeps its schema is tested elsewhere.
        text = (tmp_path / "run.json").read_text(encoding="utf-8")
        return json.loads(text, object_hook=lambda members: SimpleNamespace(**members))

    return run


@pytest.mark.parametrize(("identifier", "fault"), PAIRS, ids=lambda value: value)
def test_each_fault_is_caught_for_its_reason(
    farms: Callable[[str], str], judged: Check, identifier: str, fault: str
) -> None:
    """With the fault the requirement turns red, in no case but the fault's and for its reason."""
    rule = CATALOGUE[identifier]
    if identifier.startswith("sdk/node-") and (absent := official_node.missing()):
        pytest.skip(absent)
    # A deployment that hangs is given up on after the time that is allowed for an exchange.
    more: dict[str, Any] = {"timeout": 8.0} if fault in HANGING else {}
    if fault in OFTEN_HANGING:
        more["timeout"] = 3.0
    place = f"{RIGHT[identifier]}+{fault}" if identifier in RIGHT else fault
    if _is_keyed(place):
        more["api_key_env"] = KEY_VARIABLE
    profile = CLAIMED.get(fault) or _profile(rule)
    spoken = SPOKEN.get(identifier) or _spoken(profile)
    base_url = f"{farms(spoken)}/{place}/v1"
    results = judged(rule, base_url, profile, MODEL, **more)
    red = [result for result in results if result.verdict != "pass"]
    assert red, "the fault was not noticed"
    reason = REASONS[rule.area][fault]
    for result in red:
        assert result.verdict == RED[result.level], (result.case, result.verdict, result.message)
        told = f"{result.case}: {result.message}" if result.case else result.message
        assert re.search(reason, told), f"{told!r} does not tell {reason!r}"


@pytest.mark.parametrize(
    ("profile", "place", "effort"),
    [
        # What takes more effort is judged beside the variations: these are no fault of any rule.
        ("openai", "keyed", "quick"),
        ("openai", f"keyed+{TOGETHER}", "full"),
        ("openai", "language-as-name", "quick"),
        ("vllm", "keyed", "quick"),
        ("vllm", f"keyed+{TOGETHER}", "full"),
        ("privatemode", "keyed+stream-usage-always", "quick"),
        ("privatemode", TOGETHER, "quick"),
    ],
    ids=lambda value: "benign" if TOGETHER in value else value,
)
def test_a_right_deployment_passes(check: Check, profile: str, place: str, effort: str) -> None:
    """Without a fault, and with every benign variation, nothing that is claimed is red."""
    # What a tap sees is judged in test_wire_faults.py.
    unseen = ["--without", "encryption"] if profile == "privatemode" else []
    run = check(place, profile, *unseen, effort=effort)
    expected = {"pass", "not-applicable"} | ({"info"} if TOGETHER in place else set())
    known = KNOWN if profile == "privatemode" else set()
    left_out = {"not-selected"} if unseen or effort == "quick" else set()
    expected |= left_out
    known = known | {*SEARCHES}
    odd = [r for r in run.results if r.verdict not in expected and r.id not in known]
    assert not odd, [(result.id, result.case, result.message) for result in odd]
    assert run.verdict == "conformant"
    decided = {r.id for r in run.results if r.verdict in ("pass", "info")}
    assert len(decided) >= {"openai": 70, "vllm": 64, "privatemode": 64}[profile]


@pytest.mark.parametrize(("profile", "place"), [("openai", "none"), ("vllm", TOGETHER)])
@pytest.mark.parametrize("identifier", SEARCHES)
def test_a_right_deployment_withstands_every_search(
    farms: Callable[[str], str], judged: Check, identifier: str, profile: str, place: str
) -> None:
    """No search accuses a right deployment, with every benign variation or without."""
    base_url = f"{farms(_spoken(profile))}/{place}/v1"
    [result] = judged(CATALOGUE[identifier], base_url, profile, MODEL)
    assert (result.verdict, result.message) == ("pass", "")
    assert "requests by seed" in result.found
    assert len(result.exchanges) > 40


@pytest.mark.parametrize("identifier", [*RIGHT, *SPOKEN])
def test_a_rule_about_what_stands_in_front_can_be_kept(check: Check, identifier: str) -> None:
    """What the bare reference does not keep is green on a deployment that keeps it."""
    place, dialect = RIGHT.get(identifier, "none"), SPOKEN.get(identifier)
    rule = CATALOGUE[identifier]
    profile = "privatemode" if "privatemode" in rule.profiles else "openai"
    run = check(place, profile, "--only", identifier, dialect=dialect)
    assert {r.verdict for r in run.results if r.id == identifier} == {"pass"}


@pytest.mark.parametrize("profile", ["openai", "vllm"])
@pytest.mark.parametrize("fault", ["stream-fails-midway", "stream-breaks-off"])
def test_a_failure_that_can_be_seen_is_none_of_silence(
    check: Check, profile: str, fault: str
) -> None:
    """A stream that stops with an error, or breaks off, fails elsewhere, not for hiding it."""
    run = check(fault, profile, "--only", "streaming/errors-midway")
    [*results] = [r for r in run.results if r.id == "streaming/errors-midway"]
    assert {result.verdict for result in results} == {"pass"}
    told = {"stream-fails-midway": "an error event", "stream-breaks-off": "the transfer broke off"}
    assert told[fault] in {result.found for result in results}


def test_a_wrong_dialect_is_red_where_the_dialects_differ(check: Check) -> None:
    """Judged as OpenAI's, a deployment that speaks vLLM's dialect fails the rows that differ."""
    run = check("none", "openai", dialect="vllm", effort="quick")
    red = {result.id for result in run.results if result.verdict in ("fail", "warn")}
    assert red == {
        "schema/verbose-task",
        "schema/segment-members",
        "schema/words-complete",
        "schema/unused-arrays-absent",
        "formats/text-bare",
        "formats/subtitles-valid",
        "formats/cues-agree-with-segments",
        "models/retrieve",
        "streaming/openai-events",
        "errors/envelope-complete",
        "limits/over-explained",
        "parameters/model-required",
        "parameters/temperature-range",
        "parameters/granularities-repeated",
        "parameters/word-alone",
        "sdk/text-bare",
        "sdk/words",
    }
    assert run.verdict == "nonconformant"
    assert any("vllm dialect" in note for note in run.notes)


def test_a_right_dialect_is_red_where_another_was_claimed(check: Check) -> None:
    """Judged as vLLM's, a deployment that speaks OpenAI's dialect fails the rows that differ."""
    run = check("none", "vllm", dialect="openai", effort="quick")
    red = {result.id for result in run.results if result.verdict in ("fail", "warn")}
    assert red == {
        "streaming/chunks-well-formed",
        "errors/envelope-consistent",
        "limits/exact-limit",
        "parameters/vllm-extras",
        "parameters/max-completion-tokens",
    }
    assert run.verdict == "nonconformant"
    assert any("openai dialect" in note for note in run.notes)


AREAS = ("errors", "formats", "models", "schema")
COMMUNITY = {
    "azure": ("accepts-any-model", "models-missing", "retrieve-model-missing"),
    "litellm": ("error-type-none", "error-param-none", "usage-null", "text-as-json"),
    "localai": (
        "error-type-empty",
        "error-code-integer",
        "error-param-missing",
        "bad-value-500",
    ),
    "speaches": ("error-detail", "null-arrays", "models-created-zero"),
    "whisper-cpp": (
        "accepts-any-model",
        "models-missing",
        "retrieve-model-missing",
        "error-plain-text",
        "bad-value-500",
        "refuses-mp4",
        "refuses-m4a",
        "refuses-webm",
        "segment-member-missing",
        "text-as-html",
    ),
}
"""What a server of each community profile does otherwise, as faults of the reference."""


@pytest.mark.parametrize("profile", COMMUNITY)
def test_a_server_that_deviates_as_its_profile_says_conforms(check: Check, profile: str) -> None:
    """What the profile accepts is information, everything else is kept; OpenAI's is not."""
    place = "+".join(COMMUNITY[profile])
    chosen = [word for area in AREAS for word in ("--only", area)]
    run = check(place, profile, *chosen, dialect="openai", effort="quick")
    odd = [r for r in run.results if r.verdict in ("fail", "warn", "error", "untestable")]
    assert not odd, [(result.id, result.case, result.message) for result in odd]
    assert run.verdict == "conformant"
    accepted = {r.id for r in run.results if r.verdict == "info" and hasattr(r, "deviation")}
    assert len(accepted) >= 2
    run = check(place, "openai", *chosen, dialect="openai", effort="quick")
    red = {result.id for result in run.results if result.verdict in ("fail", "warn")}
    assert run.verdict == "nonconformant"
    assert accepted <= red


def test_every_deviation_of_the_reference_is_used() -> None:
    """Every fault of the reference is named by a requirement, and every name is a fault's."""
    named = {fault for _, fault in PAIRS}
    assert set(FAULTS) <= named
    assert named <= {*FAULTS, *BENIGN}
    told = {name for area, faults in REASONS.items() if area not in ENCRYPTION for name in faults}
    assert told == named


def _spoken(profile: str) -> str:
    return "openai" if profile == "openai" else "vllm"


def _profile(rule: Requirement) -> str:
    return next(name for name in ("openai", "vllm", "privatemode") if name in rule.profiles)


def _is_keyed(place: str) -> bool:
    """Tell whether the deployment at ``place`` of a farm asks for a key."""
    return "keyed" in place.split("+")
