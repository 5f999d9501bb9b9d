"""The official Python client (``openai``): what its callers see of recorded answers.

An exchange is read by the client from a transport that gives back what was recorded, so a run can
be judged again later and nothing is sent. The package is an extra; nothing here needs it before
the first call. Which HTTP library the client stands on has changed in its history: it is asked.
"""

import asyncio
import importlib
import importlib.metadata
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from soundcheck.contract.answer import Answer, shown
from soundcheck.http.exchange import Exchange

PACKAGE = "openai"

BASE_URL = "http://recorded.invalid/v1"
"""Where the client believes the API to be: nothing is ever sent there."""

_NUMBERS: Mapping[str, Callable[[str], float]] = {
    "temperature": float,
    "threshold": float,
    "prefix_padding_ms": int,
    "silence_duration_ms": int,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call of the client came to, and how many requests it sent for that.

    ``value`` is what it returned, ``events`` what a stream yielded; ``raised`` ended either.
    """

    value: Any = None
    events: tuple[Any, ...] = ()
    raised: Exception | None = None
    requests: int = 0

    @property
    def returned(self) -> Any:
        """Return the value; fails where the client raised something."""
        self.check()
        return self.value

    @property
    def streamed(self) -> tuple[Any, ...]:
        """Return the events; fails where the client raised something."""
        self.check()
        return self.events

    def check(self) -> None:
        """Fail where the client raised something."""
        if self.raised is not None:
            told = shown(str(self.raised))
            raise AssertionError(f"the client raises {type(self.raised).__name__}: {told}")


def version() -> str:
    """Return the version of the client."""
    return importlib.metadata.version(PACKAGE)


def transcribed(answer: Answer, *, asynchronous: bool = False, retries: int = 0) -> Outcome:
    """Return what a call sees whose request and answer are those recorded.

    ``retries`` is how often the client may send it again; it does not wait before it does.
    """
    parts = answer.exchange.request.parts
    given = {part["name"]: part["value"] for part in parts if "clip" not in part}
    arguments: dict[str, Any] = {"model": given.get("model", ""), "file": ("a.wav", b"")}
    if "response_format" in given:
        arguments["response_format"] = given["response_format"]
    if given.get("stream") == "true":
        arguments["stream"] = True
    replay = _Replay(answer.exchange)
    if answer.exchange.response is None:
        retries = 0  # it would wait, and be told the same
    if asynchronous:
        return asyncio.run(replay.call_async(arguments, retries))
    return replay.call(lambda client: client.audio.transcriptions.create(**arguments), retries)


def listed(answer: Answer) -> Outcome:
    """Return what a call sees that lists the models: their ids."""
    replay = _Replay(answer.exchange)
    return replay.call(lambda client: [model.id for model in client.models.list()], 0)


def arguments_of(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the arguments of a call that is to send these form fields.

    ``name[]`` becomes a list, ``name[key]`` an object, ``stream`` and numbers what they are.
    """
    arguments: dict[str, Any] = {}
    for name, text in fields:
        outer, bracket, inner = name.partition("[")
        inner = inner.rstrip("]")
        value = _NUMBERS.get(inner or outer, str)(text)
        if not bracket:
            arguments[name] = text == "true" if name == "stream" else value
        elif inner:
            arguments.setdefault(outer, {})[inner] = value
        else:
            arguments.setdefault(outer, []).append(value)
    return arguments


@cache
def library() -> Any:
    """Return the HTTP library that the client stands on."""
    import openai

    base = next(one for one in openai.DefaultHttpxClient.__mro__ if one.__name__ == "Client")
    return importlib.import_module(base.__module__.partition(".")[0])


def opened(handler: Callable[[Any], Any], retries: int) -> Any:
    """Return the client with ``handler`` in the place of a network; close it (``with``)."""
    import openai

    http = library()
    return openai.OpenAI(
        api_key="none",
        base_url=BASE_URL,
        max_retries=retries,
        http_client=http.Client(transport=http.MockTransport(handler)),
    )


def opened_async(handler: Callable[[Any], Any], retries: int) -> Any:
    """Return the asynchronous client in the same way (``async with``)."""
    import openai

    http = library()
    return openai.AsyncOpenAI(
        api_key="none",
        base_url=BASE_URL,
        max_retries=retries,
        http_client=http.AsyncClient(transport=http.MockTransport(handler)),
    )


def answered(exchange: Exchange, *, asynchronous: bool = False) -> Any:
    """Return a recorded answer as the client's library has it, piece by piece as it came.

    Raises the library's ``ConnectError`` where there was none; one that broke off breaks off.
    """
    response = exchange.response
    if response is None:
        raise library().ConnectError(exchange.error.message if exchange.error else "not answered")
    pieces = _pieces(exchange)
    return library().Response(
        response.status,
        # Where the client will send it again, it need not wait for that here.
        headers=[*response.headers, ("retry-after-ms", "1")],
        content=_asynchronous(pieces) if asynchronous else pieces,
    )


def _pieces(exchange: Exchange) -> Iterator[bytes]:
    response = exchange.response
    if response is None:
        return
    sizes = [size for _, size in response.chunks]
    if sum(sizes) != len(response.body):  # redaction has changed it
        sizes = [len(response.body)]
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    for begin, end in pairwise(ends):
        yield response.body[begin:end]
    if exchange.error is not None:
        raise library().RemoteProtocolError(exchange.error.message)


async def _asynchronous(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class _Replay:
    """Calls of the client to which one recorded exchange is the answer."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._requests = 0

    def call(self, ask: Callable[[Any], Any], retries: int) -> Outcome:
        """Return what ``ask`` comes to, given the client."""
        value, events = None, []
        try:
            with opened(lambda _: self._answer(), retries) as client:
                value = ask(client)
                if hasattr(value, "response"):  # a stream has the response it reads
                    for event in value:
                        events.append(event)  # noqa: PERF402  # those before an error count
        except Exception as raised:  # whatever a caller would see is evidence
            return Outcome(value, tuple(events), raised, self._requests)
        return Outcome(value, tuple(events), None, self._requests)

    async def call_async(self, arguments: dict[str, Any], retries: int) -> Outcome:
        """Return what a transcription by the asynchronous client comes to."""
        value, events = None, []

        def handler(_: object) -> Any:
            return self._answer(asynchronous=True)

        try:
            async with opened_async(handler, retries) as client:
                value = await client.audio.transcriptions.create(**arguments)
                if hasattr(value, "response"):
                    async for event in value:
                        events.append(event)  # noqa: PERF401  # those before an error count
        except Exception as raised:
            return Outcome(value, tuple(events), raised, self._requests)
        return Outcome(value, tuple(events), None, self._requests)

    def _answer(self, *, asynchronous: bool = False) -> Any:
        self._requests += 1
        return answered(self._exchange, asynchronous=asynchronous)
