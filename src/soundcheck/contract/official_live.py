"""Requests as the official Python client makes them, sent and recorded by our own.

The client writes head and body; what carries them is the sender of every other request, so limits,
certificates, the key and the record are the same.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from typing import Any

from soundcheck.audio import Clip
from soundcheck.contract import official
from soundcheck.contract.probe import Probe, Wire
from soundcheck.contract.uploaded import description
from soundcheck.http.client import Client
from soundcheck.http.exchange import Exchange
from soundcheck.http.multipart import Body, Content, Field, File, declared_boundary

_WRITTEN = ("accept", "content-type", "user-agent", "x-stainless-")
"""How the headers begin that the client writes by itself, and that are sent.

The key and the connection are the target's, and whatever else the user's environment adds for
another API (an organization, headers of a gateway) is for nobody here.
"""


def ask(sender: Client, probe: Probe, clip: Clip, timeout: float) -> Exchange:
    """Let the official client ask for what ``probe`` asks for, and return the exchange.

    ``clip`` is its file; ``timeout`` (seconds) is the limit on the exchange.
    """
    fields = [(part.name, str(part.value)) for part in probe.parts if isinstance(part, Field)]
    arguments = official.arguments_of(fields)
    arguments["file"] = next(
        (part.filename, clip.read()) for part in probe.parts if isinstance(part, File)
    )
    found: list[Exchange] = []
    asynchronous = probe.wire is Wire.OFFICIAL_ASYNC

    def carried(request: Any) -> Any:
        exchange = _carried(sender, request, probe, clip, timeout)
        found.append(exchange)
        return official.answered(exchange, asynchronous=asynchronous)

    # What the client makes of the answer is judged by the record, not here.
    with suppress(Exception):
        if asynchronous:
            asyncio.run(_create(carried, arguments))
        else:
            with official.opened(carried, 0) as client:
                client.audio.transcriptions.create(**arguments)
    return found[0]


async def _create(carried: Any, arguments: dict[str, Any]) -> None:
    async with official.opened_async(carried, 0) as client:
        await client.audio.transcriptions.create(**arguments)


def _carried(sender: Client, request: Any, probe: Probe, clip: Clip, timeout: float) -> Exchange:
    data = request.content
    content_type = request.headers.get("content-type", "")
    exchange = sender.send(
        request.method,
        str(request.url).removeprefix(official.BASE_URL),
        headers=tuple(
            (name, value)
            for name, value in request.headers.multi_items()
            if name.lower().startswith(_WRITTEN) and name.lower() != "accept-encoding"
        ),
        body=Body(content_type, len(data), (Content(data),)),
        parts=tuple(_parts(data, content_type, clip)),
        digest=probe.digest,
        lane=probe.lane.value,
        timeout=timeout,
    )
    how = "asynchronous" if probe.wire is Wire.OFFICIAL_ASYNC else "synchronous"
    told = f"openai {official.version()} for Python, {how}"
    return replace(exchange, request=replace(exchange.request, sender=told))


def _parts(data: bytes, content_type: str, clip: Clip) -> list[dict[str, Any]]:
    """Return what the parts of the client's form are, as it labelled them."""
    from multipart import MultipartParser

    boundary = declared_boundary(content_type)
    if boundary is None:
        return []
    parts: list[dict[str, Any]] = []
    for part in MultipartParser(BytesIO(data), boundary, len(data)):
        if part.filename is None:
            parts.append({"name": part.name, "value": part.value})
        else:
            labels = File(part.name, clip.name, part.filename, part.headers.get("Content-Type"))
            parts.append(description(labels, clip))
        part.close()
    return parts
