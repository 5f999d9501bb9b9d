"""``soundcheck serve --private``: proxy, gateway and reference backend, until Ctrl-C."""

import os
import re
import select
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import typer

from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.reference.deployment import start_reference
from soundcheck.reference.private import start_gateway, start_proxy
from soundcheck.reference.settings import LOOKUP_NOTE, Settings

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_PEM = b"-----BEGIN CERTIFICATE-----"


class WrongAddress(SoundcheckError):
    """What should be HOST:PORT and is not."""


class NotWritten(SoundcheckError):
    """The file for the gateway's root cannot be written."""


class PartEnded(SoundcheckError):
    """A part of the stack ended by itself."""

    exit_code = ExitCode.INTERNAL


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What the stack is told.

    ``backend`` has the API's key, too; ``variable`` is where it came from, and ``client_key`` says
    that clients send it themselves. ``via`` is where the proxy connects to in place of the gateway.
    """

    backend: Settings
    faults: tuple[str, ...]
    host: str
    port: int
    gateway_port: int
    variable: str | None = None
    client_key: bool = False
    via: str | None = None
    gateway_roots: Path | None = None


def serve_private(settings: StackSettings) -> None:
    """Run the stack until a signal; raises SoundcheckError when a part does not start or ends."""
    if settings.via is not None and not is_address(settings.via):
        raise WrongAddress(f"--via takes HOST:PORT, not {settings.via!r}.")
    if settings.gateway_roots is not None:
        _check_target(settings.gateway_roots)
    with _signals(), ExitStack() as opened:
        backend = settings.backend
        reference = opened.enter_context(
            start_reference(
                backend.dialect,
                backend.faults,
                backend.api_key,
                workers=backend.workers,
                max_file=backend.max_file,
                limit_counts=backend.limit_counts,
                recognizer=backend.recognizer,
                latency=backend.latency,
            )
        )
        gateway = opened.enter_context(
            start_gateway(
                reference.base_url,
                faults=settings.faults,
                api_key=backend.api_key,
                port=settings.gateway_port,
                stream_usage=backend.dialect == "vllm",
            )
        )
        if settings.gateway_roots is not None:
            opened.enter_context(_copied(gateway.roots, settings.gateway_roots))
        roots: Path | None = gateway.roots
        if settings.via is not None:
            given = os.environ.get("SSL_CERT_FILE")
            roots = Path(given) if given else None
        proxy = opened.enter_context(
            start_proxy(
                settings.via or gateway.address,
                roots=roots,
                authority=gateway.authority,
                faults=settings.faults,
                api_key=None if settings.client_key else backend.api_key,
                host=settings.host,
                port=settings.port,
            )
        )
        _tell(settings, proxy.base_url, gateway.address, reference.base_url)
        _wait({"proxy": proxy.pid, "gateway": gateway.pid, "backend": reference.pid})


def is_address(text: str) -> bool:
    """Tell whether ``text`` is HOST:PORT."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and 0 < int(found[2]) < 65536


def _tell(settings: StackSettings, proxy: str, gateway: str, backend: str) -> None:
    typer.echo(f"Private reference stack, dialect {settings.backend.dialect}: {proxy}")
    faults = (*settings.backend.faults, *settings.faults)
    if faults:
        typer.echo(f"with {', '.join(faults)}")
    if settings.backend.service is not None:
        typer.echo(f"{LOOKUP_NOTE} Service model: {settings.backend.service}.")
    via = f" via {settings.via}" if settings.via else ""
    typer.echo(f"proxy{via} -> gateway {gateway} (TLS) -> backend {backend}")
    if settings.gateway_roots is not None:
        typer.echo(f"The gateway's test root is in {settings.gateway_roots} while it runs.")
    typer.echo("Attestation is a stand-in: a statement signed by a test authority, no evidence.")
    typer.echo(f"\n{_curl(proxy, settings.variable if settings.client_key else None)}\n")
    typer.echo("`soundcheck fixtures export .` writes hello.mp3 and the other clips.")
    typer.echo("Ctrl-C ends it.")


def _curl(base_url: str, variable: str | None) -> str:
    """Return the example of Privatemode's page, for a file that there is."""
    where = base_url.removeprefix("http://").replace("127.0.0.1", "localhost")
    key = f'  -H "Authorization: Bearer ${variable}" \\\n' if variable else ""
    return (
        f"curl {where}/audio/transcriptions \\\n{key}"
        '  -H "Content-Type: multipart/form-data" \\\n'
        "  -F 'model=whisper-large-v3' \\\n"
        "  -F 'file=@hello.mp3'"
    )


def _check_target(path: Path) -> None:
    """Raise NotWritten for a file that must not be replaced, or has no folder to be in."""
    try:
        if path.exists() and not path.read_bytes().startswith(_PEM):
            raise NotWritten(f"{path} is there already, and is no certificate.")
    except OSError as error:
        raise NotWritten(f"{path} cannot be replaced: {error.strerror}.") from None
    if not path.parent.is_dir():
        raise NotWritten(f"{path} cannot be written: there is no folder {path.parent}.")


@contextmanager
def _copied(source: Path, target: Path) -> Iterator[None]:
    """Have a copy of a certificate at ``target``, which is gone afterwards; raises NotWritten."""
    try:
        target.write_bytes(source.read_bytes())
    except OSError as error:
        raise NotWritten(f"{target} cannot be written: {error.strerror}.") from None
    try:
        yield
    finally:
        target.unlink(missing_ok=True)


@contextmanager
def _signals() -> Iterator[None]:
    """Take SIGTERM like Ctrl-C, which ends the block in order."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait(parts: Mapping[str, int]) -> None:
    """Wait until a signal; raises PartEnded when a process ends."""
    with ExitStack() as opened:
        handles: dict[int, str] = {}
        for name, pid in parts.items():
            handle = os.pidfd_open(pid)
            opened.callback(os.close, handle)
            handles[handle] = name
        ended: Sequence[int] = select.select(list(handles), [], [])[0]
        raise PartEnded(f"The {handles[ended[0]]} ended by itself.")
