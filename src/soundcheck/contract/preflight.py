"""The preflight: is it there, does it speak the API, does it take the key, which models are there.

One message tells of whatever would make every requirement fail alike; everything else is left to
the requirements.
"""

import json
from typing import Any, Protocol

from soundcheck.contract.answer import Answer
from soundcheck.contract.deployment import SPEECH, Deployment, ListedModel
from soundcheck.contract.probe import MODELS, NO_FILE, TRIAL, Probe
from soundcheck.contract.profile import Profile
from soundcheck.contract.target import Target
from soundcheck.errors import SoundcheckError, Unreachable
from soundcheck.http.access import is_loopback
from soundcheck.http.trouble import explained

TIMEOUT = 30.0
"""Seconds that an answer which needs no work may take."""


class Ask(Protocol):
    """Sends a probe, under a limit in seconds that may be shorter than the usual one."""

    def __call__(self, probe: Probe, *, timeout: float | None = None) -> Answer:
        """Return the answer."""


def examine(target: Target, profile: Profile, ask: Ask) -> Deployment:
    """Return the deployment behind ``target``, asked through ``ask``.

    Raises :class:`Unreachable` when there is no connection or HTTP answer, no transcription
    endpoint, or the key is refused; :class:`SoundcheckError` when the model is unknown or none
    can be chosen.
    """
    limit = min(TIMEOUT, target.timeout)
    models = ask(MODELS, timeout=limit)
    response = models.exchange.response
    if response is None:
        error = models.exchange.error
        why = explained(target.base_url, error, target.access) if error else "no answer"
        raise Unreachable(why)
    if response.status == 401:  # a 403 may mean this list alone: some keys are only for speech
        raise _refused_key(target, 401)
    listed = _listed(models)
    model = target.model or _choose(profile, listed) or "whisper-1"
    refusal = ask(NO_FILE.on(model), timeout=limit)
    _check_key(target, refusal)
    if listed and model not in {entry.id for entry in listed}:
        _check_model(ask, model, listed, target)
    elif not _speaks_api(refusal, listed):
        raise Unreachable(
            f"{target.base_url} answers, but not as a transcription API "
            f"(GET /models: {_told(models)}; POST /audio/transcriptions: {_told(refusal)}). "
            "Is the base URL right? It normally ends in /v1."
        )
    if not listed and target.model is None:
        raise SoundcheckError(
            f"{target.base_url} has no readable list of models ({_told(models)}); "
            "name one with --model"
        )
    local = is_loopback(target.base_url)
    return Deployment(profile, model, listed, _dialect(refusal), local=local)


def _check_key(target: Target, answer: Answer) -> None:
    response = answer.exchange.response
    if response is None:
        return
    message = str((_error(answer) or {}).get("message", "")).lower()
    # Privatemode's proxy answers 500 when nobody gave it a key.
    missing = not target.key_variables and response.status >= 400 and "api key" in message
    if response.status in (401, 403) or missing:
        raise _refused_key(target, response.status)


def _refused_key(target: Target, status: int) -> Unreachable:
    if target.key_variables:
        named = ", ".join(target.key_variables)
        return Unreachable(f"{target.base_url} refuses the key in {named} ({status})")
    return Unreachable(
        f"{target.base_url} asks for a key ({status}): put it into an environment "
        "variable and name that with --api-key-env"
    )


def _check_model(ask: Ask, model: str, listed: tuple[ListedModel, ...], target: Target) -> None:
    """Let a model that is not listed pass unless a transcription by it is refused."""
    answer = ask(TRIAL.on(model))
    response = answer.exchange.response
    if response is not None and 400 <= response.status < 500 and response.status != 429:
        names = ", ".join(entry.id for entry in listed)
        raise SoundcheckError(
            f"{target.base_url} does not know the model {model!r} ({_told(answer)}); "
            f"it lists: {names}. Choose one with --model."
        )


def _speaks_api(refusal: Answer, listed: tuple[ListedModel, ...]) -> bool:
    """Tell whether a request without a file was answered by a transcription endpoint.

    An API answers in JSON, some servers in plain text; a web server that knows no such place
    answers 404, 405, a redirect or a page.
    """
    response = refusal.exchange.response
    if response is None:
        return bool(listed)
    is_json = isinstance(_document(refusal), dict)
    if response.status in (404, 405):
        return bool(listed) and _error(refusal) is not None
    if response.status < 400:
        return response.status == 200 and is_json
    return is_json or bool(listed) or refusal.media_type not in ("", "text/html")


def _listed(answer: Answer) -> tuple[ListedModel, ...]:
    """Return the models of a readable list, or nothing: judging it is a requirement's business."""
    body = _document(answer)
    entries = body.get("data") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        return ()
    return tuple(
        ListedModel(
            entry["id"],
            _tasks(entry),
        )
        for entry in entries
        if isinstance(entry, dict) and _is_name(entry.get("id"))
    )


def _tasks(entry: dict[str, Any]) -> tuple[str, ...]:
    """Return what a listed model is said to be for: Privatemode's ``tasks``, speaches' ``task``."""
    told = entry.get("tasks", entry.get("task"))
    if isinstance(told, str):
        return (told,)
    return tuple(str(task) for task in told) if isinstance(told, list) else ()


def _is_name(value: object) -> bool:
    """Tell whether ``value`` can be sent as a model's name (a lone surrogate cannot)."""
    return isinstance(value, str) and value.isprintable()


def _choose(profile: Profile, listed: tuple[ListedModel, ...]) -> str | None:
    """Return the listed model for which the profile claims most, the first among equals.

    Raises :class:`SoundcheckError` where nothing tells which of several is for transcription.
    """
    if not listed:
        return None
    speech = [entry for entry in listed if SPEECH & set(entry.tasks)]
    candidates = speech or [entry for entry in listed if not entry.tasks] or list(listed)
    best = max(candidates, key=lambda entry: len(profile.claims(entry.id)))
    if not speech and len(candidates) > 1 and not profile.claims(best.id):
        names = ", ".join(entry.id for entry in listed)
        raise SoundcheckError(f"which model is to be tested? Name one with --model: {names}")
    return best.id


def _dialect(refusal: Answer) -> str:
    """Return the dialect by the type of ``code`` in an error: vLLM's is an integer.

    OpenAI's is a string or null, and always there; anything else tells nothing.
    """
    error = _error(refusal)
    if error is None or "code" not in error or isinstance(error["code"], bool):
        return "unknown"
    if isinstance(error["code"], int):
        return "vllm"
    return "openai" if error["code"] is None or isinstance(error["code"], str) else "unknown"


def _error(answer: Answer) -> dict[str, Any] | None:
    """Return the error object of an envelope, or ``None`` when the answer is no envelope."""
    body = _document(answer)
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) and isinstance(error.get("message"), str) else None


def _document(answer: Answer) -> Any:
    response = answer.exchange.response
    try:
        return json.loads(response.body) if response else None
    except (ValueError, RecursionError):
        return None


def _told(answer: Answer) -> str:
    response, error = answer.exchange.response, answer.exchange.error
    if error is not None:
        return error.message
    return f"{response.status} {answer.media_type}".rstrip() if response else "no answer"
