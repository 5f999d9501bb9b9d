"""Users whose requests go by the way of Locust's FastHttpUser, which knows HTTP proxies.

Importing this module imports Locust, which patches sockets and threads of the whole process.
"""

from typing import ClassVar

from soundcheck.load.agent import ContextFactory, FastClient
from soundcheck.load.user import Client, TranscriptionUser

TRANSPORT = "fast-http"
"""What reports call this transport."""


class FastTranscriptionUser(TranscriptionUser):
    """A user whose requests go by Locust's FastHttpUser's way.

    ``proxy`` is the URL of an HTTP proxy; without it the environment's (``HTTPS_PROXY`` and such)
    is used, as other programs do. ``context`` makes TLS settings of one's own.
    """

    abstract = True
    transport: ClassVar[str] = TRANSPORT
    proxy: ClassVar[str | None] = None
    context_factory: ClassVar[ContextFactory | None] = None

    def make_client(self) -> Client:
        """Return the client of this user."""
        return fast_client(self)


def fast_client(user: TranscriptionUser) -> FastClient:
    """Return a client of this kind for any user, by its options."""
    settings = user.settings
    return FastClient(
        user.host or "",
        key=settings.key,
        headers={**settings.header, **user.headers},
        query=settings.query,
        secrets=settings.secrets,
        timeout_s=settings.timeout,
        roots=settings.tls_roots,
        proxy=getattr(user, "proxy", None),
        context_factory=getattr(type(user), "context_factory", None),
    )
