"""What a reference deployment is told; light, for the processes that only start one."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from soundcheck.errors import SoundcheckError
from soundcheck.reference.service_model import DEFAULT_LATENCY, ServiceModel

DialectName: TypeAlias = Literal["openai", "vllm"]
DIALECTS: tuple[str, ...] = get_args(DialectName)
Counts: TypeAlias = Literal["file", "part", "request"]
COUNTS: tuple[str, ...] = get_args(Counts)
LOOKUP_NOTE = (
    "Recognizer: lookup. It recognises nothing: it knows soundcheck's own clips by their content, "
    "and any other audio has an empty text."
)
RECOGNIZERS: tuple[str, ...] = ("speech", "lookup")


class UnknownDialect(SoundcheckError):
    """A dialect that the reference does not speak."""


class WrongRecognizer(SoundcheckError):
    """A recognizer that the reference does not have, or what another would need."""


class WrongLimit(SoundcheckError):
    """A size limit that cannot be meant."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices that shape a deployment; raises a SoundcheckError for a wrong one.

    ``api_key`` None admits everyone; ``faults`` names faults and benign variations; ``workers``
    counts recognizer processes (None: one per core). ``max_file`` is the size limit in bytes and
    ``limit_counts`` what it counts, as in ``Limits`` (None: as the dialect has it). ``recognizer``
    is ``speech``, which listens, or ``lookup``, which knows the clips and takes the time that the
    service model ``latency`` says (None: ``DEFAULT_LATENCY``).
    """

    dialect: str = "openai"
    api_key: str | None = None
    faults: tuple[str, ...] = ()
    workers: int | None = None
    max_file: int | None = None
    limit_counts: Counts | None = None
    recognizer: str = "speech"
    latency: str | None = None

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise UnknownDialect(
                f"The reference speaks {' and '.join(DIALECTS)}, not {self.dialect!r}."
            )
        if self.recognizer not in RECOGNIZERS:
            raise WrongRecognizer(
                f"The reference recognises by {' or '.join(RECOGNIZERS)}, not {self.recognizer!r}."
            )
        if self.latency is not None:
            if self.recognizer != "lookup":
                raise WrongRecognizer("Only the recognizer lookup takes a latency.")
            ServiceModel.parse(self.latency)
        if self.limit_counts is not None and self.limit_counts not in COUNTS:
            raise WrongLimit(
                f"A size limit counts the {', the '.join(COUNTS)}, not {self.limit_counts!r}."
            )
        if self.max_file is not None and self.max_file < 0:
            raise WrongLimit(f"A size limit is a number of bytes, not {self.max_file}.")

    @property
    def service(self) -> ServiceModel | None:
        """Return the service model of the recognizer lookup, None for one that listens."""
        if self.recognizer != "lookup":
            return None
        return ServiceModel.parse(self.latency or DEFAULT_LATENCY)
