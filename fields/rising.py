"""How a resolution rises while a field learns: evenly in its logarithm."""

from __future__ import annotations

from collections.abc import Sequence

from polyfield.errors import InputError


class Rising:
    """The share of the full resolution that a field has.

    Args:
        coarse: share to begin with.
        upsample: shares of the training at which it rises; without any it is full from the start.

    Raises:
        InputError: for shares out of range, or a coarse field that never rises.
    """

    def __init__(self, coarse: float, upsample: Sequence[float]) -> None:
        if not 0 < coarse <= 1:
            raise InputError(field="field.coarse", found=coarse, expected="above 0, at most 1")
        if coarse < 1 and not upsample:
            expected = "1, or field.upsample to say when it rises"
            raise InputError(field="field.coarse", found=coarse, expected=expected)
        if any(not 0 < share < 1 for share in upsample):
            raise InputError(
                field="field.upsample", found=list(upsample), expected="between 0 and 1"
            )
        self.coarse, self.upsample, self.risen = coarse, sorted(upsample), 0

    @property
    def share(self) -> float:
        """Of the full resolution, in (0, 1]."""
        if not self.upsample:
            return 1.0
        return float(self.coarse ** (1 - self.risen / len(self.upsample)))

    def rises(self, progress: float) -> bool:
        """Whether the share is another one from here on."""
        risen = sum(share <= progress for share in self.upsample)
        if risen <= self.risen:
            return False
        self.risen = risen
        return True
