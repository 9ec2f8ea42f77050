"""Marching a ray through an occupancy grid: where to take samples.

A ray is a lattice of intervals [t_k, t_k + dt_k]; a sample is an interval whose midpoint lies in an
occupied cell. Without cone, t_k = t_0 + k dt. With a cone, dt_k = clamp(cone t_k, dt, dt_max), for
scenes that reach far. Empty space is skipped without leaving the lattice, by a distance field.

`grid` (int64) is [domain kind, resolution R]; `march` (float) is
[box (6), clip lower (3), clip upper (3), near, far, dt, cone, dt_max]: world units, `box` as in
`kernels.domain`, clip the occupied box. `distance` is a flat uint8 cube, cell (i, j, k) at
(i R + j) R + k: how many cells away, along the axis that is farthest, the nearest occupied cell is
(Chebyshev); 0 in occupied cells.
"""

from __future__ import annotations

import math

from polyfield.kernels.blocks import leaf
from polyfield.kernels.domain import BOX, CONTRACT_L2, to_unit

CLIP, NEAR, FAR, STEP, CONE, STEP_MAX, MARCH_FLOATS = 6, 12, 13, 14, 15, 16, 17
WIDE = 0.9  # cosine between the middle of a bundle and a ray below which walking it is no use


@leaf
def ray_span(grid, march, origins, directions, ray):  # type: ignore[no-untyped-def]
    """The distances between which a ray can meet anything: (start, end).

    Here and below rays are named by their number: a view of a row would count as one more user of
    its array, in a counter that all threads share, and wait for it.
    """
    start, end = march[NEAR], march[FAR]
    if grid[0] == BOX:
        for a in range(3):
            o, d = origins[ray, a], directions[ray, a]
            if d == 0:
                if o < march[CLIP + a] or o > march[CLIP + 3 + a]:
                    end = start
            else:
                inverse = march.dtype.type(1) / d
                t0 = (march[CLIP + a] - o) * inverse
                t1 = (march[CLIP + 3 + a] - o) * inverse
                start = max(start, min(t0, t1))
                end = min(end, max(t0, t1))
    return start, end


@leaf
def along(axis, directions, ray):  # type: ignore[no-untyped-def]
    """The cosine between an axis and the direction of a ray, both unit vectors."""
    return (
        axis[0] * directions[ray, 0] + axis[1] * directions[ray, 1] + axis[2] * directions[ray, 2]
    )


@leaf
def bundle_start(grid, march, distances, origins, directions, first, last, axis):  # type: ignore[no-untyped-def]
    """How far along the middle of a bundle of rays nothing lies that any of them could meet.

    A cone around the bundle is walked through the distances: a point whose cell is D cells from
    the nearest occupied one has nothing within D - 1 cells, so the cone's part up to
    e = (D - 1) cell - tan(angle) t further on is empty (with the radius growing meanwhile,
    e / (1 + tan)).

    Args:
        first, last: the rays of the bundle.
        axis: [3], the unit direction of its middle, written.

    Returns:
        distance along the axis, 0 where nothing is known: for rays that do not start together,
        bundles that are wide, contracted domains.
    """
    zero, one = march.dtype.type(0), march.dtype.type(1)
    axis[0], axis[1], axis[2] = zero, zero, zero
    if grid[0] != BOX:
        return zero
    for ray in range(first, last):
        for a in range(3):
            if origins[ray, a] != origins[first, a]:
                return zero
            axis[a] += directions[ray, a]
    norm = axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2]
    if not norm > zero:
        return zero
    inverse = one / math.sqrt(norm)
    for a in range(3):
        axis[a] *= inverse
    least, start, stop = one, march[FAR], zero
    for ray in range(first, last):
        cosine = along(axis, directions, ray)
        least = min(least, cosine)
        near, far = ray_span(grid, march, origins, directions, ray)
        if near < far:
            start, stop = min(start, near * cosine), max(stop, far)
    if least < WIDE:
        return zero
    tangent = math.sqrt(max(one - least * least, zero)) / least
    resolution = grid[1]
    cell = one / (max(march[3], march[4], march[5]) * march.dtype.type(resolution))
    t = start
    while t < stop:
        at = 0
        for a in range(3):
            x = (
                (origins[first, a] + t * axis[a] - march[a])
                * march[3 + a]
                * march.dtype.type(resolution)
            )
            at = at * resolution + min(max(int(x), 0), resolution - 1)
        clear = march.dtype.type(int(distances[at]) - 1) * cell - tangent * t
        if clear < march.dtype.type(0.5) * cell:
            break
        t += clear / (one + tangent)
    return t


@leaf
def step_size(march, t):  # type: ignore[no-untyped-def]
    """The length of the interval that begins at t."""
    return min(max(march[CONE] * t, march[STEP]), march[STEP_MAX])


@leaf
def cell_exit(x, cell, distance, inverse):  # type: ignore[no-untyped-def]
    """How far along a ray one axis stays clear.

    Args:
        x: coordinate in cells; cell: its floor; distance: of the cell, at least 1.
        inverse: distance along the ray per cell, see `inverse_slope`.
    """
    face = cell + distance if inverse > 0 else cell - distance + 1
    return (type(x)(face) - x) * inverse


@leaf
def inverse_slope(slope):  # type: ignore[no-untyped-def]
    """1 / slope, or so much that no face of a cell is ever met."""
    tiny = type(slope)(1e-12)
    if abs(slope) < tiny:
        return type(slope)(1e12)
    return type(slope)(1) / slope


@leaf
def contracted_exit(kind, march, x, y, z, slope, distance, resolution):  # type: ignore[no-untyped-def]
    """How far a ray surely stays clear under a contraction, which bends it.

    With m the max norm of the point scaled to the box, the row sums of the contraction's Jacobian
    bound how it stretches lengths in the max norm: by L(m) = (4 m - 3) / m^2 (max norm; 4/3 at
    most) or (5.47 m - 4.46) / m^2 (2-norm; 1.68 at most), falling for m > 1.65. While the norm
    stays above m / 2, that is for a distance of m / (2 slope), L(m / 2) is the bound.

    Args:
        slope: the largest |direction| in units of half the box.
    """
    one, half = type(x)(1), type(x)(0.5)
    u, v, w = (x - march[0]) * march[3], (y - march[1]) * march[4], (z - march[2]) * march[5]
    norm = max(abs(u + u - one), abs(v + v - one), abs(w + w - one)) * half
    stretch, reach = type(x)(1.68), type(x)(1e30)
    if norm > type(x)(1.65):
        if kind == CONTRACT_L2:
            stretch = (type(x)(5.47) * norm - type(x)(4.46)) / (norm * norm)
        else:
            stretch = (type(x)(4) * norm - type(x)(3)) / (norm * norm)
        reach = norm / slope
    clear = type(x)(4 * (distance - 1)) / (type(x)(resolution) * slope * stretch)
    return min(clear, reach)


@leaf
def march_ray(  # type: ignore[no-untyped-def]
    grid, march, distances, origins, directions, ray, start, end, state, i_state, limit, ts, dts,
    xs, row,
):  # fmt: skip
    """Take up to `limit` samples from where the ray was left.

    Args:
        ray: its number among the origins and unit directions.
        start, end: see `ray_span`, start jittered.
        state: [*, 2], in row `i_state` the intervals passed and (with a cone) the distance
            reached; updated.
        ts, dts: midpoints and lengths, written from `row` on; xs [*, 3] unit coordinates likewise.

    Returns:
        how many were taken; fewer than `limit` means that the ray has ended.
    """
    zero, one, half = march.dtype.type(0), march.dtype.type(1), march.dtype.type(0.5)
    kind, resolution = grid[0], grid[1]
    size = march.dtype.type(resolution)
    dt, cone = march[STEP], march[CONE]
    ox, oy, oz = origins[ray, 0], origins[ray, 1], origins[ray, 2]
    dx, dy, dz = directions[ray, 0], directions[ray, 1], directions[ray, 2]
    slope_x, slope_y, slope_z = dx * march[3] * size, dy * march[4] * size, dz * march[5] * size
    inverse_x, inverse_y = inverse_slope(slope_x), inverse_slope(slope_y)
    inverse_z = inverse_slope(slope_z)
    steps = one / dt
    slope = (one + one) * max(abs(dx * march[3]), abs(dy * march[4]), abs(dz * march[5]))
    taken = 0
    k, t = state[i_state, 0], state[i_state, 1]
    while taken < limit:
        if cone == 0:
            t = start + k * dt
        else:
            dt = step_size(march, t)
        middle = t + half * dt
        if middle >= end:
            break
        x, y, z = ox + middle * dx, oy + middle * dy, oz + middle * dz
        u, v, w = to_unit(kind, march, x, y, z)
        k += one
        t += dt
        if u >= zero and u < one and v >= zero and v < one and w >= zero and w < one:
            u_cells, v_cells, w_cells = u * size, v * size, w * size
            i, j, m = int(u_cells), int(v_cells), int(w_cells)
            distance = int(distances[(i * resolution + j) * resolution + m])
            if distance == 0:
                ts[row + taken] = middle
                dts[row + taken] = dt
                xs[row + taken, 0], xs[row + taken, 1], xs[row + taken, 2] = u, v, w
                taken += 1
                continue
            if kind == BOX:
                clear = min(
                    cell_exit(u_cells, i, distance, inverse_x),
                    cell_exit(v_cells, j, distance, inverse_y),
                    cell_exit(w_cells, m, distance, inverse_z),
                )
            else:
                clear = contracted_exit(kind, march, x, y, z, slope, distance, resolution)
            if cone == 0:
                # The truncation keeps the next midpoint from passing what is known to be empty.
                k += max(march.dtype.type(int(clear * steps)) - one, zero)
            else:
                clear = min(middle + clear, end)
                dt = step_size(march, t)
                while t + half * dt < clear:
                    t += dt
                    dt = step_size(march, t)
    state[i_state, 0], state[i_state, 1] = k, t
    return taken
