"""The fused render step on intervals that are given instead of marched.

`kernels.render` takes its samples from the block function `march_ray`. The one below, which
`kernels.ahead` binds in its place, reads a table of edges [r, m+1] that travels in the place of the
grid of distances.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.blocks import leaf
from polyfield.kernels.domain import to_unit
from polyfield.kernels.march import MARCH_FLOATS, STEP
from polyfield.kernels.resample import box_of
from polyfield.kernels.volume import Geometry, VolumeKernels


@leaf
def listed_span(grid, march, origins, directions, ray):  # type: ignore[no-untyped-def]
    """In the place of `march.ray_span`."""
    return march.dtype.type(0), march.dtype.type(1)


@leaf
def no_bundle(grid, march, edges, origins, directions, first, last, axis):  # type: ignore[no-untyped-def]
    """In the place of `march.bundle_start`: nothing is known."""
    return march.dtype.type(0)


@leaf
def listed_ray(  # type: ignore[no-untyped-def]
    grid, march, edges, origins, directions, ray, start, end, state, i_state, limit, ts, dts, xs,
    row,
):  # fmt: skip
    """In the place of `march.march_ray`: the next `limit` of the ray's intervals, or what is left.

    Args:
        state: [*, 2], in row `i_state` the intervals passed; updated.
    """
    half = march.dtype.type(0.5)
    first = int(state[i_state, 0])
    taken = min(limit, edges.shape[1] - 1 - first)
    for i in range(taken):
        left, right = edges[ray, first + i], edges[ray, first + i + 1]
        middle = half * (left + right)
        ts[row + i], dts[row + i] = middle, right - left
        xs[row + i, 0], xs[row + i, 1], xs[row + i, 2] = to_unit(
            grid[0], march, origins[ray, 0] + middle * directions[ray, 0],
            origins[ray, 1] + middle * directions[ray, 1],
            origins[ray, 2] + middle * directions[ray, 2],
        )  # fmt: skip
    state[i_state, 0] = march.dtype.type(first + taken)
    return taken


class ListedKernels:
    """The fused render step of a field's kernels on given intervals."""

    def __init__(self, kernels: VolumeKernels) -> None:
        self.field_kernels = kernels
        self.kernels = VolumeKernels(
            kernels.encoder, kernels.decoder, kernels.density_parts, template="listed"
        )

    def __call__(
        self,
        origins: Float[Tensor, "r 3"],
        directions: Float[Tensor, "r 3"],
        ray_features: Float[Tensor, "r q"],
        params: tuple[Tensor, Tensor, Tensor, Tensor],
        edges: Float[Tensor, "r m+1"],
        bounds: Float[Tensor, "2 3"],
        domain: int,
        settings: np.ndarray,
        times: np.ndarray | None = None,
        median: Float[Tensor, " r"] | None = None,
    ) -> tuple[Float[Tensor, "r 6"], int]:
        """What `VolumeKernels` returns, with a sample in the middle of every interval.

        Args:
            edges: distances, world units, ascending; a constant.
            bounds: corners of the domain; domain: its number in `kernels.domain`.
            settings, times, median: as in `VolumeKernels`.
        """
        dtype = settings.dtype
        march = np.zeros(MARCH_FLOATS, dtype)
        march[:6], march[STEP] = box_of(bounds, dtype), 1
        geometry = Geometry(np.array([domain, 1]), march, edges.detach().contiguous().numpy())
        rays = (origins, directions, ray_features)
        return self.kernels(*rays, params, geometry, settings, times=times, median=median)
