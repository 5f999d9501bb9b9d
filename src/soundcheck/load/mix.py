"""The mix: which clips a run sends, in what formats and languages, how often, and which as streams.

Weights are texts like ``wav=3,mp3=1``; a name alone weighs 1. The clips are those of
``fixtures/load.toml``, named ``load-LANGUAGE-NUMBER``: distinct ones, so that no cache answers in
the place of the model.
"""

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from soundcheck.audio import Clip, Library, Recipe
from soundcheck.audio.formats import NINE
from soundcheck.errors import SoundcheckError
from soundcheck.load.form import Form, encode_form

DURATIONS = "short=2,medium=2,long=1"
"""How often callers send which length where nobody says: 10.5 s on average."""
FORMATS = "wav"
LANGUAGES = "en"

CLASSES = {"short": (0.0, 5.0), "medium": (5.0, 15.0), "long": (15.0, 30.0)}
"""Lengths of clips by name: more than the first number of seconds, up to the second."""

_NAME = re.compile(r"load-([a-z]{2})-[0-9]+\.wav")
_SECONDS = re.compile(r"([0-9]+(?:\.[0-9]+)?)s?")
# Recordings longer than one window of a Whisper model: asked for by their length only.
_LONG = ("speech-60s.wav", "speech-180s.wav", "speech-590s.wav")
_MASK = (1 << 64) - 1
# Arrivals whose forms are chosen at once: one by one it takes three times as long.
_TOGETHER = 1024
# Arrivals are asked for in turn, but for those that are given up at the end.
_BLOCKS_KEPT = 2


@dataclass(frozen=True, slots=True)
class _Choice:
    """A clip to be sent, and its share of all requests."""

    clip: str
    language: str
    weight: float


@dataclass(frozen=True, slots=True)
class Mix:
    """Encoded forms with their weights, and the choice among them.

    ``sha256`` is that of the mix's manifest: two runs with the same sent the same. ``_chosen`` is
    what was chosen last, and follows from the rest.
    """

    forms: tuple[Form, ...]
    sha256: str
    _ends: tuple[float, ...]
    _chosen: dict[tuple[int, int, int], list[Form]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def of(
        cls,
        library: Library,
        *,
        model: str,
        durations: str | None = None,
        formats: str | None = None,
        languages: str | None = None,
        stream: float | None = None,
        clips: str | None = None,
        fields: Iterable[tuple[str, str]] = (),
    ) -> "Mix":
        """Make the clips that are missing, and encode every form once.

        ``durations``, ``formats`` and ``languages`` are weights (None: 10.5 s on average, WAV,
        English). A duration is ``short`` (up to 5 s), ``medium`` (15 s), ``long`` (30 s), or a
        number of seconds, ``60s``. ``clips`` has weights of clips by name instead of all three.
        ``stream`` is the share of requests that ask for a stream. ``fields`` are sent beside
        ``model`` and ``language``. Raises SoundcheckError with what would be right.
        """
        share = stream or 0.0
        if not 0 <= share <= 1:
            raise SoundcheckError(f"the share of streams is from 0 to 1, not {share}")
        if clips is not None:
            if any(one is not None for one in (durations, formats, languages)):
                raise SoundcheckError(
                    "this run sends clips chosen by name: durations, formats and languages "
                    "cannot be chosen as well"
                )
            choices = _by_name(library, weights(clips, "clips"))
        else:
            choices = _by_kind(
                library,
                weights(durations or DURATIONS, "durations"),
                weights(_every(formats or FORMATS, NINE), "formats"),
                weights(languages or LANGUAGES, "languages"),
            )
        # One process: others would have to import everything first, which takes as long.
        made = library.build([one.clip for one in choices], jobs=1)
        return cls.encoded(
            [(made[one.clip], one.language, one.weight) for one in choices],
            model=model,
            stream=share,
            fields=tuple(fields),
        )

    @classmethod
    def encoded(
        cls,
        clips: Sequence[tuple[Clip, str, float]],
        *,
        model: str,
        stream: float = 0.0,
        fields: tuple[tuple[str, str], ...] = (),
    ) -> "Mix":
        """Return the mix of ``clips``, each with its language and weight."""
        forms: list[Form] = []
        whole = sum(weight for _, _, weight in clips)
        for clip, language, weight in clips:
            asked = (("model", model), *((("language", language),) if language else ()), *fields)
            for streamed, share in ((False, 1 - stream), (True, stream)):
                if weight and share:
                    forms.append(
                        encode_form(
                            len(forms),
                            clip,
                            asked,
                            stream=streamed,
                            language=language,
                            weight=weight * share / whole,
                        )
                    )
        manifest = [[one.sha256, one.stream, one.fields, round(one.weight, 9)] for one in forms]
        digest = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
        return cls(tuple(forms), digest, tuple(accumulate(one.weight for one in forms)))

    def choose(self, arrival: int, seed: int, every: int = 1) -> Form:
        """Return the form of an arrival: the same for a seed, whoever asks and in what order.

        It is the quicker if who asks goes on with ``every`` so many later, as a worker does.
        """
        turn, first = divmod(arrival, every)
        block, place = divmod(turn, _TOGETHER)
        key = (block * _TOGETHER * every + first, every, seed)
        chosen = self._chosen.get(key)
        if chosen is None:
            chosen = self._choose(*key)
        return chosen[place]

    def _choose(self, first: int, every: int, seed: int) -> list[Form]:
        """Choose the forms of a block of arrivals, and keep them: they are asked for in turn."""
        arrivals = np.arange(first, first + _TOGETHER * every, every, dtype=np.uint64)
        points = _units(arrivals, seed) * self._ends[-1]
        places = np.minimum(np.searchsorted(self._ends, points, "right"), len(self.forms) - 1)
        chosen = [self.forms[place] for place in places]
        if len(self._chosen) >= _BLOCKS_KEPT:
            self._chosen.clear()
        self._chosen[first, every, seed] = chosen
        return chosen

    @property
    def mean_audio_s(self) -> float:
        """Return the seconds of audio of a request, on average."""
        return sum((one.audio_s * one.weight for one in self.forms), 0.0)

    @property
    def mean_upload_bytes(self) -> float:
        """Return the size of a request's body, on average."""
        return sum((len(one.body) * one.weight for one in self.forms), 0.0)

    @property
    def stream_share(self) -> float:
        """Return the share of requests that ask for a stream."""
        return sum((one.weight for one in self.forms if one.stream), 0.0)


def weights(text: str, what: str) -> dict[str, float]:
    """Return what ``text`` weighs, name to weight: ``wav=3,mp3=1``, or ``wav,mp3`` for 1 each.

    Raises SoundcheckError that names ``what`` is weighed. Names of weight 0 are left out.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        try:
            weight = float(number) if equals else 1.0
        except ValueError:
            weight = -1.0
        if not name or not 0 <= weight < math.inf:
            raise SoundcheckError(f"{what} {text!r}: write NAME=WEIGHT, with commas between them")
        if name in found:
            raise SoundcheckError(f"{what} {text!r}: {name} is there twice")
        found[name] = weight
    if not sum(found.values()):
        raise SoundcheckError(f"{what} {text!r}: all weights are 0")
    return {name: weight for name, weight in found.items() if weight}


def _every(text: str, names: Iterable[str]) -> str:
    return ",".join(names) if text.strip() == "all" else text


def _by_name(library: Library, clips: Mapping[str, float]) -> list[_Choice]:
    choices = []
    for name, weight in clips.items():
        recipe = library.recipe(name)
        choices.append(_Choice(name, getattr(recipe.source, "language", ""), weight))
    return choices


def _by_kind(
    library: Library,
    durations: Mapping[str, float],
    formats: Mapping[str, float],
    languages: Mapping[str, float],
) -> list[_Choice]:
    """Return the clips for every language, duration and format, all of whose weights multiply.

    A language without clips of some duration is sent in the others. Where there are several clips
    of a kind, they take turns with the formats: what is sent stays distinct, and there are not more
    forms than it takes.
    """
    for name in formats:
        if name not in NINE:
            raise SoundcheckError(
                f"format {name!r}: {_closest(name, NINE)}the formats are {', '.join(NINE)}, or all"
            )
    known = _clips_by_language(library)
    if set(languages) == {"all"}:
        languages = dict.fromkeys(known, 1.0)
    choices: list[_Choice] = []
    for language, of_language in languages.items():
        if language not in known:
            raise SoundcheckError(
                f"language {language!r}: there are clips in {', '.join(known)}, or all"
            )
        kinds = {name: _of_length(known[language], name) for name in durations}
        have = {name: durations[name] for name, clips in kinds.items() if clips}
        if not have:
            lengths = sorted({one.duration or 0.0 for one in known[language]})
            raise SoundcheckError(
                f"durations {', '.join(durations)}: in {language} there are clips of "
                f"{', '.join(f'{one:g}s' for one in lengths)}; short, medium and long are classes"
            )
        for name, weight in have.items():
            part = of_language / sum(languages.values()) * weight / sum(have.values())
            choices += _in_turn(kinds[name], language, formats, part)
    return choices


def _in_turn(
    clips: Sequence[Recipe], language: str, formats: Mapping[str, float], weight: float
) -> list[_Choice]:
    """Return the clips of one kind in the formats; their weights add up to ``weight``."""
    turn = min(len(formats), len(clips))
    choices = []
    for place, (extension, share) in enumerate(formats.items()):
        takers = clips[place % turn :: turn]
        each = weight * share / sum(formats.values()) / len(takers)
        stems = [one.name.rpartition(".")[0] for one in takers]
        choices += [_Choice(f"{stem}.{extension}", language, each) for stem in stems]
    return choices


def _clips_by_language(library: Library) -> dict[str, list[Recipe]]:
    found: dict[str, list[Recipe]] = {}
    for name, recipe in library.recipes.items():
        if matched := _NAME.fullmatch(name):
            found.setdefault(matched[1], []).append(recipe)
    found.setdefault("en", []).extend(library.recipe(name) for name in _LONG)
    return found


def _of_length(clips: Iterable[Recipe], name: str) -> list[Recipe]:
    """Return the clips of a class, or of exactly so many seconds."""
    if name in CLASSES:
        low, high = CLASSES[name]
        return [one for one in clips if low < (one.duration or 0.0) <= high]
    if seconds := _SECONDS.fullmatch(name):
        return [one for one in clips if one.duration == float(seconds[1])]
    raise SoundcheckError(
        f"duration {name!r}: {_closest(name, CLASSES)}write {', '.join(CLASSES)} or seconds, as 10s"
    )


def _closest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}? " if close else ""


def _units(arrivals: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """Return numbers in [0, 1) that look random, one for each of ``arrivals``.

    Each follows from the arrival's number and the seed alone, by splitmix64.
    """
    mixed = (arrivals + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(
        seed * 0xD1342543DE82EF95 & _MASK
    )
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ mixed >> np.uint64(31)) >> np.uint64(11)) / float(1 << 53)
