"""What the private stack costs: time that proxy and gateway add to a request of 1 MB."""

import random
import statistics
from collections.abc import Iterator

from exchange_server import instant_server
from figures import Figure
from uploads import ask, body

from soundcheck.reference.private import start_gateway, start_proxy

SIZE = 1_000_000


def private_stack(rounds: int = 40) -> Iterator[Figure]:
    """Yield the median of what a request takes longer through proxy and gateway.

    The same request goes to the same backend, which answers at once, directly and through the
    stack, in turns; each on a new connection, as the first request of a client is.
    """
    content = body(random.Random(1).randbytes(SIZE))
    more = []
    with (
        instant_server() as backend,
        start_gateway(backend) as gateway,
        start_proxy(gateway.address, roots=gateway.roots, authority=gateway.authority) as proxy,
    ):
        direct, through = map(_address, (backend, proxy.base_url))
        for _ in range(rounds):
            plainly = ask(direct, content, 200)
            more.append(ask(through, content, 200) - plainly)
    added = statistics.median(more[2:]) * 1000
    yield Figure("1 MB through the private stack, more", added, "ms", 60, gates=True)


def _address(base_url: str) -> str:
    return base_url.removeprefix("http://").removesuffix("/v1")
