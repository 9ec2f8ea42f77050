"""A mesh with a picture laid around it.

Letters: n vertices, h x w texels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from polyfield.export.meshes.mesh import Mesh
from polyfield.renderers.mesh import MeshRenderer


@dataclass(frozen=True)
class TexturedMesh:
    """A surface and its texture.

    Attributes:
        mesh: its vertices are there as often as charts meet in them.
        uvs: float32 of the vertices, (0, 0) the lower left corner of the texture.
        texture: sRGB, the upper row first; no texel is empty.
    """

    mesh: Mesh
    uvs: Float[np.ndarray, "n 2"]
    texture: UInt8[np.ndarray, "h w 3"]

    def transformed(self, T_to_from: Float[np.ndarray, "4 4"]) -> TexturedMesh:
        """The same surface in another frame: see `Mesh.transformed`."""
        return replace(self, mesh=self.mesh.transformed(T_to_from))


def renderer_of(surface: Mesh | TexturedMesh, samples: int = 3) -> MeshRenderer:
    """What draws a surface.

    Args:
        samples: an axis, of which a pixel is the mean.
    """
    if isinstance(surface, Mesh):
        looks = {"colors": surface.colors}
        mesh = surface
    else:
        looks = {"uvs": surface.uvs, "texture": surface.texture}
        mesh = surface.mesh
    return MeshRenderer(mesh.vertices, mesh.faces, normals=mesh.normals, samples=samples, **looks)
