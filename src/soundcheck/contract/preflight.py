"""The preflight: is it there, does it speak the API, does it take the key, which models are there.

One message tells of whatever would make every requirement fail alike.
"""

import json
from collections.abc import Callable
from typing import Any

from soundcheck.contract.answer import Answer
from soundcheck.contract.deployment import Deployment, ListedModel
from soundcheck.contract.probe import MODELS, NO_FILE, Lane, Probe, transcription
from soundcheck.contract.profile import Profile
from soundcheck.contract.target import Target
from soundcheck.errors import SoundcheckError, Unreachable

TIMEOUT = 30.0
"""Seconds that a question of the preflight may take."""

Ask = Callable[[Probe], Answer]


def examine(target: Target, profile: Profile, ask: Ask) -> Deployment:
    """Return the deployment behind ``target``, asked through ``ask``.

    Raises :class:`Unreachable` when there is no connection or HTTP answer, no transcription
    endpoint, or the key is refused; :class:`SoundcheckError` when the model is unknown or none
    can be chosen.
    """
    models = ask(MODELS)
    if models.exchange.response is None:
        error = models.exchange.error
        raise Unreachable(f"{target.base_url}: {error.message if error else 'no answer'}")
    _check_key(target, models)
    listed = _listed(models)
    model = target.model or _choose(profile, listed, target)
    refusal = ask(NO_FILE.on(model))
    _check_key(target, refusal)
    if listed and model not in {entry.id for entry in listed}:
        _check_model(ask, model, listed, target)
    elif not _speaks_api(refusal, listed):
        raise Unreachable(
            f"{target.base_url} answers, but not as a transcription API "
            f"(GET /models: {_told(models)}; POST /audio/transcriptions: {_told(refusal)}). "
            "Is the base URL right? It normally ends in /v1."
        )
    return Deployment(profile, model, listed, _dialect(refusal))


def _check_key(target: Target, answer: Answer) -> None:
    response = answer.exchange.response
    if response is None or response.status not in (401, 403):
        return
    if target.api_key_env:
        raise Unreachable(
            f"{target.base_url} refuses the key in {target.api_key_env} ({response.status})"
        )
    raise Unreachable(
        f"{target.base_url} asks for a key ({response.status}): put it into an environment "
        "variable and name that with --api-key-env"
    )


def _check_model(ask: Ask, model: str, listed: tuple[ListedModel, ...], target: Target) -> None:
    """Let a model that is not listed pass only if it transcribes."""
    trial = transcription("hello.wav", lane=Lane.PREFLIGHT).on(model)
    answer = ask(trial)
    response = answer.exchange.response
    if response is None or response.status != 200:
        names = ", ".join(entry.id for entry in listed)
        raise SoundcheckError(
            f"{target.base_url} does not know the model {model!r} ({_told(answer)}); "
            f"it lists: {names}. Choose one with --model."
        )


def _speaks_api(refusal: Answer, listed: tuple[ListedModel, ...]) -> bool:
    """Tell whether a request without a file was turned down by a transcription endpoint."""
    response = refusal.exchange.response
    if response is None:
        return bool(listed)
    if response.status in (404, 405):
        return _error_code(refusal) is not None and bool(listed)
    return response.status >= 400


def _listed(answer: Answer) -> tuple[ListedModel, ...]:
    """Return the models of a readable list, or nothing: judging it is a requirement's business."""
    body = _document(answer)
    entries = body.get("data") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        return ()
    return tuple(
        ListedModel(
            entry["id"],
            tuple(str(task) for task in entry["tasks"]) if _is_list(entry, "tasks") else (),
        )
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    )


def _is_list(entry: dict[str, Any], key: str) -> bool:
    return isinstance(entry.get(key), list)


def _choose(profile: Profile, listed: tuple[ListedModel, ...], target: Target) -> str:
    """Return the listed model for which the profile claims most, the first among equals."""
    if not listed:
        raise SoundcheckError(
            f"{target.base_url} has no readable list of models; name one with --model"
        )
    speech = [entry for entry in listed if "transcribe" in entry.tasks] or list(listed)
    return max(speech, key=lambda entry: len(profile.claims(entry.id))).id


def _dialect(refusal: Answer) -> str:
    """Return the dialect by the type of ``code`` in an error: vLLM's is an integer."""
    code = _error_code(refusal)
    if isinstance(code, int):
        return "vllm"
    return "openai" if code is not None else "unknown"


def _error_code(answer: Answer) -> int | str | None:
    """Return the envelope's ``code``, ``""`` for null, ``None`` when there is no envelope."""
    body = _document(answer)
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    code = error.get("code")
    return code if isinstance(code, (int, str)) else ""


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
