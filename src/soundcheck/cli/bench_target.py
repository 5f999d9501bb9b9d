"""What ``soundcheck bench`` takes from a target of ``soundcheck.toml``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from soundcheck.contract.target import Value, Variable
from soundcheck.contract.target_file import NAME, Named, find, load_target
from soundcheck.errors import SoundcheckError


def targeted(
    url: str | None, config: Path | None, given: Mapping[str, Any]
) -> tuple[str | None, Mapping[str, Any]]:
    """Return the base URL, and options by name: those ``given``, and else the target's.

    ``url`` is a URL, or what the file ``config`` (None: that of the working directory) calls a
    target, or None for the reference. Raises SoundcheckError for a file without a name, a name that
    is not there, a mistake in the file, and what it says that a load run could not keep to.
    """
    if url is None or not NAME.fullmatch(url):
        if config is not None:
            raise SoundcheckError("--config is where targets are named: give the name of one")
        return url, given
    unused = {"profile", *(["api_key_env"] if given["--api-key-env"] else [])}
    named = load_target(url, find(config), unused)
    if others := tuple(_others(named)):
        raise SoundcheckError(
            f"the target {url} has {' and '.join(others)}, which a bench cannot keep to: name "
            "another target without that"
        )
    own = {
        "--model": named.model,
        "--api-key-env": named.api_key_env,
        "--tls-roots": named.roots,
        "--timeout": f"{named.timeout:g}s" if named.timeout else None,
        "--max-requests": named.manners.caps.requests,
        "--header": [
            _written(name, value)
            for name, value in named.way.headers
            if name.lower() != "authorization" or not given["--api-key-env"]
        ],
        "--query": [_written(name, value) for name, value in named.way.query],
    }
    return named.base_url, {**given, **{name: given.get(name) or own[name] for name in own}}


def _others(named: Named) -> Iterator[str]:
    """Yield the names of what is set that has no meaning in a load run."""
    caps, way = named.manners.caps, named.way
    there = {
        "max_rate": named.manners.max_rate,
        "max_audio_minutes": caps.audio_minutes,
        "max_upload_mb": caps.upload_mb,
        "client_cert": way.client_cert,
        "proxy": way.proxy,
    }
    return (name for name, value in there.items() if value)


def _written(name: str, value: Value) -> str:
    """Return a field as the load generator's option has it: never a secret itself.

    Encoded, a value never begins with ``env:``.
    """
    told = f"env:{value.name}" if isinstance(value, Variable) else quote(value, safe="")
    return f"{quote(name, safe='')}={told}"
