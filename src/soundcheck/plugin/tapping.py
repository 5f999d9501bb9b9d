"""The way to what is judged of encryption: the line, and a tap on it where one was asked for."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soundcheck.audio import Library
from soundcheck.contract.canary import Canaries
from soundcheck.contract.line import Line
from soundcheck.contract.profile import Profile
from soundcheck.contract.target import Target
from soundcheck.errors import Unreachable
from soundcheck.http.access import DIRECT, Access, is_loopback
from soundcheck.http.client import Client
from soundcheck.plugin.folder import TAP
from soundcheck.plugin.observer import Observer
from soundcheck.plugin.options import Options

if TYPE_CHECKING:
    from soundcheck.wiretap.tap import Tap

PAUSE = 0.5
"""Seconds between two looks at a proxy that is waited for."""

ASKED = 5.0
"""Seconds that a proxy may take to answer while its first connection is waited for."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A private deployment of our own, on which the areas of encryption are judged.

    ``upstream`` (HOST:PORT, with the certificates ``roots``) is its API. ``connect`` starts the
    proxy that goes there by way of a tap, given the tap's address and certificates, and returns the
    proxy's base URL. ``profile`` and ``model`` are what is claimed for it and asked of it. With
    ``whole`` it is judged in every area, not beside another deployment.
    """

    profile: Profile
    model: str
    upstream: str
    roots: Path
    connect: Callable[[str, Path], str]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A line, the base URL that it asks, what it inspects, and the tap that it goes through."""

    line: Line
    base_url: str
    endpoint: str
    tap: "Tap | None" = None


def open_way(
    options: Options,
    target: Target,
    library: Library,
    out: Path,
    observer: Observer,
    arrangement: Arrangement | None = None,
) -> Passage:
    """Return the way for the run in the folder ``out``; with a tap, when the proxy has reached it.

    Raises :class:`Unreachable` when nothing comes to the tap in time, :class:`SoundcheckError`
    for an address that cannot be listened on.
    """
    canaries = Canaries(library, out / TAP)
    upstream = arrangement.upstream if arrangement else options.upstream
    roots = arrangement.roots if arrangement else options.tls_roots
    listen = "127.0.0.1:0" if arrangement else options.tap
    headers = () if arrangement else target.headers
    access = Access(roots=roots) if arrangement else target.access
    base_url = target.base_url
    tap = None
    if listen:  # most runs need none, and none of what it needs
        from soundcheck.wiretap.tap import Tap

        known = list(target.secrets)
        tap = Tap(upstream, listen, folder=out / TAP, upstream_roots=roots, secrets=known)
    try:
        if tap is not None:
            tap.search_for(canaries.hidden())
            if arrangement is not None:
                base_url = arrangement.connect(tap.address, tap.roots)
            else:
                from soundcheck.wiretap.instructions import instructions

                told = instructions(tap.address, tap.roots, upstream)
                waiting = f"Waiting up to {options.tap_wait:g} s for the proxy at {base_url} …"
                observer.tapping(f"{told}\n\n{waiting}\n")
                with Client(base_url, headers=headers, timeout=ASKED, access=access) as client:
                    _wait(tap, client, options.tap_wait)
    except BaseException:
        if tap is not None:
            tap.close()
        raise
    endpoint = base_url if not is_loopback(base_url) or base_url.startswith("https") else upstream
    client = Client(base_url, headers=headers, timeout=options.timeout, access=access)
    beside = access if endpoint == base_url else DIRECT  # what is upstream is reached by itself
    line = Line(client, canaries, tap, endpoint, roots, beside)
    return Passage(line, base_url, endpoint, tap)


def _wait(tap: "Tap", client: Client, seconds: float) -> None:
    """Return when the proxy answers and something has reached the tap.

    It is asked, since some connect to their API only then; others do so before they listen.
    """
    deadline = time.monotonic() + seconds
    answers = False
    while not (tap.wait_for_connection(0.0 if answers else PAUSE) and answers):
        if time.monotonic() > deadline:
            if tap.wait_for_connection(0):
                raise Unreachable(
                    f"something reached the tap at {tap.address}, but {client.base_url} does not "
                    f"answer after {seconds:g} s: is that the proxy's URL?"
                )
            there = "answers, but nothing" if answers else "does not answer, and nothing"
            raise Unreachable(
                f"{client.base_url} {there} reached the tap at {tap.address} in {seconds:g} s: "
                "start the proxy as shown, with the tap in the place of its API (--tap-wait S "
                "waits longer; each run makes new roots)"
            )
        answers = client.send("GET", "/models").response is not None
        if answers:
            tap.wait_for_connection(PAUSE)
