"""The certificates that the tap presents: good ones, and each kind that must be refused."""

import ssl
import warnings
import weakref
from pathlib import Path

import certifi

from soundcheck.contract.attack import Attack
from soundcheck.http.certificates import Authority, Credentials, self_signed

LOCAL = ("localhost", "127.0.0.1", "::1")
"""What the tap is called by a proxy on this machine."""

ELSEWHERE = "another.name.invalid"
"""A name that no proxy asks for."""


class Presented:
    """TLS contexts for a tap in front of ``host``, under a root made now for this run only.

    Root and keys are in memory: ``write_roots`` leaves certificates alone.
    """

    def __init__(self, host: str) -> None:
        self._names = tuple(dict.fromkeys((*LOCAL, host)))
        self._authority = Authority.new("Soundcheck tap, for one run")
        self._asked: weakref.WeakKeyDictionary[ssl.SSLObject, str] = weakref.WeakKeyDictionary()
        self._good = self._context(self._authority.issue(*self._names))

    def write_roots(self, path: Path) -> None:
        """Write the system's roots and the run's own: Go takes one bundle for all."""
        path.write_bytes(system_roots().read_bytes().rstrip() + b"\n" + self.root_pem)

    @property
    def root_pem(self) -> bytes:
        """Return the root's certificate."""
        return self._authority.certificate_pem

    def context(self, attack: Attack) -> ssl.SSLContext:
        """Return what new connections are presented under ``attack``."""
        match attack:
            case Attack.WRONG_ROOT:
                unknown = Authority.new("A root that nobody was told of")
                return self._context(unknown.issue(*self._names))
            case Attack.WRONG_NAME:
                return self._context(self._authority.issue(ELSEWHERE))
            case Attack.EXPIRED:
                return self._context(self._authority.issue(*self._names, expired=True))
            case Attack.SELF_SIGNED:
                return self._context(self_signed(*self._names))
            case Attack.OLD_TLS:
                return self._old()
            case _:
                return self._good

    def asked_for(self, connection: ssl.SSLObject) -> str | None:
        """Return the name that the proxy asked for (SNI)."""
        return self._asked.get(connection)

    def _old(self) -> ssl.SSLContext:
        context = self._context(self._authority.issue(*self._names))
        with warnings.catch_warnings():  # that these versions are old is the point
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    def _context(self, credentials: Credentials) -> ssl.SSLContext:
        context = credentials.server_context()

        def asked(connection: object, name: str | None, _: ssl.SSLContext) -> None:
            if name is not None and isinstance(connection, ssl.SSLObject):
                self._asked[connection] = name

        context.sni_callback = asked
        return context


def system_roots() -> Path:
    """Return the file of the roots that this machine trusts."""
    found = ssl.get_default_verify_paths().cafile
    return Path(found) if found and Path(found).is_file() else Path(certifi.where())
