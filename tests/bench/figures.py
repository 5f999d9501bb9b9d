"""What a benchmark says: one measured value beside its limit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, its limit, and whether exceeding it fails the run."""

    what: str
    value: float
    unit: str
    limit: float
    gates: bool = False

    @property
    def holds(self) -> bool:
        """Tell whether the limit is kept."""
        return self.value <= self.limit
