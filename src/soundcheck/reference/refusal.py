"""Why a request is refused, before a dialect gives it a status and an envelope."""

from enum import Enum, auto


class Kind(Enum):
    """The distinct reasons for a refusal; each dialect maps them to status, type and code."""

    MISSING = auto()
    INVALID = auto()
    NOT_A_FILE = auto()
    UNKNOWN_PARAMETER = auto()
    UNSUPPORTED_VALUE = auto()
    UNKNOWN_MODEL = auto()
    MALFORMED = auto()
    FILE_TOO_LARGE = auto()
    UNDECODABLE = auto()
    TOO_SHORT = auto()
    TOO_LONG = auto()
    UNAUTHORIZED = auto()
    NO_ROUTE = auto()
    WRONG_METHOD = auto()
    INTERNAL = auto()


class Refusal(Exception):
    """A request that cannot be served: the reason, a message for the client, the parameter."""

    def __init__(self, kind: Kind, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param


def quoted(text: str, longest: int = 64) -> str:
    """Return what a client sent, fit for a message: shortened, without control characters."""
    shown = text if len(text) <= longest else text[:longest] + "…"
    return "'" + "".join(one if one.isprintable() else "�" for one in shown) + "'"
