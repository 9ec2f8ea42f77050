"""Cameras: poses and lenses of n images, their rays and their projection.

Letters: n cameras, r rays, m points. Camera axes are +x right, +y down, +z forward; pixel positions
are (x, y) from the corner of the image, so that the centre of its first pixel is (0.5, 0.5).
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyfield.cameras.loops import cast_rays, project_points
from polyfield.cameras.models import PARAMETERS, Model
from polyfield.cameras.rays import Rays
from polyfield.cameras.similarity import apply_similarity, split_similarity
from polyfield.errors import InputError


@dataclass(frozen=True)
class Cameras:
    """n cameras, one row each; tensors stay on the CPU.

    Attributes:
        world_from_camera: [n,3,4] float64, rotation (orthonormal) and position in world units.
        intrinsics: [n,4] float64 fx, fy, cx, cy in pixels.
        distortion: [n,12] float64, meaning by model; fewer columns are filled up with zeros.
        model: [n] int64, values of `Model`.
        size: [n,2] int64, width and height in pixels.
        times: [n] float64 in [0, 1], when each looks, where the scene moves; None where it does
            not.
    """

    world_from_camera: Float[Tensor, "n 3 4"]
    intrinsics: Float[Tensor, "n 4"]
    distortion: Float[Tensor, "n p"]
    model: Int[Tensor, " n"]
    size: Int[Tensor, "n 2"]
    times: Float[Tensor, " n"] | None = None

    def __post_init__(self) -> None:
        n = len(self.model)
        p = min(self.distortion.shape[-1], PARAMETERS)
        for name, shape, dtype in (
            ("world_from_camera", (n, 3, 4), torch.float64),
            ("intrinsics", (n, 4), torch.float64),
            ("distortion", (n, p), torch.float64),
            ("model", (n,), torch.int64),
            ("size", (n, 2), torch.int64),
        ):
            tensor = getattr(self, name)
            if tuple(tensor.shape) != shape:
                raise InputError(field=name, found=list(tensor.shape), expected=list(shape))
            tensor = tensor.detach().to("cpu", dtype).contiguous()
            object.__setattr__(self, name, tensor)
        if p < PARAMETERS:
            padded = torch.nn.functional.pad(self.distortion, (0, PARAMETERS - p))
            object.__setattr__(self, "distortion", padded)
        if self.times is not None:
            times = torch.as_tensor(self.times).detach().to("cpu", torch.float64).contiguous()
            if tuple(times.shape) != (n,) or not bool(((times >= 0) & (times <= 1)).all()):
                expected = f"{n} numbers between 0 and 1"
                raise InputError(field="times", found=times.tolist()[:3], expected=expected)
            object.__setattr__(self, "times", times)

    def __len__(self) -> int:
        return len(self.model)

    def __getitem__(self, which: SupportsIndex | slice | Tensor) -> Cameras:
        """Some of the cameras; a number of any integer type gives one camera."""
        if not isinstance(which, (slice, list)) and getattr(which, "ndim", 0) == 0:
            i = range(len(self))[operator.index(which)]
            which = slice(i, i + 1)
        return Cameras(
            self.world_from_camera[which],
            self.intrinsics[which],
            self.distortion[which],
            self.model[which],
            self.size[which],
            None if self.times is None else self.times[which],
        )

    @property
    def positions(self) -> Float[Tensor, "n 3"]:
        """Where the cameras stand, world."""
        return self.world_from_camera[:, :, 3]

    def rays(self, index: Int[Tensor, " r"], pixels: Float[Tensor, "r 2"]) -> Rays:
        """The rays of pixel positions, which may lie anywhere, also outside the image.

        Args:
            index: which camera each belongs to.
            pixels: (x, y), the centre of the first pixel being (0.5, 0.5).

        Raises:
            IndexError: for a camera that does not exist.
        """
        index = index.to("cpu", torch.int64).contiguous()
        r = len(index)
        if r and not 0 <= int(index.min()) <= int(index.max()) < len(self):
            raise IndexError(f"cameras {int(index.min())} to {int(index.max())} of {len(self)}")
        if pixels.shape != (r, 2):
            raise ValueError(f"pixels: found shape {list(pixels.shape)}, expected {[r, 2]}")
        origins, directions, axis_cosine = torch.empty(r, 3), torch.empty(r, 3), torch.empty(r)
        cast_rays(
            self._lens(),
            self.world_from_camera.numpy(),
            index.numpy(),
            pixels.detach().to("cpu", torch.float64).contiguous().numpy(),
            origins.numpy(),
            directions.numpy(),
            axis_cosine.numpy(),
        )
        times = None if self.times is None else self.times[index].float()
        return Rays(origins, directions, index, axis_cosine, times)

    def image_rays(self, i: int) -> Rays:
        """The rays of all pixel centres of image i, row by row: [height * width]."""
        i = range(len(self))[i]
        width, height = self.size[i].tolist()
        pixels = torch.empty(height, width, 2, dtype=torch.float64)
        pixels[..., 0] = torch.arange(0.5, width)
        pixels[..., 1] = torch.arange(0.5, height)[:, None]
        return self.rays(torch.full((height * width,), i), pixels.view(-1, 2))

    def project(
        self, i: int, points: Float[Tensor, "m 3"]
    ) -> tuple[Float[Tensor, "m 2"], Float[Tensor, " m"], Bool[Tensor, " m"]]:
        """Where camera i sees points.

        Args:
            i: the camera.
            points: in the world.

        Returns:
            pixels: (x, y); in the type of the points, as is the depth.
            z_depth: distance along the optical axis, world units.
            valid: whether the point is seen: within the image and within what the lens maps. Says
                nothing about occlusion.
        """
        camera = self[i]
        m = len(points)
        pixels = torch.empty(m, 2, dtype=torch.float64)
        z_depth = torch.empty(m, dtype=torch.float64)
        valid = torch.empty(m, dtype=torch.bool)
        width, height = camera.size[0].tolist()
        project_points(
            camera._lens(),
            camera.world_from_camera[0].numpy(),
            (width, height),
            points.detach().to("cpu", torch.float64).contiguous().numpy(),
            pixels.numpy(),
            z_depth.numpy(),
            valid.numpy(),
        )
        return pixels.to(points.dtype), z_depth.to(points.dtype), valid

    def scaled(self, factor: float) -> Cameras:
        """The cameras of images resized by a factor.

        Sizes are rounded to whole pixels; intrinsics follow the exact ratio of the sizes.
        """
        size = (self.size * factor).round().long().clamp(min=1)
        ratio = size.double() / self.size
        return replace(self, intrinsics=self.intrinsics * ratio.repeat(1, 2), size=size)

    def transformed(self, similarity: Float[Tensor, "4 4"]) -> Cameras:
        """The same cameras after the world was changed.

        Args:
            similarity: new world from old world: rotation, translation and one scale.

        Raises:
            InputError: for any other matrix, a mirroring one too.
        """
        matrix = similarity.to("cpu", torch.float64)
        _, turn, _ = split_similarity(matrix)
        rotation = turn @ self.world_from_camera[:, :, :3]
        positions = apply_similarity(matrix, self.positions)
        return replace(self, world_from_camera=torch.cat([rotation, positions[..., None]], dim=2))

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain data, one entry per camera, as `render path=cameras.json` reads it."""
        return [
            {
                "world_from_camera": self.world_from_camera[i].tolist(),
                "intrinsics": self.intrinsics[i].tolist(),
                "distortion": self.distortion[i].tolist(),
                "model": Model(int(self.model[i])).name,
                "size": self.size[i].tolist(),
                **({} if self.times is None else {"time": float(self.times[i])}),
            }
            for i in range(len(self))
        ]

    def _lens(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.model.numpy(), self.intrinsics.numpy(), self.distortion.numpy()


def concatenate(parts: list[Cameras]) -> Cameras:
    """All cameras of the parts, in order; all parts have times, or none has."""
    times = [part.times for part in parts if part.times is not None]
    if 0 < len(times) < len(parts):
        found = f"{len(times)} of {len(parts)} parts with times"
        raise InputError(field="times", found=found, expected="all or none")
    whole = Cameras(
        *(
            torch.cat([getattr(part, name) for part in parts])
            for name in ("world_from_camera", "intrinsics", "distortion", "model", "size")
        )
    )
    return replace(whole, times=torch.cat(times)) if times else whole
