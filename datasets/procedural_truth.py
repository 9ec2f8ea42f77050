"""What is exactly true of the built-in scene: depth, normals, distances and points of its surface.

Letters: n images, h x w pixels, m points, k random lines, r rays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from numba import prange
from torch import Tensor

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.rays import Rays
from polyfield.datasets import procedural_shapes
from polyfield.datasets.procedural_shapes import Shapes
from polyfield.kernels.blocks import Block, specialise
from polyfield.kernels.launch import launch

CROSSINGS = 16  # at most, that are kept of a line through the scene
SHORTEST_STEP = 2e-4  # along such a line: thinner parts may be stepped over
BISECTIONS = 40

first_hit, union_distance = procedural_shapes.first_hit, procedural_shapes.union_distance
world_normal = procedural_shapes.world_normal


@dataclass(frozen=True)
class ProceduralTruth:
    """Ground truth, in world units.

    Attributes:
        depth: distance along the ray through each pixel's centre, 0 where it meets nothing.
        normals: unit, world, outward; 0 where there is nothing.
        shapes: the solids.
        radius: of a ball around the origin that holds them.
    """

    depth: Float[Tensor, "n h w"]
    normals: Float[Tensor, "n h w 3"]
    shapes: Shapes
    radius: float

    def signed_distance(self, points: Float[Tensor, "m 3"]) -> Float[Tensor, " m"]:
        """Distance to the surface, negative within the solids.

        Exact outside; within solids that overlap, points may lie deeper than stated.
        """
        given = points.detach().to("cpu", torch.float64).contiguous()
        distance = torch.empty(len(given), dtype=torch.float64)
        with launch():
            _compiled(_distances)(*self.shapes[:3], given.numpy(), distance.numpy())
        return distance.to(points.dtype)

    def surface_points(
        self, n: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
        """Points spread evenly over the surface of the union, and their unit outward normals.

        Lines of uniform measure cross a surface evenly over its area (Cauchy and Crofton): so
        random lines through a ball around the scene are cut with it.
        """
        points, normals, found = [], [], 0
        while found < n:
            starts, directions = self._lines(n, generator)
            places = torch.empty(len(starts), CROSSINGS, 3, dtype=torch.float64)
            upright = torch.empty_like(places)
            counts = torch.empty(len(starts), dtype=torch.int64)
            with launch():
                _compiled(_crossings)(
                    *self.shapes[:3],
                    starts.numpy(),
                    directions.numpy(),
                    2 * self.radius,
                    places.numpy(),
                    upright.numpy(),
                    counts.numpy(),
                )
            used = torch.arange(CROSSINGS) < counts[:, None]
            points.append(places[used])
            normals.append(upright[used])
            found += int(used.sum())
        # Crossings of one line lie together: shuffle before some are left out.
        chosen = torch.randperm(found, generator=generator)[:n]
        return torch.cat(points)[chosen].float(), torch.cat(normals)[chosen].float()

    def _lines(self, k: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Where k random lines start, just outside of the ball, and their unit directions."""
        uniform = torch.rand(4, k, generator=generator, dtype=torch.float64)
        z, around = 2 * uniform[0] - 1, 2 * math.pi * uniform[1]
        level = (1 - z * z).sqrt()
        directions = torch.stack([level * around.cos(), level * around.sin(), z], dim=1)
        turned = torch.linalg.cross(
            directions,
            torch.nn.functional.one_hot(directions.abs().argmin(dim=1), 3).to(directions),
        )
        a = torch.nn.functional.normalize(turned, dim=1)
        b = torch.linalg.cross(directions, a)
        offset, angle = self.radius * uniform[2].sqrt(), 2 * math.pi * uniform[3]
        middle = (offset * angle.cos())[:, None] * a + (offset * angle.sin())[:, None] * b
        return middle - self.radius * directions, directions


def trace_truth(shapes: Shapes, cameras: Cameras, radius: float) -> ProceduralTruth:
    """Depth and normals at the pixel centres of n cameras of one size."""
    width, height = cameras.size[0].tolist()
    traced = [trace(shapes, cameras.image_rays(i)) for i in range(len(cameras))]
    depth = torch.stack([depth.view(height, width) for depth, _ in traced])
    normals = torch.stack([normals.view(height, width, 3) for _, normals in traced])
    return ProceduralTruth(depth, normals, shapes, radius)


def trace(shapes: Shapes, rays: Rays) -> tuple[Float[Tensor, " r"], Float[Tensor, "r 3"]]:
    """Distance along rays to the first surface, 0 if none, and its unit outward normal."""
    origins = rays.origins.detach().cpu().double().contiguous()
    directions = rays.directions.detach().cpu().double().contiguous()
    depth, normals = torch.zeros(len(rays)), torch.zeros(len(rays), 3)
    with launch():
        _compiled(_trace)(
            *shapes[:4], origins.numpy(), directions.numpy(), depth.numpy(), normals.numpy()
        )
    return depth, normals


@cache
def _compiled(template: Block) -> Block:
    return specialise(
        template, first_hit=first_hit, union_distance=union_distance, world_normal=world_normal
    )


def _trace(kind, frame, size, reach, origins, directions, depth, normals):  # type: ignore[no-untyped-def]
    for r in prange(origins.shape[0]):
        ox, oy, oz = origins[r, 0], origins[r, 1], origins[r, 2]
        dx, dy, dz = directions[r, 0], directions[r, 1], directions[r, 2]
        t, i = first_hit(kind, frame, size, reach, ox, oy, oz, dx, dy, dz)
        if i >= 0:
            x, y, z = world_normal(kind, frame, size, i, ox + t * dx, oy + t * dy, oz + t * dz)
            depth[r] = t
            normals[r, 0], normals[r, 1], normals[r, 2] = x, y, z


def _distances(kind, frame, size, points, distance):  # type: ignore[no-untyped-def]
    for m in prange(points.shape[0]):
        x, y, z = points[m, 0], points[m, 1], points[m, 2]
        distance[m] = union_distance(kind, frame, size, x, y, z)[0]


def _crossings(kind, frame, size, starts, directions, length, places, normals, counts):  # type: ignore[no-untyped-def]
    for k in prange(starts.shape[0]):
        ox, oy, oz = starts[k, 0], starts[k, 1], starts[k, 2]
        dx, dy, dz = directions[k, 0], directions[k, 1], directions[k, 2]
        counts[k] = 0
        before, t = 0.0, 0.0
        last, _ = union_distance(kind, frame, size, ox, oy, oz)
        while t < length and counts[k] < places.shape[1]:
            before = t
            t += max(abs(last), SHORTEST_STEP)
            distance, _ = union_distance(kind, frame, size, ox + t * dx, oy + t * dy, oz + t * dz)
            if (distance < 0.0) != (last < 0.0):
                low, high = before, t
                for _ in range(BISECTIONS):
                    middle = 0.5 * (low + high)
                    x, y, z = ox + middle * dx, oy + middle * dy, oz + middle * dz
                    d, i = union_distance(kind, frame, size, x, y, z)
                    if (d < 0.0) == (last < 0.0):
                        low = middle
                    else:
                        high = middle
                u, v, w = world_normal(kind, frame, size, i, x, y, z)
                c = counts[k]
                places[k, c, 0], places[k, c, 1], places[k, c, 2] = x, y, z
                normals[k, c, 0], normals[k, c, 1], normals[k, c, 2] = u, v, w
                counts[k] = c + 1
            last = distance
