"""Live progress as lines of JSON on a file descriptor, for the program that started the run."""

import json
import os
import select
from contextlib import suppress
from typing import Any

from gevent.monkey import get_original

# Locust patches it with one that knows nothing of errors alone.
_poll: Any = get_original("select", "poll")


class Progress:
    """Writes events to ``descriptor`` (None: nowhere). For a slow reader, events are left out."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            try:
                os.set_blocking(descriptor, False)
            except OSError:
                self._descriptor = None

    @property
    def is_deserted(self) -> bool:
        """Tell whether the reader is gone: whoever started the run was killed, perhaps.

        Nothing need be written for that: a pipe without a reader has an error.
        """
        if self._descriptor is None:
            return False
        poll = _poll()
        poll.register(self._descriptor, 0)
        return any(events & (select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0))

    def tell(self, event: str, **members: Any) -> None:
        """Write one event."""
        if self._descriptor is None:
            return
        line = json.dumps({"event": event, **members}, allow_nan=False) + "\n"
        with suppress(OSError):  # it is slow, or gone
            os.write(self._descriptor, line.encode())
