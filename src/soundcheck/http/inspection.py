"""What the TLS of a host showed, as facts: judging them is the suites' matter.

Versions, suites and groups stand by the names of ``http/tls_names.py``, times in ISO 8601 (UTC).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """Whether a protocol version was accepted, offered alone; ``None`` where no answer told.

    ``suite`` is what the server chose of all suites.
    """

    name: str
    accepted: bool | None
    suite: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as a server sent it.

    ``names`` are those it is for: DNS names and addresses. ``key`` is such as ``RSA`` or ``EC``, of
    ``key_bits``, over a named ``curve`` if it has one; ``signature`` the digest under its
    signature, ``""`` where it has none of its own. ``problem`` tells why one could not be read;
    then the rest is empty.
    """

    subject: str = ""
    issuer: str = ""
    not_before: str = ""
    not_after: str = ""
    names: tuple[str, ...] = ()
    key: str = ""
    key_bits: int = 0
    curve: str = ""
    signature: str = ""
    self_signed: bool = False
    problem: str = ""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild it from its document; raises ``ValueError`` for a damaged one."""
        if not document["problem"]:
            _check_time(document["not_before"])
            _check_time(document["not_after"])
        return cls(**{**document, "names": tuple(document["names"])})


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """What a port answered to ``GET`` in plain HTTP.

    ``kind`` is ``http`` (then there are ``status`` and ``location``, without its query), ``tls``
    (an alert), ``closed``, ``reset``, ``silent``, ``refused`` (no connection) or ``other``.
    """

    port: int
    kind: str
    status: int | None = None
    location: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """The transport of one endpoint, seen from outside at the time ``at``.

    ``scheme`` is ``http`` where no TLS is meant to be spoken: then there are no other facts. What
    is ``None``, or an empty text, was not seen. ``secure`` tells whether a handshake was finished;
    ``problem`` why not, or why the inspection ended early.

    ``weak_suites`` has one suite of each weak family, ``static_suites`` the first few without
    forward secrecy. ``groups`` are those of the key exchange that were accepted in
    ``groups_version``, in the server's own order, before TLS 1.3 only up to the curve of the
    certificate; ``dh_bits`` is the size of a prime without a name. ``trusted`` tells whether the
    chain leads to a root, whatever the time; ``in_time`` whether it does so now; ``compression`` is
    what was chosen of DEFLATE and ``null``, or ``refused``; ``hsts`` the value of the header
    Strict-Transport-Security of the answer with ``status``.
    """

    scheme: str
    host: str
    port: int
    loopback: bool
    at: str
    server_name: str = ""
    connections: int = 0
    secure: bool = False
    problem: str = ""
    version: str = ""
    suite: str = ""
    versions: tuple[VersionSeen, ...] = ()
    weak_suites: tuple[str, ...] | None = None
    static_suites: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    groups_version: str = ""
    weak_groups: tuple[str, ...] | None = None
    dh_bits: int | None = None
    compression: str = ""
    renegotiation_info: bool | None = None
    chain: tuple[Certificate, ...] = ()
    trusted: bool | None = None
    in_time: bool | None = None
    chain_problem: str = ""
    name_matches: bool | None = None
    status: int | None = None
    hsts: str | None = None
    plain: tuple[PlainAnswer, ...] = ()

    def accepts(self, version: str) -> bool | None:
        """Tell whether ``version`` was accepted, ``None`` where that is not known."""
        return next((seen.accepted for seen in self.versions if seen.name == version), None)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild it from the document that ``dataclasses.asdict`` gives.

        Raises ``ValueError``, ``KeyError`` or ``TypeError`` for a damaged one.
        """
        _check_time(document["at"])
        texts = {
            name: None if document[name] is None else tuple(document[name])
            for name in ("weak_suites", "static_suites", "groups", "weak_groups")
        }
        return cls(
            **{
                **document,
                **texts,
                "versions": tuple(VersionSeen(**seen) for seen in document["versions"]),
                "chain": tuple(map(Certificate.from_json, document["chain"])),
                "plain": tuple(PlainAnswer(**answer) for answer in document["plain"]),
            }
        )


def _check_time(text: str) -> None:
    """Raise ``ValueError`` for what is no time with its zone: others cannot be compared with it."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
