"""Can the figures of a load run be believed? The evidence for it, a line each.

Reports show it before any figure: what was not measured is said to be missing here, not left out.
"""

from collections.abc import Callable, Iterable
from typing import Literal

from soundcheck.report.bench import Bench, Client, Stage
from soundcheck.report.bench_wording import (
    Finding,
    bytes_,
    count,
    microseconds,
    milliseconds,
    rate,
    seconds,
    share,
    short,
)
from soundcheck.report.printable import one_line
from soundcheck.report.wording import plural

_SHOWN = 300
_CEILING_SHARE = 0.6  # of the self-test's ceiling: above it the client may be the limit
_ERROR_SHARE = 0.1  # of the shortest median: a larger timing error shows in the figures


def honesty(bench: Bench) -> list[Finding]:
    """Return what speaks for and against the figures of ``bench``."""
    found = [_windows(bench), *_ceiling(bench), _timing(bench), *_lags(bench)]
    found += [*_loop(bench), _transport(bench), _verification(bench), *_reference(bench)]
    return [*found, _repeatable(bench)]


def limits(bench: Bench) -> list[tuple[str, str, str]]:
    """Return windows, limit, and what to do, of all that is INVALID; equal ones together."""
    groups: dict[str, list[str]] = {}
    for stage in bench.measured:
        if not stage.valid:
            groups.setdefault(stage.limit, []).append(stage.name)
    return [(", ".join(names), *_parted(limit)) for limit, names in groups.items()]


def _parted(limit: str) -> tuple[str, str]:
    name, _, advice = one_line(limit).partition(":")
    return name.strip(), advice.strip()


def headroom(bench: Bench) -> tuple[float, float] | None:
    """Return the highest offered rate, and the share of the self-test's ceiling that it is."""
    ceiling = bench.selftest and bench.selftest.ceiling_rps
    rates = [stage.offered_rps for stage in bench.measured if stage.offered_rps is not None]
    return (max(rates), max(rates) / ceiling) if ceiling and rates else None


def _windows(bench: Bench) -> Finding:
    results = bench.measured
    wrong = len(results) - len(bench.valid)
    if not results:
        return Finding("bad", "Windows", "none was measured")
    cut = sum(stage.cut_off for stage in results)
    if wrong:
        told = f"{wrong - cut} of {len(results)} INVALID: the client was the limit, not the "
        told = f"{told}deployment" if wrong > cut else ""
        ended = f"{cut} of {len(results)} cut off before the end" if cut else ""
        return Finding("bad", "Windows", "; ".join(filter(None, (told, ended))))
    again = sum(stage.measured for stage in bench.stages) - len(results)
    tries = "1 INVALID try was" if again == 1 else f"{again} INVALID tries were"
    repeated = f"; {tries} repeated" if again else ""
    told = "the window is valid" if len(results) == 1 else f"all {len(results)} are valid"
    return Finding("good", "Windows", f"{told}: the client was not the limit{repeated}")


def _ceiling(bench: Bench) -> list[Finding]:
    test = bench.selftest
    if test is None or test.ceiling_rps is None:
        own = bench.scenario == "own tasks"  # there is no rate to be held against it
        why = "users set their own pace" if own else "the self-test was skipped or did not end"
        return [Finding("note", "Ceiling", f"not known: {why}")]
    cpu = f", {microseconds(test.cpu_us_per_request)} of processor time each"
    told = (
        f"{rate(test.ceiling_rps)} from {plural(test.workers, 'worker')} with "
        f"{bytes_(test.upload_bytes)} uploads{cpu if test.cpu_us_per_request is not None else ''}"
    )
    used = headroom(bench)
    if used is None:
        return [Finding("note", "Ceiling", told)]
    highest, part = used
    return [
        Finding(
            "bad" if part > _CEILING_SHARE else "good",
            "Ceiling",
            f"{told}; the highest load, {rate(highest)}, is {share(part)} of it",
        )
    ]


def _timing(bench: Bench) -> Finding:
    error = bench.selftest and bench.selftest.timing_error_us
    if not error:
        return Finding("note", "Timing error", "not measured")
    told = f"stamps are late by p50 {microseconds(error.user.p50)}, p99 " + (
        f"{microseconds(error.user.p99)}, at most {microseconds(error.user.max)}"
    )
    if error.kernel is not None:
        told += (
            f"; by the kernel's stamps p50 {microseconds(error.kernel.p50)}, p99 "
            f"{microseconds(error.kernel.p99)}, at most {microseconds(error.kernel.max)}"
        )
    priority = "with" if error.real_time else "without"
    told += f" ({count(error.events)} events of the self-test, {priority} real-time priority)"
    shortest = min(
        (
            one.p50
            for stage in bench.valid
            for one in (stage.latency_s, stage.ttfd_s, stage.gap_s)
            if one is not None and one.p50 is not None
        ),
        default=None,
    )
    # Times in the figures are the kernel's where it stamps.
    p99_s = (error.kernel or error.user).p99 / 1e6
    if shortest is None or p99_s <= _ERROR_SHARE * shortest:
        return Finding("good" if shortest is not None else "note", "Timing error", told)
    return Finding(
        "bad",
        "Timing error",
        f"{told}; p99 is {share(p99_s / shortest)} of the shortest median here, "
        f"{seconds(shortest)}: other programs or a virtual machine disturb the client",
    )


def _lags(bench: Bench) -> list[Finding]:
    """Return the client's lags, each the worst of all measured windows."""
    clients = [stage.client for stage in bench.measured if stage.client is not None]
    if not clients:
        return [Finding("note", "Lag of the client", "not measured")]

    def worst(get: Callable[[Client], float | None]) -> float | None:
        return max((value for one in clients if (value := get(one)) is not None), default=None)

    lags = _told(
        ("schedule p99", milliseconds(worst(lambda one: one.schedule_lag_ms_p99))),
        ("loop p99", milliseconds(worst(lambda one: one.loop_lag_ms_p99))),
        ("dispatch p50", milliseconds(worst(lambda one: one.dispatch_lag_ms_p50))),
        ("dispatch p99", milliseconds(worst(lambda one: one.dispatch_lag_ms_p99))),
        ("user after kernel p99", microseconds(worst(lambda one: one.user_kernel_us_p99))),
    )
    state = _told(
        ("processor", share(worst(lambda one: one.cpu))),
        ("waiting for a core", share(worst(lambda one: one.run_delay_share))),
        ("backlog at the end", count(worst(lambda one: one.backlog_end))),
        ("coalesced deltas", share(worst(lambda one: one.coalesced_share))),
        ("collector pauses", count(worst(lambda one: one.gc_pauses))),
        ("longest", milliseconds(worst(lambda one: one.gc_longest_ms) or None)),
    )
    good = all(stage.valid for stage in bench.measured)
    scope = "" if len(clients) == 1 else ", worst window"
    return [
        Finding("good" if good else "note", f"{title}{scope}", told)
        for title, told in (("Lag of the client", lags), ("Load of the client", state))
        if told
    ]


def _told(*figures: tuple[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in figures if value)


def _loop(bench: Bench) -> list[Finding]:
    closed = [stage for stage in bench.measured if stage.kind == "closed"]
    opened = [stage for stage in bench.measured if stage.kind == "open"]
    found = []
    if opened:
        told = _first(stage.arrivals for stage in opened)
        text = f"open loop ({told}): latency counts from the intended begin of each request"
        found.append(Finding("good", "Arrivals", text))
    if closed:
        text = (
            f"closed loop ({_first(stage.arrivals for stage in closed)}): latency is not under a "
            "fixed arrival rate, and a pause of the server hides in it"
        )
        kind: Literal["bad", "note"] = "note" if opened else "bad"
        found.append(Finding(kind, "Arrivals", text))
    return found


def _first(texts: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(short(text) for text in texts))
    more = f" and {len(distinct) - 2} more" if len(distinct) > 2 else ""
    return ", ".join(distinct[:2]) + more


def _transport(bench: Bench) -> Finding:
    transport = bench.target.transport
    if transport == "fast-http":
        return Finding(
            "note",
            "Transport",
            "fast-http: Locust's FastHttpSession; stamps are later and the client costs more",
        )
    return Finding("good", "Transport", f"{one_line(transport, 60)}, connections kept alive")


def _verification(bench: Bench) -> Finding:
    options = bench.options
    verified = sum(stage.counts.verified for stage in bench.measured)
    succeeded = sum(stage.counts.succeeded for stage in bench.measured)
    if options.verify == "none" or not options.verify_share:
        text = "none: a fast wrong answer would count as a success"
        return Finding("bad", "Verification", text)
    told = {"text": "text against what was said", "length": "length of the text"}[options.verify]
    wrong = sum(n.count for s in bench.measured for n in s.errors if n.cause == "wrong-text")
    found = f", {count(wrong)} wrong" if wrong else ", none wrong" if verified else ""
    kind = "bad" if wrong or not verified else "good"
    return Finding(
        "bad" if kind == "bad" else "good",
        "Verification",
        f"{told}, of {count(verified)} of {plural(succeeded, 'answer')}{found}",
    )


def _reference(bench: Bench) -> list[Finding]:
    told = bench.reference
    if told is None:
        return []
    model = f", service model {one_line(told.latency, _SHOWN)}" if told.latency else ""
    text = (
        f"the bundled reference with recognizer {one_line(told.recognizer, 60)}{model}: these "
        "figures say nothing about any other deployment"
    )
    return [Finding("note", "Target", text)]


def _repeatable(bench: Bench) -> Finding:
    clips = bench.clips
    audio = clips.mean_audio_s
    mean = f", {seconds(audio)} of audio per request" if audio is not None else ""
    return Finding(
        "note",
        "To repeat it",
        f"seed {bench.options.seed}, {plural(clips.count, 'distinct clip')}{mean}, manifest "
        f"{one_line(clips.sha256, 16)}, metric definitions {bench.definitions}",
    )


def workers(stage: Stage) -> list[dict[str, str]]:
    """Return what each worker of a window measured of itself, as cells of a table."""
    if stage.client is None:
        return []
    return [
        {
            "Worker": str(one.worker),
            "Processor": share(one.cpu),
            "Schedule lag p99": milliseconds(one.schedule_lag_ms_p99),
            "Loop lag p99": milliseconds(one.loop_lag_ms_p99),
            "Dispatch lag p99": milliseconds(one.dispatch_lag_ms_p99),
            "Backlog": count(one.backlog_end),
            "Longest pause": milliseconds(one.gc_longest_ms),
            "Waiting for a core": share(one.run_delay_share),
            "Limit": one_line(one.limit, _SHOWN),
        }
        for one in stage.client.workers
    ]
