"""Searches are judged again from what was recorded, and end when they are interrupted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soundcheck.cli import app
from soundcheck.reference.deployment import start_reference

NAMES = ("robustness/searched-values", "robustness/searched-filenames")


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no report of the runs: what is in them is read from their documents."""
    monkeypatch.setattr("soundcheck.plugin.record.write_reports", lambda *_: None)


def _checked(out: Path, *arguments: str) -> dict[str, Any]:
    """Return what a check of the searches found, by its own entry."""
    only = [word for name in NAMES for word in ("--only", name)]
    app(
        ["check", *arguments, *only, "--effort", "deep", "--quiet", "--out", str(out)],
        standalone_mode=False,
    )
    found: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return found


def _told(run: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {
        one["id"]: (one["verdict"], one["message"], one["found"], *one["exchanges"])
        for one in run["results"]
        if one["id"] in NAMES
    }


def test_a_search_is_judged_again_without_a_deployment(tmp_path: Path) -> None:
    """A replay makes the same requests of the record, and one that it lacks is untestable."""
    recorded, again = tmp_path / "recorded", tmp_path / "again"
    with start_reference(
        faults=("blank-value-500",), recognizer="lookup", latency="mean=0"
    ) as running:
        first = _checked(recorded, running.base_url, "--model", "whisper-large-v3")
    assert _told(first)[NAMES[0]][0] == "fail"
    second = _checked(again, "--replay", str(recorded))
    assert _told(second) == _told(first)
    # The counter-example is the first of a search's own exchanges, behind its usual request.
    failed = next(one for one in first["results"] if one["verdict"] == "fail")
    assert failed["exchanges"][1] in failed["message"]
    passed = next(one for one in first["results"] if one["id"] == NAMES[1])
    (recorded / "exchanges" / f"{passed['exchanges'][20]}.json").unlink()
    third = _checked(tmp_path / "third", "--replay", str(recorded))
    assert _told(third)[NAMES[1]][0] == "untestable"
    assert _told(third)[NAMES[0]] == _told(first)[NAMES[0]]


def test_an_interrupt_in_a_search_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the search that it comes in; what was judged before stays."""
    from soundcheck.contract import send

    usual: Callable[..., Any] = send.Sender.answer
    seen = 0

    def answer(self: Any, probe: Any, **more: Any) -> Any:
        nonlocal seen
        seen += probe.lane is send.Lane.HOSTILE
        if seen == 160:
            raise KeyboardInterrupt
        return usual(self, probe, **more)

    monkeypatch.setattr(send.Sender, "answer", answer)
    with start_reference(recognizer="lookup", latency="mean=0") as running:
        run = _checked(tmp_path, running.base_url, "--model", "whisper-large-v3")
    assert [verdict for verdict, *_ in _told(run).values()] == ["pass", "untestable"]
    assert any("interrupted in the search" in note for note in run["notes"])
