"""Marching a ray through an occupancy grid: where to take samples.

A ray is a lattice of intervals [t_k, t_k + dt_k]; a sample is an interval whose midpoint lies in an
occupied cell. Without cone, t_k = t_0 + k dt, and whole empty cells are skipped without leaving the
lattice. With a cone, dt_k = clamp(cone t_k, dt, dt_max), for scenes that reach far.

`grid` (int64) is [domain kind, resolution, coarse resolution]; `march` (float) is
[box (6), clip lower (3), clip upper (3), near, far, dt, cone, dt_max]: world units, `box` as in
`kernels.domain`, clip the occupied box. `occupied` and `coarse` are flat uint8 cubes, x fastest
last: cell (i, j, k) at (i R + j) R + k.
"""

from __future__ import annotations

from polyfield.kernels.blocks import block
from polyfield.kernels.domain import BOX, to_unit

CLIP, NEAR, FAR, STEP, CONE, STEP_MAX, MARCH_FLOATS = 6, 12, 13, 14, 15, 16, 17


@block
def ray_span(grid, march, o, d):  # type: ignore[no-untyped-def]
    """The distances between which a ray o + t d can meet anything: (start, end)."""
    start, end = march[NEAR], march[FAR]
    if grid[0] == BOX:
        for a in range(3):
            if d[a] == 0:
                if o[a] < march[CLIP + a] or o[a] > march[CLIP + 3 + a]:
                    end = start
            else:
                inverse = march.dtype.type(1) / d[a]
                t0 = (march[CLIP + a] - o[a]) * inverse
                t1 = (march[CLIP + 3 + a] - o[a]) * inverse
                start = max(start, min(t0, t1))
                end = min(end, max(t0, t1))
    return start, end


@block
def step_size(march, t):  # type: ignore[no-untyped-def]
    """The length of the interval that begins at t."""
    return min(max(march[CONE] * t, march[STEP]), march[STEP_MAX])


@block
def cell_of(u, v, w, resolution):  # type: ignore[no-untyped-def]
    """Flat index of the cell of a point of the unit cube; -1 outside it (and for NaN)."""
    one = type(u)(1)
    if not (u >= 0 and u < one and v >= 0 and v < one and w >= 0 and w < one):
        return -1
    size = type(u)(resolution)
    i, j, k = int(u * size), int(v * size), int(w * size)
    return (i * resolution + j) * resolution + k


@block
def axis_exit(u, du, size):  # type: ignore[no-untyped-def]
    """Distance to where a ray leaves its cell along one axis."""
    cell = type(u)(int(u * size))
    if du > 0:
        return (cell + type(u)(1) - u * size) / (du * size)
    if du < 0:
        return (cell - u * size) / (du * size)
    return type(u)(1e30)


@block
def cell_exit(u, v, w, du, dv, dw, resolution):  # type: ignore[no-untyped-def]
    """Distance to where a ray leaves its cell; du, dv, dw is the direction in unit coordinates."""
    size = type(u)(resolution)
    return min(axis_exit(u, du, size), axis_exit(v, dv, size), axis_exit(w, dw, size))


@block
def march_ray(grid, march, occupied, coarse, o, d, start, end, state, limit, ts, dts, xs, row):  # type: ignore[no-untyped-def]
    """Take up to `limit` samples from where the ray was left.

    Args:
        o, d: origin and unit direction; start, end: see `ray_span`, start jittered.
        state: [2], intervals passed and (with a cone) the distance reached; updated.
        ts, dts: midpoints and lengths, written from `row` on; xs [*, 3] unit coordinates likewise.

    Returns:
        how many were taken; fewer than `limit` means that the ray has ended.
    """
    one, half = march.dtype.type(1), march.dtype.type(0.5)
    kind, resolution, coarse_resolution = grid[0], grid[1], grid[2]
    ratio = resolution // coarse_resolution
    dt, cone = march[STEP], march[CONE]
    straight = kind == BOX and cone == 0
    du, dv, dw = d[0] * march[3], d[1] * march[4], d[2] * march[5]
    taken = 0
    k, t = state[0], state[1]
    while taken < limit:
        if cone == 0:
            t = start + k * dt
        else:
            dt = step_size(march, t)
        middle = t + half * dt
        if middle >= end:
            break
        u, v, w = to_unit(
            kind, march, o[0] + middle * d[0], o[1] + middle * d[1], o[2] + middle * d[2]
        )
        cell = cell_of(u, v, w, resolution)
        k += one
        if cell >= 0 and occupied[cell]:
            ts[row + taken] = middle
            dts[row + taken] = dt
            xs[row + taken, 0], xs[row + taken, 1], xs[row + taken, 2] = u, v, w
            taken += 1
        elif straight and cell >= 0:
            i = cell // (resolution * resolution)
            j = (cell // resolution) % resolution
            c = ((i // ratio) * coarse_resolution + j // ratio) * coarse_resolution
            c += (cell % resolution) // ratio
            if coarse[c]:
                leave = cell_exit(u, v, w, du, dv, dw, resolution)
            else:
                leave = cell_exit(u, v, w, du, dv, dw, coarse_resolution)
            k += max(march.dtype.type(int(leave / dt)) - one, march.dtype.type(0))
        t += dt
    state[0], state[1] = k, t
    return taken
