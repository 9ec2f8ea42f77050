"""Triangles with what is known of their corners.

Letters: n vertices, m triangles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Mesh:
    """A surface.

    Attributes:
        vertices: float32, in the world of the training unless said otherwise.
        faces: int32 corners, counter-clockwise seen from outside.
        normals: float32 outward unit normals of the vertices; None where they are not known.
        colors: float32 sRGB of the vertices in [0, 1]; None where they are not known.
    """

    vertices: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "m 3"]
    normals: Float[np.ndarray, "n 3"] | None = None
    colors: Float[np.ndarray, "n 3"] | None = None

    def __len__(self) -> int:
        """The number of triangles."""
        return len(self.faces)

    def transformed(self, T_to_from: Float[np.ndarray, "4 4"]) -> Mesh:
        """The same surface in another frame.

        Args:
            T_to_from: a similarity; where it mirrors, the triangles are turned round with it.
        """
        linear, offset = T_to_from[:3, :3], T_to_from[:3, 3]
        vertices = (self.vertices @ linear.T + offset).astype(np.float32)
        faces = self.faces[:, ::-1] if np.linalg.det(linear) < 0 else self.faces
        normals = self.normals
        if normals is not None:
            turned = normals @ linear.T
            normals = (turned / np.linalg.norm(turned, axis=1, keepdims=True).clip(1e-30)).astype(
                np.float32
            )
        return replace(self, vertices=vertices, faces=faces, normals=normals)
