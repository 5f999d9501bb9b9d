"""The tap as its users hold it: started, told what to do to whom, asked what it saw, closed."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from soundcheck.contract.attack import Attack
from soundcheck.contract.canary import Canary
from soundcheck.errors import SoundcheckError
from soundcheck.http.tapped import Tapped
from soundcheck.wiretap.presented import Presented
from soundcheck.wiretap.recorder import Block, Recorder, Told
from soundcheck.wiretap.relay import TLS_ATTACKS, Relay
from soundcheck.wiretap.upstream import Upstream

ROOTS = "roots.pem"
"""The file that a proxy takes its roots from."""

_WAITING = 512  # connections that the system holds until they are accepted
_PAUSE = 0.1  # seconds, when the system gives no more connections
_LARGEST_PORT = 65535
_LAST_TURNS = 5  # of the loop, in which broken connections let go of their sockets

T = TypeVar("T")


class BadAddress(SoundcheckError):
    """An address is not of the form HOST:PORT, or cannot be listened on."""


class Watch:
    """What happened in a block: to be asked for after its end."""

    def __init__(self, block: Block, recorder: Recorder) -> None:
        self._block = block
        self._recorder = recorder

    def tapped(self, more: Iterable[Canary] = ()) -> Tapped:
        """Return the block's hops with their bodies, searched for ``more`` canaries too.

        Hops that began in the block are waited for, a few seconds at most. Times are counted from
        the block's begin.
        """
        return self._recorder.tapped(self._block, more)


class Tap:
    """A gateway on ``listen`` that relays to ``upstream`` (``HOST:PORT``) and keeps what it sees.

    It runs in a thread of its own from now until ``close``. ``folder`` (made for the owner alone
    if it is missing) gets ``roots.pem``: the system's roots and one made for this run, whose key
    is never on disk. The API's certificate is verified by ``upstream_roots``, else the system's.
    ``secrets`` are key values that no record may hold; ``told`` is called, in another thread, with
    each ended hop and the names of its values that are no envelopes. Raises SoundcheckError for
    addresses that are none, or taken.
    """

    def __init__(
        self,
        upstream: str,
        listen: str = "127.0.0.1:8443",
        *,
        folder: Path,
        upstream_roots: Path | None = None,
        secrets: Iterable[str] = (),
        told: Told | None = None,
    ) -> None:
        host, port = address(upstream)
        if not port:
            raise BadAddress(f"{upstream}: an API has a port other than 0.")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.roots = folder / ROOTS
        self._listener = _listen(*address(listen))
        try:
            name, number = self._listener.getsockname()[:2]
            self.address = f"[{name}]:{number}" if ":" in name else f"{name}:{number}"
            presented = Presented(host)
            presented.write_roots(self.roots)
        except BaseException:
            self._listener.close()
            raise
        self._recorder = Recorder(folder, secrets, told)
        self._relay = Relay(Upstream(host, port, upstream_roots), presented, self._recorder)
        self._connected = threading.Event()
        self._watched = threading.Lock()
        self._last: Block | None = None
        self._loop = _new_loop()
        self._loop.set_exception_handler(self._fault)
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="tap", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return the tap, to be closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the tap."""
        self.close()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what went wrong so far, each said once."""
        return self._recorder.problems

    @property
    def connections(self) -> int:
        """Return how many connections were accepted so far."""
        return self._relay.connections

    def wait_for_connection(self, seconds: float) -> bool:
        """Tell whether anything has connected, within ``seconds`` from now."""
        return self._connected.wait(seconds)

    def search_for(self, canaries: Iterable[Canary]) -> None:
        """Look for ``canaries`` in everything that ends from now on."""
        self._recorder.search_for(canaries)

    @contextlib.contextmanager
    def watching(self, attack: Attack = Attack.NONE) -> Iterator[Watch]:
        """Keep what happens in the block, and do what ``attack`` says to it; one at a time."""
        with self._watched:
            if self._last is not None:
                for recording in self._last.recordings:
                    recording.release()
            self._last = block = Block(attack)
            self._do(self._enter(block))
            try:
                yield Watch(block, self._recorder)
            finally:
                self._do(self._leave(block))

    def everything(self) -> Tapped:
        """Return every hop that has ended, without bodies; times are from the tap's begin."""
        return self._recorder.everything()

    def close(self) -> None:
        """End everything; may be called twice. What was recorded can still be asked for."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._recorder.close()
        if self._last is not None:
            for recording in self._last.recordings:
                recording.release()

    async def _enter(self, block: Block) -> None:
        self._recorder.block = block
        if block.attack in TLS_ATTACKS:
            await self._relay.present(block.attack)

    async def _leave(self, block: Block) -> None:
        self._recorder.block = None
        if block.attack in TLS_ATTACKS:
            await self._relay.present(Attack.NONE)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have ``work`` done in the tap's own thread."""
        if not self._thread.is_alive():
            work.close()
            raise RuntimeError("the tap is closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what the loop would print: TLS of a hostile peer breaks off in many ways."""
        error = context.get("exception")
        if error is not None and not isinstance(error, OSError):
            self._recorder.trouble(f"A connection broke: {type(error).__name__}: {error}")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _serve(self) -> None:
        accepting = asyncio.create_task(self._accept())
        await self._over.wait()
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        self._listener.close()
        await self._relay.hang_up()
        for _ in range(_LAST_TURNS):
            await asyncio.sleep(0)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                self._recorder.trouble(f"A connection could not be accepted: {error.strerror}")
                await asyncio.sleep(_PAUSE)
                continue
            self._connected.set()
            self._relay.take(connection)


def address(text: str) -> tuple[str, int]:
    """Return the host and the port of ``HOST:PORT`` (IPv6 in brackets); raises BadAddress."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    good = port.isascii() and port.isdigit() and len(port) <= len(str(_LARGEST_PORT))
    if not host or not good or int(port) > _LARGEST_PORT or "/" in host or " " in host:
        raise BadAddress(f"{text}: not of the form HOST:PORT, such as api.example.com:443")
    return host, int(port)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_WAITING)
    except OSError as error:
        reason = error.strerror or error
        raise BadAddress(
            f"The tap cannot listen on {host} port {port}: {reason}. Port 0 takes a free one."
        ) from None
    listener.setblocking(False)
    return listener


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
