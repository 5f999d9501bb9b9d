"""The way from the tap to the API: TLS, verified as any client should."""

import asyncio
import ssl
from pathlib import Path

import h11

from soundcheck.wiretap.presented import system_roots
from soundcheck.wiretap.streams import Line, Wire

CONNECT = 10.0
"""Seconds that a connection may take."""


class NoUpstream(Exception):
    """The API cannot be reached in the way it must be; the message says why."""


class Upstream:
    """Where the API is: ``host`` and ``port``; ``roots`` replace those of the system."""

    def __init__(self, host: str, port: int, roots: Path | None) -> None:
        self.host = host
        self.port = port
        self._roots = roots
        self._context: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """Return what requests name as their host."""
        return str(self).removesuffix(":443")

    async def connect(self) -> Line:
        """Return a new connection; raises NoUpstream."""
        try:
            async with asyncio.timeout(CONNECT):
                wire = Wire()
                await asyncio.get_running_loop().create_connection(
                    lambda: wire,
                    self.host,
                    self.port,
                    ssl=self._trust(),
                    server_hostname=self.host,
                    ssl_shutdown_timeout=1.0,
                )
        except TimeoutError:
            raise NoUpstream(f"{self} gave no connection in {CONNECT:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise NoUpstream(
                f"{self} has a certificate that does not verify: {error.verify_message}"
            ) from None
        except ssl.SSLError as error:
            raise NoUpstream(_refusal(str(self), error)) from None
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise NoUpstream(f"{self} gave no TLS connection: {reason}") from None
        return Line(h11.CLIENT, wire)

    def _trust(self) -> ssl.SSLContext:
        """Return what is trusted, read at the first connection: the file may come late."""
        if self._context is None:
            path = self._roots or system_roots()
            try:
                context = ssl.create_default_context(cafile=str(path))
            except (OSError, ssl.SSLError) as error:
                raise NoUpstream(f"the roots in {path} cannot be read: {error}") from None
            context.set_alpn_protocols(["http/1.1"])
            self._context = context
        return self._context


def _refusal(address: str, error: ssl.SSLError) -> str:
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if "wrong version number" in reason or "unknown protocol" in reason:
        return f"{address} does not speak TLS"
    if "no application protocol" in reason:
        return f"{address} does not speak HTTP/1.1 (HTTP/2 only?)"
    return f"{address} gave no TLS connection: {reason}"
