"""The curl command that repeats a recorded request, reading its key from the environment.

A recorded request holds no secret (the writer of exchanges redacts them), and none is added here:
the command names the environment variable and the shell fills it in.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from soundcheck.report.printable import one_line, printable

CLIPS_HINT = "clips: soundcheck fixtures export --all DIR, then run this in DIR"
OWN_HINT = (
    "own is the folder that was given with --speech: run this beside a copy or link of that name"
)
CANARY_HINT = "canary.wav was made for this run: run this in its folder tap"
_CANARY_CLIP = "canary.wav"
_OWN = "own/"  # what the names of the user's own recordings begin with
_EDITED = "~"  # in the name of a clip with edits, which is none of all those that are listed
_REDACTED = "[redacted]"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY_FROM_ENVIRONMENT = re.compile(r"Authorization: Bearer \$[A-Za-z_][A-Za-z0-9_]*")
_WITH_VALUE = frozenset({"--request", "--header", "--form", "--form-string", "--data-raw"})
_BY_CURL = frozenset(
    {"accept-encoding", "authorization", "connection", "content-length", "host", "user-agent"}
)
_DEFAULTS = frozenset({("accept", "*/*")})
_USUAL_FORM = re.compile(r"multipart/form-data; boundary=soundcheck-[0-9a-f]+")
_BODY_LIMIT = 4000  # characters of a content that is no form; a longer one makes no command
_PARTS_SENT = 200  # of a form; more make no command that anybody could read
_GLOBS = frozenset("[]{}")
_PLAIN_FORM_VALUE = re.compile(r"[A-Za-z0-9._/+ -]*")


def curl_command(
    request: Mapping[str, Any],
    api_key_env: str | None,
    earlier: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the shell command for the recorded ``request`` of an exchange.

    The requests ``earlier`` on its connection are sent on the same one first. Several lines joined
    by backslashes; lines that begin with ``#`` say where the clips come from and what of the
    request curl cannot repeat. ``api_key_env`` names the variable with the key.
    """
    lines: list[str] = []
    remarks: list[str] = []
    for one in (*earlier, request):
        arguments, said = curl_arguments(one, api_key_env)
        remarks += [remark for remark in said if remark not in remarks]
        begin = "  --next " if lines else "curl "
        lines.append(begin + " ".join(_quoted(word) for word in arguments[:2]))
        position = 2
        while position < len(arguments):
            width = 2 if arguments[position] in _WITH_VALUE else 1
            lines.append("  " + " ".join(_quoted(word) for word in arguments[position:][:width]))
            position += width
    return "".join(f"# {remark}\n" for remark in remarks) + " \\\n".join(lines)


def curl_arguments(
    request: Mapping[str, Any], api_key_env: str | None
) -> tuple[list[str], list[str]]:
    """Return curl's arguments for ``request`` (the key as ``$NAME``) and remarks about them.

    Raises:
        ValueError: the request's address is not one of http or https.

    """
    remarks: list[str] = []
    url, parts = request["url"], request["parts"]
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("the address is none of a web server, and could be an option of curl's")
    arguments = ["--include", url]
    if _GLOBS & set(url):
        arguments.append("--globoff")
    if "/." in url:
        arguments.append("--path-as-is")
    content = _content(request)
    if request["method"] != ("GET" if not parts and content is None else "POST"):
        arguments += ["--request", request["method"]]
    if {"name": "stream", "value": "true"} in parts:
        arguments.append("--no-buffer")
    arguments += _header_arguments(request, api_key_env, remarks)
    for part in parts[:_PARTS_SENT]:
        arguments += _part_arguments(part, remarks)
    if len(parts) > _PARTS_SENT:
        remarks.append(f"the last {len(parts) - _PARTS_SENT:,} parts are left out here")
    if content is not None:
        if not any(name.lower() == "content-type" for name, _ in request["headers"]):
            arguments += ["--header", "Content-Type:"]  # curl would call it a form
        # Unlike --data, this takes a leading @ as it is.
        arguments += ["--data-raw", content]
    elif not parts and request["body_bytes"]:
        remarks.append(f"the body of {request['body_bytes']} bytes is no form and is left out here")
    if request.get("frame"):
        told = ", ".join(f'{name} "{value}"' for name, value in request["frame"].items())
        remarks.insert(0, f"curl cannot send this form as it was put together ({one_line(told)})")
    clips = {part["clip"] for part in parts if "clip" in part and "head" not in part}
    if clips:
        hint = CANARY_HINT if clips == {_CANARY_CLIP} else CLIPS_HINT
        if all(clip.startswith(_OWN) for clip in clips):
            hint = OWN_HINT
        if edited := sorted(clip for clip in clips if _EDITED in clip):
            named = " ".join(f"--clip {shlex.quote(one_line(clip))}" for clip in edited)
            hint = f"clips: soundcheck fixtures export {named} DIR, then run this in DIR"
        remarks.insert(0, hint)
    return arguments, remarks


def _content(request: Mapping[str, Any]) -> str | None:
    """Return the content of ``request`` that is no form, if a command line can hold it."""
    content = str(request.get("body") or "")
    fits = 0 < len(content) <= _BODY_LIMIT and "\0" not in content
    return content if fits and not request["parts"] else None


def _header_arguments(
    request: Mapping[str, Any], api_key_env: str | None, remarks: list[str]
) -> list[str]:
    arguments: list[str] = []
    left_out = _BY_CURL | {"content-type"} if request["parts"] else _BY_CURL
    for name, value in request["headers"]:
        lower = name.lower()
        if lower == "content-type" and request["parts"] and not _USUAL_FORM.fullmatch(value):
            remarks.append(f"curl chooses a boundary of its own; it was: {one_line(value)}")
        secret = value == _REDACTED
        if lower == "authorization" and not secret:  # made up to be refused
            arguments += ["--header", f"Authorization: {value}"]
        elif lower == "authorization" and api_key_env and _VARIABLE.fullmatch(api_key_env):
            arguments += ["--header", f"Authorization: Bearer ${api_key_env}"]
        elif lower in left_out or (lower, value) in _DEFAULTS:
            continue
        elif secret:
            remarks.append(f"the header {one_line(name)} carried a secret and is left out here")
        else:
            arguments += ["--header", f"{name}: {value}" if value else f"{name};"]
    return arguments


def _part_arguments(part: Mapping[str, Any], remarks: list[str]) -> list[str]:
    name = part["name"]
    if "head" in part or "hex" in part:
        remarks.append(
            f"curl cannot send the bytes of the part {one_line(name)!r}; it is left out here"
        )
        return []
    if "=" in name or "\0" in name + str(part.get("value", "")):
        remarks.append(f"curl cannot write the part {one_line(name)!r}; it is left out here")
        return []
    if "quoted" in part:
        quoted = f"carries {part['quoted']} as a data URL"
        remarks.append(f"the part {one_line(name)!r} {quoted}; it is left out here")
        return []
    if "clip" not in part:
        if len(part["value"]) > _BODY_LIMIT:
            size = len(part["value"])
            remarks.append(f"the part {one_line(name)!r} of {size:,} characters is left out here")
            return []
        # --form-string takes the value as it is: a leading @ or < means nothing there.
        return ["--form-string", f"{name}={part['value']}"]
    clip = _form_value(part["clip"])
    if part["filename"] is None:
        # "<" sends a file's bytes as a part that has no file name.
        value = f"{name}=<{clip}"
    else:
        value = f"{name}=@{clip};filename={_form_value(part['filename'])}"
    return ["--form", value + (f";type={part['content_type']}" if part["content_type"] else "")]


def _form_value(text: str) -> str:
    """Quote as curl's --form wants a file name that holds more than plain characters."""
    if text and _PLAIN_FORM_VALUE.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted(word: str) -> str:
    if _KEY_FROM_ENVIRONMENT.fullmatch(word):
        return f'"{word}"'  # the one word in which the shell shall replace something
    if printable(word) != word:
        return _ansi_c_quoted(word)
    return shlex.quote(word)


def _ansi_c_quoted(word: str) -> str:
    """Quote a word with control or invisible characters so that it can be read and copied."""
    shown = []
    for character in word:
        if character in "'\\":
            shown.append("\\" + character)
        elif printable(character) != character or character == "\r":
            data = character.encode("utf-8", "surrogatepass")
            # Octal, because a hexadecimal escape would swallow a digit that follows.
            shown.append("".join(f"\\{byte:03o}" for byte in data))
        else:
            shown.append(character)
    return f"$'{''.join(shown)}'"
