"""What a session is asked to do."""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from soundcheck.contract.profile import Profile, load_profile
from soundcheck.contract.target import LONGEST_TIMEOUT, Target, Way
from soundcheck.contract.traffic import FREE, Manners
from soundcheck.errors import SoundcheckError

PROFILE = "openai"
EFFORT = "quick"
JOBS = 4
TIMEOUT = 120.0

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; ``out`` is the run folder, made when it is ``None``.

    An empty ``profile`` or ``effort`` stands for the usual one, or that of the run ``replay``,
    whose recorded exchanges are judged in the place of the deployment at ``base_url``; ``claims``
    is the profile that this run recorded, where nobody asked for another. ``tap`` (HOST:PORT) is
    where a tap listens, ``upstream`` the API that the proxy under test talks to, ``tap_wait`` the
    seconds until it must have reached the tap; ``tls_roots`` holds more certificates to trust;
    ``way`` and ``manners`` are how the deployment is reached and asked; ``price`` is that of an
    audio minute in ``currency``. ``agreed`` (``--yes``): a plan that exceeds a cap is begun;
    ``resumed``: the run in ``out`` is gone on with; ``speech`` is a folder of the user's own
    recordings.
    ``waivers`` is a file of failures that are lived with, ``baseline`` an earlier run: what was no
    better in it is not held against this one.
    """

    base_url: str = ""
    model: str | None = None
    profile: str = ""
    api_key_env: str | None = None
    out: Path | None = None
    jobs: int = JOBS
    effort: str = ""
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    timeout: float = TIMEOUT
    tap: str = ""
    upstream: str = ""
    tap_wait: float = 120.0
    tls_roots: Path | None = None
    reference: bool = False
    replay: Path | None = None
    way: Way = field(default_factory=Way)
    manners: Manners = FREE
    price: float | None = None
    currency: str = "USD"
    agreed: bool = False
    resumed: bool = False
    speech: Path | None = None
    claims: Profile | None = None
    waivers: Path | None = None
    baseline: Path | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that nothing could be sent with."""
        if self.jobs < 1 or not 0 < self.timeout <= LONGEST_TIMEOUT:
            raise SoundcheckError(
                "jobs must be at least 1, and timeout more than 0 seconds and at most a day"
            )
        for name, address in (("tap", self.tap), ("upstream", self.upstream)):
            if address and not _ADDRESS.fullmatch(address):
                raise SoundcheckError(f"--{name} takes HOST:PORT, not {address!r}")
        if self.tap and not self.upstream:
            raise SoundcheckError("--tap needs the API behind it: give --upstream HOST:PORT")
        if self.tls_roots is not None:
            _check_certificates(self.tls_roots)
        if self.speech is not None and self.replay is not None:
            raise SoundcheckError("a recorded run has its recordings: leave out --speech")
        if self.speech is not None and not self.speech.is_dir():
            raise SoundcheckError(f"--speech takes a folder of recordings: {self.speech} is none")

    def target(self) -> Target:
        """Return the deployment; raises SoundcheckError for one that no request could reach.

        That of a recorded run is asked nothing: it needs no key, and no way to it.
        """
        if self.replay is not None:
            return Target(self.base_url, self.model, timeout=self.timeout)
        return Target(
            self.base_url, self.model, self.api_key_env, self.timeout, self.tls_roots, self.way
        )

    def claimed(self) -> Profile:
        """Return what is claimed; raises SoundcheckError for a profile that cannot be used."""
        return self.claims or load_profile(self.profile or PROFILE)


def _check_certificates(path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no PEM"
        raise SoundcheckError(f"{path}: certificates cannot be read from it: {reason}") from None
