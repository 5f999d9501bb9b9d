"""The deployment under test as the preflight found it."""

from dataclasses import dataclass

from soundcheck.contract.profile import Profile

SPEECH = frozenset({"transcribe", "transcription", "automatic-speech-recognition"})
"""Tasks by which lists mark the models that transcribe."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """An entry of the deployment's own list of models."""

    id: str
    tasks: tuple[str, ...] = ()

    @property
    def may_transcribe(self) -> bool:
        """Tell whether the list says nothing against its being asked for a transcription."""
        return not self.tasks or bool(SPEECH & set(self.tasks))


@dataclass(frozen=True, slots=True)
class Recording:
    """One of the user's own recordings: its clip's name, and its language (ISO-639-1) if told."""

    name: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is claimed (``profile``), what is tested (``model``) and what was seen.

    ``listed`` is empty when the deployment has no readable list of models; ``dialect`` is the
    one its errors are spoken in: ``openai``, ``vllm`` or ``unknown``. ``keyed`` tells whether a
    key was given for it, ``tapped`` whether a tap stands behind it; ``endpoint`` is the URL or
    HOST:PORT whose TLS can be inspected, ``""`` where the audio leaves the machine nowhere that is
    known. ``recordings`` are the user's own. ``local`` tells whether it is asked by this machine's
    loopback address.
    """

    profile: Profile
    model: str
    listed: tuple[ListedModel, ...] = ()
    dialect: str = "unknown"
    tapped: bool = False
    endpoint: str = ""
    keyed: bool = False
    recordings: tuple[Recording, ...] = ()
    local: bool = False

    def model_for(self, needs: tuple[str, ...]) -> str | None:
        """Return the model to probe for ``needs``, the one under test first.

        ``None`` when the profile claims these capabilities for no model that is served.
        """
        others = (entry.id for entry in self.listed if entry.may_transcribe)
        served = (self.model, *others)
        return next((m for m in served if self.profile.claims(m) >= set(needs)), None)
