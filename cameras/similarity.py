"""Similarities x -> scale R x + t between frames, as 4x4 matrices.

Leading dimensions of points are free.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from polyfield.errors import InputError

UNIFORM = 1e-3  # largest difference of R^T R from the identity
SEEDS = 1 << 32


def random_rotation(seed: int, field: str = "seed") -> Float[Tensor, "3 3"]:
    """A rotation drawn uniformly from SO(3), the same one for a seed.

    Args:
        seed: 0 to 2^32 - 1.
        field: the key that it was given as, for messages.

    Raises:
        InputError: for another seed.
    """
    if not 0 <= seed < SEEDS:
        raise InputError(field=field, found=seed, expected="a seed from 0 to 2^32 - 1")
    # By this name every scipy from 1.11 on takes it; `rng` is newer.
    return torch.from_numpy(Rotation.random(random_state=seed).as_matrix())


def split_similarity(
    matrix: Float[Tensor, "4 4"],
) -> tuple[float, Float[Tensor, "3 3"], Float[Tensor, "3"]]:
    """The parts of x -> scale R x + t.

    Args:
        matrix: new frame from old frame.

    Returns:
        scale: above 0; rotation: of determinant 1; translation: units of the new frame.

    Raises:
        InputError: for a matrix that mirrors, flattens, or stretches one axis more than another.
    """
    linear, translation = matrix[:3, :3], matrix[:3, 3]
    determinant = float(torch.linalg.det(linear))
    scale = determinant ** (1 / 3) if determinant > 0 else 1.0
    rotation = linear / scale
    apart = (rotation.T @ rotation - torch.eye(3).to(rotation)).abs().max()
    if not (determinant > 0 and float(apart) < UNIFORM):
        raise InputError(
            field="similarity",
            found=f"determinant {determinant:.3g}, {float(apart):.2g} from orthonormal",
            expected="a rotation, a translation and one scale above 0",
        )
    return scale, rotation, translation


def apply_similarity(
    matrix: Float[Tensor, "4 4"], points: Float[Tensor, "*b 3"]
) -> Float[Tensor, "*b 3"]:
    """Points in the frame that a similarity leads to.

    Args:
        matrix: new frame from old frame.
        points: in the old frame.
    """
    matrix = matrix.to(points)
    return points @ matrix[:3, :3].T + matrix[:3, 3]
