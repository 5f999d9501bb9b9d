"""From a recipe's ``content`` to its file: what is not made from a sound."""

from __future__ import annotations

from typing import Any

from soundcheck.audio import containers, contents, outward
from soundcheck.audio.formats import FORMATS, Format
from soundcheck.audio.made import Made
from soundcheck.audio.recipe import Content

_PICTURES = 10


def make(content: Content, form: Format) -> Made:
    """Make the file of a ``content``, for the extension of ``form``."""
    options: dict[str, Any] = dict(content.options)
    match content.kind:
        case "random":
            data = contents.noise(options["bytes"], options["seed"])
        case "random-after-magic":
            magic = contents.MAGIC[form.extension]
            data = contents.noise(options["bytes"], options["seed"], magic)
        case "video":
            data = containers.write_pictures(_PICTURES, form)
        case "flac-silence":
            rate, channels = options["rate"], options["channels"]
            data = containers.write_silence("flac", options["seconds"], rate, channels)
            return Made([data], options["seconds"], rate, channels)
        case "opus-silence":
            rate = FORMATS["ogg-opus"].rate
            data = containers.write_silence("ogg", options["seconds"], rate, 1)
            return Made([data], options["seconds"], rate, 1)
        case kind if kind in outward.OUTWARD:
            data = outward.OUTWARD[kind](options["url"])
        case kind:
            data = contents.GENUINE[kind]()
    return Made([data])
