"""Samples of a batch of rays as flat arrays: march into them, cull them, composite them.

Letters: r rays, n samples. Ray i owns samples offsets[i] to offsets[i + 1], front to back. What is
computed is defined in `kernels.render`; this is the same, an operation at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numba import prange
from torch import Tensor

from polyfield.kernels.blocks import specialise
from polyfield.kernels.exponential import exponential_minus_one
from polyfield.kernels.launch import launch
from polyfield.kernels.march import march_ray, ray_span
from polyfield.kernels.render import N_OUT
from polyfield.kernels.samples import bounded_interval
from polyfield.kernels.volume import Geometry

SLOTS = 64  # samples of a ray that are kept on the first march; longer rays are marched twice


class Samples(NamedTuple):
    """n samples on r rays.

    Args:
        ray: [n] which ray; offsets: [r + 1]; t, dt: [n] midpoint and length, world units.
        u: [n, 3] unit coordinates.
    """

    ray: Int[Tensor, " n"]
    offsets: Int[Tensor, " r+1"]
    t: Float[Tensor, " n"]
    dt: Float[Tensor, " n"]
    u: Float[Tensor, "n 3"]

    def select(self, mask: Bool[Tensor, " n"]) -> Samples:
        """The samples where `mask` holds, of the same rays."""
        before = torch.cat([mask.new_zeros(1, dtype=torch.int64), mask.cumsum(0)])
        return Samples(
            self.ray[mask], before[self.offsets], self.t[mask], self.dt[mask], self.u[mask]
        )


def _march(  # type: ignore[no-untyped-def]
    origins, directions, jitter, grid, march, distances, counts, ts, dts, xs
):
    for ray in prange(origins.shape[0]):
        start, stop = ray_span(grid, march, origins, directions, ray)
        total = 0
        if start < stop:
            start += jitter[ray] * max(march[14], march[15] * start)
            state = np.zeros((1, 2), march.dtype)
            state[0, 1] = start
            first = ray * SLOTS
            total = march_ray(
                grid, march, distances, origins, directions, ray, start, stop, state, 0, SLOTS, ts,
                dts, xs, first,
            )  # fmt: skip
            taken = total
            while taken == SLOTS:  # more than there is room for: count them, `_fill` takes them
                more_t, more_x = np.empty(2 * SLOTS, march.dtype), np.empty((SLOTS, 3), march.dtype)
                taken = march_ray(
                    grid, march, distances, origins, directions, ray, start, stop, state, 0,
                    SLOTS, more_t[:SLOTS], more_t[SLOTS:], more_x, 0,
                )  # fmt: skip
                total += taken
        counts[ray] = total


def _fill(  # type: ignore[no-untyped-def]
    origins, directions, jitter, grid, march, distances, offsets, slot_t, slot_dt, slot_x, ray_of,
    ts, dts, xs,
):  # fmt: skip
    for ray in prange(origins.shape[0]):
        first, last = offsets[ray], offsets[ray + 1]
        ray_of[first:last] = ray
        if last - first < SLOTS:
            for i in range(last - first):
                slot = ray * SLOTS + i
                ts[first + i], dts[first + i] = slot_t[slot], slot_dt[slot]
                for a in range(3):
                    xs[first + i, a] = slot_x[slot, a]
        else:
            start, stop = ray_span(grid, march, origins, directions, ray)
            start += jitter[ray] * max(march[14], march[15] * start)
            state = np.zeros((1, 2), march.dtype)
            state[0, 1] = start
            march_ray(
                grid, march, distances, origins, directions, ray, start, stop, state, 0,
                last - first, ts, dts, xs, first,
            )  # fmt: skip


def march_packed(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    jitter: Float[Tensor, " r"],
    geometry: Geometry,
) -> Samples:
    """All samples of a batch of rays in occupied cells; not differentiable.

    Args:
        origins, directions: world, unit directions.
        jitter: in [0, 1), the fraction of a step by which a ray's lattice is shifted.
        geometry: of the same floating type.
    """
    o, d, j = (x.detach().contiguous().numpy() for x in (origins, directions, jitter))
    r, dtype = len(o), o.dtype

    def places(n: int) -> tuple[np.ndarray, ...]:
        return np.empty(n, dtype), np.empty(n, dtype), np.empty((n, 3), dtype)

    counts, slots = np.empty(r, np.int64), places(r * SLOTS)
    with launch():
        specialise(_march)(o, d, j, *geometry, counts, *slots)
        offsets = np.concatenate([np.zeros(1, np.int64), counts.cumsum()])
        ray, samples = np.empty(offsets[-1], np.int64), places(int(offsets[-1]))
        specialise(_fill)(o, d, j, *geometry, offsets, *slots, ray, *samples)
    return Samples(*(torch.from_numpy(x) for x in (ray, offsets, *samples)))


def _visible(density, dt, offsets, stop, mask):  # type: ignore[no-untyped-def]
    for ray in prange(offsets.shape[0] - 1):
        light = density.dtype.type(1)
        for row in range(offsets[ray], offsets[ray + 1]):
            if light < stop:
                break
            mask[row] = True
            light += light * exponential_minus_one(-density[row] * dt[row])


def visible(density: Float[Tensor, " n"], samples: Samples, stop: float) -> Bool[Tensor, " n"]:
    """Which samples light reaches: those before the transmittance falls below `stop`."""
    mask = torch.zeros(len(density), dtype=torch.bool)
    values = density.detach().contiguous().numpy()
    run = specialise(_visible)
    with launch():
        run(
            values, samples.dt.numpy(), samples.offsets.numpy(), values.dtype.type(stop),
            mask.numpy(),
        )  # fmt: skip
    return mask


def weights(density: Float[Tensor, " n"], samples: Samples) -> Float[Tensor, " n"]:
    """Every sample's share of its ray's light, in plain torch.

    Summed ray by ray: a sum over the batch would lose the thin samples behind dense ones of others.
    """
    thickness, counts = density * samples.dt, samples.offsets.diff()
    places = torch.arange(len(density), device=density.device) - samples.offsets[samples.ray]
    padded = thickness.new_zeros(len(counts), int(counts.max()) + 1 if len(counts) else 1)
    padded = padded.index_put((samples.ray, places + 1), thickness)
    before = padded.cumsum(dim=1)[samples.ray, places]
    return -torch.exp(-before) * torch.expm1(-thickness)


def _composite(density, rgb, t, dt, offsets, stop, out):  # type: ignore[no-untyped-def]
    one, third = density.dtype.type(1), density.dtype.type(1 / 3)
    for ray in prange(offsets.shape[0] - 1):
        light, sum_s = one, density.dtype.type(0)
        for row in range(offsets[ray], offsets[ray + 1]):
            if light < stop:
                break
            w = -light * exponential_minus_one(-density[row] * dt[row])
            s, length = bounded_interval(t[row], dt[row])
            out[ray, 5] += w * (s * out[ray, 3] - sum_s) * (one + one) + w * w * length * third
            for c in range(3):
                out[ray, c] += w * rgb[row, c]
            out[ray, 3] += w
            out[ray, 4] += w * t[row]
            light -= w
            sum_s += w * s


def _composite_backward(density, rgb, t, dt, offsets, stop, out, d_out, d_density, d_rgb):  # type: ignore[no-untyped-def]
    one, two, third = density.dtype.type(1), density.dtype.type(2), density.dtype.type(1 / 3)
    for ray in prange(offsets.shape[0] - 1):
        g = d_out[ray]
        sum_all = density.dtype.type(0)
        light = one
        last = offsets[ray]
        for row in range(offsets[ray], offsets[ray + 1]):
            if light < stop:
                break
            w = -light * exponential_minus_one(-density[row] * dt[row])
            s, _ = bounded_interval(t[row], dt[row])
            sum_all += w * s
            light -= w
            last = row + 1
        total = g[3] * out[ray, 3] + g[4] * out[ray, 4] + two * g[5] * out[ray, 5]
        for c in range(3):
            total += g[c] * out[ray, c]
        light = one
        sum_w, sum_s = density.dtype.type(0), density.dtype.type(0)
        for row in range(offsets[ray], last):
            w = -light * exponential_minus_one(-density[row] * dt[row])
            s, length = bounded_interval(t[row], dt[row])
            spread = s * sum_w - sum_s + (sum_all - sum_s - w * s) - s * (out[ray, 3] - sum_w - w)
            value = g[3] + g[4] * t[row] + g[5] * two * (spread + third * w * length)
            for c in range(3):
                value += g[c] * rgb[row, c]
                d_rgb[row, c] = w * g[c]
            total -= w * value
            light -= w
            d_density[row] = dt[row] * (light * value - total)
            sum_w += w
            sum_s += w * s


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, density: Tensor, rgb: Tensor, samples: Samples, stop: float
    ) -> Tensor:
        values, colors = density.detach().contiguous().numpy(), rgb.detach().contiguous().numpy()
        out = np.zeros((len(samples.offsets) - 1, N_OUT), values.dtype)
        places = (samples.t.numpy(), samples.dt.numpy(), samples.offsets.numpy())
        arguments = (values, colors, *places, values.dtype.type(stop), out)
        run = specialise(_composite)
        with launch():
            run(*arguments)
        ctx.arguments = arguments
        return torch.from_numpy(out)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, Tensor, None, None]:
        d_density, d_rgb = np.zeros_like(ctx.arguments[0]), np.zeros_like(ctx.arguments[1])
        run = specialise(_composite_backward)
        with launch():
            run(*ctx.arguments, d_out.contiguous().numpy(), d_density, d_rgb)
        return torch.from_numpy(d_density), torch.from_numpy(d_rgb), None, None


def composite(
    density: Float[Tensor, " n"], rgb: Float[Tensor, "n 3"], samples: Samples, stop: float = 0.0
) -> Float[Tensor, "r 6"]:
    """Rays' rgb, opacity, sum of weight times distance and distortion; see `kernels.render`.

    Args:
        density: 1 / world unit; rgb: sRGB of each sample.
        stop: transmittance below which a ray ends.
    """
    return _Composite.apply(density, rgb, samples, stop)
