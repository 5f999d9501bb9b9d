"""What a reference deployment is told; light, for the processes that only start one."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from soundcheck.errors import SoundcheckError

DialectName: TypeAlias = Literal["openai", "vllm"]
DIALECTS: tuple[str, ...] = get_args(DialectName)
Counts: TypeAlias = Literal["file", "part", "request"]
COUNTS: tuple[str, ...] = get_args(Counts)


class UnknownDialect(SoundcheckError):
    """A dialect that the reference does not speak."""


class WrongLimit(SoundcheckError):
    """A size limit that cannot be meant."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices that shape a deployment; raises UnknownDialect or WrongLimit.

    ``api_key`` None admits everyone; ``faults`` names faults and benign variations; ``workers``
    counts recognizer processes (None: one per core). ``max_file`` is the size limit in bytes and
    ``limit_counts`` what it counts, as in ``Limits`` (None: as the dialect has it).
    """

    dialect: str = "openai"
    api_key: str | None = None
    faults: tuple[str, ...] = ()
    workers: int | None = None
    max_file: int | None = None
    limit_counts: Counts | None = None

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise UnknownDialect(
                f"The reference speaks {' and '.join(DIALECTS)}, not {self.dialect!r}."
            )
        if self.limit_counts is not None and self.limit_counts not in COUNTS:
            raise WrongLimit(
                f"A size limit counts the {', the '.join(COUNTS)}, not {self.limit_counts!r}."
            )
        if self.max_file is not None and self.max_file < 0:
            raise WrongLimit(f"A size limit is a number of bytes, not {self.max_file}.")
