"""The surface of an implicit function as triangles, at a cost that grows with the surface.

Letters: n vertices.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from polyfield.export.meshes.cubes import Crossings, march
from polyfield.export.meshes.implicit import Implicit
from polyfield.export.meshes.lattice import Lattice, find_blocks, lattice_over, near_blocks
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.room import check_room

COARSE = 128  # cells across, at which the blocks of a finer lattice are estimated
LOOKS = 4  # at the function along an edge, for where it is zero
CHUNK = 1 << 17  # points


def sparse_cubes(surface: Implicit, resolution: int) -> Mesh:
    """The triangles where a function is zero.

    Args:
        resolution: cells along the longest edge of the box.

    Returns:
        a mesh without normals and colours, without faces where there is no surface. It has no
        cracks: it is watertight where the function says so at the box's faces.

    Raises:
        InputError: for a resolution that memory has no room for, before anything is evaluated on
            it; for values that are not finite.
    """
    if resolution > COARSE:
        coarse = lattice_over(surface.box, COARSE, surface.closed)
        blocks = len(near_blocks(surface, coarse))
        check_room(int(blocks * (resolution / COARSE) ** 2), resolution)
    lattice = lattice_over(surface.box, resolution, surface.closed)
    found = find_blocks(surface, lattice)
    crossings = march(found.values, found.beyond, found.corners)
    return Mesh(_positions(surface, lattice, crossings), crossings.faces)


def _positions(
    surface: Implicit, lattice: Lattice, crossings: Crossings
) -> Float[np.ndarray, "n 3"]:
    """World points on edges of the lattice, where the function is zero."""
    made = np.empty((len(crossings.axis), 3), np.float32)
    for first in range(0, len(made), CHUNK):
        part = slice(first, first + CHUNK)
        start = lattice.origin + crossings.vertex[part] * lattice.spacing
        along = np.eye(3)[crossings.axis[part]] * lattice.spacing
        t = _zeros(surface, start, along, crossings.values[part].astype(np.float64))
        made[part] = start + t[:, None] * along
    return made


def _zeros(
    surface: Implicit, start: np.ndarray, along: np.ndarray, ends: np.ndarray
) -> Float[np.ndarray, " n"]:
    """Shares of edges at which the function is zero, by the Illinois rule of false position."""
    low, high = np.zeros(len(start)), np.ones(len(start))
    f_low, f_high = ends[:, 0].copy(), ends[:, 1].copy()
    t = f_low / (f_low - f_high)
    for _ in range(LOOKS if surface.bend else 0):
        points = torch.from_numpy(start + t[:, None] * along).float()
        f = surface.value(points).numpy().astype(np.float64)
        as_low = (f > 0) == (f_low > 0)
        f_high = np.where(as_low, 0.5 * f_high, f)
        f_low = np.where(as_low, f, 0.5 * f_low)
        low, high = np.where(as_low, t, low), np.where(as_low, high, t)
        t = low + (high - low) * f_low / (f_low - f_high)
    # At a corner of a cell triangles have no area.
    return np.clip(t, 1e-3, 1 - 1e-3)
