"""How large an upload may be, and what of it is counted."""

from dataclasses import dataclass

from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.settings import Counts


@dataclass(frozen=True, slots=True)
class Limits:
    """The size limit of a deployment, in bytes.

    ``max_file`` is the largest accepted count, None for no limit. ``counts`` says what is counted:
    the decoded ``file`` alone, the file's ``part`` with its own headers, or the whole content of
    the ``request``. ``max_rest`` bounds what is not the file: text fields, headers, boundaries.

    Two ways to be wrong, for faults: not ``early`` reads a body whose announced length cannot fit;
    ``cuts`` keeps the first ``max_file`` bytes of a file that is too large and goes on with them.
    """

    max_file: int | None
    counts: Counts
    max_rest: int = 16 * 2**20
    early: bool = True
    cuts: bool = False

    @property
    def max_body(self) -> int | None:
        """The longest body that could be accepted, None for any."""
        if self.max_file is None or self.cuts:
            return None
        return self.max_file + (0 if self.counts == "request" else self.max_rest)

    def check_announced(self, length: int) -> None:
        """Raise Refusal for a ``Content-Length`` that cannot fit (0: none was sent)."""
        if self.early and self.max_body is not None and length > self.max_body:
            raise self._too_large(f"{length} bytes announced")

    def check_read(self, file: int, part: int, request: int) -> None:
        """Raise Refusal when the bytes read so far, counted in each of three ways, are too many."""
        counted = {"file": file, "part": part, "request": request}[self.counts]
        if self.max_file is not None and not self.cuts and counted > self.max_file:
            raise self._too_large(f"{counted} bytes read")

    def _too_large(self, why: str) -> Refusal:
        message = f"Maximum content size limit ({self.max_file}) exceeded ({why})."
        return Refusal(Kind.FILE_TOO_LARGE, message, "file")
