"""A relay that adds a second to every answer: a deployment far away, or slow, in a loop."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


@contextlib.contextmanager
def delayed(base_url: str, seconds: float) -> Iterator[str]:
    """Yield a base URL by which ``base_url`` (HTTP) is reached; what it says comes later.

    Every byte of an answer is held back for ``seconds``, so that pieces keep their distances.
    Requests pass at once: each costs one delay, whatever its size.
    """
    target = urlsplit(base_url)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # it would be shown as a failure
            onward = await asyncio.open_connection(target.hostname, target.port)
            there, back = _pump(reader, onward[1], 0), _pump(onward[0], writer, seconds)
            await asyncio.gather(there, back, return_exceptions=True)

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(relay, "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}{target.path}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    """Listen no more, and close what connections there are."""
    server.close()
    relays = asyncio.all_tasks() - {asyncio.current_task()}
    for one in relays:
        one.cancel()
    await asyncio.gather(*relays, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on what comes, each piece ``seconds`` after it came, and the end of it too."""
    late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1024)

    async def read() -> None:
        data = b"more"
        while data:
            try:
                data = await reader.read(2**16)
            except OSError:
                data = b""
            await late.put((asyncio.get_running_loop().time() + seconds, data))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, data = await late.get()
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            if not data:
                return
            writer.write(data)
            await writer.drain()
    finally:
        reading.cancel()
        with contextlib.suppress(OSError):
            writer.close()
