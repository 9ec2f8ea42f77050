"""The fused render step: march, encode, density, cull, colour, composite, and all of it backward.

One thread takes blocks of rays through the whole pipeline. In a round, every live ray of a block
takes up to 8 samples; their density is computed at once, samples behind an opaque surface are
dropped, and only what is left is coloured. Rows (kept samples) go to the thread's *stash*, in the
order of rounds, which is front to back along each ray; the backward pass walks the rows in that
order with a running state per ray ("total minus prefix"), so that it needs no lists.

Letters: r rays, n rows, c features, k geometry features, q numbers a ray. `times` [r] is when a ray
looks, the fourth coordinate of all its samples; empty where nothing moves.
    T_1 = 1, alpha_i = 1 - exp(-density_i dt_i), w_i = T_i alpha_i, T_{i+1} = T_i - w_i (Max 1995)
    rgb = sum w_i c_i, opacity = sum w_i, distance = sum w_i t_i
    distortion = sum_ij w_i w_j |s_i - s_j| + 1/3 sum w_i^2 ds_i (Barron et al. 2022, eq. 15)
with s the middle of an interval and ds its length in t / (1 + t), so that what is far does not
outweigh what is near. Without a gradient there is also the median distance, at which T falls to one
half, density being even along an interval; 0 where it never does.

In pictures, where rays that follow each other are neighbours, every `bundle` of them walks to where
matter may begin as one cone (`march.bundle_start`); the samples stay the same.

With settings[FAINT] > 0, colour is computed only where w is at least that; fainter samples are
black, and so is what they add to the gradient (Chen et al. 2022, section 4.3). The bright rows are
kept beside the others, in a list of their own in the same order, with their features and colours.

Backbone and colour head are reached by their addresses: the templates are the same for all of them.
`kernels.volume` compiles them, and says what the arguments are.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from polyfield.kernels.color import call_backward, call_forward
from polyfield.kernels.frames import backward_of_part, gradient_of_points
from polyfield.kernels.march import CONE, STEP, along, bundle_start, march_ray, ray_span
from polyfield.kernels.mlp import mlp_backward, output
from polyfield.kernels.samples import (
    bounded_interval,
    encode_rows,
    move_rows,
    opacities,
    rays_backward,
    take_bright,
    trunk_rows,
)

ROUND = 8
ROWS = 1024  # rows a backward task, so that its activations stay in cache
N_OUT = 6  # numbers a ray: rgb, opacity, distance, distortion
MEDIAN = 6  # the column after these
CLEAREST = 1e-6  # light that an interval leaves at least, where the median is sought in it
STOP, SHIFT, NEAR_SCALE, DENSITY_SCALE, FAINT = 0, 1, 2, 3, 4  # the fields of `settings`
N_SETTINGS = 5


def render_forward(  # type: ignore[no-untyped-def]
    origins, directions, jitter, ray_features, times, grid, march, distances, settings, kind,
    encoding, n_parts, density_parts, density_columns, summed, trunk_params, trunk_shape,
    color_link, color_params, color_shape, keep, block_rays, bundle, rays, ts, dts, xs, features,
    acts, color_acts, weights, slopes, rgb, bright, bright_rays, bright_xs, bright_features,
    bright_rgb, out, rows_of, bright_of, marched,
):  # fmt: skip
    n_rays, n_threads, capacity = origins.shape[0], ts.shape[0], ts.shape[1]
    culls = settings[FAINT] > 0
    n_blocks = (n_rays + block_rays - 1) // block_rays
    for thread in prange(n_threads):
        ray_of, t_of, dt_of, x_of = rays[thread], ts[thread], dts[thread], xs[thread]
        feature, act, color_act = features[thread], acts[thread], color_acts[thread]
        weight, slope, color = weights[thread], slopes[thread], rgb[thread]
        one, zero = settings.dtype.type(1), settings.dtype.type(0)
        half, third = settings.dtype.type(1 / 2), settings.dtype.type(1 / 3)
        clearest = settings.dtype.type(CLEAREST)
        alive = np.empty(block_rays, np.int64)
        taken = np.empty(block_rays, np.int64)
        state = np.empty((block_rays, 2), settings.dtype)
        span = np.empty((block_rays, 2), settings.dtype)
        light = np.empty((block_rays, 3), settings.dtype)  # T, sum w, sum w s
        sources = np.empty(block_rays * ROUND, np.int64)
        axis = np.zeros(3, settings.dtype)
        alpha = np.empty(block_rays * ROUND, settings.dtype)
        gradient = np.empty(block_rays * ROUND, settings.dtype)
        end, n_marched, n_bright = 0, 0, 0
        for b in range(thread, n_blocks, n_threads):
            first_ray = b * block_rays
            first_row = end if keep else 0
            end = first_row
            n_alive, clear = 0, zero
            for i in range(min(block_rays, n_rays - first_ray)):
                ray = first_ray + i
                start, stop = ray_span(grid, march, origins, directions, ray)
                for c in range(N_OUT + 1):
                    out[ray, c] = zero
                if bundle > 0 and i % bundle == 0:
                    last = min(ray + bundle, n_rays, first_ray + block_rays)
                    clear = bundle_start(
                        grid, march, distances, origins, directions, ray, last, axis
                    )
                passed = zero
                if clear > zero:
                    met = clear / along(axis, directions, ray)
                    if met >= stop:
                        continue
                    # Growing steps are not counted: of those, only rays that meet nothing go.
                    passed = max(math.floor((met - start) / march[STEP]) - one, zero)
                if start < stop:
                    span[i, 0] = start + jitter[ray] * max(march[STEP], march[CONE] * start)
                    span[i, 1] = stop
                    state[i, 0], state[i, 1] = passed, span[i, 0]
                    light[i, 0], light[i, 1], light[i, 2] = one, zero, zero
                    alive[n_alive] = i
                    n_alive += 1
            while n_alive > 0:
                if end + n_alive * ROUND > capacity:
                    end = -1
                    break
                last = end
                for a in range(n_alive):
                    i = alive[a]
                    ray = first_ray + i
                    m = march_ray(
                        grid, march, distances, origins, directions, ray, span[i, 0], span[i, 1],
                        state, i, ROUND, t_of, dt_of, x_of, last,
                    )  # fmt: skip
                    for row in range(last, last + m):
                        ray_of[row] = ray
                    if times.shape[0] > 0:
                        for row in range(last, last + m):
                            x_of[row, 3] = times[ray]
                    taken[a] = m
                    last += m
                n_marched += last - end
                if last == end:
                    break
                encode_rows(x_of, end, last, 0, density_parts, encoding, feature)
                trunk = trunk_rows(
                    feature, summed, trunk_params, trunk_shape, act, capacity, end, last
                )
                opacities(
                    trunk, summed, dt_of[end:last], kind, settings[SHIFT], settings[DENSITY_SCALE],
                    alpha[: last - end], gradient,
                )  # fmt: skip
                source, target, still = 0, end, 0
                for a in range(n_alive):
                    i = alive[a]
                    ray = first_ray + i
                    for m in range(taken[a]):
                        t, dt = t_of[end + source + m], dt_of[end + source + m]
                        w = light[i, 0] * alpha[source + m]
                        sources[target - end] = end + source + m
                        ray_of[target], t_of[target], dt_of[target] = ray, t, dt
                        weight[target], slope[target] = w, gradient[source + m]
                        s, length = bounded_interval(t, dt)
                        out[ray, 3] += w
                        out[ray, 4] += w * t
                        out[ray, 5] += (
                            w * (s * light[i, 1] - light[i, 2]) * (one + one)
                            + w * w * length * third
                        )
                        if light[i, 0] > half and light[i, 0] - w <= half:
                            left = max(one - alpha[source + m], clearest)
                            part = math.log(half / light[i, 0]) / math.log(left)
                            out[ray, MEDIAN] = t + dt * (part - half)
                        light[i, 0] -= w
                        light[i, 1] += w
                        light[i, 2] += w * s
                        target += 1
                        if light[i, 0] < settings[STOP]:
                            break
                    source += taken[a]
                    if taken[a] == ROUND and light[i, 0] >= settings[STOP]:
                        alive[still] = i
                        still += 1
                move_rows(
                    sources, end, target - end, x_of, feature, density_columns, summed,
                    trunk_shape, act, capacity, keep,
                )  # fmt: skip
                n_alive = still
                end = target
            if end < 0:
                break
            if end == first_row:
                continue
            if culls:
                first_bright = n_bright if keep else 0
                n_bright = take_bright(
                    settings[FAINT], first_row, end, weight, ray_of, x_of, feature, summed,
                    density_columns, first_bright, bright[thread], bright_rays[thread],
                    bright_xs[thread], bright_features[thread],
                )  # fmt: skip
                encode_rows(
                    bright_xs[thread], first_bright, n_bright, density_parts, n_parts, encoding,
                    bright_features[thread],
                )  # fmt: skip
                call_forward(color_link, (
                    bright_features[thread][first_bright:n_bright, summed:], bright_rays[thread],
                    ray_features, color_params, color_shape, color_act, capacity, first_bright,
                    n_bright, bright_rgb[thread],
                ))  # fmt: skip
                color[first_row:end] = zero
                for i in range(first_bright, n_bright):
                    row = bright[thread, i]
                    for c in range(3):
                        color[row, c] = bright_rgb[thread, i, c]
                        out[ray_of[row], c] += weight[row] * color[row, c]
                continue
            if density_parts < n_parts:
                encode_rows(x_of, first_row, end, density_parts, n_parts, encoding, feature)
            geometry = feature[first_row:end, summed:]
            if summed == 0:
                geometry = output(act, trunk_shape, capacity, first_row, end)[:, 1:]
            call_forward(color_link, (
                geometry, ray_of, ray_features, color_params, color_shape, color_act, capacity,
                first_row, end, color,
            ))  # fmt: skip
            for row in range(first_row, end):
                for c in range(3):
                    out[ray_of[row], c] += weight[row] * color[row, c]
        rows_of[thread], bright_of[thread] = end, n_bright
        marched[thread] = n_marched


def render_backward(  # type: ignore[no-untyped-def]
    origins, directions, ray_features, grid, march, settings, encoding, n_parts, density_parts,
    density_columns, summed, trunk_params, trunk_shape, color_link, color_params, color_shape, rays,
    ts, dts, xs, features, acts, color_acts, weights, slopes, rgb, bright, bright_rays, bright_xs,
    bright_features, bright_rgb, out, rows_of, bright_of, d_out, d_params, d_trunk, d_color,
    d_ray_features, d_frames, want_points, d_origins, d_directions,
):  # fmt: skip
    n_rays, n_threads, capacity = origins.shape[0], ts.shape[0], ts.shape[1]
    culls = settings[FAINT] > 0
    apart = density_parts if culls and not want_points else n_parts  # parts of bright rows
    bright_columns = np.empty((n_threads, bright_xs.shape[1] * bright_xs.shape[2]), xs.dtype)
    columns = np.empty((n_threads, xs.shape[2] * capacity), xs.dtype)
    for thread in prange(n_threads):
        ray_of, t_of, dt_of = rays[thread], ts[thread], dts[thread]
        feature, act, color_act = features[thread], acts[thread], color_acts[thread]
        weight, slope, color = weights[thread], slopes[thread], rgb[thread]
        one, zero = settings.dtype.type(1), settings.dtype.type(0)
        two, third = settings.dtype.type(2), settings.dtype.type(1 / 3)
        n_rows = rows_of[thread]
        light = np.zeros((n_rays, 4), settings.dtype)  # sum w, sum w v, sum w s, sum_j w_j s_j
        for row in range(n_rows):
            s, _ = bounded_interval(t_of[row], dt_of[row])
            light[ray_of[row], 3] += weight[row] * s
        width = features.shape[2]
        trunk_width = trunk_shape[2 + trunk_shape[0]]
        d_trunk_out = np.empty((ROWS, trunk_width), settings.dtype)
        d_rgb = np.empty((ROWS, 3), settings.dtype)
        d_density = np.empty(ROWS, settings.dtype)
        d_bright = np.empty((ROWS if culls else 0, width), settings.dtype)
        first_bright, n_bright = 0, 0
        for r0 in range(0, n_rows, ROWS):
            r1 = min(r0 + ROWS, n_rows)
            for row in range(r0, r1):
                ray, w, t, dt = ray_of[row], weight[row], t_of[row], dt_of[row]
                s, length = bounded_interval(t, dt)
                behind = out[ray, 3] - light[ray, 0] - w
                spread = s * light[ray, 0] - light[ray, 2]
                spread += light[ray, 3] - light[ray, 2] - w * s - s * behind
                value = (
                    d_out[ray, 3]
                    + d_out[ray, 4] * t
                    + d_out[ray, 5] * (two * spread + two * third * w * length)
                )
                for c in range(3):
                    value += d_out[ray, c] * color[row, c]
                total = d_out[ray, 3] * out[ray, 3] + d_out[ray, 4] * out[ray, 4]
                total += two * d_out[ray, 5] * out[ray, 5]
                for c in range(3):
                    total += d_out[ray, c] * out[ray, c]
                light[ray, 0] += w
                light[ray, 1] += w * value
                light[ray, 2] += w * s
                after = total - light[ray, 1]
                scale = one
                if settings[NEAR_SCALE] > zero:
                    scale = min(one, (t / settings[NEAR_SCALE]) * (t / settings[NEAR_SCALE]))
                d_density[row - r0] = (
                    dt * ((one - light[ray, 0]) * value - after) * slope[row] * scale
                )
                at = row - r0
                if culls:
                    at = n_bright - first_bright
                    if n_bright == bright_of[thread] or bright[thread, n_bright] != row:
                        continue
                    n_bright += 1
                for c in range(3):
                    d_rgb[at, c] = w * d_out[ray, c] * scale
            rows = r1 - r0
            if culls:
                colored = n_bright - first_bright
                of_bright = bright_features[thread][first_bright:n_bright]
                call_backward(color_link, (
                    of_bright[:, summed:], bright_rays[thread], ray_features, color_params,
                    color_shape, color_act, capacity, first_bright, n_bright, bright_rgb[thread],
                    d_rgb[:colored], d_bright[:colored, summed:], d_ray_features, d_color[thread],
                ))  # fmt: skip
                taken = width if want_points else density_columns
                for row in range(rows):
                    for c in range(summed):
                        feature[r0 + row, c] = d_density[row]
                    for c in range(summed, taken):
                        feature[r0 + row, c] = 0
                for i in range(colored):
                    row = bright[thread, first_bright + i]
                    for c in range(summed, taken):
                        feature[row, c] = d_bright[i, c]
                    for c in range(density_columns, width):
                        of_bright[i, c] = d_bright[i, c]
                first_bright = n_bright
                continue
            geometry, first = feature[r0:r1, summed:], summed
            if summed == 0:
                geometry, first = output(act, trunk_shape, capacity, r0, r1)[:, 1:], 1
            call_backward(color_link, (
                geometry, ray_of, ray_features, color_params, color_shape, color_act, capacity,
                r0, r1, color, d_rgb[:rows], d_trunk_out[:rows, first:], d_ray_features,
                d_color[thread],
            ))  # fmt: skip
            for row in range(rows):
                for c in range(first):
                    d_trunk_out[row, c] = d_density[row]
            if summed == 0:
                mlp_backward(
                    feature[r0:r1], trunk_params, trunk_shape, act, capacity, r0, r1,
                    d_trunk_out[:rows], d_trunk[thread], feature[r0:r1],
                )  # fmt: skip
            else:
                feature[r0:r1] = d_trunk_out[:rows]
        by_axis = columns[thread][: xs.shape[2] * n_rows].reshape(xs.shape[2], n_rows)
        for a in range(xs.shape[2]):
            for row in range(n_rows):
                by_axis[a, row] = xs[thread, row, a]
        if apart < n_parts:
            by_axis = bright_columns[thread][: xs.shape[2] * n_bright].reshape(
                xs.shape[2], n_bright
            )
            for a in range(xs.shape[2]):
                for row in range(n_bright):
                    by_axis[a, row] = bright_xs[thread, row, a]
    for worker in prange(n_threads):
        for part in range(worker, n_parts, n_threads):
            for thread in range(n_threads):
                n_rows = rows_of[thread]
                by_axis = columns[thread][: xs.shape[2] * n_rows].reshape(xs.shape[2], n_rows)
                values = features[thread][:n_rows]
                if part >= apart:
                    n_rows = bright_of[thread]
                    by_axis = bright_columns[thread][: xs.shape[2] * n_rows].reshape(
                        xs.shape[2], n_rows
                    )
                    values = bright_features[thread][:n_rows]
                backward_of_part(by_axis, part, values, encoding, d_params)
    if want_points:
        for thread in prange(n_threads):
            n_rows = rows_of[thread]
            by_axis = columns[thread][: xs.shape[2] * n_rows].reshape(xs.shape[2], n_rows)
            d_x = np.zeros_like(by_axis)
            gradient_of_points(
                by_axis, features[thread][:n_rows], n_parts, encoding, d_x, d_frames[thread]
            )
            rays_backward(
                grid, march, origins, directions, rays[thread], ts[thread], d_x, d_origins,
                d_directions,
            )  # fmt: skip
