"""Many reference deployments in one process: one below the path of each fault's name.

Run as ``python farm.py DIALECT``: prints its URL, ends when its standard input is closed.
"""

import sys
import threading

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from soundcheck.reference.backend import create_app
from soundcheck.reference.faults import BENIGN, FAULTS
from soundcheck.reference.pool import RecognizerPool
from soundcheck.reference.server import listen
from soundcheck.reference.settings import Settings


def main(dialect: str) -> None:
    """Serve ``/none`` without a deviation, ``/NAME`` for each, and ``/a+b`` for several."""
    with RecognizerPool(1) as pool, listen("127.0.0.1", 0) as listener:

        def app(*names: str) -> Starlette:
            return create_app(Settings(dialect, faults=names), pool)

        mounts = [Mount(f"/{name}", app(name)) for name in [*FAULTS, *BENIGN]]
        mounts += [Mount("/none", app()), Mount("/benign", app(*_compatible()))]
        config = uvicorn.Config(Starlette(routes=mounts), lifespan="off", log_config=None)
        server = uvicorn.Server(config)

        def end_with_parent() -> None:
            sys.stdin.buffer.read()
            server.should_exit = True

        threading.Thread(target=end_with_parent, daemon=True).start()
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        server.run(sockets=[listener])


def _compatible() -> list[str]:
    """Return the benign variations that can be had together."""
    return [name for name in BENIGN if name != "language-as-name"]


if __name__ == "__main__":
    main(sys.argv[1])
