"""What a session is asked to do."""

from dataclasses import dataclass
from pathlib import Path

from soundcheck.contract.profile import Profile, load_profile
from soundcheck.errors import SoundcheckError

PROFILE = "openai"
EFFORT = "quick"


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; ``out`` is the run folder, made when it is ``None``.

    An empty ``profile`` or ``effort`` stands for the usual one, or that of the run ``replay``,
    whose recorded exchanges are judged in the place of the deployment at ``base_url``; ``claims``
    is the profile that this run recorded, where nobody asked for another.
    """

    base_url: str = ""
    model: str | None = None
    profile: str = ""
    api_key_env: str | None = None
    out: Path | None = None
    jobs: int = 4
    effort: str = ""
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    timeout: float = 120.0
    reference: bool = False
    replay: Path | None = None
    claims: Profile | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that nothing could be sent with."""
        if self.jobs < 1 or self.timeout <= 0:
            raise SoundcheckError("jobs must be at least 1 and timeout more than 0 seconds")

    def claimed(self) -> Profile:
        """Return what is claimed; raises SoundcheckError for a profile that cannot be used."""
        return self.claims or load_profile(self.profile or PROFILE)
