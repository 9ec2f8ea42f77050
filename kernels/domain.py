"""Where a field lives: world points to the unit cube, and gradients back.

Kinds: BOX maps a box affinely (points outside leave [0, 1]). CONTRACT_L2 and CONTRACT_LINF map all
of space: the box to the middle half of the cube, what lies outside by
c(x) = (2 - 1/|x|) x / |x| into the rest (Barron et al. 2022, eq. 10; the max norm for grids).

`box` is [lower corner (3), 1 / size (3)]. Scalar functions, shared by CPU and CUDA kernels.
"""

from __future__ import annotations

from polyfield.kernels.blocks import leaf

BOX, CONTRACT_L2, CONTRACT_LINF = 0, 1, 2


@leaf
def to_unit(kind, box, x, y, z):  # type: ignore[no-untyped-def]
    """A world point in the unit cube."""
    u, v, w = (x - box[0]) * box[3], (y - box[1]) * box[4], (z - box[2]) * box[5]
    if kind == BOX:
        return u, v, w
    one, half, quarter = type(u)(1), type(u)(0.5), type(u)(0.25)
    u, v, w = u + u - one, v + v - one, w + w - one
    if kind == CONTRACT_L2:
        norm = (u * u + v * v + w * w) ** half
    else:
        norm = max(abs(u), abs(v), abs(w))
    if norm > one:
        factor = (one + one - one / norm) / norm
        u, v, w = u * factor, v * factor, w * factor
    return u * quarter + half, v * quarter + half, w * quarter + half


@leaf
def to_unit_backward(kind, box, x, y, z, gu, gv, gw):  # type: ignore[no-untyped-def]
    """The gradient with respect to the world point, given that of its image."""
    if kind == BOX:
        return gu * box[3], gv * box[4], gw * box[5]
    u, v, w = (x - box[0]) * box[3], (y - box[1]) * box[4], (z - box[2]) * box[5]
    one, half, quarter = type(u)(1), type(u)(0.5), type(u)(0.25)
    u, v, w = u + u - one, v + v - one, w + w - one
    gu, gv, gw = gu * quarter, gv * quarter, gw * quarter
    if kind == CONTRACT_L2:
        norm = (u * u + v * v + w * w) ** half
    else:
        norm = max(abs(u), abs(v), abs(w))
    if norm > one:
        # c = f x with f = 2/n - 1/n^2; df/dn = -2/n^2 + 2/n^3; dn/dx = x/n, or the largest axis.
        inverse = one / norm
        factor = (one + one - inverse) * inverse
        slope = (one + one) * inverse * inverse * (inverse - one)
        along = slope * (gu * u + gv * v + gw * w)
        gu, gv, gw = gu * factor, gv * factor, gw * factor
        if kind == CONTRACT_L2:
            gu, gv, gw = (
                gu + along * u * inverse,
                gv + along * v * inverse,
                gw + along * w * inverse,
            )
        elif abs(u) == norm:
            gu += along if u > 0 else -along
        elif abs(v) == norm:
            gv += along if v > 0 else -along
        else:
            gw += along if w > 0 else -along
    two = one + one
    return gu * two * box[3], gv * two * box[4], gw * two * box[5]
