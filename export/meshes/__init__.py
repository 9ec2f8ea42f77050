"""Surfaces of a scene as triangles: found, cleaned, coloured and written.

`mesh` is the record that all of them share. `extract` is the way from a task to a mesh, `files`
that to the disk, `geometry` how well it lies on a true surface. `sparse_cubes` makes triangles of
any `implicit` function.
"""

from polyfield.export.meshes.mesh import Mesh

__all__ = ["Mesh"]
