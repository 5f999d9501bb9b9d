"""A stage that is over: its entry in bench.json, and the observation its scenario is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soundcheck.load.bench_file import client, metrics
from soundcheck.load.gathering import Gathering
from soundcheck.load.saturation import wilson
from soundcheck.load.slo import Slo
from soundcheck.load.stage import Observation, Stage
from soundcheck.load.validity import Vitals, Window, judge
from soundcheck.load.window import WindowReading, slo_rows

_FEW = 5  # wrong answers that tell of the others


@dataclass(frozen=True, slots=True)
class Judged:
    """What a stage came to. ``sent`` counts all of it, warm-up included."""

    row: dict[str, Any]
    observation: Observation
    remarks: tuple[str, ...]
    sent: int


@dataclass(frozen=True, slots=True)
class Scale:
    """What a stage is judged by, beside its own records.

    ``forms`` are descriptions by number, ``floor_s`` the deployment's service time at its best,
    ``verified`` tells of an arrival whether its transcript was compared.
    """

    slo: Slo
    forms: Mapping[int, Mapping[str, Any]]
    floor_s: float | None
    verified: Callable[[int], bool]


def judged(
    gathering: Gathering,
    stage: Stage,
    scale: Scale,
    *,
    cut: str,
    begin_s: float,
    repeated: bool,
    breathe: Callable[[], None],
) -> Judged:
    """Return what the stage came to. ``cut`` says why it ended early, empty if it did not.

    ``begin_s`` is its begin in the run. ``breathe`` is called now and then, as it may take long.
    """
    reading = WindowReading(stage, scale.forms, scale.slo, scale.verified)
    for chunk in gathering.samples():
        reading.add(chunk)
        breathe()
    vitals = [gathering.vitals[index] for index in sorted(gathering.vitals)]
    latency = gathering.histograms["latency"]
    streaming = any(one.get("stream") for one in scale.forms.values())
    scaled = gathering.histograms["ttfd"] if streaming else latency
    window = Window(
        stage.arrivals,
        [*vitals, *(Vitals(worker=index, lost=True) for index in gathering.missing)],
        expected_workers=len(gathering.workers),
        streaming=streaming,
        floor_service_s=scale.floor_s,
        slo_s=scale.slo.shortest_s,
        latency_s=latency.percentile(0.5),
        latency=scaled,
    )
    judgement = judge(window)
    limit = f"cut off: {cut}" if cut else str(judgement)
    observation = Observation(
        arrivals=reading.intended,
        succeeded=reading.succeeded,
        failed=reading.failed,
        unsent=reading.unsent,
        achieved_rps=reading.achieved_rps,
        rtfx=reading.rtfx,
        p50_s=latency.percentile(0.5),
        p95_s=latency.percentile(0.95),
        met=reading.met,
        all_met=reading.all_met,
        in_flight_slope=reading.in_flight_slope(),
        limit=limit,
        ended=bool(cut),
    )
    row = {
        "number": gathering.number,
        "name": stage.name,
        "kind": "closed" if stage.arrivals.is_closed else "open",
        "arrivals": str(stage.arrivals),
        "measured": stage.measured,
        "repeated": repeated,
        "begin_s": begin_s,
        "warm_up_s": stage.warm_up_s,
        "window_s": stage.window_s,
        "offered_rps": _offered(stage, reading),
        # Of a window that was cut off nobody knows for how long it ran under load.
        "achieved_rps": None if cut else reading.achieved_rps,
        "audio_s": reading.audio_s,
        "rtfx": None if cut else reading.rtfx,
        "counts": {
            "intended": reading.intended,
            "sent": reading.intended - reading.unsent,
            "unsent": reading.unsent,
            "succeeded": reading.succeeded,
            "failed": reading.failed,
            "verified": reading.verified_count,
        },
        "errors": reading.errors(gathering.examples),
        **metrics(gathering.histograms),
        "slo": slo_rows(scale.slo, reading.met, wilson),
        "valid": not limit,
        "limit": limit,
        "client": client(window),
        "by": reading.tables(),
        "timeline": reading.timeline(gathering.seconds),
        "server": None,
    }
    if limit:
        for one in row["slo"]:
            one["verdict"] = None
    return Judged(row, observation, judgement.remarks, reading.sent_in_all)


def verdict(
    rows: Sequence[Mapping[str, Any]], *, gone: bool, ended: bool, found: bool | None
) -> str:
    """Return the run's verdict, of bench.json's ``verdict``.

    ``gone`` says that the deployment did not live to the end, ``ended`` that the run was cut short,
    ``found`` whether a search found a load that keeps the SLO (None: it was no search).
    """
    measured = _without_retried([row for row in rows if row["measured"]])
    if gone:
        return "failed"
    if ended:
        return "incomplete"
    # What the client had no descriptor or port for is not the deployment's failure.
    asked = measured or rows
    if any(row["counts"]["failed"] for row in asked) and not any(map(_right, asked)):
        return "failed"
    if any(not row["valid"] for row in measured):
        return "invalid"
    if found is not None:
        return "met" if found else "missed"
    if not any(row["counts"]["intended"] for row in measured):
        return "incomplete"
    verdicts = {one["verdict"] for row in measured for one in row["slo"]}
    if not verdicts:
        return "measured"
    if "missed" in verdicts:
        return "missed"
    return "incomplete" if "undecided" in verdicts else "met"


def _right(row: Mapping[str, Any]) -> int:
    """Return how many answers of a window are right: none where all that were compared are wrong.

    The others are as those that were compared, as far as anybody knows, if those are not very few.
    """
    wrong = sum(one["count"] for one in row["errors"] if one["cause"] == "wrong-text")
    counts = row["counts"]
    all_wrong = wrong >= _FEW and wrong == counts["verified"]
    return 0 if all_wrong else int(counts["succeeded"])


def _without_retried(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return ``rows`` without the INVALID ones whose load was tried again later.

    That is a second try of the same window, or of a search which came back to that rate.
    """
    return [
        row
        for place, row in enumerate(rows)
        if row["valid"]
        or not any(
            after["arrivals"] == row["arrivals"] and (after["valid"] or after["repeated"])
            for after in rows[place + 1 :]
        )
    ]


def _offered(stage: Stage, reading: WindowReading) -> float | None:
    """Return the rate that was asked for, where it is one rate; else that of the window."""
    if stage.arrivals.is_closed:
        return None
    if stage.arrivals.kind in ("constant", "poisson", "gamma"):
        return stage.arrivals.rate
    return reading.intended / stage.window_s
