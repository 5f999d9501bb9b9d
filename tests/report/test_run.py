"""run.json is written whole, read back as it was, and refused when it is not what it says."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from soundcheck.contract.profile import (
    CAPABILITIES,
    DOCUMENTED,
    Limits,
    Profile,
    ProfileError,
    built_in,
    load_profile,
)
from soundcheck.contract.verdict import MAY, MUST, SHOULD, Verdict
from soundcheck.errors import SoundcheckError
from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing, TransportError
from soundcheck.http.store import Store
from soundcheck.report.evidence import load_evidence
from soundcheck.report.run import (
    VERDICTS,
    Result,
    Run,
    Selection,
    count_requirements,
    load_run,
    save_run,
    worst,
)
from soundcheck.report.validation import SCHEMAS, first_problem

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]
VERDICT = st.sampled_from(VERDICTS)
NAME = st.text(min_size=1, max_size=12)
ACCEPTED, REFUSED = st.integers(2**20, 2**27), st.integers(2**27 + 1, 2**28)
PROFILES = st.builds(
    Profile,
    name=NAME,
    title=NAME,
    requirements=st.sampled_from(("openai", "vllm", "privatemode")),
    dialect=st.sampled_from(("openai", "vllm")),
    models=st.dictionaries(NAME, st.frozensets(st.sampled_from(sorted(CAPABILITIES))), max_size=4),
    levels=st.dictionaries(NAME, st.sampled_from((MUST, SHOULD, MAY)), max_size=4),
    limits=st.builds(Limits, ACCEPTED, REFUSED | st.none()),
)


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path, make_run: MakeRun) -> None:
    """Saving and loading gives an equal run, in a folder that is made if it is missing."""
    folder = tmp_path / "deep" / "folder"
    found = replace(make_run().results[0], found="streams in the vllm dialect")
    run = make_run(
        notes=("\ud800 \x00 </script>",),
        results=(found,),
        replay_of="an earlier run",
        claims=load_profile("privatemode").to_data(),
        selection=Selection(only=("formats",), without=("formats/long-name", "schema")),
    )
    save_run(folder, run)
    assert load_run(folder) == run
    assert [path.name for path in folder.iterdir()] == ["run.json"]


@pytest.mark.parametrize("name", ["run", "exchange"])
def test_the_published_schemas_are_schemas(name: str) -> None:
    """Both documents keep the rules of JSON Schema 2020-12 and allow no unknown member."""
    schema = json.loads((SCHEMAS / f"{name}-1.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


def test_the_sample_exchanges_keep_their_schema(run_folder: Path) -> None:
    """Every exchange of the sample, with and without an answer, is valid."""
    for path in (run_folder / "exchanges").iterdir():
        assert first_problem(json.loads(path.read_bytes()), "exchange") is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not complete JSON"),
        (b'{"schema": "soundcheck/run/1", "tool": {', "was it cut off"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "is not"),
        (b'{"schema": "soundcheck/run/1", "duration_s": NaN}', "NaN is no JSON number"),
        (b"[1, 2]", "is no Soundcheck run"),
        (b'{"schema": "soundcheck/bench/1"}', "is no Soundcheck run"),
        (b'{"schema": "soundcheck/run/2"}', "this Soundcheck reads soundcheck/run/1"),
        (b'{"schema": "soundcheck/run/1"}', "required"),
    ],
)
def test_foreign_and_cut_files_are_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    """One message names the file and what is wrong with it."""
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(SoundcheckError) as caught:
        load_run(tmp_path)
    assert str(tmp_path / "run.json") in str(caught.value)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_of_before_has_no_findings(run_folder: Path) -> None:
    """What a judge found, and what it was judged by, may be absent from run.json."""
    document = json.loads((run_folder / "run.json").read_bytes())
    for member in ("replay_of", "claims", "selection"):
        del document[member]
    for result in document["results"]:
        del result["found"]
    (run_folder / "run.json").write_text(json.dumps(document))
    run = load_run(run_folder)
    assert run.replay_of is run.claims is run.selection is None
    assert {result.found for result in run.results} == {""}


def _kept(run: Run) -> Run:
    """Return what ``run.json`` gives back of ``run``, which must keep the schema."""
    document = json.loads(json.dumps(run.to_json()))
    assert first_problem(document, "run") is None
    return Run.from_json(document)


@given(profile=PROFILES)
def test_any_profile_is_kept_whole(make_run: MakeRun, profile: Profile) -> None:
    """What was claimed comes back from run.json as it was, patterns in their order."""
    claims = _kept(make_run(claims=profile.to_data())).claims
    assert claims is not None
    again = Profile.from_data(claims)
    assert again == profile
    assert list(again.models) == list(profile.models)


@pytest.mark.parametrize("name", built_in())
def test_the_built_in_profiles_are_kept_whole(make_run: MakeRun, name: str) -> None:
    """A run of a built-in profile holds what it inherited as well."""
    profile = load_profile(name)
    claims = _kept(make_run(claims=profile.to_data())).claims
    assert claims is not None
    assert Profile.from_data(claims) == profile


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"dialect": "klingon"}, "'klingon' is not one of"),
        ({"models": [{"pattern": "*", "capabilities": ["smell"]}]}, "'smell' is not one of"),
        (
            {"limits": {"accepted_bytes": 2**21, "refused_bytes": 2**20}},
            r"refused_bytes \(1048576\) must be more than accepted_bytes",
        ),
    ],
)
def test_a_recorded_profile_of_another_version_is_refused(
    changed: dict[str, Any], problem: str
) -> None:
    """A value that no profile may have is told with the profile's name."""
    data = Profile("ours", "Ours", "openai", "openai", limits=DOCUMENTED).to_data() | changed
    with pytest.raises(ProfileError, match=f"the recorded profile 'ours': .*{problem}"):
        Profile.from_data(data)


def test_a_missing_file_is_one_message(tmp_path: Path) -> None:
    """A folder without a run is named, not traced back."""
    with pytest.raises(SoundcheckError, match=r"run\.json: there is no such file"):
        load_run(tmp_path)


def test_a_file_cut_anywhere_is_refused(run_folder: Path) -> None:
    """No beginning of a run.json passes for a run."""
    whole = (run_folder / "run.json").read_bytes().rstrip()
    for length in range(0, len(whole), 997):
        (run_folder / "run.json").write_bytes(whole[:length])
        with pytest.raises(SoundcheckError):
            load_run(run_folder)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (["results", 3, "verdict"], "green", r"results\[3\]\.verdict: 'green' is not one of"),
        (["results", 0, "exchanges"], ["../../etc/passwd"], r"results\[0\]\.exchanges\[0\]"),
        (["results", 0, "surprise"], 1, r"'surprise' was unexpected"),
        (["results", 0, "id"], "no slash", r"results\[0\]\.id"),
        (["target", "api_key_env"], "$(reboot)", r"target\.api_key_env"),
        (["duration_s"], 1e300, "duration_s"),
        (["claims", "limits", "refused_bytes"], "none", r"claims\.limits\.refused_bytes"),
        (["selection", "only"], "formats", r"selection\.only"),
        (["counts", "pass"], 99, "counts 99 requirements as pass, its results 3"),
        (["verdict"], "conformant", "says conformant although 2 required rules fail"),
    ],
)
def test_a_damaged_run_is_refused(
    run_folder: Path, path: list[Any], value: object, problem: str
) -> None:
    """The message says where the document breaks its schema or contradicts itself."""
    file = run_folder / "run.json"
    document = json.loads(file.read_bytes())
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    file.write_text(json.dumps(document))
    with pytest.raises(SoundcheckError, match=problem):
        load_run(run_folder)


def test_a_verdict_on_nothing_is_refused(tmp_path: Path, make_run: MakeRun) -> None:
    """Zero judged requirements are never conformant."""
    save_run(tmp_path, make_run(results=(), verdict="conformant"))
    with pytest.raises(SoundcheckError, match="nothing was judged"):
        load_run(tmp_path)


def test_a_requirement_judged_twice_is_refused(
    tmp_path: Path, make_run: MakeRun, make_result: MakeResult
) -> None:
    """One result stands for one requirement and case."""
    twice = (make_result(case="mp3", verdict="fail"), make_result(case="mp3"))
    save_run(tmp_path, make_run(results=twice))
    with pytest.raises(SoundcheckError, match=r"a/b \[mp3\] is judged 2 times"):
        load_run(tmp_path)


def test_an_unwritable_folder_is_one_message(tmp_path: Path, make_run: MakeRun) -> None:
    """A run that cannot be saved says which file could not be written, and why."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SoundcheckError, match=r"run\.json: cannot be written: "):
        save_run(tmp_path / "file", make_run())


def test_saving_again_replaces_the_run(tmp_path: Path, make_run: MakeRun) -> None:
    """A later save leaves the later run and nothing else."""
    save_run(tmp_path, make_run())
    save_run(tmp_path, replace(make_run(), duration_s=99.0))
    assert load_run(tmp_path).duration_s == 99.0
    assert len(list(tmp_path.iterdir())) == 1


@given(pairs=st.lists(st.tuples(st.sampled_from("abc"), VERDICT), max_size=12))
def test_counts_are_of_requirements_by_their_worst_case(
    make_result: MakeResult, pairs: list[tuple[str, Any]]
) -> None:
    """Each requirement is counted once; every verdict is there, as zero if need be."""
    results = [
        make_result(id=f"x/{name}", verdict=verdict, case=str(number))
        for number, (name, verdict) in enumerate(pairs)
    ]
    counts = count_requirements(results)
    assert sum(counts.values()) == len({name for name, _ in pairs})
    assert set(counts) == set(VERDICTS)
    for name in {name for name, _ in pairs}:
        assert counts[worst(verdict for other, verdict in pairs if other == name)] > 0


def test_verdicts_are_ranked_as_the_contract_ranks_them() -> None:
    """Reports and the pipeline agree on every verdict and on which is worse."""
    assert list(VERDICTS) == [verdict.value for verdict in reversed(Verdict)]


def test_the_writer_of_exchanges_keeps_the_published_schema(
    tmp_path: Path, make_run: MakeRun
) -> None:
    """What the pipeline stores, with and without an answer, is valid and can be shown."""
    request = SentRequest("GET", "http://127.0.0.1:1/v1/models", (("accept", "*/*"),), (), 0)
    response = Response(200, "OK", (("server", "x"),), b"\xff", ((0.1, 1),))
    error = TransportError("reset", "closed")
    started = "2026-11-22T11:49:48.123Z"
    (tmp_path / "exchanges").mkdir()
    store = Store(tmp_path / "exchanges")
    for digest, timing, answer, problem in (
        ("0" * 16, Timing(0.0, 0.1, 0.2), response, None),
        ("1" * 16, Timing(None, None, 0.2), None, error),
    ):
        stored = Exchange(digest, "shared", 1, started, request, answer, timing, problem)
        store.write(stored)
        document = json.loads(store.path(digest).read_bytes())
        assert first_problem(document, "exchange") is None
        assert load_evidence(tmp_path, digest, make_run().target).problem is None


def test_a_failure_outweighs_everything_and_a_pass_what_was_left_out() -> None:
    """The worst case decides; a case that was not judged does not hide one that was."""
    assert worst(["pass", "error", "fail", "untestable"]) == "fail"
    assert worst(["pass", "untestable", "warn"]) == "untestable"
    assert worst(["pass", "not-applicable", "not-selected"]) == "pass"
