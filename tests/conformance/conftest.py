"""What the tests of faults share: one requirement judged on one deployment, without a whole run."""

import inspect
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from soundcheck.audio import Library
from soundcheck.contract.requirement import Requirement
from soundcheck.plugin.options import Options
from soundcheck.plugin.session import Session
from soundcheck.plugin.tapping import Arrangement
from soundcheck.report.run import Result

Judged = Callable[..., list[Result]]
"""Given requirements, options and perhaps an arrangement: see :func:`judged_by`."""


class Standing:
    """Stands for the test that pytest would collect of one requirement, or of one of its cases."""

    def __init__(self, rule: Requirement, case: Any) -> None:
        module, _, name = rule.test.rpartition("/")[2].partition(".py::")
        self.function = getattr(sys.modules[f"soundcheck_catalogue.{module}"], name)
        self.callspec = SimpleNamespace(params={"case": case}) if case else None
        self.nodeid = f"{rule.test}[{case.id}]" if case else rule.test
        self.location = (rule.test, 0, name)
        self.name = name
        self.stash = pytest.Stash()


@pytest.fixture(scope="session")
def library() -> Library:
    """Return the clips of all runs: reading the recipes takes longer than judging by them."""
    return Library()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients dally a fraction of their time: a minute's upload takes a second and a half."""
    monkeypatch.setattr("soundcheck.http.pace.pause", lambda seconds: time.sleep(seconds / 40))


@pytest.fixture
def judged_by(library: Library, monkeypatch: pytest.MonkeyPatch) -> Judged:
    """Return a function that judges requirements as a check does: planned, asked, judged.

    It drives the session of a check itself. pytest, which does so for users, collects every suite
    for each run, and that takes ten times as long as all the rest. Whole runs are made elsewhere.
    """
    monkeypatch.setattr("soundcheck.plugin.session.Library", lambda: library)

    def run(
        rules: Iterable[Requirement], options: Options, arrangement: Arrangement | None = None
    ) -> list[Result]:
        session = Session.starting(options, None, arrangement)
        try:
            standing: list[Any] = [
                Standing(rule, case) for rule in rules for case in rule.cases or (None,)
            ]
            session.pytest_collection_modifyitems(standing)
            whole: Any = SimpleNamespace(items=standing, config=SimpleNamespace(getoption=_none))
            session.pytest_collection_finish(whole)
            return [_result(session, item) for item in standing]
        finally:
            session.close()

    return run


@pytest.fixture
def judged(judged_by: Judged, tmp_path: Path) -> Judged:
    """Return a function that judges one requirement on the deployment at a URL."""

    def run(
        rule: Requirement, base_url: str, profile: str, model: str, **more: Any
    ) -> list[Result]:
        options = Options(
            base_url=base_url,
            profile=profile,
            model=model,
            out=tmp_path / "run",
            effort="deep",
            only=(rule.id,),
            **more,
        )
        return judged_by([rule], options)

    return run


def _none(_: str, default: Any = None) -> Any:
    """Answer as a pytest does that was given no options."""
    return default


def _result(session: Session, item: Any) -> Result:
    def judge() -> None:
        session.pytest_runtest_setup(item)
        offered = {
            "answers": lambda: session.answers(item),
            "ask": lambda: lambda probe: session.ask(item, probe),
            "found": lambda: lambda sentence: session.found(item, sentence),
            "deployment": lambda: session.deployment_of(item),
            "case": lambda: item.callspec.params["case"],
        }
        wanted = inspect.signature(item.function).parameters
        item.function(**{name: offered[name]() for name in wanted})

    return session._result(item, pytest.CallInfo.from_call(judge, "call"))
