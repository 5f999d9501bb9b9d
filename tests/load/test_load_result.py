"""A run's files: bench.json as the schema has it, samples to be computed from again, verdicts."""

import csv
import gzip
import io
import os
from pathlib import Path
from typing import Any

import pytest

from soundcheck.errors import SoundcheckError
from soundcheck.load import result
from soundcheck.load.arrivals import Arrivals
from soundcheck.load.bench_file import COLUMNS, check_folder, write_bench, write_samples
from soundcheck.load.gathering import Gathering, Spool
from soundcheck.load.judged import Judged, Scale, judged, verdict
from soundcheck.load.options import Settings
from soundcheck.load.own_pace import OwnPace, scenario_of
from soundcheck.load.progress import Progress
from soundcheck.load.run import floor_s
from soundcheck.load.sample import NEVER, RECORD, Sample
from soundcheck.load.scenarios import Ramp, Steady
from soundcheck.load.slo import Slo
from soundcheck.load.stage import Capacity, Stage
from soundcheck.load.validity import Vitals
from soundcheck.load.verified import is_verified
from soundcheck.report.bench import load_bench

SECOND = 1_000_000_000
FORM = {
    "number": 0,
    "clip": "a.wav",
    "format": "wav",
    "language": "en",
    "audio_s": 3.0,
    "upload_bytes": 96_000,
    "stream": False,
    "weight": 1.0,
    "sha256": "0" * 64,
}
STAGE = Stage("40/s", Arrivals("poisson", (40.0,)), window_s=10.0)


def a_sample(number: int) -> Sample:
    begin = number * SECOND // 40
    took = SECOND // 10 + number
    times = (begin, begin + 5, begin + 9, NEVER, NEVER, begin + took, 2_000)
    return Sample(1, 0, number, 0, *times, 200, 0, 0, 0, 40)


def a_stage(workers: int = 1, *, cut: str = "", slo: str = "") -> tuple[Judged, Spool]:
    """Return a stage of 400 arrivals, all of which were answered in a tenth of a second."""
    spool = Spool(io.BytesIO())
    gathering = Gathering(1, tuple(map(str, range(workers))), spool)
    for number in range(400):
        one = a_sample(number)
        spool.add(RECORD.pack(*one))
        gathering.histograms["latency"].record(one.done - one.intended)
    gathering.last_byte = spool.size
    vitals = Vitals(users=64, intended=400, sent=400, cpu=0.1)
    vitals.loop_lag.record(100_000, 1_000)
    gathering.vitals[0] = vitals
    scale = Scale(Slo.parse(slo), {0: FORM}, 0.1, lambda _: False)
    told = judged(
        gathering, STAGE, scale, cut=cut, begin_s=1.0, repeated=False, breathe=lambda: None
    )
    told.row["server"] = {}
    return told, spool


def facts(**more: Any) -> result.Facts:
    told: dict[str, Any] = {
        "scenario": Steady(),
        "verdict": "met",
        "base_url": "http://127.0.0.1:1/v1",
        "transport": "socket",
        "started": 1_700_000_000.0,
        "duration_s": 12.0,
        "users": 64,
        "processes": 1,
        "stream_share": 0.0,
        "mix_sha256": "1" * 64,
        "forms": [FORM],
        "selftest": None,
        "capacity": None,
        "recognizer": None,
        "server": None,
        "problems": [],
    }
    return result.Facts(**{**told, **more})


def test_bench_json_is_what_reports_read(tmp_path: Path) -> None:
    """What a run writes, the report's loader takes: schema, and sums that agree."""
    told, _ = a_stage(slo="p95<2s,errors<1%")
    settings = Settings.read({"stt_slo": "p95<2s,errors<1%"})
    capacity = Capacity(38.0, 40.0, remeasured=((38.0, True),))
    write_bench(
        tmp_path,
        result.bench(settings, facts(capacity=capacity, recognizer="lookup mean=1"), [told.row]),
    )
    bench = load_bench(tmp_path)
    assert [one.verdict for one in bench.stages[0].slo] == ["met", "met"]
    assert bench.stages[0].valid
    assert bench.stages[0].counts.succeeded == 400
    assert told.observation.achieved_rps == pytest.approx(40, rel=0.02)
    assert bench.reference is not None
    assert bench.reference.latency == "mean=1"
    assert [one.name for one in tmp_path.iterdir()] == ["bench.json"]


def test_samples_are_written_whole(tmp_path: Path) -> None:
    """Every sample of a stage is a row, its cells empty for what never was; others are left out."""
    _, spool = a_stage()
    spool.add(RECORD.pack(*a_sample(1)._replace(stage=9)))
    write_samples(tmp_path, spool.chunks(), {0: FORM}, {1}, lambda: None)
    with gzip.open(tmp_path / "samples.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 400
    assert tuple(rows[0]) == COLUMNS
    assert rows[4] | {"arrival": "4", "clip": "a.wav", "headers_s": "", "cause": ""} == rows[4]
    assert float(rows[4]["latency_s"]) == pytest.approx(0.1)


def test_a_lost_worker_makes_the_window_invalid() -> None:
    """Where one of two workers did not report, there is no verdict on any limit."""
    told, _ = a_stage(2, slo="p95<2s")
    assert "worker lost" in told.row["limit"]
    assert [one["verdict"] for one in told.row["slo"]] == [None]


def test_a_window_that_was_cut_off_says_so() -> None:
    """A cap or the user ended it: not valid, and no more stages follow."""
    told, _ = a_stage(cut="the run was stopped")
    assert told.row["limit"] == "cut off: the run was stopped"
    assert told.row["achieved_rps"] is told.row["rtfx"] is None
    assert result.line(told.row) == "40/s: cut off: the run was stopped"
    assert told.observation.ended


ROW: dict[str, Any] = {
    "measured": True,
    "valid": True,
    "repeated": False,
    "arrivals": "a",
    "slo": [],
    "errors": [],
    "counts": {"intended": 9, "succeeded": 9, "failed": 0, "verified": 1},
}
NONE = {"intended": 3, "succeeded": 0, "failed": 3, "verified": 0}
EMPTY = {"intended": 0, "succeeded": 0, "failed": 0, "verified": 0}
WRONG = {
    "counts": {"intended": 19, "succeeded": 14, "failed": 5, "verified": 5},
    "errors": [{"cause": "wrong-text", "count": 5}],
}
FEW_WRONG = {
    "counts": {"intended": 9, "succeeded": 8, "failed": 1, "verified": 1},
    "errors": [{"cause": "wrong-text", "count": 1}],
}


@pytest.mark.parametrize(
    ("rows", "more", "expected"),
    [
        ([ROW], {}, "measured"),
        ([{**ROW, "slo": [{"verdict": "met"}]}], {}, "met"),
        ([{**ROW, "slo": [{"verdict": "met"}, {"verdict": "missed"}]}], {}, "missed"),
        ([{**ROW, "slo": [{"verdict": "met"}, {"verdict": "undecided"}]}], {}, "incomplete"),
        ([{**ROW, "valid": False}], {}, "invalid"),
        ([{**ROW, "valid": False}, {**ROW, "repeated": True}], {}, "measured"),
        ([{**ROW, "valid": False}, {**ROW, "valid": False, "repeated": True}], {}, "invalid"),
        ([{**ROW, "measured": False, "valid": False}, ROW], {}, "measured"),
        ([{**ROW, "counts": NONE}], {}, "failed"),
        ([{**ROW, "counts": NONE, "slo": [{"verdict": "missed"}]}], {}, "failed"),
        ([{**ROW, "measured": False}, {**ROW, "counts": NONE}], {}, "failed"),
        ([ROW, {**ROW, "counts": NONE}], {}, "measured"),
        ([{**ROW, "counts": EMPTY}], {}, "incomplete"),
        ([{**ROW, "valid": False, "counts": EMPTY}], {}, "invalid"),
        ([{**ROW, "valid": False, "counts": NONE}], {}, "failed"),
        ([{**ROW, "counts": NONE}], {"ended": True}, "incomplete"),
        ([ROW], {"ended": True, "gone": True}, "failed"),
        ([{**ROW, **WRONG, "slo": [{"verdict": "met"}]}], {}, "failed"),
        ([ROW, {**ROW, **WRONG}], {}, "measured"),
        ([{**ROW, **FEW_WRONG}], {}, "measured"),
        ([{**ROW, "slo": [{"verdict": "missed"}]}], {"found": True}, "met"),
        ([ROW], {"found": False}, "missed"),
        ([], {}, "incomplete"),
    ],
)
def test_the_verdict_of_a_run(
    rows: list[dict[str, Any]], more: dict[str, Any], expected: str
) -> None:
    """Gone or cut short before all; then no right answer, an INVALID window, a search, the SLO."""
    assert verdict(rows, **{"gone": False, "ended": False, "found": None, **more}) == expected


def test_a_folder_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    """A file in the folder's place is a wrong option, not a lost result."""
    (tmp_path / "file").touch()
    with pytest.raises(SoundcheckError, match="cannot be written"):
        check_folder(tmp_path / "file" / "run")


def test_the_floor_is_the_mean_of_each_forms_shortest() -> None:
    """Forms weigh as they are sent; without an answer there is no floor."""
    forms = {0: {"weight": 0.75}, 1: {"weight": 0.25}}
    assert floor_s({0: SECOND, 1: 3 * SECOND}, forms) == pytest.approx(1.5)
    assert floor_s({}, forms) is None


def test_verification_takes_a_share_whoever_counts() -> None:
    """About the share asked for is verified, the same arrivals for a seed; all or none exactly."""
    taken = [number for number in range(10_000) if is_verified(number, 5, 0.1)]
    assert 900 < len(taken) < 1_100
    assert taken == [number for number in range(10_000) if is_verified(number, 5, 0.1)]
    assert all(is_verified(number, 5, 1.0) for number in range(100))
    assert not any(is_verified(number, 5, 0.0) for number in range(100))


def test_progress_never_fails_the_run() -> None:
    """A descriptor that is not there, or nobody reads from, is no reason to stop."""
    Progress(None).tell("note", text="x")
    Progress(987_654).tell("note", text="x")
    assert not Progress(None).is_deserted


def test_a_reader_of_the_progress_that_is_gone_is_noticed() -> None:
    """Whoever started the run was killed: nothing has to be written to find that out."""
    reader, writer = os.pipe()
    progress = Progress(writer)
    progress.tell("note", text="x")
    assert not progress.is_deserted
    os.close(reader)
    assert progress.is_deserted
    progress.tell("note", text="x")
    os.close(writer)


def test_live_progress_tells_latencies_of_the_warm_up_too() -> None:
    """Histograms are of the window alone; the samples are not."""
    gathering = Gathering(1, ("a",), Spool(io.BytesIO()))
    told = {"index": 0, "second": 1, "lag_ns": 0, "backlog": 0, "in_flight": 0, "final": False}
    counts = {"fired": 2_000, "done": 2_000, "failed": 0, "refused": 0, "capped": False}
    samples = b"".join(RECORD.pack(*a_sample(number)) for number in range(2_000))
    gathering.add({**told, **counts, "samples": samples, "histograms": {}, "examples": {}})
    tick = gathering.tick()
    assert tick.latency.count == 500
    assert tick.latency.percentile(0.95) == pytest.approx(0.1, rel=0.01)
    assert not gathering.histograms["latency"]


def test_users_of_one_run_agree_on_the_scenario() -> None:
    """One scenario, or tasks of their own for all; else the user has to choose."""

    class Follows:
        follows_schedule = True
        scenario = Steady()

    class Other(Follows):
        scenario = Ramp()  # type: ignore[assignment]

    class Own(Follows):
        follows_schedule = False

    assert scenario_of([Follows, Follows]) == Steady()
    assert scenario_of([Own]) == OwnPace()
    with pytest.raises(SoundcheckError, match="different scenarios"):
        scenario_of([Follows, Other])
    with pytest.raises(SoundcheckError, match="tasks of their own"):
        scenario_of([Follows, Own])


def test_samples_that_find_no_room_are_refused_whole() -> None:
    """What was kept before can still be read, and the next ones stand where these would."""

    class Full(io.BytesIO):
        room = 2 * RECORD.size

        def write(self, data: Any, /) -> int:
            return super().write(data[: self.room - self.tell()])

    spool = Spool(Full())
    spool.add(RECORD.pack(*a_sample(0)))
    with pytest.raises(OSError, match="No space left"):
        spool.add(RECORD.pack(*a_sample(1)) * 2)
    spool.add(RECORD.pack(*a_sample(2)))
    assert [one.arrival for chunk in spool.chunks() for one in chunk] == [0, 2]
