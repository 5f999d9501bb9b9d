"""Private stacks on request, in one process, in front of one backend that hears each file once.

Run as ``python private_farm.py FOLDER``. Each line on standard input is a JSON object, each line on
standard output the answer to it: ``{"faults": [...]}`` starts a gateway and tells its ``address``
and the files of its ``roots`` and ``authority``; ``{"endpoint": ..., "roots": ...}`` starts the
proxy that belongs to it, by way of a tap, and tells its ``base_url``; ``{}`` ends both. The first
line tells the ``base_url`` of the backend. It ends when standard input is closed.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from farm import Remembering

from soundcheck.reference.backend import create_app
from soundcheck.reference.pool import RecognizerPool
from soundcheck.reference.private.faults import conduct
from soundcheck.reference.private.gateway import Gateway, GatewaySettings
from soundcheck.reference.private.proxy import Proxy, ProxySettings
from soundcheck.reference.private.serving import Serving
from soundcheck.reference.server import base_url, listen
from soundcheck.reference.settings import Settings


def _say(answer: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


class PrivateFarm:
    """One gateway and its proxy at a time."""

    def __init__(self, backend: str, folder: Path) -> None:
        self._backend = backend
        self._folder = folder
        self._opened = AsyncExitStack()
        self._faults: list[str] = []
        self._authority = b""

    async def answer(self, asked: dict[str, Any]) -> dict[str, str]:
        """Do what a line asks for."""
        if "faults" in asked:
            self._faults = asked["faults"]
            return await self._gateway()
        if "endpoint" in asked:
            return await self._proxy(asked["endpoint"], Path(asked["roots"]))
        await self.close()
        return {}

    async def close(self) -> None:
        """End what runs."""
        await self._opened.aclose()

    async def _gateway(self) -> dict[str, str]:
        settings = GatewaySettings(self._backend, conduct(self._faults))
        gateway = await self._opened.enter_async_context(Gateway(settings))
        roots, authority = self._folder / "roots.pem", self._folder / "authority.pem"
        roots.write_bytes(gateway.roots_pem)
        authority.write_bytes(gateway.authority_pem)
        self._authority = gateway.authority_pem
        return {"address": gateway.address, "roots": str(roots), "authority": str(authority)}

    async def _proxy(self, endpoint: str, roots: Path) -> dict[str, str]:
        settings = ProxySettings(endpoint, roots, self._authority, conduct(self._faults))
        proxy = await self._opened.enter_async_context(Proxy(settings))
        return {"base_url": proxy.base_url}


async def main(folder: Path) -> None:
    """Serve until standard input is closed."""
    heard = folder / "heard"
    heard.mkdir(exist_ok=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    with RecognizerPool(1) as recognizers:
        listener = listen("127.0.0.1", 0)
        app = create_app(Settings("vllm"), Remembering(recognizers, heard))
        backend = Serving(app, listener)
        await backend.start()
        farm = PrivateFarm(base_url(listener), folder)
        _say({"base_url": base_url(listener)})
        async for line in lines:
            _say(await farm.answer(json.loads(line)))
        await farm.close()
        await backend.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1])))
