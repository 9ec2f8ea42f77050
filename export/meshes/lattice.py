"""A lattice over a box of which only blocks near a surface are looked at.

Coarse to fine: boxes that the surface may be in are cut in eight until they are blocks. Those are
evaluated, and where the surface leaves them those next to them are too, until it closes: a bound
that is too tight costs a part that stands alone, never a hole.

Letters: k blocks. A block is known by a key, its place in the lattice of blocks as one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from polyfield.errors import InputError
from polyfield.export.meshes.cubes import OFFSETS, SIZE, crossed
from polyfield.export.meshes.implicit import Implicit
from polyfield.export.meshes.room import VALUES, check_room

CHUNK = 256  # blocks that are evaluated at once
TINY = 1e-6  # how far outside a point is of which no more is known


@dataclass(frozen=True)
class Lattice:
    """Points at equal distances along three axes.

    Attributes:
        origin: of the first, world units; spacing: between two of them.
        counts: how many there are along each axis.
    """

    origin: Float[np.ndarray, "3"]
    spacing: float
    counts: tuple[int, int, int]

    @property
    def blocks(self) -> Int[np.ndarray, "3"]:
        """How many blocks there are along each axis."""
        return -(-np.array(self.counts, np.int64) // SIZE)

    def keys(self, corners: Int[np.ndarray, "k 3"]) -> Int[np.ndarray, " k"]:
        """Of blocks at places of the lattice of blocks; -1 outside of it."""
        blocks = self.blocks
        inside = ((corners >= 0) & (corners < blocks)).all(axis=1)
        made = (corners[:, 0] * blocks[1] + corners[:, 1]) * blocks[2] + corners[:, 2]
        return np.where(inside, made, -1)

    def corners(self, keys: Int[np.ndarray, " k"]) -> Int[np.ndarray, "k 3"]:
        """The places of blocks."""
        _, b, c = self.blocks
        return np.stack([keys // (b * c), keys // c % b, keys % c], axis=1)


def lattice_over(box: Float[np.ndarray, "2 3"], resolution: int, closed: bool) -> Lattice:
    """A lattice of that many cells along the longest edge of a box.

    Args:
        closed: whether there is a layer of points around the box.
    """
    edges = box[1] - box[0]
    spacing = float(edges.max()) / resolution
    cells = np.ceil(edges / spacing - 1e-6).astype(np.int64).clip(min=1)
    middle, more = box.mean(axis=0), 2 if closed else 0
    counts = tuple(int(n) + 1 + more for n in cells)
    origin = middle - 0.5 * spacing * (np.array(counts) - 1)
    return Lattice(origin, spacing, counts)  # type: ignore[arg-type]


class Blocks(NamedTuple):
    """What is known of a lattice.

    Attributes:
        corners: places in the lattice of blocks, in the order of their keys.
        values: at their vertices; NaN beyond the last of the lattice.
        beyond: see `cubes.crossed`.
        looked: how many blocks were evaluated in all.
    """

    corners: Int[np.ndarray, "k 3"]
    values: Float[np.ndarray, "k 8 8 8"]
    beyond: Int[np.ndarray, "k 8"]
    looked: int


def near_blocks(surface: Implicit, lattice: Lattice) -> Int[np.ndarray, " k"]:
    """Keys of the blocks that the surface may be in."""
    blocks = lattice.blocks
    size = 1 << int(blocks.max() - 1).bit_length()  # blocks an edge
    corners = np.zeros((1, 3), np.int64)
    while True:
        edge = size * SIZE * lattice.spacing
        half = torch.full((3,), 0.5 * edge)
        kept = []
        for part in np.array_split(corners, -(-len(corners) // (1 << 18)) or 1):
            low = lattice.origin + part * (SIZE * lattice.spacing)
            middles = torch.from_numpy(low + 0.5 * edge).float()
            kept.append(part[surface.near(middles, half).numpy()])
        corners = np.concatenate(kept)
        if size == 1 or not len(corners):
            return np.sort(lattice.keys(corners))
        size //= 2
        corners = (corners[:, None] + size * OFFSETS).reshape(-1, 3)
        corners = corners[(corners < blocks).all(axis=1)]


def evaluated(
    surface: Implicit, lattice: Lattice, keys: Int[np.ndarray, " k"]
) -> Float[np.ndarray, "k 8 8 8"]:
    """Values at the vertices of blocks.

    Raises:
        InputError: for values that are not finite.
    """
    values = np.empty((len(keys), SIZE, SIZE, SIZE), np.float32)
    last = np.array(lattice.counts) - 1
    for first in range(0, len(keys), CHUNK):
        part = slice(first, first + CHUNK)
        places = lattice.corners(keys[part])[:, None] * SIZE + np.arange(SIZE)[:, None]
        points = _grids(lattice.origin + np.minimum(places, last) * lattice.spacing)
        found = surface.value(points.view(-1, 3)).numpy().reshape(points.shape[:-1])
        if not np.isfinite(found).all():
            raise InputError(
                "the field gives no numbers", found="NaN or infinity",
                expected="a run that has not diverged", hint="checkpoint=best may be sound",
            )  # fmt: skip
        if surface.closed:
            edge = _any_axis((places == 0) | (places == last))
            found = np.where(edge, np.minimum(found, -TINY), found)
        values[part] = np.where(_any_axis(places > last), np.nan, found)
    return values


def _grids(places: Float[np.ndarray, "k 8 3"]) -> Float[torch.Tensor, "k 8 8 8 3"]:
    """All combinations of three coordinates."""
    made = torch.empty(len(places), SIZE, SIZE, SIZE, 3)
    along = torch.from_numpy(places).float()
    made[..., 0] = along[:, :, None, None, 0]
    made[..., 1] = along[:, None, :, None, 1]
    made[..., 2] = along[:, None, None, :, 2]
    return made


def _any_axis(flags: Bool[np.ndarray, "k 8 3"]) -> Bool[np.ndarray, "k 8 8 8"]:
    """Whether any of three coordinates is flagged."""
    x, y, z = flags[:, :, None, None, 0], flags[:, None, :, None, 1], flags[:, None, None, :, 2]
    return x | y | z


def find_blocks(surface: Implicit, lattice: Lattice) -> Blocks:
    """The blocks that the surface runs through and those beyond them, evaluated.

    Raises:
        InputError: for values that are not finite, and for more blocks than memory has room for.
    """
    keys = np.empty(0, np.int64)
    values = np.empty((0, SIZE, SIZE, SIZE), np.float32)
    wanted = near_blocks(surface, lattice)
    through = beyond = np.empty((0, 8), np.int64)
    while len(wanted):
        check_room(len(keys) + len(wanted), max(lattice.counts) - 1, VALUES)
        more = evaluated(surface, lattice, wanted)
        order = np.argsort(np.concatenate([keys, wanted]), kind="stable")
        keys = np.concatenate([keys, wanted])[order]
        values = np.concatenate([values, more])[order]
        beyond = _beyond(lattice, keys)
        through = crossed(values, beyond)
        wanted = np.setdiff1d(_next_to(lattice, keys, through), keys)
    looked = len(keys)
    if looked:
        kept = np.zeros(looked, bool)
        read = beyond[through[:, 0]]
        kept[read[read >= 0]] = True
        keys, values = keys[kept], values[kept]
    return Blocks(lattice.corners(keys), values, _beyond(lattice, keys), looked)


def _next_to(lattice: Lattice, keys: np.ndarray, through: np.ndarray) -> np.ndarray:
    """Keys of the blocks that those with the surface read, and of those that it goes on into."""
    corners = lattice.corners(keys)
    around = [(corners[through[:, 0]][:, None] + OFFSETS).reshape(-1, 3)]
    for axis in range(3):
        around.append(corners[through[:, 1 + axis]] - np.eye(3, dtype=np.int64)[axis])
    found = lattice.keys(np.concatenate(around))
    return found[found >= 0]


def _beyond(lattice: Lattice, keys: Int[np.ndarray, " k"]) -> Int[np.ndarray, "k 8"]:
    """Numbers of the blocks at `OFFSETS`, -1 for those that are not among them."""
    wanted = lattice.keys((lattice.corners(keys)[:, None] + OFFSETS).reshape(-1, 3))
    at = np.searchsorted(keys, wanted).clip(max=max(len(keys) - 1, 0))
    found = keys[at] == wanted if len(keys) else np.zeros(0, bool)
    return np.where(found, at, -1).reshape(-1, 8)
