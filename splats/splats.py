"""Gaussians as files hold them: plain arrays, in one frame and one set of units.

Letters: n Gaussians, k spherical harmonics beyond the first, 0, 3, 8 or 15.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from polyfield.errors import InputError

HARMONICS = (0, 3, 8, 15)
"""k by degree."""

SH0 = 0.28209479177387814
"""The harmonic of degree 0: colour = 0.5 + SH0 * sh_dc (Kerbl et al. 2023)."""


@dataclass(frozen=True)
class Splats:
    """n Gaussians, float32, in the frame and scale of the file (3DGS's: +y down, +z forward).

    Attributes:
        means: [n,3] centres.
        quats: [n,4] rotation world_from_gaussian as w, x, y, z; of any length but zero.
        log_scales: [n,3] natural logarithms of the standard deviations along the own axes.
        opacity_logits: [n] opacity = sigmoid of it.
        sh_dc: [n,3] coefficient of the constant harmonic for red, green, blue.
        sh_rest: [n,k,3] those of degrees 1 to 3 in 3DGS's order and signs.
        antialiased: whether opacities were learned with the mip filter's compensation.
    """

    means: Float[np.ndarray, "n 3"]
    quats: Float[np.ndarray, "n 4"]
    log_scales: Float[np.ndarray, "n 3"]
    opacity_logits: Float[np.ndarray, " n"]
    sh_dc: Float[np.ndarray, "n 3"]
    sh_rest: Float[np.ndarray, "n k 3"]
    antialiased: bool = False

    def __post_init__(self) -> None:
        n, k = len(self.means), self.sh_rest.shape[1] if self.sh_rest.ndim == 3 else -1
        if k not in HARMONICS:
            raise InputError(field="sh_rest", found=list(self.sh_rest.shape), expected="[n,k,3]")
        shapes = {"means": (n, 3), "quats": (n, 4), "log_scales": (n, 3), "opacity_logits": (n,)}
        for name, shape in {**shapes, "sh_dc": (n, 3), "sh_rest": (n, k, 3)}.items():
            array = np.ascontiguousarray(getattr(self, name), dtype=np.float32)
            if array.shape != shape:
                raise InputError(field=name, found=list(array.shape), expected=list(shape))
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.means)

    @property
    def degree(self) -> int:
        """Of the spherical harmonics, 0 to 3."""
        return HARMONICS.index(self.sh_rest.shape[1])
