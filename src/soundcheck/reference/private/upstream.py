"""A proxy's connections to its API: TLS, HTTP/1.1, kept alive."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import TracebackType

import httpx

_TIMEOUT = httpx.Timeout(600, connect=15, pool=None)
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=60)
_PIECE = 2**18
_BREAKS = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)


class Unreachable(Exception):
    """No connection that can be trusted, no answer in time, or an answer that is no HTTP."""


class ConnectionReset(Unreachable):
    """A connection that was there and broke before it brought an answer."""


class Upstream:
    """The API at ``endpoint`` (HOST:PORT), verified against the certificates in ``roots``.

    ``roots`` is read when the first connection is made: the file of a tap may not be there before.
    """

    def __init__(
        self,
        endpoint: str,
        roots: Path | None,
        tls: Callable[[Path | None], ssl.SSLContext],
        schemes: tuple[str, ...] = ("https",),
    ) -> None:
        self._endpoint = endpoint
        self._roots = roots
        self._tls = tls
        self._schemes = schemes
        self._made: httpx.AsyncClient | None = None

    async def __aenter__(self) -> "Upstream":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._made is not None:
            await self._made.aclose()

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> httpx.Response:
        """Return an answer whose body is still to be read, and which must be closed.

        Raises Unreachable, or ConnectionReset.
        """
        client = self._client()
        last = Unreachable("nothing to connect by")
        for scheme in self._schemes:
            url = f"{scheme}://{self._endpoint}{path}"
            try:
                asked = request(client, method, url, headers, content)
                return await client.send(asked, stream=True)
            except httpx.ConnectError as error:
                last = Unreachable(f"no trusted connection to {self._endpoint}: {error}")
            except _BREAKS as error:
                if isinstance(error, httpx.RemoteProtocolError) and "disconnect" not in str(error):
                    raise Unreachable(f"{self._endpoint} does not speak HTTP/1.1") from None
                raise ConnectionReset(f"{self._endpoint} closed the connection") from None
            except httpx.TimeoutException:
                last = Unreachable(f"{self._endpoint} does not answer in time")
            except (httpx.TransportError, httpx.InvalidURL) as error:
                last = Unreachable(f"{self._endpoint}: {error}")
        raise last

    def _client(self) -> httpx.AsyncClient:
        if self._made is None:
            try:
                context = self._tls(self._roots)
            except OSError as error:
                raise Unreachable(f"the roots to trust cannot be read: {error}") from None
            self._made = httpx.AsyncClient(
                verify=context, trust_env=False, timeout=_TIMEOUT, limits=_LIMITS
            )
        return self._made


def request(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None,
) -> httpx.Request:
    """Return a request whose body goes out piece by piece, so that the other side can begin."""
    if content is None or len(content) <= _PIECE:
        return client.build_request(method, url, headers=dict(headers), content=content)
    told = {**headers, "content-length": str(len(content))}
    return client.build_request(method, url, headers=told, content=_pieces(content))


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


async def read(response: httpx.Response, most: int) -> bytes:
    """Return an answer's body and close it; raises Unreachable if it breaks or has more bytes."""
    pieces, size = [], 0
    try:
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > most:
                raise Unreachable(f"an answer of more than {most} bytes")
            pieces.append(chunk)
    except httpx.TransportError:
        raise Unreachable("the answer broke off") from None
    finally:
        # A cancelled request must not leave its connection half read.
        await asyncio.shield(response.aclose())
    return b"".join(pieces)
