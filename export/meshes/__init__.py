"""Surfaces of a scene as triangles: found, cleaned, coloured and written.

`mesh` is the record that all of them share, `textured_mesh` that of those with a texture.
"""

from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.textured_mesh import TexturedMesh

__all__ = ["Mesh", "TexturedMesh"]
