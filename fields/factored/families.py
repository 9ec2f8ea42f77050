"""The families of factored grids: which factors, and how they are combined.

    CP        one line per coordinate, multiplied              (TensoRF, Chen et al. 2022, eq. 3)
    VM        a plane by the line across it, for each plane    (TensoRF, eq. 4)
    KPlanes   one plane per pair of coordinates, multiplied    (Fridovich-Keil et al. 2023, eq. 2)
    TriPlane  one plane per pair of coordinates, added         (Chan et al. 2022, section 4)
    TT        a matrix along each coordinate, multiplied       (Oseledets 2011)
    Tucker    one line per coordinate, contracted with a core  (Tucker 1966)

With `transforms` > 0 the features are shared out among that many learned rotations, and each is the
TILTED version of itself (Yi et al. 2023); rotations are shared by all levels. Where `density` is
given, the first features are the density's own, to be summed (TensoRF), and the decoder has no
trunk; else all features go through the decoder's trunk.

Letters: d coordinates, t transforms, F features of a part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields.factored.contractions import tensor_trains, tuckers
from polyfield.fields.factored.grid import FactoredGrid
from polyfield.fields.factored.layout import Factor, Layout
from polyfield.fields.factored.products import Part, products
from polyfield.fields.rotations import Rotations

LEAST = 4  # vertices of a factor that is coarse at first
WIDTHS = (16, 8, 4, 2, 1)  # features of a part: as wide as a vector register
TIME_RESOLUTION = 64  # of K-Planes, where nobody says
# Weights of K-Planes' penalties in space and time: each moment is seen by few photos, often by one,
# and nothing else ties moments to each other. The paper's 1e-2 and 1e-4 of sums over nine planes.
TIED = {"time_smooth": 9e-2, "still": 9e-4}
FEATURE = 0.1  # deviation of a feature at first, where contractions make it
Axes = tuple[int, ...]


class CP(FactoredGrid):
    """Products of lines (canonical polyadic): the smallest of the factored grids.

    Args:
        resolution: vertices along a line, or a number for each level.
        density, color: features of density (0: none of its own) and of the rest, all levels and
            transforms together.
        transforms: t; reach: see `Rotations`.
        deviation: of the initial values.
        time_resolution: vertices along the fourth coordinate; None: as many as along the others.
        in_dim: coordinates, 1 to 4.
        more: see `FactoredGrid`.
    """

    def __init__(
        self,
        resolution: int | Sequence[int] = 300,
        density: int = 32,
        color: int = 96,
        transforms: int = 0,
        reach: float = 1.0,
        deviation: float = 0.2,
        time_resolution: int | None = None,
        in_dim: int = 3,
        generator: torch.Generator | None = None,
        **more: Any,
    ) -> None:
        lines = [tuple((a,) for a in range(in_dim))]
        super().__init__(
            **_composed(
                lines, resolution, density, color, transforms, reach, in_dim, generator,
                time_resolution=time_resolution,
            ),
            initial=_normal(deviation),
            **more,
        )  # fmt: skip


class VM(FactoredGrid):
    """Planes by the lines across them (vector-matrix); in 4-D planes by planes.

    Args:
        resolution: vertices along an axis, or a number for each level.
        density, color: features of density (0: none of its own) and of the rest, all modes, levels
            and transforms together.
        transforms: t; reach: see `Rotations`.
        deviation: of the initial values.
        time_resolution: vertices along the fourth coordinate; None: as many as along the others.
        in_dim: coordinates, 2 to 4.
        more: see `FactoredGrid`.
    """

    def __init__(
        self,
        resolution: int | Sequence[int] = 128,
        density: int = 24,
        color: int = 72,
        transforms: int = 0,
        reach: float = 1.0,
        deviation: float = 0.1,
        time_resolution: int | None = None,
        in_dim: int = 3,
        generator: torch.Generator | None = None,
        **more: Any,
    ) -> None:
        planes = _planes(in_dim, "VM") if in_dim != 2 else [(0,)]
        pairs = [
            (plane, tuple(a for a in range(in_dim) if a not in plane))
            for plane in planes
            if in_dim < 4 or 0 in plane  # each pair of complementary planes once
        ]
        super().__init__(
            **_composed(
                pairs, resolution, density, color, transforms, reach, in_dim, generator,
                time_resolution=time_resolution,
            ),
            initial=_normal(deviation),
            **more,
        )  # fmt: skip


class KPlanes(FactoredGrid):
    """Products of all planes of two coordinates, at several resolutions.

    Args:
        resolution: vertices along an axis of space, a number for each level.
        channels: features of all levels and transforms together.
        time_resolution: vertices along the fourth coordinate, at every level; None: 64.
        transforms: t; reach: see `Rotations`.
        time_smooth, still: see `FactoredGrid`; None: `TIED` with time, else 0.
        in_dim: coordinates, 2 to 4. Planes of space begin in [0.1, 0.5], those with time at 1, so
            that a scene that stands still is where learning starts.
        more: see `FactoredGrid`.
    """

    def __init__(
        self,
        resolution: int | Sequence[int] = (64, 128, 256),
        channels: int = 48,
        time_resolution: int | None = None,
        transforms: int = 0,
        reach: float = 1.0,
        time_smooth: float | None = None,
        still: float | None = None,
        in_dim: int = 3,
        generator: torch.Generator | None = None,
        **more: Any,
    ) -> None:
        planes = [tuple(_planes(in_dim, "K-Planes"))]
        if time_resolution is None:
            time_resolution = TIME_RESOLUTION
        composed = _composed(
            planes, resolution, 0, channels, transforms, reach, in_dim, generator,
            key="channels", time_resolution=time_resolution,
        )  # fmt: skip

        def initial(
            shape: tuple[int, int], factor: Factor, generator: torch.Generator | None
        ) -> Tensor:
            if 3 in factor.axes:
                return torch.ones(shape)
            return torch.empty(shape).uniform_(0.1, 0.5, generator=generator)

        asked = {"time_smooth": time_smooth, "still": still}
        usual = TIED if in_dim == 4 else dict.fromkeys(asked, 0.0)
        weights: dict[str, Any] = {
            name: usual[name] if weight is None else weight for name, weight in asked.items()
        }
        super().__init__(**composed, initial=initial, **weights, **more)


class TriPlane(FactoredGrid):
    """Sums of all planes of two coordinates.

    Args:
        resolution: vertices along an axis, or a number for each level.
        channels: features of all levels and transforms together.
        transforms: t; reach: see `Rotations`.
        deviation: of the initial values.
        time_resolution: vertices along the fourth coordinate; None: as many as along the others.
        in_dim: coordinates, 2 to 4.
        more: see `FactoredGrid`.
    """

    def __init__(
        self,
        resolution: int | Sequence[int] = 256,
        channels: int = 32,
        transforms: int = 0,
        reach: float = 1.0,
        deviation: float = 0.1,
        time_resolution: int | None = None,
        in_dim: int = 3,
        generator: torch.Generator | None = None,
        **more: Any,
    ) -> None:
        planes = [tuple(_planes(in_dim, "tri-planes"))]
        super().__init__(
            **_composed(
                planes, resolution, 0, channels, transforms, reach, in_dim, generator,
                key="channels", reduction="sum", time_resolution=time_resolution,
            ),
            initial=_normal(deviation),
            **more,
        )  # fmt: skip


class TT(FactoredGrid):
    """Tensor trains: a matrix along each coordinate, multiplied.

    Args:
        resolution: vertices along each axis.
        rank: r, of the matrices.
        channels: features of all transforms together.
        transforms: t; reach: see `Rotations`.
        time_resolution: vertices along the fourth coordinate; None: as many as along the others.
        in_dim: coordinates, 2 to 4.
        more: see `FactoredGrid`.
    """

    def __init__(
        self,
        resolution: int = 256,
        rank: int = 8,
        channels: int = 32,
        transforms: int = 0,
        reach: float = 1.0,
        time_resolution: int | None = None,
        in_dim: int = 3,
        generator: torch.Generator | None = None,
        **more: Any,
    ) -> None:
        # A feature is a sum over r^(d - 1) products of d numbers.
        deviation = (FEATURE / rank ** ((in_dim - 1) / 2)) ** (1 / in_dim) if rank > 0 else 0.0
        super().__init__(
            **_contracted(tensor_trains, resolution, rank, channels, transforms, reach, in_dim,
                          generator, time_resolution),
            initial=_normal(deviation),
            **more,
        )  # fmt: skip


class Tucker(FactoredGrid):
    """Tucker decompositions: a line along each coordinate, contracted with a small core.

    Args:
        resolution: vertices along each axis.
        rank: r, of the lines and of the core along each axis.
        channels: features of all transforms together.
        transforms: t; reach: see `Rotations`.
        time_resolution: vertices along the fourth coordinate; None: as many as along the others.
        in_dim: coordinates, 2 to 4.
        more: see `FactoredGrid`.
    """

    def __init__(
        self,
        resolution: int = 256,
        rank: int = 6,
        channels: int = 32,
        transforms: int = 0,
        reach: float = 1.0,
        time_resolution: int | None = None,
        in_dim: int = 3,
        generator: torch.Generator | None = None,
        **more: Any,
    ) -> None:
        lines = 0.5

        def initial(
            shape: tuple[int, int], factor: Factor, generator: torch.Generator | None
        ) -> Tensor:
            # A feature is a sum over r^d products of a number of the core and d of lines.
            deviation = lines if factor.axes else FEATURE / (rank**0.5 * lines) ** in_dim
            return torch.empty(shape).normal_(0, deviation, generator=generator)

        super().__init__(
            **_contracted(tuckers, resolution, rank, channels, transforms, reach, in_dim,
                          generator, time_resolution),
            initial=initial,
            **more,
        )  # fmt: skip


def _contracted(
    layout: Callable[[Sequence[int], Sequence[int], int, int], Layout],
    resolution: int,
    rank: int,
    channels: int,
    transforms: int,
    reach: float,
    in_dim: int,
    generator: torch.Generator | None,
    time_resolution: int | None,
) -> dict[str, Any]:
    """The arguments of `FactoredGrid` for lines that are contracted.

    Args:
        layout: of counts, frames, rank and features; the others as of the families above.
    """
    turns = max(transforms, 1)
    for name, (value, low, high) in {
        "in_dim": (in_dim, 2, 4),
        "rank": (rank, 1, 32),
        "transforms": (transforms, 0, 64),
    }.items():
        if not low <= value <= high:
            raise InputError(field=f"field.{name}", found=value, expected=f"{low} to {high}")
    if channels < 1 or channels % turns:
        raise InputError(field="field.channels", found=channels, expected=f"a multiple of {turns}")
    features = next(width for width in WIDTHS[1:] if channels // turns % width == 0)
    frames = [t for t in range(turns) for _ in range(channels // turns // features)]

    def made(shares: Sequence[float]) -> Layout:
        counts = [_count(resolution, share) for share in shares]
        return layout(_timed(counts, time_resolution), frames, rank, features)

    return {
        "layout": made,
        "in_dim": in_dim,
        "rotations": Rotations(transforms, in_dim, reach, generator) if transforms else None,
        "generator": generator,
    }


def _planes(in_dim: int, family: str) -> list[Axes]:
    """All pairs of coordinates.

    Args:
        family: whose planes these are, for messages.
    """
    if in_dim < 2:
        raise InputError(field="field.in_dim", found=in_dim, expected=f"2 to 4, for {family}")
    return list(combinations(range(in_dim), 2))


def _composed(
    terms: Sequence[tuple[Axes, ...]],
    resolution: int | Sequence[int],
    density: int,
    color: int,
    transforms: int,
    reach: float,
    in_dim: int,
    generator: torch.Generator | None,
    *,
    key: str = "color",
    reduction: str = "product",
    time_resolution: int | None = None,
) -> dict[str, Any]:
    """The arguments of `FactoredGrid` for these products of factors.

    Args:
        terms: the axes of each factor, for each product or sum.
        resolution, density, color, transforms, reach, in_dim: of the families above.
        key: what a family calls `color`.
        time_resolution: along the fourth coordinate, where it has its own.
    """
    levels = [resolution] if isinstance(resolution, int) else list(resolution)
    if transforms < 0 or not levels:
        raise InputError(
            field="field.transforms" if levels else "field.resolution",
            found=transforms if levels else resolution,
            expected="0 or more" if levels else "a number for each level",
        )
    portions = len(terms) * len(levels) * max(transforms, 1)
    for name, columns in (("density", density), (key, color)):
        if columns < 0 or columns % portions or (name == key and density + color == 0):
            raise InputError(
                field=f"field.{name}",
                found=columns,
                expected=f"a multiple of {portions}: {len(terms)} products x {len(levels)} levels"
                f" x {max(transforms, 1)} transforms",
            )
    each = math.gcd(density // portions, color // portions)
    features = next(width for width in WIDTHS if each % width == 0)

    def layout(shares: Sequence[float]) -> Layout:
        made: list[Part] = []
        for columns in (density, color):
            for frame in range(max(transforms, 1)):
                for finest in levels:
                    counts = _timed([_count(finest, s) for s in shares], time_resolution)
                    for term in terms:
                        factors = tuple(
                            Factor(axes, tuple(counts[a] for a in axes)) for axes in term
                        )
                        part = Part(factors, reduction, frame)
                        made += [part] * (columns // portions // features)
        return products(made, features)

    return {
        "layout": layout,
        "in_dim": in_dim,
        "rotations": Rotations(transforms, in_dim, reach, generator) if transforms else None,
        "density_parts": density // features or None,
        "generator": generator,
    }


def _timed(counts: list[int], time_resolution: int | None) -> list[int]:
    """The same, with what the fourth coordinate has of its own."""
    return (
        counts if time_resolution is None else [*counts[:3], *[time_resolution] * len(counts[3:])]
    )


def _count(finest: int, share: float) -> int:
    return max(round(finest * share), min(LEAST, finest))


def _normal(deviation: float) -> Any:
    def initial(
        shape: tuple[int, int], factor: Factor, generator: torch.Generator | None
    ) -> Tensor:
        return torch.empty(shape).normal_(0, deviation, generator=generator)

    return initial
