"""How long an exchange may take: an upload that goes on is no silence."""

import time

from soundcheck.http.limits import SLOWEST_UPLOAD


class Patience:
    """The deadline of one exchange.

    ``limit`` seconds without progress end it. While a body of ``length`` bytes goes up every piece
    of it is progress, as long as the whole takes no longer than at ``SLOWEST_UPLOAD``: the way to a
    deployment may be slow, and that is not the deployment's fault.
    """

    def __init__(self, limit: float, length: int) -> None:
        begin = time.monotonic()
        self._limit = limit
        self._deadline = begin + limit
        self._last = begin + limit + length / SLOWEST_UPLOAD

    @property
    def left(self) -> float:
        """Return the seconds that are left, negative once it is over."""
        return self._deadline - time.monotonic()

    def progress(self) -> None:
        """Take note that a piece of the body went out."""
        self._deadline = min(time.monotonic() + self._limit, self._last)
