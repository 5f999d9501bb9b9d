"""Build hook: ship the suites, scenarios and recipes inside standard wheels.

Editable installs read the clone's own folders instead, so that an edit is live at once.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SUITES = ("conformance", "fixtures", "loadtests")


class SuitesHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling leaves its type parameter open
    """Map each top-level suite folder to ``soundcheck/_suites/`` in the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folders to ``build_data`` when ``version`` is ``standard`` (not editable)."""
        if version == "standard":
            build_data["force_include"].update(
                {name: f"soundcheck/_suites/{name}" for name in SUITES}
            )
