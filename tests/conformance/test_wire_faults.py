"""Each fault of the private stack turns red the rows about the wire that name it, and no other."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from soundcheck.contract.catalogue import load_catalogue
from soundcheck.contract.profile import load_profile
from soundcheck.plugin.options import Options
from soundcheck.plugin.tapping import Arrangement
from soundcheck.reference.private.faults import PRIVATE_FAULTS
from soundcheck.report.run import Result

HERE = Path(__file__).parent
REASONS: dict[str, str] = tomllib.loads((HERE / "reasons.toml").read_text("utf-8"))["wire"]
WIRE = {rule.id: rule for rule in load_catalogue() if rule.area == "wire"}
NAMED = {fault for rule in load_catalogue() for fault in rule.killed_by}
FAULTS = sorted({fault for rule in WIRE.values() for fault in rule.killed_by})
# What the vendor's proxy is known to do with requests that are no matter of encryption: that each
# changes an answer is shown where the private stack's own faults are.
VENDOR = {"no-model-500", "not-a-form-500", "json-only", "first-value-only"}
MODEL = "whisper-large-v3"
WORDS = "abcdefghijklmnopqrstuvwx", "zyxwvutsrqponmlkjihgfedc"
RED = {"MUST": "fail", "SHOULD": "warn", "MAY": "info"}
GREEN = {"pass", "not-applicable"}

Check = Callable[..., SimpleNamespace]


class Farm:
    """The process that has the private stacks."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "private_farm.py"), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.backend = self._answer()["base_url"]

    def ask(self, **asked: Any) -> dict[str, str]:
        """Return the farm's answer to one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> dict[str, str]:
        assert self._process.stdout is not None
        answer: dict[str, str] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture(scope="session")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Return this process's farm."""
    started = Farm(tmp_path_factory.mktemp("private"))
    yield started
    started.close()


@pytest.fixture
def stack(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[Options, Arrangement]]]:
    """Return a function that starts a stack with faults: how it is judged, and what it is.

    All runs have the same canaries, and so the same clip: it is recognised once.
    """
    words = cycle(WORDS)
    monkeypatch.setattr("soundcheck.contract.canary._word", lambda: next(words))

    def start(*faults: str, profile: str = "privatemode") -> tuple[Options, Arrangement]:
        gateway = farm.ask(faults=faults)

        def connect(endpoint: str, roots: Path) -> str:
            return farm.ask(endpoint=endpoint, roots=str(roots))["base_url"]

        beside = Arrangement(
            load_profile(profile), MODEL, gateway["address"], Path(gateway["roots"]), connect
        )
        options = Options(
            base_url=farm.backend, model=MODEL, profile="vllm", out=tmp_path, only=("wire",)
        )
        return options, beside

    yield start
    farm.ask()


@pytest.fixture
def check(
    stack: Callable[..., tuple[Options, Arrangement]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Check:
    """Return a function that judges the wire of a stack with faults by the command's own way.

    No report is written: others test them.
    """
    from soundcheck.cli.judging import judge

    monkeypatch.setattr("soundcheck.plugin.record.write_reports", lambda *_: None)

    def run(*faults: str, profile: str = "privatemode") -> SimpleNamespace:
        options, beside = stack(*faults, profile=profile)
        judge(options, [], beside, quiet=True, as_json=False)
        # Not loaded as reports do it: that the file keeps its schema is tested elsewhere.
        text = (tmp_path / "run.json").read_text(encoding="utf-8")
        return json.loads(text, object_hook=lambda members: SimpleNamespace(**members))

    return run


def _told(results: Iterable[Result | SimpleNamespace]) -> list[tuple[str, str, str]]:
    return [(f"{one.id} {one.case}", one.verdict, one.message) for one in results]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught_by_its_rows_alone(
    stack: Callable[..., tuple[Options, Arrangement]],
    judged_by: Callable[..., list[Result]],
    fault: str,
) -> None:
    """Red is what names the fault, for its reason; everything else stays green, or unobserved."""
    results = judged_by(WIRE.values(), *stack(fault))
    red = [one for one in results if one.verdict not in GREEN]
    expected = {identifier for identifier, rule in WIRE.items() if fault in rule.killed_by}
    assert {one.id for one in red} == expected, _told(red)
    for one in red:
        assert one.verdict == RED[one.level], _told([one])
        told = f"{one.case}: {one.message}" if one.case else one.message
        assert re.search(REASONS[fault], told), f"{told!r} does not tell {REASONS[fault]!r}"


@pytest.mark.parametrize("profile", ["privatemode", "encrypting-proxy"])
def test_a_right_stack_passes(check: Check, profile: str) -> None:
    """Without a fault every row of the profile is decided, and green."""
    run = check(profile=profile)
    results = [one for one in run.results if one.id in WIRE and profile in WIRE[one.id].profiles]
    assert {one.verdict for one in results} == {"pass"}, _told(results)
    assert len({one.id for one in results}) == {"privatemode": 27, "encrypting-proxy": 9}[profile]


def test_a_plain_proxy_fails_as_an_encrypting_one_of_whatever_kind(check: Check) -> None:
    """Nothing of Privatemode's wire is asked for, and the leaked canary is shown."""
    run = check("plain-proxy", profile="encrypting-proxy")
    results = [one for one in run.results if one.id in WIRE]
    red = {one.id for one in results if one.verdict not in GREEN}
    kinds = {"encrypting-proxy", "plain-proxy"}
    named = {i for i, rule in WIRE.items() if kinds <= {*rule.profiles, *rule.killed_by}}
    assert red == named, _told(results)
    [prompt] = [
        one.message for one in run.results if one.case == "prompt" and one.verdict == "fail"
    ]
    assert "prompt in the clear (raw) in the request body" in prompt
    assert WORDS[0][:8] in prompt


def test_every_fault_of_the_private_stack_is_used() -> None:
    """Every fault is named by a requirement, and every reason is one of a fault that is named."""
    assert set(FAULTS) <= set(PRIVATE_FAULTS)
    benign = {name for name, fault in PRIVATE_FAULTS.items() if fault.benign}
    assert set(PRIVATE_FAULTS) - NAMED - benign == VENDOR
    assert set(REASONS) == set(FAULTS)
