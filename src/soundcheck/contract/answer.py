"""Answers: exchanges as judges read them, with failures that explain themselves.

PYTEST_DONT_REWRITE: every assertion brings its own sentence.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from soundcheck.audio import Clip
from soundcheck.contract.strict_json import shown as shown
from soundcheck.contract.strict_json import strict_json
from soundcheck.contract.verdict import NotObserved, Untestable
from soundcheck.http.exchange import Exchange, Response
from soundcheck.http.inspection import Inspection
from soundcheck.http.tapped import Tapped

EXCERPT = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded exchange and the clip that it uploaded, if any.

    Reading what is not there raises ``AssertionError`` with a sentence for the report.
    """

    exchange: Exchange
    clip: Clip | None = None

    @property
    def response(self) -> Response:
        """Return the whole response; fails when the exchange broke off."""
        if self.exchange.error is not None:
            kind, message = self.exchange.error.kind, self.exchange.error.message
            raise AssertionError(f"no complete answer ({kind}): {message}")
        assert self.exchange.response is not None, "no answer"
        return self.exchange.response

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return self.response.status

    @property
    def body(self) -> bytes:
        """Return the body's bytes."""
        return self.response.body

    def header(self, name: str) -> str | None:
        """Return the value of the first header called ``name``, in any case."""
        wanted = name.lower()
        return next((value for key, value in self.response.headers if key == wanted), None)

    @property
    def media_type(self) -> str:
        """Return the media type in lower case and without parameters, ``""`` if none is given."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """Return the declared charset in lower case, if one is declared."""
        for parameter in (self.header("content-type") or "").split(";")[1:]:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "charset":
                return value.strip().strip('"').lower()
        return None

    @property
    def excerpt(self) -> str:
        """Return the status, type and beginning of the body, for messages."""
        text = self.response.body[: 4 * EXCERPT].decode("utf-8", "replace")
        short = text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"
        return f"{self.status} {self.media_type or 'without a media type'}: {short}"

    def ok(self) -> "Answer":
        """Assert status 200 and return the answer."""
        assert self.status == 200, f"expected 200, got {self.excerpt}"
        return self

    def refused(self) -> "Answer":
        """Assert a client error (400 to 499) and return the answer."""
        assert 400 <= self.status <= 499, f"expected a 4xx refusal, got {self.excerpt}"
        return self

    def decoded(self) -> str:
        """Return the body as text; fails unless it is UTF-8."""
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise AssertionError(
                f"the body is not UTF-8: {error.reason} at byte {error.start}"
            ) from None

    def json(self) -> Any:
        """Return the body as strict JSON: UTF-8, no NaN or Infinity, no duplicate member."""
        try:
            return strict_json(self.decoded())
        except ValueError as error:
            raise AssertionError(f"the body is not strict JSON: {error}; {self.excerpt}") from None

    def object(self) -> dict[str, Any]:
        """Return the body as a JSON object."""
        value = self.json()
        assert isinstance(value, dict), f"the body is not a JSON object: {self.excerpt}"
        return value

    @property
    def text(self) -> str:
        """Return the string ``text`` of a successful JSON answer."""
        body = self.ok().object()
        text = body.get("text")
        assert isinstance(text, str), f"{member(body, 'text')}, not a string: {self.excerpt}"
        return text

    def objects(self, name: str) -> list[dict[str, Any]]:
        """Return the objects of the array ``name`` of a successful JSON answer.

        Raises ``NotObserved`` when the answer has no such array or an empty one: whether it must
        have one is a rule of its own.
        """
        body = self.ok().object()
        found = body.get(name)
        if found is None or found == []:
            raise NotObserved(f"the answer has no {name}")
        assert isinstance(found, list), f"{member(body, name)}, not an array"
        for index, item in enumerate(found):
            assert isinstance(item, dict), f"{name}[{index}] is {shown(item)}, not an object"
        return found

    @property
    def tapped(self) -> Tapped:
        """Return what the tap saw; raises ``Untestable`` where there was none."""
        if self.exchange.tapped is None:
            raise Untestable("no tap saw this exchange")
        return self.exchange.tapped

    @property
    def inspection(self) -> Inspection:
        """Return what the target's TLS showed; raises ``Untestable`` where nobody looked."""
        if self.exchange.inspection is None:
            raise Untestable("the transport was not inspected")
        return self.exchange.inspection

    @property
    def spoken(self) -> Clip:
        """Return the clip that was uploaded; a probe without one is a mistake of the suite."""
        if self.clip is None:
            raise ValueError("this probe uploads no clip")
        return self.clip


class Answers(Mapping[str, Answer]):
    """The answers to a judge's probes, by name, also as attributes.

    One that says nothing about the deployment stands as the reason for that, and raises
    ``Untestable`` when it is read: until then a judge may have found what it looks for.
    """

    def __init__(self, answers: Mapping[str, Answer | Untestable]) -> None:
        self._answers = dict(answers)

    def __getitem__(self, name: str) -> Answer:
        """Return the answer to the probe called ``name``."""
        answer = self._answers[name]
        if isinstance(answer, Untestable):
            raise answer
        return answer

    def __getattr__(self, name: str) -> Answer:
        """Return the answer to the probe called ``name``."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no probe is called {name!r}") from None

    def picked(self, name_of: Callable[[str], str | None]) -> "Answers":
        """Return the answers for whose names ``name_of`` gives another one, by that."""
        named = ((name_of(name), answer) for name, answer in self._answers.items())
        return Answers({name: answer for name, answer in named if name is not None})

    @property
    def readable(self) -> dict[str, Answer]:
        """Return those that say something about the deployment."""
        return {name: one for name, one in self._answers.items() if isinstance(one, Answer)}

    @property
    def digests(self) -> Iterator[str]:
        """Return what identifies the exchanges of those that can be read."""
        return (answer.exchange.digest for answer in self.readable.values())

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in the order of the probes."""
        return iter(self._answers)

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self._answers)


def had_its_time(answer: Answer, patience: float) -> None:
    """Raise ``Untestable`` where no answer was waited for as long as a rule allows.

    ``patience`` is in seconds; the run's own timeout may be shorter.
    """
    error, took = answer.exchange.error, answer.exchange.timing.done_s
    if error is not None and error.kind == "timeout" and round(took, 1) < patience:
        raise Untestable(
            f"it was given up on after {took:.0f} s, sooner than the {patience:.0f} s allowed: "
            "give a longer --timeout"
        )


def had_time_enough(answer: Answer, usual: Answer, patience: float) -> None:
    """Raise ``Untestable`` where an answer is missing, but the ``usual`` request is slow as well.

    Who needs more than half of ``patience`` (seconds) for that may be as slow, not stuck.
    """
    error, took = answer.exchange.error, usual.exchange.timing.done_s
    if error is not None and error.kind == "timeout" and took > patience / 2:
        raise Untestable(
            f"not answered in {patience:.0f} s, but a plain request takes {took:.0f} s: "
            "the deployment is too slow to tell"
        )


def member(body: Mapping[str, Any], name: str) -> str:
    """Return what ``body`` has as ``name``, as the beginning of a sentence."""
    return f"{name} is {shown(body[name]) if name in body else 'missing'}"


def number(body: Mapping[str, Any], name: str) -> float:
    """Return the finite JSON number that ``body`` has as ``name``; fails on anything else."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AssertionError(f"{member(body, name)}, not a number")
    assert math.isfinite(value), f"{name} is a number too large to read"
    return value


def times(items: list[dict[str, Any]], kind: str) -> list[tuple[float, float]]:
    """Return (start, end) in seconds of ``items``; a failure calls one of them a ``kind``."""
    found = []
    for index, item in enumerate(items):
        try:
            found.append((number(item, "start"), number(item, "end")))
        except AssertionError as error:
            raise AssertionError(f"{kind} {index}: {error}") from None
    return found
