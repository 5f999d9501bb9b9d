"""Conformance and load testing for speech-to-text deployments.

Requirements of your own are written with the names of ``__all__``: see *Requirements of your own*
in the documentation. Each is imported when it is first used: the package itself costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # By their modules: a function has the name of its own.
    from soundcheck.contract.answer import Answer, Answers, member, shown
    from soundcheck.contract.deployment import Deployment
    from soundcheck.contract.probe import Probe, get, transcription
    from soundcheck.contract.requirement import Budget, Case, cases, probes, requirement, search
    from soundcheck.contract.schema import conforms, enveloped
    from soundcheck.contract.verdict import MAY, MUST, SHOULD, NotObserved, Untestable
    from soundcheck.contract.wording import normalised, word_error_rate

__version__ = "0.1.0"

__all__ = [
    "MAY",
    "MUST",
    "SHOULD",
    "Answer",
    "Answers",
    "Budget",
    "Case",
    "Deployment",
    "NotObserved",
    "Probe",
    "Untestable",
    "__version__",
    "cases",
    "conforms",
    "enveloped",
    "get",
    "member",
    "normalised",
    "probes",
    "requirement",
    "search",
    "shown",
    "transcription",
    "word_error_rate",
]


def __getattr__(name: str) -> Any:
    """Return one of ``__all__``, imported now."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from soundcheck import contract

    value = globals()[name] = getattr(contract, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
