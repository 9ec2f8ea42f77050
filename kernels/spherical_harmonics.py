"""Real spherical harmonics up to degree 4 (25 values), in the usual graphics sign convention.

Letters: r directions, e = (degree + 1)^2 values.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numba import prange
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels.blocks import leaf, specialise
from polyfield.kernels.choice import plain
from polyfield.kernels.launch import launch

MAX_DEGREE = 4
PARALLEL = 16384  # directions from which a second thread pays for its start


def harmonics_of(x, y, z, degree, out):  # type: ignore[no-untyped-def]
    """Write the values at the unit direction (x, y, z) to out[0 : (degree + 1)^2].

    Plain arithmetic on whatever x, y, z are: numbers in a kernel, tensors in the reference.
    """
    out[0] = 0.28209479177387814 + 0 * x
    if degree > 0:
        out[1] = -0.4886025119029199 * y
        out[2] = 0.4886025119029199 * z
        out[3] = -0.4886025119029199 * x
    if degree > 1:
        xx, yy, zz = x * x, y * y, z * z
        out[4] = 1.0925484305920792 * x * y
        out[5] = -1.0925484305920792 * y * z
        out[6] = 0.31539156525252005 * (2 * zz - xx - yy)
        out[7] = -1.0925484305920792 * x * z
        out[8] = 0.5462742152960396 * (xx - yy)
        if degree > 2:
            out[9] = -0.5900435899266435 * y * (3 * xx - yy)
            out[10] = 2.890611442640554 * x * y * z
            out[11] = -0.4570457994644658 * y * (4 * zz - xx - yy)
            out[12] = 0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy)
            out[13] = -0.4570457994644658 * x * (4 * zz - xx - yy)
            out[14] = 1.445305721320277 * z * (xx - yy)
            out[15] = -0.5900435899266435 * x * (xx - 3 * yy)
        if degree > 3:
            out[16] = 2.5033429417967046 * x * y * (xx - yy)
            out[17] = -1.7701307697799304 * y * z * (3 * xx - yy)
            out[18] = 0.9461746957575601 * x * y * (7 * zz - 1)
            out[19] = -0.6690465435572892 * y * z * (7 * zz - 3)
            out[20] = 0.10578554691520431 * (zz * (35 * zz - 30) + 3)
            out[21] = -0.6690465435572892 * x * z * (7 * zz - 3)
            out[22] = 0.47308734787878004 * (xx - yy) * (7 * zz - 1)
            out[23] = -1.7701307697799304 * x * z * (xx - 3 * yy)
            out[24] = 0.6258357354491761 * (xx * (xx - 3 * yy) - yy * (3 * xx - yy))


_harmonics_block = leaf(harmonics_of)


def _template(directions, degree, out):  # type: ignore[no-untyped-def]
    for i in prange(directions.shape[0]):
        _harmonics_block(directions[i, 0], directions[i, 1], directions[i, 2], degree, out[i])


def spherical_harmonics_reference(
    directions: Float[Tensor, "r 3"], degree: int
) -> Float[Tensor, "r e"]:
    """The values in plain torch, differentiable to any order."""
    values: list[Tensor] = [directions[:, 0]] * (degree + 1) ** 2
    harmonics_of(directions[:, 0], directions[:, 1], directions[:, 2], degree, values)
    return torch.stack(values, dim=-1)


def spherical_harmonics(directions: Float[Tensor, "r 3"], degree: int) -> Float[Tensor, "r e"]:
    """Values of the real harmonics up to `degree` at unit directions."""
    if not 0 <= degree <= MAX_DEGREE:
        raise InputError(field="degree", found=degree, expected=f"0 to {MAX_DEGREE}")
    wants_gradient = directions.requires_grad and torch.is_grad_enabled()
    if wants_gradient or plain(directions):
        return spherical_harmonics_reference(directions, degree)
    out = torch.empty(directions.shape[0], (degree + 1) ** 2, dtype=directions.dtype)
    if len(directions):
        with launch():
            run = specialise(_template, parallel=len(out) >= PARALLEL)
            run(np.ascontiguousarray(directions.detach().numpy()), degree, out.numpy())
    return out
