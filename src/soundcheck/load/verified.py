"""Which answers are verified: a share of them, the same ones on whatever worker they come in."""

_RANGE = 1 << 32


def is_verified(arrival: int, seed: int, share: float) -> bool:
    """Tell whether the transcript of an arrival is compared with what was said.

    Both numbers are mixed by odd constants (Knuth's multiplicative hash), so that neighbours and
    multiples of a form's number do not go together.
    """
    if share >= 1:
        return True
    mixed = ((arrival + 1) * 0x9E3779B1 + seed * 0x85EBCA6B) % _RANGE
    return (mixed ^ mixed >> 16) * 0x45D9F3B % _RANGE < share * _RANGE
