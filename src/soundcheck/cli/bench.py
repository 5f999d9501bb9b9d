"""``soundcheck bench``: measure what a deployment can carry, or the bundled reference."""

import contextlib
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundcheck import __version__
from soundcheck.errors import ExitCode, Interrupted, SoundcheckError

if TYPE_CHECKING:
    from soundcheck.cli.bench_child import Ended

OURS = "the bundled reference"
LATENCY = "servers=8,mean=0.1,exponential,tokens=50"
"""The reference's own: at 50 requests per second, the most without --rate, 5 of 8 are busy."""
WINDOW = "12s"
"""That of the reference under steady load: with a second try it is done in less than a minute."""

EXAMPLES = """
**Examples**

`soundcheck bench`

measures the bundled reference deployment, in half a minute

`soundcheck bench http://localhost:8000/v1 --rate 5 --slo 'p95<2s,errors<1%'`

`soundcheck bench http://localhost:8000/v1 --scenario saturation --slo 'p95<2s' --metrics-url
http://localhost:8000/metrics`

finds the highest rate that keeps the SLO

`soundcheck bench https://api.openai.com/v1 --model whisper-1 --api-key-env OPENAI_API_KEY
--rate 1 --max-requests 60`

`soundcheck bench staging --rate 2`

what `soundcheck.toml` calls staging

`soundcheck bench http://localhost:8000/v1 --arrivals closed:8 --duration 1m`

eight callers that each wait for their answer

**Scenarios**: steady (default) · ramp · saturation · burst · soak · streaming · mixed · limits, or
a locustfile of your own, as a path

**Exit codes**: 0 measured, and the SLO met where there is one · 1 the SLO is missed, or no request
succeeded · 2 bad usage or configuration · 3 nothing answers there, or the key is refused · 4 no
verdict: the client was the limit (INVALID), a cap was hit, too few requests to tell, or
interrupted; what was done is saved · 5 fault of soundcheck itself
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """What is measured: its base URL, and where a reference of our own tells of itself."""

    base_url: str
    metrics_url: str = ""


def bench(
    url: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL|TARGET]",
            help="Base URL of the API, normally ending in /v1, or a name in soundcheck.toml. "
            "Default: the bundled reference.",
        ),
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="The question: a scenario's name (see above), or a PATH.py.")
    ] = "steady",
    rate: Annotated[
        str,
        typer.Option(metavar="RPS", help="Requests per second, or auto: gentle, at most 50."),
    ] = "auto",
    arrivals: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="constant:RATE, poisson:RATE, gamma:RATE,SHAPE, ramp:FROM..TO, "
            "burst:BASE,PEAK,EVERY,FOR, trace:FILE or closed:N. Default: the scenario's.",
        ),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The measured window, like 30s or 5m."),
    ] = None,
    warm_up: Annotated[
        str | None, typer.Option(metavar="TIME", help="Load before the window, not judged.")
    ] = None,
    users: Annotated[
        int, typer.Option("--users", "-u", min=1, help="The pool: the most requests under way.")
    ] = 64,
    processes: Annotated[
        int, typer.Option(min=1, max=256, help="Load from so many processes, one core each.")
    ] = 1,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the schedule and the choice of clips.")
    ] = None,
    slo: Annotated[
        str | None,
        typer.Option(help="Limits to keep, like 'p95<2s,errors<1%' or 'ttfd_p95<600ms'."),
    ] = None,
    stream: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Share of requests that ask for a stream.")
    ] = None,
    formats: Annotated[
        str | None, typer.Option(metavar="MIX", help="Formats by weight, like wav=3,mp3=1, or all.")
    ] = None,
    durations: Annotated[
        str | None,
        typer.Option(metavar="MIX", help="Lengths by weight, like short=2,long=1 or 10s=2,60s=1."),
    ] = None,
    languages: Annotated[
        str | None, typer.Option(metavar="MIX", help="Languages by weight, like en=3,de=1.")
    ] = None,
    verify: Annotated[
        str | None,
        typer.Option(help="Compare transcripts with what was said: text (default), length, none."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model to ask.")] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment variable that holds the key.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where targets are named (default: soundcheck.toml)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder; a new result replaces an earlier one (default: a new one in reports).",
        ),
    ] = None,
    metrics_url: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Prometheus metrics of the deployment (repeatable)."),
    ] = None,
    metrics_match: Annotated[
        list[str] | None,
        typer.Option(metavar="REGEX", help="Record metrics of these names, too (repeatable)."),
    ] = None,
    gpu_price: Annotated[
        str | None, typer.Option(metavar="PRICE", help="Of a GPU per hour, for the cost of audio.")
    ] = None,
    gpus: Annotated[
        str | None, typer.Option(metavar="N", help="GPUs behind it, where no metric tells.")
    ] = None,
    tls_roots: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Certificates to trust beside the system's."),
    ] = None,
    transport: Annotated[
        str | None,
        typer.Option(help="socket (default: exact times) or fast-http (proxies and odd TLS)."),
    ] = None,
    max_requests: Annotated[
        str | None, typer.Option(metavar="N", help="Send at most so many requests.")
    ] = None,
    max_duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="End the run after this time.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="Longest wait for an answer (120s).")
    ] = None,
    no_selftest: Annotated[
        bool,
        typer.Option("--no-selftest", help="Do not measure first what this client can send."),
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Give the reference a defect (serve --list-faults)."),
    ] = None,
    latency: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="The reference's times, like servers=4,mean=0.1."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the summary alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print bench.json on stdout.")] = False,
) -> None:
    """Measure what a deployment can carry, and prove that the client was not the limit."""
    from soundcheck.cli.bench_folder import BenchFolder
    from soundcheck.cli.bench_options import check_mix, checked, locustfile
    from soundcheck.cli.bench_target import targeted

    if url is not None and (fault or latency):
        raise SoundcheckError("--fault and --latency shape the reference; leave out the URL")
    if url is None and (api_key_env or tls_roots):
        raise SoundcheckError("--api-key-env and --tls-roots are for a deployment: give its URL")
    if url is None and scenario == "steady" and arrivals is None:
        duration = duration or WINDOW
    given: Mapping[str, Any] = {
        "--rate": rate,
        "--arrivals": arrivals,
        "--window": duration,
        "--warm-up": warm_up,
        "--seed": seed,
        "--slo": slo,
        "--stream": stream,
        "--formats": formats,
        "--durations": durations,
        "--languages": languages,
        "--verify": verify,
        "--model": model,
        "--api-key-env": api_key_env,
        "--metrics-url": metrics_url,
        "--metrics-match": metrics_match,
        "--gpu-price": gpu_price,
        "--gpus": gpus,
        "--tls-roots": tls_roots,
        "--transport": transport,
        "--max-requests": max_requests,
        "--max-duration": max_duration,
        "--timeout": timeout,
        "--no-selftest": "" if no_selftest else None,
    }
    name = url
    url, given = targeted(url, config, given)
    settings = checked(given)
    file = locustfile(scenario)
    check_mix(settings, url)
    told = not (quiet or as_json)
    if told:
        typer.echo(f"soundcheck {__version__}: measuring {_called(name, url)}", err=True)
    folder = BenchFolder.prepare(out)
    try:
        with _deployment(url, tuple(fault or ()), latency) as place:
            more: dict[str, Any] = {"--out": folder.pending}
            if place.metrics_url and not metrics_url:
                more["--metrics-url"] = [place.metrics_url]
            ended = _run(file, place, {**given, **more}, users, processes, told=told)
        code = _outcome(ended, folder.pending, file)
    except KeyboardInterrupt:
        folder.discard()
        raise Interrupted("interrupted before anything was measured") from None
    except BaseException:
        folder.discard()
        raise
    try:
        folder.accept()
        _tell(folder.path, as_json=as_json)
    except KeyboardInterrupt:
        folder.accept()
        raise Interrupted(
            f"interrupted; the result is saved, and `soundcheck report {folder.path}` writes its "
            "report"
        ) from None
    raise typer.Exit(code)


bench.__doc__ = f"{bench.__doc__}\n{EXAMPLES}"


def _called(name: str | None, url: str | None) -> str:
    if url is None:
        return OURS
    return url if url == name else f"{name} ({url})"


@contextlib.contextmanager
def _deployment(url: str | None, faults: tuple[str, ...], latency: str | None) -> Iterator[_Place]:
    """Yield what is measured: a reference started for this run where there is no URL."""
    if url is not None:
        yield _Place(url)
        return
    from soundcheck.reference.deployment import start_reference

    model = latency or LATENCY
    with start_reference(faults=faults, recognizer="lookup", latency=model) as running:
        base = running.base_url
        yield _Place(base, f"{base.removesuffix('/v1')}/metrics")


def _meeting_point() -> list[tuple[str, str]]:
    """Return where Locust's processes find each other: on this machine only, at a free port.

    Without it two benches at once would take each other's workers.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    host = "127.0.0.1"
    return [
        *(("--master-bind-host", host), ("--master-host", host)),
        *(("--master-bind-port", port), ("--master-port", port)),
    ]


def _run(
    locustfile: Path,
    place: _Place,
    given: Mapping[str, Any],
    users: int,
    processes: int,
    *,
    told: bool,
) -> "Ended":
    from soundcheck.cli.bench_child import command, run
    from soundcheck.cli.bench_progress import progress

    options: list[tuple[str, str]] = [("--users", str(users))]
    if processes > 1:
        options += [("--processes", str(processes)), *_meeting_point()]
    for name, value in given.items():
        if value is not None:
            values = value if isinstance(value, list) else [value]
            options += [(f"--stt-{name.removeprefix('--')}", str(one)) for one in values]
    with progress(quiet=not told) as show:
        return run(command(locustfile, place.base_url, options), show)


def _outcome(ended: "Ended", pending: Path, file: Path) -> ExitCode:
    """Return the exit code of a run that left a result; raises SoundcheckError for others."""
    from soundcheck.cli.bench_options import mistake, typed
    from soundcheck.report.bench import FILE

    verdicts = {
        "measured": ExitCode.OK,
        "met": ExitCode.OK,
        "missed": ExitCode.FAILED,
        "failed": ExitCode.FAILED,
        "invalid": ExitCode.NO_VERDICT,
        "incomplete": ExitCode.NO_VERDICT,
    }
    if ended.verdict in verdicts and (pending / FILE).exists():
        return verdicts[ended.verdict]
    code = ExitCode.INTERNAL
    if ended.error and ended.code in (ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.NO_VERDICT):
        code = ExitCode(ended.code)
        problem = typed(SoundcheckError(ended.error))
    elif ended.interrupted:
        code = ExitCode.NO_VERDICT
        problem = SoundcheckError("interrupted before anything was measured")
    elif ended.code >= 0 and (wrong := mistake(file, ended.last_lines)):
        code = ExitCode.USAGE
        problem = SoundcheckError(wrong)
    else:
        how = f"by signal {-ended.code}" if ended.code < 0 else f"with exit code {ended.code}"
        problem = SoundcheckError(
            f"the load generator ended {how}, without a result. It said last:\n{ended.last_lines}"
        )
    problem.exit_code = code
    raise problem


def _tell(out: Path, *, as_json: bool) -> None:
    """Write the reports and print the summary."""
    from soundcheck.report.bench import FILE, load_bench
    from soundcheck.report.bench_reports import write_bench_reports

    found = load_bench(out)
    write_bench_reports(out, found)
    if as_json:
        sys.stdout.write((out / FILE).read_text(encoding="utf-8"))
        return
    from rich.console import Console

    from soundcheck.report.bench_terminal import render

    console = Console()
    console.print(render(found, out, console.width))
