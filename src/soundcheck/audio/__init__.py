"""Audio: clips made from the recipes in ``fixtures/``, on demand, and kept in a cache."""

from soundcheck.audio.clip import Clip, Word
from soundcheck.audio.library import CacheError, Library
from soundcheck.audio.recipe import Recipe, RecipeError

__all__ = ["CacheError", "Clip", "Library", "Recipe", "RecipeError", "Word"]
