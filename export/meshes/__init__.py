"""Surfaces of a scene as triangles: found, cleaned, coloured and written.

`mesh` is the record that all of them share, `textured_mesh` that of those with a texture.
`extract` is the way from a task to a mesh, `texture` that to its texture, `files` that to the disk,
`geometry` how well it lies on a true surface. `sparse_cubes` makes triangles of any `implicit`
function.
"""

from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.textured_mesh import TexturedMesh

__all__ = ["Mesh", "TexturedMesh"]
