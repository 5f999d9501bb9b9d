"""What an inspection of an endpoint's TLS recorded, as lines of a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from soundcheck.report.headers import limited
from soundcheck.report.wording import plural

_LISTED = 24  # names of suites or groups, certificates of a chain
_UNSEEN = "not seen"


def endpoint(inspection: Mapping[str, Any]) -> str:
    """Return the host and port that were inspected."""
    return f"{inspection['host']}:{inspection['port']}"


def agreed(inspection: Mapping[str, Any]) -> str:
    """Return in short what was found: the version and suite agreed on, or why there is none."""
    if inspection["scheme"] == "http":
        return "plain HTTP"
    if inspection["version"]:
        return f"{inspection['version']} with {inspection['suite']}"
    return f"no TLS: {inspection['problem'] or 'nothing was agreed'}"


def facts(inspection: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return name and value of everything that was seen, each cut to what fits a line."""
    return limited(list(_facts(inspection)))


def _facts(seen: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    place = " on this machine" if seen["loopback"] else ""
    name = f", asked for as {seen['server_name']}" if seen["server_name"] else ""
    yield "endpoint", f"{endpoint(seen)}{place}{name}"
    yield "looked at", f"{seen['at']}, by {plural(seen['connections'], 'connection')}"
    yield "agreed", agreed(seen)
    if seen["problem"]:
        yield "problem", seen["problem"]
    if seen["scheme"] == "http":
        return
    yield "versions", ", ".join(map(_version, seen["versions"])) or _UNSEEN
    yield "weak suites", _names(seen["weak_suites"])
    yield "suites without forward secrecy", _names(seen["static_suites"])
    groups = _names(seen["groups"])
    yield "groups", f"{groups} ({seen['groups_version']})" if seen["groups_version"] else groups
    yield "weak groups", _names(seen["weak_groups"])
    if seen["dh_bits"] is not None:
        yield "prime without a name", f"{seen['dh_bits']} bits"
    yield "compression", seen["compression"] or _UNSEEN
    yield "secure renegotiation", _answer(seen["renegotiation_info"])
    for number, certificate in enumerate(seen["chain"][:_LISTED], 1):
        yield f"certificate {number}", _certificate(certificate)
    yield "leads to a trusted root", _answer(seen["trusted"])
    yield "in time", _answer(seen["in_time"])
    if seen["chain_problem"]:
        yield "the chain's problem", seen["chain_problem"]
    yield "name matches", _answer(seen["name_matches"])
    yield "Strict-Transport-Security", seen["hsts"] if seen["hsts"] is not None else "none"
    for answer in seen["plain"][:_LISTED]:
        yield f"plain HTTP on port {answer['port']}", _plain(answer)


def _version(version: Mapping[str, Any]) -> str:
    words = {True: "accepted", False: "refused", None: _UNSEEN}
    return f"{version['name']} {words[version['accepted']]}"


def _names(names: Sequence[str] | None) -> str:
    if names is None:
        return _UNSEEN
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more if names else "none"


def _answer(fact: bool | None) -> str:
    return {True: "yes", False: "no", None: _UNSEEN}[fact]


def _certificate(one: Mapping[str, Any]) -> str:
    if one["problem"]:
        return str(one["problem"])
    key = f"{one['key']} {one['key_bits']}" + (f" {one['curve']}" if one["curve"] else "")
    issuer = "itself" if one["self_signed"] else one["issuer"]
    names = f", for {_names(one['names'])}" if one["names"] else ""
    until = f"{one['not_before'][:10]} to {one['not_after'][:10]}"
    return f"{one['subject']}{names}, by {issuer}, {key}, {one['signature']}, {until}"


def _plain(answer: Mapping[str, Any]) -> str:
    told = [answer["kind"], *(str(answer[key]) for key in ("status", "location") if answer[key])]
    return " ".join(told)
