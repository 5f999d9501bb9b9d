"""``soundcheck doctor``: whether this machine, and the file of targets, are ready for a check."""

import importlib.metadata
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundcheck import __version__
from soundcheck.errors import ExitCode, SoundcheckError

if TYPE_CHECKING:
    from soundcheck.contract.target_file import Named

NEEDED = (
    "av",
    "certifi",
    "cryptography",
    "espeakng-loader",
    "filelock",
    "h11",
    "httpx",
    "hypothesis",
    "jinja2",
    "jiwer",
    "jsonschema",
    "locust",
    "matplotlib",
    "multipart",
    "numpy",
    "platformdirs",
    "pocketsphinx",
    "prometheus-client",
    "pytest",
    "rich",
    "soundfile",
    "starlette",
    "typer",
    "uvicorn",
)
OPTIONAL = {
    "openai": "the area sdk cannot be judged",
    "pytest-xdist": "pytest -n cannot be used",
}
CODECS = ("aac", "flac", "libmp3lame", "libopus", "vorbis", "pcm_s16le")
"""What the clips are written with."""

DESCRIPTORS = 1024
"""Open files at a time that a check with many lanes may need."""

FREE = 500 * 2**20
"""Bytes on the disk that the clips and one run may take."""

EXAMPLES = """
**Examples**

`soundcheck doctor`

`soundcheck doctor --online`

also asks every target for its models, with its key

**Exit codes**: 0 nothing stands in the way of a check · 2 something does: a line begins with
`fault`
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: ``ok``, ``note`` or ``fault``, and what was seen."""

    state: str
    what: str


def doctor(
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where targets are named (default: soundcheck.toml)."),
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Ask every target for its models.")
    ] = False,
) -> None:
    """Look at what a check needs: libraries, codecs, the cache, descriptors, targets and keys."""
    found = []
    for finding in _findings(config, online=online):
        found.append(finding)
        typer.echo(f"{finding.state:<6}{finding.what}")
    if any(finding.state == "fault" for finding in found):
        raise typer.Exit(ExitCode.USAGE)


doctor.__doc__ = f"{doctor.__doc__}\n{EXAMPLES}"


def _findings(config: Path | None, *, online: bool) -> Iterator[Finding]:
    yield Finding("ok", f"soundcheck {__version__}, Python {platform.python_version()}")
    yield from _packages()
    yield from _codecs()
    yield _cache()
    yield _descriptors()
    yield from _targets(config, online=online)


def _packages() -> Iterator[Finding]:
    missing, versions = [], []
    for name in NEEDED:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding("fault", f"not installed: {', '.join(missing)}; install stt-soundcheck anew")
    yield Finding("ok", ", ".join(versions))
    for name, lost in OPTIONAL.items():
        try:
            yield Finding("ok", f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield Finding("note", f"{name} is not installed: {lost}")


def _codecs() -> Iterator[Finding]:
    import av

    missing = []
    for name in CODECS:
        try:
            av.Codec(name, "w")
        except ValueError:  # PyAV's own error for an unknown codec is one
            missing.append(name)
    if missing:
        yield Finding("fault", f"the FFmpeg of av lacks encoders: {', '.join(missing)}")
    else:
        yield Finding("ok", f"encoders: {', '.join(CODECS)}")


def _cache() -> Finding:
    from soundcheck.audio import Library

    try:
        Library().clip("hello.wav")
    except SoundcheckError as error:
        return Finding("fault", f"no clip can be made: {error}")
    free = shutil.disk_usage(Path.cwd()).free
    if free < FREE:
        return Finding(
            "note", f"{free / 2**20:.0f} MiB are free here: a check may need {FREE >> 20}"
        )
    return Finding("ok", f"clips can be made, {free / 2**30:.0f} GiB are free here")


def _descriptors() -> Finding:
    try:
        import resource
    except ImportError:  # not on Windows
        return Finding("note", "the number of open files allowed is not known here")
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    few = 0 <= allowed < DESCRIPTORS
    advice = f" (ulimit -n {DESCRIPTORS} allows more)" if few else ""
    return Finding("note" if few else "ok", f"{allowed} open files are allowed{advice}")


def _targets(config: Path | None, *, online: bool) -> Iterator[Finding]:
    from soundcheck.contract import target_file
    from soundcheck.contract.profile import load_profile

    if config is None and not Path(target_file.FILE).exists():
        yield Finding("note", f"no {target_file.FILE} here: `soundcheck init` writes one")
        return
    try:
        path = target_file.find(config)
        names = target_file.names(path)
    except SoundcheckError as error:
        yield Finding("fault", str(error))
        return
    for name in names:
        try:
            named = target_file.load_target(name, path)
            if named.profile:
                load_profile(named.profile)
            state, reached = _reached(named) if online else ("ok", "")
        except SoundcheckError as error:
            yield Finding("fault", f"target {name}: {error}")
            continue
        yield Finding(state, f"target {name}: {named.base_url}{reached}")


def _reached(named: "Named") -> tuple[str, str]:
    """Return whether a target gives its models, and what it answers; raises SoundcheckError."""
    from soundcheck.contract.target import Target
    from soundcheck.errors import Unreachable
    from soundcheck.http.client import Client
    from soundcheck.http.trouble import explained

    target = Target(
        named.base_url, named.model, named.api_key_env, roots=named.roots, way=named.way
    )
    with Client(
        target.base_url, headers=target.headers, timeout=10.0, access=target.access
    ) as client:
        exchange = client.send("GET", "/models")
    if exchange.response is None:
        error = exchange.error
        raise Unreachable(explained(target.base_url, error, target.access) if error else "silent")
    status = exchange.response.status
    if status in (401, 403):
        told = "refuses the key" if target.key_variables else "asks for a key"
        raise Unreachable(f"{target.base_url} {told} ({status})")
    if 200 <= status < 300:
        return "ok", f", answers {status} to GET /models"
    return "note", f", answers {status} to GET /models: is the base URL right? It often ends in /v1"
