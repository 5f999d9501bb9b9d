"""Why a request failed: what the modules of the client raise among themselves."""

from soundcheck.load.sample import CAUSES

NUMBERS = {cause: number for number, cause in enumerate(CAUSES)}
"""The number of each cause of ``sample.CAUSES``."""


class Failure(Exception):
    """A request that failed for ``cause``, one of ``sample.CAUSES``; ``detail`` says more.

    ``detail`` may be what a server sent: it is made printable before anybody reads it.
    """

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(cause, detail)
        self.number = NUMBERS[cause]
        self.cause = cause
        self.detail = detail
