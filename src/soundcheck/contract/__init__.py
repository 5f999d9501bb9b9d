"""What a deployment must keep, and how that is found out: the vocabulary of the suites."""

from soundcheck.contract.answer import (
    Answer,
    Answers,
    had_its_time,
    had_time_enough,
    member,
    shown,
)
from soundcheck.contract.credentials import Credentials
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.probe import Lane, Probe, Wire, get, transcription
from soundcheck.contract.requirement import (
    Budget,
    Case,
    Requirement,
    cases,
    probes,
    requirement,
    search,
)
from soundcheck.contract.schema import conforms, enveloped
from soundcheck.contract.verdict import MAY, MUST, SHOULD, NotObserved, Untestable, Verdict
from soundcheck.contract.wording import normalised, word_error_rate

__all__ = [
    "MAY",
    "MUST",
    "SHOULD",
    "Answer",
    "Answers",
    "Budget",
    "Case",
    "Credentials",
    "Deployment",
    "Lane",
    "NotObserved",
    "Probe",
    "Requirement",
    "Untestable",
    "Verdict",
    "Wire",
    "cases",
    "conforms",
    "enveloped",
    "get",
    "had_its_time",
    "had_time_enough",
    "member",
    "normalised",
    "probes",
    "requirement",
    "search",
    "shown",
    "transcription",
    "word_error_rate",
]
