"""Gateway or proxy as a process: ``python -m soundcheck.reference.private.child``.

It reads its settings as one line of JSON from standard input, says on standard output when it is
ready, and ends when standard input is closed.
"""

import asyncio
import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvloop

from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.reference.private.faults import conduct
from soundcheck.reference.private.gateway import Gateway, GatewaySettings
from soundcheck.reference.private.proxy import Proxy, ProxySettings


async def gateway(told: Mapping[str, Any], ready: Callable[[dict[str, str]], None]) -> None:
    """Be a gateway until told to end."""
    settings = GatewaySettings(
        told["backend"],
        conduct(told["faults"]),
        told["api_key"],
        told["port"],
        told["stream_usage"],
    )
    async with Gateway(settings) as running:
        ended = _end()
        ready(
            {
                "address": running.address,
                "roots": running.roots_pem.decode("ascii"),
                "authority": running.authority_pem.decode("ascii"),
            }
        )
        await ended.wait()


async def proxy(told: Mapping[str, Any], ready: Callable[[dict[str, str]], None]) -> None:
    """Be a proxy until told to end."""
    settings = ProxySettings(
        told["endpoint"],
        None if told["roots"] is None else Path(told["roots"]),
        told["authority"].encode("ascii"),
        conduct(told["faults"]),
        told["api_key"],
        told["host"],
        told["port"],
    )
    async with Proxy(settings) as running:
        ended = _end()
        ready({"base_url": running.base_url})
        await ended.wait()


def _end() -> asyncio.Event:
    """Return what is set when standard input is closed, or by a signal."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)

    def wait_for_parent() -> None:
        sys.stdin.buffer.read()
        with suppress(RuntimeError):  # the loop may be closed already
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_parent, daemon=True).start()
    return ended


def main() -> int:
    """Run as the child of ``start_gateway`` or ``start_proxy``."""
    told = json.loads(sys.stdin.readline())
    part = {"gateway": gateway, "proxy": proxy}[told["part"]]
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(part(told, _say))
    except SoundcheckError as error:
        _say({"error": str(error), "exit_code": error.exit_code})
        return error.exit_code
    return ExitCode.OK


def _say(message: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
