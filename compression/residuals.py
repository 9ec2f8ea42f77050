"""What networks miss of Gaussians, as whole numbers beside them.

    normalised attribute = what the network says + step x whole number

of the first columns of a table: opacity, shape, constant harmonic, and other harmonics up to a
degree; those above it stay with the networks. Letters: n Gaussians, a attributes, b of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int16, UInt16
from torch import Tensor

from polyfield.compression.attributes import WIDTHS
from polyfield.errors import InputError

HARMONIC = sum(WIDTHS)  # the first column of harmonics beyond the constant one
MOST = 32767  # a whole number, up or down


@dataclass(frozen=True)
class Residuals:
    """What is added to attributes, no longer normalised.

    Attributes:
        codes: [n,b] whole numbers.
        steps: [4] what one of them stands for: in opacity logits, shapes, constant harmonics,
            other harmonics.
    """

    codes: Int16[np.ndarray, "n b"]
    steps: Float32[np.ndarray, "4"]

    def added_to(self, table: Float[Tensor, "n a"]) -> Float[Tensor, "n a"]:
        """Attributes with them."""
        b = self.codes.shape[1]
        steps = torch.from_numpy(np.repeat(self.steps, (*WIDTHS, b - HARMONIC)))
        more = torch.from_numpy(self.codes).float() * steps
        return torch.cat([table[:, :b] + more, table[:, b:]], dim=1)

    def numbers(self) -> UInt16[np.ndarray, "b n"]:
        """Column after column without signs: 0, -1, 1, -2, 2 ... are 0, 1, 2, 3, 4 ..."""
        wide = self.codes.T.astype(np.int32)
        return np.where(wide < 0, -2 * wide - 1, 2 * wide).astype(np.uint16)


def residuals_of(numbers: UInt16[np.ndarray, "b n"], steps: Float32[np.ndarray, "4"]) -> Residuals:
    """Undo `Residuals.numbers`."""
    wide = numbers.astype(np.int32)
    signed = np.where(wide % 2 == 1, -(wide // 2) - 1, wide // 2)
    return Residuals(np.ascontiguousarray(signed.T).astype(np.int16), steps)


def whole(residuals: Float[Tensor, "n b"], step: float, size: Float[Tensor, " a"]) -> Residuals:
    """Tuned residuals as they are stored.

    Args:
        residuals: in steps of normalised attributes.
        size: of the groups of attributes, as `attributes.Normalisation` has it.
    """
    firsts = np.minimum(np.cumsum((0, *WIDTHS)), len(size) - 1)
    codes = residuals.detach().round().clamp(-MOST, MOST).numpy().astype(np.int16)
    return Residuals(codes, (step * size[firsts]).numpy().astype(np.float32))


def first_residuals(
    found: Float[Tensor, "n a"], wanted: Float[Tensor, "n a"], step: float, b: int
) -> Float[Tensor, "n b"]:
    """Residuals in steps, not yet whole, of what networks say of normalised attributes.

    Raises:
        InputError: for a step of 0 or less, or so small that whole numbers do not reach.
    """
    if not 1e-3 <= step <= 10:
        raise InputError(field="residuals", found=step, expected="0 for none, or 0.001 to 10")
    return ((wanted - found)[:, :b] / step).clamp(-MOST, MOST).detach()


def corrected(
    said: Float[Tensor, "n a"], residuals: Float[Tensor, "n b"] | None, step: float
) -> Float[Tensor, "n a"]:
    """Attributes with whole residuals; their gradient is that of residuals that are not."""
    if residuals is None:
        return said
    b = residuals.shape[1]
    rounded = residuals + (residuals.round().clamp(-MOST, MOST) - residuals).detach()
    return torch.cat([said[:, :b] + step * rounded, said[:, b:]], dim=1)
