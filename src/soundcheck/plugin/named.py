"""From what the user asked for, by name, to a deployment: the file of targets fills the gaps."""

from dataclasses import replace
from pathlib import Path

from soundcheck.contract import target_file
from soundcheck.contract.traffic import Caps, Manners
from soundcheck.plugin.options import JOBS, TIMEOUT, Options


def settled(
    options: Options, config: Path | None, *, jobs: int | None, timeout: float | None
) -> Options:
    """Return ``options`` with what the target that they name in the place of a URL brings.

    What was given stays: ``None`` and empty values were not. ``config`` is the file of targets, by
    default that of the working directory. Raises :class:`SoundcheckError` for an unknown name, a
    file with a mistake in it, or one that was given and is not there.
    """
    name = options.base_url
    if config is not None:
        target_file.find(config)
    if not target_file.NAME.fullmatch(name):
        return replace(options, jobs=jobs or JOBS, timeout=timeout or TIMEOUT)
    given = {"profile": options.profile, "api_key_env": options.api_key_env}
    replaced = {key for key, value in given.items() if value}
    named = target_file.load_target(name, target_file.find(config), replaced)
    return replace(
        options,
        base_url=named.base_url,
        model=options.model or named.model,
        profile=options.profile or named.profile,
        effort=options.effort or named.effort,
        api_key_env=options.api_key_env or named.api_key_env,
        tls_roots=options.tls_roots or named.roots,
        jobs=jobs or named.jobs or JOBS,
        timeout=timeout or named.timeout or TIMEOUT,
        way=named.way,
        manners=_together(options.manners, named.manners),
        price=named.price,
        currency=named.currency,
    )


def _together(given: Manners, named: Manners) -> Manners:
    """Return the given bounds, and those of the file where none was given."""
    one, other = given.caps, named.caps
    caps = Caps(
        one.requests or other.requests,
        one.audio_minutes or other.audio_minutes,
        one.upload_mb or other.upload_mb,
    )
    return Manners(caps, given.max_rate or named.max_rate)
