"""The compiled rasteriser as one operation of autograd, whatever it draws.

Letters: n Gaussians or surfels, m of them seen, q pairs of one and a tile, p parts of the work, one
a thread, h, w pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import get_num_threads
from torch import Tensor

from polyfield.kernels.blocks import leaf_variant, specialise, variant
from polyfield.kernels.gradients import direct_gradient
from polyfield.kernels.launch import launch
from polyfield.kernels.rasterize import bins, blend, blend_backward, order, project
from polyfield.kernels.rasterize import project_backward as onto_parameters
from polyfield.kernels.rasterize.arguments import check_pairs
from polyfield.kernels.rasterize.primitives import Primitive
from polyfield.kernels.rasterize.records import BLUR, ScreenStatistics
from polyfield.kernels.rasterize.screen import LOG2_E, NEAREST, ROW, TILE
from polyfield.kernels.workspace import Workspace

# Bytes of gradients of rows, all parts together, where there are many parts. A part has sums of its
# own for all that is in a picture, 64 bytes of a Gaussian and 128 of a surfel: a million Gaussians
# in one picture leave four threads to the backward pass over tiles, 250,000 leave sixteen. More
# parts are more memory to hold, to clear and to add up; on many cores it is worth raising.
SUMS_MOST = 1 << 28
_workspace = Workspace()
_WORDS = {np.dtype(np.float32): np.uint32, np.dtype(np.float64): np.uint64}


@dataclass(frozen=True)
class Settings:
    """What is no tensor: see `rasterize`; `depth` and the next say what is composited."""

    size: tuple[int, int]
    intrinsics: tuple[float, float, float, float]
    near: float
    degree: int
    antialiased: bool
    depth: bool
    normals: bool
    distortion: bool
    statistics: ScreenStatistics | None

    @property
    def absolute(self) -> bool:
        """Whether magnitudes of gradients in the picture are asked for."""
        return self.statistics is not None and self.statistics.magnitudes


@dataclass
class Picture:
    """What the forward pass leaves for the backward pass.

    Attributes:
        camera: [19] see `screen`.
        visible: [m], rank_of: [n] see `order`; rows: [m,16] front to back; radii: [n].
        ranks, spans, starts, reached, work: see `bins` and `blend`.
        rgb: [3,h,w]; opacity, depth, median: [h,w]; normals: [3,h,w]; disparity, distortion: [h,w],
            see `blend`; of no pixels where not asked for.
    """

    camera: np.ndarray
    visible: np.ndarray
    rank_of: np.ndarray
    rows: np.ndarray
    radii: np.ndarray
    ranks: np.ndarray
    spans: np.ndarray
    starts: np.ndarray
    reached: np.ndarray
    work: np.ndarray
    rgb: np.ndarray
    opacity: np.ndarray
    depth: np.ndarray
    median: np.ndarray
    normals: np.ndarray
    disparity: np.ndarray
    distortion: np.ndarray


def _flags(settings: Settings, absolute: bool | None = None) -> dict[str, bool]:
    flags = {
        "DEPTH": settings.depth,
        "NORMALS": settings.normals,
        "DISTORTION": settings.distortion,
    }
    return flags if absolute is None else {**flags, "ABSOLUTE": absolute}


def _camera(settings: Settings, pose: np.ndarray) -> np.ndarray:
    rest = (*settings.intrinsics, *settings.size, settings.near)
    flat = [pose[:, :3].reshape(-1), pose[:, 3], np.array(rest, dtype=pose.dtype)]
    return np.concatenate(flat).astype(pose.dtype)


def _draw(
    primitive: Primitive,
    settings: Settings,
    parameters: list[np.ndarray],
    pose: Any,
    background: Any,
) -> Picture:
    """The forward pass.

    Args:
        parameters: the six parameters.
        pose: [3,4]; background: [3].
    """
    dtype, n, parts = parameters[0].dtype, len(parameters[0]), get_num_threads()
    width, height = settings.size
    camera, take = _camera(settings, pose), _workspace.take
    rows, tiles = take("rows", (n, ROW), dtype), take("tiles", (n, 4), np.int32)
    radii, seen = np.empty(n, dtype), take("seen", n, np.int32)
    counts = np.empty(parts, np.int64)
    columns = primitive.columns
    specialise(project.project, project_16=primitive.project_16, COLUMNS=columns)(
        camera, *parameters, settings.degree, settings.antialiased, BLUR, rows, tiles, radii, seen,
        counts,
    )  # fmt: skip
    visible, rank_of = np.empty(n, np.int32), np.empty(n, np.int32)
    ordered, first_pair = take("ordered", n, np.int32), take("first_pair", n + 1, np.int64)
    sorted_rows = np.empty((n, ROW), dtype)
    words, bits = rows.view(_WORDS[dtype]), 8 * dtype.itemsize
    m = specialise(order.order_by_depth, COLUMNS=columns)(
        rows, words, bits, tiles, seen, counts, visible, ordered, rank_of, sorted_rows, first_pair
    )
    visible, ordered, sorted_rows = visible[:m], ordered[:m], sorted_rows[:m]
    first_pair = first_pair[: m + 1]
    across = -(-width // TILE)
    count = across * -(-height // TILE)
    q = int(first_pair[m])
    check_pairs(m, q, settings.size)
    pair_tile, pair_rank = take("pair_tile", q, np.int32), take("pair_rank", q, np.int32)
    pair_span, ends = take("pair_span", q, np.uint16), np.empty(parts, np.int64)
    found, work = np.zeros((parts, count), np.int64), np.zeros((parts, count), np.int64)
    bounds: dict[str, Any] = {
        "outline_of": primitive.outline_of,
        "rows_between": primitive.rows_between,
    }
    specialise(bins.find_pairs, **bounds)(
        sorted_rows, ordered, tiles, first_pair, across, height, pair_tile, pair_rank, pair_span,
        ends, found, work,
    )  # fmt: skip
    starts = np.empty(count + 1, np.int64)
    ranks, spans = np.empty(q, np.int32), np.empty(q, np.uint16)
    specialise(bins.sort_pairs)(
        first_pair, ends, pair_tile, pair_rank, pair_span, found, starts, ranks, spans
    )
    deep = (height, width) if settings.depth else (0, 0)
    rgb, opacity = np.empty((3, height, width), dtype), np.empty((height, width), dtype)
    depth, median = np.empty(deep, dtype), np.empty(deep, dtype)
    normals = np.empty((3, height, width) if settings.normals else (3, 0, 0), dtype)
    paired = (height, width) if settings.distortion else (0, 0)
    disparity, distortion = np.empty(paired, dtype), np.empty(paired, dtype)
    reached, done = np.empty(count, np.int64), np.empty(count, np.int64)
    flags = _flags(settings)
    specialise(blend.blend, **flags, blend_tile=leaf_variant(primitive.blend_tile, **flags))(
        sorted_rows, ranks, spans, starts, work, camera[NEAREST], background, rgb, opacity, depth,
        median, normals, disparity, distortion, reached, done,
    )  # fmt: skip
    return Picture(
        camera, visible, rank_of, sorted_rows, radii, ranks, spans, starts, reached, done, rgb,
        opacity, depth, median, normals, disparity, distortion,
    )  # fmt: skip


def _sums(
    primitive: Primitive,
    settings: Settings,
    picture: Picture,
    background: Any,
    of: list[np.ndarray],
) -> np.ndarray:
    """Sums over pixels for the gradients of rows, [p,m,16] or more columns.

    Args:
        of: gradients of rgb, opacity, depth, median, normals and distortion.
    """
    rows = picture.rows
    size = rows.nbytes * primitive.sums // ROW
    parts = max(min(get_num_threads(), SUMS_MOST // max(size, 1)), 1)
    sums = _workspace.zeros("sums", (parts, len(rows), primitive.sums), rows.dtype)
    flags = _flags(settings, absolute=settings.absolute)
    bound: dict[str, Any] = {
        "blend_tile_backward": leaf_variant(primitive.blend_tile_backward, **flags),
        "fill_tile": variant(blend_backward.fill_tile, **_flags(settings)),
    }
    specialise(blend_backward.blend_backward, DISTORTION=settings.distortion, **bound)(
        rows, picture.ranks, picture.spans, picture.starts, picture.reached, picture.work,
        picture.camera[NEAREST], background, picture.rgb, picture.opacity, picture.depth,
        picture.normals, picture.disparity, picture.distortion, *of, sums,
    )  # fmt: skip
    return sums


def _pose_gradient(of_pose: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """[3,4] from the sums over parts: of rotation, translation and, through both, the position."""
    total = of_pose.sum(axis=0)
    turn, shift, position = total[:9].reshape(3, 3), total[9:12], total[12:]
    # position = -R^T t
    turn = turn - np.outer(pose[:, 3], position)
    shift = shift - pose[:, :3] @ position
    return np.concatenate([turn, shift[:, None]], axis=1)


class Rasterize(torch.autograd.Function):
    """The compiled rasteriser as an operation of autograd."""

    @staticmethod
    def forward(
        ctx: Any, primitive: Primitive, settings: Settings, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        *parameters, pose, background = [
            np.ascontiguousarray(tensor.detach().numpy()) for tensor in tensors
        ]
        with launch():
            picture = _draw(primitive, settings, parameters, pose, background)
        ctx.primitive, ctx.settings, ctx.picture = primitive, settings, picture
        ctx.save_for_backward(*tensors)
        radii = torch.from_numpy(picture.radii)
        ctx.mark_non_differentiable(radii)
        outputs = (
            picture.rgb, picture.opacity, picture.depth, picture.median, picture.normals,
            picture.distortion,
        )  # fmt: skip
        return (*map(torch.from_numpy, outputs), radii)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *of: Tensor) -> tuple[Any, ...]:  # type: ignore[override]
        primitive, settings, picture = ctx.primitive, ctx.settings, ctx.picture
        tensors = ctx.saved_tensors
        *parameters, pose, background = [
            np.ascontiguousarray(tensor.detach().numpy()) for tensor in tensors
        ]
        gradients = [np.ascontiguousarray(gradient.numpy()) for gradient in of[:6]]
        needs = ctx.needs_input_grad[2:]
        direct = [direct_gradient(tensor, needed) for tensor, needed in zip(tensors[:6], needs[:6])]
        into = [
            np.zeros_like(value) if found is None else found.reshape(value.shape)
            for value, found in zip(parameters, direct)
        ]
        n = len(parameters[0])
        shape = (n if settings.statistics is not None else 0, 2)
        on_screen, magnitudes = np.zeros(shape, pose.dtype), np.zeros(shape, pose.dtype)
        of_pose = np.empty((get_num_threads(), 15), pose.dtype)
        means, quats, log_scales, opacity_logits, _, sh_rest = parameters
        with launch():
            sums = _sums(primitive, settings, picture, background, gradients)
            bound = leaf_variant(primitive.project_16_backward, NORMALS=settings.normals)
            specialise(onto_parameters.project_backward, project_16_backward=bound)(
                picture.camera, means, quats, log_scales, opacity_logits, sh_rest, settings.degree,
                settings.antialiased, BLUR, picture.visible, picture.rank_of, picture.rows, sums,
                bool(needs[6]), *into, on_screen, magnitudes, of_pose,
            )  # fmt: skip
        if settings.statistics is not None:
            settings.statistics.gradients = torch.from_numpy(on_screen)
            if settings.absolute:
                settings.statistics.absolute = torch.from_numpy(magnitudes / LOG2_E)
        results: list[Tensor | None] = [
            None if found is not None or not needed else torch.from_numpy(value)
            for value, found, needed in zip(into, direct, needs)
        ]
        results.append(torch.from_numpy(_pose_gradient(of_pose, pose)) if needs[6] else None)
        behind = None
        if needs[7]:
            behind = (of[0] * (1 - torch.from_numpy(picture.opacity))).sum(dim=(1, 2))
        return (None, None, *results, behind)
