"""Rotations of quaternions (w, x, y, z)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def rotation_from_quaternion(q: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3 3"]:
    """The rotation of a quaternion of any length but zero."""
    w, x, y, z = torch.nn.functional.normalize(q, dim=-1).unbind(dim=-1)
    return torch.stack(
        [
            *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        ],
        dim=-1,
    ).unflatten(-1, (3, 3))
