"""The private stack as child processes, for checks, tests and ``soundcheck serve --private``."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from soundcheck.reference.child import started

_CHILD = "soundcheck.reference.private.child"


@dataclass(frozen=True, slots=True)
class GatewayRunning:
    """A gateway that answers at ``address`` (``127.0.0.1:PORT``).

    ``roots`` and ``authority`` are PEM files, there as long as it runs: the test root of its TLS
    certificate, and the certificate of who signs its attestations.
    """

    address: str
    roots: Path
    authority: Path
    pid: int


@dataclass(frozen=True, slots=True)
class ProxyRunning:
    """A proxy that answers: the API's base URL, and the id of its process."""

    base_url: str
    pid: int


@contextmanager
def start_gateway(
    backend: str,
    *,
    faults: Sequence[str] = (),
    api_key: str | None = None,
    port: int = 0,
    stream_usage: bool = False,
) -> Iterator[GatewayRunning]:
    """Start a gateway before the ``backend`` (its base URL) and end it when the block is left.

    ``faults`` are names of PRIVATE_FAULTS, ``api_key`` is what clients must send;
    ``stream_usage`` as in GatewaySettings, for a backend that is vLLM's. Raises
    SoundcheckError for an unknown fault or a taken port, ReferenceFailed if it does not come up.
    """
    told = {
        "part": "gateway",
        "backend": backend,
        "faults": list(faults),
        "api_key": api_key,
        "port": port,
        "stream_usage": stream_usage,
    }
    with (
        started(_CHILD, told, "The gateway") as (answer, pid),
        tempfile.TemporaryDirectory(prefix="soundcheck-gateway-") as folder,
    ):
        roots, authority = Path(folder) / "roots.pem", Path(folder) / "attestation.pem"
        roots.write_text(answer["roots"], encoding="ascii")
        authority.write_text(answer["authority"], encoding="ascii")
        yield GatewayRunning(answer["address"], roots, authority, pid)


@contextmanager
def start_proxy(
    endpoint: str,
    *,
    roots: Path | None,
    authority: Path,
    faults: Sequence[str] = (),
    api_key: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[ProxyRunning]:
    """Start a proxy towards ``endpoint`` (HOST:PORT) and end it when the block is left.

    It trusts the TLS certificates in ``roots`` (None: the system's; read when it first connects)
    and attestations signed by ``authority``. ``api_key`` None: it takes the client's. Raises like
    ``start_gateway``.
    """
    told = {
        "part": "proxy",
        "endpoint": endpoint,
        "roots": None if roots is None else str(roots.absolute()),
        "authority": authority.read_text(encoding="ascii"),
        "faults": list(faults),
        "api_key": api_key,
        "host": host,
        "port": port,
    }
    with started(_CHILD, told, "The proxy") as (answer, pid):
        yield ProxyRunning(answer["base_url"], pid)
