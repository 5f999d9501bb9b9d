"""Bounds on every exchange, whoever sends it."""

MAX_BODY = 16 * 2**20
"""Bytes of an answer after which reading stops: no transcript of an hour comes near it."""

MAX_CHUNKS = 100_000
"""Pieces of an answer after which reading stops, whatever their size."""

KEPT_OF_ENDLESS = 64 * 2**10
"""Bytes kept of an answer that was given up on for its size."""

MAX_INTERIM = 16
"""Interim answers that are kept."""

CONNECT_TIMEOUT = 10.0
"""Seconds in which a connection must be made."""

SLOWEST_UPLOAD = 50_000
"""Bytes per second: a large body that goes up more slowly than this is given up on."""
