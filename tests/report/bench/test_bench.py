"""A load run is read back as it was written, or refused with one message."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soundcheck.errors import SoundcheckError
from soundcheck.report.bench import FILE, SAMPLES, Bench, Points, load_bench
from soundcheck.report.bench_samples import COLUMNS, read_samples

MakeBench = Callable[..., Path]


def test_all_members_are_read(make_bench: MakeBench) -> None:
    """Numbers, texts, nested lists and what was not measured come out as typed values."""
    folder = make_bench("gpu", window=5)
    document = json.loads((folder / FILE).read_bytes())
    bench = load_bench(folder)
    stage, raw = bench.stages[0], document["stages"][0]
    assert isinstance(bench, Bench)
    assert (bench.verdict, bench.options.stream, bench.reference) == ("met", 1.0, None)
    assert stage.latency_s is not None
    assert stage.latency_s.p50 == raw["latency_s"]["p50"]
    assert stage.slo[0].interval == tuple(raw["slo"][0]["interval"])
    points: Points = tuple((value, part) for value, part in raw["distributions"]["gap_s"])
    assert stage.distributions["gap_s"] == points
    assert stage.client is not None
    assert stage.client.workers[1].worker == 1
    assert bench.server is not None
    assert bench.server.series[3].gpu == 0
    assert bench.clips.mean_audio_s is not None
    assert 7 < bench.clips.mean_audio_s < 9


def test_a_window_that_was_repeated_counts_once(make_bench: MakeBench) -> None:
    """The INVALID first try of a stage is no result; an INVALID one without a second try is."""

    def repeated(document: dict[str, Any]) -> None:
        again = document["stages"][-1]
        first = again | {"number": 2, "valid": False, "limit": "pool: raise --users"}
        again["number"], again["repeated"] = 3, True
        last = first | {"number": 4, "arrivals": "poisson:9"}
        document["stages"] = [first, again, last]

    bench = load_bench(make_bench(change=repeated, window=3))
    assert [stage.number for stage in bench.measured] == [3, 4]
    assert [stage.number for stage in bench.valid] == [3]


def test_a_load_that_a_search_came_back_to_counts_once(make_bench: MakeBench) -> None:
    """INVALID tries are no result where the same load is valid later, with others between."""

    def search(document: dict[str, Any]) -> None:
        good = document["stages"][-1]
        bad = good | {"valid": False, "limit": "client core: late"}
        rows = [bad, bad | {"repeated": True}, good | {"arrivals": "poisson:9"}, good]
        document["stages"] = [row | {"number": n} for n, row in enumerate(rows, 1)]

    bench = load_bench(make_bench(change=search, window=3))
    assert [stage.number for stage in bench.measured] == [3, 4]


def test_a_run_of_probings_has_no_results(make_bench: MakeBench) -> None:
    """Where no stage is measured, there is nothing to be counted, and no error."""

    def probing(document: dict[str, Any]) -> None:
        document["stages"][0]["measured"] = False
        document["verdict"] = "incomplete"

    assert load_bench(make_bench(change=probing, window=3)).measured == ()


def _fail_all(document: dict[str, Any]) -> None:
    for stage in document["stages"]:
        counts = stage["counts"]
        counts |= {"succeeded": 0, "failed": counts["intended"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d.update(schema="soundcheck/bench/2"),
            "this Soundcheck reads soundcheck/bench/1",
        ),
        (lambda d: d.update(verdict="fine"), "verdict: 'fine' is not one of"),
        (lambda d: d.pop("problems"), "'problems' is a required property"),
        (lambda d: d["stages"][0].update(rtfx="fast"), r"stages\[0\].rtfx: "),
        (lambda d: d["stages"][0].update(limit="pool: more"), "is valid and names a limit"),
        (_fail_all, "says measured although no request succeeded"),
        (lambda d: d["stages"].append(d["stages"][0]), "two stages of one number"),
        (
            lambda d: d["stages"][0].update(valid=False, limit="pool: more"),
            "says measured although no window is valid",
        ),
    ],
)
def test_a_wrong_document_is_refused(
    make_bench: MakeBench, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    """What breaks the schema or contradicts itself is refused, with the place of the problem."""
    folder = make_bench(change=change, window=3)
    with pytest.raises(SoundcheckError, match=message) as caught:
        load_bench(folder)
    assert str(folder / FILE) in str(caught.value)


def test_a_document_that_was_cut_off_is_refused(make_bench: MakeBench) -> None:
    """Half a file is told to be half a file."""
    path = make_bench(window=3) / FILE
    path.write_bytes(path.read_bytes()[:999])
    with pytest.raises(SoundcheckError, match="was it cut off"):
        load_bench(path.parent)


def test_samples_are_columns(make_bench: MakeBench) -> None:
    """Whole numbers, times with NaN for what never came, and texts."""
    columns = read_samples(make_bench("failed") / SAMPLES)
    assert set(columns) == set(COLUMNS)
    assert columns["status"].dtype.kind == "i"
    assert set(columns["cause"].tolist()) == {"http-5xx"}
    assert all(value != value for value in columns["first_text_s"].tolist())
    assert (columns["done_s"] > columns["intended_s"]).all()


def _packed(text: str) -> bytes:
    # Without a time: it names tests, which the workers of xdist must call alike.
    return gzip.compress(text.encode(), mtime=0)


HEAD = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"stage,worker\n", "is no compressed table"),
        (_packed(HEAD + "\n1,0,0\n"), "line 2 has 3 of 22 cells; was it cut off"),
        (_packed(HEAD + "\n" + "x" + ",1" * 21 + "\n"), "column stage holds 'x'"),
        (_packed(HEAD + "\n" + "1" + ",1" * 8 + ",soon" + ",1" * 12 + "\n"), "'soon'"),
        (_packed(HEAD + "\n" + "9" * 30 + ",1" * 21 + "\n"), "column stage"),
        (_packed("stage,worker\n1,1\n"), "has no column arrival"),
        (_packed(HEAD + "\n" + "1" * 9999)[:-12], "was it cut off"),
        (_packed("")[:4] + b"garbage" * 9, "is no compressed table|cut off"),
        (b"", "has no column"),
    ],
)
def test_wrong_samples_are_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Whatever is wrong with the file is told in one message."""
    path = tmp_path / SAMPLES
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SoundcheckError, match=message):
        read_samples(path)
