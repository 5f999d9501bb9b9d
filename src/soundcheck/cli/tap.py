"""``soundcheck tap``: what an untrusted gateway sees of an encrypting proxy."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import typer

from soundcheck.errors import SoundcheckError

if TYPE_CHECKING:
    from soundcheck.contract.canary import Canary
    from soundcheck.http.tapped import Hop
    from soundcheck.wiretap.tap import Tap

SCHEMA = "soundcheck/tap/1"

LOOKING = 0.5
"""Seconds between two looks whether Ctrl-C was pressed."""

SHORTEST_CANARY = 8
"""Bytes of a text below which it would be found by chance."""

EXAMPLES = """
**Examples**

`soundcheck tap --upstream api.privatemode.ai:443`: then copy the line that it prints

`soundcheck tap --upstream api.example.com:443 --canary "purple elephant 4711"`: look for a text
that you then have transcribed, or send as a prompt

`soundcheck tap --upstream 127.0.0.1:9443 --tls-roots test-root.pem`: an API with a root of its own

`soundcheck tap --upstream api.example.com:443 --listen 127.0.0.1:0`: take a free port

`soundcheck check URL --tap 127.0.0.1:8443 --upstream HOST:PORT` uses the same tap for its verdicts.

Ctrl-C ends it with a summary. **Exit codes**: 0 no violation seen · 1 a canary was readable, or an
IV was used twice · 2 bad usage, or the port is taken
"""


class TooOpen(SoundcheckError):
    """The tap would listen to other machines without having been told to."""


def tap(
    upstream: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The API that the proxy really talks to.")
    ],
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:8443",
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for roots.pem and tap.json.")
    ] = Path("soundcheck-tap"),
    tls_roots: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Roots to verify the API by. Default: the system's."),
    ] = None,
    canary: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="A text that must not be readable (repeatable)."),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines connect.")
    ] = False,
) -> None:
    """Stand between an encrypting proxy and its API, and tell what can be read there."""
    from soundcheck.wiretap.tap import Tap, address

    _check_listen(address(listen)[0], allow_remote=allow_remote)
    canaries = _canaries(canary or ())
    shown = _Shown(searched=bool(canaries))
    ended = threading.Event()
    try:
        with Tap(upstream, listen, folder=out, upstream_roots=tls_roots, told=shown.hop) as tap:
            tap.search_for(canaries)
            try:
                _introduce(tap, upstream, canaries)
                # A signal may reach another thread: only a wait that ends now and then sees it.
                while not ended.wait(LOOKING):
                    pass
            except KeyboardInterrupt:
                typer.echo()
    except OSError as error:
        raise SoundcheckError(f"{out}: {error.strerror or error}") from None
    document = {"schema": SCHEMA, **tap.everything().to_json(), "problems": tap.problems}
    (out / "tap.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    bad = shown.summary(tap)
    typer.echo(f"\nWritten: {out / 'tap.json'}")
    raise typer.Exit(int(bad))


tap.__doc__ = f"{tap.__doc__}\n{EXAMPLES}"


def _check_listen(host: str, *, allow_remote: bool) -> None:
    loopback = host in ("localhost", "::1") or host.startswith("127.")
    if not loopback and not allow_remote:
        raise TooOpen(
            f"{host} is open to other machines, whose keys and audio would pass through here. "
            "Listen on 127.0.0.1, or add --allow-remote."
        )


def _canaries(texts: Iterable[str]) -> "list[Canary]":
    from soundcheck.contract.canary import Canary

    found = [Canary("canary", text.encode()) for text in texts]
    if any(len(one.data) < SHORTEST_CANARY for one in found):
        raise SoundcheckError(
            f"A --canary needs {SHORTEST_CANARY} bytes or more: shorter texts are found by chance."
        )
    return found


def _introduce(tap: "Tap", upstream: str, canaries: "list[Canary]") -> None:
    from soundcheck.wiretap.instructions import instructions

    typer.echo(instructions(tap.address, tap.roots, upstream))
    if not canaries:
        typer.echo("\nWithout --canary TEXT, nothing is looked for in what passes.")
    typer.echo("\nCtrl-C ends it with a summary.\n")


class _Shown:
    """What is printed of each hop, and what all of them come to."""

    def __init__(self, *, searched: bool) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, soft_wrap=True)
        self._searched = searched
        self._hops = self._leaks = self._envelopes = 0
        self._versions: Counter[str] = Counter()
        self._ivs: Counter[str] = Counter()
        self._clear: Counter[str] = Counter()

    def hop(self, hop: "Hop", clear: tuple[str, ...]) -> None:
        """Print the line of a hop."""
        from rich.text import Text

        self._hops += 1
        self._leaks += len(hop.leaks)
        self._envelopes += len(hop.sealed)
        self._versions[hop.tls.version if hop.tls else "no TLS"] += 1
        self._ivs.update(one.iv for one in hop.sealed)
        self._clear.update(clear)
        line = Text(f"{time.strftime('%H:%M:%S')}  {_line(hop, clear)}")
        for leak in hop.leaks:
            line.append(
                f"\n  LEAK: {leak.canary}, {leak.encoding}, in the {leak.place}", "bold red"
            )
            line.append("\n" + indent(leak.dump, "    "))
        self._console.print(line)

    def summary(self, tap: "Tap") -> bool:
        """Print what the hops come to; return whether that is bad."""
        from rich.text import Text

        from soundcheck.report.printable import one_line

        leaks = str(self._leaks) if self._searched else "not looked for: no --canary"
        repeated = sum(times > 1 for times in self._ivs.values())
        versions = ", ".join(f"{name} {times}" for name, times in sorted(self._versions.items()))
        clear = ", ".join(f"{name} {times}" for name, times in sorted(self._clear.items()))
        rows = [
            ("exchanges", str(self._hops), False),
            ("connections", str(tap.connections), False),
            ("TLS", versions or "none", False),
            ("envelopes", str(self._envelopes), False),
            ("repeated IVs", str(repeated), repeated > 0),
            ("in the clear", clear or "nothing", False),
            ("leaks", leaks, self._leaks > 0),
            *(("problem", problem, False) for problem in tap.problems),
        ]
        for name, value, bad in rows:
            line = Text(f"{name:14}{one_line(value)}", "bold red" if bad else "")
            self._console.print(line)
        return bool(repeated or self._leaks)


def _line(hop: "Hop", clear: tuple[str, ...]) -> str:
    from soundcheck.report.printable import one_line
    from soundcheck.report.wording import plural, size

    words = [hop.tls.version if hop.tls else "no TLS"]
    if hop.request is not None:
        method, _, rest = hop.request.start.partition(" ")
        words.append(f"{method} {rest.rpartition(' ')[0]} {size(hop.request.size)}")
    if hop.response is not None:
        words.append(f"→ {hop.response.status}, {size(hop.response.size)}")
    if hop.sealed:
        words.append(plural(len(hop.sealed), "envelope"))
    if clear:
        words.append(f"in the clear: {', '.join(clear)}")
    if hop.problem:
        words.append(f"PROBLEM: {hop.problem}")
    return one_line("  ".join(words))
