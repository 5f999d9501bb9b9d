"""What a reference deployment is told; light, for the processes that only start one."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from soundcheck.errors import SoundcheckError

DialectName: TypeAlias = Literal["openai", "vllm"]
DIALECTS: tuple[str, ...] = get_args(DialectName)


class UnknownDialect(SoundcheckError):
    """A dialect that the reference does not speak."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices that shape a deployment; raises UnknownDialect for another ``dialect``.

    ``api_key`` None admits everyone; ``faults`` names faults and benign variations; ``workers``
    counts recognizer processes (None: one per core).
    """

    dialect: str = "openai"
    api_key: str | None = None
    faults: tuple[str, ...] = ()
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise UnknownDialect(
                f"The reference speaks {' and '.join(DIALECTS)}, not {self.dialect!r}."
            )
