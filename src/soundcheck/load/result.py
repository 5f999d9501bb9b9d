"""``bench.json`` as a whole, put together at the end of a run; and its summary in a line."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soundcheck import __version__
from soundcheck.load.options import Settings
from soundcheck.load.stage import Capacity, Scenario

SCHEMA = "soundcheck/bench/1"
DEFINITIONS = 1
"""Version of the metrics' definitions (docs/reference/bench.md)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a result says beside its stages. ``started`` is in seconds since the epoch."""

    scenario: Scenario
    verdict: str
    base_url: str
    transport: str
    started: float
    duration_s: float
    users: int
    processes: int
    stream_share: float
    mix_sha256: str
    forms: Sequence[Mapping[str, Any]]
    selftest: Mapping[str, Any] | None
    capacity: Capacity | None
    recognizer: str | None
    server: Mapping[str, Any] | None
    problems: Sequence[str]


def bench(settings: Settings, facts: Facts, stages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the members of bench.json."""
    clips = {one["sha256"]: one["audio_s"] for one in facts.forms}
    return {
        "schema": SCHEMA,
        "tool": {"name": "stt-soundcheck", "version": __version__},
        "definitions": DEFINITIONS,
        "scenario": facts.scenario.name,
        "question": facts.scenario.question,
        "verdict": facts.verdict,
        "target": {
            "base_url": facts.base_url,
            "model": settings.model,
            "api_key_env": settings.api_key_env,
            "transport": facts.transport,
        },
        "reference": _reference(facts.recognizer),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(facts.started)),
        "duration_s": facts.duration_s,
        "options": {
            "rate": settings.rate,
            "arrivals": settings.arrivals,
            "users": facts.users,
            "processes": facts.processes,
            "seed": settings.seed,
            "stream": facts.stream_share,
            "verify": settings.verify,
            "verify_share": settings.verify_share,
            "slo": str(settings.slo) or None,
            "max_requests": settings.max_requests,
            "max_duration_s": settings.max_duration,
        },
        "clips": {
            "sha256": facts.mix_sha256,
            "count": len(clips),
            "audio_s": sum(clips.values()),
            "forms": sorted(facts.forms, key=lambda one: int(one["number"])),
        },
        "selftest": facts.selftest,
        "stages": list(stages),
        "capacity": _capacity(facts.capacity, str(settings.slo)),
        "server": facts.server,
        "problems": list(facts.problems),
    }


def line(row: Mapping[str, Any]) -> str:
    """Return a stage's entry of bench.json in a line, for people.

    One that is INVALID has no figures to be told.
    """
    if row["limit"]:
        cut = row["limit"].startswith("cut off")
        return f"{row['name']}: {row['limit'] if cut else 'INVALID: ' + row['limit']}"
    latency = row["latency_s"] or {}
    times = ", ".join(
        f"{name} {latency[name]:.3g} s" for name in ("p50", "p95", "p99") if latency.get(name)
    )
    counts = row["counts"]
    return (
        f"{row['name']}: {row['achieved_rps']:.3g} requests/s, {row['rtfx']:.3g} s of audio per "
        f"second, {times or 'no answers'}, {counts['failed'] + counts['unsent']} of "
        f"{counts['intended']} failed"
    )


def _reference(note: str | None) -> dict[str, str | None] | None:
    recognizer, _, latency = (note or "").partition(" ")
    return {"recognizer": recognizer, "latency": latency or None} if recognizer else None


def _capacity(found: Capacity | None, slo: str) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "passed_rps": found.passed_rps,
        "failed_rps": found.failed_rps,
        "rtfx": found.rtfx,
        "floor_latency_s": found.floor_latency_s,
        "ceiling_rtfx": found.ceiling_rtfx,
        "remeasured": [list(one) for one in found.remeasured],
        "slo": slo or None,
        "note": found.note,
    }
