"""Lures: files that name another place, and the listener there, which tells who came.

Such a file is only refused for certain where nothing was fetched. The listener is on this machine's
loopback, so it sees the visits of what decodes audio on this machine, and of nothing else.
"""

import contextlib
import hashlib
import socket
import threading
from dataclasses import replace
from urllib.parse import urlsplit

from soundcheck.audio import Clip, Library
from soundcheck.audio.outward import OUTWARD
from soundcheck.audio.recipe import Content
from soundcheck.http import pace

GRACE = 0.5
"""Seconds after an answer in which a visit still counts: some fetch when they have answered."""

MOST_VISITS = 20
_MOST_READ = 4096
_PATIENCE = 2.0
_NOTHING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def is_lure(library: Library, clip: str) -> bool:
    """Tell whether ``clip`` names another place."""
    recipe = library.recipes.get(clip)
    return recipe is not None and _kind(recipe.source) in OUTWARD


def _kind(source: object) -> str:
    return source.kind if isinstance(source, Content) else ""


class Lure:
    """Listens on loopback from the first file on that names it; to be closed."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._visits: list[str] = []

    def clip(self, name: str) -> tuple[Clip, bytes]:
        """Return the clip ``name`` as it is sent, and its bytes: it names the listener here."""
        recipe = self._library.recipe(name)
        assert isinstance(recipe.source, Content)  # noqa: S101  # asked by is_lure
        place = urlsplit(str(dict(recipe.source.options)["url"]))
        data = OUTWARD[recipe.source.kind](place._replace(netloc=self._address()).geturl())
        digest = hashlib.sha256(data).hexdigest()
        return replace(self._library.clip(name), size=len(data), sha256=digest), data

    def visits(self) -> tuple[str, ...]:
        """Return who came since the last call, after ``GRACE`` seconds: first lines, by whom."""
        pace.pause(GRACE)
        with self._lock:
            found, self._visits = tuple(self._visits), []
        return found

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody up
            listener.close()

    def _address(self) -> str:
        with self._lock:
            if self._listener is None:
                self._listener = socket.create_server(("127.0.0.1", 0))
                listening = (self._listener,)
                threading.Thread(target=self._listen, args=listening, daemon=True).start()
            host, port = self._listener.getsockname()
            return f"{host}:{port}"

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                visitor, _ = listener.accept()
            except OSError:
                return
            with visitor, contextlib.suppress(OSError):
                visitor.settimeout(_PATIENCE)
                self._take(_asked(visitor))
                visitor.sendall(_NOTHING)

    def _take(self, visit: str) -> None:
        with self._lock:
            if len(self._visits) < MOST_VISITS:
                self._visits.append(visit)


def _asked(visitor: socket.socket) -> str:
    """Return the first line of a request and who sent it, as far as it was told."""
    try:
        head = visitor.recv(_MOST_READ).decode("latin-1")
    except OSError:
        head = ""
    first, *lines = head.split("\r\n")
    agents = (line.partition(":")[2].strip() for line in lines if line.lower().startswith("user-a"))
    agent = next(agents, "")
    return f"{first[:200] or 'a connection'}{f' by {agent[:100]}' if agent else ''}"
