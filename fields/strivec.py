"""Strivec: clouds of local tri-vector tensors around known geometry (Gao et al. 2023).

Where tensors lie follows from points that are known before learning begins (`place`), so it belongs
to what is learned: centres are buffers, saved and loaded with the parameters. A field without any
is empty everywhere and refuses to be trained.

Letters: n points, l levels, m tensors of a level, h half of a tensor's edge, V vertices of a
vector, c features.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.backbone import Backbone, Replacement
from polyfield.fields.rising import Rising
from polyfield.fields.tensor_cloud import Level, Part, centers_of, described, first_rows
from polyfield.kernels.encode import EncoderKernels
from polyfield.kernels.strivec import AXES, strivec_blocks
from polyfield.kernels.strivec_reference import Cloud, strivec_reference

LEAST = 2  # vertices of a vector
WIDTHS = (16, 8, 4, 2, 1)  # features of a vector register
MOST_NUMBERS = 1 << 30  # of the table


class Strivec(Backbone):
    """Features of a point: those of the nearest tensors that it lies in, at every level.

    Args:
        half_sizes: h of each level, in the unit cube.
        spacing: edge of the voxels that get a tensor each, in half sizes.
        max_resolution: cells of a vector along the unit cube's edge, the same at every level.
        density, color: features of the density, which are summed, and of the rest; of all levels.
        coarse: share of the resolution to begin with; upsample: shares of the training at which
            it rises, evenly in its logarithm.
        start: what the density's features add up to at first where all levels have a tensor; a
            level adds its share where it has.
        deviation: of the initial values.
        l1: weight of the mean magnitude of what the density is made of.
        points: the file that known geometry is read from, where there is one; not read here.
        in_dim: 3, no other.

    Source: Strivec, sections 3 and 4, and its public configuration.
    """

    centers: Tensor
    counts: Tensor

    def __init__(
        self,
        half_sizes: Sequence[float] = (0.1, 0.05, 0.025),
        spacing: float = 4 / 3,
        max_resolution: int = 256,
        density: int = 24,
        color: int = 48,
        coarse: float = 1.0,
        upsample: Sequence[float] = (),
        start: float = 6.0,
        deviation: float = 0.2,
        l1: float = 0.0,
        points: str | None = None,
        in_dim: int = 3,
    ) -> None:
        if in_dim != AXES:
            raise InputError(
                "tri-vector tensors are cubes of space",
                field="field", found=f"strivec in {in_dim} dimensions", expected=f"{AXES}",
            )  # fmt: skip
        _check(half_sizes, spacing, max_resolution, l1, density, color)
        super().__init__(in_dim=in_dim, out_dim=density + color)
        levels = len(half_sizes)
        each = density // levels, color // levels
        self.register_width = next(w for w in WIDTHS if math.gcd(*each) % w == 0)
        self.density_parts: int = levels
        self.parts = [
            Part(level, first + level * columns, columns // self.register_width)
            for first, columns in zip((0, density), each, strict=True)
            for level in range(levels)
        ]
        self.half_sizes, self.spacing = list(half_sizes), spacing
        self.max_resolution, self.l1, self.points = max_resolution, l1, points
        self.start, self.deviation = start, deviation
        self._rising = Rising(coarse, upsample)
        self.register_buffer("centers", torch.empty(0, AXES))
        self.register_buffer("counts", torch.zeros(levels, dtype=torch.int64))
        self.table = nn.Parameter(torch.empty(0))
        self.kernels = self._kernels()
        self.register_load_state_dict_post_hook(lambda module, _: module._settle())

    @property
    def summed(self) -> int:
        """How many of the first features add up to the density."""
        return sum(part.width for part in self.parts[: self.density_parts]) * self.register_width

    @property
    def params(self) -> nn.Parameter:
        return self.table

    @property
    def levels(self) -> list[Level]:
        """The clouds at the present resolution."""
        centers = self.centers.detach().double().split(self.counts.tolist())
        return [
            Level(centers_of_level.numpy(), half, self.spacing * half, self._vertices(half))
            for centers_of_level, half in zip(centers, self.half_sizes, strict=True)
        ]

    def place(self, points: Float[Tensor, "n 3"], generator: torch.Generator | None = None) -> None:
        """Put tensors around points, and fill them with initial values.

        Args:
            points: known to be of the geometry, in the unit cube.
            generator: source of the initial values.

        Raises:
            InputError: when there are none in the unit cube.
        """
        inside = points[((points >= 0) & (points <= 1)).all(dim=-1)]
        if len(inside) == 0:
            raise InputError(
                "no point of the geometry lies in the box that is learned",
                field="field.points", found=f"{len(points)} points outside", expected="some inside",
                hint="domain.bounds=[[x,y,z],[x,y,z]] says where the box is",
            )  # fmt: skip
        clouds = [centers_of(inside, self.spacing * half) for half in self.half_sizes]
        self._take_centers(torch.cat(clouds), torch.tensor([len(cloud) for cloud in clouds]))
        with torch.no_grad():
            self.table.normal_(0, self.deviation, generator=generator)
            share = self.start / self.density_parts
            for view in self._views(self.table)[: self.density_parts]:
                view[..., 0] = math.copysign(abs(share) ** (1 / AXES), share)

    def take_structure(self, tensors: Mapping[str, Tensor]) -> None:
        """Make room for the tensors that were saved."""
        centers, counts = (tensors.get(name) for name in ("centers", "counts"))
        levels = len(self.half_sizes)
        if centers is None or counts is None or counts.shape != (levels,):
            return  # of another architecture: what loads it says so
        if centers.shape != (int(counts.sum()), AXES) or int(counts.min()) < 0:
            raise InputError(
                "damaged checkpoint", field="centers", found=list(centers.shape),
                expected=[int(counts.sum()), AXES],
            )  # fmt: skip
        if self.centers.shape != centers.shape or not torch.equal(self.counts, counts):
            self._take_centers(centers.to(self.centers.dtype), counts)
            with torch.no_grad():
                self.table.zero_()

    def reference(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n c"]:
        views, halves = self._views(self.table), len(self.parts) // 2
        centers = self.centers.split(self.counts.tolist())
        clouds = [
            Cloud(centers[i], half, (views[i], views[i + halves]))
            for i, half in enumerate(self.half_sizes)
        ]
        made = strivec_reference(x, clouds)
        return torch.cat([features[kind] for kind in (0, 1) for features in made], dim=1)

    def grow(self, step: int, progress: float) -> list[Replacement]:
        """Lengthen the vectors when due.

        Raises:
            InputError: when no tensors were placed.
        """
        if len(self.centers) == 0:
            raise InputError(
                "this field lies around known geometry, and was not given any",
                field="field", found="no tensors", expected="some",
                hint="task=radiance with trainer.geometry above 0 or field.points=FILE; in Python "
                "polyfield.prepared_task",
            )  # fmt: skip
        shapes = self._shapes()
        if not self._rising.rises(progress):
            return []
        before = self.table

        def carry(values: Tensor) -> Tensor:
            pieces = values.split([math.prod(shape) for shape in shapes])
            return torch.cat([
                _lengthened(piece.view(shape), self._vertices(self.half_sizes[part.level]))
                for piece, shape, part in zip(pieces, shapes, self.parts, strict=True)
            ])  # fmt: skip

        with torch.no_grad():
            self.table = nn.Parameter(carry(before))
        self.kernels = self._kernels()
        return [Replacement(before, self.table, carry)]

    def regularization(self) -> Tensor:
        """The weighted mean magnitude of what the density is made of."""
        if self.l1 == 0:
            return torch.zeros((), dtype=self.table.dtype)
        numbers = sum(math.prod(shape) for shape in self._shapes()[: self.density_parts])
        return self.l1 * self.table[:numbers].abs().mean()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The vectors; a penalty moves also those that no point has met."""
        group = {"params": [self.table], "name": "grid", "lr_scale": 1.0}
        return [{**group, "sparse": self.l1 == 0}]

    def _vertices(self, half: float, share: float | None = None) -> int:
        share = self._rising.share if share is None else share
        return max(round(2 * half * self.max_resolution * share) + 1, LEAST)

    def _shapes(self) -> list[tuple[int, int, int, int]]:
        """Of what each part holds: [m, 3, V, features]."""
        counts = self.counts.tolist()
        vertices = [self._vertices(half) for half in self.half_sizes]
        return [
            (counts[level], AXES, vertices[level], width * self.register_width)
            for level, _, width in self.parts
        ]

    def _views(self, table: Tensor) -> list[Tensor]:
        """What each part holds; views of the table."""
        shapes = self._shapes()
        pieces = table.split([math.prod(shape) for shape in shapes])
        return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def _take_centers(self, centers: Tensor, counts: Tensor) -> None:
        self.centers, self.counts = centers.to(self.centers.device), counts.clone()
        # What it will grow to: a training must not find out in the middle.
        at_last = [
            level._replace(vertices=self._vertices(level.half, 1.0)) for level in self.levels
        ]
        most = first_rows(at_last, self.parts)[-1] * self.register_width
        if most > MOST_NUMBERS:
            raise InputError(
                field="field.half_sizes", found=f"{most} parameters",
                expected=f"at most {MOST_NUMBERS}", hint="larger tensors are fewer",
            )  # fmt: skip
        numbers = first_rows(self.levels, self.parts)[-1] * self.register_width
        self.table = nn.Parameter(self.table.new_empty(numbers))
        self.kernels = self._kernels()

    def _settle(self) -> None:
        """After loading: what is derived of the centres."""
        self.kernels = self._kernels()

    def _kernels(self) -> EncoderKernels:
        ints, floats = described(self.levels, self.parts)
        return EncoderKernels(
            strivec_blocks(self.register_width),
            ints,
            floats,
            len(self.parts),
            self.out_dim,
            self.in_dim,
            n_params=len(self.table),
            ends=[part.column + part.width * self.register_width for part in self.parts],
        )


def _lengthened(values: Float[Tensor, "m 3 v f"], vertices: int) -> Float[Tensor, " k"]:
    """Vectors at another number of vertices, by linear interpolation, ends kept; flat."""
    m, axes, before, features = values.shape
    if before == vertices or m == 0:
        return values.new_zeros(0) if m == 0 else values.reshape(-1)
    lines = values.reshape(m * axes, before, features).movedim(-1, 1)
    made = functional.interpolate(lines, size=vertices, mode="linear", align_corners=True)
    return made.movedim(1, -1).reshape(-1)


def _check(
    half_sizes: Sequence[float],
    spacing: float,
    max_resolution: int,
    l1: float,
    density: int,
    color: int,
) -> None:
    if not half_sizes or any(not 1e-3 <= half <= 0.5 for half in half_sizes):
        raise InputError(
            field="field.half_sizes",
            found=list(half_sizes),
            expected="a number of 0.001 to 0.5 each level",
        )
    limits = {
        "spacing": (spacing, 0.25, 2.0),
        "max_resolution": (max_resolution, 2, 1 << 16),
        "l1": (l1, 0.0, math.inf),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise InputError(field=f"field.{name}", found=value, expected=f"{low:g} to {high:g}")
    for name, columns in (("density", density), ("color", color)):
        if columns < 1 or columns % len(half_sizes):
            raise InputError(
                field=f"field.{name}", found=columns,
                expected=f"a multiple of {len(half_sizes)}, the levels",
            )  # fmt: skip
