"""Real spherical harmonics of degree 1 to 3 in the order and with the signs of 3DGS's files.

Letters: n directions, k = (degree + 1)^2 - 1 harmonics.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

MAX_DEGREE = 3


def harmonics(directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 15"]:
    """The values at unit directions, without the constant one.

    Args:
        directions: [n,3] from the camera to the Gaussian.
    """
    x, y, z = directions.T
    xx, yy, zz = x * x, y * y, z * z
    first = np.sqrt(3 / (4 * np.pi)) * np.stack([-y, z, -x])
    second = np.sqrt(15 / (4 * np.pi)) * np.stack(
        [x * y, -y * z, (3 * zz - 1) / np.sqrt(12), -x * z, (xx - yy) / 2]
    )
    outer, inner = np.sqrt(35 / (32 * np.pi)), np.sqrt(21 / (32 * np.pi))
    third = [
        *(-outer * y * (3 * xx - yy), np.sqrt(105 / (4 * np.pi)) * x * y * z),
        *(-inner * y * (5 * zz - 1), np.sqrt(7 / (16 * np.pi)) * z * (5 * zz - 3)),
        *(-inner * x * (5 * zz - 1), np.sqrt(105 / (16 * np.pi)) * z * (xx - yy)),
        -outer * x * (xx - 3 * yy),
    ]
    return np.concatenate([first, second, np.stack(third)]).T
