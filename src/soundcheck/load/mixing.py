"""Which mix a run sends: what the options, the user class and the scenario say of it together."""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from soundcheck.audio import Library
from soundcheck.errors import SoundcheckError
from soundcheck.load.form import Form, encode_form
from soundcheck.load.mix import Mix
from soundcheck.load.options import Settings
from soundcheck.load.stage import Scenario

SHAPING = ("durations", "formats", "languages", "stream", "clips")
"""Members that shape the mix, of options (but ``clips``), user classes and scenarios."""

_KINDS = ("durations", "formats", "languages")
# Numbers of forms that a user's own tasks ask for: apart from those of the mix.
_OWN = 0x8000


def mix_request(settings: Settings, user_class: type, scenario: Scenario) -> dict[str, Any]:
    """Return, in plain values, what ``make_mix`` is to make.

    An option goes before the user class, and the class before the scenario. Clips by name, which
    leave no choice of kinds, give way to a kind that an option names.
    """
    told: dict[str, Any] = {}
    # In a class with tasks of its own, these may be names of tasks; and it chooses its clips.
    follows = getattr(user_class, "follows_schedule", True)
    holders = (settings, user_class, scenario) if follows else (settings, scenario)
    for name in SHAPING:
        given = (getattr(holder, name, None) for holder in holders)
        told[name] = next((one for one in given if one is not None), None)
    if any(getattr(settings, name) is not None for name in _KINDS):
        told["clips"] = None
    fields = getattr(user_class, "fields", ()) if follows else ()
    return {"model": settings.model, "fields": [list(one) for one in fields], **told}


def make_mix(request: Mapping[str, Any]) -> Mix:
    """Return the mix of a request, making clips that are missing; raises SoundcheckError."""
    told = dict(request)
    told["fields"] = tuple((name, value) for name, value in told["fields"])
    return Mix.of(Library(), **told)


def describe(forms: Iterable[Form]) -> list[dict[str, Any]]:
    """Return what a report says about forms, as bench.json has it."""
    return [
        {
            "number": one.number,
            "clip": one.clip,
            "format": one.format,
            "language": one.language,
            "audio_s": one.audio_s,
            "upload_bytes": len(one.body),
            "stream": one.stream,
            "weight": one.weight,
            "sha256": one.sha256,
        }
        for one in forms
    ]


class OwnForms:
    """Forms that users' own tasks ask for by clip and fields, each encoded once.

    Their numbers come from what they are, so that workers which know nothing of each other number
    them alike.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._library = Library()
        self._forms: dict[tuple[str, tuple[tuple[str, str], ...]], Form] = {}
        self._numbers: set[int] = set()
        self.untold: list[Form] = []

    def get(self, clip: str, fields: Mapping[str, str]) -> Form:
        """Return the form of ``clip`` with ``fields``; raises SoundcheckError for an unknown clip.

        The model is the run's unless a field names one.
        """
        asked = tuple({"model": self._model, **fields}.items())
        form = self._forms.get((clip, asked))
        if form is None:
            number = _OWN | zlib.crc32(repr((clip, asked)).encode()) % _OWN
            if number in self._numbers:
                raise SoundcheckError(f"too many different requests: {clip} cannot be numbered")
            made = self._library.clip(clip)
            stream = dict(asked).get("stream") == "true"
            language = made.language or ""
            form = encode_form(number, made, asked, stream=stream, language=language, weight=0.0)
            self._numbers.add(number)
            self._forms[clip, asked] = form
            self.untold.append(form)
        return form
