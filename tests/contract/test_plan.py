"""The plan holds each distinct probe once, and says why a requirement has none."""

from dataclasses import replace

import pytest

from soundcheck.contract import Case, Deployment, Verdict, transcription
from soundcheck.contract.catalogue import load_catalogue
from soundcheck.contract.deployment import ListedModel
from soundcheck.contract.plan import Cost, Entry, Selection, cost_of, distinct, plan_entry
from soundcheck.contract.probe import everything_tapped, tls_inspection
from soundcheck.contract.profile import load_profile
from soundcheck.contract.requirement import Requirement, probes, requirement, requirement_of

OPENAI = load_profile("openai")
WHISPER = Deployment(OPENAI, "whisper-1")
BOTH = replace(WHISPER, listed=(ListedModel("whisper-1"), ListedModel("gpt-4o-transcribe")))
CATALOGUE = {rule.id: rule for rule in load_catalogue()}


def _plan(identifier: str, deployment: Deployment = WHISPER, **selection: object) -> Entry:
    rule = CATALOGUE[identifier]
    case = rule.cases[0] if rule.cases else None
    return plan_entry(rule, case, Selection(**selection), deployment)  # type: ignore[arg-type]


def test_a_capability_is_sought_among_the_listed_models() -> None:
    """What the model under test lacks is probed on the first listed model that has it."""
    alone, together = _plan("schema/logprobs-consistent"), _plan("schema/logprobs-consistent", BOTH)
    assert alone.verdict is Verdict.NOT_APPLICABLE
    assert "logprobs" in alone.reason
    assert together.model == "gpt-4o-transcribe"
    assert _plan("schema/json-text", BOTH).model == "whisper-1"


def test_authentication_is_claimed_by_a_key() -> None:
    """Where no key was given nothing is claimed of who may use a deployment, and it is said how."""
    open_to_all = _plan("auth/key-required")
    assert open_to_all.verdict is Verdict.NOT_APPLICABLE
    assert "--api-key-env" in open_to_all.reason
    assert _plan("auth/key-required", replace(WHISPER, keyed=True)).probes


def test_what_needs_an_optional_package_is_left_out_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A plain install is not failed for what it lacks, unless that was asked for by name."""
    assert _plan("sdk/json-text").probes
    monkeypatch.setattr("soundcheck.contract.plan.is_missing", lambda package: True)
    by_default = _plan("sdk/json-text")
    assert by_default.verdict is Verdict.NOT_SELECTED
    assert "pip install 'stt-soundcheck[sdk]'" in by_default.reason
    for name in ("sdk", "sdk/json-text"):
        assert _plan("sdk/json-text", only=(name,)).verdict is Verdict.UNTESTABLE
    assert _plan("schema/json-text").probes


def test_a_capability_is_sought_among_models_for_speech_alone() -> None:
    """A listed model that is for something else is not asked for a transcription."""
    claims = {"*": frozenset({"logprobs"}), "whisper-1": frozenset[str]()}
    models = {name: claims[name] for name in ("whisper-1", "*")}
    chat, speech = ListedModel("chat", ("generate",)), ListedModel("scribe", ("transcribe",))
    profile = replace(OPENAI, models=models)
    both = Deployment(profile, "whisper-1", (ListedModel("whisper-1"), chat, speech))
    assert _plan("schema/logprobs-consistent", both).model == "scribe"


def test_probes_are_made_for_the_model_that_is_asked() -> None:
    """Where another model than the one under test is asked, the probes are that one's."""

    @requirement("own/asks", "MUST", source="", killed_by=(), needs=["logprobs"])
    @probes(lambda deployment: {"answer": transcription("a.wav", prompt=deployment.model)})
    def judge() -> None:
        """It asks."""

    rule = requirement_of(judge)
    assert rule is not None
    entry = plan_entry(rule, None, Selection(), BOTH)
    assert entry.probes == {
        "answer": transcription("a.wav", prompt="gpt-4o-transcribe").on("gpt-4o-transcribe")
    }


def test_rows_of_another_contract_do_not_apply() -> None:
    """A requirement that the profile's contract does not hold is not applicable, and says so."""
    entry = _plan("formats/text-consistent")
    assert entry.verdict is Verdict.NOT_APPLICABLE
    assert entry.probes is None


@pytest.mark.parametrize(
    ("selection", "selected"),
    [
        ({}, True),
        ({"only": ("schema",)}, True),
        ({"only": ("schema/json-text",)}, True),
        ({"only": ("STT-SCHEMA-001",)}, True),
        ({"only": ("models",)}, False),
        ({"without": ("schema",)}, False),
        ({"without": ("schema/strict-json",)}, True),
    ],
)
def test_selection_by_id_area_and_draft(selection: dict[str, object], selected: bool) -> None:
    """Requirements are chosen and left out by id, by area and by their draft number."""
    entry = _plan("schema/json-text", **selection)
    assert (entry.verdict is not Verdict.NOT_SELECTED) == selected
    assert bool(entry.probes) == selected


def test_levels_of_the_profile_stand() -> None:
    """A level set in the profile replaces the catalogue's."""
    softer = replace(WHISPER, profile=replace(OPENAI, levels={"schema/json-text": "MAY"}))
    assert _plan("schema/json-text", softer).level == "MAY"
    assert _plan("schema/json-text").level == "MUST"


def test_equal_probes_are_sent_once_and_counted_once() -> None:
    """The plan's cost is that of the distinct probes, in requests, seconds and bytes."""
    probe = transcription("a.wav").on("m")
    rule = CATALOGUE["schema/json-text"]
    entries = [Entry(rule, None, "MUST", probes={"x": probe, "y": transcription("b.wav").on("m")})]
    entries.append(Entry(rule, None, "MUST", probes={"z": transcription("a.wav").on("m")}))
    found = distinct(entries)
    assert len(found) == 2
    assert cost_of(found.values(), lambda name: (1.5, 100)) == Cost(2, 3.0, 200)


def _of_encryption(identifier: str) -> Requirement:
    @requirement(identifier, "MUST", source="", killed_by=(), profiles=("privatemode",))
    @probes(seen=everything_tapped())
    def judge() -> None:
        """Nothing is in the clear."""

    found = requirement_of(judge)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("identifier", "claimed", "seen", "verdict", "reason"),
    [
        ("wire/anything", "privatemode", {}, Verdict.UNTESTABLE, "--tap 127.0.0.1:8443"),
        ("wire/anything", "privatemode", {"tapped": True}, None, ""),
        ("wire/anything", "openai", {}, Verdict.NOT_APPLICABLE, "openai contract"),
        ("transport/anything", "privatemode", {}, Verdict.NOT_APPLICABLE, "loopback"),
        ("transport/anything", "privatemode", {"endpoint": "api:443"}, None, ""),
    ],
)
def test_encryption_is_planned_where_it_can_be_seen(
    identifier: str, claimed: str, seen: dict[str, object], verdict: Verdict | None, reason: str
) -> None:
    """Without a tap the wire is untestable, with what to type; loopback has no transport."""
    deployment = Deployment(load_profile(claimed), "m", **seen)  # type: ignore[arg-type]
    entry = plan_entry(_of_encryption(identifier), None, Selection(), deployment)
    assert entry.verdict is verdict
    assert reason in entry.reason


@pytest.mark.parametrize(
    ("selection", "touched"),
    [
        (Selection(), True),
        (Selection(only=("encryption",)), True),
        (Selection(only=("wire/anything",)), True),
        (Selection(only=("STT-AUTH-008",)), True),
        (Selection(only=("transport",)), False),
        (Selection(only=("schema",)), False),
        (Selection(without=("encryption",)), False),
        (Selection(without=("wire",)), False),
    ],
)
def test_encryption_is_selected_by_one_name(selection: Selection, touched: bool) -> None:
    """The word encryption stands for transport and wire, wherever rules are named."""
    rule = _of_encryption("wire/anything")
    assert selection.touches("wire") is touched
    by_draft = any(name.startswith("STT-") for name in selection.only)  # may be of any area
    assert (selection.reason_against(rule) is None) is (touched and not by_draft)


def test_what_is_seen_from_beside_costs_no_request() -> None:
    """Neither an inspection nor the tap's own record is a request of the API."""
    assert cost_of([tls_inspection(), everything_tapped()], lambda _: (1.0, 1)) == Cost()


def test_a_case_may_take_more_effort_than_its_requirement() -> None:
    """What one case costs more than the others is spent from its own effort on."""
    rule = CATALOGUE["formats/non-ascii-text"]
    cheap, dear = Case("cheap"), Case("dear", effort="full")
    assert Selection().reason_against(rule, cheap) is None
    assert Selection().reason_against(rule, dear) == "needs --effort full"
    assert Selection(effort="full").reason_against(rule, dear) is None
    long = CATALOGUE["quality/long-speech-complete"]
    assert long.effort_of(Case("cheap")) == "full"
