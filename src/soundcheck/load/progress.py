"""Live progress as lines of JSON on a file descriptor, for the program that started the run."""

import json
import os
from typing import Any


class Progress:
    """Writes events to ``descriptor`` (None: nowhere). A reader that is gone or slow is ignored."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            try:
                os.set_blocking(descriptor, False)
            except OSError:
                self._descriptor = None

    def tell(self, event: str, **members: Any) -> None:
        """Write one event."""
        if self._descriptor is None:
            return
        line = json.dumps({"event": event, **members}, allow_nan=False) + "\n"
        try:
            os.write(self._descriptor, line.encode())
        except BlockingIOError:
            pass
        except OSError:
            self._descriptor = None
